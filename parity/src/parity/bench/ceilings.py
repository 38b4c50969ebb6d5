"""The speed limits of this machine: copying memory, and multiplying matrices.

They are measured in the run that they judge. A faster result means that some work was not done.
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

ROUNDS = 15  # of which the fastest counts
AGAIN = 5  # measure a ceiling this often before calling a result impossible
MARGIN = 1.5  # a result may be this much faster than a ceiling, which is noisy itself
LEAST = 1 << 16  # bytes; a smaller copy measures the cost of a call rather than bandwidth
SIDE = 384  # of the square matrices


class ImpossibleError(ValueError):
    """A result faster than the machine allows."""


class Ceilings:
    """Bytes and floating-point operations per second, measured when first asked for."""

    def __init__(self, engines: Iterable[Adapter], threads: int) -> None:
        arrays = [each for each in engines if len(each.dtypes) > 1]
        self.engines = [each for each in arrays if executor_kind(each) != "gpu"]
        self.threads = threads
        self.best: dict[tuple[str, int | str], float] = {}  # the highest rate measured so far

    def bytes_a_second(self, size: int, again: bool = False) -> float:
        """Bytes read and written per second by copies of size bytes, which caches speed up."""

        def measured() -> float:
            source = np.ones(size, np.int8)
            times = max(1, min(ROUNDS**2, (1 << 21) // size))
            copy = functools.partial(np.copyto, np.empty_like(source), source)
            return self.threads * 2 * size * times / _fastest(copy, times)

        return self._highest(("copy", size), measured, again)

    def bandwidth(self, size: int) -> float:
        """Bytes per second of a copy of about size bytes, but at least LEAST."""
        return self.bytes_a_second(max(LEAST, 1 << round(math.log2(size))))

    def flops_a_second(self, dtype: str, again: bool = False) -> float:
        """Operations per second of the fastest matrix product, of NumPy's and the engines'."""

        def measured() -> float:
            matrix = np.ones((SIDE, SIDE), dtype)
            products = [functools.partial(np.matmul, matrix, matrix)]
            for engine in self.engines:
                tensor = engine.tensor(matrix)
                products.append(functools.partial(engine.call, "matmul", tensor, tensor))
            return 2 * SIDE**3 / min(_fastest(product, 1) for product in products)

        return self._highest(("product", dtype), measured, again)

    def found(self) -> dict[str, dict[str, float]]:
        """All rates so far: bytes per second by size of the copy, flops per second by dtype."""
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
        """The least seconds in which moved bytes can be read and flops be done, with a margin."""
        copied = moved / self.bytes_a_second(moved, again) if moved else 0.0
        multiplied = flops / self.flops_a_second(dtype, again) if flops else 0.0
        return max(copied, multiplied) / MARGIN

    def judge(self, what: str, dtype: str, seconds: float, moved: int, flops: int) -> None:
        """Raise ImpossibleError if seconds are too few to read moved bytes and do flops.

        moved: the bytes that must be read. Writing takes extra time, which is not counted.
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
    """The seconds that this many calls take, in the fastest of ROUNDS."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(times):
            call()
        taken.append(time.perf_counter() - started)
    return min(taken)
