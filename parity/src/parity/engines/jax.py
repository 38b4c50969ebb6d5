"""The adapter of JAX, a rival that differentiates pure functions of arrays.

Every op is compiled by jax.jit, as JAX's users do: its value alone, or with the pullback of
jax.vjp. JAX's arrays do not remember how they were made. A Tensor here does, and so gradients pass
from one pullback to the next. It is optional: pip install jax.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import jax
import numpy
from jax import lax, nn
from jax import numpy as np
from jax.scipy import special

from ..environment import installed
from .adapter import Array, call_op, exported, threads

THREADS = threads()
HANDING = "jax_cpu_enable_async_dispatch"  # hands work to another thread, and the caller waits


@contextmanager
def _alone(size: int) -> Iterator[None]:
    """Inside, JAX starts with this many threads, the caller's among them.

    It reads both settings only once, when it starts.
    """
    before, handing = os.environ.get("NPROC"), jax.config.read(HANDING)
    os.environ["NPROC"] = str(size)
    jax.config.update(HANDING, False)
    try:
        yield
    finally:
        jax.config.update(HANDING, handing)
        if before is None:
            del os.environ["NPROC"]
        else:
            os.environ["NPROC"] = before


with _alone(THREADS):
    jax.devices()

# In a context, not in jax.config: float64 here must not change what others in the process get.
precise = functools.partial(jax.enable_x64, True)


class Step:
    """A call of an op: its floating inputs, and the pullback to them.

    like: the shape and dtype of each floating output. depth: greater than that of any step before.
    A step does not hold its outputs, which hold it: without a cycle, all is freed at once.
    """

    def __init__(self, inputs: list[Tensor], pullback: Any) -> None:
        self.inputs, self.pullback, self.like = inputs, pullback, list[tuple[Any, Any]]()
        self.depth: int = 1 + max((each.step.depth for each in inputs if each.step), default=0)


class Tensor:
    """An array, the gradient that has come back to it, and the step that made it."""

    __slots__ = ("array", "grad", "needed", "place", "step")

    def __init__(self, array: Any, needed: bool = False, step: Step | None = None) -> None:
        self.array, self.needed, self.step = array, needed, step
        self.grad: Any = None
        if step is not None and needed:
            self.place = len(step.like)
            step.like.append((array.shape, array.dtype))

    def backward(self, gradient: Tensor) -> None:
        with precise():
            jax.block_until_ready(_carry_back(self, gradient.array))


def _floating(array: Any) -> bool:
    return np.issubdtype(array.dtype, np.floating)


def _several(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


@functools.cache
def _compiled(function: Any, tree: Any, leaves: tuple[tuple[type, Any], ...]) -> Any:
    """The value of function, and its value with its pullback: each plain, then compiled.

    They take the arrays among the arguments. tree, leaves: the arguments as jax.tree.flatten and
    _key give them; all but Tensors are compiled into the program.
    """

    def value(arrays: Sequence[Any]) -> Any:
        rest = iter(arrays)
        every = [
            next(rest) if kind is Tensor else slice(*fixed) if kind is slice else fixed
            for kind, fixed in leaves
        ]
        args, kwargs = jax.tree.unflatten(tree, every)
        return function(*args, **kwargs)

    def kept(arrays: Sequence[Any]) -> Any:
        every = list(arrays)
        at = [i for i, array in enumerate(arrays) if _floating(array)]

        def of(*floating: Any) -> Any:
            for i, array in zip(at, floating, strict=True):
                every[i] = array
            outputs = value(every)
            return [output for output in _several(outputs) if _floating(output)], outputs

        _, pullback, outputs = jax.vjp(of, *(arrays[i] for i in at), has_aux=True)
        return outputs, pullback

    return value, jax.jit(value), kept, jax.jit(kept)


_pulled = jax.jit(lambda pullback, douts: pullback(douts))


def _recorded(function: Callable[..., Any]) -> Callable[..., Any]:
    """function on Tensors; it waits until the numbers are computed."""

    @functools.wraps(function)
    def op(*args: Any, **kwargs: Any) -> Any:
        leaves, tree = jax.tree.flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        arrays = [tensor.array for tensor in tensors]
        value, compiled_value, kept, compiled_kept = _compiled(
            function, tree, tuple(map(_key, leaves))
        )
        step = None
        with precise():
            if any(tensor.needed for tensor in tensors):
                outputs, pullback = _run(compiled_kept, kept, arrays)
                step = Step([each for each in tensors if _floating(each.array)], pullback)
            else:
                outputs = _run(compiled_value, value, arrays)
            jax.block_until_ready(outputs)
        found = tuple(
            Tensor(output, step is not None and _floating(output), step)
            for output in _several(outputs)
        )
        return found if isinstance(outputs, tuple | list) else found[0]

    return op


def _key(leaf: Any) -> tuple[type, Any]:
    """What is compiled into the program of an argument; 1, 1.0 and True are told apart."""
    if isinstance(leaf, Tensor):
        return Tensor, None
    if isinstance(leaf, slice):  # which Python 3.11 cannot hash
        return slice, (leaf.start, leaf.stop, leaf.step)
    return type(leaf), leaf


def _run(compiled: Any, plain: Any, arrays: Sequence[Any]) -> Any:
    try:
        return compiled(arrays)
    except jax.errors.NonConcreteBooleanIndexError:
        return plain(arrays)  # the shape of x[mask] depends on the mask: it cannot be compiled


def _carry_back(tensor: Tensor, dout: Any) -> list[Any]:
    """Carry dout from tensor to the leaves, whose gradients it returns."""
    waiting: dict[Step, dict[int, Any]] = {}
    reached: dict[Tensor, Any] = {}

    def receive(tensor: Tensor, dout: Any) -> None:
        if not tensor.needed:
            return
        if tensor.step is None:
            reached[tensor] = reached[tensor] + dout if tensor in reached else dout
        else:
            of, at = waiting.setdefault(tensor.step, {}), tensor.place
            of[at] = of[at] + dout if at in of else dout

    receive(tensor, dout)
    while waiting:
        step = max(waiting, key=lambda step: step.depth)  # no other step leads to this one
        douts = waiting.pop(step)
        every = [douts[i] if i in douts else np.zeros(*each) for i, each in enumerate(step.like)]
        for leaf, dx in zip(step.inputs, _pulled(step.pullback, every), strict=True):
            receive(leaf, dx)
    for leaf, dx in reached.items():
        leaf.grad = dx if leaf.grad is None else leaf.grad + dx
    return [leaf.grad for leaf in reached]


# What torch's names are in JAX.
PAIRS = {"add": "add", "sub": "subtract", "mul": "multiply", "div": "true_divide", "pow": "power"}
PAIRS |= {name: name for name in ("maximum", "minimum", "logical_and", "logical_or")}
PAIRS |= {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal"}
PAIRS |= {"gt": "greater", "ge": "greater_equal"}
PRODUCTS = {"matmul": "matmul", "mm": "matmul", "bmm": "matmul", "mv": "matmul"}
PRODUCTS |= {"dot": "dot", "outer": "outer"}
NUMBERS: tuple[str, ...]
NUMBERS = ("abs", "sign", "reciprocal", "square", "sqrt", "exp", "expm1", "log", "log1p", "sin")
NUMBERS += ("cos", "floor", "ceil", "tanh", "logical_not", "isnan", "isinf", "isfinite")
BENT = ("sigmoid", "relu", "relu6", "silu", "softplus")
NEW, LIKE = ("zeros", "ones"), ("zeros_like", "ones_like")


def _of_one(function: Any) -> Callable[[Any], Any]:
    return lambda x: function(x)


def _of_two(function: Any) -> Callable[[Any, Any], Any]:
    return lambda x, other: function(x, other)


def _default(*numbers: Any) -> Any:
    """torch's dtype for Python's floats; JAX's would be float64 in precise()."""
    return np.float32 if any(isinstance(number, float) for number in numbers) else None


