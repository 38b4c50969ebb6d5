"""Run under CUDAGRAD_DEVICE=checker: small cases of every op, and a GPT's training step.

python run_under_checker.py float32, float64 or bfloat16 prints the launches that ran, in that dtype
and in what it mixes with, as cudagrad.compile's table has them, or fails with what the checker has
found.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any
from unittest import mock

import numpy as np
from recording import recorded

from cudagrad import arrays, bfloat16, device, engine, gpt, nn, ops, optim, windows
from cudagrad.compile.table import Launch
from cudagrad.kernels import attention, convolution
from cudagrad.kernels.matmul import LADDER, STORED, TILED
from cudagrad.kernels.row import LONGEST
from cudagrad.storage import BFLOAT16, rounded, widened
from parity import engines
from parity.checks import run
from parity.checks.items import applicable
from parity.spec import OPS
from parity.spec.case import Case

SIZE = 60  # elements that a case has at most


def size(case: Case) -> int:
    args, kwargs = case.inputs()
    flat = [part for arg in (*args, *kwargs.values()) for part in _parts(arg)]
    return sum(np.size(part) for part in flat)


def _parts(value: object) -> list[object]:
    if isinstance(value, list | tuple):
        return [part for each in value for part in _parts(each)]
    return [value] if isinstance(value, np.ndarray) else []


def main(name: str) -> None:
    assert device.EXECUTOR == "checker"
    seen: set[Launch] = set()
    with recorded(seen):
        if name == "bfloat16":
            attend(bfloat16)
            reckon_stored()
            multiply_stored()
            convolve(BFLOAT16)
        else:
            dtype = np.dtype(name)
            compare(name)
            more(dtype)
            attend(dtype)
            multiply(dtype)
            convolve(dtype)
            train(dtype)
    print(*sorted(map(str, seen)), sep="\n")


def compare(dtype: str) -> None:
    """Exit if the checker, or torch, has something against a small case."""
    adapter, failed = engines.load("cudagrad"), False
    for op in OPS:
        for case in op.cases:
            if case.chance or not 1 < size(case) <= SIZE:
                continue
            checks = applicable(op, case).keys()
            for check in {"backward"} & checks or {"forward"} & checks:  # the one runs the other
                result = run(adapter, op, case, check, dtype)
                if result.status == "failed":
                    print(result.traceback, result.failure, flush=True)
                    failed = True
    if failed:
        raise SystemExit(1)


def more(dtype: np.dtype[Any]) -> None:
    """What small cases of the spec leave out."""
    ops.sort(ops.arange(100))
    for descending in (False, True):
        ops.sort(ops.arange(100, dtype=dtype), descending=descending)
    for kind in (dtype, np.dtype(np.int64)):
        ops.permute(engine.tensor(np.ones((3, 2, 4), kind)), (1, 0, 2))
    fours = engine.tensor(np.ones((2, 8), dtype), requires_grad=True)
    fours[:, 4:].sum().backward()
    for kind in (dtype, bfloat16):
        nn.init.uniform_(ops.randn((3,), dtype=kind))
    x = engine.tensor(np.ones((2, 5), dtype), requires_grad=True)
    ops.dropout(ops.add(x, engine.tensor(np.ones(5))), 0.5).sum().backward()
    row = engine.tensor(np.ones((1, LONGEST + 1), dtype), requires_grad=True)
    ops.layer_norm(row, (LONGEST + 1,)).sum().backward()
    ops.log_softmax(ops.softmax(row, -1), -1).sum().backward()


def attend(dtype: Any) -> None:
    """Attention by heads of every width that has a kernel, and wider; by masks of each kind.

    In tiles of either size: larger ones are for many matrices.
    """
    rng = np.random.default_rng(0)
    for width, processors in itertools.product((3, 16, 32, 64, 65, 129), (1, 1000)):
        attention.forward.processors = lambda processors=processors: processors
        q, k, v, mask = (
            engine.tensor(rng.standard_normal(shape), dtype, requires_grad=True)
            for shape in ((1, 3, width), (1, 4, width), (1, 4, width), (3, 4))
        )
        ops.scaled_dot_product_attention(q, k, v, mask).sum().backward()
        ops.scaled_dot_product_attention(q, k, v, np.tri(3, 4, dtype=bool)).sum().backward()
        ops.scaled_dot_product_attention(q, k, v, is_causal=True).sum().backward()


def multiply(dtype: np.dtype[Any]) -> None:
    """Products that no tile divides, singly and by fours, by every rung for every layout."""
    rng = np.random.default_rng(0)
    for m, k, n, a_swapped, b_swapped in (
        *((33, 17, 35, False, False), (33, 20, 36, False, False), (33, 20, 35, False, True)),
        *((36, 17, 36, True, False), (36, 20, 35, True, True)),
    ):
        a, b = (rng.standard_normal(shape).astype(dtype) for shape in ((1, m, k), (1, k, n)))
        pairs = (a, a_swapped), (b, b_swapped)
        both = [device.to_device(x.swapaxes(1, 2) if swapped else x) for x, swapped in pairs]
        for rung in LADDER:
            if dtype.type in rung.dtypes and (rung.by_layout or not b_swapped):
                out = device.empty((1, m, n), dtype)
                rung.launch(*both, out, a_swapped=a_swapped, b_swapped=b_swapped)
                assert np.allclose(device.to_host(out), a @ b, atol=0.2)


def multiply_stored() -> None:
    """Products of bfloat16 in every layout, written as it and as float32; maps and copies of it."""
    rng = np.random.default_rng(0)
    for m, k, n, dtype in ((33, 17, 35, BFLOAT16), (40, 40, 40, np.dtype(np.float32))):
        numbers = (rng.standard_normal(shape) for shape in ((1, m, k), (1, k, n)))
        a, b = (widened(rounded(x)) for x in numbers)
        for rung, a_swapped, b_swapped in itertools.product(
            (TILED, STORED), (False, True), (False, True)
        ):
            out = device.empty((1, m, n), dtype)
            stored = (
                device.to_device(rounded(x.swapaxes(1, 2) if swapped else x))
                for x, swapped in ((a, a_swapped), (b, b_swapped))
            )
            rung.launch(*stored, out, a_swapped=a_swapped, b_swapped=b_swapped)
            assert np.allclose(arrays.to_host(out), a @ b, atol=0.1)
    x = ops.full((2, 3), 0.5, dtype=bfloat16, requires_grad=True)
    wide = engine.tensor(np.ones((2, 3), np.float32), requires_grad=True)
    (wide + (ops.gelu(x, "tanh") + x)).sum().backward()
    turned = arrays.copy_from(x.data, 0, (3, 2), (1, 3))
    arrays.copy_into(turned, x.data, 0, (1, 3))


def reckon_stored() -> None:
    """What reads bfloat16 as it is stored, of rows by fours and others, held and longer."""
    for length in (5, 8, LONGEST + 1):
        x = ops.full((2, length), 0.5, dtype=bfloat16, requires_grad=True)
        weight = engine.tensor(np.ones(length), bfloat16, requires_grad=True)
        ops.layer_norm(ops.dropout(x, 0.5), (length,), weight, weight).sum().backward()
        ops.rms_norm(x, (length,), weight).sum().backward()
        ops.cross_entropy(x, np.arange(2)).backward()
        ops.log_softmax(ops.softmax(x, -1), -1).sum().backward()
    fours = ops.full((3, 2, 8), 0.5, dtype=bfloat16, requires_grad=True)
    ops.permute(fours, (1, 0, 2))[:, :, 4:].sum().backward()
    two = BFLOAT16, arrays.FLOAT32
    for kind, dtype, dim in itertools.product(two, two, (0, 1)):
        arrays.total(arrays.full((5, 6), 0.5, kind), (dim,), dtype=dtype)
    arrays.add_at(arrays.full((2, 3, 2), 0.5, BFLOAT16), arrays.zeros((3,), arrays.INT), 2)
    pooled = ops.full((2, 4, 5), 0.5, dtype=bfloat16, requires_grad=True)
    (ops.max_pool2d(pooled, 2) + ops.avg_pool2d(pooled, 2)).sum().backward()
    images = ops.full((2, 3, 2), 0.5, dtype=bfloat16, requires_grad=True)
    ops.cross_entropy(images, np.ones((2, 2), np.int64)).backward()


def convolve(dtype: np.dtype[Any]) -> None:
    """Windows that no tile divides, by tiles; and sums in parts."""
    rng = np.random.default_rng(0)
    geometry = (1, 2), (1, 0), (1, 2)
    x_shape, weight_shape, shape = (2, 4, 3, 7), (6, 2, 2, 2), (2, 6, 4, 3)
    x, weight, dout = (
        device.to_device(rounded(numbers) if dtype == BFLOAT16 else numbers.astype(dtype))
        for numbers in map(rng.standard_normal, (x_shape, weight_shape, shape))
    )
    with mock.patch.multiple(convolution, ENOUGH=1, PART=16):
        made = []
        for processors in (np.inf, 0):
            with mock.patch.object(device, "processors", lambda least=processors: least):
                made.append(
                    (
                        windows.convolved(x, weight, None, 2, geometry, shape),
                        windows.convolved_dx(dout, weight, 2, geometry, x_shape),
                        windows.convolved_dweight(x, dout, 2, geometry, weight_shape),
                    )
                )
        for one, other in zip(*made, strict=True):
            assert np.allclose(arrays.to_host(one), arrays.to_host(other), atol=1e-5)


def train(dtype: np.dtype[Any]) -> None:
    """A step of a small GPT, and one by each optimizer."""
    model = gpt.GPT(gpt.GPTConfig(7, 3, 1, 2, 4, dropout=0.1))
    idx = np.arange(6).reshape(2, 3)
    _, loss = model(idx, idx)
    assert loss is not None
    loss.backward()
    optim.AdamW(model.parameters()).step()
    model.eval()
    model.generate(idx[:1, :2], 2)
    weight = nn.Parameter(engine.tensor(np.ones((2, 5), dtype)))
    for optimizer in (
        optim.SGD([weight], lr=0.1, momentum=0.9),
        optim.Adagrad([weight]),
        optim.RMSprop([weight], momentum=0.9, centered=True),
        optim.AdamW([weight], amsgrad=True),
    ):
        ops.square(weight).sum().backward()
        nn.utils.clip_grad_norm_([weight], 1.0)
        optimizer.step()
    assert np.isfinite(weight.detach().numpy()).all()


if __name__ == "__main__":
    main(sys.argv[1])
