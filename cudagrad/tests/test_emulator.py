"""What kernels may do, and that the emulator does it as a GPU would."""
# ruff: noqa: ANN201 -- kernels return nothing, and numba infers the types of device functions

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numba import cuda as numba_cuda
from numba.cuda import shared, syncthreads, threadIdx

from cudagrad.checker import check
from cudagrad.emulator import BarrierError, DeviceArray, cuda, empty, jit, order

THREADS = 8
TILE = 4
PADDED = (TILE, TILE + 1)
HALF = np.float32(0.5)
TABLE = np.array([[2, 3, 4]])


def device(data: Any, dtype: Any = np.float32) -> DeviceArray:
    return DeviceArray(np.array(data, dtype))


@pytest.fixture(params=["forward", "reversed", "random:1"], autouse=True)
def _every_order(request: pytest.FixtureRequest) -> Iterator[None]:
    with order(request.param):
        yield


# numba's cuda in the place of ours


@jit
def turn_around(x, out):
    tile = shared.array(THREADS, np.float32)
    tile[threadIdx.x] = x[numba_cuda.grid(1)]
    syncthreads()
    out[numba_cuda.grid(1)] = tile[numba_cuda.blockDim.x - 1 - threadIdx.x]


def test_kernels_may_say_numbas_cuda_and_import_parts_of_it() -> None:
    x, out, checked = device(range(THREADS)), empty((THREADS,), np.float32), np.zeros(THREADS)
    turn_around[1, THREADS](x, out)
    check(turn_around)[1, THREADS](x.memory, checked)

    assert out.memory.tolist() == checked.tolist() == [7, 6, 5, 4, 3, 2, 1, 0]


# Coordinates


@jit
def coordinates(out):
    i, j, k = cuda.grid(3)
    out[i, j, k, 0] = cuda.threadIdx.x + 10 * cuda.threadIdx.y + 100 * cuda.threadIdx.z
    out[i, j, k, 1] = cuda.blockIdx.x + 10 * cuda.blockIdx.y + 100 * cuda.blockIdx.z
    out[i, j, k, 2] = cuda.blockDim.x + 10 * cuda.blockDim.y + 100 * cuda.blockDim.z
    out[i, j, k, 3] = cuda.gridDim.x + 10 * cuda.gridDim.y + 100 * cuda.gridDim.z