def _new(function: Any) -> Callable[..., Any]:
    def new(*lengths: Any, size: Any = None, dtype: Any = None) -> Any:
        if size is None:
            size = lengths if len(lengths) > 1 else lengths[0]
        return function(size, dtype or _default(0.0))

    return new


def _like(function: Any) -> Callable[..., Any]:
    return lambda x, *, dtype=None: function(x, dtype)


def _reduced(function: Any) -> Callable[..., Any]:
    return lambda x, dim=None, keepdim=False: function(x, axis=dim, keepdims=keepdim)


def _varied(function: Any) -> Callable[..., Any]:
    def varied(x: Any, dim: Any = None, *, correction: float = 1, keepdim: bool = False) -> Any:
        return function(x, axis=dim, correction=correction, keepdims=keepdim)

    return varied


def _collapsed(x: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    return lax.collapse(x, start_dim, None if end_dim == -1 else end_dim + 1)


def _split(x: Any, split_size_or_sections: Any, dim: int = 0) -> Any:
    size, length = split_size_or_sections, x.shape[dim]
    if isinstance(size, int):
        size = [min(size, length - start) for start in range(0, length, size)]
    return lax.split(x, size, axis=dim)


def _linear(x: Any, weight: Any, bias: Any = None) -> Any:
    y = np.matmul(x, weight.T)
    return y if bias is None else y + bias


def _layer_norm(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    y = nn.standardize(x, axis=tuple(range(-len(normalized_shape), 0)), epsilon=eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """JAX wants the heads after the tokens, takes masks of booleans and of numbers as different
    arguments, and always does what enable_gqa asks for.
    """
    several = [np.swapaxes(x, -3, -2) for x in (query, key, value)]  # (..., T, H, D)
    kind = "bias" if attn_mask is not None and _floating(attn_mask) else "mask"
    masks = {kind: attn_mask}
    y = nn.dot_product_attention(*several, **masks, scale=scale, is_causal=is_causal)
    return np.swapaxes(y, -3, -2)


def _convolution(dims: int) -> Callable[..., Any]:
    """A convolution over this many dims, after those of the batch and the channels."""

    def each(number: Any) -> tuple[int, ...]:
        return number if isinstance(number, tuple) else (number,) * dims

    def convolution(
        x: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        y = lax.conv_general_dilated(
            x,
            weight,
            each(stride),
            padding.upper() if isinstance(padding, str) else [(n, n) for n in each(padding)],
            rhs_dilation=each(dilation),
            feature_group_count=groups,
        )
        return y if bias is None else y + bias.reshape(-1, *(1,) * dims)

    return convolution


def _padded(x: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """JAX takes the first dim first, and can also pad between elements."""
    if mode != "constant":
        raise NotImplementedError(f"jax: pad has no mode {mode!r}")
    around = [(0, 0, 0)] * (x.ndim - len(pad) // 2)
    around += [(pad[i], pad[i + 1], 0) for i in reversed(range(0, len(pad), 2))]
    return lax.pad(x, np.asarray(value or 0, x.dtype), around)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _new(getattr(np, name)) for name in NEW},
    "full": lambda size, fill_value, *, dtype=None: np.full(
        size, fill_value, dtype or _default(fill_value)
    ),
    "arange": lambda start=0, end=None, step=1, *, dtype=None: np.arange(
        start, end, step, dtype=dtype or _default(start, end, step)
    ),
    **{name: _like(getattr(np, name)) for name in LIKE},
    "full_like": lambda x, fill_value, *, dtype=None: np.full_like(x, fill_value, dtype),
    **{name: _of_two(getattr(np, function)) for name, function in PAIRS.items()},
    **{name: _of_one(getattr(np, name)) for name in NUMBERS},
    "rsub": lambda x, other: np.subtract(other, x),
    "neg": lambda x: np.negative(x),
    "rsqrt": lambda x: lax.rsqrt(x),
    "erf": lambda x: special.erf(x),
    "round": lambda x, *, decimals=0: np.round(x, decimals),
    "clamp": lambda x, min=None, max=None: np.clip(x, min, max),
    "clamp_min": lambda x, min: np.clip(x, min),
    "clamp_max": lambda x, max: np.clip(x, None, max),
    "where": lambda condition, x, other: np.where(condition, x, other),
    "masked_fill": lambda x, mask, value: np.where(mask, value, x),
    **{name: _reduced(getattr(np, name)) for name in ("sum", "mean", "prod", "amax", "amin")},
    **{name: _reduced(getattr(np, name)) for name in ("argmax", "argmin", "any", "all")},
    **{name: _varied(getattr(np, name)) for name in ("var", "std")},
    "logsumexp": _reduced(nn.logsumexp),
    "cumsum": lambda x, dim: np.cumsum(x, dim),
    "reshape": lambda x, shape: np.reshape(x, shape),
    "transpose": lambda x, dim0, dim1: np.swapaxes(x, dim0, dim1),
    "permute": lambda x, dims: np.transpose(x, dims),
    "movedim": lambda x, source, destination: np.moveaxis(x, source, destination),
    "t": lambda x: np.matrix_transpose(x),
    "broadcast_to": lambda x, size: np.broadcast_to(x, size),
    "repeat": lambda x, repeats: np.tile(x, repeats),
    "flatten": _collapsed,
    "squeeze": lambda x, dim=None: np.squeeze(x, dim),
    "unsqueeze": lambda x, dim: np.expand_dims(x, dim),
    "narrow": lambda x, dim, start, length: lax.slice_in_dim(x, start, start + length, axis=dim),
    "select": lambda x, dim, index: lax.index_in_dim(x, index, dim, keepdims=False),
    "unbind": lambda x, dim=0: np.unstack(x, axis=dim),
    "split": _split,
    "cat": lambda tensors, dim=0: np.concatenate(tensors, dim),
    "stack": lambda tensors, dim=0: np.stack(tensors, dim),
    "tril": lambda x, diagonal=0: np.tril(x, diagonal),
    "triu": lambda x, diagonal=0: np.triu(x, diagonal),
    "flip": lambda x, dims: np.flip(x, dims),
    "roll": lambda x, shifts, dims=None: np.roll(x, shifts, dims),
    "clone": lambda x: np.copy(x),
    "getitem": lambda x, index: x[index],
    "index_select": lambda x, dim, index: np.take(x, index, axis=dim),
    "take_along_dim": lambda x, indices, dim=None: np.take_along_axis(x, indices, dim),
    "topk": lambda x, k, dim=-1: lax.top_k(x, k, axis=dim),
    "argsort": lambda x, dim=-1, descending=False, *, stable=True: np.argsort(
        x, dim, stable=True, descending=descending
    ),
    "one_hot": lambda x, num_classes: nn.one_hot(x, num_classes, dtype=np.int64),
    **{name: _of_two(getattr(np, function)) for name, function in PRODUCTS.items()},
    "einsum": lambda equation, *operands: np.einsum(equation, *operands),
    "linear": _linear,
    **{name: _of_one(getattr(nn, name)) for name in BENT},
    "leaky_relu": lambda x, negative_slope=0.01: nn.leaky_relu(x, negative_slope),
    "elu": lambda x, alpha=1.0: nn.elu(x, alpha),
    "gelu": lambda x, *, approximate="none": nn.gelu(x, approximate == "tanh"),
    "logsigmoid": lambda x: nn.log_sigmoid(x),
    "hardtanh": lambda x: nn.hard_tanh(x),
    "softmax": lambda x, dim: nn.softmax(x, dim),
    "log_softmax": lambda x, dim: nn.log_softmax(x, dim),
    "layer_norm": _layer_norm,
    "scaled_dot_product_attention": _attention,
    "embedding": lambda x, weight: np.take(weight, x, axis=0),
    "conv1d": _convolution(1),
    "conv2d": _convolution(2),
    "pad": _padded,
}


class Jax:
    name = "jax"
    ops = tuple(FUNCTIONS)
    dtypes = ("float64", "float32")
    threads = THREADS
    package = SimpleNamespace(
        __name__=jax.__name__,
        __version__=installed(jax.__name__),
        ops=SimpleNamespace(**{name: _recorded(each) for name, each in FUNCTIONS.items()}),
        manual_seed=lambda seed: None,  # JAX draws from keys alone, and nothing here does
    )

    def tensor(self, array: Array, requires_grad: bool = False) -> Tensor:
        with precise():
            return Tensor(np.array(array), requires_grad)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return call_op(self, self.package.ops, name, args, kwargs)

    def numpy(self, tensor: Tensor) -> Array:
        return exported(numpy.asarray(tensor.array))

    def grad(self, tensor: Tensor) -> Array | None:
        return None if tensor.grad is None else exported(numpy.asarray(tensor.grad))

    def backward(self, tensor: Tensor, gradient: Array) -> None:
        tensor.backward(self.tensor(gradient))
