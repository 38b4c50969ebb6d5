"""Launching under the checker: threads run from barrier to barrier, one after the other."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from ..emulator import DeviceArray
from ..emulator import empty as poisoned
from ..emulator.array import poison_byte
from ..emulator.errors import BarrierError, KernelError
from ..emulator.launch import MAX_BLOCK, MAX_GRID, MAX_SHARED, sizes_of
from ..emulator.source import DeviceFunction
from .errors import WarpError
from .functions import BARRIERS, GRID, SHUFFLES, Program, python_function
from .memory import Cell, Tracked, forget, place, written
from .names import WARP, Block, Dim3, Thread, Warp, now


def check(kernel: Any) -> Kernel:
    """A kernel to be launched as `check(kernel)[grid, block](*arguments)`, under the checker.

    kernel: a function written for `numba.cuda`, or what `cuda.jit` has made of it, or `jit` here.
    Arguments are NumPy arrays, which it works on in place, device arrays, numbers and tuples of
    them. Raises RaceError, UninitializedError, WarpError, BarrierError or IndexError for what is
    wrong, with the place and the threads.
    """
    return Kernel(python_function(kernel))


def jit(function: Any = None, *, device: bool = False) -> Any:
    """`@jit` makes a kernel, `@jit(device=True)` a function that kernels may call."""
    if function is None:
        return functools.partial(jit, device=device)
    return DeviceFunction(function) if device else Kernel(function)


def empty(shape: tuple[int, ...], dtype: Any) -> DeviceArray:
    """Memory that nobody has written: to read it is an error."""
    array = poisoned(shape, dtype)
    forget(array.memory)
    return array


class Grid:
    """epoch: how many barriers all its blocks have passed."""

    epoch = 0


class Kernel:
    """What `check` and `jit` make of a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    @functools.cached_property
    def program(self) -> Program:
        return Program(self.function)

    def __getitem__(self, configuration: tuple[Any, ...]) -> Launcher:
        return Launcher(self, *configuration)

    def __call__(self, *args: Any) -> NoReturn:
        raise TypeError(f"{self} is launched as {self.function.__name__}[grid, block](...)")

    def __str__(self) -> str:
        code = self.function.__code__
        return f"kernel {self.function.__name__} ({code.co_filename}:{code.co_firstlineno})"