def test_every_thread_knows_where_it_is() -> None:
    grid, block = (2, 3, 4), (3, 2, 1)
    out = empty((6, 6, 4, 4), np.int64)
    coordinates[grid, block](out)

    x, y, z = np.indices((6, 6, 4))
    assert (out.memory[..., 0] == x % 3 + 10 * (y % 2)).all()
    assert (out.memory[..., 1] == x // 3 + 10 * (y // 2) + 100 * z).all()
    assert (out.memory[..., 2] == 123).all()
    assert (out.memory[..., 3] == 432).all()


@jit
def stride_over(x):
    i = cuda.grid(1)
    while i < x.size:
        x[i] += 1
        i += cuda.gridsize(1)


def test_a_grid_may_stride_over_an_array() -> None:
    x = device(np.zeros(1000))
    stride_over[3, 7](x)

    assert (x.memory == 1).all()


# Arguments


@jit
def place(x, shape, strides, out, scale):
    row, column = cuda.grid(2)
    if row < shape[0] and column < shape[1]:
        where = 0
        for d in range(2):
            where += (row if d == 0 else column) * strides[d]
        out[row, column] = scale * x[where]


def test_tuples_and_numbers_are_arguments() -> None:
    x, out = device(np.arange(6)), empty((3, 2), np.float32)
    place[(2, 1), (2, 2)](x, (3, 2), (1, 3), out, np.float32(2))

    assert out.memory.tolist() == [[0, 6], [2, 8], [4, 10]]


@jit
def total_of(pair, factor, out):
    x, y = pair
    i = cuda.grid(1)
    out[i] = factor * x[i] + y[i] + pair[1][0]


def test_a_tuple_may_hold_arrays_and_a_number_may_be_complex() -> None:
    x, y = np.arange(4, dtype=np.complex64), np.arange(4, dtype=np.complex64) * 2
    arrays = DeviceArray(x), DeviceArray(y)
    for factor in (1 - 2j, np.complex64(3j)) * 100:  # often: memory must not be given back twice
        out = empty((4,), np.complex64)
        total_of[1, 4](arrays, factor, out)
        assert out.memory.tolist() == (factor * x + y).tolist()

    seen = np.zeros(4, np.complex64)
    check(total_of.function)[1, 4]((x, y), 1 - 2j, seen)
    assert seen.tolist() == ((1 - 2j) * x + y).tolist()


@jit
def round_to(x, digits, out):
    out[0] = round(x, digits)


@pytest.mark.parametrize(
    ("x", "digits", "expected"),
    [
        # Between what numba's round for a CPU says, and Python's.
        (np.float32(0.3425), 3, np.float32(0.343)),
        (2.675, 2, 2.68),
        (2.5, 0, 2.0),
        (-1250.0, -2, -1200.0),
        (math.inf, 2, math.inf),
        (1e300, 10, 1e300),
    ],
)
def test_round_is_that_of_a_gpu(x: Any, digits: int, expected: Any) -> None:
    out, seen = empty((1,), np.float64), np.zeros(1)
    round_to[1, 1](x, digits, out)
    check(round_to.function)[1, 1](x, digits, seen)

    assert out.memory[0] == seen[0] == expected


@jit
def write_type(value, out):
    out[0] = value * type(value)(1) // 2 if out.size == 1 else value + HALF


@pytest.mark.parametrize(
    ("value", "expected"), [(2**40 + 1, 2**39), (np.int32(7), 3), (True, 0), (7.0, 3)]
)
def test_python_numbers_are_64_bits_wide(value: Any, expected: int) -> None:
    out = empty((1,), np.float64)
    write_type[1, 1](value, out)

    assert out.memory[0] == expected


@jit
def third(x, out):
    out[0] = x[0] / 3.0


@jit
def narrow_third(x, out):
    out[0] = x[0] / np.float32(3.0)


def test_a_python_float_makes_float64_arithmetic_as_on_a_gpu() -> None:
    x, wide, narrow = device([1.0]), empty((1,), np.float64), empty((1,), np.float64)
    third[1, 1](x, wide)
    narrow_third[1, 1](x, narrow)

    assert wide.memory[0] == 1 / 3
    assert narrow.memory[0] == np.float32(1) / np.float32(3)


@jit
def divide(x, y, out):
    i = cuda.grid(1)
    out[i] = x[i] / y[i]


def test_division_by_zero_raises_nothing() -> None:
    out = empty((3,), np.float32)
    divide[1, 3](device([1, -1, 0]), device([0, 0, 0]), out)

    assert out.memory[:2].tolist() == [math.inf, -math.inf]
    assert math.isnan(out.memory[2])


@jit
def extremes(x, y, out):
    out[0], out[1] = max(x[0], y[0]), max(y[0], x[0])
    out[2], out[3] = min(x[0], y[0]), min(x[0], np.float64(y[0]))
    out[4], out[5] = max(x[0], y[0], y[0]), max((x[0], y[0]))
    out[6], out[7] = max(x[0], 1), min(7, 5) * max(x[0] > 0, y[0] > 0)


def test_of_two_floats_an_extreme_leaves_out_nan_as_on_a_gpu() -> None:
    out = empty((8,), np.float64)
    extremes[1, 1](device([math.nan]), device([2]), out)

    assert out.memory[[0, 1, 2, 3, 7]].tolist() == [2, 2, 2, 2, 5]
    assert np.isnan(out.memory[4:7]).all()


@jit
def invert(mask, ids, out):
    i = cuda.grid(1)
    out[i] = not mask[ids[i]]


def test_bools_and_integers_are_dtypes() -> None:
    out = empty((3,), np.bool_)
    invert[1, 3](device([True, False], np.bool_), device([0, 1, 1], np.int32), out)

    assert out.memory.tolist() == [False, True, True]


@jit
def zero_dimensional(x, out):
    out[()] = x[()] * 2


def test_arrays_without_dims() -> None:
    out = empty((), np.float32)
    zero_dimensional[1, 1](device(3.0), out)

    assert out.memory == 6


# Device functions and factories


@jit(device=True)
def square(x):
    return x * x


@jit(device=True)
def clamp(x, low, high):
    if x < low:
        return low
    return min(x, high)


def make(function: Callable[..., Any], bound: float) -> Any:
    limit = np.float32(bound)

    @jit
    def mapped(x, out):
        i = cuda.grid(1)
        if i < x.size:
            out[i] = clamp(high=limit, x=function(x[i]), low=-limit)

    return mapped


@jit(device=True)
def double(x):
    return square(x) / x * math.sqrt(4.0)


def test_a_factory_makes_a_kernel_of_each_function_and_constant() -> None:
    x = device([1, 2, 3])
    results = []
    for kernel in (make(square, 100.0), make(double, 100.0), make(square, 5.0)):
        out = empty((3,), np.float32)
        kernel[2, 2](x, out)
        results.append(out.memory.tolist())

    assert results == [[1, 4, 9], [2, 4, 6], [1, 4, 5]]


@jit(device=True)
def own_place():
    return cuda.grid(1)


@jit
def number(out):
    out[own_place()] = own_place()


def test_device_functions_know_where_they_are() -> None:
    out = empty((6,), np.int64)
    number[2, 3](out)

    assert out.memory.tolist() == [0, 1, 2, 3, 4, 5]


# Barriers


@jit(device=True)
def block_sum(value, shared):
    t = cuda.threadIdx.x
    shared[t] = value
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    while half > 0:
        if t < half:
            shared[t] += shared[t + half]
        cuda.syncthreads()
        half //= 2
    total = shared[0]
    cuda.syncthreads()
    return total


@jit
def centre(x, out):
    """out = (x - mean) / (sum of squares), a block for each row of any length."""
    shared = cuda.shared.array(THREADS, np.float32)
    row, n = cuda.blockIdx.x, x.shape[1]
    total = np.float32(0)
    for j in range(cuda.threadIdx.x, n, cuda.blockDim.x):
        total += x[row, j]
    mean = block_sum(total, shared) / np.float32(n)
    squares = np.float32(0)
    for j in range(cuda.threadIdx.x, n, cuda.blockDim.x):
        squares += square(x[row, j] - mean)
    squares = block_sum(squares, shared)
    for j in range(cuda.threadIdx.x, n, cuda.blockDim.x):
        out[row, j] = (x[row, j] - mean) / squares


@pytest.mark.parametrize("n", [1, 5, 8, 37])
def test_barriers_in_loops_of_helpers(n: int) -> None:
    data = np.random.default_rng(0).normal(size=(6, n)).astype(np.float32)
    out = empty(data.shape, np.float32)
    centre[6, THREADS](device(data), out)
    centred = data - data.mean(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        expected = centred / (centred**2).sum(1, keepdims=True)

    np.testing.assert_allclose(out.memory, expected, rtol=1e-4)


@jit
def matmul(a, b, out):
    a_tile = cuda.shared.array(PADDED, np.float32)
    b_tile = cuda.shared.array((TILE, TILE), dtype=np.float32)
    column, row = cuda.grid(2)
    tx, ty = cuda.threadIdx.x, cuda.threadIdx.y
    total = np.float32(0)
    for start in range(0, a.shape[1], TILE):
        inside = row < a.shape[0] and start + tx < a.shape[1]
        a_tile[ty, tx] = a[row, start + tx] if inside else np.float32(0)
        inside = start + ty < b.shape[0] and column < b.shape[1]
        b_tile[ty, tx] = b[start + ty, column] if inside else np.float32(0)
        cuda.syncthreads()
        for k in range(TILE):
            total += a_tile[ty, k] * b_tile[k, tx]
        cuda.syncthreads()
    if row < out.shape[0] and column < out.shape[1]:
        out[row, column] = total


def test_tiles_of_shared_memory_multiply_matrices() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(13, 6)), rng.normal(size=(6, 9))
    out = empty((13, 9), np.float32)
    matmul[(3, 4), (TILE, TILE)](device(a), device(b), out)

    np.testing.assert_allclose(out.memory, a @ b, rtol=1e-4, atol=1e-5)


@jit
def where_uniform(x, out, twice):
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    value = x[t]
    if twice:
        shared[t] = value
        cuda.syncthreads()
        value += shared[(t + 1) % THREADS]
    else:
        value = -value
    out[t] = value


def test_a_barrier_may_stand_in_a_branch_that_all_threads_take() -> None:
    x, out = device(np.arange(8)), empty((8,), np.float32)
    where_uniform[1, THREADS](x, out, True)
    assert out.memory.tolist() == [1, 3, 5, 7, 9, 11, 13, 7]

    where_uniform[1, THREADS](x, out, False)
    assert out.memory.tolist() == [0, -1, -2, -3, -4, -5, -6, -7]


@jit
def rotate(x, out):
    """Local memory, and shared memory of two helpers, live across barriers."""
    mine = cuda.local.array(2, np.int32)
    t = cuda.threadIdx.x
    mine[0] = x[t]
    mine[1] = next_of(mine[0])
    out[t] = next_of(mine[1]) * 100 + mine[0]


@jit(device=True)
def next_of(value):
    box = cuda.shared.array(THREADS, np.int32)
    cuda.syncthreads()
    box[cuda.threadIdx.x] = value
    cuda.syncthreads()
    return box[(cuda.threadIdx.x + 1) % THREADS]


def test_local_memory_and_the_shared_memory_of_a_helper() -> None:
    out = empty((8,), np.int64)
    rotate[1, THREADS](device(np.arange(8), np.int32), out)

    assert out.memory.tolist() == [200, 301, 402, 503, 604, 705, 6, 107]


# Atomics


@jit
def histogram(ids, counts, extremes, grid):
    i = cuda.grid(1)
    if i < ids.size:
        cuda.atomic.add(counts, ids[i], 1)
        cuda.atomic.max(extremes, 0, ids[i])
        cuda.atomic.min(extremes, 1, ids[i])
        cuda.atomic.add(grid, (ids[i] // 2, ids[i] % 2), 0.5)


@jit
def ticket(counter, out):
    out[cuda.atomic.add(counter, 0, 1)] = cuda.grid(1)


def test_atomics() -> None:
    ids = np.random.default_rng(2).integers(1, 4, 100)
    counts, extremes = device(np.zeros(4), np.int32), device([0, 99], np.int64)
    grid = device(np.zeros((2, 2)))
    histogram[13, 8](device(ids, np.int64), counts, extremes, grid)

    expected = np.bincount(ids, minlength=4)
    assert counts.memory.tolist() == expected.tolist()
    assert extremes.memory.tolist() == [3, 1]
    assert grid.memory.ravel().tolist() == (expected / 2).tolist()


def test_an_atomic_returns_what_was_there() -> None:
    out = empty((12,), np.int64)
    ticket[3, 4](device([0], np.int64), out)

    assert sorted(out.memory.tolist()) == list(range(12))


@jit
def all_atomics(x, old):
    old[0] = cuda.atomic.sub(x, 0, 3)
    old[1] = cuda.atomic.and_(x, 1, 6)
    old[2] = cuda.atomic.or_(x, 2, 6)
    old[3] = cuda.atomic.xor(x, 3, 6)
    old[8] = cuda.atomic.exch(x, 8, 20)
    old[9] = cuda.atomic.cas(x, 9, 9, 30)
    old[10] = cuda.atomic.cas(x, 10, 9, 30)
    old[11] = cuda.atomic.compare_and_swap(x[11:], 11, 40)


@jit
def counting_atomics(x, old):
    old[4] = cuda.atomic.inc(x, 4, 10)
    old[5] = cuda.atomic.inc(x, 5, 3)
    old[6] = cuda.atomic.dec(x, 6, 10)
    old[7] = cuda.atomic.dec(x, 7, 3)


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64])
def test_every_atomic(dtype: type) -> None:
    x, old = device(np.arange(12), dtype), device(np.arange(12), dtype)
    x.memory[[5, 7]] = old.memory[[5, 7]] = 3, 0
    before = x.memory.tolist()
    all_atomics[1, 1](x, old)
    expected = [0 - 3, 1 & 6, 2 | 6, 3 ^ 6, 4, 3, 6, 0, 20, 30, 10, 40]
    if np.dtype(dtype).kind == "u":  # numba has inc and dec of no others
        counting_atomics[1, 1](x, old)
        expected[4:8] = 5, 0, 5, 3

    assert old.memory.tolist() == before
    assert x.memory.tolist() == np.array(expected).astype(dtype).tolist()


@jit
def counts_beyond(x, old):
    old[0] = cuda.atomic.inc(x, 0, 3)
    old[1] = cuda.atomic.dec(x, 1, 3)


def test_what_lies_beyond_the_range_of_a_count_comes_back_to_its_beginning() -> None:
    """inc then makes 0, as of the largest count, and dec the largest, as of 0."""
    x, old = device([9, 9], np.uint32), device([0, 0], np.uint32)
    counts_beyond[1, 1](x, old)

    assert old.memory.tolist() == [9, 9]
    assert x.memory.tolist() == [0, 3]


@jit
def extremes_of_numbers(x, out):
    i = cuda.grid(1)
    cuda.atomic.nanmax(out, 0, x[i])
    cuda.atomic.nanmin(out, 1, x[i])


def test_nan_is_no_extreme() -> None:
    out = device([math.nan, math.nan])
    extremes_of_numbers[2, 3](device([1, math.nan, 3, math.nan, -2, 0]), out)

    assert out.memory.tolist() == [3, -2]


# What is left out


@jit(device=True)
def put_and_wait(shared, value):
    shared[cuda.threadIdx.x] = value
    cuda.syncthreads()


@jit
def waits_for_nothing(out):
    shared = cuda.shared.array(THREADS, np.int32)
    nothing = put_and_wait(shared, cuda.threadIdx.x)
    out[cuda.threadIdx.x] = shared[THREADS - 1 - cuda.threadIdx.x] if nothing is None else -1


def test_a_device_function_that_waits_may_return_nothing() -> None:
    out = empty((THREADS,), np.int64)
    waits_for_nothing[1, THREADS](out)

    assert out.memory.tolist() == list(range(THREADS))[::-1]


# Memory nobody has written


@jit
def leak(out):
    shared = cuda.shared.array(2, np.float32)
    whole = cuda.shared.array(1, np.int32)
    mine = cuda.local.array((1,), np.float64)
    pair = cuda.local.array(1, np.complex64)
    out[cuda.blockIdx.x, 0] = shared[0] + pair[0].imag
    out[cuda.blockIdx.x, 1] = whole[0]
    out[cuda.blockIdx.x, 2] = mine[0]
    shared[0] = 1
    whole[0] = 1
    mine[0] = 1


def test_what_nobody_has_written_is_poisoned_anew_for_every_block() -> None:
    out = empty((3, 3), np.float64)
    assert np.isnan(out.memory).all()
    leak[3, 1](out)

    assert np.isnan(out.memory[:, [0, 2]]).all()
    assert (out.memory[:, 1] == 0x6D6D6D6D).all()
    assert empty((), np.int32).memory == 0x6D6D6D6D


# Blocks that wait for each other


@jit(device=True)
def grid_wide(value, cells):
    """The sum of every block's value, to every block."""
    mine = cuda.shared.array(1, np.int64)
    if cuda.threadIdx.x == 0:
        mine[0] = value
        cells[cuda.blockIdx.x] = mine[0]
    cuda.cg.this_grid().sync()
    total = mine[0] - value
    for i in range(cuda.gridDim.x):
        total += cells[i]
    return total


@jit
def across_blocks(x, cells, out):
    grid = cuda.cg.this_grid()
    i = cuda.grid(1)
    out[i] = x[x.size - 1 - i]
    grid.sync()
    total = grid_wide(cuda.blockIdx.x + 1, cells)
    x[i] = out[i] + total
    cuda.syncthreads()
    grid.sync()
    out[i] = x[x.size - 1 - i]


def test_blocks_wait_for_each_other() -> None:
    x, cells, out = device(np.arange(20)), empty((5,), np.int64), empty((20,), np.float32)
    across_blocks[5, 4](x, cells, out)

    assert x.memory.tolist() == [19 - i + 15 for i in range(20)]
    assert out.memory.tolist() == [i + 15 for i in range(20)]


@jit
def some_blocks(x):
    if cuda.blockIdx.x > 0:
        cuda.cg.this_grid().sync()
    x[0] = 1


def test_a_block_that_misses_the_others() -> None:
    told = r"block \(0, 0, 0\) is at the end, block \(1, 0, 0\) is at .*sync\(\) at .*py:\d+"
    with pytest.raises(BarrierError, match=told):
        some_blocks[3, 2](empty((1,), np.float32))


def takes_hints(x, out):
    t = cuda.grid(1)
    cuda.stwt(out, t, cuda.ldcs(x, t) + cuda.ldcg(TABLE, (0, t)))


def goes_over_all(x, out):
    t = cuda.threadIdx.x
    own = cuda.local.array(2, np.float32)
    own.fill(x[1:].sum())
    out[t] = own.mean() + x.argmax() + type(x.sum())(0.5) + x.reshape(3, 1).prod()


@pytest.mark.parametrize("make", [jit, check])
@pytest.mark.parametrize(("kernel", "want"), [(takes_hints, [3, 8, 7]), (goes_over_all, [24] * 3)])
def test_hints_for_the_cache_and_methods_of_arrays(make: Any, kernel: Any, want: Any) -> None:
    x, out = np.array([1, 5, 3], np.int32), np.zeros(3)
    make(kernel)[1, 3](*((x, out) if make is check else map(DeviceArray, (x, out))))

    assert out.tolist() == want
