"""The code of cudagrad/docs/emulator.md: its kernels, and what the emulator makes of them.

python cudagrad/tests/emulator_page.py writes into the page what stands below each of its comments
`<!-- made: name -->`; a test says if that is stale.
"""
# ruff: noqa: ANN201 -- kernels return nothing

from __future__ import annotations

import inspect
import re
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from cudagrad.emulator import DeviceArray, cache, cuda, empty, fission, generators, jit, order

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "cudagrad" / "docs" / "emulator.md"
BLOCK = re.compile(r"(?<=<!-- made: )(\w+)( -->\n```\w+\n)(.*?)(?=```)", re.DOTALL)
VECTORS = (("f", 1), ("f", 1))  # the kinds of two arrays of float32 with one axis


@jit
def center(x, out):
    sums = cuda.shared.array(4, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    value = x[i]
    sums[t] = value
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if t < half:
            other = sums[t + half]
            sums[t] += other
        cuda.syncthreads()
        half //= 2
    out[i] = value - sums[0] / np.float32(4)


@jit
def under_if(x, out):
    i = cuda.grid(1)
    if i < x.size:
        cuda.syncthreads()
        out[i] = x[i]


@jit
def two_rounds(x, out):
    shared = cuda.shared.array(4, np.float32)
    t = cuda.threadIdx.x
    for j in range(2):
        shared[t] = x[4 * j + t]
        cuda.syncthreads()
        out[4 * j + t] = shared[3 - t]


@jit
def unwritten(x, out):
    shared = cuda.shared.array(4, np.float32)
    t = cuda.threadIdx.x
    if t > 0:
        shared[t] = x[t]
    cuda.syncthreads()
    out[t] = shared[3 - t]


def source(kernel: Any) -> str:
    return inspect.getsource(kernel.function)


def ran(kernel: Any, size: int) -> str:
    """What a block of 4 threads makes of 0, 1, 2, …, or the error that it ends with."""
    x, out = DeviceArray(np.arange(size, dtype=np.float32)), empty((8,), np.float32)
    try:
        kernel[1, 4](x, out)
    except Exception as error:
        return f"{type(error).__name__}: {error}".replace(f"{ROOT}/", "")
    return str(out.memory[: max(size, 4)].tolist())


def in_orders(kernel: Any, size: int) -> str:
    lines = []
    for name in ("forward", "reversed"):
        with order(name):
            lines.append(f"{name}: {ran(kernel, size)}")
    return "\n".join(lines)


def without_the_check(kernel: Any, size: int) -> str:
    """What a kernel computes in two orders if it is cut whether or not a barrier is missing.

    It is compiled into a folder of its own, and its module forgotten: neither must be found where
    the right one is looked for.
    """
    modules = dict(sys.modules)
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(cache, "folder", lambda: Path(folder)),
        patch.object(fission, "missing_barrier", lambda *_: ""),
    ):
        found = in_orders(jit(kernel.function), size)
    sys.modules.update(modules)
    return found


def made() -> dict[str, str]:
    """The text of every block, by name."""
    with generators():
        generator = center.form(VECTORS).text
    kernels = (center, under_if, two_rounds, unwritten)
    blocks = {f"{kernel.function.__name__}_source": source(kernel) for kernel in kernels}
    blocks |= {
        "center_together": generator,
        "center_in_step": center.form(VECTORS).text,
        "under_if_why": under_if.form(VECTORS).why,
        "two_rounds_why": two_rounds.form(VECTORS).why,
    }
    with order("forward"):
        blocks |= {
            "under_if_error": ran(under_if, 3),
            "center_error": ran(center, 3),
            "unwritten_ran": ran(unwritten, 4),
        }
    blocks["two_rounds_ran"] = in_orders(two_rounds, 8)
    blocks["two_rounds_cut"] = without_the_check(two_rounds, 8)
    return {name: text.rstrip() + "\n" for name, text in blocks.items()}


def filled(page: str) -> str:
    """The page with all blocks as they are made now."""
    blocks = made()
    return BLOCK.sub(lambda found: f"{found[1]}{found[2]}{blocks[found[1]]}", page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
