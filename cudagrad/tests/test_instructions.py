"""popc, fma and their like: on the emulator and under the checker they compute what a GPU does."""
# ruff: noqa: ANN201 -- kernels, whose types numba infers

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from cudagrad.checker import check, numbers
from cudagrad.emulator import (
    DeviceArray,
    UnsupportedError,
    cuda,
    instructions,
    jit,
    libdevice,
)

WIDE = ("int32", "uint32", "int64", "uint64")
INTEGERS = ("int8", "uint8", "int16", "uint16", *WIDE)
REALS = ("float32", "float64")


def on_emulator(kernel: Any, *arrays: Any) -> None:
    jit(kernel)[1, len(arrays[0])](*map(DeviceArray, arrays))


def under_checker(kernel: Any, *arrays: Any) -> None:
    check(kernel)[1, len(arrays[0])](*arrays)


both = pytest.mark.parametrize("run", [on_emulator, under_checker])


def some_integers(dtype: str) -> np.ndarray:
    """Zero, all bits, the lowest, the highest, and some that lie between."""
    limits = np.iinfo(dtype)
    return np.array([0, 1, 6, 88, limits.max - 3, limits.max, limits.min], dtype)


def bits_of(x: np.integer) -> str:
    return np.binary_repr(int(x), 8 * x.itemsize)


def counts(x, out):
    i = cuda.grid(1)
    out[0, i] = cuda.popc(x[i])
    out[1, i] = cuda.clz(x[i])


@both
@pytest.mark.parametrize("dtype", INTEGERS)
def test_bits_are_counted(dtype: str, run: Callable[..., None]) -> None:
    x, out = some_integers(dtype), np.zeros((2, 7))
    run(counts, x, out)

    assert out[0].tolist() == [bits_of(n).count("1") for n in x]
    assert out[1].tolist() == [len(bits_of(n)) - len(bits_of(n).lstrip("0")) for n in x]


def finds_first(x, out):
    i = cuda.grid(1)
    out[i] = cuda.ffs(x[i])


@both
@pytest.mark.parametrize("dtype", WIDE)
def test_the_first_bit_is_found_and_of_zero_none(dtype: str, run: Callable[..., None]) -> None:
    x, out = some_integers(dtype), np.full(7, -1)
    run(finds_first, x, out)

    assert out.tolist() == [bits_of(n)[::-1].find("1") + 1 for n in x]


def reverses(x, out):
    i = cuda.grid(1)
    out[i] = cuda.brev(x[i])


@both
@pytest.mark.parametrize("dtype", ["int32", "uint32", "uint64"])
def test_bits_are_reversed_and_have_no_sign(dtype: str, run: Callable[..., None]) -> None:
    x, out = some_integers(dtype), np.zeros(7, np.uint64)
    run(reverses, x, out)

    assert out.tolist() == [int(bits_of(n)[::-1], 2) for n in x]


def makes_whole(x, out):
    i = cuda.grid(1)
    out[0, i] = math.floor(x[i])
    out[1, i] = math.ceil(x[i])
    out[2, i] = math.trunc(x[i])


@both
@pytest.mark.parametrize("dtype", [*REALS, "int32"])
def test_whole_numbers_are_floats(dtype: str, run: Callable[..., None]) -> None:
    """An integer would not hold the last four."""
    numbers = [-1.5, 2.5, 3.0, 2.0**80, -math.inf, math.nan, -0.0]
    x = np.array([-3, 0, 7] if dtype == "int32" else numbers, dtype)
    out = np.zeros((3, len(x)))
    run(makes_whole, x, out)

    assert repr(out.tolist()) == repr([f(x * 1.0).tolist() for f in (np.floor, np.ceil, np.trunc)])


def divides(x, out):
    i = cuda.grid(1)
    out[0, i], out[1, i] = divmod(x[i], 3)
    out[2, i], out[3, i] = divmod(x[i], -4)


@both
@pytest.mark.parametrize("dtype", ["int32", *REALS])
def test_a_rest_has_the_sign_of_the_divisor(dtype: str, run: Callable[..., None]) -> None:
    x, out = np.array([-7, -6, 0, 8, 9], dtype), np.zeros((4, 5))
    run(divides, x, out)

    assert out.T.tolist() == [[*divmod(n, 3), *divmod(n, -4)] for n in x.tolist()]


def inverts(x, out):
    i = cuda.grid(1)
    out[0, i] = x[i] ** -1
    out[1, i] = x[i] ** -2


def inverts_by_argument(x, n, out):
    i = cuda.grid(1)
    out[i] = x[i] ** n[i]


