"""Format numbers and names for a report."""

from __future__ import annotations

import re

from ..checks.measure import EPS


def eps(error: float | None) -> str:
    """An error with about two digits: 0.38, 3.1, 45, 2e6; None means not finite."""
    if error is None:
        return "not finite"
    if error == 0:
        return "0"
    if error < 0.005:
        return "<0.01"
    if error < 10:
        return f"{error:.2f}" if error < 1 else f"{error:.1f}"
    return f"{error:,.0f}" if error < 1e5 else f"{error:.0e}".replace("e+0", "e").replace("e+", "e")


def relative(error: float, dtype: str) -> str:
    """An error in eps as a relative error, for finite differences, which are not exact to eps."""
    return f"{error * EPS[dtype]:.0e}".replace("e-0", "e-") if error else "0"


def loss(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.4f}"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:.{0 if seconds >= 0.1 else 1 if seconds >= 0.01 else 2}f}"


def plural(count: int, noun: str) -> str:
    ending = "es" if noun.endswith("s") else "s"
    return f"{count:,} {noun}{'' if count == 1 else ending}"


def listed(names: list[str]) -> str:
    """Join names as in: a, b and c."""
    return " and ".join(", ".join(names).rsplit(", ", 1))


def anchor(*parts: str) -> str:
    """A stable HTML id for a place in the page."""
    return re.sub(r"[^A-Za-z0-9]+", "-", " ".join(parts).replace("!", " reject ")).strip("-")


def case_anchor(case: str) -> str:
    """The HTML id of a case: op-softmax-2 for softmax[2], op-softmax-reject-2 for softmax!2."""
    return "op-" + case.replace("[", "-").replace("]", "").replace("!", "-reject-")


def times(ratio: float) -> str:
    """A ratio of times: 0.53, 4.1, 120."""
    return f"{ratio:.2f}" if ratio < 2 else f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"


def part(share: float) -> str:
    """A share that may be above 1: 0.004 %, 3.1 %, 56 %, 120 %."""
    return f"{share * 100:.0f} %" if share >= 0.095 else f"{share * 100:.2g} %"


def percent(share: float) -> str:
    """A share; only exactly 1 becomes 100 %."""
    return "100 %" if share == 1 else f"{min(share, 0.9999) * 100:.2f} %"


def duration(seconds: float) -> str:
    """340 ns, 2.1 µs, 14 ms, 1.2 s."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            count = seconds / size
            return f"{count:.2g} {unit}" if count < 99.5 else f"{count:.0f} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def quantity(count: float, unit: str) -> str:
    """A quantity in powers of a thousand: 12 B, 3.4 kB, 560 M."""
    power = min(len(f"{count:.0f}") - 1, 12) // 3
    scaled = count / 1000**power
    digits = f"{scaled:.0f}" if scaled >= 10 or scaled == int(scaled) else f"{scaled:.1f}"
    return f"{digits} {('', 'k', 'M', 'G', 'T')[power]}{unit}".strip()
