"""What a graph keeps of a step: the launches that it makes, and the memory they work on.

While a step is captured its thread has a recorder (see launches), the Capture, which is told of
every launch and keeps it instead of making it. Before a replay live parts of the step are called
again, with a Relaunch as the recorder: only the numbers of their launches may have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

from . import device, launches, writes
from .allocator import Pool
from .arrays import Array
from .launches import Launcher

Args = tuple[Any, ...]


class CaptureError(RuntimeError):
    """A step does what a graph cannot repeat."""


class Live(NamedTuple):
    """A function that is called again before each replay, and the range of its launches."""

    start: int
    stop: int
    function: Callable[[], None]


class Late:
    """Stands among a launch's arguments for a number that is computed anew for each replay."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.value: Any = None

    def renew(self) -> None:
        self.value = self.function()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Late)  # numbers are compared lest they be frozen: these are not

    __hash__ = None  # type: ignore[assignment]


class Capture:
    """A recorder that keeps the launches of a step."""

    def __init__(self, pool: Pool, skips_live: bool = False) -> None:
        self.pool = pool
        self.skips_live = skips_live
        self.launches: list[tuple[Launcher, Args]] = []  # with Late numbers as such
        self.renewals: list[Live | Late] = []  # in the order in which they were made
        self.checks: list[tuple[Array, Callable[[], Exception]]] = []
        self.settings: dict[tuple[int, str], Any] = {}  # objects, by id and attribute: see heed
        self.own: set[int] = set()  # which of the launches' arrays are the graph's, by id
        # Where these lie: all between the first and the last in a segment is the graph's.
        self.segments: dict[int, writes.Place] = {}
        self.start = next(writes.moments)
        self.is_over = False  # whether its graph was dropped, or reset
        self._is_live = False

    def launched(self, launcher: Launcher, args: Args) -> None:
        self._require_graph()
        self.launches.append((launcher, tuple(map(self._kept, args))))

    def _require_graph(self) -> None:
        """Raise, and let the next launch be made, if nobody can end this capture any more."""
        if self.is_over:
            launches.recorder.set(None)
            raise CaptureError(
                "the graph that this thread captures was dropped, or reset, in another thread: "
                "what was launched since capture_begin() has not run and never will; from now on "
                "launches run again. Call capture_end() in time, or use graph.graph(...)"
            )

    def _kept(self, argument: Any) -> Any:
        """An argument; an array of the graph's own as one that does not hold its block."""
        if isinstance(argument, tuple):
            return tuple(map(self._kept, argument))
        lease = device.executor.lease(argument) if is_array(argument) else None
        if lease is None or lease.block.pool is not self.pool:
            return argument
        borrowed = device.executor.borrowed(argument, lease.block)
        self.own.add(id(borrowed))
        segment, (start, stop) = id(lease.block.segment), writes.place_of(argument)
        first, last = self.segments.get(segment, (start, stop))
        self.segments[segment] = min(first, start), max(last, stop)
        return borrowed

    def allocating(self) -> Pool:
        self._require_graph()
        if self._is_live:
            raise CaptureError(
                "memory is allocated in a part of the step that is live: take the step once "
                "without a graph, so that an optimizer, say, has its state"
            )
        return self.pool

    def copying(self, where: str) -> None:
        raise CaptureError(
            f"a copy {where} the {'device' if where == 'to' else 'device to the host'} within the "
            "step, which a graph cannot repeat: give data to the step as its arguments, and look "
            "at what it returns after the replay"
        )

    def live(self, function: Callable[[], None]) -> None:
        if self.skips_live:
            return
        start, was_live, self._is_live = len(self.launches), self._is_live, True
        try:
            function()
        finally:
            self._is_live = was_live
        if not was_live:
            self.renewals.append(Live(start, len(self.launches), function))

    def late(self, function: Callable[[], Any]) -> Any:
        if self._is_live:
            return function()
        made = Late(function)
        if not self.skips_live:
            made.renew()
        self.renewals.append(made)
        return made

    def refuse(self, flag: Array, error: Callable[[], Exception]) -> None:
        self.checks.append((flag, error))


def heed(setting: Any, name: str, made: int = 0) -> None:
    """Tell a capture of an object by whose attribute the step goes; made: at which moment."""
    found = launches.recorder.get()
    if isinstance(found, Capture) and made < found.start:
        found.settings[id(setting), name] = setting


class Relaunch:
    """A recorder of what a live part launches before a replay."""

    def __init__(self) -> None:
        self.launches: list[tuple[Launcher, Args]] = []

    def launched(self, launcher: Launcher, args: Args) -> None:
        self.launches.append((launcher, args))

    def allocating(self) -> NoReturn:
        raise CaptureError(
            "memory is allocated in a live part of a graph's step, as by an optimizer whose "
            "parameters or options have changed since: capture the step anew"
        )

    def copying(self, where: str) -> None:
        raise CaptureError(f"a copy {where} the device in a live part of a graph's step")

    def live(self, function: Callable[[], None]) -> None:
        function()

    def late(self, function: Callable[[], Any]) -> Any:
        return function()

    def refuse(self, flag: Array, error: Callable[[], Exception]) -> None:
        raise CaptureError("a live part of a graph's step looks at numbers of the device")


def renewed(old: tuple[Launcher, Args], new: tuple[Launcher, Args]) -> Args | None:
    """The arguments of a launch with new numbers, or None if they are the old ones."""
    launcher, args = old
    if new[0] is not launcher or len(new[1]) != len(args):
        raise CaptureError(f"{name_of(launcher)} is launched in another way than when captured")
    pairs = list(zip(args, new[1], strict=True))
    if any(place(x) != place(y) for x, y in pairs):
        raise CaptureError(
            f"{name_of(launcher)} is launched with another array than when captured: within a "
            "graph arrays stay where they are"
        )
    if all(is_array(x) or are_equal(x, y) for x, y in pairs):
        return None
    return tuple(x if is_array(x) else y for x, y in pairs)


def parts(argument: Any) -> Iterator[Any]:
    """An argument, or those of a tuple of some, one by one."""
    if isinstance(argument, tuple):
        for part in argument:
            yield from parts(part)
    else:
        yield argument


def is_late(argument: Any) -> bool:
    return isinstance(argument, Late) or (
        isinstance(argument, tuple) and any(map(is_late, argument))
    )


def now(argument: Any) -> Any:
    """An argument, or a tuple of some, with the numbers that Late ones stand for now."""
    if isinstance(argument, tuple):
        return tuple(map(now, argument))
    return argument.value if isinstance(argument, Late) else argument


def place(argument: Any) -> Any:
    """Which array an argument is; of a number, its type; of a tuple, those of its parts."""
    if isinstance(argument, tuple):
        return tuple(map(place, argument))
    if not is_array(argument):
        return type(argument)
    address = device.executor.address(argument) if argument.size else None
    return address, argument.shape, argument.dtype


def are_equal(x: Any, y: Any) -> bool:
    return bool(x == y or (x != x and y != y))  # NaN is the same number as NaN


def is_array(argument: Any) -> bool:
    return hasattr(argument, "kind")


def name_of(thing: Any) -> str:
    return thing.kernel.__name__ if isinstance(thing, Launcher) else type(thing).__name__
