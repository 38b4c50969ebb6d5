"""Whether numba still lets a kernel choose which of LLVM's passes run: a new version may not."""
# ruff: noqa: ANN201 -- kernels return nothing

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from cudagrad.emulator import DeviceArray, cache, cuda, generators, jit
from cudagrad.emulator.library import Library


def swap(x, out):
    shared = cuda.shared.array(2, np.float32)
    t = cuda.threadIdx.x
    shared[t] = x[t]
    cuda.syncthreads()
    out[t] = shared[1 - t]


@pytest.mark.parametrize(
    ("form", "libraries"),
    [(nullcontext, 1), (generators, 2)],  # a generator is compiled before what calls it
    ids=["in step", "together"],
)
def test_a_kernel_is_optimized_once_as_a_whole(form: Any, libraries: int, tmp_path: Path) -> None:
    x, out = (DeviceArray(np.array(numbers, np.float32)) for numbers in ([1, 2], [0, 0]))
    each, whole = Library._optimize_functions, Library._optimize_final_module
    with (
        patch.object(cache, "folder", lambda: tmp_path),  # where nothing is compiled yet
        patch.object(Library, "_optimize_functions", autospec=True, side_effect=each) as added,
        patch.object(Library, "_optimize_final_module", autospec=True, side_effect=whole) as ends,
        form(),
    ):
        jit(swap)[1, 2](x, out)

    assert out.memory.tolist() == [2, 1]
    assert ends.call_count == libraries
    assert added.call_count >= 2  # the kernel's own function, and the entry that calls it