class Launcher:
    """A kernel with a grid and a block, and bytes of shared memory beyond what it declares."""

    def __init__(
        self, kernel: Kernel, grid: Any, block: Any, stream: Any = None, sharedmem: int = 0
    ) -> None:
        self.kernel, self.sharedmem = kernel, sharedmem
        self.grid_dim = Dim3(*sizes_of(kernel, "grid", grid, MAX_GRID))
        self.block_dim = Dim3(*sizes_of(kernel, "block", block, MAX_BLOCK))

    def __call__(self, *args: Any) -> None:
        program = self.kernel.program
        parameters = program.source.parameters
        if len(args) != len(parameters):
            raise TypeError(f"{self.kernel} takes ({', '.join(parameters)}), not {len(args)}")
        cells: dict[int, Cell] = {}
        given = [tracked(value, name, cells) for value, name in zip(args, parameters, strict=True)]
        grid = Grid()
        now.grid_dim, now.block_dim = self.grid_dim, self.block_dim
        now.shared_array, now.local_array = self.shared_array, local_array
        try:
            with np.errstate(all="ignore"):
                self.run(grid, given)
        except (KernelError, IndexError) as error:
            raise type(error)(f"{self.kernel}: {error}") from None

    def run(self, grid: Grid, args: Sequence[Any]) -> None:
        """All blocks, each to its end, or to the barrier of the grid where all wait for all."""
        blocks = (self.block(Block(index, grid), args) for index in places(self.grid_dim))
        waiting = [block for block in blocks if next(block, None) is not None]
        while waiting:
            if len(waiting) < np.prod(self.grid_dim):
                raise BarrierError("blocks have returned while others wait for them at grid.sync()")
            grid.epoch += 1
            waiting = [block for block in waiting if next(block, None) is not None]

    def block(self, block: Block, args: Sequence[Any]) -> Iterator[str]:
        """The threads of a block, each to its end; stops where they wait for all of the grid."""
        run, waits = self.kernel.program.run, self.kernel.program.waits
        warps = [Warp() for _ in range(-(-int(np.prod(self.block_dim)) // WARP))]
        threads = [
            Thread(index, number, block, warps[number // WARP])
            for number, index in enumerate(places(self.block_dim))
        ]
        if not waits:
            for thread in threads:
                now.thread = thread
                run(*args)
            return
        running = {thread: run(*args) for thread in threads}
        ready = threads
        while True:
            for thread in ready:
                now.thread = thread
                try:
                    thread.waiting = running[thread].send(thread.answer)
                except StopIteration:
                    thread.waiting, thread.done = None, True
                thread.answer = None
            ready = [thread for group in meeting(threads) for thread in group]
            if ready:
                continue
            left = [thread for thread in threads if not thread.done]
            if not left:
                return
            together(threads, left)
            kind, _, _ = left[0].waiting
            if kind == GRID:
                yield kind
            block.epoch += 1
            count(kind, left)
            ready = left

    def shared_array(self, shape: Any, dtype: np.dtype[Any], name: str, site: Any) -> Tracked:
        """The array of the block that is declared there: one for all of its threads."""
        block = now.thread.block
        if site not in block.shared:
            if shape in (0, (0,)):
                shape = self.sharedmem // dtype.itemsize
            array = poison(np.empty(shape, dtype))
            block.shared[site] = Tracked(array, name, {}, np.zeros(array.nbytes, bool))
            size = sum(each.array.nbytes for each in block.shared.values())
            if size > max(MAX_SHARED, self.sharedmem):
                raise KernelError(f"{size} bytes of shared memory; a block has {MAX_SHARED}")
        found: Tracked = block.shared[site]
        return found


def local_array(shape: Any, dtype: np.dtype[Any], name: str) -> Tracked:
    """An array of one thread, which no other sees."""
    array = poison(np.empty(shape, dtype))
    return Tracked(array, name, None, np.zeros(array.nbytes, bool))


def poison(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    array.reshape(-1).view(np.uint8).fill(poison_byte(array.dtype))
    return array


def tracked(value: Any, name: str, cells: dict[int, Cell]) -> Any:
    """An argument as the kernel sees it."""
    if isinstance(value, DeviceArray):
        value = value.memory
    if not isinstance(value, np.ndarray):
        return value
    return Tracked(value, name, cells, written(value))


def places(size: Dim3) -> Iterator[Dim3]:
    """All coordinates; x runs fastest."""
    for z, y, x in itertools.product(*map(range, reversed(size))):
        yield Dim3(x, y, z)


def meeting(threads: Sequence[Thread]) -> Iterator[list[Thread]]:
    """The groups of lanes that have met at an operation of their warp, and have its answers."""
    for start in range(0, len(threads), WARP):
        lanes = threads[start : start + WARP]
        done: set[Thread] = set()
        for thread in lanes:
            if thread in done or thread.waiting is None or thread.waiting[0] in (*BARRIERS, GRID):
                continue
            kind, where, args = thread.waiting
            mask = mask_of(kind, args, lanes)
            if not mask & thread.bit:
                raise WarpError(f"{thread} is not in the mask {mask:#x} of its {at(thread)}")
            group = [lane for lane in lanes if mask & lane.bit and not lane.done]
            same = [lane for lane in group if lane.waiting and lane.waiting[:2] == (kind, where)]
            if len(same) < len(group):
                continue
            answer(kind, group)
            done.update(group)
            thread.warp.syncs.append(sum(lane.bit for lane in group))
            yield group


def mask_of(kind: str, args: Sequence[Any], lanes: Sequence[Thread]) -> int:
    if kind == "activemask":
        return sum(lane.bit for lane in lanes if lane.waiting and lane.waiting[0] == kind)
    return int(args[0]) & 0xFFFFFFFF if args else 0xFFFFFFFF  # syncwarp() is of all


def answer(kind: str, group: Sequence[Thread]) -> None:
    """Give the lanes of a group what the operation at which they have met returns."""
    values = {lane.lane: lane.waiting[2][1] for lane in group if len(lane.waiting[2]) > 1}
    ballot = sum(lane.bit for lane in group if values.get(lane.lane))
    for lane in group:
        if kind in SHUFFLES:
            source = source_lane(kind, lane.lane, int(lane.waiting[2][2]))
            if source not in values:
                raise WarpError(
                    f"{lane} reads from lane {source}, which takes no part, by its {at(lane)}"
                )
            lane.answer = values[source]
        elif kind == "all_sync":
            lane.answer = ballot == sum(each.bit for each in group)
        elif kind == "any_sync":
            lane.answer = ballot != 0
        elif kind == "eq_sync":
            lane.answer = len(set(values.values())) == 1
        elif kind == "ballot_sync":
            lane.answer = np.uint32(ballot)
        elif kind == "activemask":
            lane.answer = np.uint32(sum(each.bit for each in group))


def source_lane(kind: str, lane: int, by: int) -> int:
    """The lane that a shuffle reads from; itself, where that lies beyond the warp's end."""
    if kind == "shfl_sync":
        return by % WARP
    if kind == "shfl_xor_sync":
        return lane ^ by
    found = lane - by if kind == "shfl_up_sync" else lane + by
    return found if 0 <= found < WARP else lane


def together(threads: Sequence[Thread], left: Sequence[Thread]) -> None:
    """Raise if not all threads of a block wait at the same barrier, where all wait."""
    alone = [thread for thread in left if thread.waiting[0] not in (*BARRIERS, GRID)]
    if alone:
        raise WarpError(
            f"{len(alone)} lanes, {alone[0]} the first, wait at {at(alone[0])} for lanes of its "
            "mask that do not come"
        )
    sites: dict[Any, list[Thread]] = {}
    for thread in threads:
        key = thread.waiting[:2] if thread.waiting else None
        sites.setdefault(key, []).append(thread)
    if len(sites) > 1:
        parts = "; ".join(
            f"{len(each)} threads, {each[0]} the first, are at "
            f"{at(each[0]) if each[0].waiting else 'the end'}"
            for each in sites.values()
        )
        raise BarrierError(f"a block does not meet at a barrier: {parts}")


def count(kind: str, threads: Sequence[Thread]) -> None:
    """Give threads what the barrier that they have passed returns."""
    if kind in ("syncthreads", GRID):
        return
    votes = [bool(thread.waiting[2][0]) for thread in threads]
    found = {"count": sum(votes), "and": int(all(votes)), "or": int(any(votes))}
    for thread in threads:
        thread.answer = found[kind.rpartition("_")[2]]


def at(thread: Thread) -> str:
    kind, where, _ = thread.waiting
    return f"{kind} at {place(where)}"
