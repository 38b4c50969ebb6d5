"""bfloat16, the upper half of a float32: numbers stored in two bytes, and computed with as float32.

Neither NumPy nor numba has this dtype. To both an array of bfloat16 is one of uint16, BFLOAT16,
which holds the numbers' bits; no tensor has that dtype for any other reason. The dtype of a tensor
with such an array is `bfloat16`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

BFLOAT16 = np.dtype(np.uint16)  # of arrays
LARGEST = float.fromhex("0x1.fep127")  # of the finite numbers
NAN = np.uint16(0x7FFF)  # the one that tensor cores make, too


class _BFloat16:
    """The dtype of tensors of bfloat16: NumPy takes it for that of their bits."""

    dtype, kind, itemsize, name = BFLOAT16, "f", BFLOAT16.itemsize, "bfloat16"

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name


bfloat16: Final = _BFloat16()


def rounded(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The bits of numbers rounded to bfloat16 by way of float32, ties to even."""
    with np.errstate(over="ignore"):
        numbers = np.asarray(x, np.float32)
    bits = numbers.view(np.uint32)
    half = np.uint32(0x7FFF) + (bits >> 16 & 1)
    return np.where(np.isnan(numbers), NAN, (bits + half >> 16).astype(BFLOAT16))


def widened(bits: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The numbers of these bits, as float32, which has them all."""
    return (bits.astype(np.uint32) << 16).view(np.float32)
