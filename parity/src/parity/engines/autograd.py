"""The adapter of HIPS autograd, a rival that differentiates NumPy's functions.

It is optional: pip install autograd.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy
from autograd import __name__ as package
from autograd import numpy as np
from autograd.core import VJPNode, backward_pass
from autograd.numpy.numpy_boxes import ArrayBox
from autograd.scipy import special
from autograd.tracer import box_types, getval, isbox

from ..environment import installed
from .adapter import Array, call_op, exported

PAIRS = {"add": "add", "sub": "subtract", "mul": "multiply", "div": "true_divide"}
PAIRS |= {name: name for name in ("maximum", "minimum", "dot", "matmul", "outer")}
PAIRS |= {"mm": "matmul", "bmm": "matmul", "mv": "matmul"}
NUMBERS = ("abs", "exp", "expm1", "log", "log1p", "sin", "cos", "sqrt", "square", "tanh")


class Leaf(ArrayBox):
    """An array that accumulates a gradient."""

    __slots__ = ("grad",)

    def __init__(self, array: Array) -> None:
        node = VJPNode.new_root()
        node.vjp = self.receive
        super().__init__(array, 0, node)
        self.grad: Array | None = None

    def receive(self, dout: Array) -> tuple[()]:
        self.grad = numpy.array(dout if self.grad is None else self.grad + dout)
        return ()


box_types.add(Leaf)


def _of_one(function: Any) -> Callable[[Any], Any]:
    return lambda x: function(x)


def _of_two(function: Any) -> Callable[[Any, Any], Any]:
    return lambda x, other: function(x, other)


def _reduced(function: Any) -> Callable[..., Any]:
    def reduced(x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        return function(x, axis=dim, keepdims=keepdim)

    return reduced


def _varied(function: Any) -> Callable[..., Any]:
    def varied(x: Any, dim: Any = None, *, correction: int = 1, keepdim: bool = False) -> Any:
        return function(x, axis=dim, ddof=correction, keepdims=keepdim)

    return varied


def _logsumexp(x: Any, dim: Any, keepdim: bool = False) -> Any:
    top = numpy.max(getval(x), axis=dim, keepdims=True)
    y = top + np.log(np.sum(np.exp(x - top), axis=dim, keepdims=True))
    return y if keepdim else np.squeeze(y, axis=dim)


def _softmax(x: Any, dim: int) -> Any:
    e = np.exp(x - numpy.max(getval(x), axis=dim, keepdims=True))
    return e / np.sum(e, axis=dim, keepdims=True)


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    y = np.matmul(x, weight.T)
    return y if bias is None else y + bias


def _gelu(x: Any, *, approximate: str = "none") -> Any:
    if approximate == "none":
        return 0.5 * x * (1 + special.erf(x / math.sqrt(2)))
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))


def _layer_norm(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    along = tuple(range(x.ndim - len(normalized_shape), x.ndim))  # not negative: autograd errs
    centred = x - np.mean(x, axis=along, keepdims=True)
    y = centred / np.sqrt(np.mean(centred * centred, axis=along, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _of_two(getattr(np, function)) for name, function in PAIRS.items()},
    **{name: _of_one(getattr(np, name)) for name in NUMBERS},
    "erf": lambda x: special.erf(x),
    "neg": lambda x: -x,
    "reciprocal": lambda x: 1 / x,
    "where": lambda condition, x, other: np.where(condition, x, other),
    **{name: _reduced(getattr(np, name)) for name in ("sum", "mean", "prod")},
    **{name: _varied(getattr(np, name)) for name in ("var", "std")},
    "logsumexp": _logsumexp,
    "cumsum": lambda x, dim: np.cumsum(x, dim),
    "reshape": lambda x, shape: np.reshape(x, shape),
    "permute": lambda x, dims: np.transpose(x, dims),
    "transpose": lambda x, dim0, dim1: np.swapaxes(x, dim0, dim1),
    "unsqueeze": lambda x, dim: np.expand_dims(x, dim),
    "cat": lambda tensors, dim=0: np.concatenate(tensors, dim),
    "stack": lambda tensors, dim=0: np.stack(tensors, dim),
    "getitem": lambda x, index: x[index],
    "einsum": lambda equation, *operands: np.einsum(equation, *operands),
    "linear": _linear,
    "sigmoid": lambda x: 0.5 * (np.tanh(0.5 * x) + 1),
    "relu": lambda x: np.where(x > 0, x, 0 * x),
    "gelu": _gelu,
    "softmax": _softmax,
    "log_softmax": lambda x, dim: x - _logsumexp(x, dim, True),
    "layer_norm": _layer_norm,
    "mse_loss": lambda x, target: np.mean((x - target) ** 2),
}


class Autograd:
    name = "autograd"
    ops = tuple(FUNCTIONS)
    dtypes = ("float64", "float32")
    package = SimpleNamespace(
        __name__=package,
        __version__=installed(package),
        ops=SimpleNamespace(**FUNCTIONS),
        manual_seed=np.random.seed,
    )

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        return Leaf(numpy.array(array)) if requires_grad else numpy.array(array)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        with numpy.errstate(all="ignore"):
            return call_op(self, self.package.ops, name, args, kwargs)

    def numpy(self, tensor: Any) -> Array:
        return exported(getval(tensor))

    def grad(self, tensor: Any) -> Array | None:
        kept = tensor.grad if isinstance(tensor, Leaf) else None
        return None if kept is None else exported(kept)

    def backward(self, tensor: Any, gradient: Array) -> None:
        if isbox(tensor):
            with numpy.errstate(all="ignore"):
                backward_pass(numpy.array(gradient), tensor._node)
