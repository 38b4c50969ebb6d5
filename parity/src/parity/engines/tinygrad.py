"""The adapter of tinygrad, a rival whose tensors are graphs of what is to be computed.

Here an op is computed at once, by tensor.realize(), and its graph is kept to go back through. There
is no TinyJit: that needs a whole step, and overwrites the results of the one before. Kernels are
compiled by clang. Both are optional: pip install tinygrad, and install clang.
"""

from __future__ import annotations

import functools
import operator
import os
import shutil
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy
import tinygrad
from tinygrad import Tensor as Lazy
from tinygrad import dtypes

from ..environment import installed
from .adapter import Array, call_op, exported, threads

DEVICE, THREADS = "CPU", threads()
own_threads = functools.partial(tinygrad.Context, NUM_CPU_THREADS=THREADS)


class Tensor:
    """A computed value, its graph from the leaves, and for a leaf its gradient."""

    __slots__ = ("grad", "graph", "leaves", "value")

    def __init__(self, value: Lazy, graph: Any, leaves: Sequence[Tensor] | None = None) -> None:
        self.value, self.graph = value, graph
        self.grad: Lazy | None = None
        self.leaves = (self,) if leaves is None else tuple(leaves)

    def backward(self, gradient: Tensor) -> None:
        if not self.leaves or not self.value.is_floating_point():
            return
        with own_threads():
            found = Lazy(self.graph).gradient(
                *(Lazy(leaf.graph) for leaf in self.leaves), gradient=gradient.value
            )
            grads = []
            for leaf, dx in zip(self.leaves, found, strict=True):
                leaf.grad = dx if leaf.grad is None else leaf.grad + dx
                grads.append(leaf.grad)
            Lazy.realize(*grads)


def _recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """function on Tensors; it waits until the numbers are computed."""

    @functools.wraps(function)
    def op(*args: Any, **kwargs: Any) -> Any:
        leaves: dict[Tensor, None] = {}

        def lazy(value: Any) -> Any:
            if isinstance(value, list | tuple):
                return type(value)(map(lazy, value))
            if not isinstance(value, Tensor):
                return value
            leaves.update(dict.fromkeys(value.leaves))
            return Lazy(value.graph)

        with own_threads():
            outputs = function(*lazy(args), **{name: lazy(arg) for name, arg in kwargs.items()})
            several = outputs if isinstance(outputs, tuple | list) else (outputs,)
            graphs = [output.uop for output in several]
            if several:
                Lazy.realize(*several)
        found = tuple(
            Tensor(output, graph if leaves else output.uop, tuple(leaves))
            for output, graph in zip(several, graphs, strict=True)
        )
        return found if isinstance(outputs, tuple | list) else found[0]

    return op