@both
def test_a_negative_power_of_zero_is_no_error(run: Callable[..., None]) -> None:
    """Of integers it is what has the highest bit alone, and other powers leave nothing behind."""
    x, out = np.array([0, -2, math.inf], np.float32), np.zeros((2, 3))
    run(inverts, x, out)
    assert out.tolist() == [[math.inf, -0.5, 0], [math.inf, 0.25, 0]]

    n, out = np.array([0, -1, 2]), np.zeros((2, 3), np.int64)
    run(inverts, n, out)
    assert out.tolist() == [[-(2**63), -1, 0], [-(2**63), 1, 0]]

    out = np.zeros(3, np.int64)
    run(inverts_by_argument, n, np.full(3, -3), out)
    assert out.tolist() == [-(2**63), -1, 0]


def flips_lowest_bit(x, out):
    i = cuda.grid(1)
    number = x[i]
    bits = number.view(np.int32) ^ np.int32(1)
    out[i] = np.int32(bits).view(np.float32)


@both
def test_a_number_can_be_looked_at_as_its_bits(run: Callable[..., None]) -> None:
    x, out = np.array([0, -1.5, math.inf], np.float32), np.zeros(3, np.float32)
    run(flips_lowest_bit, x, out)

    assert out.tobytes() == (x.view(np.int32) ^ 1).tobytes()


def multiplies(x, y, z, out):
    i = cuda.grid(1)
    out[i] = cuda.fma(x[i], y[i], z[i])


# Of two roundings, after the product and after the sum, the first loses something, each time.
FACTORS = {
    "float32": [(1 + 2**-12, 1 + 2**-12, 2**-80), (1 + 2**-23, 1 - 2**-23, -1.0)],
    "float64": [(1 + 2**-30, 1 + 2**-30, -1 - 2**-29), (0.1, 10, -1)],
}
ODD = [
    (math.inf, 1.0, -math.inf, math.nan),
    (1.0, 2.0, -math.inf, -math.inf),
    (-0.0, 1.0, -0.0, -0.0),
    (3.0, -2.0, 6.0, 0.0),
]


def nearest(exact: Fraction, dtype: Any) -> Any:
    """The number of a dtype that lies next to an exact one."""
    about = dtype(float(exact))
    around = (np.nextafter(about, dtype(-math.inf)), about, np.nextafter(about, dtype(math.inf)))
    return min(
        around, key=lambda x: (abs(Fraction(float(x)) - exact), x.view(f"u{x.itemsize}") & 1)
    )


@both
@pytest.mark.parametrize("dtype", REALS)
def test_fma_rounds_once(dtype: str, run: Callable[..., None]) -> None:
    kind = np.dtype(dtype).type
    given = [[kind(number) for number in row] for row in FACTORS[dtype]]
    expected = [
        nearest(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)), kind)
        for a, b, c in given
    ]
    rows = given + [[kind(number) for number in row[:3]] for row in ODD]
    x, y, z = (np.array(column, dtype) for column in zip(*rows, strict=True))
    out = np.zeros(len(rows), dtype)
    run(multiplies, x, y, z, out)

    with np.errstate(all="ignore"):
        assert all(kind(a * b) + c != e for (a, b, c), e in zip(given, expected, strict=True))
    assert out[: len(given)].tolist() == [float(number) for number in expected]
    assert repr(out[len(given) :].tolist()) == repr([row[3] for row in ODD])


def takes_root(x, out):
    i = cuda.grid(1)
    out[i] = cuda.cbrt(x[i])


@both
@pytest.mark.parametrize("dtype", REALS)
def test_cube_roots_of_cubes(dtype: str, run: Callable[..., None]) -> None:
    x, out = np.array([27, -64, 0, 1e-30, math.inf], dtype), np.zeros(5, dtype)
    run(takes_root, x, out)

    expected = np.array([3, -4, 0, 1e-10, math.inf], dtype)
    np.testing.assert_array_max_ulp(out, expected, 1)


def selects(x, out):
    i = cuda.grid(1)
    out[i] = cuda.selp(x[i] > 0, x[i], x[1])


@both
def test_one_of_two_is_chosen(run: Callable[..., None]) -> None:
    x, out = np.array([3, -2, -7], np.int16), np.zeros(3)
    run(selects, x, out)

    assert out.tolist() == [3, -2, -2]


def takes_remainders(x, y, out):
    i = cuda.grid(1)
    out[0, i] = math.fmod(x[i], y[i])
    out[1, i] = math.remainder(x[i], y[i])


@both
@pytest.mark.parametrize("dtype", REALS)
def test_remainders_are_those_of_math(dtype: str, run: Callable[..., None]) -> None:
    x = np.array([7.5, -7.5, 5.0, 1e10, -0.0], dtype)
    y = np.array([2.0, 2.0, -2.0, 0.3, 1.0], dtype)
    out = np.zeros((2, 5), dtype)
    run(takes_remainders, x, y, out)

    pairs = list(zip(x.tolist(), y.tolist(), strict=True))
    assert repr(out[0].tolist()) == repr([math.fmod(*pair) for pair in pairs])
    assert repr(out[1].tolist()) == repr([math.remainder(*pair) for pair in pairs])


@both
def test_remainders_that_there_are_not_raise_nothing(run: Callable[..., None]) -> None:
    out = np.zeros((2, 2))
    run(takes_remainders, np.array([1.0, math.inf]), np.array([0.0, 1.0]), out)

    assert np.isnan(out).all()


