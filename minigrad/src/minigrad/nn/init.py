"""Initial values, written into a tensor in place, unrecorded; what writes returns the tensor.

https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from ..arguments import fitting, floats, option
from ..engine import Tensor
from ..random import draw

T = TypeVar("T", bound=Tensor)

GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
    "selu": 3 / 4,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which to scale a standard deviation so that it survives the nonlinearity.

    param: the slope of leaky_relu; None is 0.01.
    """
    option("calculate_gain", "nonlinearity", nonlinearity, (*GAINS, "leaky_relu"))
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    return GAINS[nonlinearity]


def uniform_(tensor: T, a: float = 0.0, b: float = 1.0) -> T:
    """Numbers drawn uniformly between a and b."""
    floats("uniform_", tensor.data)
    if not a <= b:
        raise ValueError(f"uniform_: no numbers lie in [{a}, {b})")
    if not math.isfinite(b - a):
        raise ValueError(f"uniform_: [{a}, {b}) has no finite length")
    return _write(tensor, draw("uniform", a, b, tensor.shape))


def normal_(tensor: T, mean: float = 0.0, std: float = 1.0) -> T:
    """Numbers drawn from the normal distribution."""
    floats("normal_", tensor.data)
    if not std >= 0:
        raise ValueError(f"normal_: std must not be negative, is {std}")
    return _write(tensor, mean + std * draw("standard_normal", tensor.shape))


def constant_(tensor: T, val: float) -> T:
    """One number everywhere."""
    return _write(tensor, np.full(tensor.shape, fitting("constant_", "val", val, tensor.dtype)))


def zeros_(tensor: T) -> T:
    return constant_(tensor, 0.0)


def ones_(tensor: T) -> T:
    return constant_(tensor, 1.0)


def xavier_uniform_(tensor: T, gain: float = 1.0) -> T:
    """Uniform numbers of variance 2 gain² / (fan_in + fan_out).

    Glorot, Bengio 2010, https://proceedings.mlr.press/v9/glorot10a.html
    """
    bound = math.sqrt(3) * _xavier_std("xavier_uniform_", tensor, gain)
    return uniform_(tensor, -bound, bound)


def xavier_normal_(tensor: T, gain: float = 1.0) -> T:
    """As xavier_uniform_, but from the normal distribution."""
    return normal_(tensor, 0.0, _xavier_std("xavier_normal_", tensor, gain))


def kaiming_uniform_(
    tensor: T, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> T:
    """Uniform numbers of variance gain² / fan; a is the slope of leaky_relu.

    mode: "fan_in" keeps the variance on the way forward, "fan_out" on the way back.
    He, Zhang, Ren, Sun 2015, https://arxiv.org/abs/1502.01852
    """
    bound = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def kaiming_normal_(
    tensor: T, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu"
) -> T:
    """As kaiming_uniform_, but from the normal distribution."""
    return normal_(tensor, 0.0, _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity))


def _xavier_std(name: str, tensor: Tensor, gain: float) -> float:
    fan_in, fan_out = _fans(name, tensor)
    return gain * math.sqrt(2 / max(fan_in + fan_out, 1))  # without elements nothing is drawn


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    option(name, "mode", mode, ("fan_in", "fan_out"))
    fan_in, fan_out = _fans(name, tensor)
    fan = fan_in if mode == "fan_in" else fan_out
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fan, 1))


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """fan_in and fan_out of a weight (out, in, ...): inputs per output, and outputs per input."""
    if tensor.ndim < 2:
        raise ValueError(f"{name}: a tensor of shape {tensor.shape} has no fan: it needs 2 dims")
    n_out, n_in, *window = tensor.shape
    return n_in * math.prod(window), n_out * math.prod(window)


def _write(tensor: T, numbers: Any) -> T:
    tensor.data = np.asarray(numbers, tensor.dtype)
    tensor.overwritten()
    return tensor
