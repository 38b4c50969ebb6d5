"""bfloat16 is what is stored; numbers are reckoned with as float32, in every op."""

from __future__ import annotations

import copy
import gc
import inspect
import itertools
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cudagrad
from cudagrad import Tensor, bfloat16, device, nn, ops, optim
from cudagrad.autocast import IN_BFLOAT16
from cudagrad.dtypes import result_type
from cudagrad.storage import rounded, widened
from parity.checks.reference import cotangent, transform, variable
from parity.spec import OPS
from parity.spec.case import Case, Op

TWO = bfloat16, np.float32
HALF_STEP = 2.0**-8  # of 8 bits, how far rounding moves a number, relative to it, at most


def to_bfloat16(x: Any) -> np.ndarray:
    return widened(rounded(np.asarray(x)))


def normal(*shape: int) -> np.ndarray:
    return to_bfloat16(np.random.default_rng(sum(shape)).standard_normal(shape))


# Storage


EDGES = [0.0, -0.0, 1.0, 1 + 2.0**-8, 1 + 3 * 2.0**-8, 3.4e38, -3.39e38, 1e-45, 2.0**-133, np.inf]


def test_numbers_are_rounded_as_torch_rounds_them() -> None:
    drawn = np.random.default_rng(0).integers(0, 2**32, 2000, np.uint32).view(np.float32)
    x = np.concatenate([np.array(EDGES, np.float32), drawn])
    want = torch.tensor(x).to(torch.bfloat16).float().numpy()

    with np.errstate(invalid="ignore"):
        assert np.array_equal(to_bfloat16(x), want, equal_nan=True)
    for got in (cudagrad.tensor(x, bfloat16), cudagrad.tensor(cudagrad.tensor(x), bfloat16)):
        assert got.dtype is bfloat16
        assert np.array_equal(got.numpy(), want, equal_nan=True)
        assert np.array_equal(np.signbit(got.numpy()), np.signbit(want)) or np.isnan(want).any()


def test_a_tensor_of_it_says_so() -> None:
    x = cudagrad.tensor([0.1, -2.0], dtype="bfloat16", requires_grad=True)

    assert repr(x) == "tensor([ 0.10009766, -2.        ], dtype=bfloat16, requires_grad=True)"
    assert x.tolist() == [0.10009765625, -2.0]
    assert x[0].item() == 0.10009765625
    assert x.detach().numpy().dtype == np.float32
    assert x.data.dtype.itemsize == 2
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        assert (again.dtype, again.requires_grad, again.tolist()) == (bfloat16, True, x.tolist())


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (1.5, bfloat16),
        (2, bfloat16),
        (cudagrad.tensor([1, 2]), bfloat16),
        (cudagrad.tensor([True, False]), bfloat16),
        (cudagrad.tensor(1.5), bfloat16),
        (cudagrad.tensor([1.5, 2.5]), np.float32),
        (cudagrad.tensor([1.5, 2.5], dtype=float), np.float64),
        (cudagrad.tensor(1.5, dtype=bfloat16), bfloat16),
    ],
)
def test_it_is_promoted_as_in_torch(other: Any, expected: Any) -> None:
    x = cudagrad.tensor([1.0, 3.0], dtype=bfloat16)

    assert (x * other).dtype == (other * x).dtype == expected
    assert result_type(x.data, getattr(other, "data", other)) == expected
    assert (x > other).dtype == bool


def test_a_number_is_not_rounded_before_the_result_is() -> None:
    x = normal(50)
    t = cudagrad.tensor(x, bfloat16)
    number = np.float32(1.2345678)

    assert np.array_equal((t * float(number)).numpy(), to_bfloat16(x * number))
    assert np.array_equal((float(number) - t).numpy(), to_bfloat16(number - x))


