"""Faults of activations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..spec.case import Case, values
from .catalogue import blind_case, fault, gradients, right


@fault("tanh", "forward", "backward", "differences")
def overwrites_its_input(x: Any) -> Any:
    """Writes its result into x itself."""
    if x.dtype.kind != "f":
        return right.tanh(x)
    y = np.tanh(x, out=x)
    return y, lambda dout: dout * (1 - y * y)


@fault("sigmoid", "forward", "backward", "differences")
def overflows(x: Any) -> Any:
    """Takes exp(x) / (1 + exp(x)), which is inf / inf for a large x."""
    _, pullback = right.sigmoid(x)
    e = np.exp(x)
    return np.asarray(e / (1 + e), x.dtype if x.dtype.kind == "f" else np.float32), pullback


@fault("sigmoid", "backward", "differences", rule=4)
def loses_small_gradients(x: Any) -> Any:
    """Takes slopes below 1e-8 for 0, as an absolute tolerance does."""
    value, pullback = right.sigmoid(x)

    def wrong(dout):
        (dx,) = gradients(pullback, dout)
        return np.where(np.abs(dx) < 1e-8, np.zeros_like(dx), dx)

    return value, wrong


@fault("relu", "backward")
def slopes_at_zero(x: Any) -> Any:
    """Has slope 1 at 0, where torch has 0."""
    value, _ = right.relu(x)
    return value, lambda dout: np.where(x < 0, np.zeros((), x.dtype), dout)


@fault("relu", "forward", "backward", "differences", rule=4)
def lets_a_trace_through(x: Any) -> Any:
    """Is not quite 0 below 0: far under any absolute tolerance, and infinitely wrong."""
    value, pullback = right.relu(x)
    return np.where(x < 0, x * x.dtype.type(1e-20), value).astype(x.dtype), pullback


@blind_case("relu", "backward")
def cuts_everything_off() -> Case:
    """Its gradient is all zero: an engine that computes none would pass."""
    return Case(values([-1.0, -2.0]))


@blind_case("softmax", "backward", "differences")
def has_one_class() -> Case:
    """One class has a softmax of 1 whatever the input, and so a gradient of 0."""
    return Case(values([[0.5], [-1.5]]), dim=1)


@fault("leaky_relu", "backward", "differences")
def does_not_leak_on_the_way_back(x: Any, negative_slope: float = 0.01) -> Any:
    """Has the gradient of relu."""
    value, _ = right.leaky_relu(x, negative_slope)
    return value, lambda dout: dout * (x > 0)


@fault("elu", "forward", "backward")
def forgets_alpha(x: Any, alpha: float = 1.0) -> Any:
    """Always takes an alpha of 1."""
    right.elu(x, alpha)
    return right.elu(x)


@fault("silu", "backward", "differences")
def takes_its_gate_for_a_constant(x: Any) -> Any:
    """Leaves out the half of the product rule that is the sigmoid's own slope."""
    value, _ = right.silu(x)
    gate, _ = right.sigmoid(x)
    return value, lambda dout: dout * gate


@fault("gelu", "forward", "backward")
def knows_only_the_tanh_form(x: Any, approximate: str = "none") -> Any:
    """Always takes the approximation, which is right to three digits."""
    return right.gelu(x, "tanh" if approximate == "none" else approximate)


@fault("softplus", "forward", "backward")
def has_a_threshold_of_its_own(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Stays smooth where torch has x itself: right to nine digits."""
    right.softplus(x, beta, threshold)
    return right.softplus(x, beta, 40.0)


@fault("softmax", "backward", "differences", rule=1)
def has_a_zero_gradient(x: Any, dim: int) -> Any:
    """Passes every check whose cotangent is ones: the sum of a softmax never changes."""
    value, _ = right.softmax(x, dim)
    return value, np.zeros_like


@fault("softmax", "forward", "backward", "differences", rule=7)
def subtracts_no_maximum(x: Any, dim: int) -> Any:
    """Takes exp(1000), which overflows."""
    _, pullback = right.softmax(x, dim)
    e = np.exp(x)
    return e / (e.sum(axis=dim, keepdims=True) if x.ndim else e), pullback


@fault("softmax", "forward", "backward", rule=2)
def works_along_the_last_dim(x: Any, dim: int) -> Any:
    """Ignores dim, once it is known to exist."""
    right.softmax(x, dim)
    return right.softmax(x, -1)


@fault("log_softmax", "forward", "backward", "differences")
def takes_the_log_of_softmax(x: Any, dim: int) -> Any:
    """Gives -inf where the exponential has vanished."""
    _, pullback = right.log_softmax(x, dim)
    return np.log(right.softmax(x, dim)[0]), pullback


@fault("log_softmax", "backward", "differences", rule=1)
def forgets_the_sum_of_its_gradient(x: Any, dim: int) -> Any:
    """Assumes that the cotangents sum to one, as those of a loss at one target do."""
    value, _ = right.log_softmax(x, dim)
    return value, lambda dout: dout - np.exp(value)
