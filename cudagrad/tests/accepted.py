"""Small kernels, and for which dtypes numba-cuda compiles or refuses them; ours must do so, too.

python accepted.py says as JSON why numba-cuda refuses each of them, "" where it does not, and which
ufuncs and attributes of arrays it knows. It needs numba-cuda and CUDAGRAD_DEVICE=compiler, no GPU.
"""
# ruff: noqa: ANN201 -- kernels

from __future__ import annotations

import cmath
import json
import math
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import Any, NamedTuple

import numba
import numpy as np

from cudagrad import device, emulator
from cudagrad.compile import machine
from cudagrad.compile.table import Launch
from cudagrad.emulator.libdevice import LIBDEVICE

cuda: Any = device.cuda if device.EXECUTOR == "compiler" else emulator.cuda

CAPABILITY = machine.Capability(9, 0)
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = (*SIGNED, *UNSIGNED)
FLOATS = ("float32", "float64")
TABLE = np.array([[1.5, math.inf, -2.0], [3.0, 4.0, 5.0]], np.float32)
COLUMNS = np.asfortranarray(np.arange(6).reshape(2, 3))
FLAGS = np.array([True, False])
LARGE = np.zeros(2**14 + 1, np.float32)
NAMES = np.array(["a", "b"])
POINTS = np.array([1j, 2 - 1j], np.complex64)
UNIT = 1j
WIDE = np.dtype(np.float64)
# Of methods of arrays; the others need none.
GIVEN = {
    **{"astype": "np.float64", "clip": "0, 1", "dot": "x", "fill": "1", "repeat": "2"},
    **{"reshape": "2, 16", "searchsorted": "1", "take": "1", "view": "np.int32"},
}
LABEL, ALL, DEBUG, LARGEST = "100%", 0xFFFFFFFF, False, 2**70
MODE, NOTHING = "sum", None
CONVERTING = ("popc", "clz", "ffs", "brev", "fma", "cbrt")  # instructions that take any number
WHOLE = ("ceil", "floor", "trunc")  # of math, which makes floats of them on a GPU


class Level(IntEnum):
    LOW = 1
    HIGH = 3


LEVELS = (Level.LOW, Level.HIGH)


@numba.njit
def one_more(x):
    return x + 1


class Row(NamedTuple):
    """A kernel, the dtype of its first array, and what is to be made of that.

    refused: a part of what ours says; "" if they take it. there: whether numba-cuda takes it.
    """

    kernel: Callable[..., None]
    dtype: str
    refused: str
    there: bool

    @property
    def name(self) -> str:
        return f"{self.kernel.__name__}-{self.dtype}"


ROWS: list[Row] = []


def _add(kernel: Any, dtypes: tuple[str, ...], refused: str, there: bool) -> Any:
    ROWS.extend(Row(kernel, dtype, refused, there) for dtype in dtypes or ("float32",))
    return kernel


def taken(*dtypes: str) -> Callable[[Any], Any]:
    """By numba-cuda and by ours."""
    return lambda kernel: _add(kernel, dtypes, "", True)


def refused(why: str, *dtypes: str) -> Callable[[Any], Any]:
    """By numba-cuda and by ours, which say why."""
    return lambda kernel: _add(kernel, dtypes, why, False)


def only_there(why: str, *dtypes: str) -> Callable[[Any], Any]:
    """Taken by numba-cuda alone, and why ours refuse it."""
    return lambda kernel: _add(kernel, dtypes, why, True)


# Votes of a block


@taken(*INTEGERS)
@refused("a block votes by integers, not", "bool", *FLOATS)
def counts(x, out):
    i = cuda.grid(1)
    out[i] = cuda.syncthreads_count(x[i])


@taken("int32")
@refused("a block votes by integers, not bool: say int(x > 0)", "bool")
def agrees(x, out):
    i = cuda.grid(1)
    out[i] = cuda.syncthreads_and(x[i])


@taken("uint8")
@refused("a block votes by integers, not float32", "float32")
def finds(x, out):
    i = cuda.grid(1)
    out[i] = cuda.syncthreads_or(x[i])


@refused("a block votes by integers, not bool")
def counts_comparison(x, out):
    i = cuda.grid(1)
    out[i] = cuda.syncthreads_count(x[i] > 0)


@taken()
def counts_comparison_as_int(x, out):
    i = cuda.grid(1)
    out[i] = cuda.syncthreads_count(int(x[i] > 0))


