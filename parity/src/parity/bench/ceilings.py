"""What no engine can exceed here: how fast memory is copied and matrices are multiplied.

Measured in the run whose figures they judge. Whatever is faster than that has not done its work.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..engines import Adapter
from ..environment import executor_kind

ROUNDS = 15  # the fastest counts
AGAIN = 5  # measurements, before a figure that seems impossible is taken to be so
MARGIN = 1.5  # what is faster than a ceiling by more than the noise of its measurement
LEAST = 1 << 16  # bytes of a copy that tells a bandwidth
SIDE = 384  # of the square matrices


class ImpossibleError(ValueError):
    """A figure above what the machine can do."""


class Ceilings:
    """Bytes a second and multiplications with additions a second, as measured when first asked."""

    def __init__(self, engines: Iterable[Adapter], threads: int) -> None:
        arrays = [each for each in engines if len(each.dtypes) > 1]
        self.engines = [each for each in arrays if executor_kind(each) != "gpu"]
        self.threads = threads
        self.best: dict[tuple[str, int | str], float] = {}  # of all measurements

    def bytes_a_second(self, size: int, again: bool = False) -> float:
        """Read and written by copies of size bytes: what fits in a cache is copied faster."""

        def measured() -> float:
            source = np.ones(size, np.int8)
            times = max(1, min(ROUNDS**2, (1 << 21) // size))
            copy = functools.partial(np.copyto, np.empty_like(source), source)
            return self.threads * 2 * size * times / _fastest(copy, times)

        return self._highest(("copy", size), measured, again)

    def bandwidth(self, size: int) -> float:
        """Bytes a second of a copy of about size, and of LEAST at least: less is mostly a call."""
        return self.bytes_a_second(max(LEAST, 1 << round(math.log2(size))))

    def flops_a_second(self, dtype: str, again: bool = False) -> float:
        """Of the fastest product of matrices among NumPy's and the engines'."""

        def measured() -> float:
            matrix = np.ones((SIDE, SIDE), dtype)
            products = [functools.partial(np.matmul, matrix, matrix)]
            for engine in self.engines:
                tensor = engine.tensor(matrix)
                products.append(functools.partial(engine.call, "matmul", tensor, tensor))
            return 2 * SIDE**3 / min(_fastest(product, 1) for product in products)

        return self._highest(("product", dtype), measured, again)

    def found(self) -> dict[str, dict[str, float]]:
        """All that was measured: bytes a second by the size of a copy, flops a second by dtype."""
        named = {"copy": dict[str, float](), "product": dict[str, float]()}
        for (kind, what), speed in sorted(self.best.items(), key=str):
            if not isinstance(what, int) or what >= LEAST:
                named[kind][str(what)] = speed
        return named

    def _highest(
        self, what: tuple[str, int | str], measured: Callable[[], float], again: bool
    ) -> float:
        if again or what not in self.best:
            self.best[what] = max(self.best.get(what, 0.0), measured())
        return self.best[what]

    def least(self, dtype: str, moved: int, flops: int, again: bool = False) -> float:
        """Seconds that it takes to read moved bytes, or for flops, with a margin."""
        copied = moved / self.bytes_a_second(moved, again) if moved else 0.0
        multiplied = flops / self.flops_a_second(dtype, again) if flops else 0.0
        return max(copied, multiplied) / MARGIN

    def judge(self, what: str, dtype: str, seconds: float, moved: int, flops: int) -> None:
        """Raise ImpossibleError if seconds do not suffice to read moved bytes, and for flops.

        moved: what is read at least; what is written comes on top, and is left to the margin.
        """
        least = self.least(dtype, moved, flops)
        for _ in range(AGAIN):  # the machine may have been busy
            if seconds >= least:
                return
            least = self.least(dtype, moved, flops, again=True)
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
