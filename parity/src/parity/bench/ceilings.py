"""What no engine can exceed here: how fast memory is copied and matrices are multiplied.

Measured in the run whose figures they judge. Whatever is faster than that has not done its work.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..engines import Adapter

ROUNDS = 7  # the fastest counts
MARGIN = 1.5  # what is faster than a ceiling by more than the noise of its measurement
SIDE = 768  # of the square matrices


class ImpossibleError(ValueError):
    """A figure above what the machine can do."""


class Ceilings:
    """Bytes a second and multiplications with additions a second, as measured when first asked."""

    def __init__(self, engines: tuple[Adapter, ...], threads: int) -> None:
        self.engines, self.threads = engines, threads

    @functools.cache  # noqa: B019 (there are few, and they live as long as the run)
    def bytes_a_second(self, size: int) -> float:
        """Read and written by copies of size bytes: what fits in a cache is copied faster."""
        source = np.ones(max(size, 1), np.int8)
        target = np.empty_like(source)
        times = max(1, (1 << 21) // source.size)
        return (
            self.threads
            * 2
            * size
            * times
            / _fastest(functools.partial(np.copyto, target, source), times)
        )

    @functools.cache  # noqa: B019
    def flops_a_second(self, dtype: str) -> float:
        """Of the fastest product of matrices among NumPy's and the engines'."""
        matrix = np.ones((SIDE, SIDE), dtype)
        products = [_fastest(lambda: matrix @ matrix, 1)]
        for engine in self.engines:
            tensor = engine.tensor(matrix)
            products.append(_fastest(functools.partial(engine.call, "matmul", tensor, tensor), 1))
        return 2 * SIDE**3 / min(products)

    def judge(self, what: str, dtype: str, seconds: float, moved: int, flops: int) -> None:
        """Raise ImpossibleError if seconds do not suffice to read moved bytes, and for flops.

        moved: what is read at least; what is written comes on top, and is left to the margin.
        """
        copied = moved / self.bytes_a_second(moved) if moved else 0.0
        multiplied = flops / self.flops_a_second(dtype) if flops else 0.0
        least = max(copied, multiplied) / MARGIN
        if seconds < least:
            raise ImpossibleError(
                f"{what} cannot have taken {seconds * 1e6:.3g} µs, where to read what it reads, and"
                f" to multiply as fast as any product here, takes {least * 1e6:.3g}"
            )


def _fastest(call: Callable[[], Any], times: int) -> float:
    """Seconds for so many calls."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(times):
            call()
        taken.append(time.perf_counter() - started)
    return min(taken)
