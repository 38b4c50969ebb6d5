"""Asynchronous copies to shared memory, compiled with the kernels.

A copy poisons its destination when it begins, and is made when its thread waits for it: a kernel
that reads too early, or never waits, finds poison. Copies that a thread has not waited for when it
ends never arrive. The record lists the pending copies of each thread of a block.
"""
# ruff: noqa: ANN201 -- numba infers the types

from __future__ import annotations

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.numpy_support import as_dtype

from .array import poison_byte
from .runtime import COPIES, COPYING, COUNTS, IN_FLIGHT, MAX_THREADS, compiled
from .wide import BYTES, located

WORD = 8  # bytes

# What a thread counts: the copies that have begun, those in closed groups, those in closed groups
# but the latest one, and those that have arrived.
BEGUN, CLOSED, DUE, ARRIVED = range(COUNTS)


@intrinsic
def _address(typing_context, array, index):
    """Where an element lies."""

    def generate(context, builder, signature, args):
        return located(context, builder, signature.args, args)[1]

    return types.int64(array, index), generate


@intrinsic
def _poison(typing_context, to, source, kind):
    """A word as it is in memory that nobody has written; both arrays must be of this kind."""
    if not to.dtype == source.dtype == kind.instance_type:
        raise TypingError(f"what is copied is {kind}, not {source.dtype} to {to.dtype}")

    def generate(context, builder, signature, args):
        word = bytes([poison_byte(as_dtype(to.dtype))]) * WORD
        return context.get_constant(types.int64, int.from_bytes(word, "little", signed=True))

    return types.int64(to, source, kind), generate


def _word(builder, address):
    return builder.inttoptr(address, address.type.as_pointer())


@intrinsic
def _read(typing_context, address):
    """The word at an address."""

    def generate(context, builder, signature, args):
        return builder.load(_word(builder, args[0]))

    return types.int64(types.int64), generate


@intrinsic
def _write(typing_context, address, value):
    """Write a word to an address."""

    def generate(context, builder, signature, args):
        builder.store(args[1], _word(builder, args[0]))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@compiled
def _count(thread, which):
    """The address of what a thread counts."""
    return thread.record + WORD * (COPIES + which * MAX_THREADS + thread.rank)


@compiled
def _entry(thread, number):
    """The address of where a copy goes; behind it is where it comes from, or 0 for zeros."""
    entry = thread.rank * IN_FLIGHT + number % IN_FLIGHT
    return thread.record + WORD * (COPIES + COUNTS * MAX_THREADS + 2 * entry)


@compiled
def _arrive(thread, count):
    """Make all copies up to the count-th one."""
    arrived = _read(_count(thread, ARRIVED))
    while arrived < count:
        entry = _entry(thread, arrived)
        to, source = _read(entry), _read(entry + WORD)
        for k in range(0, BYTES, WORD):
            _write(to + k, _read(source + k) if source else 0)
        arrived += 1
    _write(_count(thread, ARRIVED), arrived)


@compiled
def _begin(thread, to, source, poison):
    begun = _read(_count(thread, BEGUN))
    _arrive(thread, begun + 1 - IN_FLIGHT)  # on a GPU, too, a copy may arrive before it must
    entry = _entry(thread, begun)
    _write(entry, to)
    _write(entry + WORD, source)
    for k in range(0, BYTES, WORD):
        _write(to + k, poison)
    _write(_count(thread, BEGUN), begun + 1)
    _write(thread.record + WORD * COPYING, 1)


@compiled
def copy_async4(thread, to, index, source, at, inside):
    """Begin to copy four neighbours of float32, or four zeros unless inside."""
    poison = _poison(to, source, np.float32)
    _begin(thread, _address(to, index), _address(source, at) if inside else 0, poison)


@compiled
def copy_async8(thread, to, index, source, at, inside):
    """Begin to copy eight neighbours of uint16, or eight zeros unless inside."""
    poison = _poison(to, source, np.uint16)
    _begin(thread, _address(to, index), _address(source, at) if inside else 0, poison)


@compiled
def commit_copies(thread):
    """Close a group of copies: those that the thread began since the last one."""
    _write(_count(thread, DUE), _read(_count(thread, CLOSED)))
    _write(_count(thread, CLOSED), _read(_count(thread, BEGUN)))


@compiled
def wait_but_latest(thread):
    """Wait until all groups of the thread's copies but the latest one have arrived."""
    _arrive(thread, _read(_count(thread, DUE)))


@compiled
def forget(record):
    """Drop the copies that the previous block has not waited for."""
    if record[COPYING]:
        record[COPYING] = 0
        record[COPIES : COPIES + COUNTS * MAX_THREADS] = 0
