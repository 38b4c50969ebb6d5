"""The results of all benchmarks: rows, and the file that holds them, which schema.json documents.

A row compares one contestant with one other at one piece of work.
"""

from __future__ import annotations

import datetime
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ..engines import Adapter
from ..environment import environment, executor
from ..files import StrPath, load
from .ceilings import Ceilings
from .costs import Cost
from .timing import Spread, ratios

SCHEMA_VERSION = 2
SCHEMA = Path(__file__).with_name("schema.json")
FORWARD, BOTH = "forward", "forward + backward"
UNKNOWN = Cost()
Document = dict[str, Any]  # as schema.json says
LARGEST = 4  # an exponent is fitted to this many of the largest sizes


@dataclass(frozen=True)
class Row:
    """How long engine takes compared with against, at one piece of work."""

    kind: str  # the benchmark: ops, steps, generation or scaling
    item: str  # the work, as text
    op: str  # empty for a training step
    engine: str
    against: str
    phase: str  # forward, forward + backward, step or token
    size: str
    dtype: str
    ratio: float  # the median of engine / against within a round
    low: float  # its quartiles
    high: float
    seconds: float  # the median of one call
    against_seconds: float
    collector: bool  # whether Python's cyclic garbage collector was on
    apart: float | None = None  # how far the results differ, in eps of dtype; None if random
    growth: float | None = None  # bytes that every further step leaves behind
    against_growth: float | None = None
    rounds: int | None = None
    elements: int | None = None  # numbers in an op's inputs, or parameters of a model that grows
    shares: Mapping[str, float] | None = None  # of engine's time, by place
    cost: Cost = UNKNOWN
    against_cost: Cost = UNKNOWN

    @classmethod
    def timed(
        cls, seconds: Mapping[str, Sequence[float]], engine: str, against: str, **fields: Any
    ) -> Self:
        """The row of two contestants; seconds: of each call, by contestant and round."""
        share = ratios(seconds, against)[engine]
        return cls(
            engine=engine,
            against=against,
            ratio=share.median,
            low=share.low,
            high=share.high,
            seconds=Spread.of(seconds[engine]).median,
            against_seconds=Spread.of(seconds[against]).median,
            rounds=len(seconds[engine]),
            **fields,
        )

    @classmethod
    def of(cls, line: Mapping[str, Any]) -> Self:
        """The row from a line of a file; unknown fields are ignored."""
        known: dict[str, Any] = {key: line[key] for key in cls.__dataclass_fields__ if key in line}
        for key in ("cost", "against_cost"):
            known[key] = Cost(**line.get(key, {}))
        return cls(**known)

    @property
    def spread(self) -> Spread:
        return Spread(self.ratio, self.low, self.high)

    @property
    def key(self) -> tuple[Any, ...]:
        """What identifies the measurement, to find it again in another file."""
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
    """How the time of an op, or of a model's step, grows: about like elements ** exponent.

    The exponents are fitted to the LARGEST sizes, as the fixed cost of a call dominates the others.
    """

    kind: str
    op: str  # or the model
    engine: str
    against: str
    phase: str
    dtype: str
    elements: tuple[int, ...]  # of the inputs, or the model's parameters; the smallest first
    seconds: tuple[float, ...]  # at each size
    against_seconds: tuple[float, ...]
    exponent: float
    against_exponent: float


def curves(rows: Sequence[Row]) -> list[Curve]:
    """A curve for the first workload of each op that was timed at two sizes or more."""
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
    """The slope of a line fitted to the logarithms of the LARGEST points."""
    a, b = ([math.log(number) for number in some[-LARGEST:]] for some in (x, y))
    fit = statistics.linear_regression(a, b)
    return fit.slope


def document(
    rows: Sequence[Row],
    engines: Iterable[Adapter],
    threads: int,
    ceilings: Ceilings | None = None,
) -> Document:
    """The rows with their environment, for JSON."""
    return {
        "schema": SCHEMA_VERSION,
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "environment": environment(),
        "threads": threads,
        "executors": {engine.name: executor(engine) for engine in engines},
        "ceilings": ceilings.found() if ceilings else {"copy": {}, "product": {}},
        "rows": [asdict(row) for row in rows],
    }


def held(found: Document | None) -> list[Row]:
    """The rows of a document; none if there is no document."""
    return [Row.of(row) for row in found["rows"]] if found else []


def read(path: StrPath) -> Document:
    """Read a document; raises ValueError, with the file's name, if the file holds none."""

    def check(found: Any) -> None:
        if found["schema"] != SCHEMA_VERSION:
            raise ValueError(f"its schema is {found['schema']}, this reads {SCHEMA_VERSION}")
        held(found), found["environment"]["cpu"], found["threads"], found["executors"].items()

    document: Document = load(path, "holds no results of parity bench", check)
    return document
