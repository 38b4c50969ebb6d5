"""What the emulator refuses or finds wrong, besides IndexError, TypeError and ValueError."""

from __future__ import annotations


class KernelError(RuntimeError):
    """A kernel cannot be run, or did what a GPU would not forgive."""


class UnsupportedError(KernelError):
    """A kernel says something that the emulator, or a GPU, does not understand."""


class BarrierError(KernelError):
    """Not every thread of a block reached the same barrier."""


class LoopError(KernelError):
    """A loop that does not seem to end."""


class AlignmentError(KernelError):
    """An access of 128 bits that does not begin at a multiple of 16 bytes."""
