"""How many threads an array's work is given: the blocks of a launch."""

from __future__ import annotations

from typing import Any

from ..device import BLOCK
from ..kernels.row import HELD


def launch(kernel: Any, count: int, *args: Any) -> None:
    """Run a kernel with a thread for each of count elements."""
    if count:
        kernel[-(-count // BLOCK), BLOCK](*args)


def launch_rows(kernel: Any, rows: int, length: int, *args: Any) -> None:
    """Run a kernel with a block for each row, of a power of two of threads that fits its length."""
    if rows and length:
        kernel[rows, min(BLOCK, 1 << (length - 1).bit_length())](*args)


def launch_held(kernel: Any, rows: int, length: int, *args: Any) -> None:
    """The same of a kernel that holds rows (see kernels.row): a warp at least, if it has work."""
    launch_rows(kernel, rows, max(min(length, 32), -(-length // HELD)), *args)
