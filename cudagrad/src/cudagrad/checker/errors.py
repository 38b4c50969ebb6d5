"""What the checker finds, besides IndexError and the emulator's BarrierError."""

from __future__ import annotations

from ..emulator.errors import KernelError


class RaceError(KernelError):
    """Two threads touch the same element, one of them to write, and nothing says who is first."""


class UninitializedError(KernelError):
    """A thread reads what nobody has written yet."""


class WarpError(KernelError):
    """A shuffle, or a barrier of a warp, needs a lane that does not take part."""
