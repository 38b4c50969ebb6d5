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
from cudagrad.emulator import DeviceArray, UnsupportedError, cuda

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


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (2**63 - 1, np.int64),
        (2**63, np.uint64),
        (1.0, np.float64),
        (1j, np.complex128),
        (True, bool),
        (np.float32(1), np.float32),
        (np.int8(1), np.int8),
    ],
)
def test_numbers_of_pythons_have_64_bits_and_others_stay_as_they_are(
    value: Any, kind: type
) -> None:
    assert type(numbers.strong(value)) is kind
    assert numbers.strong(value) == value


@pytest.mark.parametrize("name", OPERATORS)
def test_every_operator_takes_all_numbers(name: str) -> None:
    bits = name in ("LShift", "RShift", "BitAnd", "BitOr", "BitXor")
    for a, b in itertools.product(INTEGERS if bits else (np.bool_, *INTEGERS, *REALS), repeat=2):
        assert numbers.OPERATORS[name](a(1), b(1)) == OPERATORS[name](1, 1), (a, b)


@pytest.mark.parametrize("name", ["Add", "Sub", "Mult", "FloorDiv", "Mod"])
def test_integers_with_and_without_a_sign_meet_as_64_bits(name: str) -> None:
    """NumPy makes float64 of them, which has 53."""
    a, b = np.uint32(2**32 - 1), np.int64(2**61 + 1)

    with np.errstate(over="ignore"):
        assert numbers.OPERATORS[name](a, b) == OPERATORS[name](np.int64(a), b)
        assert numbers.OPERATORS[name](b, a) == OPERATORS[name](b, np.int64(a))


def test_what_numba_does_not_know_is_refused() -> None:
    def sine_of_all(x):
        x[0] = np.sin(x)

    for kind in (np.int64, np.float32):
        with pytest.raises(TypeError, match=f"lshift is not for float32, {kind.__name__}$"):
            numbers.OPERATORS["LShift"](np.float32(1), kind(1))
    with pytest.raises(TypeError, match="sin is not for Array: a kernel goes over elements"):
        check(sine_of_all)[1, 1](np.zeros(2))


def test_functions_of_math_raise_nothing() -> None:
    assert numbers.compiled(math.exp)(np.float32(1000)) == math.inf
    assert numbers.compiled(math.log)(np.float64(0)) == -math.inf
    assert np.isnan(numbers.compiled(math.sqrt)(np.float32(-1)))
    assert numbers.compiled(math.gamma)(np.float64(1000)) == math.inf
    assert np.isnan(numbers.compiled(math.gamma)(np.float64(-1)))
    assert numbers.compiled(math.gamma)(np.float32(-0.0)) == -math.inf
    assert numbers.compiled(math.lgamma)(np.float64(-1)) == math.inf
    with np.errstate(all="ignore"):
        assert numbers.BUILTINS[math.pow](np.int64(0), np.int64(-1)) == math.inf


def test_the_variance_of_no_elements_is_nan() -> None:
    assert np.isnan(numbers.reduced("var", np.zeros(0, np.float32)))


def test_of_two_floats_an_extreme_leaves_out_nan() -> None:
    """A GPU has an instruction for these, and for nothing else: numba then does as Python."""
    largest, smallest = numbers.BUILTINS[max], numbers.BUILTINS[min]
    one, nan = np.float32(1), np.float64(math.nan)

    assert largest(one, nan) == largest(nan, one) == smallest(one, nan) == smallest(nan, one) == 1
    assert largest(one, nan, one) == largest((one, nan)) == largest(np.int64(1), nan) == 1
    assert all(map(np.isnan, (largest(nan, one, one), largest((nan, one)))))


def test_an_extreme_is_of_integers_and_floats_or_of_two_bools() -> None:
    largest, smallest = numbers.BUILTINS[max], numbers.BUILTINS[min]
    one, true = np.float32(1), np.bool_(True)

    assert largest(true, False)
    assert not smallest((true, False))
    with pytest.raises(TypeError, match="max is not for float32 and bool"):
        largest(one, true)
    with pytest.raises(TypeError, match="min is not for bool and bool and bool"):
        smallest(true, true, true)
    with pytest.raises(TypeError, match="max is not for complex64 and float32"):
        largest(np.complex64(1j), one)
    with pytest.raises(TypeError, match="max is not for tuple and tuple"):
        largest((one, one), (one, one))


@pytest.mark.parametrize(
    ("function", "kinds", "kind"),
    [
        (abs, (np.int32,), np.int32),
        (int, (np.float32,), np.int64),
        (max, (np.float64, np.float32), np.float64),
        (min, (np.int32, np.uint32), np.int64),
        (pow, (np.float32, np.int64), np.float32),
        (pow, (np.uint32, np.int64), np.int64),
        (round, (np.float32,), np.int64),
        (round, (np.int32, np.int64), np.float64),
    ],
)
def test_functions_have_the_types_of_numba(function: Any, kinds: Any, kind: type) -> None:
    assert type(numbers.BUILTINS[function](*[kind(1) for kind in kinds])) is kind


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