@taken()
def counts_one_or_none(x, out):
    i = cuda.grid(1)
    out[i] = cuda.syncthreads_count(1 if x[i] > 0 else 0)


@refused("a block votes by integers, not bool")
def counts_true(x, out):
    i = cuda.grid(1)
    out[i] = cuda.syncthreads_count(True)


@taken()
def counts_one(x, out):
    i = cuda.grid(1)
    out[i] = cuda.syncthreads_count(1)


# Votes of a warp


@taken("bool", *INTEGERS)
@refused("a warp votes by integers and bools, not", *FLOATS)
def any_of_warp(x, out):
    i = cuda.grid(1)
    out[i] = cuda.any_sync(ALL, x[i])


@taken("bool", "int8", "uint64")
@refused("a warp votes by integers and bools, not float32: say x != 0", "float32")
def all_of_warp(x, out):
    i = cuda.grid(1)
    out[i] = cuda.all_sync(-1, x[i])


@taken("bool", "int32")
@refused("a warp votes by integers and bools, not float64", "float64")
def same_in_warp(x, out):
    i = cuda.grid(1)
    out[i] = cuda.eq_sync(ALL, x[i])


@taken("bool", "uint16")
@refused("a warp votes by integers and bools, not float64", "float64")
def ballot_of_warp(x, out):
    i = cuda.grid(1)
    out[i] = cuda.ballot_sync(~0, x[i])


@taken()
def votes_by_comparison(x, out):
    i = cuda.grid(1)
    out[i] = cuda.any_sync(ALL, x[i] > 0)


@taken()
def votes_by_constant(x, out):
    i = cuda.grid(1)
    out[i] = cuda.all_sync(ALL, True)


# Shuffles


@taken("int32", "int64", *FLOATS)
@refused("a shuffle is for int32, int64, float32, float64, not", "bool", "int8", "int16", *UNSIGNED)
def shuffles(x, out):
    i = cuda.grid(1)
    out[i] = cuda.shfl_sync(ALL, x[i], 1)


@taken("float64")
@refused("a shuffle is for int32, int64, float32, float64, not uint64: say np.int64(…)", "uint64")
def shuffles_up(x, out):
    i = cuda.grid(1)
    out[i] = cuda.shfl_up_sync(ALL, x[i], 1)


@taken("int64")
@refused("a shuffle is for int32, int64, float32, float64, not uint32: say np.int32(…)", "uint32")
def shuffles_down(x, out):
    i = cuda.grid(1)
    out[i] = cuda.shfl_down_sync(ALL, x[i], 1)


@taken("float32")
@refused("a shuffle is for int32, int64, float32, float64, not bool: say np.int32(…)", "bool")
def shuffles_across(x, out):
    i = cuda.grid(1)
    out[i] = cuda.shfl_xor_sync(ALL, x[i], 1)


@taken("int32", "int64", "uint32", "uint64")
@refused("a lane is an int32, say, not", "bool", "int8", "uint16", *FLOATS)
def asks_lane(x, out):
    i = cuda.grid(1)
    out[i] = cuda.shfl_sync(ALL, 1.5, x[i])


@taken()
def shuffles_index(x, out):
    i = cuda.grid(1)
    out[i] = cuda.shfl_sync(ALL, cuda.threadIdx.x, 0) + cuda.shfl_sync(ALL, cuda.laneid, 0)


@refused("a shuffle is for int32, int64, float32, float64, not bool")
def shuffles_comparison(x, out):
    i = cuda.grid(1)
    out[i] = cuda.shfl_sync(ALL, x[i] > 0, 0)


@refused("a shuffle is for int32, int64, float32, float64, not")
def shuffles_tuple(x, out):
    i = cuda.grid(1)
    pair = cuda.shfl_sync(ALL, (1, 2), 0)
    out[i] = pair[0]


@taken("uint32")
def shuffles_bits(x, out):
    i = cuda.grid(1)
    out[i] = np.uint32(cuda.shfl_sync(ALL, np.int32(x[i]), 1))


# Matches, and masks of lanes


@taken("int32", "int64", "uint32", "uint64")
@refused("a mask of lanes is an int64, say, not", "bool", "int8", "uint16", *FLOATS)
def shuffles_among(x, out):
    i = cuda.grid(1)
    out[i] = cuda.shfl_sync(type(x[i])(-1), 1.5, 1)


