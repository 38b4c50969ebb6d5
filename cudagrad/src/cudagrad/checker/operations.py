"""What `cuda` offers to a kernel under the checker, by the names that follow `cuda`.

Each function takes the place of the call first. Those that make the thread wait return a Request,
which the kernel yields.
"""

from __future__ import annotations

import functools
import itertools
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..emulator import copies, instructions, intrinsics, wide
from ..emulator.errors import AlignmentError, UnsupportedError
from ..emulator.launch import require_room
from ..emulator.libdevice import LIBDEVICE
from ..emulator.names import CALCULATIONS, DYNAMIC, FENCES, HINTED_LOADS, HINTED_STORES, Names
from ..emulator.printing import ONLY, formatted
from ..emulator.refusals import (
    ARGUMENT_CHECKS,
    ONE_AXIS,
    why_no_atomic,
    why_no_hint,
    why_no_lane,
    why_no_mask,
    why_no_shuffle,
    why_no_vote,
    why_no_vote_of_block,
)
from . import numbers
from .errors import WarpError
from .memory import CONSTANT, Array, address, begin_copy, changing, end_copy, load, store, unwritten
from .places import Place
from .threads import ALL_LANES, WARP, Request, now

# Where a thread is


def grid(place: Place, ndim: Any) -> Any:
    """Where the thread lies in the whole grid, along the first ndim axes."""
    thread = now.thread
    found = [
        np.int64(block) * size + index
        for block, size, index in zip(
            thread.blockIdx, thread.blockDim, thread.threadIdx, strict=True
        )
    ]
    return found[0] if ndim == 1 else tuple(found[:ndim])


def gridsize(place: Place, ndim: Any) -> Any:
    thread = now.thread
    found = [np.int64(n) * size for n, size in zip(thread.gridDim, thread.blockDim, strict=True)]
    return found[0] if ndim == 1 else tuple(found[:ndim])


# Memory


