"""What got faster or slower between two files of results, beyond what noise explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .rows import Document, Row, held

LEAST = 0.1  # a smaller change is none, however narrow the quartiles
# The quartiles of fewer rounds than ENOUGH are hardly known: of these only a large change is one.
ENOUGH, LEAST_OF_FEW = 9, 0.5


@dataclass(frozen=True)
class Change:
    """One measurement before and after; factor: of the ratio to the rival, above 1 is slower."""

    before: Row
    after: Row

    @property
    def factor(self) -> float:
        return self.after.ratio / self.before.ratio

    @property
    def beyond_noise(self) -> bool:
        """Whether the quartiles do not meet, and the medians are LEAST apart."""
        apart = self.after.low > self.before.high or self.after.high < self.before.low
        few = any((each.rounds or ENOUGH) < ENOUGH for each in (self.before, self.after))
        least = LEAST_OF_FEW if few else LEAST
        return apart and not 1 / (1 + least) < self.factor < 1 + least

    @property
    def slower(self) -> bool:
        return self.beyond_noise and self.factor > 1


def changes(before: Document, after: Document) -> list[Change]:
    """Whatever is in both documents of results, the worst change first.

    Ratios are compared, not seconds: the rival stood on the same machine at the same time. Raises
    ValueError if the machines are unlike, or nothing is in both.
    """
    if reason := unlike(before, after):
        raise ValueError(reason)
    old = {row.key: row for row in held(before)}
    found = [Change(old[row.key], row) for row in held(after) if row.key in old]
    if not found:
        raise ValueError("the two have no measurement in common")
    return sorted(found, key=lambda change: -change.factor)


def unlike(before: Document, after: Document) -> str:
    """In what two documents differ that makes other ratios of the same code, or nothing."""
    was, now = map(_place, (before, after))
    for what in was:
        if what in now and was[what] != now[what]:
            return f"the two differ in {what}: {was[what]} and {now[what]}"
    return ""


def _place(found: Document) -> dict[str, Any]:
    """Where a document was measured; behind its semicolon an executor says why it is this one."""
    runs = {f"what runs {name}": way.partition(";")[0] for name, way in found["executors"].items()}
    return {"the processor": found["environment"]["cpu"], "threads": found["threads"], **runs}