@taken("int64", "uint32")
@refused("a mask of lanes is an int64, say, not", "bool", "int16", "float32")
def votes_among(x, out):
    i = cuda.grid(1)
    out[i] = cuda.ballot_sync(type(x[i])(-1), 1)


@taken("int32", "uint64")
@only_there("a mask of lanes is an int64, say, not", "bool", "int8", "float32")  # made an int32
def waits_among(x, out):
    i = cuda.grid(1)
    cuda.syncwarp(type(x[i])(-1))
    out[i] = cuda.match_any_sync(type(x[i])(-1), i)


@taken("bool", "uint16", "int64", "uint64", *FLOATS)
def matches_any(x, out):
    i = cuda.grid(1)
    out[i] = cuda.match_any_sync(ALL, x[i])


@taken("int32", "uint32", "float64")
def matches_all(x, out):
    i = cuda.grid(1)
    mask, same = cuda.match_all_sync(ALL, x[i])
    out[i] = mask if same else -1


@taken()
def masks_lanes(x, out):
    i = cuda.grid(1)
    out[i] = cuda.popc(cuda.activemask() & cuda.lanemask_lt())


# Instructions


@taken("bool", "int8", "uint64", "float32")
def counts_bits(x, out):
    i = cuda.grid(1)
    out[i] = cuda.popc(x[i]) + cuda.clz(x[i]) + cuda.brev(x[i])


@taken("int32", "int64", "uint32", "uint64")
@refused("cuda.ffs is for int32, int64, uint32, uint64, not", "bool", "int8", "uint16", *FLOATS)
def finds_first_bit(x, out):
    i = cuda.grid(1)
    out[i] = cuda.ffs(x[i])


@taken("bool", "int32", "uint64", *FLOATS)
def multiplies_and_adds(x, out):
    i = cuda.grid(1)
    out[i] = cuda.fma(x[i], 2, x[i]) + cuda.cbrt(x[i])


@taken("int16", "uint64", "float32")
@refused("cuda.selp chooses between two float32, float64, int16,", "bool", "int8", "uint8")
def selects(x, out):
    i = cuda.grid(1)
    out[i] = cuda.selp(i > 3, x[i], x[0])


@refused("cuda.selp chooses by a bool, not", "int32", "float64")
def selects_by_number(x, out):
    i = cuda.grid(1)
    out[i] = cuda.selp(x[i], x[i], x[0])


@refused("cuda.selp chooses between two of the same type, not int64 and float32")
def selects_of_two_types(x, out):
    i = cuda.grid(1)
    out[i] = cuda.selp(i > 3, 1, x[i])


@taken("bool", "int32", "uint64", *FLOATS)
def calls_libdevice(x, out):
    i = cuda.grid(1)
    y = cuda.libdevice.rsqrtf(x[i]) + cuda.libdevice.pow(x[i], 2) + cuda.libdevice.fast_expf(x[i])
    out[i] = y + cuda.libdevice.float_as_int(x[i]) + cuda.libdevice.fmaf_rn(x[i], 2, y)


@only_there("knows no cuda.libdevice.erfcinv")
def calls_rare_function(x, out):
    i = cuda.grid(1)
    out[i] = cuda.libdevice.erfcinv(x[i])


@taken()
def fences(x, out):
    cuda.threadfence()
    cuda.threadfence_block()
    cuda.threadfence_system()
    nothing = cuda.threadfence()
    out[cuda.grid(1)] = 1 if nothing is None else 2


@taken("bool", "int32", "float64")
def sleeps(x, out):
    cuda.nanosleep(x[cuda.grid(1)])


# print


@taken("bool", "int8", "uint64", *FLOATS)
def prints(x, out):
    print(x[cuda.grid(1)])


@taken()
def prints_several(x, out):
    i = cuda.grid(1)
    print("thread", i, LABEL, x[i] > 0, (i, x[i]), (1,), cuda.threadIdx, x.shape, 1.5)


@taken()
def prints_nothing(x, out):
    print()


@taken()
def prints_between_barriers(x, out):
    i = cuda.grid(1)
    shared = cuda.shared.array(32, np.float32)
    shared[i] = x[i]
    print("before", i)
    cuda.syncthreads()
    print("behind", shared[31 - i])


@refused("print shows numbers, tuples of them, and texts that stand in the call, not")
def prints_array(x, out):
    print(x)


@refused("print shows numbers, tuples of them, and texts that stand in the call, not")
def prints_none(x, out):
    print("none", None)


@refused("print has no keywords on a GPU")
def prints_with_separator(x, out):
    print(1, 2, sep=",")


