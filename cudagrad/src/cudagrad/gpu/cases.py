"""What is measured. A case is written once, for whoever has tensors and torch's functions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

Arrays = list[Any]  # tensors of whichever package runs the case
Run = Callable[[], Arrays]
Build = Callable[..., Run]  # for a contestant
Call = Callable[..., Any]  # of functions by torch's names, and operands


class Contestant(Protocol):
    """cudagrad or torch, in torch's words."""

    name: str
    ops: Any  # functions by torch's names: softmax, layer_norm …

    def tensor(self, data: np.ndarray[Any, Any], requires_grad: bool = False) -> Any: ...

    def numpy(self, tensor: Any) -> np.ndarray[Any, Any]: ...

    def fused(self, call: Call) -> Call:
        """call on the contestant's functions, of operands alone; as one kernel if that can be."""

    def adamw(self, parameters: Sequence[Any]) -> Any: ...

    def gpt(self, sizes: GPTSizes, as_graph: bool) -> Run:
        """A training step of a GPT, that returns its loss."""


@dataclass(frozen=True)
class GPTSizes:
    """A GPT and its batch."""

    name: str
    n_layer: int
    n_head: int
    n_embd: int
    block_size: int
    batch_size: int
    dropout: float = 0.0
    vocab_size: int = 65

    @property
    def flops(self) -> float:
        """Of a step: 6 for each weight of a matrix and token, and attention's two products.

        Kaplan et al. 2020, https://arxiv.org/abs/2001.08361, table 1, without the causal half.
        """
        weights = 12 * self.n_layer * self.n_embd**2 + self.vocab_size * self.n_embd
        per_token = 6 * weights + 12 * self.n_layer * self.block_size * self.n_embd
        return float(per_token * self.batch_size * self.block_size)


@dataclass(frozen=True)
class Case:
    """build makes a run for a contestant, which returns what can be compared.

    bytes: that must be moved at least; flops: that must be done. 0: not what limits it.
    precisions: in which float32 is multiplied; "autocast": what gains by it is bfloat16. as_graph:
    the run can be a graph.
    """

    name: str
    size: str
    build: Build
    bytes: float = 0
    flops: float = 0
    precisions: tuple[str, ...] = ("float32",)
    as_graph: bool = False
    tolerance: float = 1e-3  # of the largest number, between contestants; a guard, not a test
    side: int = 0  # of the matrices, where a ladder of kernels multiplies them too
    is_attention: bool = False  # torch has several ways for it, of which one stores all scores


@dataclass(frozen=True)
class Scale:
    """The sizes of all cases."""

    elements: int
    rows: tuple[int, int]
    classes: tuple[int, int]
    products: tuple[int, ...]
    contexts: tuple[int, ...]
    images: tuple[int, int, int]  # how many, channels, side
    parameters: int
    gpts: tuple[GPTSizes, ...]


CPU = GPTSizes("cpu", 4, 4, 128, 64, 12)
BABY = GPTSizes("baby", 6, 6, 384, 256, 64, dropout=0.2)
SCALES = {
    "full": Scale(
        1 << 26,
        (16384, 4096),
        (4096, 50257),
        (1024, 2048, 4096),
        (1024, 4096),
        (32, 64, 56),
        1 << 26,
        (CPU, BABY),
    ),
    "small": Scale(
        1 << 18,
        (256, 512),
        (16, 50257),
        (64, 128),
        (64, 128),
        (2, 4, 12),
        1 << 16,
        (GPTSizes("tiny", 1, 2, 16, 8, 4),),
    ),
    "mini": Scale(
        1 << 10,
        (4, 32),
        (3, 101),
        (16,),
        (16,),
        (1, 2, 5),
        1 << 8,
        (GPTSizes("tiny", 1, 1, 4, 4, 2),),
    ),
}
ALL = ("float32", "tf32", "bfloat16")
HEADS, WIDTH = 8, 64  # of attention
FLOAT = 4  # bytes


