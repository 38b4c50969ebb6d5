"""Is all right here? parity's spec, shapes that are large or awkward, and NVIDIA's own checks."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import device, memory, ops
from ..allocator import OutOfMemoryError
from ..engine import Tensor, tensor

LENGTHS = (1, 31, 32, 33, 1023, 1025, 65_537)
MATRICES = ((1, 1, 1), (31, 33, 17), (33, 1, 65), (127, 65, 129), (255, 513, 257), (1023, 1025, 33))
UNITS = 4  # of rounding, times the root of how many numbers are added up
OPS = ("softmax", "layer_norm", "matmul", "cross_entropy", "embedding", "cumsum", "conv2d")
TOOLS = {  # and what each says when nothing is wrong
    "memcheck": "ERROR SUMMARY: 0 errors",
    "racecheck": r"RACECHECK SUMMARY: 0 hazards",
}


@dataclass
class Check:
    """What was checked, and what came of it: passed, failed, or skipped for a reason."""

    name: str
    outcome: str
    detail: str = ""
    seconds: float = 0.0


def parity(whole: bool) -> Check:
    """parity's spec, on this executor, in a process of its own; whole: all of it, else some ops."""
    if importlib.util.find_spec("parity") is None:
        return Check("spec", "skipped", "parity is not installed: pip install -e ./parity")
    # Its command is on no PATH that is sure to be this Python's.
    command = [sys.executable, "-c", "from parity.cli import main; main()", "check"]
    command += ["--engine", "cudagrad", *([] if whole else ["--op", ",".join(OPS)])]
    return _ran("spec", command, r"cudagrad: [1-9]\d* passed, 0 failed")


def sanitized() -> Iterator[Check]:
    """NVIDIA's compute-sanitizer over training steps, and over what tensor cores multiply."""
    tool = shutil.which("compute-sanitizer")
    for name, good in TOOLS.items():
        if device.EXECUTOR != "gpu":
            yield Check(name, "skipped", f"it needs a GPU: {device.describe()}")
        elif tool is None:
            yield Check(name, "skipped", "compute-sanitizer is not installed: it is in CUDA's kit")
        else:
            command = [tool, "--tool", name, "--error-exitcode", "1"]
            if name == "memcheck":  # the driver is asked for functions that it may not have
                command += ["--report-api-errors", "no"]
            yield _ran(name, [*command, sys.executable, "-m", "cudagrad.gpu.step"], good)