@refused("an f-string is not for kernels: print takes texts and numbers as they are")
def prints_formatted(x, out):
    print(f"{x.size}")


@only_there("print shows 32 values on a GPU, and 33 are given")  # there it prints %lld 33 times
def prints_too_many(x, out):
    i = cuda.grid(1)
    # fmt: off
    print(i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i,
          i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i, i)
    # fmt: on


@only_there("print shows numbers, tuples of them, and texts that stand in the call, not")
def prints_name_of_text(x, out):
    text = "text"
    print(text)


@only_there("print is a statement of its own")
def prints_as_value(x, out):
    out[cuda.grid(1)] = print(1) is None


# Arrays from around a kernel


@taken()
def reads_table(x, out):
    i = cuda.grid(1)
    out[i] = TABLE[1, i % 3] + TABLE[0, 2] + TABLE.shape[1] + TABLE.size + len(TABLE)


@taken()
def reads_columns(x, out):
    i = cuda.grid(1)
    out[i] = COLUMNS[1, i % 3]


@taken()
def reads_flags(x, out):
    i = cuda.grid(1)
    out[i] = 1 if FLAGS[i % 2] else 2


@taken()
def reads_row_of_table(x, out):
    i = cuda.grid(1)
    row = TABLE[1]
    out[i] = row[i % 3]


@taken()
def reads_constant_array(x, out):
    i = cuda.grid(1)
    table = cuda.const.array_like(TABLE)
    out[i] = table[1, i % 3]


@refused("TABLE is a constant of the kernel: write into an array that it is given")
def writes_table(x, out):
    TABLE[0, 0] = 1


@refused("TABLE is a constant of the kernel: write into an array that it is given")
def adds_to_table(x, out):
    TABLE[0, 0] += 1


@only_there("TABLE is a constant of the kernel")  # which a GPU cannot write
def adds_atomically_to_table(x, out):
    cuda.atomic.add(TABLE, (0, 0), 1)


@refused("a constant array has 65536 bytes at most, not 65540: give it to the kernel as an arg")
def reads_large_table(x, out):
    i = cuda.grid(1)
    out[i] = LARGE[i]


@only_there("a constant array is one of numbers, not of <U1")
def reads_names(x, out):
    out[cuda.grid(1)] = len(NAMES)


# Indices


@refused("a grid has 1, 2 or 3 dimensions")
def grid_of_four(x, out):
    out[0] = cuda.gridsize(4)[3]


@only_there("x.ndim must be a constant")
def grid_like_array(x, out):
    out[0] = cuda.grid(x.ndim)


@refused("an index is an integer, not float32: say int(…)", "float32")
@refused("an index is an integer, not bool: say int(…)", "bool")
@taken("int8", "uint64")
def reads_at(x, out):
    i = cuda.grid(1)
    out[i + 32] = out[x[i]]


@refused("an index is an integer, not float64", "float64")
def writes_at(x, out):
    out[x[0]] = 1


@refused("an index is an integer, not float64", "float64")
def reads_table_at(x, out):
    i = cuda.grid(1)
    out[i] = TABLE[0, x[i]]


@refused("an index is an integer, not 0.5")
def reads_between(x, out):
    out[cuda.grid(1)] = x[0.5]


@refused("an index is an integer, not True")
def reads_at_true(x, out):
    out[cuda.grid(1)] = x[True]


@refused("an index is an integer, not None")
def reads_with_new_axis(x, out):
    out[cuda.grid(1)] = x[None][0, 0]


@refused("an index is an integer, not ...")
def reads_all(x, out):
    out[cuda.grid(1)] = x[...][0]


@refused("cuda.threadIdx is no tuple on a GPU: say cuda.threadIdx.x")
def indexes_coordinates(x, out):
    out[cuda.grid(1)] = cuda.threadIdx[0]


@refused("cuda.threadIdx is no tuple on a GPU: say cuda.threadIdx.x")
def unpacks_coordinates(x, out):
    i, j, k = cuda.threadIdx
    out[i] = j + k


# Loads and stores with a hint for the cache


@taken(*INTEGERS, *FLOATS)
@refused("a hint for the cache is for integers and floats, not bool", "bool")
def loads_with_hints(x, out):
    i = cuda.grid(1)
    y = cuda.ldcg(x, i) + cuda.ldca(x, i) + cuda.ldcs(x, (i,)) + cuda.ldlu(x, 0) + cuda.ldcv(x, i)
    out[i] = y + cuda.ldcg(TABLE, (1, i % 3))


