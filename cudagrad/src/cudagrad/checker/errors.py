"""What the checker finds wrong, besides the emulator's errors and IndexError."""

from __future__ import annotations

from ..emulator.errors import KernelError


class RaceError(KernelError):
    """Two threads reach for one element, at least one to write it, in no order."""


class UninitializedError(KernelError):
    """A thread reads what nobody has written."""


class WarpError(KernelError):
    """The lanes of a warp do not meet, or read from a lane that is not there."""
