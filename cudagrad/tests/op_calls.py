"""One call of every op, at odd sizes that cross blocks: what several tests run through."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import cudagrad
from cudagrad import ops

ROWS, COLUMNS = 9, 71  # more than a tile, more than two of the emulator's blocks
IMAGES = (2, 4, 9, 11)

RNG = np.random.default_rng(0)
TARGET = np.arange(ROWS) % 4
IDS = np.array([[3, 0, 3], [2, 3, 1]])
PLACES = RNG.integers(0, COLUMNS, (ROWS, 40))
MASK = RNG.random((ROWS, COLUMNS)) < 0.5
DTYPES = {  # of results that are not of the arguments' dtype
    **dict.fromkeys(("zeros", "ones", "full", "arange", "randn"), np.dtype(np.float32)),
    **dict.fromkeys(("argmax", "argmin", "argsort", "one_hot"), np.dtype(np.int64)),
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "any", "all"), np.dtype(np.bool_)),
    **dict.fromkeys(("logical_not", "logical_and", "logical_or"), np.dtype(np.bool_)),
    **dict.fromkeys(("isnan", "isinf", "isfinite"), np.dtype(np.bool_)),
}


def positive(x: Any) -> Any:
    return ops.add(ops.mul(x, x), 0.5)


def batch_norm(x: Any, weight: Any, bias: Any) -> Any:
    mean, var = ops.zeros_like(bias), ops.ones_like(bias)
    return ops.batch_norm(x, mean, var, weight, bias, training=True)


CALLS: dict[str, tuple[Callable[..., Any], tuple[int, ...], ...]] = {
    "zeros": (lambda: ops.zeros((ROWS, COLUMNS), requires_grad=True),),
    "ones": (lambda: ops.ones((ROWS, COLUMNS), requires_grad=True),),
    "full": (lambda: ops.full((ROWS, COLUMNS), 1.5, requires_grad=True),),
    "arange": (lambda: ops.arange(1.0, 70.0, 0.25, requires_grad=True),),
    "randn": (lambda: ops.randn((ROWS, COLUMNS), requires_grad=True),),
    "zeros_like": (ops.zeros_like, (ROWS, COLUMNS)),
    "ones_like": (ops.ones_like, (ROWS, COLUMNS)),
    "full_like": (lambda x: ops.full_like(x, 1.5), (ROWS, COLUMNS)),
    "add": (lambda x, y: ops.add(x, y, alpha=2), (ROWS, COLUMNS), (COLUMNS,)),
    "sub": (lambda x, y: ops.sub(x, y, alpha=2), (ROWS, COLUMNS), (ROWS, 1)),
    "rsub": (ops.rsub, (ROWS, COLUMNS), (COLUMNS,)),
    "mul": (ops.mul, (ROWS, COLUMNS), (2, ROWS, COLUMNS)),
    "div": (ops.div, (2, 1, 3), (5, 1)),
    "neg": (ops.neg, (COLUMNS,)),
    "abs": (ops.abs, (COLUMNS,)),
    "sign": (ops.sign, (COLUMNS,)),
    "reciprocal": (ops.reciprocal, (COLUMNS,)),
    "square": (ops.square, (COLUMNS,)),
    "sqrt": (lambda x: ops.sqrt(positive(x)), (COLUMNS,)),
    "rsqrt": (lambda x: ops.rsqrt(positive(x)), (COLUMNS,)),
    "pow": (lambda x, y: ops.pow(positive(x), y), (ROWS, COLUMNS), (COLUMNS,)),
    "exp": (ops.exp, (COLUMNS,)),
    "expm1": (ops.expm1, (COLUMNS,)),
    "log": (lambda x: ops.log(positive(x)), (COLUMNS,)),
    "log1p": (lambda x: ops.log1p(positive(x)), (COLUMNS,)),
    "sin": (ops.sin, (COLUMNS,)),
    "cos": (ops.cos, (COLUMNS,)),
    "erf": (ops.erf, (COLUMNS,)),
    "floor": (ops.floor, (COLUMNS,)),
    "ceil": (ops.ceil, (COLUMNS,)),
    "round": (lambda x: ops.round(ops.round(x, decimals=2)), (COLUMNS,)),
    "clamp": (ops.clamp, (ROWS, COLUMNS), (COLUMNS,), (ROWS, 1)),
    "clamp_min": (ops.clamp_min, (ROWS, COLUMNS), (COLUMNS,)),
    "clamp_max": (ops.clamp_max, (ROWS, COLUMNS), (COLUMNS,)),
    "maximum": (ops.maximum, (ROWS, COLUMNS), (COLUMNS,)),
    "minimum": (ops.minimum, (ROWS, COLUMNS), (COLUMNS,)),
    "where": (lambda x, y: ops.where(MASK, x, y), (ROWS, COLUMNS), ()),
    "masked_fill": (lambda x: ops.masked_fill(x, MASK, -1.5), (ROWS, COLUMNS)),
    "eq": (ops.eq, (ROWS, COLUMNS), (COLUMNS,)),
    "ne": (ops.ne, (ROWS, COLUMNS), (COLUMNS,)),
    "lt": (ops.lt, (ROWS, COLUMNS), (COLUMNS,)),
    "le": (ops.le, (ROWS, COLUMNS), (COLUMNS,)),
    "gt": (ops.gt, (ROWS, COLUMNS), (COLUMNS,)),
    "ge": (ops.ge, (ROWS, COLUMNS), (COLUMNS,)),
    "logical_not": (ops.logical_not, (COLUMNS,)),
    "logical_and": (ops.logical_and, (ROWS, COLUMNS), (COLUMNS,)),
    "logical_or": (ops.logical_or, (ROWS, COLUMNS), (COLUMNS,)),
    "isnan": (ops.isnan, (COLUMNS,)),
    "isinf": (ops.isinf, (COLUMNS,)),
    "isfinite": (ops.isfinite, (COLUMNS,)),
    "sum": (lambda x: ops.sum(x, dim=(0, 2)), (3, ROWS, COLUMNS)),
    "mean": (ops.mean, (ROWS, COLUMNS, 5)),
    "prod": (lambda x: ops.prod(x, dim=1), (ROWS, COLUMNS, 2)),
    "var": (lambda x: ops.var(x, dim=1), (ROWS, COLUMNS)),
    "std": (lambda x: ops.std(x, dim=0), (ROWS, COLUMNS)),
    "var_mean": (lambda x: ops.add(*ops.var_mean(x, dim=1)), (ROWS, COLUMNS)),
    "amax": (lambda x: ops.amax(x, dim=(0, 2)), (3, ROWS, COLUMNS)),
    "amin": (ops.amin, (ROWS, COLUMNS)),
    "max": (lambda x: ops.max(x, dim=0)[0], (COLUMNS, ROWS)),
    "min": (ops.min, (ROWS, COLUMNS)),
    "argmax": (lambda x: ops.argmax(x, dim=1), (ROWS, COLUMNS)),
    "argmin": (ops.argmin, (ROWS, COLUMNS)),
    "logsumexp": (lambda x: ops.logsumexp(x, dim=(0, 2)), (3, ROWS, COLUMNS)),
    "any": (lambda x: ops.any(x, dim=1), (ROWS, COLUMNS)),
    "all": (ops.all, (ROWS, COLUMNS)),
    "cumsum": (lambda x: ops.cumsum(x, dim=1), (ROWS, COLUMNS, 2)),
    "reshape": (lambda x: ops.reshape(x, (COLUMNS, -1)), (ROWS, COLUMNS)),
    "view": (lambda x: ops.view(x, (-1,)), (ROWS, COLUMNS)),
    "transpose": (lambda x: ops.transpose(x, 0, 2), (2, ROWS, COLUMNS)),
    "permute": (lambda x: ops.permute(x, (1, 2, 0)), (2, ROWS, COLUMNS)),
    "movedim": (lambda x: ops.movedim(x, 0, 2), (2, ROWS, COLUMNS)),
    "t": (ops.t, (ROWS, COLUMNS)),
    "expand": (lambda x: ops.expand(x, (3, ROWS, COLUMNS)), (ROWS, 1)),
    "broadcast_to": (lambda x: ops.broadcast_to(x, (3, ROWS, COLUMNS)), (ROWS, 1)),
    "repeat": (lambda x: ops.repeat(x, (3, 1, 2)), (ROWS, COLUMNS)),
    "flatten": (ops.flatten, (ROWS, COLUMNS)),
    "unflatten": (lambda x: ops.unflatten(x, 0, (3, -1)), (ROWS, COLUMNS)),
    "squeeze": (ops.squeeze, (1, COLUMNS, 1)),
    "unsqueeze": (lambda x: ops.unsqueeze(x, 1), (ROWS, COLUMNS)),
    "narrow": (lambda x: ops.narrow(x, 1, 7, 50), (ROWS, COLUMNS)),
    "select": (lambda x: ops.select(x, 0, 5), (ROWS, COLUMNS)),
    "unbind": (lambda x: ops.unbind(x, 1)[8], (COLUMNS, ROWS)),
    "split": (lambda x: ops.split(x, [40, 31], dim=1)[1], (ROWS, COLUMNS)),
    "chunk": (lambda x: ops.chunk(x, 4, dim=1)[3], (ROWS, COLUMNS)),
    "cat": (lambda x, y: ops.cat([x, y], dim=1), (ROWS, COLUMNS), (ROWS, 5)),
    "stack": (lambda x, y: ops.stack([x, y], dim=1), (ROWS, COLUMNS), (ROWS, COLUMNS)),
    "tril": (ops.tril, (2, ROWS, COLUMNS)),
    "triu": (lambda x: ops.triu(x, 1), (2, ROWS, COLUMNS)),
    "flip": (lambda x: ops.flip(x, (0, 1)), (ROWS, COLUMNS)),
    "roll": (lambda x: ops.roll(x, (2, -30), (0, 1)), (ROWS, COLUMNS)),
    "contiguous": (ops.contiguous, (ROWS, COLUMNS)),
    "clone": (ops.clone, (ROWS, COLUMNS)),
    "getitem": (lambda x: ops.getitem(x, (IDS, slice(1, None, 2))), (ROWS, COLUMNS)),
    "index_select": (lambda x: ops.index_select(x, 1, PLACES[0]), (ROWS, COLUMNS)),
    "gather": (lambda x: ops.gather(x, 1, PLACES), (ROWS, COLUMNS)),
    "scatter": (
        lambda x, src: ops.scatter(x, 0, np.arange(ROWS)[::-1, None] + MASK[:, :40] * 0, src),
        *((ROWS, COLUMNS), (ROWS, 40)),
    ),
    "scatter_add": (
        lambda x, src: ops.scatter_add(x, 1, PLACES, src),
        *((ROWS, COLUMNS), (ROWS, 40)),
    ),
    "take_along_dim": (lambda x: ops.take_along_dim(x, PLACES, 1), (ROWS, COLUMNS)),
    "topk": (lambda x: ops.topk(x, 40)[0], (ROWS, COLUMNS)),
    "sort": (lambda x: ops.sort(x)[0], (3, 5 * COLUMNS)),
    "argsort": (lambda x: ops.argsort(x, dim=0), (COLUMNS, ROWS)),
    "one_hot": (lambda: ops.one_hot(cudagrad.tensor(IDS), 4),),
    "matmul": (ops.matmul, (2, 1, ROWS, COLUMNS), (3, COLUMNS, 17)),
    "mm": (ops.mm, (ROWS, COLUMNS), (COLUMNS, 17)),
    "bmm": (ops.bmm, (2, ROWS, COLUMNS), (2, COLUMNS, 17)),
    "mv": (ops.mv, (ROWS, COLUMNS), (COLUMNS,)),
    "dot": (ops.dot, (COLUMNS,), (COLUMNS,)),
    "outer": (ops.outer, (ROWS,), (COLUMNS,)),
    "addmm": (
        lambda x, a, b: ops.addmm(x, a, b, beta=0.5, alpha=-2.0),
        *((17,), (ROWS, COLUMNS), (COLUMNS, 17)),
    ),
    "baddbmm": (ops.baddbmm, (ROWS, 1), (2, ROWS, COLUMNS), (2, COLUMNS, 17)),
    "einsum": (
        lambda x, y, z: ops.einsum("...ij,kj,ii->...ik", x, y, z),
        *((2, ROWS, COLUMNS), (17, COLUMNS), (ROWS, ROWS)),
    ),
    "linear": (ops.linear, (2, ROWS, COLUMNS), (17, COLUMNS), (17,)),
    "tanh": (ops.tanh, (COLUMNS,)),
    "sigmoid": (ops.sigmoid, (COLUMNS,)),
    "relu": (ops.relu, (COLUMNS,)),
    "leaky_relu": (ops.leaky_relu, (COLUMNS,)),
    "relu6": (ops.relu6, (COLUMNS,)),
    "elu": (ops.elu, (COLUMNS,)),
    "silu": (ops.silu, (COLUMNS,)),
    "gelu": (lambda x: ops.gelu(ops.gelu(x), approximate="tanh"), (COLUMNS,)),
    "softplus": (lambda x: ops.softplus(x, 2.0, 1.0), (COLUMNS,)),
    "logsigmoid": (ops.logsigmoid, (COLUMNS,)),
    "hardtanh": (ops.hardtanh, (COLUMNS,)),
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
    "group_norm": (
        lambda x, weight, bias: ops.group_norm(x, 2, weight, bias),
        *(IMAGES, (4,), (4,)),
    ),
    "batch_norm": (batch_norm, IMAGES, (4,), (4,)),
    "scaled_dot_product_attention": (
        lambda q, k, v: ops.scaled_dot_product_attention(q, k, v, is_causal=True),
        *((2, 43, 5), (2, 43, 5), (2, 43, 3)),
    ),
    "embedding": (lambda weight: ops.embedding(IDS, weight), (5, COLUMNS)),
    "cross_entropy": (
        lambda x: ops.cross_entropy(x, TARGET, ignore_index=2, label_smoothing=0.1),
        *((ROWS, COLUMNS),),
    ),
    "nll_loss": (lambda x: ops.nll_loss(x, TARGET), (ROWS, COLUMNS)),
    "mse_loss": (ops.mse_loss, (ROWS, COLUMNS), (ROWS, COLUMNS)),
    "l1_loss": (ops.l1_loss, (ROWS, COLUMNS), (ROWS, COLUMNS)),
    "binary_cross_entropy": (
        lambda x, target: ops.binary_cross_entropy(ops.sigmoid(x), ops.sigmoid(target)),
        *((ROWS, COLUMNS), (ROWS, COLUMNS)),
    ),
    "binary_cross_entropy_with_logits": (
        ops.binary_cross_entropy_with_logits,
        *((ROWS, COLUMNS), (ROWS, COLUMNS)),
    ),
    "kl_div": (
        lambda x, target: ops.kl_div(x, target, reduction="batchmean", log_target=True),
        *((ROWS, COLUMNS), (ROWS, COLUMNS)),
    ),
    "conv1d": (
        lambda x, weight, bias: ops.conv1d(x, weight, bias, stride=2, padding=1),
        *((2, 4, COLUMNS), (6, 4, 3), (6,)),
    ),
    "conv2d": (
        lambda x, weight, bias: ops.conv2d(x, weight, bias, padding="same", groups=2),
        *(IMAGES, (6, 2, 3, 3), (6,)),
    ),
    "max_pool2d": (lambda x: ops.max_pool2d(x, 3, 2, 1), IMAGES),
    "avg_pool2d": (lambda x: ops.avg_pool2d(x, 3, 2, 1), IMAGES),
    "adaptive_avg_pool2d": (lambda x: ops.adaptive_avg_pool2d(x, (4, 5)), IMAGES),
    "pad": (lambda x: ops.pad(x, (1, 2, 0, 1)), IMAGES),
    "dropout": (lambda x: ops.dropout(x, 0.3), (ROWS, COLUMNS)),
}


def run(
    name: str, dtype: type, retain_graph: bool = False
) -> tuple[cudagrad.Tensor, list[cudagrad.Tensor]]:
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
        backward(name, out, retain_graph)
    return out, tensors


def backward(name: str, out: cudagrad.Tensor, retain_graph: bool) -> None:
    """Go backward from an op's result, with the same gradient every time."""
    dout = np.random.default_rng(len(name) + 1).standard_normal(out.shape)
    out.backward(dout.astype(out.dtype), retain_graph)


def arrays(name: str, dtype: type) -> Iterator[np.ndarray[Any, Any]]:
    """The result of an op's call and the gradients of its arguments."""
    out, tensors = run(name, dtype)
    yield out.detach().numpy()
    for tensor in tensors:
        if tensor.grad is not None:
            yield tensor.grad.numpy()
