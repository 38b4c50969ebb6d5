"""Streams, on which launches follow one another, and events, which tell where a stream is.

torch.cuda's names and meaning: https://docs.pytorch.org/docs/stable/cuda.html#streams-and-events.
On the emulator everything is done when a call returns: nothing waits, and events tell the time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from . import device
from .engine import Tensor


class Stream:
    """A queue of launches. What is in two streams may run at the same time, or in any order."""

    def __init__(self) -> None:
        self.handle: int = device.executor.create_stream()
        self._is_own = True

    @classmethod
    def external(cls, handle: int) -> Stream:
        """The stream of another package, which outlives this object: torch's cuda_stream, say."""
        stream = cls.__new__(cls)
        stream.handle, stream._is_own = handle, False
        return stream

    def record_event(self, event: Event | None = None) -> Event:
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        """Let what is launched here from now on wait for an event."""
        device.executor.wait_for(self.handle, event.moment())

    def wait_stream(self, stream: Stream) -> None:
        """Let what is launched here from now on wait for all that another stream has to do."""
        self.wait_event(stream.record_event())

    def synchronize(self) -> None:
        """Wait until all is done that was launched here."""
        device.executor.synchronize(self.handle)

    def query(self) -> bool:
        """Whether all is done that was launched here."""
        done: bool = device.executor.stream_is_done(self.handle)
        return done

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and self.handle == other.handle

    def __hash__(self) -> int:
        return hash(self.handle)

    def __repr__(self) -> str:
        return f"Stream({self.handle:#x})"

    def __del__(self) -> None:
        if getattr(self, "_is_own", False):
            device.executor.destroy_stream(self.handle)


class Event:
    """A moment on a stream, once it is recorded there; enable_timing: elapsed_time needs it."""

    def __init__(self, enable_timing: bool = False) -> None:
        self.enable_timing = enable_timing
        self._moment: Any = None

    def record(self, stream: Stream | None = None) -> None:
        """Stand for when all is done that the stream has to do by now; None: the current one."""
        handle = device.executor.stream if stream is None else stream.handle
        self._moment = device.executor.record_event(handle)

    def wait(self, stream: Stream | None = None) -> None:
        """Let what is launched on a stream from now on wait for this event."""
        (current_stream() if stream is None else stream).wait_event(self)

    def query(self) -> bool:
        """Whether the moment is over; true of an event that was not recorded."""
        return self._moment is None or device.executor.event_is_over(self._moment)

    def synchronize(self) -> None:
        """Wait until the moment is over."""
        if self._moment is not None:
            device.executor.wait_for_event(self._moment)

    def elapsed_time(self, end_event: Event) -> float:
        """Milliseconds from this event to another; both must be over."""
        if not (self.enable_timing and end_event.enable_timing):
            raise ValueError("elapsed_time: both events need enable_timing=True")
        start, end = self.moment(), end_event.moment()
        if not (self.query() and end_event.query()):
            raise RuntimeError("elapsed_time: an event is not over: synchronize() it first")
        elapsed: float = device.executor.milliseconds(start, end)
        return elapsed

    def moment(self) -> Any:
        """What the executor knows of it."""
        if self._moment is None:
            raise RuntimeError("an event must be recorded before it can be waited for or compared")
        return self._moment


def current_stream() -> Stream:
    """The stream on which kernels are launched now."""
    return Stream.external(device.executor.stream)


def default_stream() -> Stream:
    """The stream on which kernels are launched unless stream() says another."""
    return Stream.external(0)


@contextlib.contextmanager
def stream(chosen: Stream | None) -> Iterator[None]:
    """Inside, kernels are launched on a stream; None: where they are anyway.

    What one stream makes and another reads needs a wait_stream() between.
    """
    if not (chosen is None or isinstance(chosen, Stream)):
        kind = type(chosen).__name__
        raise TypeError(f"stream: expected a Stream, not {kind}; of a handle make Stream.external")
    before = device.executor.stream
    if chosen is not None:
        device.executor.stream = chosen.handle
    try:
        yield
    finally:
        device.executor.stream = before


def synchronize() -> None:
    """Wait until all is done that was launched on any stream."""
    device.executor.synchronize()


def record_stream(tensor: Tensor, stream: Stream) -> None:
    """Say that a stream uses a tensor of another's: its memory is not reused until that is done."""
    lease = device.executor.lease(tensor.data)
    if lease is not None:
        device.allocator.record(lease.block, stream.handle)
