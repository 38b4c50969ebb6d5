"""Numbers under the checker have the types that numba gives them, and wrap around as there."""

from __future__ import annotations

import itertools
import math
import operator
from typing import Any

import numpy as np
import pytest

from cudagrad import emulator
from cudagrad.checker import check, numbers
from cudagrad.emulator import DeviceArray, cuda

INTEGERS = (np.int32, np.int64, np.uint32, np.uint64)
REALS = (np.float32, np.float64)
OPERATORS = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "Div": operator.truediv,
    "FloorDiv": operator.floordiv,
    "Mod": operator.mod,
    "LShift": operator.lshift,
    "RShift": operator.rshift,
    "BitAnd": operator.and_,
    "BitOr": operator.or_,
    "BitXor": operator.xor,
}


@pytest.mark.parametrize(
    ("name", "a", "b", "kind"),
    [
        ("Add", np.int32, np.int32, np.int64),
        ("Add", np.int64, np.uint32, np.int64),
        ("Mult", np.uint32, np.uint32, np.uint64),
        ("Mult", np.float32, np.float64, np.float64),
        ("Mult", np.float32, np.int64, np.float64),
        ("Div", np.int64, np.int64, np.float64),
        ("LShift", np.uint32, np.uint32, np.uint64),
        ("RShift", np.int64, np.uint64, np.int64),
        ("BitAnd", np.bool_, np.bool_, np.bool_),
    ],
)
def test_operators_have_the_types_of_numba(name: str, a: Any, b: Any, kind: type) -> None:
    assert type(numbers.OPERATORS[name](a(1), b(1))) is kind


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_takes_all_numbers(name: str) -> None:
    bits = name in ("LShift", "RShift", "BitAnd", "BitOr", "BitXor")
    for a, b in itertools.product(INTEGERS if bits else (np.bool_, *INTEGERS, *REALS), repeat=2):
        assert numbers.OPERATORS[name](a(1), b(1)) == OPERATORS[name](1, 1), (a, b)


def test_what_numba_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="lshift is not for float32, int64"):
        numbers.OPERATORS["LShift"](np.float32(1), np.int64(1))


def test_functions_of_math_raise_nothing() -> None:
    with np.errstate(all="ignore"):
        assert numbers.of_math(math.exp)(np.float32(1000)) == math.inf
        assert numbers.of_math(math.log)(np.float64(0)) == -math.inf
        assert np.isnan(numbers.of_math(math.sqrt)(np.float32(-1)))
        assert numbers.of_math(math.gamma)(np.float64(1000)) == math.inf
        assert np.isnan(numbers.of_math(math.gamma)(np.float64(-1)))


def mixed(x, i, out) -> None:
    """Numbers whose type shows in their value."""
    t = cuda.threadIdx.x
    out[0] = 0.1 * x[t]  # float64
    out[1] = np.float32(0.1) * x[t]  # float32
    out[2] = i[t] + i[t]  # int64, of int32
    out[3] = np.uint32(i[t]) * np.uint32(i[t])  # uint64
    out[4] = np.uint32(np.uint32(i[t]) * np.uint32(i[t]))
    out[5] = x[t] ** 2 * 3
    out[6] = -7 // 2 + -7 % 3
    out[7] = (i[t] << 3) ^ 5
    out[8] = int(-2.7) + round(2.5) + abs(-3)
    out[9] = min(2, x[t]) + max(i[t], 1.5)
    for n, (k, v) in enumerate(zip((1, 2), (i[t] + 1, 7 * i[t]))):  # noqa: B905 -- numba has no strict
        out[10 + n] = k * v
    a, b = x[t], i[t]
    a, b = b, a
    out[12] = float(a) - b
    out[13] = x[t] if x[t] > 1 else 0
    out[14] = x.shape[0] + x.size + len(x) + x.ndim
    out[15] = x[-1] + (x[t] != x[t])


def test_a_kernel_computes_what_the_emulator_does() -> None:
    x = np.array([1.1], np.float32)
    i = np.array([2**31 - 1], np.int32)
    got, want = np.zeros(16), np.zeros(16)
    check(mixed)[1, 1](x, i, got)
    emulator.jit(mixed)[1, 1](DeviceArray(x), DeviceArray(i), DeviceArray(want))

    assert got.tolist() == want.tolist()