def _ran(name: str, command: Sequence[str], good: str) -> Check:
    """What came of a command; it has passed if it says so, in a line that has what is good."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    lines = (done.stdout + done.stderr).strip().splitlines()
    said = [line for line in lines if re.search(good, line)]
    if done.returncode or not said:
        return Check(name, "failed", " ".join(lines[-20:]), seconds)
    return Check(name, "passed", said[-1].strip("= "), seconds)


def shapes(largest: int) -> Iterator[Check]:
    """Ops and their gradients against NumPy in float64, with dims up to largest."""
    for n in LENGTHS:
        if n <= largest:
            yield _of_shapes(f"length {n}", _errors_of_length(n))
    for m, k, n in MATRICES:
        if max(m, k, n) <= largest:
            yield _of_shapes(f"matrices {m} x {k} x {n}", _errors_of_product(m, k, n))


def longest(n: int) -> Check:
    """Ops on arrays of n elements, judged by the last: is any index or address short of bits?"""
    start = time.perf_counter()
    try:
        wrong = [name for name, is_right in _of_last(n) if not is_right]
        outcome, detail = "failed" if wrong else "passed", ", ".join(wrong) or "all is right"
    except OutOfMemoryError as error:
        outcome, detail = "skipped", str(error)
    memory.empty_cache()
    return Check(f"arrays of {n} elements", outcome, detail, time.perf_counter() - start)


def _of_last(n: int) -> Iterator[tuple[str, bool]]:
    """The names of ops, and whether their last element, or what it decides, is right."""
    last = n - 1
    x: Any = ops.arange(n)
    yield "arange", x[last].item() == last
    yield "neg", (-x)[last].item() == -last
    yield "flip", ops.flip(x, 0)[0].item() == last
    yield "argmax", ops.argmax(x).item() == last
    yield "sum", ops.sum(x).item() == n * last // 2
    shares: Any = ops.softmax(ops.zeros(n), 0)
    yield "softmax", abs(shares[last].item() * n - 1) < UNITS * _eps() * np.sqrt(n)


def _of_shapes(name: str, errors: Iterator[tuple[str, float]]) -> Check:
    start = time.perf_counter()
    worst = dict(errors)
    bad = [f"{op} is off by {error:.1f} units" for op, error in worst.items() if not error <= UNITS]
    detail = "; ".join(bad) or f"off by {max(worst.values()):.1f} units at most"
    seconds = time.perf_counter() - start
    return Check(name, "failed" if bad else "passed", detail, seconds)


def _errors_of_length(n: int) -> Iterator[tuple[str, float]]:
    """For rows of a length, the errors in units of rounding."""
    rng = np.random.default_rng(n)
    data, dout = rng.standard_normal((2, 3, n)).astype(np.float32).astype(np.float64)
    z = np.exp(data - data.max(-1, keepdims=True))
    p = z / z.sum(-1, keepdims=True)
    dx = p * (dout - (dout * p).sum(-1, keepdims=True))
    yield from _compared("softmax", lambda x: ops.softmax(x, -1), data, p, dout, dx)
    centred = data - data.mean(-1, keepdims=True)
    scale = 1 / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    y = centred * scale
    inner = dout - dout.mean(-1, keepdims=True) - y * (dout * y).mean(-1, keepdims=True)
    dx = scale * inner
    yield from _compared("layer_norm", lambda x: ops.layer_norm(x, (n,)), data, y, dout, dx)
    yield from _compared("exp", ops.exp, data, np.exp(data), dout, dout * np.exp(data))
    size = np.sqrt(n)
    shares = np.abs(data).sum(-1)
    total = ops.sum(tensor(data.astype(np.float32)), -1).numpy()
    yield "sum", float((np.abs(total - data.sum(-1)) / shares).max() / _eps() / size)
    ids = rng.integers(0, n, 5)
    picked = ops.embedding(tensor(ids), tensor(data.T.astype(np.float32)))
    yield "embedding", 0.0 if (picked.numpy() == data.T[ids]).all() else float("inf")


def _compared(
    name: str,
    function: Callable[[Tensor], Tensor],
    data: np.ndarray[Any, Any],
    value: np.ndarray[Any, Any],
    dout: np.ndarray[Any, Any],
    dx: np.ndarray[Any, Any],
) -> Iterator[tuple[str, float]]:
    x = tensor(data.astype(np.float32), requires_grad=True)
    y = function(x)
    y.backward(dout.astype(np.float32))
    assert x.grad is not None
    length = np.sqrt(data.shape[-1])
    for what, own, right in ((name, y.detach(), value), (f"{name}'s gradient", x.grad, dx)):
        largest = np.abs(right).max() or 1.0
        yield what, float(np.abs(own.numpy() - right).max() / largest / _eps() / length)


def _errors_of_product(m: int, k: int, n: int) -> Iterator[tuple[str, float]]:
    rng = np.random.default_rng(m * k * n)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((m, k), (k, n)))
    dout = rng.standard_normal((m, n)).astype(np.float32)
    x, y = tensor(a, requires_grad=True), tensor(b, requires_grad=True)
    out = ops.matmul(x, y)
    out.backward(dout)
    assert x.grad is not None
    assert y.grad is not None
    for name, own, left, right in (
        ("matmul", out.detach(), a, b),
        ("matmul's gradient by x", x.grad, dout, b.T),
        ("matmul's gradient by other", y.grad, a.T, dout),
    ):
        exact = left.astype(np.float64) @ right.astype(np.float64)
        size = np.abs(left).astype(np.float64) @ np.abs(right)  # what rounding is relative to
        error = (np.abs(own.numpy() - exact) / size).max()
        yield name, float(error / _eps() / np.sqrt(left.shape[1]))


def _eps() -> float:
    return float(np.finfo(np.float32).eps)
