"""The costs of ops and training steps besides time, by contestant, and how time grows with size."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypedDict

from ..bench.rows import FORWARD, Curve, curves, held
from ..bench.scaling import KIND as GROWING
from . import figures
from .data import Report
from .matrix import by
from .words import duration, listed, part, plural, quantity, times

HEADS = {
    "seconds": "takes",
    "ratio": "torch’s",
    "nodes": "nodes",
    "allocations": "allocations",
    "launches": "launches",
    "given": "kernels given",
    "moved": "moves at least",
    "flops": "operations",
    "memory": "peak memory",
    "share": "of roofline",
}
WRITTEN = {
    "seconds": duration,
    "ratio": times,
    **dict.fromkeys(("nodes", "allocations", "launches"), "{:,}".format),
    **dict.fromkeys(("given", "moved", "memory"), lambda size: quantity(size, "B")),
    "flops": lambda count: quantity(count, ""),
    "share": part,
}


class Entry(TypedDict):
    """What a contestant spends on a piece of work."""

    engine: str
    item: str
    op: str
    dtype: str
    values: dict[str, Any]  # by HEADS
    executor: str  # in a word: gpu, emulator or CPU


class Growth(TypedDict):
    """An op or a model that was timed at several sizes."""

    name: str
    id: str
    figure: figures.Figure
    lines: list[figures.Line]
    of: str  # what is counted as its size


def entries(report: Report, kind: str) -> list[Entry]:
    """A row per contestant and piece of work of a kind; ops with backward, if there is one."""
    lines = [line for line in held(report["speed"]) if line.kind == kind]
    executors = report["speed"]["executors"] if report["speed"] else {}
    whole = {(line.item, line.dtype) for line in lines if line.phase != FORWARD}
    found: dict[tuple[str, ...], Entry] = {}
    for line in lines:
        if line.phase == FORWARD and (line.item, line.dtype) in whole:
            continue
        ratio = line.ratio if line.against == "torch" else None
        sides = (
            (line.engine, line.cost, line.seconds, ratio),
            (line.against, line.against_cost, line.against_seconds, None),
        )
        for name, cost, seconds, beside in sides:
            key = name, line.item, line.op, line.dtype
            if key in found:
                found[key]["values"]["ratio"] = found[key]["values"]["ratio"] or beside
                continue
            found[key] = {
                "engine": name,
                "item": line.item,
                "op": line.op,
                "dtype": line.dtype,
                "values": vars(cost) | {"seconds": seconds, "ratio": beside},
                # "cudagrad, graph" runs where cudagrad does.
                "executor": executors.get(name.partition(",")[0], "CPU").partition(":")[0],
            }
    return sorted(found.values(), key=lambda entry: entry["item"])


def written(name: str, value: Any) -> str:
    """A cost as text; a dash if it is unknown or not defined."""
    return "–" if value is None else str(WRITTEN[name](value))


def sentences(report: Report) -> list[str]:
    """Sentences about the roofline, and about engines that have none."""
    speed = report["speed"]
    if speed is None:
        return []
    said = []
    copies, products = speed["ceilings"]["copy"], speed["ceilings"]["product"]
    if copies and products:
        low, high = min(copies.values()), max(copies.values())
        rates = [f"{quantity(rate, '')} operations a second in {d}" for d, rate in products.items()]
        said.append(
            "The roofline of this machine, measured in the same run with"
            f" {plural(speed['threads'], 'thread')}: copies read and write {quantity(low, 'B')} to"
            f" {quantity(high, 'B')} a second, by size; the fastest product of matrices does"
            f" {listed(rates)}."
        )
    for engine, where in speed["executors"].items():
        if where.startswith("emulator"):
            said.append(
                f"{engine} ran on its emulator: launches and bytes are those of the kernels that it"
                " chooses there. Its times say nothing about a GPU; nor would a share of this"
                " processor’s roofline, which is left out."
            )
        elif where != "CPU":
            said.append(f"{engine} ran on {where}, so the processor’s roofline is not its own.")
    if speed.get("left_out"):
        left_out = plural(speed["left_out"], "measurement")
        said.append(f"{left_out} had to be left out for lack of time.")
    if refused := speed.get("refused"):
        said.append(f"{plural(len(refused), 'measurement')} refused; the first: {refused[0]}.")
    return said


def growth(report: Report) -> list[Growth]:
    """A figure and exponents for the GPT and every op that was timed at several sizes."""
    engines = [engine["name"] for engine in report["engines"]]
    every = curves([line for line in held(report["speed"]) if line.kind == GROWING])
    found: list[Growth] = []
    for name, own in by(lambda curve: curve.op, every).items():
        drawn = lines(own)
        found.append(
            {
                "name": name,
                "id": f"growth-{name}",
                "figure": figures.growth(drawn, engines),
                "lines": drawn,
                "of": "parameters" if own[0].phase == "step" else "numbers in the inputs",
            }
        )
    return found


def lines(own: Iterable[Curve]) -> list[figures.Line]:
    """Each contestant's curve, and the rival's once per dtype."""
    found: dict[tuple[str, str], figures.Line] = {}
    for curve in own:
        for name, seconds, exponent in (
            (curve.engine, curve.seconds, curve.exponent),
            (curve.against, curve.against_seconds, curve.against_exponent),
        ):
            line: figures.Line = {
                "engine": name,
                "dtype": curve.dtype,
                "elements": list(curve.elements),
                "seconds": list(seconds),
                "exponent": exponent,
            }
            found.setdefault((name, curve.dtype), line)
    return list(found.values())
