"""The op set, one file per family; the same files, names and order in every engine."""

from __future__ import annotations

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
