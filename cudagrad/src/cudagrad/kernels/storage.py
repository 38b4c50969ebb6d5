"""Arrays of bfloat16 in kernels: widened to float32 when loaded, rounded when stored.

Everything in between is computed in float32, so a chain of operations in one kernel is rounded only
once. The kernels are the same as for float32, and move half the bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..device import factory, intrinsics, jit
from ..storage import BFLOAT16
from .functions import same


@jit(device=True)
def widen(bits):
    """The float32 whose upper half is these bits of bfloat16."""
    return intrinsics.from_bfloat16(bits)


@jit(device=True)
def narrow(x):
    """The bits of x rounded to bfloat16, ties to even."""
    return intrinsics.to_bfloat16(np.float32(x))


def access(stored: Any) -> tuple[Any, Any, Any]:
    """The dtype to compute in for arrays stored as this dtype, and how to load and store them."""
    if stored == BFLOAT16:
        return np.float32, widen, narrow
    return stored, same, same


@factory
def stored1(function: Callable[..., Any], x: Any, out: Any) -> Any:
    """out(function(x(p))): x is `widen` and out `narrow`, or `same` for other dtypes."""

    @jit(device=True)
    def stored1_function(p):
        return out(function(x(p)))

    return stored1_function


@factory
def stored2(function: Callable[..., Any], x: Any, y: Any, out: Any) -> Any:
    """As stored1, for a function of two operands."""

    @jit(device=True)
    def stored2_function(p, q):
        return out(function(x(p), y(q)))

    return stored2_function


@factory
def stored3(function: Callable[..., Any], x: Any, y: Any, z: Any, out: Any) -> Any:
    """As stored1, for a function of three operands."""

    @jit(device=True)
    def stored3_function(p, q, r):
        return out(function(x(p), y(q), z(r)))

    return stored3_function


@factory
def stored4(function: Callable[..., Any], w: Any, x: Any, y: Any, z: Any, out: Any) -> Any:
    """As stored1, for a function of four operands."""

    @jit(device=True)
    def stored4_function(p, q, r, s):
        return out(function(w(p), x(q), y(r), z(s)))

    return stored4_function
