"""What the threads of a warp, or of a block, tell each other: shuffles, matches, votes, compiled.

A thread gives its value, all wait, it takes others' values, all wait again: the waits are barriers
that the transform puts in. Values lie in the record, a word for each thread.
"""
# ruff: noqa: ANN201 -- numba infers the types

from __future__ import annotations

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from .runtime import EXCHANGE, INDEX, PLACE, SIZE, compiled, remark

WARP = 32


def _word(context, builder, record, rank, kind):
    """A pointer to the word of a thread, as one to a value of this kind."""
    words = builder.inttoptr(record, context.get_value_type(types.int64).as_pointer())
    start = context.get_constant(types.int64, EXCHANGE)
    word = builder.gep(words, [builder.add(start, rank)])
    return builder.bitcast(word, context.get_data_type(kind).as_pointer())


@intrinsic
def _give(typing_context, record, rank, value):
    """Write a number into the word of a thread."""
    kind = types.unliteral(value)

    def generate(context, builder, signature, args):
        stored = context.data_model_manager[kind].as_data(builder, args[2])
        builder.store(stored, _word(context, builder, args[0], args[1], kind))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, kind), generate


@intrinsic
def _take(typing_context, record, rank, value):
    """The number in the word of a thread, which is of value's type."""
    kind = types.unliteral(value)

    def generate(context, builder, signature, args):
        word = builder.load(_word(context, builder, args[0], args[1], kind))
        return context.data_model_manager[kind].from_data(builder, word)

    return kind(types.int64, types.int64, kind), generate


@compiled
def give(thread, value):
    _give(thread.record, thread.rank, value)


@compiled
def vote(thread, value):
    _give(thread.record, thread.rank, value != 0)


@compiled
def vote_of_block(thread, value):
    """numba hands a predicate on as int32: what has none but higher bits is false."""
    _give(thread.record, thread.rank, np.int32(value) != 0)


@compiled
def laneid(thread):
    return np.int32(thread.rank % WARP)


@compiled
def lanemask_lt(thread):
    """The lanes below the thread's own, as bits."""
    return np.uint32((1 << (thread.rank % WARP)) - 1)


@compiled
def activemask(thread):
    """The thread's own lane: here no other runs with it, and on a GPU none may be relied on."""
    return np.uint32(1 << (thread.rank % WARP))


@compiled
def _threads(thread):
    size = thread.blockDim
    return np.int64(size.x) * size.y * size.z


@compiled
def _lanes(thread):
    """How many threads the thread's warp has: a block's last warp may have less than others."""
    return min(WARP, _threads(thread) - thread.rank // WARP * WARP)


@compiled
def _from_lane(thread, value, lane, place):
    """What a lane has given; value's own is taken where the shuffle leads out of the warp."""
    if lane < 0 or lane >= WARP:
        return value
    if lane >= _lanes(thread):
        remark(thread.record, PLACE, place)
        remark(thread.record, INDEX, lane)
        remark(thread.record, SIZE, _lanes(thread))
        raise LookupError("a lane without a thread")
    return _take(thread.record, thread.rank // WARP * WARP + lane, value)


@compiled
def shfl_sync(thread, value, lane, place):
    return _from_lane(thread, value, np.int64(lane) % WARP, place)


@compiled
def shfl_up_sync(thread, value, delta, place):
    return _from_lane(thread, value, thread.rank % WARP - np.int64(delta), place)


@compiled
def shfl_down_sync(thread, value, delta, place):
    return _from_lane(thread, value, thread.rank % WARP + np.int64(delta), place)


@compiled
def shfl_xor_sync(thread, value, mask, place):
    return _from_lane(thread, value, (thread.rank % WARP) ^ np.int64(mask), place)


@compiled
def match_any_sync(thread, value):
    """The lanes that gave the same, as bits."""
    start, bits = thread.rank // WARP * WARP, np.uint32(0)
    for lane in range(_lanes(thread)):
        if _take(thread.record, start + lane, value) == value:
            bits |= np.uint32(1) << np.uint32(lane)
    return np.int32(bits)


@compiled
def match_all_sync(thread, value):
    """All lanes, as bits, and True if all gave the same; else 0 and False."""
    everyone = np.int32(np.uint32((1 << _lanes(thread)) - 1))
    same = match_any_sync(thread, value) == everyone
    return everyone if same else np.int32(0), same


@compiled
def _count(thread, start, stop):
    """How many of these threads have given a true value."""
    total = 0
    for rank in range(start, stop):
        total += _take(thread.record, rank, True)
    return total


@compiled
def _in_warp(thread):
    start = thread.rank // WARP * WARP
    return _count(thread, start, start + _lanes(thread))


@compiled
def any_sync(thread):
    return _in_warp(thread) > 0


@compiled
def all_sync(thread):
    return _in_warp(thread) == _lanes(thread)


@compiled
def eq_sync(thread):
    return _in_warp(thread) == 0 or _in_warp(thread) == _lanes(thread)


@compiled
def ballot_sync(thread):
    start, bits = thread.rank // WARP * WARP, np.uint32(0)
    for lane in range(_lanes(thread)):
        if _take(thread.record, start + lane, True):
            bits |= np.uint32(1) << np.uint32(lane)
    return np.int32(bits)


@compiled
def syncthreads_count(thread):
    return np.int32(_count(thread, 0, _threads(thread)))


@compiled
def syncthreads_and(thread):
    return np.int32(_count(thread, 0, _threads(thread)) == _threads(thread))


@compiled
def syncthreads_or(thread):
    return np.int32(_count(thread, 0, _threads(thread)) > 0)
