"""What the threads of a warp, or of a block, tell each other: shuffles, matches, votes, compiled.

A thread gives its value, all wait, it takes others' values, all wait again: the waits are barriers
that the transform puts in. Values lie in the record, a word for each thread. A mask names the lanes
of a warp that take part, as bits; where it may leave out some, a thread notes it in the record.
"""
# ruff: noqa: ANN201 -- numba infers the types

from __future__ import annotations

import numpy as np
from numba.core import types
from numba.extending import intrinsic

from .runtime import (
    AXIS,
    BARRIERS,
    EXCHANGE,
    FINISHED,
    INDEX,
    MASKS,
    PLACE,
    SIZE,
    SOME_LANES,
    compiled,
    remark,
)

WARP = 32
ALL_LANES = 0xFFFFFFFF


def _word(context, builder, record, rank, kind, first=EXCHANGE):
    """A pointer to the word of a thread, as one to a value of this kind."""
    words = builder.inttoptr(record, context.get_value_type(types.int64).as_pointer())
    start = context.get_constant(types.int64, first)
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


@intrinsic
def _note_mask(typing_context, record, rank, mask):
    """Write down for which lanes a thread waits."""

    def generate(context, builder, signature, args):
        builder.store(args[2], _word(context, builder, args[0], args[1], types.int64, MASKS))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@compiled
def wait_for(thread, mask, place):
    """The thread is about to wait for these lanes, of which it must be one."""
    lanes, own = np.int64(mask) & ALL_LANES, thread.rank % WARP
    if not lanes >> own & 1:
        _no_lane(thread, lanes, own, place)
    _note_mask(thread.record, thread.rank, lanes)


@compiled
def released(record, start, stop):
    """Which threads of a warp need not wait any longer, as bits.

    A thread is released when all lanes of its mask wait at the same barrier, with the same mask.
    """
    free = np.int64(0)
    for rank in range(start, stop):
        barrier, mask = record[BARRIERS + rank], _mask_of(record, rank)
        have_come = barrier < FINISHED
        for other in range(start, stop):
            if mask >> (other - start) & 1:
                have_come &= record[BARRIERS + other] == barrier
                have_come &= _mask_of(record, other) == mask
        if have_come:
            free |= np.int64(1) << (rank - start)
    return free


@compiled
def _mask_of(record, rank):
    """For which lanes a thread waits."""
    return record[MASKS + rank] if record[BARRIERS + rank] < -SOME_LANES else ALL_LANES


@compiled
def give(thread, value):
    _give(thread.record, thread.rank, value)


@compiled
def vote(thread, value):
    _give(thread.record, thread.rank, value != 0)


@compiled
def vote_of_block(thread, value):
    """numba converts a predicate to int32: one with higher bits only is false."""
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
def _no_lane(thread, mask, lane, place):
    """Raise an error: a lane does not take part, because of the mask or for want of a thread."""
    remark(thread.record, PLACE, place)
    remark(thread.record, AXIS, mask)
    remark(thread.record, INDEX, lane)
    remark(thread.record, SIZE, _lanes(thread))
    raise LookupError("a lane that does not take part")


@compiled
def _from_lane(thread, mask, value, lane, place):
    """What a lane has given; value's own is taken where the shuffle leads out of the warp.

    Of what a shuffle is given to find the lane a GPU sees the last five bits alone.
    """
    if lane < 0 or lane >= WARP:
        return value
    lanes = np.int64(mask) & ALL_LANES
    if lane >= _lanes(thread) or not lanes >> lane & 1:
        _no_lane(thread, lanes, lane, place)
    return _take(thread.record, thread.rank // WARP * WARP + lane, value)


@compiled
def shfl_sync(thread, mask, value, lane, place):
    return _from_lane(thread, mask, value, np.int64(lane) % WARP, place)


@compiled
def shfl_up_sync(thread, mask, value, delta, place):
    return _from_lane(thread, mask, value, thread.rank % WARP - np.int64(delta) % WARP, place)


@compiled
def shfl_down_sync(thread, mask, value, delta, place):
    return _from_lane(thread, mask, value, thread.rank % WARP + np.int64(delta) % WARP, place)


@compiled
def shfl_xor_sync(thread, mask, value, other, place):
    return _from_lane(thread, mask, value, thread.rank % WARP ^ np.int64(other) % WARP, place)


@compiled
def _bits(lanes):
    """Lanes, as numba-cuda returns them."""
    return np.int32(np.uint32(lanes))


@compiled
def _there(thread, mask):
    """The lanes of a mask that have threads."""
    return np.int64(mask) & ((1 << _lanes(thread)) - 1)


@compiled
def _equal(thread, mask, value):
    """The lanes of a mask that gave a value."""
    start, there, found = thread.rank // WARP * WARP, _there(thread, mask), np.int64(0)
    for lane in range(_lanes(thread)):
        if there >> lane & 1 and _take(thread.record, start + lane, value) == value:
            found |= np.int64(1) << lane
    return found


@compiled
def match_any_sync(thread, mask, value):
    """The lanes that gave the same."""
    return _bits(_equal(thread, mask, value))


@compiled
def match_all_sync(thread, mask, value):
    """All lanes, and True if all gave the same; else 0 and False."""
    there = _there(thread, mask)
    same = _equal(thread, mask, value) == there
    return _bits(there) if same else np.int32(0), same


@compiled
def any_sync(thread, mask):
    return _equal(thread, mask, True) != 0


@compiled
def all_sync(thread, mask):
    return _equal(thread, mask, False) == 0


@compiled
def eq_sync(thread, mask):
    return _equal(thread, mask, True) == 0 or _equal(thread, mask, False) == 0


@compiled
def ballot_sync(thread, mask):
    return _bits(_equal(thread, mask, True))


@compiled
def _count(thread, start, stop):
    """How many of these threads have given a true value."""
    total = 0
    for rank in range(start, stop):
        total += _take(thread.record, rank, True)
    return total


@compiled
def syncthreads_count(thread):
    return np.int32(_count(thread, 0, _threads(thread)))


@compiled
def syncthreads_and(thread):
    return np.int32(_count(thread, 0, _threads(thread)) == _threads(thread))


@compiled
def syncthreads_or(thread):
    return np.int32(_count(thread, 0, _threads(thread)) > 0)
