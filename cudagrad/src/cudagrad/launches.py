"""Every kernel launch goes through here: it is counted, kept for a graph, or simply made.

A kernel is launched as `kernel[grid, block](*arguments)`. The launcher of a grid and a block is
made once. While a thread has a recorder (see graph and fusion) its launches are not made: the
recorder keeps them, and refuses what it cannot keep.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, Protocol

import numpy as np

from .allocator import Pool, counted, readable

Parameters = ParamSpec("Parameters")


class Recorder(Protocol):
    """What is asked while launches are kept instead of made."""

    def launched(self, launcher: Launcher, args: tuple[Any, ...]) -> None:
        """Keep a launch."""

    def allocating(self) -> Pool:
        """Say from which pool memory may be allocated now, or raise."""

    def copying(self, where: str) -> None:
        """Data is about to be copied to or from the host: raise."""

    def live(self, function: Callable[[], None]) -> None:
        """Run a function that only launches, and keep it: see the function live below."""

    def late(self, function: Callable[[], Any]) -> Any:
        """A placeholder for the number that a function returns: see the function late below."""

    def refuse(self, flag: Any, error: Callable[[], Exception]) -> None:
        """Raise an error after a replay if the one element of flag, a device array, is true."""


@dataclass
class Counts:
    """What was launched and copied: see counting.

    bytes: of all arrays among the arguments of all launches, an array that is there twice counted
    twice: what the kernels move if they read or write every element of each once.
    """

    launches: int = 0
    bytes: int = 0
    replays: int = 0  # of graphs, whose launches are among those above
    uploads: int = 0
    uploaded: int = 0  # bytes
    downloads: int = 0
    downloaded: int = 0  # bytes

    def __str__(self) -> str:
        replayed = f" ({counted(self.replays, 'graph')} replayed)" if self.replays else ""
        return (
            f"{counted(self.launches, 'launch', 'es')}{replayed} of kernels given "
            f"{readable(self.bytes)}; "
            f"{counted(self.uploads, 'upload')} of {readable(self.uploaded)}, "
            f"{counted(self.downloads, 'download')} of {readable(self.downloaded)}"
        )


class Kernel:
    """A kernel of this executor: kernel[grid, block](*arguments) runs it.

    It has the attributes of what the executor makes of the function, too.
    """

    def __init__(self, compiled: Any, launcher: Callable[[Any, Any], Callable[..., None]]) -> None:
        functools.update_wrapper(self, compiled, updated=())
        self.compiled = compiled
        self._launcher = launcher
        self._launchers: dict[Any, Launcher] = {}

    def __getitem__(self, configuration: Any) -> Launcher:
        found = self._launchers.get(configuration)
        if found is None:
            if isinstance(configuration, tuple) and any(configuration[2:3]):
                raise TypeError(f"{self}: a kernel runs in the stream of `with cudagrad.stream(…)`")
            run = self._launcher(self.compiled, configuration)
            found = self._launchers[configuration] = Launcher(self, configuration, run)
        return found

    def __getattr__(self, name: str) -> Any:
        if name == "compiled":  # not there yet: a copy or a pickle is being made
            raise AttributeError(name)
        return getattr(self.compiled, name)

    def __call__(self, *args: Any) -> Any:
        return self.compiled(*args)

    def __str__(self) -> str:
        return str(self.compiled)


class Launcher:
    """A kernel with a grid and a block."""

    __slots__ = ("configuration", "kernel", "run")

    def __init__(self, kernel: Kernel, configuration: Any, run: Callable[..., None]) -> None:
        self.kernel = kernel
        self.configuration = configuration
        self.run = run  # launches, and that alone

    def __call__(self, *args: Any) -> None:
        found = recorder.get()
        if found is None:
            self.run(*args)
            for watch in watchers:
                watch(self, args)
        else:
            found.launched(self, args)


# Each thread has its own: while one captures a graph, the others go on launching.
recorder: ContextVar[Recorder | None] = ContextVar("recorder", default=None)
watchers: list[Callable[[Launcher, tuple[Any, ...]], None]] = []  # are told of every launch
_counting: list[Counts] = []


@contextlib.contextmanager
def recording(by: Recorder) -> Iterator[None]:
    """Inside, this thread's launches are kept by a recorder."""
    token = recorder.set(by)
    try:
        yield
    finally:
        recorder.reset(token)


@contextlib.contextmanager
def counting() -> Iterator[Counts]:
    """Count what is launched and copied inside: a training step, say.

    >>> from cudagrad import device, tensor
    >>> with device.counting() as counts:
    ...     _ = tensor([1.0, 2.0]) + tensor([3.0, 4.0])
    >>> counts.launches, counts.bytes, counts.uploads
    (1, 24, 2)
    """
    counts = Counts()

    def watch(launcher: Launcher, args: tuple[Any, ...]) -> None:
        counts.launches += 1
        counts.bytes += sum(map(_size, args))

    watchers.append(watch)
    _counting.append(counts)
    try:
        yield counts
    finally:
        # By identity: two counts that have seen the same are equal.
        watchers[:] = [other for other in watchers if other is not watch]
        _counting[:] = [other for other in _counting if other is not counts]


def copied(where: str, size: int) -> None:
    """Count a copy, to or from the host, of so many bytes; a recorder refuses it."""
    found = recorder.get()
    if found is not None:
        found.copying(where)
    for counts in _counting:
        if where == "to":
            counts.uploads += 1
            counts.uploaded += size
        else:
            counts.downloads += 1
            counts.downloaded += size


def replayed(launched: Iterable[tuple[Launcher, tuple[Any, ...]]]) -> None:
    """Count the launches of a graph that was replayed."""
    for counts in _counting:
        counts.replays += 1
    if watchers:
        for launcher, args in launched:
            for watch in watchers:
                watch(launcher, args)


def live(function: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """Mark a function that only launches, with numbers that change from step to step.

    A graph repeats launches with the numbers they had. Before each replay it calls a live function
    again, for the numbers of now; the function must launch the same kernels on the same arrays.
    """

    @functools.wraps(function)
    def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        found = recorder.get()
        if found is None:
            function(*args, **kwargs)
        else:
            found.live(functools.partial(function, *args, **kwargs))

    return wrapper


def late(function: Callable[[], Any]) -> Any:
    """The number that a function returns, for launches; a graph calls it again for every replay.

    During a capture a placeholder is returned instead, which only launches can be given.
    """
    found = recorder.get()
    return function() if found is None else found.late(function)


def _size(argument: Any) -> int:
    if isinstance(argument, tuple):
        return sum(map(_size, argument))
    is_array = hasattr(argument, "dtype") and not isinstance(argument, np.generic)
    return argument.size * argument.dtype.itemsize if is_array else 0