def stands_still(x, out):
    i = cuda.grid(1)
    out[i] = x[i]
    cuda.threadfence()
    cuda.threadfence_block()
    cuda.threadfence_system()
    cuda.nanosleep(1000)
    out[i] += 1


@both
def test_fences_and_sleep_change_nothing(run: Callable[..., None]) -> None:
    x, out = np.arange(4), np.zeros(4)
    run(stands_still, x, out)

    assert out.tolist() == [1, 2, 3, 4]


@jit
def multiplies_two(x, out):
    out[0] = cuda.fma(x[0], x[0])


@jit
def fences_something(x, out):
    cuda.threadfence(x[0])


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        (multiplies_two, r"cuda\.fma takes \(a, b, c\)"),
        (fences_something, r"cuda\.threadfence takes \(\)"),
    ],
)
def test_what_they_take_is_told(kernel: Any, why: str) -> None:
    x, out = np.zeros(1), np.zeros(1)
    with pytest.raises(UnsupportedError, match=why):
        kernel[1, 1](DeviceArray(x), DeviceArray(out))
    with pytest.raises(UnsupportedError, match=why):
        check(kernel)[1, 1](x, out)


def takes_apart(x, out):
    i = cuda.grid(1)
    behind, before = math.modf(x[i])
    fraction, exponent = math.frexp(x[i])
    out[0, i] = behind
    out[1, i] = before
    out[2, i] = fraction
    out[3, i] = exponent


@both
@pytest.mark.parametrize("dtype", REALS)
def test_numbers_are_taken_apart(dtype: str, run: Callable[..., None]) -> None:
    x, out = np.array([2.75, -0.5, -3.0, 0.0, -math.inf], dtype), np.zeros((4, 5))
    run(takes_apart, x, out)

    want = np.array([*map(math.modf, x)]).T
    assert out[:2].tolist() == want.tolist()
    assert (np.signbit(out[:2]) == np.signbit(want)).all()
    assert out[2:, :4].tolist() == np.array([*map(math.frexp, x[:4])]).T.tolist()


# cuda.libdevice


def calls_libdevice(x, out):
    i = cuda.grid(1)
    out[0, i] = cuda.libdevice.rsqrtf(x[i])
    out[1, i] = cuda.libdevice.saturatef(x[i] - 1)
    out[2, i] = cuda.libdevice.float_as_int(x[i])
    out[3, i] = cuda.libdevice.int_as_float(cuda.libdevice.float_as_int(x[i]))
    out[4, i] = cuda.libdevice.fast_fdividef(x[i], 3)
    out[5, i] = cuda.libdevice.exp10(x[i])
    out[6, i] = cuda.libdevice.fma_rn(x[i], 2, 1)


@both
def test_functions_of_libdevice_in_a_kernel(run: Callable[..., None]) -> None:
    x = np.array([0.25, 1.5, 4.0], np.float32)
    out = np.zeros((7, 3))
    run(calls_libdevice, x, out)

    assert out[0] == pytest.approx(1 / np.sqrt(x))
    assert out[1].tolist() == [0, 0.5, 1]
    assert out[2].tolist() == x.view(np.int32).tolist()
    assert out[3].tolist() == x.tolist()
    assert out[4].tolist() == (x / np.float32(3)).tolist()
    assert out[5] == pytest.approx([10.0**0.25, 10.0**1.5, 10.0**4], rel=1e-15)
    assert out[6].tolist() == [1.5, 4, 9]


OTHERS: dict[str, Callable[..., float]] = {
    **{"tgamma": math.gamma, "rint": round, "nearbyint": round, "fmax": max, "fmin": min},
    **{"round": lambda x: math.floor(x + 0.5), "fdim": lambda x, y: max(x - y, 0.0)},
    **{"exp10": lambda x: 10.0**x, "fma": lambda x, y, z: x * y + z},
    **{"rsqrt": lambda x: 1 / math.sqrt(x), "rcbrt": lambda x: 1 / math.cbrt(x)},
}


@pytest.mark.parametrize("name", sorted({*libdevice.OF_ONE, *libdevice.OF_TWO, *OTHERS}))
def test_functions_of_libdevice_are_those_of_math(name: str) -> None:
    of_math = OTHERS.get(name) or getattr(math, name)
    for suffix, kind, eps in (("", np.float64, 4e-15), ("f", np.float32, 2e-6)):
        function = libdevice.LIBDEVICE["libdevice", name + suffix]
        count = len(instructions.parameters(function))
        for first in (2.5, 1.25) if name == "acosh" else (0.3, 0.75):
            given = [float(kind(n)) for n in (first, 0.5, -1.5)[:count]]
            found, want = numbers.compiled(function)(*given), of_math(*given)
            if name == "nextafter":
                want = float(np.nextafter(*map(kind, given)))
            assert found == pytest.approx(want, rel=eps), given
