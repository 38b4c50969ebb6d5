"""Threads, and how they wait for each other: a launch runs block by block, thread by thread.

A kernel that waits is a generator. It yields a Request whenever it cannot go on alone; once all the
threads that it waits for have arrived, each is resumed with its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..emulator.errors import BarrierError, KernelError
from ..emulator.places import waiting
from ..emulator.warps import ALL_LANES, WARP
from .errors import WarpError
from .places import Place

ROUNDS = 1_000_000  # of while loops that a thread may go without waiting: seconds, here
WAITS = 4_000_000  # of all threads of a block, together: some seconds, too


class Dim3(NamedTuple):
    """Three counts or coordinates."""

    x: Any
    y: Any
    z: Any

    def __str__(self) -> str:
        return f"({self.x}, {self.y}, {self.z})"


class Request(NamedTuple):
    """What a thread waits for: kind is "block", "grid" or a warp operation's name."""

    kind: str
    place: Place
    mask: int = 0
    value: Any = None
    argument: Any = None
    answer: Callable[[dict[int, Request], int], Any] | None = None  # of all requests, by lane


class Block:
    """A block, and what its threads share."""

    def __init__(self, index: Dim3) -> None:
        self.index = index
        self.epoch = 1  # how many barriers all its threads have passed
        self.shared: dict[Any, Any] = {}  # arrays, by where they are declared
        self.storages: list[Any] = []  # theirs
        self.static_bytes = 0
        self.dynamic: Any = None  # the array of which all dynamic ones are views


class Thread:
    """A thread, and what it knows of the others' past."""

    __slots__ = (
        *("block", "blockDim", "blockIdx", "copies", "fenced", "gridDim", "known", "number"),
        *("request", "rounds", "step", "threadIdx", "work"),
    )

    def __init__(self, block: Block, number: int, index: Dim3, sizes: tuple[Dim3, Dim3]) -> None:
        self.block = block
        self.number = number
        self.threadIdx = index
        self.blockIdx = block.index
        self.gridDim, self.blockDim = sizes
        self.step = 1
        self.rounds = 0  # of while loops, since it last waited
        # What was done before for certain: a thread's steps, and a block's epochs, below a bound.
        self.known: dict[Any, int] | None = None
        # As known, but of what was done before a fence: its next atomics let others know. By those
        # whom the fence is for: a block's threads, or, None, everybody.
        self.fenced: dict[Block | None, dict[Any, int]] = {}
        self.copies: list[list[Any]] = [[]]  # on their way: groups, of which the last is open
        self.work: Any = None
        self.request: Request | None = None

    @property
    def laneid(self) -> np.int32:
        return np.int32(self.number % WARP)

    def release(self) -> dict[Any, int]:
        """What follows on this moment may rely on."""
        self.step += 1
        return {**(self.known or {}), self: self.step, self.block: self.block.epoch}

    def __str__(self) -> str:
        return f"thread {self.threadIdx} of block {self.blockIdx}"


class Now:
    """What runs at the moment."""

    thread: Thread
    kernel: Any = None
    dynamic_bytes = 0


now = Now()


def round_begins(test: Any, place: Place) -> Any:
    """The test of a while loop; a loop that does not seem to end is an error."""
    now.thread.rounds += 1
    if now.thread.rounds > ROUNDS:
        raise KernelError(
            f"{now.kernel}: {now.thread} has gone round {ROUNDS:,} times without a barrier, while "
            f"{place}: either it never ends, or it is for another thread to end it, and here a "
            "thread runs alone up to its next barrier"
        )
    return test


def joined(*known: dict[Any, int] | None) -> dict[Any, int]:
    """What several know, together."""
    together: dict[Any, int] = {}
    for some in {id(some): some for some in known if some}.values():  # many are one
        for key, bound in some.items():
            together[key] = max(bound, together.get(key, 0))
    return together


def places(size: Dim3) -> list[Dim3]:
    """All coordinates, x fastest."""
    x, y, z = map(int, size)
    number = np.int32
    return [
        Dim3(number(i), number(j), number(k)) for k in range(z) for j in range(y) for i in range(x)
    ]


def run(
    function: Any, args: tuple[Any, ...], grid: Dim3, block: Dim3, storages: Collection[Any]
) -> None:
    """A whole launch. storages: of the arrays among the arguments."""
    indices = places(block)
    blocks = []
    for place in places(grid):
        found = Block(place)
        threads = [Thread(found, i, index, (grid, block)) for i, index in enumerate(indices)]
        if function.waits:
            blocks.append(steps(found, threads, function.python, args))
            if not function.waits_for_grid:
                next(blocks.pop(), None)
        else:
            for thread in threads:
                now.thread = thread
                function.python(*args)
    while blocks:  # to the next barrier of the grid
        stops = [next(running, None) for running in blocks]
        for index, stop in zip(places(grid), stops, strict=True):
            if stop is not stops[0]:
                here, there = (place or "the end" for place in (stops[0], stop))
                raise BarrierError(
                    f"{now.kernel}: the grid does not meet at a barrier: block (0, 0, 0) is at "
                    f"{here}, block {index} is at {there}"
                )
        if stops[0] is None:
            return
        for storage in storages:
            storage.cells.clear()


