"""The op set, one file per family; the same files, names and order in every engine."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from .. import arrays
from ..arrays import tracing
from ..dtypes import asked_of_to
from ..engine import Tensor, tensor
from ..storage import bfloat16
from ..writes import overwritten
from . import elementwise

# generated: begin (from the family files, by tox -e generate)
from .activation import (
    elu,
    gelu,
    hardtanh,
    leaky_relu,
    log_softmax,
    logsigmoid,
    relu,
    relu6,
    sigmoid,
    silu,
    softmax,
    softplus,
    tanh,
)
from .attention import scaled_dot_product_attention
from .comparison import (
    eq,
    ge,
    gt,
    isfinite,
    isinf,
    isnan,
    le,
    logical_and,
    logical_not,
    logical_or,
    lt,
    ne,
)
from .convolution import adaptive_avg_pool2d, avg_pool2d, conv1d, conv2d, max_pool2d, pad
from .creation import arange, full, full_like, ones, ones_like, randn, zeros, zeros_like
from .elementwise import (
    abs,
    add,
    ceil,
    clamp,
    clamp_max,
    clamp_min,
    cos,
    div,
    erf,
    exp,
    expm1,
    floor,
    log,
    log1p,
    masked_fill,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    reciprocal,
    round,
    rsqrt,
    rsub,
    sign,
    sin,
    sqrt,
    square,
    sub,
    where,
)
from .embedding import embedding
from .indexing import (
    argsort,
    gather,
    getitem,
    index_select,
    one_hot,
    scatter,
    scatter_add,
    sort,
    take_along_dim,
    topk,
)
from .linalg import addmm, baddbmm, bmm, dot, einsum, linear, matmul, mm, mv, outer
from .loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    kl_div,
    l1_loss,
    mse_loss,
    nll_loss,
)
from .normalization import batch_norm, group_norm, layer_norm, rms_norm
from .reduction import (
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    cumsum,
    logsumexp,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
    var_mean,
)
from .regularization import dropout
from .shape import (
    broadcast_to,
    cat,
    chunk,
    clone,
    contiguous,
    expand,
    flatten,
    flip,
    movedim,
    narrow,
    permute,
    repeat,
    reshape,
    roll,
    select,
    split,
    squeeze,
    stack,
    t,
    transpose,
    tril,
    triu,
    unbind,
    unflatten,
    unsqueeze,
    view,
)

__all__ = [
    "zeros",
    "ones",
    "full",
    "arange",
    "randn",
    "zeros_like",
    "ones_like",
    "full_like",
    "add",
    "sub",
    "rsub",
    "mul",
    "div",
    "neg",
    "abs",
    "sign",
    "reciprocal",
    "square",
    "sqrt",
    "rsqrt",
    "pow",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sin",
    "cos",
    "erf",
    "floor",
    "ceil",
    "round",
    "clamp",
    "clamp_min",
    "clamp_max",
    "maximum",
    "minimum",
    "where",
    "masked_fill",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "logical_not",
    "logical_and",
    "logical_or",
    "isnan",
    "isinf",
    "isfinite",
    "sum",
    "mean",
    "prod",
    "var",
    "std",
    "var_mean",
    "amax",
    "amin",
    "max",
    "min",
    "argmax",
    "argmin",
    "logsumexp",
    "any",
    "all",
    "cumsum",
    "reshape",
    "view",
    "transpose",
    "permute",
    "movedim",
    "t",
    "expand",
    "broadcast_to",
    "repeat",
    "flatten",
    "unflatten",
    "squeeze",
    "unsqueeze",
    "narrow",
    "select",
    "unbind",
    "split",
    "chunk",
    "cat",
    "stack",
    "tril",
    "triu",
    "flip",
    "roll",
    "contiguous",
    "clone",
    "getitem",
    "index_select",
    "gather",
    "scatter",
    "scatter_add",
    "take_along_dim",
    "topk",
    "sort",
    "argsort",
    "one_hot",
    "matmul",
    "mm",
    "bmm",
    "mv",
    "dot",
    "outer",
    "addmm",
    "baddbmm",
    "einsum",
    "linear",
    "tanh",
    "sigmoid",
    "relu",
    "leaky_relu",
    "relu6",
    "elu",
    "silu",
    "gelu",
    "softplus",
    "logsigmoid",
    "hardtanh",
    "softmax",
    "log_softmax",
    "layer_norm",
    "rms_norm",
    "group_norm",
    "batch_norm",
    "scaled_dot_product_attention",
    "embedding",
    "cross_entropy",
    "nll_loss",
    "mse_loss",
    "l1_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "kl_div",
    "conv1d",
    "conv2d",
    "max_pool2d",
    "avg_pool2d",
    "adaptive_avg_pool2d",
    "pad",
    "dropout",
]
# generated: end

# What Tensor offers of these is bound here: methods under the same names, as in torch …
for _function in (
    *(add, sub, mul, div, neg, abs, sign, reciprocal, square, sqrt, rsqrt, pow),
    *(exp, expm1, log, log1p, sin, cos, erf, floor, ceil, round),
    *(clamp, clamp_min, clamp_max, maximum, minimum, masked_fill),
    *(eq, ne, lt, le, gt, ge, logical_not, logical_and, logical_or, isnan, isinf, isfinite),
    *(sum, mean, prod, var, std, amax, amin, max, min, argmax, argmin),
    *(logsumexp, any, all, cumsum),
    *(transpose, movedim, t, flatten, unflatten, squeeze, unsqueeze, narrow, select, unbind),
    *(split, chunk, tril, triu, roll, contiguous, clone),
    *(index_select, gather, scatter, scatter_add, take_along_dim, topk, sort, argsort),
    *(matmul, mm, bmm, mv, dot, outer, addmm, baddbmm),
    *(tanh, sigmoid, relu, softmax, log_softmax),
):
    setattr(Tensor, _function.__name__, _function)


def _shape_method(function: Any) -> Any:
    """Allow x.view(2, 3) as well as x.view((2, 3))."""

    @functools.wraps(function)
    def method(self: Tensor, *shape: Any, **named: Any) -> Any:
        if named:
            return function(self, *shape, **named)
        return function(self, shape[0] if len(shape) == 1 else shape)

    return method


for _shaper in (reshape, view, permute, expand, broadcast_to, repeat, flip):
    setattr(Tensor, _shaper.__name__, _shape_method(_shaper))


# … operators, with a tensor on either side …
def _reflected(function: Any) -> Any:
    def method(self: Tensor, other: Any) -> Any:
        return function(other, self)

    return method


_ARITHMETIC = (("add", add), ("sub", sub), ("mul", mul), ("truediv", div), ("pow", pow))
for _name, _operator in (*_ARITHMETIC, ("matmul", matmul)):
    setattr(Tensor, f"__{_name}__", _operator)
    setattr(Tensor, f"__r{_name}__", _reflected(_operator))


def _in_place(function: Any) -> Any:
    """x += y: a leaf takes the new numbers; else x names a new tensor, as usual in Python.

    So weights can be updated by hand in no_grad(). Where gradients are recorded, a leaf that
    requires one raises RuntimeError, as in torch.
    """
    name = f"{function.__name__} in place"

    def method(self: Tensor, other: Any) -> Tensor:
        out = function(self, other)
        if not self.is_leaf or (out.requires_grad and not self.requires_grad):
            return out
        if out.requires_grad:
            raise RuntimeError(f"{name}: a leaf that requires a gradient changes in no_grad() only")
        if out.shape != self.shape:
            raise ValueError(f"{name}: a tensor of shape {self.shape} cannot become {out.shape}")
        if not np.can_cast(out.dtype, self.dtype, "same_kind"):
            raise TypeError(f"{name}: a tensor of {self.dtype} cannot become {out.dtype}")
        tracer = tracing.tracer.get()
        if tracer is not None and not tracer.has_made(self.data):
            raise TypeError(f"{name}: a fused function changes no tensor from outside of it")
        data = arrays.cast(out.data, self.dtype)
        # In its own memory, if a graph may have captured that and backward() looks after it.
        if self.requires_grad:
            overwritten(self.data)
            data = arrays.copy(data, self.data)
        self.data = data
        return self

    return method


for _name, _operator in _ARITHMETIC:
    setattr(Tensor, f"__i{_name}__", _in_place(_operator))


def _comparison(function: Any) -> Any:
    """NotImplemented if other is not a number, tensor or array, so that x == None is False."""

    def method(self: Tensor, other: Any) -> Any:
        known = isinstance(other, Tensor | np.ndarray | np.generic | int | float)
        return function(self, other) if known else NotImplemented

    return method


for _name, _operator in (("eq", eq), ("ne", ne), ("lt", lt), ("le", le), ("gt", gt), ("ge", ge)):
    setattr(Tensor, f"__{_name}__", _comparison(_operator))


def _of_booleans(function: Any) -> Any:
    """An operator for booleans only: on integers, &, | and ~ would act on the bits."""

    def method(self: Tensor, *other: Any) -> Any:
        for operand in (self, *other):
            kind = np.dtype(getattr(operand, "dtype", type(operand)))
            if kind != np.bool_:
                raise TypeError(f"&, | and ~ are for booleans, not {kind}")
        return function(self, *map(tensor, other))

    return method


for _name, _operator in (("and", logical_and), ("or", logical_or)):
    setattr(Tensor, f"__{_name}__", _of_booleans(_operator))
    setattr(Tensor, f"__r{_name}__", _of_booleans(_operator))


def _to(self: Tensor, device: Any = None, dtype: Any = None) -> Tensor:
    """self in another dtype; device: "cuda", the one that there is, or the dtype."""
    wanted = asked_of_to(device, dtype, "numpy()")
    return self if wanted is None else elementwise.to(self, wanted)


# … and those whose arguments torch orders differently, or that take no parentheses.
for _name, _member in {
    "__neg__": neg,
    "__abs__": abs,
    "__invert__": _of_booleans(logical_not),
    "__getitem__": getitem,
    "__contains__": lambda self, value: any(eq(self, value)).item(),
    "where": lambda self, condition, other: where(condition, self, other),
    "to": _to,
    "bfloat16": lambda self: elementwise.to(self, bfloat16),
    "float": lambda self: elementwise.to(self, np.float32),
    "double": lambda self: elementwise.to(self, np.float64),
    "long": lambda self: elementwise.to(self, np.int64),
    "T": property(lambda self: permute(self, tuple(reversed(range(self.ndim))))),
}.items():
    setattr(Tensor, _name, _member)