def test_new_tensors_may_be_of_it() -> None:
    assert ops.full((2,), 1.1, dtype=bfloat16).tolist() == [1.1015625] * 2
    assert ops.arange(0, 1, 0.25, dtype=bfloat16).tolist() == [0, 0.25, 0.5, 0.75]
    assert ops.ones_like(ops.zeros(2, dtype=bfloat16)).dtype is bfloat16
    x = ops.randn((100,), dtype=bfloat16)
    assert x.dtype is bfloat16
    assert np.array_equal(x.numpy(), to_bfloat16(x.numpy()))
    with pytest.raises(ValueError, match="does not fit into bfloat16"):
        ops.full((2,), 3.4e38, dtype=bfloat16)


def test_numpys_uint16_is_still_no_dtype() -> None:
    x = np.arange(16, dtype=np.uint16)
    for make in (cudagrad.tensor, cudagrad.as_tensor, lambda x: ops.add(cudagrad.tensor(1), x)):
        with pytest.raises(TypeError, match=r"no dtype uint16; there are bool, .*, bfloat16"):
            make(x)
    for dtype in ("uint16", np.uint16):
        with pytest.raises(TypeError, match="no dtype uint16"):
            cudagrad.tensor([1.0], dtype=dtype)


# Beside torch, which rounds one result of float32, too

ELEMENTWISE = {
    "add": lambda x, y: x + y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x, y: -x,
    "relu": lambda x, y: x.relu(),
    "square": lambda x, y: x.square(),
    "maximum": lambda x, y: x.maximum(y),
    "clamp": lambda x, y: x.clamp(-0.5, 0.5),
    "sqrt": lambda x, y: x.abs().sqrt(),
    "sum over rows": lambda x, y: x.sum(0),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_every_bit_is_torchs(name: str) -> None:
    """Of the result, and of the gradient of x; that of y is a sum, in any order."""
    x, y = normal(40, 70), normal(1, 70)
    given = [cudagrad.tensor(a, bfloat16, requires_grad=True) for a in (x, y)]
    known = [torch.tensor(a).to(torch.bfloat16).requires_grad_() for a in (x, y)]
    got, want = ELEMENTWISE[name](*given), ELEMENTWISE[name](*known)
    dout = normal(*want.shape)
    got.backward(dout)
    want.backward(torch.tensor(dout).to(torch.bfloat16))

    assert np.array_equal(got.detach().numpy(), want.detach().float().numpy())
    assert np.array_equal(given[0].grad.numpy(), known[0].grad.float().numpy())


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "sigmoid", "erf", "sin", "rsqrt"])
def test_functions_are_torchs_but_for_the_last_bit(name: str) -> None:
    """Where float32 results that differ in their last bit are on two sides of a tie."""
    x = np.abs(normal(40, 70)) + 0.125
    got = getattr(ops, name)(cudagrad.tensor(x, bfloat16)).numpy()
    want = getattr(torch, name)(torch.tensor(x).to(torch.bfloat16)).float().numpy()

    assert np.all(np.abs(got - want) <= 2 * HALF_STEP * np.abs(want))
    assert np.mean(got != want) < 0.01


@pytest.mark.parametrize("count", [1, 4, 7, 1026])
def test_dropout_leaves_out_what_it_leaves_out_of_float32(count: int) -> None:
    """There and back, of an array that no four divide, too."""
    x, dout = normal(count), normal(1, count)[0]
    found = []
    for dtype in (bfloat16, np.float32):
        cudagrad.manual_seed(count)
        leaf = cudagrad.tensor(x, dtype, requires_grad=True)
        out = ops.dropout(leaf, 0.3)
        out.backward(dout)
        found.append((out, leaf.grad))
    for small, wide in zip(*found, strict=True):
        assert small.dtype is bfloat16
        assert np.array_equal(small.detach().numpy(), to_bfloat16(wide.detach().numpy()))
    out, grad = found[1]
    assert np.array_equal(out.detach().numpy() == 0, grad.numpy() == 0)


# Beside float32

