"""One call of every op, at odd sizes that cross blocks: what several tests run through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import cudagrad
from cudagrad import ops

ROWS, COLUMNS = 9, 71  # more than a tile, more than two of the emulator's blocks

TARGET = np.arange(ROWS) % 4
IDS = np.array([[3, 0, 3], [2, 3, 1]])
MASK = np.random.default_rng(0).random((ROWS, COLUMNS)) < 0.5

CALLS: dict[str, tuple[Callable[..., Any], tuple[int, ...], ...]] = {
    "add": (ops.add, (ROWS, COLUMNS), (COLUMNS,)),
    "sub": (ops.sub, (ROWS, COLUMNS), (ROWS, 1)),
    "mul": (ops.mul, (ROWS, COLUMNS), (2, ROWS, COLUMNS)),
    "div": (ops.div, (2, 1, 3), (5, 1)),
    "neg": (ops.neg, (COLUMNS,)),
    "pow": (lambda x, y: ops.pow(ops.add(ops.mul(x, x), 0.5), y), (ROWS, COLUMNS), (COLUMNS,)),
    "exp": (ops.exp, (COLUMNS,)),
    "log": (lambda x: ops.log(ops.add(ops.mul(x, x), 0.5)), (COLUMNS,)),
    "sqrt": (lambda x: ops.sqrt(ops.add(ops.mul(x, x), 0.5)), (COLUMNS,)),
    "where": (lambda x, y: ops.where(MASK, x, y), (ROWS, COLUMNS), ()),
    "masked_fill": (lambda x: ops.masked_fill(x, MASK, -1.5), (ROWS, COLUMNS)),
    "maximum": (ops.maximum, (ROWS, COLUMNS), (COLUMNS,)),
    "minimum": (ops.minimum, (ROWS, COLUMNS), (COLUMNS,)),
    "sum": (lambda x: ops.sum(x, dim=(0, 2)), (3, ROWS, COLUMNS)),
    "mean": (ops.mean, (ROWS, COLUMNS, 5)),
    "max": (lambda x: ops.max(x, dim=0)[0], (COLUMNS, ROWS)),
    "min": (ops.min, (ROWS, COLUMNS)),
    "argmax": (lambda x: ops.argmax(x, dim=1), (ROWS, COLUMNS)),
    "var": (lambda x: ops.var(x, dim=1), (ROWS, COLUMNS)),
    "reshape": (lambda x: ops.reshape(x, (COLUMNS, -1)), (ROWS, COLUMNS)),
    "view": (lambda x: ops.view(x, (-1,)), (ROWS, COLUMNS)),
    "transpose": (lambda x: ops.transpose(x, 0, 2), (2, ROWS, COLUMNS)),
    "permute": (lambda x: ops.permute(x, (1, 2, 0)), (2, ROWS, COLUMNS)),
    "squeeze": (ops.squeeze, (1, COLUMNS, 1)),
    "unsqueeze": (lambda x: ops.unsqueeze(x, 1), (ROWS, COLUMNS)),
    "expand": (lambda x: ops.expand(x, (3, ROWS, COLUMNS)), (ROWS, 1)),
    "flatten": (ops.flatten, (ROWS, COLUMNS)),
    "getitem": (lambda x: ops.getitem(x, (IDS, slice(1, None, 2))), (ROWS, COLUMNS)),
    "cat": (lambda x, y: ops.cat([x, y], dim=1), (ROWS, COLUMNS), (ROWS, 5)),
    "stack": (lambda x, y: ops.stack([x, y], dim=1), (ROWS, COLUMNS), (ROWS, COLUMNS)),
    "split": (lambda x: ops.split(x, [40, 31], dim=1)[1], (ROWS, COLUMNS)),
    "chunk": (lambda x: ops.chunk(x, 4, dim=1)[3], (ROWS, COLUMNS)),
    "tril": (ops.tril, (2, ROWS, COLUMNS)),
    "triu": (lambda x: ops.triu(x, 1), (2, ROWS, COLUMNS)),
    "matmul": (ops.matmul, (2, 1, ROWS, COLUMNS), (3, COLUMNS, 17)),
    "linear": (ops.linear, (2, ROWS, COLUMNS), (17, COLUMNS), (17,)),
    "tanh": (ops.tanh, (COLUMNS,)),
    "sigmoid": (ops.sigmoid, (COLUMNS,)),
    "relu": (ops.relu, (COLUMNS,)),
    "gelu": (lambda x: ops.gelu(ops.gelu(x), approximate="tanh"), (COLUMNS,)),
    "softmax": (lambda x: ops.softmax(x, dim=1), (3, COLUMNS, 2)),
    "log_softmax": (lambda x: ops.log_softmax(x, dim=-1), (ROWS, COLUMNS)),
    "layer_norm": (
        lambda x, weight, bias: ops.layer_norm(x, (COLUMNS,), weight, bias),
        *((ROWS, COLUMNS), (COLUMNS,), (COLUMNS,)),
    ),
    "rms_norm": (
        lambda x, weight: ops.rms_norm(x, (COLUMNS,), weight),
        *((ROWS, COLUMNS), (COLUMNS,)),
    ),
    "scaled_dot_product_attention": (
        lambda q, k, v: ops.scaled_dot_product_attention(q, k, v, is_causal=True),
        *((2, 43, 5), (2, 43, 5), (2, 43, 3)),
    ),
    "embedding": (lambda weight: ops.embedding(IDS, weight), (5, COLUMNS)),
    "cross_entropy": (lambda x: ops.cross_entropy(x, TARGET, ignore_index=2), (ROWS, COLUMNS)),
    "mse_loss": (ops.mse_loss, (ROWS, COLUMNS), (ROWS, COLUMNS)),
    "dropout": (lambda x: ops.dropout(x, 0.3), (ROWS, COLUMNS)),
}


def run(name: str, dtype: type) -> tuple[cudagrad.Tensor, list[cudagrad.Tensor]]:
    """An op called, and gone backward through: its result and its arguments."""
    function, *shapes = CALLS[name]
    rng = np.random.default_rng(len(name))
    cudagrad.manual_seed(7)
    tensors = [
        cudagrad.tensor(rng.standard_normal(shape).astype(dtype), requires_grad=True)
        for shape in shapes
    ]
    out = function(*tensors)
    if out.requires_grad:
        out.backward(rng.standard_normal(out.shape).astype(dtype))
    return out, tensors


def arrays(name: str, dtype: type) -> Iterator[np.ndarray[Any, Any]]:
    """The result of an op's call and the gradients of its arguments."""
    out, tensors = run(name, dtype)
    yield out.detach().numpy()
    for tensor in tensors:
        if tensor.grad is not None:
            yield tensor.grad.numpy()
