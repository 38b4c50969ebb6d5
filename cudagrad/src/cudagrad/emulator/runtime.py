"""What compiled kernels call: threads and their places, and checked indexing.

Everything here is compiled by numba together with the kernel that uses it.
"""
# ruff: noqa: ANN201, N815 -- numba infers the types; the coordinates have CUDA's names

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import cgutils, types
from numba.core.errors import RequireLiteralValue
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import as_dtype

from .array import poison_byte
from .errors import LoopError

# error_model: as on a GPU, a division by zero gives inf or NaN and raises nothing. Wrappers are for
# calls from Python, which never calls these functions; to compile them would take half the time.
# Indices are checked below, except those into what a function makes, and slices.
OPTIONS = {
    "boundscheck": False,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
compiled = numba.njit(**OPTIONS)
slicing = numba.njit(**OPTIONS | {"boundscheck": True})
inlined = numba.njit(**OPTIONS, inline="always")  # quicker to compile than a call
between = slice  # by a name that no variable of a kernel has

# The record: an int64 array in which a launch notes where it is, for the message if it fails. It
# also holds the order in which to run, and the state of the generator that draws random orders.
# COPYING: whether any thread of the block has begun an asynchronous copy (see copies).
PLACE, AXIS, INDEX, SIZE, BLOCK, THREAD, ORDER, STATE, COPYING = range(9)
BARRIERS = 9  # from here on, the barrier at which each thread of the block waits
MAX_THREADS = 1024
EXCHANGE = BARRIERS + MAX_THREADS  # from here on, what each gives to others (see warps)
MASKS = EXCHANGE + MAX_THREADS  # from here on, the lanes that each waits for, where not for all
COPIES = MASKS + MAX_THREADS  # from here on, counts of its copies, then where these go
COUNTS, IN_FLIGHT = 4, 64  # of a thread; copies that are on their way are so many at most
RECORD_SIZE = COPIES + (COUNTS + 2 * IN_FLIGHT) * MAX_THREADS
FINISHED = 0  # instead of a barrier
MOST_TURNS = 2**31  # of a loop without barriers, which take some seconds
MOST_WAITS = 2**27  # of all threads, in a loop with barriers: seconds again
GRID = 2**20  # is added to the number of a barrier for the whole grid
SOME_LANES = 2**21  # to that of a warp, before it is negated, if its mask may leave out lanes


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
    rank: Any  # which of its block's threads it is


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
def remark(typing_context, record, slot, value):
    """Write a number into a slot, which is a constant, of the record, an address."""

    def generate(context, builder, signature, args):
        note(context, builder, args[0], slot.literal_value, args[2])
        return context.get_dummy_value()

    if not isinstance(slot, types.IntegerLiteral):
        raise RequireLiteralValue("slot")
    return types.void(types.int64, slot, types.int64), generate


def _check(context, builder, array, value, kinds, parts, place, record):
    """Raise an IndexError unless the parts of an index lie in an array; the record says which."""
    shape = context.make_array(array)(context, builder, value).shape
    sizes = cgutils.unpack_tuple(builder, shape)
    for axis, (kind, part, size) in enumerate(zip(kinds, parts, sizes, strict=False)):
        if isinstance(kind, types.SliceType):
            continue
        position = context.cast(builder, part, kind, types.int64)
        outside = builder.icmp_unsigned(">=", position, size)  # a negative one is huge, so
        with cgutils.if_unlikely(builder, outside):
            number = context.get_constant(types.int64, axis)
            for slot, found in zip(
                (PLACE, AXIS, INDEX, SIZE), (place, number, position, size), strict=True
            ):
                note(context, builder, record, slot, found)
            context.call_conv.return_user_exc(builder, IndexError, ("index out of bounds",))


def is_number(kind):
    return isinstance(kind, types.Integer | types.Float | types.Boolean)


@intrinsic
def checked(typing_context, array, index, place, record):
    """index, if it lies in array; else an IndexError, and what is wrong goes into the record.

    A negative index lies outside: on a GPU it wraps around in silence. Anything but numbers and
    slices into an array (the index of a tuple) is left to numba. A float or a bool becomes an
    integer, so that type inference goes on to the pass of refusals, which refuses it with its line.
    """
    index = types.unliteral(index)
    kinds = tuple(index) if isinstance(index, types.BaseTuple) else (index,)
    of_array = isinstance(array, types.Array) and all(
        is_number(kind) or isinstance(kind, types.SliceType) for kind in kinds
    )
    known = of_array and not any(isinstance(kind, types.Float | types.Boolean) for kind in kinds)
    result = index
    if of_array and not known:
        whole = [types.int64 if is_number(kind) else kind for kind in kinds]
        result = types.int64 if kinds == (index,) else types.BaseTuple.from_types(whole)

    def generate(context, builder, signature, args):
        if result != index:
            return context.get_constant_null(result)
        if known:
            is_tuple = isinstance(index, types.BaseTuple)
            parts = cgutils.unpack_tuple(builder, args[1]) if is_tuple else [args[1]]
            _check(context, builder, array, args[0], kinds, parts, *args[2:])
        return args[1]

    return result(array, index, types.int64, types.int64), generate


@intrinsic
def holding(typing_context, array, index, place, record):
    """array, if a constant index lies in it; a negative one counts from the end.

    The index itself is left alone: numba can index a tuple by nothing but a constant that it sees.
    """
    literals = tuple(index) if isinstance(index, types.BaseTuple) else (index,)

    def generate(context, builder, signature, args):
        if isinstance(array, types.Array):
            shape = context.make_array(array)(context, builder, args[0]).shape
            parts = []
            for literal, size in zip(literals, cgutils.unpack_tuple(builder, shape), strict=False):
                part = context.get_constant(types.int64, literal.literal_value)
                parts.append(builder.add(part, size) if literal.literal_value < 0 else part)
            kinds = [types.int64] * len(parts)
            _check(context, builder, array, args[0], kinds, parts, *args[2:])
        return impl_ret_borrowed(context, builder, array, args[0])

    if not all(isinstance(literal, types.IntegerLiteral) for literal in literals):
        raise RequireLiteralValue("index")
    return array(array, index, types.int64, types.int64), generate


@compiled
def rounded(x, digits):
    """round(x, digits) as on a GPU, in float64 for a float32, too: halves go to the even number."""
    scale = np.float64(10.0) ** abs(digits)
    shifted = x * scale if digits >= 0 else x / scale
    if not np.isfinite(shifted):
        return x
    whole = np.rint(shifted)
    return type(x)(whole / scale if digits >= 0 else whole * scale)


@compiled
def load_hinted(array, index):
    """Hints for the cache change no number."""
    return array[index]


@compiled
def store_hinted(array, index, value):
    array[index] = value


def _count(context, builder, most, what, turns, more, place, record):
    """turns and some more; LoopError if there are then too many."""
    turns = builder.add(turns, more)
    limit = context.get_constant(types.int64, most)
    with cgutils.if_unlikely(builder, builder.icmp_signed(">", turns, limit)):
        note(context, builder, record, PLACE, place)
        context.call_conv.return_user_exc(builder, LoopError, (f"{most} {what}",))
    return turns


@intrinsic
def turned(typing_context, turns, place, record):
    """Count an iteration of a loop; LoopError if there are more than any array has elements."""

    def generate(context, builder, signature, args):
        one = context.get_constant(types.int64, 1)
        return _count(context, builder, MOST_TURNS, "turns", args[0], one, *args[1:])

    return types.int64(types.int64, types.int64, types.int64), generate


@intrinsic
def turned_together(typing_context, turns, threads, place, record):
    """Count an iteration of a loop in which so many threads wait for each other."""

    def generate(context, builder, signature, args):
        return _count(context, builder, MOST_WAITS, "turns, of all threads together", *args)

    return types.int64(types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def borrow(typing_context, value):
    """An array without its owner, so that threads need not count references; numbers as they are.

    Of a tuple each part is borrowed.
    """

    def borrowed(context, builder, kind, given):
        if isinstance(kind, types.BaseTuple):
            parts = zip(kind, cgutils.unpack_tuple(builder, given), strict=True)
            return context.make_tuple(
                builder, kind, [borrowed(context, builder, *part) for part in parts]
            )
        if not isinstance(kind, types.Array):
            return given
        array = context.make_array(kind)(context, builder, given)
        array.meminfo = cgutils.get_null_value(array.meminfo.type)
        array.parent = cgutils.get_null_value(array.parent.type)
        return array._getvalue()

    def generate(context, builder, signature, args):
        return borrowed(context, builder, value, args[0])

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


def _row(context, builder, kind, value, i):
    """The i-th part of an array of this type, along its first axis, and the part's type."""
    part_kind = types.Array(kind.dtype, kind.ndim - 1, "C")
    whole = context.make_array(kind)(context, builder, value)
    part = context.make_array(part_kind)(context, builder)
    _, *shape = cgutils.unpack_tuple(builder, whole.shape)
    stride, *strides = cgutils.unpack_tuple(builder, whole.strides)
    data = cgutils.pointer_add(builder, whole.data, builder.mul(i, stride))
    populate_array(part, data, shape, strides, whole.itemsize, None)
    return part._getvalue()


@intrinsic
def row(typing_context, array, i):
    """array[i], of an array of more axes than one, unchecked and uncounted."""

    def generate(context, builder, signature, args):
        return _row(context, builder, array, *args)

    return types.Array(array.dtype, array.ndim - 1, "C")(array, types.int64), generate


@intrinsic
def rows(typing_context, arrays, i):
    """The same of each of a tuple of arrays."""
    kinds = types.BaseTuple.from_types([types.Array(a.dtype, a.ndim - 1, "C") for a in arrays])

    def generate(context, builder, signature, args):
        values = cgutils.unpack_tuple(builder, args[0])
        parts = [
            _row(context, builder, *each, args[1]) for each in zip(arrays, values, strict=True)
        ]
        return context.make_tuple(builder, kinds, parts)

    return kinds(arrays, types.int64), generate