PAIRS = {
    "add": ops.add,
    "add a multiple": lambda x, y: ops.add(x, y, alpha=0.3),
    "sub": ops.sub,
    "mul": ops.mul,
    "mul of a row": lambda x, y: ops.mul(x[0], y),
    "div": ops.div,
    "div downwards": lambda x, y: ops.div(x, y, rounding_mode="floor"),
    "pow": lambda x, y: ops.pow(x.abs(), y),
    "maximum": ops.maximum,
    "clamp": lambda x, y: ops.clamp(x, -0.5, y),
    "clamp between": lambda x, y: ops.clamp(x, y, 1.5),
    "where": lambda x, y: ops.where(x > y, x, y),
    "fused": cudagrad.fuse(lambda x, y: ops.sigmoid(x * y)),
}


def taken(make: Callable[[], Any]) -> tuple[int, int]:
    """How many bytes at most there are besides those of before, and how many launches it takes."""
    make()  # constants are kept for the next time
    before = cudagrad.memory_allocated()
    cudagrad.reset_peak_memory_stats()
    with device.counting() as counts:
        make()
    return cudagrad.max_memory_allocated() - before, counts.launches


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("small_first", [True, False], ids=["small first", "wide first"])
@pytest.mark.parametrize("name", PAIRS)
def test_beside_float32_it_is_read_as_it_is_stored(name: str, small_first: bool) -> None:
    """The result is that of its numbers as float32, to the bit, and nothing else is made."""
    numbers = normal(40, 64), np.random.default_rng(0).standard_normal((40, 64), np.float32)

    def made(dtype: Any) -> list[Tensor]:
        pair = cudagrad.tensor(numbers[0], dtype, True), cudagrad.tensor(numbers[1], None, True)
        out = PAIRS[name](*(pair if small_first else pair[::-1]))
        out.backward(np.random.default_rng(1).standard_normal(out.shape, np.float32))
        return [out.detach(), *(x.grad for x in pair)]

    (out, grad, other_grad), (wide_out, wide_grad, wide_other_grad) = made(bfloat16), made(None)
    for got, want in ((out, wide_out), (other_grad, wide_other_grad)):
        assert got.dtype == want.dtype == np.float32
        assert np.array_equal(got.numpy(), want.numpy(), equal_nan=True)
    assert grad.dtype is bfloat16
    assert np.array_equal(grad.numpy(), to_bfloat16(wide_grad.numpy()), equal_nan=True)
    pairs = [[cudagrad.tensor(numbers[0], dtype), cudagrad.tensor(numbers[1])] for dtype in TWO]
    if not small_first:
        pairs = [pair[::-1] for pair in pairs]
    (most, launches), (wide_most, wide_launches) = (
        taken(lambda pair=pair: PAIRS[name](*pair)) for pair in pairs
    )
    assert most <= wide_most
    assert launches == wide_launches


def test_without_dimensions_it_counts_as_in_torch() -> None:
    small, wide = cudagrad.tensor(1.5, bfloat16), cudagrad.tensor(1 + 2.0**-10)
    for x, y in itertools.product((small, small[None]), (wide, wide[None])):
        want = torch.tensor(x.tolist(), dtype=torch.bfloat16) + torch.tensor(y.tolist())
        for got in (x + y, y + x):
            assert str(want.dtype).endswith(str(got.dtype))
            assert got.tolist() == want.tolist()


# What it is given to


def test_it_is_saved_and_loaded_by_way_of_float32(tmp_path: Path) -> None:
    model = nn.Linear(3, 2).to(bfloat16)
    cudagrad.save(model.state_dict(), tmp_path / "model.safetensors")
    again = nn.Linear(3, 2).to(bfloat16)
    again.load_state_dict(cudagrad.load(tmp_path / "model.safetensors"))

    assert again.weight.dtype is bfloat16
    assert again.weight.tolist() == model.weight.tolist()