def steps(block: Block, threads: list[Thread], python: Any, args: Any) -> Iterator[Place]:
    """Run the threads of a block; yields where they wait for the other blocks."""
    for thread in threads:
        thread.work = python(*args)
    answers: dict[Thread, Any] = dict.fromkeys(threads)
    live, waits = len(threads), 0
    while live:
        waits += live
        for thread, answer in answers.items():
            now.thread, thread.rounds = thread, 0
            try:
                thread.request = thread.work.send(answer)
            except StopIteration:
                thread.request = None
                live -= 1
        if waits > WAITS:
            raise KernelError(apart(block, threads, f"end in {WAITS:,} waits of its threads"))
        answers = answered_warps(threads)
        if answers or not live:
            continue
        requests = [thread.request for thread in threads]
        first = requests[0]
        kinds = {(r.kind, id(r.place)) if r else None for r in requests}
        if any(request and request.answer for request in requests):
            places = apart(block, threads, "meet where lanes of a warp wait for each other")
            raise WarpError(f"{places}; {missed(threads)}")
        if first is None or len(kinds) > 1:
            raise BarrierError(apart(block, threads, "meet at a barrier"))
        pass_barrier(block, threads)
        if first.kind == "grid":
            yield first.place
        answer = first.argument([r.value for r in requests if r]) if first.argument else None
        answers = dict.fromkeys(threads, answer)


def pass_barrier(block: Block, threads: list[Thread]) -> None:
    """All threads have come: what any of them knew or did, all of them now know."""
    block.epoch += 1
    for storage in block.storages:
        storage.cells.clear()
    share(threads, *(thread.known for thread in threads))


def answered_warps(threads: list[Thread]) -> dict[Thread, Any]:
    """Those that wait for lanes of their warp which have all come, and what each gets."""
    groups: dict[Any, dict[int, Thread]] = {}
    for thread in threads:
        request = thread.request
        if request and request.answer:
            warp, lane = divmod(thread.number, WARP)
            groups.setdefault((warp, id(request.place), request.mask), {})[lane] = thread
    answers = {}
    for (warp, _, mask), lanes in groups.items():
        there = range(min(WARP, len(threads) - warp * WARP))
        if set(lanes) != {lane for lane in there if mask >> lane & 1}:
            continue
        requests: dict[int, Request] = {n: t.request for n, t in lanes.items() if t.request}
        if next(iter(requests.values())).kind == "syncwarp":
            meet(list(lanes.values()))
        for lane, thread in lanes.items():
            request, now.thread = requests[lane], thread
            assert request.answer is not None
            answers[thread] = request.answer(requests, lane)
    return answers


def meet(threads: list[Thread]) -> None:
    """Some threads of a warp know what all of them have done."""
    share(threads, {t: t.step + 1 for t in threads}, *(thread.known for thread in threads))
    for thread in threads:
        thread.step += 1


def share(threads: list[Thread], *known: dict[Any, int] | None) -> None:
    """From now on some threads know the same, and what a fence of one is for is for all."""
    together, scopes = joined(*known), (None, threads[0].block)
    each = {scope: joined(*(t.fenced.get(scope) for t in threads)) for scope in scopes}
    fenced = {scope: some for scope, some in each.items() if some}
    for thread in threads:
        thread.known, thread.fenced = together, fenced


def missed(threads: list[Thread]) -> str:
    """Who waits in vain for which lane of its warp."""
    for thread in threads:
        request = thread.request
        if not request or not request.answer:
            continue
        warp, lane = divmod(thread.number, WARP)
        for n, other in enumerate(threads[warp * WARP : (warp + 1) * WARP]):
            found = other.request
            comes = found and found.place is request.place and found.mask == request.mask
            if request.mask >> n & 1 and not comes:
                return f"{thread}, lane {lane}, waits for lane {n}, thread {other.threadIdx}"
    raise AssertionError("all of them have come")


def apart(block: Block, threads: list[Thread], meeting: str) -> str:
    """Where the threads of a block wait, if they do not meet as they should."""
    groups: dict[Any, list[Thread]] = {}
    for thread in threads:
        request = thread.request
        key = (id(request.place), request.mask) if request else ()
        groups.setdefault(key, []).append(thread)
    lines = []
    for some in groups.values():
        request = some[0].request
        place = request.place if request else "the end"
        lines.append(waiting(len(some), some[0].threadIdx, place))
        if request and request.mask not in (0, ALL_LANES):
            lines[-1] += f", with mask {request.mask:#x}"
    return f"{now.kernel}: block {block.index} does not {meeting}: {'; '.join(lines)}"