def shared_array(place: Place, shape: tuple[Any, ...], dtype: Any, alignment: Any = None) -> Array:
    """The array of this call, which all threads of the block share.

    Dynamic ones lie in the same memory.
    """
    block = now.thread.block
    found = block.shared.get(place)
    if found is None:
        name, dtype = place.name or "shared", np.dtype(dtype)
        if shape == DYNAMIC:
            if block.dynamic is None:
                bytes_ = (now.dynamic_bytes,)
                block.dynamic = unwritten(name, "dynamic shared", bytes_, np.uint8)
                block.storages.append(block.dynamic.storage)
            memory = block.dynamic.memory
            fitting = memory[: len(memory) // dtype.itemsize * dtype.itemsize].view(dtype)
            found = Array(name, fitting, block.dynamic.storage)
        else:
            found = unwritten(name, "shared", shape, dtype)
            block.storages.append(found.storage)
            if place.file != intrinsics.__file__:  # what stands there for registers of a warp
                block.static_bytes += found.memory.nbytes
        require_room(f"{now.kernel}: {place}", block.static_bytes, now.dynamic_bytes)
        block.shared[place] = found
    return found


def local_array(place: Place, shape: tuple[Any, ...], dtype: Any, alignment: Any = None) -> Array:
    """An array of the thread's own."""
    return unwritten(place.name or "local", "local", shape, np.dtype(dtype))


def constant_array(place: Place, array: Array) -> Array:
    return array


def _neighbours(place: Place, array: Array, index: Any, count: int) -> list[Any]:
    """The indices of neighbours along the last dim, which begin where a GPU can reach them all."""
    *before, last = index if isinstance(index, tuple) else (index,)
    offset = array.find(index, place)
    size = min(count * array.memory.itemsize, wide.BYTES)
    if offset is not None and (address(array.memory) + offset - array.start) % size:
        raise AlignmentError(f"{now.kernel}: {place}: {wide.MISPLACED}; {now.thread}")
    return [(*before, np.int64(last) + np.int64(k)) for k in range(count)]


def load_several(count: int) -> Callable[..., Any]:
    """A load of so many neighbours."""

    def loaded(place: Place, array: Array, index: Any) -> tuple[Any, ...]:
        return tuple(load(array, at, place) for at in _neighbours(place, array, index, count))

    return loaded


def store_several(place: Place, array: Array, index: Any, *values: Any) -> None:
    for at, value in zip(_neighbours(place, array, index, len(values)), values, strict=True):
        store(value, array, at, place)


def copy_several(count: int) -> Callable[..., Any]:
    """A copy of so many neighbours, or zeros, to another array, where it is when waited for."""
    loaded = load_several(count)

    def copied(place: Place, to: Array, index: Any, source: Array, at: Any, inside: bool) -> None:
        zeros = (source.memory.dtype.type(0),) * count
        values = loaded(place, source, at) if inside else zeros
        for value, each in zip(values, _neighbours(place, to, index, count), strict=True):
            now.thread.copies[-1].append(begin_copy(value, to, each, place))

    return copied


def commit_copies(place: Place) -> None:
    now.thread.copies.append([])


def wait_but_latest(place: Place) -> None:
    copies = now.thread.copies
    for copy in itertools.chain(*copies[:-2]):  # the last one has not been closed
        end_copy(*copy)
    del copies[:-2]


def load_hinted(place: Place, array: Any, index: Any) -> Any:
    require_hinted(place, array, index)
    return load(array, index, place)


def store_hinted(place: Place, array: Any, index: Any, value: Any) -> None:
    require_hinted(place, array, index)
    store(value, array, index, place)


def require_hinted(place: Place, array: Array, index: Any) -> None:
    """Raise unless an element can be loaded and stored with a hint for the cache."""
    parts = index if type(index) is tuple else (index,)
    kinds = list(map(numbers.kind_of, parts))
    refuse(place, why_no_hint(array.memory.dtype.name, array.memory.ndim, kinds))
    kind = array.storage.kind
    if kind not in ("global", CONSTANT):
        refuse(place, f"a hint for the cache is for global memory; {array.name} is {kind}")


# Atomics


def atomic(name: str, change: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """An atomic that makes change(old, value) of an element, and returns what was there."""

    def changed(place: Place, array: Any, index: Any, value: Any) -> Any:
        require(name, array, place, index)
        with changing(array, index, place):
            old = array.memory[index]
            array.memory[index] = change(old, old.dtype.type(value))
            return old

    return changed


def require(name: str, array: Any, place: Place, index: Any = None) -> None:
    """Raise unless the atomic of this name can change this element of this array."""
    if type(array) is not Array:
        raise TypeError(f"{now.kernel}: {place}: an atomic takes an array and an index")
    refuse(place, why_no_atomic(name, array.dtype))
    if type(index) is tuple and len(index) == 1:
        refuse(place, ONE_AXIS)


def refuse(place: Place, why: str) -> None:
    """Raise an error that says why, unless that is empty."""
    if why:
        raise UnsupportedError(f"{now.kernel}: {place}: {why}")


def show(place: Place, template: str, values: tuple[Any, ...]) -> None:
    """print."""
    for value in values:
        refuse(place, why_no_print(value))
    sys.stdout.write(formatted(template, values))


def why_no_print(value: Any) -> str:
    """Why a value cannot be printed; "" if it can."""
    if isinstance(value, tuple):
        return next(filter(None, map(why_no_print, value)), "")
    known = isinstance(value, bool | np.generic)
    return "" if known else f"{ONLY}, not {type(value).__name__}"


def compare_and_swap(place: Place, array: Any, old: Any, value: Any) -> Any:
    require("cas", array, place)
    if array.memory.ndim != 1:
        refuse(place, "cuda.atomic.compare_and_swap is for arrays with one axis")
    return cas(place, array, np.int64(0), old, value)


def cas(place: Place, array: Any, index: Any, old: Any, value: Any) -> Any:
    require("cas", array, place, index)
    with changing(array, index, place):
        found = array.memory[index]
        if found == found.dtype.type(old):
            array.memory[index] = found.dtype.type(value)
        return found


ATOMICS: dict[str, Callable[..., Any]] = {
    "add": atomic("add", lambda old, value: old + value),
    "sub": atomic("sub", lambda old, value: old - value),
    "max": atomic("max", max),  # the first of both, if the second is not a number
    "min": atomic("min", min),
    "nanmax": atomic("nanmax", np.fmax),
    "nanmin": atomic("nanmin", np.fmin),
    "and_": atomic("and_", lambda old, value: old & value),
    "or_": atomic("or_", lambda old, value: old | value),
    "xor": atomic("xor", lambda old, value: old ^ value),
    "exch": atomic("exch", lambda old, value: value),
    "inc": atomic("inc", lambda old, value: old + 1 if old < value else 0),
    "dec": atomic("dec", lambda old, value: old - 1 if 0 < old <= value else value),
    "cas": cas,
    "compare_and_swap": compare_and_swap,
}


def threadfence(place: Place) -> None:
    """A fence orders no threads by itself: no other knows when this one has come to it.

    What this thread did before it, whoever meets its next atomics can rely on.
    """
    now.thread.fenced = {**now.thread.fenced, None: now.thread.release()}


def threadfence_block(place: Place) -> None:
    """The same, but only threads of its own block can rely on it."""
    now.thread.fenced = {**now.thread.fenced, now.thread.block: now.thread.release()}


# Barriers


def syncthreads(place: Place) -> Request:
    return Request("block", place)


def block_vote(count: Callable[[Sequence[bool]], Any]) -> Callable[..., Request]:
    """A barrier that tells everyone something of what all threads came with."""

    def barrier(place: Place, predicate: Any) -> Request:
        refuse(place, why_no_vote_of_block(numbers.kind_of(predicate)))
        # numba hands it on as int32: what has none but higher bits is false.
        value = int(predicate) & 0xFFFFFFFF != 0
        return Request("block", place, value=value, argument=lambda v: np.int32(count(v)))

    return barrier


def this_grid(place: Place) -> None:
    """All that a kernel can do with its grid is to wait for it, which sync_grid does."""


def sync_grid(place: Place) -> Request:
    return Request("grid", place)


# Warps


def _mask(place: Place, mask: Any) -> int:
    refuse(place, why_no_mask(numbers.kind_of(mask)))
    lanes = int(mask) & ALL_LANES
    if not lanes >> int(now.thread.laneid) & 1:
        raise WarpError(
            f"{now.kernel}: {place}: {now.thread}, lane {now.thread.laneid}, is not in its own "
            f"mask {lanes:#x}"
        )
    return lanes


def syncwarp(place: Place, mask: Any = None) -> Request:
    lanes = ALL_LANES if mask is None else _mask(place, mask)
    return Request("syncwarp", place, lanes, answer=lambda requests, lane: None)


def shuffle(source: Callable[[int, int], int]) -> Callable[..., Request]:
    """What another lane has; source: which, of a lane and the shuffle's last argument.

    Of this a GPU sees the last five bits alone.
    """

    def answer(requests: dict[int, Request], lane: int) -> Any:
        request = requests[lane]
        wanted = source(lane, int(request.argument) % WARP)
        if not 0 <= wanted < WARP:
            return request.value  # its own
        if wanted not in requests:
            raise WarpError(
                f"{now.kernel}: {request.place}: {now.thread}, lane {lane}, reads lane {wanted}, "
                "which does not take part"
            )
        return requests[wanted].value

    def shuffled(place: Place, mask: Any, value: Any, lane: Any) -> Request:
        refuse(place, why_no_shuffle(numbers.kind_of(value)))
        refuse(place, why_no_lane(numbers.kind_of(lane)))
        return Request("shuffle", place, _mask(place, mask), value, lane, answer)

    return shuffled


def warp_vote(count: Callable[[dict[int, Any], int], Any]) -> Callable[..., Request]:
    """Something about what all lanes came with, true or false, and a lane."""
    answer = answering(count)

    def voting(place: Place, mask: Any, value: Any) -> Request:
        refuse(place, why_no_vote(numbers.kind_of(value)))
        return Request("vote", place, _mask(place, mask), bool(value), answer=answer)

    return voting


def answering(count: Callable[[dict[int, Any], int], Any]) -> Callable[..., Any]:
    """What count makes of the values of all lanes, for one of them."""

    def answer(requests: dict[int, Request], lane: int) -> Any:
        return count({n: request.value for n, request in requests.items()}, lane)

    return answer


def _bits(lanes: Any) -> np.int32:
    return np.uint32(sum(1 << lane for lane in lanes)).astype(np.int32)


def match(tell: Callable[[list[int], list[int]], Any]) -> Callable[..., Request]:
    """Something about the lanes that came with the same bits as a lane, and about all that came."""
    bits = numbers.compiled(instructions.bits)
    answer = answering(
        lambda values, lane: tell([n for n, v in values.items() if v == values[lane]], [*values])
    )

    def matching(place: Place, mask: Any, value: Any) -> Request:
        return Request("match", place, _mask(place, mask), bits(value), answer=answer)

    return matching


def activemask(place: Place) -> np.uint32:
    """The thread's own lane: a GPU may run others with it, but none of them may be relied on."""
    return np.uint32(1 << int(now.thread.laneid))


def lanemask_lt(place: Place) -> np.uint32:
    """The lanes below the thread's own, as bits."""
    return np.uint32((1 << int(now.thread.laneid)) - 1)


# Instructions


def instruction(function: Callable[..., Any]) -> Callable[..., Any]:
    """One that calculates, in machine code as on the emulator: with its types and roundings."""
    compute = numbers.compiled(function)

    @functools.wraps(function)  # for the names of its parameters
    def computed(place: Place, *values: Any) -> Any:
        why_not = ARGUMENT_CHECKS.get(function.__name__, allowed)
        refuse(place, why_not(*map(numbers.kind_of, values)))
        return compute(*values)

    return computed


def allowed(*kinds: str) -> str:
    return ""


def nanosleep(place: Place, ns: Any) -> None:
    """It only takes time."""


ACCESSES: dict[Any, Callable[..., Any]] = {
    wide.load4: load_several(4),
    wide.load8: load_several(8),
    wide.store2: store_several,
    wide.store4: store_several,
    copies.copy_async4: copy_several(4),
    copies.copy_async8: copy_several(8),
    copies.commit_copies: commit_copies,
    copies.wait_but_latest: wait_but_latest,
}
FUNCTIONS: dict[Names, Callable[..., Any]] = {
    ("grid",): grid,
    ("gridsize",): gridsize,
    ("shared", "array"): shared_array,
    ("local", "array"): local_array,
    ("const", "array_like"): constant_array,
    **{("atomic", name): function for name, function in ATOMICS.items()},
    **{path: instruction(getattr(instructions, *path)) for path in CALCULATIONS},
    **{path: instruction(function) for path, function in LIBDEVICE.items()},
    **dict.fromkeys(FENCES, threadfence),
    ("threadfence_block",): threadfence_block,
    ("nanosleep",): nanosleep,
    ("cg", "this_grid"): this_grid,
    ("activemask",): activemask,
    ("lanemask_lt",): lanemask_lt,
    **dict.fromkeys(HINTED_LOADS, load_hinted),
    **dict.fromkeys(HINTED_STORES, store_hinted),
}
WAITS: dict[Names, Callable[..., Request]] = {
    ("syncthreads",): syncthreads,
    ("syncthreads_count",): block_vote(sum),
    ("syncthreads_and",): block_vote(all),
    ("syncthreads_or",): block_vote(any),
    ("syncwarp",): syncwarp,
    ("shfl_sync",): shuffle(lambda lane, other: other),
    ("shfl_up_sync",): shuffle(lambda lane, by: lane - by),
    ("shfl_down_sync",): shuffle(lambda lane, by: lane + by),
    ("shfl_xor_sync",): shuffle(lambda lane, by: lane ^ by),
    ("ballot_sync",): warp_vote(lambda values, lane: _bits(n for n, v in values.items() if v)),
    ("any_sync",): warp_vote(lambda values, lane: any(values.values())),
    ("all_sync",): warp_vote(lambda values, lane: all(values.values())),
    ("eq_sync",): warp_vote(lambda values, lane: len(set(values.values())) == 1),
    ("match_any_sync",): match(lambda same, everyone: _bits(same)),
    ("match_all_sync",): match(
        lambda same, everyone: (_bits(same if same == everyone else ()), same == everyone)
    ),
}
COORDINATES = frozenset({"threadIdx", "blockIdx", "blockDim", "gridDim", "laneid"})
