"""What compiled kernels call: threads and their places, checked indexing, atomics, barriers.

Everything here is compiled by numba together with the kernel that uses it.
"""
# ruff: noqa: ANN201, N815 -- numba infers the types; the coordinates have CUDA's names

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import cgutils, types
from numba.core.imputils import call_iternext, impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.numpy_support import as_dtype

from .array import poison_byte

# error_model: as on a GPU, a division by zero gives inf or NaN and raises nothing. Wrappers are for
# calls from Python, which never calls these functions; to compile them would take half the time.
OPTIONS = {
    "boundscheck": True,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
compiled = numba.njit(**OPTIONS)
inlined = numba.njit(**OPTIONS, inline="always")  # quicker to compile than a call

# The record: an int64 array in which a launch notes where it is, for the message should it fail.
PLACE, AXIS, INDEX, SIZE, BLOCK, THREAD = range(6)
BARRIERS = 6  # from here on, the barrier at which each thread of the block waits
MAX_THREADS = 1024
RECORD_SIZE = BARRIERS + MAX_THREADS
FINISHED = 0  # instead of a barrier


class Dim3(NamedTuple):
    """Three counts or coordinates, int32 as on a GPU."""

    x: Any
    y: Any
    z: Any


class Thread(NamedTuple):
    """The hidden argument of a kernel: what `cuda` knows in one thread."""

    threadIdx: Dim3
    blockIdx: Dim3
    blockDim: Dim3
    gridDim: Dim3
    record: Any  # the address of the record


# Where a thread is


@compiled
def place(i, size):
    """The i-th of size.x * size.y * size.z places; x runs fastest."""
    if i < size.x:
        return Dim3(np.int32(i), np.int32(0), np.int32(0))
    rest = i // size.x
    return Dim3(np.int32(i % size.x), np.int32(rest % size.y), np.int32(rest // size.y))


@compiled
def grid1(thread):
    return np.int64(thread.blockIdx.x) * thread.blockDim.x + thread.threadIdx.x


@compiled
def grid2(thread):
    return grid1(thread), np.int64(thread.blockIdx.y) * thread.blockDim.y + thread.threadIdx.y


@compiled
def grid3(thread):
    z = np.int64(thread.blockIdx.z) * thread.blockDim.z + thread.threadIdx.z
    return (*grid2(thread), z)


@compiled
def gridsize1(thread):
    return np.int64(thread.gridDim.x) * thread.blockDim.x


@compiled
def gridsize2(thread):
    return gridsize1(thread), np.int64(thread.gridDim.y) * thread.blockDim.y


@compiled
def gridsize3(thread):
    return (*gridsize2(thread), np.int64(thread.gridDim.z) * thread.blockDim.z)


# Memory


def note(context, builder, record, slot, value):
    """Write a number into a slot of the record, an address."""
    slots = builder.inttoptr(record, value.type.as_pointer())
    builder.store(value, builder.gep(slots, [context.get_constant(types.int64, slot)]))


@intrinsic
def checked(typing_context, array, index, place, record):
    """index, if it lies in array; else an IndexError, and what is wrong goes into the record.

    A negative index lies outside: on a GPU it wraps around in silence. Anything but integers into
    an array (the index of a tuple, a slice) is left to numba.
    """
    index = types.unliteral(index)
    kinds = tuple(index) if isinstance(index, types.BaseTuple) else (index,)
    known = isinstance(array, types.Array) and all(isinstance(k, types.Integer) for k in kinds)

    def generate(context, builder, signature, args):
        if not known:
            return args[1]
        is_tuple = isinstance(index, types.BaseTuple)
        parts = cgutils.unpack_tuple(builder, args[1]) if is_tuple else [args[1]]
        shape = context.make_array(array)(context, builder, args[0]).shape
        sizes = cgutils.unpack_tuple(builder, shape)
        for axis, (kind, part, size) in enumerate(zip(kinds, parts, sizes, strict=False)):
            position = context.cast(builder, part, kind, types.int64)
            outside = builder.icmp_unsigned(">=", position, size)  # a negative one is huge, so
            with cgutils.if_unlikely(builder, outside):
                number = context.get_constant(types.int64, axis)
                for slot, value in zip(
                    (PLACE, AXIS, INDEX, SIZE), (args[2], number, position, size), strict=True
                ):
                    note(context, builder, args[3], slot, value)
                context.call_conv.return_user_exc(builder, IndexError, ("index out of bounds",))
        return args[1]

    return index(array, index, types.int64, types.int64), generate


@intrinsic
def borrow(typing_context, value):
    """An array that owns nothing, so that threads need not count references; others unchanged."""

    def generate(context, builder, signature, args):
        if not isinstance(value, types.Array):
            return args[0]
        array = context.make_array(value)(context, builder, args[0])
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()

    return value(value), generate


@intrinsic
def address(typing_context, array):
    """Where an array's elements lie; array.ctypes would keep numba from caching the kernel."""

    def generate(context, builder, signature, args):
        data = context.make_array(array)(context, builder, args[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.int64))

    return types.int64(array), generate


def _wipe(context, builder, kind, value):
    """Fill an array with the byte of memory that nobody has written."""
    array = context.make_array(kind)(context, builder, value)
    byte = context.get_constant(types.int8, poison_byte(as_dtype(kind.dtype)))
    size = builder.mul(array.nitems, array.itemsize)
    data = builder.bitcast(array.data, cgutils.voidptr_t)
    cgutils.memset(builder, data, size, byte)


@intrinsic
def wipe(typing_context, arrays):
    """Make a tuple of arrays look as if nobody had written them."""

    def generate(context, builder, signature, args):
        for kind, value in zip(arrays, cgutils.unpack_tuple(builder, args[0]), strict=True):
            _wipe(context, builder, kind, value)
        return context.get_dummy_value()

    return types.void(arrays), generate


@intrinsic
def wiped(typing_context, array):
    """The array itself, wiped."""

    def generate(context, builder, signature, args):
        _wipe(context, builder, array, args[0])
        return impl_ret_borrowed(context, builder, array, args[0])

    return array(array), generate


@compiled
def atomic_add(array, index, value):
    old = array[index]
    array[index] = old + array.dtype.type(value)
    return old


@compiled
def atomic_max(array, index, value):
    old = array[index]
    new = array.dtype.type(value)
    if new > old:
        array[index] = new
    return old


@compiled
def atomic_min(array, index, value):
    old = array[index]
    new = array.dtype.type(value)
    if new < old:
        array[index] = new
    return old


# Threads that wait for each other are generators, kept as bare structs in one buffer of bytes.


@intrinsic
def state_size(typing_context, generator):
    """The bytes that a suspended thread takes."""

    def generate(context, builder, signature, args):
        size = context.get_abi_sizeof(context.get_data_type(generator))
        return context.get_constant(types.int64, size)

    return types.int64(generator), generate


def _state(context, builder, generator, buffer, args):
    """A pointer to the args[1]-th thread in the buffer args[0]."""
    array = context.make_array(buffer)(context, builder, args[0])
    states = builder.bitcast(array.data, context.get_data_type(generator).as_pointer())
    return builder.gep(states, [args[1]])


@intrinsic
def suspend(typing_context, buffer, i, generator):
    """Put a thread that has not begun into the buffer."""

    def generate(context, builder, signature, args):
        state = _state(context, builder, generator, buffer, args)
        builder.store(builder.load(args[2]), state)
        return context.get_dummy_value()

    return types.void(buffer, types.int64, generator), generate


@intrinsic
def resume(typing_context, buffer, i, generator):
    """Run a thread of the buffer to its next barrier, whose number is returned, or FINISHED."""

    def generate(context, builder, signature, args):
        state = _state(context, builder, generator, buffer, args)
        step = call_iternext(context, builder, generator, state)
        finished = context.get_constant(types.int64, FINISHED)
        barrier = cgutils.alloca_once_value(builder, finished)
        with builder.if_then(step.is_valid()):
            builder.store(step.yielded_value(), barrier)
        return builder.load(barrier)

    return types.int64(buffer, types.int64, generator), generate


# Launching. `run` is given what body takes, the shared arrays, dims: the sizes of the grid and then
# those of the block, and whether blocks and threads come backwards, the last one first. body is no
# argument of it, because numba does not cache code that is handed functions.


@compiled
def sizes(dims):
    """The sizes of the grid and of the block, and how many blocks and threads that makes."""
    gridDim = Dim3(np.int32(dims[0]), np.int32(dims[1]), np.int32(dims[2]))
    blockDim = Dim3(np.int32(dims[3]), np.int32(dims[4]), np.int32(dims[5]))
    return gridDim, blockDim, dims[0] * dims[1] * dims[2], dims[3] * dims[4] * dims[5]


def one_by_one(body):
    """Run a kernel without barriers: every thread of every block, each to its end."""

    @inlined
    def run(args, shared, dims, backwards, record):
        gridDim, blockDim, blocks, threads = sizes(dims)
        note = address(record)
        for i in range(blocks):
            record[BLOCK] = blocks - 1 - i if backwards else i
            blockIdx = place(record[BLOCK], gridDim)
            wipe(shared)
            for j in range(threads):
                record[THREAD] = threads - 1 - j if backwards else j
                threadIdx = place(record[THREAD], blockDim)
                body(Thread(threadIdx, blockIdx, blockDim, gridDim, note), *args)
        return True

    return run


def together(body):
    """Run a kernel with barriers: the threads of a block go from one to the next together.

    body is a generator, which yields the number of the barrier it has come to. run is False if the
    threads of a block are not all at the same one.
    """

    @inlined
    def run(args, shared, dims, backwards, record):
        gridDim, blockDim, blocks, threads = sizes(dims)
        note = address(record)
        first = place(0, gridDim)
        thread = body(Thread(first, first, blockDim, gridDim, note), *args)  # for its size alone
        states = np.empty(threads * state_size(thread), np.uint8)
        for i in range(blocks):
            record[BLOCK] = blocks - 1 - i if backwards else i
            blockIdx = place(record[BLOCK], gridDim)
            wipe(shared)
            for j in range(threads):
                threadIdx = place(j, blockDim)
                thread = body(Thread(threadIdx, blockIdx, blockDim, gridDim, note), *args)
                suspend(states, j, thread)
            running = True
            while running:
                for k in range(threads):
                    j = threads - 1 - k if backwards else k
                    record[THREAD] = j
                    record[BARRIERS + j] = resume(states, j, thread)
                for j in range(1, threads):
                    if record[BARRIERS + j] != record[BARRIERS]:
                        return False
                running = record[BARRIERS] != FINISHED
        return True

    return run
