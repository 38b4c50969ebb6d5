"""The op set, one file per family; the same files, names and order in every engine."""

from __future__ import annotations

import functools
from typing import Any

from ..engine import Tensor

# generated: begin (from the family files, by tox -e generate)
from .activation import gelu, log_softmax, relu, sigmoid, softmax, tanh
from .attention import scaled_dot_product_attention
from .elementwise import (
    add,
    div,
    exp,
    log,
    masked_fill,
    maximum,
    minimum,
    mul,
    neg,
    pow,
    sqrt,
    sub,
    where,
)
from .embedding import embedding
from .linalg import linear, matmul
from .loss import cross_entropy, mse_loss
from .normalization import layer_norm, rms_norm
from .reduction import argmax, max, mean, min, sum, var
from .regularization import dropout
from .shape import (
    cat,
    chunk,
    expand,
    flatten,
    getitem,
    permute,
    reshape,
    split,
    squeeze,
    stack,
    transpose,
    tril,
    triu,
    unsqueeze,
    view,
)

__all__ = [
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "pow",
    "exp",
    "log",
    "sqrt",
    "where",
    "masked_fill",
    "maximum",
    "minimum",
    "sum",
    "mean",
    "max",
    "min",
    "argmax",
    "var",
    "reshape",
    "view",
    "transpose",
    "permute",
    "squeeze",
    "unsqueeze",
    "expand",
    "flatten",
    "getitem",
    "cat",
    "stack",
    "split",
    "chunk",
    "tril",
    "triu",
    "matmul",
    "linear",
    "tanh",
    "sigmoid",
    "relu",
    "gelu",
    "softmax",
    "log_softmax",
    "layer_norm",
    "rms_norm",
    "scaled_dot_product_attention",
    "embedding",
    "cross_entropy",
    "mse_loss",
    "dropout",
]
# generated: end

# What Tensor has of these, bound in one place: methods under the same names, as in torch …
for _function in (
    *(add, sub, mul, div, neg, pow, exp, log, sqrt, masked_fill, maximum, minimum),
    *(sum, mean, max, min, argmax, var),
    *(transpose, squeeze, unsqueeze, flatten, split, chunk, tril, triu),
    *(matmul, tanh, sigmoid, relu, softmax, log_softmax),
):
    setattr(Tensor, _function.__name__, _function)


def _shape_method(function: Any) -> Any:
    """x.view(2, 3) beside x.view((2, 3))."""

    @functools.wraps(function)
    def method(self: Tensor, *shape: Any, **named: Any) -> Any:
        if named:
            return function(self, *shape, **named)
        return function(self, shape[0] if len(shape) == 1 else shape)

    return method


for _shaper in (reshape, view, permute, expand):
    setattr(Tensor, _shaper.__name__, _shape_method(_shaper))


# … operators, with a tensor on either side …
def _reflected(function: Any) -> Any:
    def method(self: Tensor, other: Any) -> Any:
        return function(other, self)

    return method


for _name, _operator in (
    *(("add", add), ("sub", sub), ("mul", mul), ("truediv", div)),
    *(("pow", pow), ("matmul", matmul)),
):
    setattr(Tensor, f"__{_name}__", _operator)
    setattr(Tensor, f"__r{_name}__", _reflected(_operator))

# … and what torch orders otherwise or calls without parentheses.
for _name, _member in {
    "__neg__": neg,
    "__getitem__": getitem,
    "where": lambda self, condition, other: where(condition, self, other),
    "T": property(lambda self: permute(self, tuple(reversed(range(self.ndim))))),
}.items():
    setattr(Tensor, _name, _member)
