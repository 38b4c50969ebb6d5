"""How matrices of float32 are multiplied, as torch.set_float32_matmul_precision says it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

# What tensor cores round the numbers to before they multiply them; sums are of float32.
FORMATS = {"highest": "float32", "high": "tf32", "medium": "bfloat16"}
_precision = "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """Let products of float32 matrices be less precise, and faster on a GPU with tensor cores.

    "highest", at first: float32. "high": numbers are rounded to TF32, with a mantissa of 10
    bits. "medium": to bfloat16, with one of 7. Sums stay float32, as do results, and every dtype
    but float32 is left alone; so is a GPU older than compute capability 8.0. Else ValueError.
    """
    global _precision
    if precision not in FORMATS:
        known = ", ".join(FORMATS)
        raise ValueError(
            f"set_float32_matmul_precision: precision {precision!r} is unknown; known: {known}"
        )
    _precision = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision has set."""
    return _precision


@contextlib.contextmanager
def float32_matmul_precision(precision: str) -> Iterator[None]:
    """Inside, what set_float32_matmul_precision has set is this one."""
    before = get_float32_matmul_precision()
    set_float32_matmul_precision(precision)
    try:
        yield
    finally:
        set_float32_matmul_precision(before)