@taken("int16", "uint64", "float32")
@refused("a hint for the cache is for integers and floats, not bool", "bool")
def stores_with_hints(x, out):
    i = cuda.grid(1)
    cuda.stcg(x, i, 1)
    cuda.stcs(x, i, 1.5)
    cuda.stwb(x, i, x[i])
    cuda.stwt(x, (i,), i > 3)


@refused("a hint for the cache is for one element: of 2 indices, not 1")
def loads_row_with_hint(x, out):
    row = cuda.ldcg(TABLE, 1)
    out[cuda.grid(1)] = row[0]


@refused("a hint for the cache takes indices of the same type, not int64 and int32")
def loads_with_hint_at_two_types(x, out):
    i = cuda.grid(1)
    out[i] = cuda.ldcg(TABLE, (i // 16, np.int32(1)))


@refused("an index is an integer, not float64")
def loads_with_hint_at_float(x, out):
    out[cuda.grid(1)] = cuda.ldcg(x, 1.0)


@only_there("TABLE is a constant of the kernel")  # which a GPU cannot write
def stores_to_table_with_hint(x, out):
    cuda.stcg(TABLE, (0, 0), 1)


# Arrays as a whole


@taken("uint8", "int64", *FLOATS)
def sums_up(x, out):
    i = cuda.grid(1)
    out[i] = x.sum() + x[2:].prod() + x.mean() + TABLE.var() + x.argmax() + x[3:4].item()
    if x.any() or not x.all():
        own = cuda.local.array((2, 3), np.float32)
        own.fill(2)
        out[i] += own.sum()


@refused(".sum makes a new array, for which a kernel has no memory")
def sums_rows(x, out):
    out[cuda.grid(1)] = TABLE.sum(0)[0]


# Atomics


@taken("int32", "int64", "uint32", "uint64", *FLOATS)
@refused("atomic.add is for", "bool", "int8", "uint8", "int16", "uint16")
def adds(x, out):
    cuda.atomic.add(x, 0, 1)


@taken("float32", "int32")
@refused("atomic.max is for", "int8")
def takes_larger(x, out):
    cuda.atomic.max(x, 0, 1)


@taken("int32", "uint64")
@refused("atomic.and_ is for", "float32", "bool")
def takes_bits(x, out):
    cuda.atomic.and_(x, 0, 1)


@taken("uint32", "uint64")
@refused("atomic.inc is for", "int32", "float32")
def increments(x, out):
    cuda.atomic.inc(x, 0, 5)


@taken("int64", "uint32")
@refused("atomic.exch is for", "float32", "int16")
def exchanges(x, out):
    cuda.atomic.exch(x, 0, 5)


@taken("int32", "uint64")
@refused("atomic.cas is for", "float64", "uint8")
def swaps(x, out):
    cuda.atomic.cas(x, 0, 0, 5)


@refused("the index of an atomic in an array with one axis is a number, not a tuple")
def adds_at_tuple(x, out):
    cuda.atomic.add(x, (0,), 1)


@only_there("an index is an integer, not float64")  # which makes an integer of it
def adds_at_float(x, out):
    cuda.atomic.add(x, 0.0, 1)


# Arrays of the kernel's own


@taken()
def shares(x, out):
    i = cuda.grid(1)
    shared = cuda.shared.array(shape=(2, 32), dtype=np.float32, alignment=16)
    shared[0, i] = x[i]


@taken()
def shares_without_alignment(x, out):
    i = cuda.grid(1)
    shared = cuda.shared.array(32, np.float32, alignment=None)
    shared[i] = x[i]


@refused("an alignment is a power of two, not 12")
def shares_oddly(x, out):
    i = cuda.grid(1)
    shared = cuda.shared.array(32, np.float32, alignment=12)
    shared[i] = x[i]


@refused("an alignment is a multiple of 8, the size of a pointer, not 4")
def shares_narrowly(x, out):
    i = cuda.grid(1)
    shared = cuda.shared.array(32, np.float32, alignment=4)
    shared[i] = x[i]


@taken()
def shares_by_dtype(x, out):
    i = cuda.grid(1)
    shared = cuda.shared.array(32, WIDE)
    shared[i] = x[i]


@refused("float is no dtype to numba: say np.float32")
def shares_floats(x, out):
    i = cuda.grid(1)
    shared = cuda.shared.array(32, float)
    shared[i] = x[i]


@refused("x.size must be a constant")
def shares_as_many(x, out):
    i = cuda.grid(1)
    shared = cuda.shared.array(x.size, np.float32)
    shared[i] = x[i]


@taken()
def shares_what_the_launch_gives(x, out):
    i = cuda.grid(1)
    numbers = cuda.shared.array(0, np.float32)
    counts = cuda.shared.array(shape=(0,), dtype=np.int64, alignment=16)
    if i < counts.size:
        counts[i] = 1
    cuda.syncthreads()
    out[i] = numbers[:2].view(np.int32).size + numbers.shape[0] + len(counts)


@refused("a shape of positive constants is needed here, not (0, 2)")
def shares_rows_that_the_launch_gives(x, out):
    shared = cuda.shared.array((0, 2), np.float32)
    out[cuda.grid(1)] = shared.size


@refused("a shape of positive constants is needed here, not 0")
def has_what_the_launch_gives(x, out):
    local = cuda.local.array(0, np.float32)
    out[cuda.grid(1)] = local.size


@refused("a shape of positive constants is needed here, not -4")
def has_none(x, out):
    local = cuda.local.array(-4, np.float32)
    out[cuda.grid(1)] = local.size


# What numba knows on a CPU


@taken()
def calls_math(x, out):
    i = cuda.grid(1)
    y = math.sqrt(x[i]) + math.exp(x[i]) + math.tanh(x[i]) + math.erf(x[i]) + math.fabs(x[i])
    out[i] = y + math.pow(x[i], 2) + math.floor(x[i]) + math.hypot(x[i], y) + math.lgamma(y)


@taken()
def calls_ufuncs(x, out):
    i = cuda.grid(1)
    out[i] = np.sin(x[i]) + np.maximum(x[i], 1) + np.log2(x[i]) + np.hypot(x[i], x[i])


@refused("numba knows np.exp only on a CPU; math.exp is for kernels")
def calls_exponential(x, out):
    i = cuda.grid(1)
    out[i] = np.exp(x[i])


@taken("uint8", "int64", *FLOATS)
def takes_remainders(x, out):
    i = cuda.grid(1)
    out[i] = math.fmod(x[i], 3) + math.remainder(x[i], x[i])


@taken("bool", "int32", *FLOATS)
def takes_apart(x, out):
    i = cuda.grid(1)
    behind, before = math.modf(x[i])
    fraction, exponent = math.frexp(x[i])
    out[i] = behind + before + math.ldexp(fraction, exponent)


@taken(*INTEGERS, *FLOATS)
def divides_with_rest(x, out):
    i = cuda.grid(1)
    quotient, rest = divmod(x[i], 3)
    row, column = divmod(i, 5)
    out[i] = quotient + rest + row * column


@taken("int8", "uint64", *FLOATS)
def inverts(x, out):
    i = cuda.grid(1)
    out[i] = x[i] ** -1 + x[i] ** -3 + 2**-1


@taken("bool", "int32", *FLOATS)
def makes_whole(x, out):
    i = cuda.grid(1)
    floor = math.floor(x[i])
    out[i] = TABLE[0, int(floor)] + math.ceil(x[i]) + math.trunc(x[i])


@refused("an index is an integer, not float", "int32", *FLOATS)
def reads_at_floor(x, out):
    i = cuda.grid(1)
    out[i] = out[math.floor(x[i])]


@taken("float32", "int32", "uint32")
def looks_at_bits(x, out):
    i = cuda.grid(1)
    number = x[i]
    bits = number.view(np.uint32) ^ np.uint32(1)
    out[i] = np.uint32(bits).view(np.float32) + x[i].view(np.int32)


@refused("numba knows no math.isclose")
def calls_comparison(x, out):
    i = cuda.grid(1)
    out[i] = math.isclose(x[i], 1)


@refused("numba knows math.gcd only on a CPU", "int32")
def calls_divisor(x, out):
    i = cuda.grid(1)
    out[i] = math.gcd(x[i], 2)


@refused("a kernel cannot use np.zeros")
def makes_array(x, out):
    out[cuda.grid(1)] = np.zeros(3)[0]


@refused("a kernel cannot use np.where")
def calls_where(x, out):
    i = cuda.grid(1)
    out[i] = np.where(x[i] > 0, 1, 2)


@refused("numba knows")
def takes_largest(x, out):
    out[cuda.grid(1)] = x.max()


# Python


@taken()
def goes_through(x, out):
    i = cuda.grid(1)
    for j, (a, b) in enumerate(zip((1, 2), (3, 4))):  # noqa: B905 -- numba's has no strict
        out[i] = min(a, b, j) + max(a, b) + abs(-a) + round(1.5) + 7 // 2 + 7 % 4 + 2**3


@taken("int32")
def goes_over_arrays(x, out):
    tile = cuda.shared.array((2, 16), np.float32)
    i = cuda.grid(1)
    tile[i // 16, i % 16] = i
    cuda.syncthreads()
    for a in x:
        out[i] += a
    for row in tile:
        for j, a in enumerate(row[1:], 1):
            out[i] += a * j
    for a, b in zip(tile[0], TABLE[1]):  # noqa: B905
        out[i] += a * b


@taken()
def chooses(x, out):
    i = cuda.grid(1)
    if x[i] is None or 0 < x[i] < 1 or not i:
        return
    out[i] = 1 if i in (1, 2) and x.size else int(True)


@taken("complex64", "complex128", "float32")
def computes_in_complex(x, out):
    mine = cuda.local.array(1, numba.complex64)
    i = cuda.grid(1)
    mine[0] = complex(i, 1)
    z = cmath.exp(x[i] * UNIT) * (2j - mine[0]) + POINTS[i % 2] ** 2
    out[i] = abs(z) + z.conjugate().imag + cmath.log(z, 2).real


@refused("numba knows no setitem(", "complex64", "complex128")
def stores_complex_as_float(x, out):
    out[cuda.grid(1)] = x[0]


@taken()
def joins_tuples(x, out):
    i = cuda.grid(1)
    sizes = x.shape + (i, 2)  # noqa: RUF005 -- a kernel has no *
    out[i] = sizes[1] + len(sizes)


@taken()
def has_text_and_nothing_around_it(x, out):
    i = cuda.grid(1)
    if MODE == "sum" and NOTHING is None:
        out[i] += x[i]
    if NOTHING is not None:
        out[i] += NOTHING


@refused("an array is assigned element by element")
def copies_part(x, out):
    out[:3] = x[:3]


@refused("@ multiplies whole arrays, which is not for kernels")
def multiplies_arrays(x, out):
    out[0] = x @ x


@taken()
def calls_what_numba_jitted(x, out):
    out[cuda.grid(1)] = one_more(x[0])


@taken()
def names_levels(x, out):
    out[cuda.grid(1)] = Level.LOW + 2 * Level.HIGH.value + LEVELS[x.size % 2]


@refused("complex is no dtype to numba: say np.float32 or np.int64")
def has_array_of_pythons_complex(x, out):
    cuda.local.array(1, complex)


@refused("a list comprehension is not for kernels")
def comprehends(x, out):
    out[cuda.grid(1)] = max([j + 1 for j in range(3)])


@only_there("a def is not for kernels: define the function outside of them, with jit(device=True)")
def defines(x, out):
    def twice(y):
        return 2 * y

    out[0] = twice(x[0])


@only_there("a lambda is not for kernels: define the function outside of them")
def defines_at_once(x, out):
    twice = lambda y: 2 * y  # noqa: E731
    out[0] = twice(x[0])


@only_there("cuda.syncthreads can only be called, by this name")
def names_barrier(x, out):
    wait = cuda.syncthreads
    wait()


@refused("dict is not for kernels")
def has_dictionary(x, out):
    numbers = {1: 2}
    out[cuda.grid(1)] = numbers[1]


@refused("try is not for kernels")
def tries(x, out):
    try:
        out[cuda.grid(1)] = 1
    except ValueError:
        out[0] = 2


@refused("with is not for kernels")
def enters(x, out):
    with x:
        out[0] = 1


@taken()
def returns_none(x, out):
    if cuda.grid(1) >= out.size:
        return None  # noqa: RET501 -- as some write it
    out[cuda.grid(1)] = x.size


@refused("a kernel returns nothing")
def returns_number(x, out):
    return x.size


@only_there("assert is not for kernels: a GPU ends the thread and tells nobody")
def asserts(x, out):
    assert x.size > 0


@only_there("raise is not for kernels: a GPU ends the thread and tells nobody")
def raises(x, out):
    if x.size < 0:
        raise ValueError("negative")


@taken("int32")
def goes_on(x, out):
    i = cuda.grid(1)
    for j in range(3):
        if x[j] > 0:
            break
    else:
        out[i] = 1
    n = x.size
    while n > i:
        n //= 2
        if n == 1:
            continue
    else:
        out[i] += n


@taken()
def leaves_out_what_a_constant_rules_out(x, out):
    if DEBUG:
        cuda.syncwarp(0xFF)
    out[cuda.grid(1)] = 1


@taken()
def says_names_of_ours(_x, run):
    _thread = cuda.grid(1)
    _load, _runtime = _x[_thread], 2
    for _ in range(_runtime):
        run[_thread] += _ * _load


@taken()
def counts_from_the_end(x, out):
    tile = cuda.local.array((2, 3), np.float32)
    tile[-1, 2] = x[-1]
    out[cuda.grid(1)] = tile[-1, min(x.size, 2)]


@refused("x.shape cannot be assigned in a kernel")
def gives_another_shape(x, out):
    x.shape = (4, 8)


@refused("out.strides cannot be assigned in a kernel")
def gives_other_strides(x, out):
    x[0], out.strides = 1, (4,)


@refused("does not fit into 64 bits")
def says_large_number(x, out):
    out[cuda.grid(1)] = LARGEST


# numba-cuda's part


def why_not(kernel: Any, arguments: str) -> str:
    """Why numba-cuda, or the compiler behind it, refuses a kernel; "" if it does not."""
    try:
        machine.made_of(device.cuda.jit(kernel), Launch("kernel", arguments), CAPABILITY)
    except (machine.CompileError, machine.MissingError) as error:  # the latter by the linker
        return str(error)
    return ""


def arguments(row: Row) -> str:
    return f"{row.dtype.replace('bool', 'boolean')}[::1], float64[::1]"


def takes_ufunc(ufunc: Any) -> bool:
    """Whether it takes a ufunc, of numbers, of floats or integers."""

    def one(x, out):
        out[0] = ufunc(x[0])

    def two(x, out):
        out[0] = ufunc(x[0], x[0])

    kernel = one if ufunc.nin == 1 else two
    return any(not why_not(kernel, f"{kind}[::1], {kind}[::1]") for kind in ("float32", "int32"))


def takes_attribute(name: str) -> bool:
    """Whether it knows an attribute of arrays; if that is a method, whether it can be called."""
    is_method = callable(getattr(np.ndarray, name))
    call = f"({GIVEN.get(name, '')})" if is_method else ""
    namespace: dict[str, Any] = {"np": np}
    exec(f"def kernel(x):\n    found = x.{name}{call}", namespace)
    return not why_not(namespace["kernel"], "float32[::1]")


def converts(name: str, dtype: str) -> list[str]:
    """The types to which it converts what an instruction is given, then that of the result."""
    from numba.cuda import types
    from numba.cuda.descriptor import cuda_target

    kind = getattr(types, dtype.replace("bool", "boolean"))
    given = [types.int32, kind]
    if name != "match_any_sync":
        instructions = emulator.instructions
        given = [kind] * len(instructions.parameters(getattr(instructions, name)))
    cuda_target.typing_context.refresh()
    function = getattr(math if name in WHOLE else cuda, name)
    known = cuda_target.typing_context.resolve_function_type(function, given, {})
    return [*map(str, known.args), str(known.return_type)]


def types_of_libdevice(name: str) -> list[str]:
    """The types that a function of libdevice takes, then that of the result."""
    from numba.cuda import libdevicefuncs

    result, takes = libdevicefuncs.functions[f"__nv_{name}"]
    return [*(str(each.ty) for each in takes), str(result)]


def found() -> dict[str, Any]:
    ufuncs = {f.__name__: f for f in vars(np).values() if isinstance(f, np.ufunc) and f.nout == 1}
    return {
        "rows": {row.name: why_not(row.kernel, arguments(row)) for row in ROWS},
        "ufuncs": {name: takes_ufunc(ufunc) for name, ufunc in ufuncs.items()},
        "attributes": {
            name: takes_attribute(name) for name in dir(np.ndarray) if not name.startswith("_")
        },
        "libdevice": {path[1]: types_of_libdevice(path[1]) for path in LIBDEVICE},
        "conversions": {
            name: {dtype: converts(name, dtype) for dtype in ("bool", *INTEGERS, *FLOATS)}
            for name in (*CONVERTING, *WHOLE, "match_any_sync")
        },
    }


if __name__ == "__main__":
    machine.require_tools()
    sys.stdout.write(json.dumps(found()))
