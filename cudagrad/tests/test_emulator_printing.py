"""print in kernels, and arrays from around them: on the emulator and under the checker."""
# ruff: noqa: ANN201 -- kernels return nothing

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import pytest

from cudagrad.checker import check
from cudagrad.emulator import DeviceArray, cuda, empty, generators, jit, order

TABLE = np.array([[1.5, math.inf, -2.0], [3.0, 4.0, 5.0]], np.float32)
BITS = np.array([2**64 - 1, 7], np.uint64)
CHANGING = np.array([1.0])


def emulated(kernel: Any, *arrays: Any) -> None:
    jit(kernel)[1, len(arrays[0])](*map(DeviceArray, arrays))


def checked(kernel: Any, *arrays: Any) -> None:
    check(kernel)[1, len(arrays[0])](*arrays)


both = pytest.mark.parametrize("run", [emulated, checked])


def prints(x, out):
    i = cuda.grid(1)
    value = x[i]
    print("100%", i, value, value > 1, (i, -value), (1,), cuda.threadIdx, BITS[0], x.shape, 0.1)
    out[i] = value


@both
def test_a_line_is_in_the_format_of_a_gpu(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out = np.zeros(2, np.float32)
    run(prints, np.array([0.5, 2], np.float32), out)

    assert out.tolist() == [0.5, 2]
    assert capsys.readouterr().out.splitlines() == [
        "100% 0 0.500000 False (0, -0.500000) (1,) (0, 0, 0) 18446744073709551615 (2,) 0.100000",
        "100% 1 2.000000 True (1, -2.000000) (1,) (1, 0, 0) 18446744073709551615 (2,) 0.100000",
    ]


def prints_around_a_barrier(x, out):
    shared = cuda.shared.array(2, np.float32)
    i = cuda.grid(1)
    shared[i] = x[i]
    print("before", i)
    cuda.syncthreads()
    print()
    out[i] = shared[1 - i]


@pytest.mark.parametrize("form", [contextlib.nullcontext, generators])
def test_threads_print_in_the_order_in_which_they_run(
    form: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, first in (("forward", 0), ("reversed", 1)):
        with form(), order(name):
            emulated(prints_around_a_barrier, np.ones(2, np.float32), np.zeros(2, np.float32))
        assert capsys.readouterr().out == f"before {first}\nbefore {1 - first}\n\n\n"


def looks_up(x, out):
    i = cuda.grid(1)
    row = TABLE[1]
    table = cuda.const.array_like(TABLE)
    out[i] = TABLE[0, i] + row[i] + table[1, 2 - i] + len(TABLE) + TABLE.shape[1] + TABLE.size


@both
def test_arrays_from_around_a_kernel_are_constants(run: Any) -> None:
    out = np.zeros(3)
    run(looks_up, np.zeros(3), out)

    assert out.tolist() == [1.5 + 3 + 5 + 11, math.inf, -2.0 + 5 + 3 + 11]


@jit(device=True)
def told(i):
    print("told", i)
    return TABLE[1, i]


def asks(x, out):
    i = cuda.grid(1)
    out[i] = told(i)


@both
def test_device_functions_print_and_look_up(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    out = np.zeros(2)
    run(asks, np.zeros(2), out)

    assert out.tolist() == [3, 4]
    assert capsys.readouterr().out == "told 0\ntold 1\n"


def reads_changing(x, out):
    out[cuda.grid(1)] = CHANGING[0]


@pytest.mark.parametrize("make", [jit, check])
def test_of_such_an_array_the_first_launch_counts(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel, found = make(reads_changing), []
    monkeypatch.setitem(globals(), "CHANGING", np.array([1.0]))
    for number in (1.0, 2.0):
        CHANGING[0] = number
        out = np.zeros(1)
        kernel[1, 1](*(a if make is check else DeviceArray(a) for a in (out.copy(), out)))
        found.append(out[0])

    assert found == [1, 1]


def test_another_kernel_sees_the_array_as_it_is_by_then() -> None:
    for number in (3.0, 4.0):
        CHANGING[0] = number
        out = empty((1,), np.float64)
        jit(reads_changing)[1, 1](out, out)
        assert out.memory[0] == number