@pytest.mark.skipif(device.EXECUTOR == "gpu", reason="torch's arrays on the CPU are shared")
@pytest.mark.parametrize("shape", [(), (2, 3), (0, 2), (1, 40, 1)])
def test_it_is_shared_with_torch_both_ways(shape: tuple[int, ...]) -> None:
    x = cudagrad.tensor(normal(*shape), bfloat16)
    there = torch.from_dlpack(x)
    back = cudagrad.from_dlpack(there)

    assert there.dtype == torch.bfloat16
    assert back.dtype is bfloat16
    assert there.tolist() == back.tolist() == x.tolist()
    if x.numel():
        addresses = [device.executor.address(tensor.data) for tensor in (x, back)]
        assert addresses == [there.data_ptr()] * 2
        there += 1
        assert back.tolist() == x.tolist() == there.tolist()


@pytest.mark.skipif(device.EXECUTOR == "gpu", reason="torch's arrays on the CPU are shared")
def test_what_torch_made_stays_as_long_as_a_tensor_needs_it() -> None:
    source = torch.arange(64, dtype=torch.bfloat16)
    x = cudagrad.from_dlpack(source)
    del source
    gc.collect()
    torch.zeros(64, dtype=torch.bfloat16)  # would take the memory if it were free

    assert x.tolist() == list(range(64))


@pytest.mark.skipif(device.EXECUTOR == "gpu", reason="needs memory of the host")
def test_numpy_has_no_such_dtype() -> None:
    """Nor is what has 16 bits without a sign taken for it."""
    x = cudagrad.tensor(normal(2, 3), bfloat16)
    with pytest.raises(RuntimeError, match="Unsupported dtype in DLTensor"):
        np.from_dlpack(x)
    assert np.from_dlpack(x.float()).tolist() == x.tolist()
    with pytest.raises(TypeError, match="no dtype uint16"):
        cudagrad.from_dlpack(np.zeros(16, np.uint16))
    with pytest.raises(BufferError, match="is not C-contiguous: copy it first"):
        cudagrad.from_dlpack(torch.zeros((2, 3), dtype=torch.bfloat16).T)


def test_optimizers_refuse_it() -> None:
    parameter = nn.Parameter(cudagrad.tensor([1.0], bfloat16))
    optimizer = optim.SGD([parameter], lr=0.1)
    (parameter * 2).sum().backward()
    with pytest.raises(TypeError, match="keep them float32, and train under"):
        optimizer.step()


def test_its_gradients_are_clipped() -> None:
    x = cudagrad.tensor([3.0, 4.0], bfloat16, requires_grad=True)
    x.backward(np.array([3.0, 4.0]))
    norm = nn.utils.clip_grad_norm_([x], 1.0)

    assert norm.item() == 5
    assert x.grad is not None
    assert np.allclose(x.grad.numpy(), [0.6, 0.8], rtol=2 * HALF_STEP)


@pytest.mark.parametrize("scatter", [ops.scatter, ops.scatter_add])
@pytest.mark.parametrize("dtypes", [(np.float32, bfloat16), (bfloat16, np.float32)])
def test_it_is_not_scattered_over_float32(scatter: Any, dtypes: Any) -> None:
    x, src = (cudagrad.tensor([1.0, 2.0], dtype) for dtype in dtypes)
    with pytest.raises(TypeError, match=rf"^{scatter.__name__}: dtypes differ: "):
        scatter(x, 0, cudagrad.tensor([1]), src)
    assert scatter(x, 0, cudagrad.tensor([1]), x).dtype == x.dtype


def test_running_statistics_are_not_of_it() -> None:
    norm = nn.BatchNorm1d(2).to(bfloat16)
    x = cudagrad.tensor(normal(3, 2), bfloat16)
    with pytest.raises(TypeError, match="statistics of bfloat16 would round small steps away"):
        norm(x)
    assert norm.eval()(x).dtype is bfloat16


# Every op


FLOATING = [(op, case) for op in OPS for case in op.cases if not case.chance]