# What torch's names are in tinygrad.
OPERATORS = {"add": operator.add, "sub": operator.sub, "mul": operator.mul, "pow": operator.pow}
OPERATORS |= {name: getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge")}
OPERATORS |= {"rsub": lambda x, other: other - x}
ALIKE: tuple[str, ...]
ALIKE = ("neg", "abs", "sign", "reciprocal", "square", "sqrt", "rsqrt", "exp", "log", "sin", "cos")
ALIKE += ("erf", "floor", "ceil", "round", "isnan", "isinf", "isfinite", "logical_not", "tanh")
ALIKE += ("sigmoid", "relu", "relu6", "silu", "logsigmoid", "contiguous", "clone")
PRODUCTS = ("matmul", "mm", "bmm", "mv")
TYPES = {float: dtypes.float64, int: dtypes.int64, bool: dtypes.bool, None: None}


def _alike(name: str) -> Callable[[Any], Any]:
    return lambda x: getattr(x, name)()


def _of_two(function: Any) -> Callable[[Any, Any], Any]:
    return lambda x, other: function(x, other)


def _new(function: Any) -> Callable[..., Any]:
    return lambda *lengths, size=None, dtype=None: function(
        *(lengths if size is None else size), device=DEVICE, dtype=TYPES[dtype]
    )


def _like(function: Any) -> Callable[..., Any]:
    return lambda x, *, dtype=None: function(x, dtype=TYPES[dtype])


def _arange(start: Any = 0, end: Any = None, step: Any = 1, *, dtype: Any = None) -> Any:
    return Lazy.arange(start, end, step, dtype=TYPES[dtype])


def _reduced(name: str) -> Callable[..., Any]:
    return lambda x, dim=None, keepdim=False: getattr(x, name)(dim, keepdim)


def _varied(name: str) -> Callable[..., Any]:
    def varied(x: Any, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> Any:
        return getattr(x, name)(dim, keepdim, correction)

    return varied


def _divided(x: Any, other: Any, *, rounding_mode: Any = None) -> Any:
    if rounding_mode is None:
        return x / other
    if not isinstance(x, Lazy):
        return other.div(x, reverse=True, rounding_mode=rounding_mode)
    return x.div(other, rounding_mode=rounding_mode)


def _layer_norm(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    y = x.layernorm(tuple(range(-len(normalized_shape), 0)), eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    enable_gqa: bool = False,
) -> Any:
    return query.scaled_dot_product_attention(
        key, value, attn_mask, dropout_p, is_causal, enable_gqa
    )


def _nll_loss(
    x: Any, target: Any, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    return x.nll_loss(target, weight, ignore_index, reduction)


def _with_logits(x: Any, target: Any, *, reduction: str = "mean", pos_weight: Any = None) -> Any:
    return x.binary_crossentropy_logits(target, reduction, pos_weight)


def _convolution(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    return x.conv2d(weight, bias, groups, stride, dilation, padding)


def _pair(size: Any) -> Any:
    return size if isinstance(size, tuple) else (size, size)


def _largest(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    return x.max_pool2d(_pair(kernel_size), stride, dilation, padding, ceil_mode, return_indices)


def _mean(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    return x.avg_pool2d(_pair(kernel_size), stride, 1, padding, ceil_mode, count_include_pad)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _new(getattr(Lazy, name)) for name in ("zeros", "ones")},
    "full": lambda size, fill_value, *, dtype=None: Lazy.full(
        size, fill_value, device=DEVICE, dtype=TYPES[dtype]
    ),
    "arange": _arange,
    **{name: _like(getattr(Lazy, name)) for name in ("zeros_like", "ones_like")},
    "full_like": lambda x, fill_value, *, dtype=None: x.full_like(fill_value, dtype=TYPES[dtype]),
    **{name: _of_two(function) for name, function in OPERATORS.items()},
    "div": _divided,
    **{name: _alike(name) for name in ALIKE},
    "clamp": lambda x, min=None, max=None: x.clamp(min, max),
    "clamp_min": lambda x, min: x.clamp(min),
    "clamp_max": lambda x, max: x.clamp(None, max),
    "maximum": lambda x, other: x.maximum(other),
    "minimum": lambda x, other: x.minimum(other),
    "where": lambda condition, x, other: condition.where(x, other),
    "masked_fill": lambda x, mask, value: x.masked_fill(mask, value),
    **{name: _reduced(name) for name in ("sum", "mean", "prod", "argmax", "argmin", "logsumexp")},
    **{name: _reduced(name) for name in ("any", "all")},
    **{name: _reduced(method) for name, method in (("amax", "max"), ("amin", "min"))},
    **{name: _varied(name) for name in ("var", "std", "var_mean")},
    "cumsum": lambda x, dim: x.cumsum(dim),
    "reshape": lambda x, shape: x.reshape(shape),
    "view": lambda x, shape: x.view(shape),
    "transpose": lambda x, dim0, dim1: x.transpose(dim0, dim1),
    "permute": lambda x, dims: x.permute(dims),
    "t": lambda x: x.T,
    "expand": lambda x, size: x.expand(size),
    "repeat": lambda x, repeats: x.repeat(repeats),
    "flatten": lambda x, start_dim=0, end_dim=-1: x.flatten(start_dim, end_dim),
    "unflatten": lambda x, dim, sizes: x.unflatten(dim, sizes),
    "squeeze": lambda x, dim=None: x.squeeze(dim),
    "unsqueeze": lambda x, dim: x.unsqueeze(dim),
    "split": lambda x, split_size_or_sections, dim=0: x.split(split_size_or_sections, dim),
    "chunk": lambda x, chunks, dim=0: x.chunk(chunks, dim),
    "cat": lambda tensors, dim=0: Lazy.cat(*tensors, dim=dim),
    "stack": lambda tensors, dim=0: Lazy.stack(*tensors, dim=dim),
    "tril": lambda x, diagonal=0: x.tril(diagonal),
    "triu": lambda x, diagonal=0: x.triu(diagonal),
    "flip": lambda x, dims: x.flip(dims),
    "roll": lambda x, shifts, dims=None: x.roll(shifts, dims),
    "getitem": lambda x, index: x[index],
    "gather": lambda x, dim, index: x.gather(dim, index),
    "scatter": lambda x, dim, index, src: x.scatter(dim, index, src),
    "scatter_add": lambda x, dim, index, src: x.scatter_reduce(dim, index, src, "sum"),
    "topk": lambda x, k, dim=-1, largest=True, sorted=True: x.topk(k, dim, largest, sorted),
    "sort": lambda x, dim=-1, descending=False: x.sort(dim, descending),
    "argsort": lambda x, dim=-1, descending=False: x.argsort(dim, descending),
    "one_hot": lambda x, num_classes: x.one_hot(num_classes),
    **{name: lambda x, other: x.matmul(other) for name in PRODUCTS},
    "dot": lambda x, tensor: x.dot(tensor),
    "einsum": lambda equation, *operands: Lazy.einsum(equation, *operands),
    "linear": lambda x, weight, bias=None: x.linear(weight.transpose(), bias),
    "leaky_relu": lambda x, negative_slope=0.01: x.leaky_relu(negative_slope),
    "elu": lambda x, alpha=1.0: x.elu(alpha),
    "gelu": lambda x, *, approximate="none": x.gelu(approximate),
    "softplus": lambda x, beta=1.0: x.softplus(beta),
    "hardtanh": lambda x, min_val=-1.0, max_val=1.0: x.hardtanh(min_val, max_val),
    "softmax": lambda x, dim: x.softmax(dim),
    "log_softmax": lambda x, dim: x.log_softmax(dim),
    "layer_norm": _layer_norm,
    "scaled_dot_product_attention": _attention,
    "embedding": lambda x, weight: weight[x],
    "cross_entropy": lambda x, target, *, reduction="mean", label_smoothing=0.0: x.cross_entropy(
        target, reduction, label_smoothing
    ),
    "nll_loss": _nll_loss,
    "binary_cross_entropy": lambda x, target, *, reduction="mean": x.binary_crossentropy(
        target, reduction
    ),
    "binary_cross_entropy_with_logits": _with_logits,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "max_pool2d": _largest,
    "avg_pool2d": _mean,
    "pad": lambda x, pad, mode="constant", value=0.0: x.pad(pad, mode, value),
}


class Tinygrad:
    name = "tinygrad"
    ops = tuple(FUNCTIONS)
    dtypes = ("float64", "float32")
    threads = THREADS
    package = SimpleNamespace(
        __name__=tinygrad.__name__,
        __version__=installed(tinygrad.__name__),
        ops=SimpleNamespace(**{name: _recorded(each) for name, each in FUNCTIONS.items()}),
        manual_seed=Lazy.manual_seed,
    )

    def __init__(self) -> None:
        compiler = os.environ.get("CC", "clang")  # as tinygrad chooses it
        if shutil.which(compiler) is None:
            raise RuntimeError(
                f"tinygrad compiles with {compiler}, which is not installed: install clang, such"
                " as by apt install clang, or name another compiler in CC"
            )

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        # Through one dim, as a 0-d array would become a constant of the graph.
        row = Lazy(numpy.array(array).reshape(-1), device=DEVICE)
        value = row.reshape(array.shape).realize()
        return Tensor(value, value.uop, None if requires_grad else ())

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return call_op(self, self.package.ops, name, args, kwargs)

    def numpy(self, tensor: Tensor) -> Array:
        return exported(tensor.value.numpy())

    def grad(self, tensor: Tensor) -> Array | None:
        return None if tensor.grad is None else exported(tensor.grad.numpy())

    def backward(self, tensor: Tensor, gradient: Array) -> None:
        tensor.backward(self.tensor(gradient))
