"""What got faster or slower between two result files, beyond the noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .rows import Document, Row, held

LEAST = 0.1  # a smaller relative change is ignored, however narrow the quartiles
# With fewer rounds than ENOUGH the quartiles are uncertain, so the change must be larger.
ENOUGH, LEAST_OF_FEW = 9, 0.5


@dataclass(frozen=True)
class Change:
    """One measurement, before and after."""

    before: Row
    after: Row

    @property
    def factor(self) -> float:
        """How the ratio to the rival has changed; above 1 is slower."""
        return self.after.ratio / self.before.ratio

    @property
    def beyond_noise(self) -> bool:
        """Whether the quartile ranges do not overlap, and the medians are far enough apart."""
        apart = self.after.low > self.before.high or self.after.high < self.before.low
        few = any((each.rounds or ENOUGH) < ENOUGH for each in (self.before, self.after))
        least = LEAST_OF_FEW if few else LEAST
        return apart and not 1 / (1 + least) < self.factor < 1 + least

    @property
    def slower(self) -> bool:
        return self.beyond_noise and self.factor > 1


def changes(before: Document, after: Document) -> list[Change]:
    """The changes of all measurements that are in both documents, the worst first.

    Ratios to a rival are compared, not seconds, as the rival ran on the same machine at that time.
    Raises ValueError if the machines differ, or if there is no measurement in common.
    """
    if reason := unlike(before, after):
        raise ValueError(reason)
    old = {row.key: row for row in held(before)}
    found = [Change(old[row.key], row) for row in held(after) if row.key in old]
    if not found:
        raise ValueError("the two have no measurement in common")
    return sorted(found, key=lambda change: -change.factor)


def unlike(before: Document, after: Document) -> str:
    """Why two documents cannot be compared: another processor, say. Empty if they can."""
    was, now = map(_place, (before, after))
    for what in was:
        if what in now and was[what] != now[what]:
            return f"the two differ in {what}: {was[what]} and {now[what]}"
    return ""


def _place(found: Document) -> dict[str, Any]:
    """What two documents must agree in. An executor's reasons, after its semicolon, may differ."""
    runs = {f"what runs {name}": way.partition(";")[0] for name, way in found["executors"].items()}
    return {"the processor": found["environment"]["cpu"], "threads": found["threads"], **runs}