def called(op: Op, case: Case, dtype: Any) -> tuple[list[Tensor], list[Tensor]]:
    """The outputs of a case, and its leaves, of numbers that bfloat16 holds, as dtype."""
    leaves: list[Tensor] = []

    def as_tensor(array: np.ndarray) -> Tensor:
        if array.dtype.kind != "f":
            return cudagrad.tensor(array)
        made = cudagrad.tensor(to_bfloat16(array), dtype, requires_grad=variable(array))
        leaves.append(made)
        return made

    args, kwargs = transform(as_tensor, case.inputs())
    found = getattr(ops, op.name)(*args, **kwargs)
    return list(found) if isinstance(found, tuple | list) else [found], leaves


@pytest.mark.parametrize(("op", "case"), FLOATING, ids=[case.id for _, case in FLOATING])
def test_an_op_of_it_is_that_of_float32_rounded(op: Op, case: Case) -> None:
    try:
        wide, wide_leaves = called(op, case, np.float32)
    except Exception as refused:  # the numbers, once rounded, are not the op's any more
        with pytest.raises(type(refused)):
            called(op, case, bfloat16)
        return
    if keeps_statistics(op, case):
        with pytest.raises(TypeError, match="statistics of bfloat16 would round small steps away"):
            called(op, case, bfloat16)
        return
    small, leaves = called(op, case, bfloat16)
    for number, (got, want) in enumerate(zip(small, wide, strict=True)):
        floating = want.dtype == np.float32 and bool(leaves)
        assert got.dtype == (bfloat16 if floating else want.dtype)
        known = want.detach().numpy()
        # einsum is several ops, of which each is rounded; and products may be summed in any order.
        halves = 4 if op.name == "einsum" else 2 if op.name in IN_BFLOAT16 else 0
        compare(got.detach().numpy(), to_bfloat16(known) if floating else known, halves)
        if want.requires_grad and want.numel():
            assert got.requires_grad
            dout = cotangent(case, number, want.shape)
            for y in (got, want):
                y.backward(cudagrad.tensor(to_bfloat16(dout)), retain_graph=True)
    terms = differences(op, case) if leaves else 0
    for leaf, wide_leaf in zip(leaves, wide_leaves, strict=True):
        assert (leaf.grad is None) == (wide_leaf.grad is None)
        if leaf.grad is not None:
            assert leaf.grad.dtype is bfloat16
            compare(leaf.grad.numpy(), wide_leaf.grad.numpy(), 4, terms)


def keeps_statistics(op: Op, case: Case) -> bool:
    args, kwargs = case.inputs()
    given = inspect.signature(getattr(ops, op.name)).bind_partial(*args).arguments | kwargs
    return bool(given.get("training")) and given.get("running_mean") is not None


def differences(op: Op, case: Case) -> float:
    """How large the numbers are whose differences are gradients, where a rounded one is kept.

    Those of scores are p (dout · value - dout · out), and out has been rounded.
    """
    if op.name != "scaled_dot_product_attention":
        return 0
    args, kwargs = case.inputs()
    query, key, value = (np.abs(x).max(initial=0) for x in args[:3])
    dout = np.abs(cotangent(case, 0, (*args[0].shape[:-1], args[2].shape[-1]))).sum(-1)
    scale = abs(kwargs.get("scale") or max(args[0].shape[-1], 1) ** -0.5)
    return float(dout.max(initial=0) * value * max(1, scale * max(query, key)))


def compare(got: np.ndarray, want: np.ndarray, halves: float, terms: float = 0) -> None:
    """Equal up to so many roundings of the largest number, or of the terms that it is made of."""
    finite = np.isfinite(want)
    assert np.array_equal(np.where(finite, 0, got), np.where(finite, 0, want), equal_nan=True)
    scale = np.abs(want[finite]).max(initial=terms)
    error = np.abs(got[finite].astype(float) - want[finite]).max(initial=0)
    assert error <= halves * HALF_STEP * scale