def cases(scale: Scale) -> Iterator[Case]:
    """Every case, at the sizes of a scale; what a gradient moves and does is with its forward."""
    n, moved = scale.elements, float(FLOAT * scale.elements)
    yield Case("add", f"{n}", _forward(lambda ops, x, y: ops.add(x, y), (n,), (n,)), 3 * moved)
    # Backward reads what forward read or wrote, and dout, and writes dx: 3, after its 2.
    yield from _both("gelu", f"{n}", lambda ops, x: ops.gelu(x), (n,), moved=2 * moved, times=2.5)

    # Backward reads the operands and dout, and writes three gradients: 7, after its 4.
    shapes = ((n,),) * 3
    yield from _both("fused chain", f"{n}", _highway, *shapes, moved=4 * moved, times=2.75)

    rows, columns = shape = scale.rows
    size, cost = f"{rows} x {columns}", {"moved": 2.0 * FLOAT * rows * columns, "times": 2.5}
    yield from _both("softmax", size, lambda ops, x: ops.softmax(x, dim=-1), shape, **cost)

    def layer_norm(ops: Any, x: Any, weight: Any, bias: Any) -> Any:
        return ops.layer_norm(x, (columns,), weight, bias)

    yield from _both("layer_norm", size, layer_norm, shape, (columns,), (columns,), **cost)

    rows, classes = scale.classes
    size, moved = f"{rows} x {classes}", float(FLOAT * rows * classes)
    yield Case("cross_entropy", size, _cross_entropy(rows, classes, False), moved)
    yield Case("cross_entropy, and backward", size, _cross_entropy(rows, classes, True), 3 * moved)

    for n in scale.products:
        build = _forward(lambda ops, x, y: ops.matmul(x, y), (n, n), (n, n))
        yield Case("matmul", f"{n}", build, 0, 2.0 * n**3, ALL, tolerance=2e-2, side=n)
        build, only = _stored((n, n), (n, n)), ("bfloat16",)
        yield Case("matmul, bfloat16 in memory", f"{n}", build, 0, 2.0 * n**3, only, tolerance=2e-2)

    for length in scale.contexts:
        heads = ((1, HEADS, length, WIDTH),) * 3
        flops = 2.0 * HEADS * length**2 * WIDTH  # of two products, half of which is masked
        size = f"{HEADS} heads, T = {length}"
        yield from _both("attention", size, _attention, *heads, flops=flops, times=3.5)

    def conv2d(ops: Any, x: Any, weight: Any) -> Any:
        return ops.conv2d(x, weight, padding=1)

    count, channels, side = scale.images
    size = f"{count} x {channels} x {side} x {side}, 3 x 3"
    images, filters = (count, channels, side, side), (channels, channels, 3, 3)
    flops = 2.0 * count * channels**2 * 9 * side**2
    yield from _both("conv2d", size, conv2d, images, filters, flops=flops, times=3)

    n = scale.parameters  # read with gradient and two moments, written with the moments
    yield Case("AdamW", f"{n}", _adamw(n), 7.0 * FLOAT * n)

    for gpt in scale.gpts:
        layers = "1 layer" if gpt.n_layer == 1 else f"{gpt.n_layer} layers"
        size = f"{gpt.name}: {layers} of {gpt.n_embd}, batch {gpt.batch_size}"
        precisions = *ALL, "autocast"
        yield Case(
            "GPT step", size, _gpt(gpt), 0, gpt.flops, precisions, as_graph=True, tolerance=0.1
        )


def _attention(ops: Any, query: Any, key: Any, value: Any) -> Any:
    return ops.scaled_dot_product_attention(query, key, value, is_causal=True)


def _highway(ops: Any, gate: Any, x: Any, y: Any) -> Any:
    """What a gate, as a GRU's, lets through of two: torch's eager mode runs five kernels."""
    share = ops.sigmoid(gate)
    return share * x + (1 - share) * y


def _both(
    name: str,
    size: str,
    call: Call,
    *shapes: Sequence[int],
    times: float,
    moved: float = 0,
    flops: float = 0,
) -> Iterator[Case]:
    """A forward alone, and with its backward, which together cost so many times as much."""
    is_attention = call is _attention
    yield Case(name, size, _forward(call, *shapes), moved, flops, is_attention=is_attention)
    build, name = _backward(call, *shapes), f"{name}, and backward"
    yield Case(name, size, build, times * moved, times * flops, is_attention=is_attention)


def _numbers(index: int, shape: Sequence[int]) -> np.ndarray[Any, Any]:
    return np.random.default_rng(index).standard_normal(shape, np.float32)