def converting(x, i, out) -> None:
    """Numbers that are made others, or stay what they are."""
    t = cuda.threadIdx.x
    out[0] = float(x[t]) * x[t]  # float32
    out[1] = cuda.clz(t) + 100 * cuda.clz(cuda.laneid) + 10000 * cuda.clz(cuda.warpsize)  # int32
    for j in range(cuda.blockDim.x):
        out[2] = cuda.clz(j)  # int32
    for j in range(np.uint64(2)):
        out[3] = (j - 5) // 2  # float64
    out[4] = 7**-1 + (-1) ** -i[t] + 2 ** (i[t] - 5)  # i is 3
    out[5] = -(x[t] > 0) + ~(x[t] > 0)
    narrow = cuda.local.array(2, np.int8)
    narrow[0], narrow[1] = i[t] + 300, -i[t] * 100
    out[6], out[7] = narrow[0], narrow[1]
    bits = cuda.local.array(1, np.uint32)
    bits[0] = -1
    out[8] = cuda.atomic.cas(bits, 0, -1, -7) + bits[0]
    out[9] = np.uint32(i[t]) * 1103515245 * 1103515245


def raising(x, i, out) -> None:
    """Powers, also of integers; x is -inf."""
    t = cuda.threadIdx.x
    zero = i[t] - 3
    out[0] = i[t] ** -0.5 + 10000 ** (-i[t] / 64)
    out[1], out[2], out[3] = zero**-1, zero ** -i[t], (x[t] < 0) ** -i[t]
    out[4] = -(np.uint32(i[t]) ** 2)  # int64
    out[5], out[6], out[7] = x[t] ** 0.5, math.pow(x[t], 0.5), math.gamma(zero)
    out[8] = math.pow(i[t], -i[t])
    out[9] = np.float32(-1) ** (i[t] + 2**24 - 2)  # an odd number, which no float32 is
    out[10] = zero**zero + i[t] ** 0 + (-1) ** (-i[t] - 1)


def calling(x, i, out) -> None:
    """Functions have numba's types, NumPy's too."""
    t = cuda.threadIdx.x
    out[0] = np.sin(np.int8(i[t]))  # float32
    out[1] = np.maximum(i[t] + 2**24, x[t])  # float32, too
    out[2] = np.hypot(x[t], i[t])
    out[3], out[4] = round(x[t] * x[t], 1), round(11.0 * i[t], -1)


def extremes(x, i, out) -> None:
    """A number is no extreme of NaN and itself, nor NaN."""
    cuda.atomic.max(out, 0, x[0])
    cuda.atomic.min(out, 1, x[0])
    out[2] = out[3] = x[0]
    cuda.atomic.max(out, 2, i[0])
    cuda.atomic.min(out, 3, i[0])


@pytest.mark.parametrize(
    ("kernel", "x", "i"),
    [
        (mixed, 1.1, 2**31 - 1),
        (converting, 1.1, 3),
        (raising, -math.inf, 3),
        (calling, 1.1, 3),
        (extremes, math.nan, 1),
    ],
)
def test_a_kernel_computes_what_the_emulator_does(kernel: Any, x: float, i: int) -> None:
    given = np.array([x], np.float32), np.array([i], np.int32)
    got, want = np.zeros(16), np.zeros(16)
    check(kernel)[1, 1](*given, got)
    emulator.jit(kernel)[1, 1](*map(DeviceArray, (*given, want)))

    assert np.array_equal(got, want, equal_nan=True)


def first(x, out) -> None:
    out[0] = x[0]


@pytest.mark.parametrize("dtype", [">f4", object, np.longdouble])
def test_arrays_that_numba_does_not_know_are_refused(dtype: Any) -> None:
    x = np.zeros(1).astype(dtype)
    with pytest.raises(UnsupportedError, match=rf"kernel first .*: x: numba has no {x.dtype} arr"):
        check(first)[1, 1](x, np.zeros(1))


@emulator.jit(device=True)
def returns_nothing(x) -> None:
    x[0] = 1


def stores_nothing(x) -> None:
    x[0] = returns_nothing(x)


def stores_a_pair(x) -> None:
    x[0] = (x[0], x[0])


@pytest.mark.parametrize(
    ("kernel", "what"), [(stores_nothing, "NoneType"), (stores_a_pair, "tuple")]
)
def test_what_is_no_number_is_not_stored(kernel: Any, what: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"no setitem\(float32 array, {what}\)"):
        check(kernel)[1, 1](np.zeros(1, np.float32))
