"""What this machine reaches at best: a copy's bandwidth, and a matrix product's speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import arrays, device, ops
from ..engine import tensor
from ..kernels import matmul as products
from ..storage import bfloat16
from .timing import medians


class Ceilings:
    """Both are measured when first asked for, by whoever is best at it here, torch included."""

    def __init__(self, torch: Any, seconds: float, side: int) -> None:
        self.torch = torch
        self.seconds = seconds
        self.side = side  # of the matrices
        self.bandwidths: dict[int, float] = {}  # bytes per second, by bytes moved
        self.peaks: dict[str, float] = {}  # operations per second, by precision
        self.reached_by: dict[int | str, str] = {}  # whom and where, by the keys of both

    def bandwidth(self, moved: float) -> float:
        """Bytes per second of a copy that moves about as many: caches hold what is small."""
        size = 1 << max(round(moved).bit_length() - 1, 10)
        if size not in self.bandwidths:
            fastest = self._fastest(size, self._copies(size // 2))
            self.bandwidths[size] = size / fastest * 1000
        return self.bandwidths[size]

    def peak(self, precision: str) -> float:
        """Operations per second of a large matrix product."""
        if precision not in self.peaks:
            fastest = self._fastest(precision, self._products(precision))
            self.peaks[precision] = 2 * self.side**3 / fastest * 1000
        return self.peaks[precision]

    def _fastest(self, key: int | str, runs: dict[str, Callable[[], object]]) -> float:
        """The milliseconds of the fastest run, whose name is kept."""
        times = medians(runs, self.seconds)
        name = min(times, key=times.__getitem__)
        on_cpu = name == "numpy" or (name == "torch" and device.EXECUTOR != "gpu")
        self.reached_by[key] = f"{name} on {'CPU' if on_cpu else device.EXECUTOR}"
        return times[name]

    def _copies(self, size: int) -> dict[str, Callable[[], object]]:
        data = np.zeros(size // 4, np.float32)
        source, target = device.to_device(data), device.to_device(data)
        runs: dict[str, Callable[[], object]] = {"cudagrad": lambda: arrays.assign(target, source)}
        if self.torch is not None:
            there, here = self.torch.tensor(data), self.torch.tensor(data)
            runs["torch"] = lambda: here.copy_(there)
        if device.EXECUTOR != "gpu":
            other = data.copy()
            runs["numpy"] = lambda: np.copyto(other, data)
        return runs

    def _products(self, precision: str) -> dict[str, Callable[[], object]]:
        data = np.ones((self.side, self.side), np.float32)
        x = tensor(data, bfloat16 if precision == "autocast" else None)
        runs: dict[str, Callable[[], object]] = {}
        if precision in ("float32", "autocast"):
            runs["cudagrad"] = lambda: ops.matmul(x, x)
        for rung in products.LADDER:
            if rung.precision == precision and device.has(rung.capability):
                runs[rung.name] = of_rung(rung, x.data, x.data)
        if self.torch is not None:
            y = self.torch.tensor(data)

            def by_torch() -> object:
                with self.torch.precision(precision):
                    return y @ y

            runs["torch"] = by_torch
        if device.EXECUTOR != "gpu" and precision == "float32":
            runs["numpy"] = lambda: data @ data
        return runs


def of_rung(rung: Any, x: Any, y: Any) -> Callable[[], Any]:
    """x times y, both (n, n), by a rung of the ladder, into an array that it returns."""
    n = x.shape[0]
    a, b = (arrays.reshape(operand, (1, n, n)) for operand in (x, y))
    out = arrays.empty((1, n, n), x.dtype)

    def run() -> Any:
        rung.launch(a, b, out)
        return out

    return run
