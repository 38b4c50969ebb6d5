"""Cases into figures: each contestant's time, beside torch's and what the machine reaches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import device, memory
from ..kernels import matmul as products
from .cases import Case, Run, Scale, cases
from .ceilings import Ceilings, of_rung
from .contestant import Cudagrad
from .timing import medians

MATH = "torch, storing all scores"
MARGIN = 1.1  # of a ceiling: more than this above it is no measurement but a mistake


@dataclass
class Figure:
    """What was measured of one contestant in one case; nothing, if refused says why not.

    executor: where it ran. bandwidth: bytes per second; of_copy: as a part of a copy's. speed:
    operations per second; of_peak: as a part of a matrix product's. ratio: torch's time over this.
    """

    case: str
    size: str
    precision: str
    contestant: str
    executor: str
    milliseconds: float | None = None
    bandwidth: float | None = None
    of_copy: float | None = None
    speed: float | None = None
    of_peak: float | None = None
    ratio: float | None = None
    refused: str = ""


def figures(scale: Scale, torch: Any, seconds: float, ceilings: Ceilings) -> Iterator[list[Figure]]:
    """The figures of each case and precision; torch: a contestant, or None."""
    for case in cases(scale):
        for precision in case.precisions:
            yield _measured(case, precision, torch, seconds, ceilings)
        memory.empty_cache()


def _measured(
    case: Case, precision: str, torch: Any, seconds: float, ceilings: Ceilings
) -> list[Figure]:
    with contextlib.ExitStack() as inside:
        contestants: list[Any] = [Cudagrad(), *([torch] if torch is not None else [])]
        able = [c for c in contestants if inside.enter_context(c.precision(precision))]
        runs = {c.name: case.build(c) for c in able}
        readers = {c.name: c for c in able}
        if case.as_graph and "cudagrad" in runs:
            runs["cudagrad, graph"] = case.build(Cudagrad(), as_graph=True)
            readers["cudagrad, graph"] = Cudagrad()
        if case.is_attention and torch is not None:
            runs[MATH] = torch.by_math(case.build(torch))
            readers[MATH] = torch
        if case.side:
            rungs = dict(_rungs(case, precision))
            runs |= rungs
            readers |= dict.fromkeys(rungs, _Arrays())
        wrong = _wrong(case, runs, readers)
        times = medians({name: runs[name] for name in runs if name not in wrong}, seconds)
    found = []
    for name in runs:
        figure = Figure(case.name, case.size, precision, name, _executor(name))
        if name in wrong:
            figure.refused = wrong[name]
        else:
            judge(figure, case, times[name], times.get("torch"), ceilings)
        found.append(figure)
    return found


def judge(
    figure: Figure, case: Case, milliseconds: float, torch: float | None, ceilings: Ceilings
) -> None:
    """Fill in a figure of this time, or refuse it, if no machine could have been so fast."""
    bandwidth, speed = (
        amount / milliseconds * 1000 if milliseconds > 0 else float("inf")
        for amount in (case.bytes, case.flops)
    )
    shares = {}
    if case.bytes:
        shares["what a copy of as many bytes reaches"] = bandwidth / ceilings.bandwidth(case.bytes)
    if case.flops:
        shares["a large matrix product's speed"] = speed / ceilings.peak(figure.precision)
    for what, share in shares.items():
        if share > MARGIN:
            figure.refused = f"{share:.2f} times {what} is impossible: measured wrongly"
            return
    figure.milliseconds = milliseconds
    figure.ratio = torch / milliseconds if torch is not None else None
    if case.bytes:
        figure.bandwidth, (figure.of_copy,) = bandwidth, shares.values()
    if case.flops:
        figure.speed, (figure.of_peak,) = speed, shares.values()


class _Arrays:
    """Reads what a rung of the ladder returns: an array of the device."""

    def numpy(self, array: Any) -> np.ndarray[Any, Any]:
        return device.to_host(array)


def _rungs(case: Case, precision: str) -> Iterator[tuple[str, Run]]:
    """The kernels of the ladder of matrix products, where there is one, on the case's matrices."""
    rng = [np.random.default_rng(i) for i in range(2)]
    shape = (case.side, case.side)
    x, y = (device.to_device(r.standard_normal(shape, np.float32)) for r in rng)
    for rung in products.LADDER:
        if rung.precision == precision and device.has(rung.capability):
            yield f"cudagrad, {rung.name}", _listed(of_rung(rung, x, y))


def _listed(run: Callable[[], Any]) -> Run:
    return lambda: [run()]


def _wrong(case: Case, runs: dict[str, Run], readers: dict[str, Any]) -> dict[str, str]:
    """Whose results are not those of torch, or of the first one, and by how much."""
    reference = "torch" if "torch" in runs else next(iter(runs), "")
    found: dict[str, str] = {}
    if not reference:
        return found
    results = {
        name: [np.asarray(readers[name].numpy(x), np.float64) for x in run()]
        for name, run in runs.items()
    }
    for name, arrays in results.items():
        for own, right in zip(arrays, results[reference], strict=True):
            off = np.abs(own.reshape(right.shape) - right).max() / (np.abs(right).max() or 1)
            if not off <= case.tolerance:
                found[name] = f"differs from {reference} by {off:.1e} of the largest number"
    return found


def _executor(contestant: str) -> str:
    is_torch = contestant in ("torch", MATH)
    return "CPU" if is_torch and device.EXECUTOR != "gpu" else device.EXECUTOR
