"""Accesses of 128 bits: four neighbours at once, compiled with the kernels that make them.

A GPU stops a kernel whose access does not begin at a multiple of 16 bytes; so does the emulator.
The `py_func` of each function is plain Python, for running kernels without compiling them.
"""
# ruff: noqa: ANN201 -- numba infers the types

from __future__ import annotations

from typing import Any, NamedTuple

from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from .errors import AlignmentError
from .runtime import INDEX, PLACE, checked, compiled, note

BYTES = 16
MISPLACED = f"an access of 128 bits begins at a multiple of {BYTES} bytes"


class Access(NamedTuple):
    """A call that kernels make, and that the transform checks.

    function: one of this module, or of copies. spots: where in its arguments an array and its index
    stand, and what may say that nothing is accessed there. reach: how many neighbours are accessed.
    of_thread: whether it is told who calls.
    """

    function: Any
    spots: tuple[tuple[int, ...], ...]
    reach: int = 4
    of_thread: bool = False


def behind(index: Any, k: int) -> Any:
    """The index k further along the last dim."""
    return (*index[:-1], index[-1] + k) if isinstance(index, tuple) else index + k


@overload(behind)
def _behind(index, k):
    if isinstance(index, types.BaseTuple):
        return lambda index, k: index[:-1] + (index[-1] + k,)  # noqa: RUF005 -- numba has no star
    return lambda index, k: index + k


@compiled
def load4(array, index):
    """Four neighbours along the last dim, the first of them at index."""
    return (
        array[index],
        array[behind(index, 1)],
        array[behind(index, 2)],
        array[behind(index, 3)],
    )


@compiled
def store4(array, index, first, second, third, fourth):
    """Write four neighbours along the last dim, the first of them at index."""
    array[index] = first
    array[behind(index, 1)] = second
    array[behind(index, 2)] = third
    array[behind(index, 3)] = fourth


@compiled
def load8(array, index):
    """Eight neighbours along the last dim, the first of them at index."""
    return (*load4(array, index), *load4(array, behind(index, 4)))


@compiled
def store2(array, index, first, second):
    """Write two neighbours along the last dim, the first of them at index."""
    array[index] = first
    array[behind(index, 1)] = second


@compiled
def within(array, index, count, place, record):
    """index, if it and count places from it on may be reached by one access; else an error."""
    first = checked(array, index, place, record)
    checked(array, behind(first, count - 1), place, record)
    return aligned(array, first, count, place, record)


def located(context, builder, kinds, args):
    """An element's number and its address, given an array and an index; and the array itself."""
    array, index, *_ = kinds
    is_tuple = isinstance(index, types.BaseTuple)
    parts = cgutils.unpack_tuple(builder, args[1]) if is_tuple else [args[1]]
    made = context.make_array(array)(context, builder, args[0])
    sizes = cgutils.unpack_tuple(builder, made.shape)
    number = context.get_constant(types.int64, 0)
    for kind, part, size in zip(index if is_tuple else [index], parts, sizes, strict=True):
        position = context.cast(builder, part, kind, types.int64)
        number = builder.add(builder.mul(number, size), position)
    start = builder.ptrtoint(made.data, number.type)
    return number, builder.add(start, builder.mul(number, made.itemsize)), made


@intrinsic
def aligned(typing_context, array, index, count, place, record):
    """index, if its element lies where count may be accessed at once; else AlignmentError."""

    def generate(context, builder, signature, args):
        number, address, made = located(context, builder, (array, index), args)
        size = builder.mul(args[2], made.itemsize)
        size = builder.select(
            builder.icmp_unsigned("<", size, number.type(BYTES)), size, number.type(BYTES)
        )
        off = builder.icmp_unsigned("!=", builder.urem(address, size), number.type(0))
        with cgutils.if_unlikely(builder, off):
            note(context, builder, args[4], PLACE, args[3])
            note(context, builder, args[4], INDEX, number)
            context.call_conv.return_user_exc(builder, AlignmentError, (MISPLACED,))
        return args[1]

    return index(array, index, types.int64, types.int64, types.int64), generate