def _function(contestant: Contestant, call: Call) -> Call:
    return contestant.fused(call) if call is _highway else functools.partial(call, contestant.ops)


def _forward(call: Call, *shapes: Sequence[int]) -> Build:
    """A run of call, on functions and tensors of these shapes."""

    def build(contestant: Contestant) -> Run:
        operands = [contestant.tensor(_numbers(i, shape)) for i, shape in enumerate(shapes)]
        function = _function(contestant, call)
        return lambda: [function(*operands)]

    return build


def _stored(*shapes: Sequence[int]) -> Build:
    """A product of two matrices that are bfloat16 already."""

    def build(contestant: Contestant) -> Run:
        numbers = [_numbers(i, shape) for i, shape in enumerate(shapes)]
        operands = [contestant.tensor(x).bfloat16() for x in numbers]
        return lambda: [contestant.ops.matmul(*operands)]

    return build


def _backward(call: Call, *shapes: Sequence[int]) -> Build:
    """The same, and its gradients."""

    def build(contestant: Contestant) -> Run:
        operands = [contestant.tensor(_numbers(i, shape), True) for i, shape in enumerate(shapes)]
        function = _function(contestant, call)
        form = function(*operands).shape
        dout = contestant.tensor(_numbers(len(shapes), tuple(form)))

        def run() -> Arrays:
            for x in operands:
                x.grad = None
            function(*operands).backward(dout)
            return [x.grad for x in operands]

        return run

    return build


def _cross_entropy(rows: int, classes: int, backward: bool) -> Build:
    def build(contestant: Contestant) -> Run:
        logits = contestant.tensor(_numbers(0, (rows, classes)), backward)
        targets = contestant.tensor(np.random.default_rng(1).integers(0, classes, rows))

        def run() -> Arrays:
            logits.grad = None
            loss = contestant.ops.cross_entropy(logits, targets)
            if not backward:
                return [loss]
            loss.backward()
            return [logits.grad]

        return run

    return build


def _adamw(n: int) -> Build:
    def build(contestant: Contestant) -> Run:
        parameter = contestant.tensor(_numbers(0, (n,)), True)
        parameter.grad = contestant.tensor(_numbers(1, (n,)))
        optimizer = contestant.adamw([parameter])

        def run() -> Arrays:
            optimizer.step()
            return [parameter]

        return run

    return build


def _gpt(sizes: GPTSizes) -> Build:
    return lambda contestant, as_graph=False: contestant.gpt(sizes, as_graph)


def tokens(sizes: GPTSizes) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """A batch of inputs and targets."""
    shape = sizes.batch_size, sizes.block_size + 1
    drawn = np.random.default_rng(0).integers(0, sizes.vocab_size, shape)
    return drawn[:, :-1].copy(), drawn[:, 1:].copy()


def weights(sizes: GPTSizes) -> dict[str, np.ndarray[Any, Any]]:
    """Initial weights by the names of GPT-2, drawn here so that every contestant has the same."""
    C, depth = sizes.n_embd, math.sqrt(2 * sizes.n_layer)
    found: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (sizes.vocab_size, C)}
    found["transformer.wpe.weight"] = (sizes.block_size, C)
    for i in range(sizes.n_layer):
        parts: dict[str, tuple[int, ...]] = {"ln_1": (C,)}
        parts |= {"attn.c_attn": (3 * C, C), "attn.c_proj": (C, C)}
        parts |= {"ln_2": (C,), "mlp.c_fc": (4 * C, C), "mlp.c_proj": (C, 4 * C)}
        for part, shape in parts.items():
            found[f"transformer.h.{i}.{part}.weight"] = shape
            found[f"transformer.h.{i}.{part}.bias"] = shape[:1]
    found |= {"transformer.ln_f.weight": (C,), "transformer.ln_f.bias": (C,)}
    made: dict[str, np.ndarray[Any, Any]] = {}
    for index, (name, shape) in enumerate(found.items()):
        if len(shape) == 1:
            made[name] = np.full(shape, name.endswith("weight"), np.float32)
        else:
            std = 0.02 / (depth if "c_proj" in name else 1)
            made[name] = np.float32(std) * _numbers(index, shape)
    return made
