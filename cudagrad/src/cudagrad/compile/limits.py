"""What a kernel may ask of a GPU: limits for all, and for some more, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from .machine import Figures
from .table import Launch

LIMITS = {"spills": 0, "generic": 0, "float64": 0, "divisions": 0}


class Allowance(NamedTuple):
    """More of a figure than LIMITS has, for some kernels."""

    kernels: tuple[str, ...]
    figure: str
    most: int
    why: str


ALLOWANCES = (
    Allowance(
        (
            "map.map1(functions.cos)",
            "map.map1(functions.sin)",
            "map.map2(functions.cos_dx)",
            "map.map2(functions.sin_dx)",
            "random.normal(float32)",
        ),
        "float64",
        3,
        "NVIDIA's library brings angles beyond 105615 into range in float64",
    ),
    Allowance(
        (
            "map.map2(functions.int_div_floor)",
            "map.map2(functions.int_div_trunc)",
            "window.average(int64, functions.int_div_trunc)",
        ),
        "divisions",
        1,
        "elements of int64 are divided",
    ),
)


def is_double(launch: Launch) -> bool:
    """Whether float64 is a launch's own: that of its arrays, or what its kernel is made for."""
    return "float64[" in launch.arguments or "float64" in launch.kernel


def most(launch: Launch, figure: str) -> int | None:
    """The limit of a launch, or None if it has none."""
    if figure == "float64" and is_double(launch):
        return None
    for allowance in ALLOWANCES:
        if allowance.figure == figure and launch.kernel in allowance.kernels:
            return allowance.most
    return LIMITS[figure]


def broken(launch: Launch, figures: Figures) -> Iterator[str]:
    """What is above its limit, in words."""
    for name in LIMITS:
        figure, limit = getattr(figures, name), most(launch, name)
        if limit is not None and figure > limit:
            yield f"{name} {figure}, the limit is {limit}"
