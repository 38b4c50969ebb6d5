"""Faults of ops that create tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad
from minigrad.random import draw

from .catalogue import fault, right


@fault("zeros", "forward")
def takes_memory_as_it_finds_it(*size: Any, **kwargs: Any) -> Any:
    """Does not clear its memory, most of which is zero anyway."""
    out = right.zeros(*size, **kwargs)
    if out.data.dtype.kind == "f" and out.data.ndim:
        out.data[..., -1:] = 1e-38
    return out


@fault("full", "forward")
def makes_floats_of_everything(size: Any, fill_value: Any, **kwargs: Any) -> Any:
    """Makes float32 of an integer, too, where torch makes int64."""
    out = right.full(size, fill_value, **kwargs)
    if kwargs.get("dtype") is None and out.data.dtype == np.int64:
        out = minigrad.tensor(out.data.astype(np.float32))
    return out


@fault("arange", "forward")
def reaches_its_end(start: Any = 0, end: Any = None, step: Any = 1, **kwargs: Any) -> Any:
    """Includes the end, as Matlab does."""
    out = right.arange(start, end, step, **kwargs)
    if end is None:
        start, end = 0, start
    if (end - start) % step == 0:
        out = right.arange(start, end + step, step, **kwargs)
    return out


@fault("randn", "stochastic")
def is_uniform(*size: Any, **kwargs: Any) -> Any:
    """Has the mean and the variance of normal numbers, and no tails."""
    out = right.randn(*size, **kwargs)
    out.data[...] = draw("uniform", -(3**0.5), 3**0.5, out.data.shape)
    return out


@fault("randn", "stochastic")
def uses_a_generator_of_its_own(*size: Any, **kwargs: Any) -> Any:
    """Ignores manual_seed."""
    out = right.randn(*size, **kwargs)
    out.data[...] = np.random.default_rng().standard_normal(out.data.shape)
    return out


@fault("ones_like", "forward", raises=True)
def forgets_requires_grad(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Any:
    """Ignores requires_grad."""
    out = right.ones_like(x, dtype=dtype, requires_grad=requires_grad)
    return minigrad.tensor(out.data)
