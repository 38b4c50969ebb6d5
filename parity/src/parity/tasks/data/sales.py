"""Read sales from a tab-separated file without a header: ten columns, one sale per line.

Fields are split at tabs; quotation marks have no meaning. Names may be in any encoding.
"""

from __future__ import annotations

import datetime
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# fmt: off
COLUMNS = ("name", "code", "date", "timestamp", "quantity", "unit price", "category", "user",
           "total", "id")
# fmt: on
USED = ("quantity", "unit price", "total", "date", "category")
FEW = 5  # malformed lines to show

_used = itemgetter(*(COLUMNS.index(name) for name in USED))


@dataclass(frozen=True)
class Malformed:
    """A line that was skipped (counted from 1), and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(frozen=True)
class Sales:
    """The usable rows in file order, as one array (N,) per column."""

    quantity: Array
    unit_price: Array
    total: Array
    day: Array  # of the year, from 1
    category: Sequence[str]
    malformed: Sequence[Malformed] = ()  # the lines that were skipped

    def __len__(self) -> int:
        return len(self.total)

    def skipped(self) -> str:
        """A message about the skipped lines; empty if there are none."""
        if not self.malformed:
            return ""
        lines = len(self) + len(self.malformed)
        more = len(self.malformed) - FEW
        return "\n  ".join(
            [
                f"skipped {len(self.malformed)} of {lines} lines:",
                *(str(each) for each in self.malformed[:FEW]),
                *([f"and {more} more"] if more > 0 else []),
            ]
        )


def read(path: Path) -> Sales:
    """The sales in a file; malformed lines are skipped and recorded.

    A line must have ten columns, with a quantity and a unit price of at least 0, a total, a date in
    ISO 8601 (2024-12-31) and a category. Raises ValueError if no line does, OSError if the file
    cannot be read.
    """
    rows, malformed = [], []
    # Keep bytes that are not UTF-8 as they are, so that different categories stay different.
    with open(path, encoding="utf-8", errors="surrogateescape") as lines:
        for number, line in enumerate(lines, 1):
            try:
                rows.append(_row(line))
            except ValueError as error:
                malformed.append(Malformed(number, str(error)))
    if not rows:
        why = "; ".join(str(each) for each in malformed[:FEW]) or "it is empty"
        raise ValueError(f"{path} has no usable sale: {why}")
    quantity, unit_price, total, day, category = zip(*rows, strict=True)
    return Sales(
        np.array(quantity),
        np.array(unit_price),
        np.array(total),
        np.array(day, float),
        category,
        tuple(malformed),
    )


def _row(line: str) -> tuple[float, float, float, int, str]:
    """The columns that are used; ValueError says what is wrong with the line."""
    fields = line.rstrip("\n").split("\t")
    if len(fields) != len(COLUMNS):
        raise ValueError(f"{len(fields)} column{'s' * (len(fields) > 1)}, not {len(COLUMNS)}")
    quantity, unit_price, total, date, category = _used(fields)
    if not category.strip():
        raise ValueError("the category is empty")
    return (
        _amount("quantity", quantity),
        _amount("unit price", unit_price),
        _number("total", total),
        _day(date),
        category,
    )


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{name} {_shown(text)} is not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} {_shown(text)} is not finite")
    return number


def _amount(name: str, text: str) -> float:
    number = _number(name, text)
    if number < 0:
        raise ValueError(f"{name} {_shown(text)} is negative")
    return number


@functools.lru_cache(maxsize=4096)  # a file repeats few dates
def _day(text: str) -> int:
    try:
        return datetime.date.fromisoformat(text).timetuple().tm_yday
    except ValueError:
        raise ValueError(f"date {_shown(text)} is no day in ISO 8601, as 2024-12-31 is") from None


def _shown(text: str) -> str:
    """A field for an error message: shortened, without control characters."""
    return ascii(text if len(text) <= 40 else f"{text[:40]}…")
