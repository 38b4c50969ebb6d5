"""What a kernel may ask of a GPU: limits for all, more for some, and what some must have."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

from .machine import Figures
from .table import Launch

LIMITS = {"spills": 0, "shared": 48 * 1024, "generic": 0, "float64": 0, "divisions": 0}


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
            "random.normal(uint16)",
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


class Requirement(NamedTuple):
    """Between what a figure must lie for a kernel to be what it says it is.

    kernels: how their names begin.
    """

    kernels: str
    figure: str
    least: int
    most: float
    why: str


# What is read by 128 bits of float32 is read by 64 of bfloat16.
REQUIREMENTS = (
    Requirement("matmul.", "local", 0, 0, "the sums of a thread stay in registers"),
    Requirement("matmul.register_tiled.", "fused", 16, inf, "4 x 4 elements for each thread"),
    Requirement("matmul.vectorized.", "fused", 64, inf, "8 x 8 elements for each thread"),
    Requirement("matmul.vectorized.", "wide", 8, inf, "memory is read by 128 bits"),
    Requirement("softmax.", "local", 0, 0, "a row stays in registers"),
    Requirement("softmax.forward_held(float", "wide", 4, inf, "rows are read by 128 bits"),
    Requirement("softmax.backward_held", "wide", 8, inf, "rows are read by 128 bits"),
    Requirement("softmax.cross_entropy(float", "wide", 1, inf, "rows are read by 128 bits"),
    Requirement("softmax.cross_entropy_dx_rows(float", "wide", 1, inf, "rows are read by 128 bits"),
    Requirement("normalization.", "local", 0, 0, "a row stays in registers"),
    Requirement("normalization.normalize_held(float", "wide", 12, inf, "rows are read by 128 bits"),
    Requirement(
        "normalization.normalize_dx_held(float", "wide", 12, inf, "rows are read by 128 bits"
    ),
    # Not of implicit.gather: for 10.0 the compiler leaves a loop over its sums as it is.
    Requirement("convolution.summed.", "local", 0, 0, "the sums of a thread stay in registers"),
    Requirement("convolution.implicit.", "fused", 64, inf, "8 x 8 elements for each thread"),
    Requirement("convolution.implicit.gather(float", "wide", 6, inf, "tiles are read by 128 bits"),
    Requirement("convolution.implicit.gather(uint16", "wide", 4, inf, "they come by 64"),
    Requirement("convolution.summed.", "fused", 64, inf, "8 x 8 elements for each thread"),
    Requirement("convolution.summed.dfilters(float", "wide", 6, inf, "tiles are read by 128 bits"),
    Requirement("convolution.summed.dfilters(uint16", "wide", 4, inf, "they come by 64"),
    Requirement("matmul.tensor_core.", "tensor", 32, inf, "4 x 8 fragments for each warp"),
    Requirement("matmul.tensor_core.", "wide", 8, inf, "copies are of 128 bits"),
    Requirement("matmul.stored.", "tensor", 32, inf, "4 x 8 fragments for each warp"),
    Requirement("matmul.stored.", "wide", 8, inf, "copies are of 128 bits"),
    Requirement("attention.forward.", "local", 0, 0, "scores and sums of a thread in registers"),
    Requirement("attention.forward.", "fused", 64, inf, "tiles are multiplied in registers"),
    Requirement("attention.forward.attention(float", "wide", 16, inf, "tiles are read by 128 bits"),
    Requirement("attention.forward.attention(uint16", "wide", 12, inf, "they come by 64"),
    Requirement("attention.backward.dquery", "local", 0, 0, "as forward"),
    Requirement("attention.backward.dquery", "fused", 64, inf, "as forward"),
    Requirement("attention.backward.dquery", "wide", 16, inf, "as forward"),
    Requirement("attention.backward.dkey_dvalue", "fused", 64, inf, "as forward"),
    Requirement("attention.backward.dkey_dvalue", "wide", 16, inf, "as forward"),
)


def is_double(launch: Launch) -> bool:
    """Whether float64 is a launch's own: that of its arrays, or what its kernel is made for."""
    return "float64[" in launch.arguments or "float64" in launch.kernel


def limit_of(launch: Launch, figure: str) -> int | None:
    """The limit of a launch, or None if it has none."""
    if figure == "float64" and is_double(launch):
        return None
    for allowance in ALLOWANCES:
        if allowance.figure == figure and launch.kernel in allowance.kernels:
            return allowance.most
    return LIMITS[figure]


def broken(launch: Launch, figures: Figures | None) -> Iterator[str]:
    """What is above its limit, or below what it must be, in words."""
    if figures is None:
        return
    for name in LIMITS:
        figure, limit = getattr(figures, name), limit_of(launch, name)
        if limit is not None and figure > limit:
            yield f"{name} {figure}, the limit is {limit}"
    for kernels, name, least, most, _ in REQUIREMENTS:
        figure = getattr(figures, name)
        if launch.kernel.startswith(kernels) and not least <= figure <= most:
            yield f"{name} {figure}, it must lie in {least} to {most}"
