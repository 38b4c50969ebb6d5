"""What every benchmark finds, in one form: rows, the file that holds them, and how it is read.

schema.json documents the file. A row is one contestant beside one other, at one piece of work.
"""

from __future__ import annotations

import datetime
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ..engines import Adapter
from ..environment import environment, executor
from ..files import StrPath
from .ceilings import Ceilings
from .costs import Cost
from .timing import Spread

SCHEMA_VERSION = 2
SCHEMA = Path(__file__).with_name("schema.json")
FORWARD, BOTH = "forward", "forward + backward"
UNKNOWN = Cost()
Document = dict[str, Any]  # as schema.json says
LARGEST = 4  # sizes, that an exponent is fitted to


@dataclass(frozen=True)
class Row:
    """The times of a contestant as a share of another's, taken in turn, and what else was seen.

    kind: the benchmark: ops, steps, generation or scaling. item: the work, as text. op: its name,
    "" of a step. engine, against: the contestants. phase: forward, forward + backward, step or
    token. ratio, low, high: the median of engine / against within a round, and its quartiles.
    seconds, against_seconds: the medians of one call. collector: whether Python's cyclic collector
    was on. apart: how far the results are from the other's, in eps of dtype; None where chance
    makes them. growth: bytes that every further step leaves behind. rounds: in which all took
    turns. elements: numbers in the inputs of an op, in the parameters of a model that grows.
    shares: what part of engine's time goes where, by name. cost, against_cost: what else the work
    takes.
    """

    kind: str
    item: str
    op: str
    engine: str
    against: str
    phase: str
    size: str
    dtype: str
    ratio: float
    low: float
    high: float
    seconds: float
    against_seconds: float
    collector: bool
    apart: float | None = None
    growth: float | None = None
    against_growth: float | None = None
    rounds: int | None = None
    elements: int | None = None
    shares: Mapping[str, float] | None = None
    cost: Cost = UNKNOWN
    against_cost: Cost = UNKNOWN

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """The row of a line of a file, whatever else the line says."""
        known: dict[str, Any] = {key: line[key] for key in cls.__dataclass_fields__ if key in line}
        for key in ("cost", "against_cost"):
            known[key] = Cost(**line.get(key, {}))
        return cls(**known)

    @property
    def spread(self) -> Spread:
        return Spread(self.ratio, self.low, self.high)

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it the same measurement as another, taken before or elsewhere."""
        names = ("kind", "item", "engine", "against", "phase", "size", "dtype", "collector")
        return tuple(getattr(self, name) for name in names)


def summaries(rows: Sequence[Row]) -> list[str]:
    """A line for every engine, rival and phase: the geometric mean, and the largest ratio."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.engine, row.against, row.phase), []).append(row)
    lines = []
    for (engine, against, phase), members in groups.items():
        worst = max(members, key=lambda row: row.ratio)
        mean = statistics.geometric_mean(row.ratio for row in members)
        lines.append(
            f"{engine} / {against}, {phase}: {mean:.2f} in the geometric mean"
            f" of {len(members)}, {worst.ratio:.1f} at most ({worst.item})"
        )
    return lines


@dataclass(frozen=True)
class Curve:
    """Seconds of an op over the numbers in its inputs: about a multiple of numbers ** exponent.

    Or of a model's step, over those in its parameters; op is then the model. seconds,
    against_seconds: of engine and its rival at each of elements, the smallest first. The exponents
    are fitted to the LARGEST of them: what a call costs at all bends the others.
    """

    kind: str
    op: str
    engine: str
    against: str
    phase: str
    dtype: str
    elements: tuple[int, ...]
    seconds: tuple[float, ...]
    against_seconds: tuple[float, ...]
    exponent: float
    against_exponent: float


def curves(rows: Sequence[Row]) -> list[Curve]:
    """Those of the first workload of each op, where rows have it at two sizes or more."""
    groups: dict[tuple[str, str, str, str, str, str], dict[str, Row]] = {}
    for row in rows:
        if row.elements:
            key = (row.kind, row.op or row.item, row.engine, row.against, row.phase, row.dtype)
            groups.setdefault(key, {}).setdefault(row.size, row)
    found = []
    for key, sizes in groups.items():
        of = sizes.values()
        points = sorted((row.elements or 0, row.seconds, row.against_seconds) for row in of)
        if len({elements for elements, _, _ in points}) > 1:
            elements, own, its = zip(*points, strict=True)
            slopes = (_slope(elements, own), _slope(elements, its))
            found.append(Curve(*key, elements, own, its, *slopes))
    return found


def _slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Of the straight line through the logarithms of the LARGEST, by least squares."""
    a, b = ([math.log(number) for number in some[-LARGEST:]] for some in (x, y))
    fit = statistics.linear_regression(a, b)
    return fit.slope


def document(
    rows: Sequence[Row],
    engines: Iterable[Adapter],
    threads: int,
    ceilings: Ceilings | None = None,
) -> Document:
    """Rows and where they come from, for JSON: what ran each engine among the rest."""
    return {
        "schema": SCHEMA_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "environment": environment(),
        "threads": threads,
        "executors": {engine.name: executor(engine) for engine in engines},
        "ceilings": ceilings.found() if ceilings else {"copy": {}, "product": {}},
        "rows": [asdict(row) for row in rows],
    }


def held(found: Document) -> list[Row]:
    """The rows of a document."""
    return [Row.of(row) for row in found["rows"]]


def read(path: StrPath) -> Document:
    """The document of a file; raises ValueError, with the file's name, if it holds none."""
    try:
        found: Document = json.loads(Path(path).read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA_VERSION:
            raise ValueError(f"its schema is {found['schema']}, this reads {SCHEMA_VERSION}")
        held(found), found["environment"]["cpu"], found["threads"], found["executors"]
        return found
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no results of parity bench: {error}") from error
