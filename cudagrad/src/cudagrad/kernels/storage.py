"""Arrays of bfloat16 in kernels: widened when loaded, rounded when stored.

What is computed in between is float32, so that a chain in one kernel is rounded once. The kernels
are those of other dtypes, and move half the bytes.
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
    """The float32 of which these bits of bfloat16 are the upper half."""
    return intrinsics.from_bfloat16(bits)


@jit(device=True)
def narrow(x):
    """The bits of x rounded to bfloat16, ties to even."""
    return intrinsics.to_bfloat16(np.float32(x))


def access(stored: Any) -> tuple[Any, Any, Any]:
    """In what a kernel reckons for arrays of a dtype, and what loads and stores their numbers."""
    if stored == BFLOAT16:
        return np.float32, widen, narrow
    return stored, same, same


@factory
def stored1(function: Callable[..., Any], x: Any, out: Any) -> Any:
    """function of one operand; x, out: widen and narrow, or `same` for another dtype."""

    @jit(device=True)
    def stored1_function(p):
        return out(function(x(p)))

    return stored1_function


@factory
def stored2(function: Callable[..., Any], x: Any, y: Any, out: Any) -> Any:
    """function of two operands, as stored1."""

    @jit(device=True)
    def stored2_function(p, q):
        return out(function(x(p), y(q)))

    return stored2_function


@factory
def stored3(function: Callable[..., Any], x: Any, y: Any, z: Any, out: Any) -> Any:
    """function of three operands, as stored1."""

    @jit(device=True)
    def stored3_function(p, q, r):
        return out(function(x(p), y(q), z(r)))

    return stored3_function


@factory
def stored4(function: Callable[..., Any], w: Any, x: Any, y: Any, z: Any, out: Any) -> Any:
    """function of four operands, as stored1."""

    @jit(device=True)
    def stored4_function(p, q, r, s):
        return out(function(w(p), x(q), y(r), z(s)))

    return stored4_function
