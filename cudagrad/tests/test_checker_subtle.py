"""The checker where CUDA is subtle: fences, memory that is shared twice, what a shuffle orders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numba import cuda

from cudagrad.checker import RaceError, check

HERE = Path(__file__)


def last_block(parts, ticket, out, fenced) -> None:
    """The block that takes the last ticket adds up what all have left."""
    if cuda.threadIdx.x == 0:
        parts[cuda.blockIdx.x] = cuda.blockIdx.x
        if fenced:
            cuda.threadfence()
        if cuda.atomic.add(ticket, 0, 1) == cuda.gridDim.x - 1:
            for k in range(cuda.gridDim.x):
                out[0] += parts[k]


def zeros() -> list[np.ndarray]:
    return [np.zeros(4, np.int64), np.zeros(1, np.int64), np.zeros(1, np.int64)]


def test_a_fence_and_an_atomic_ticket_order_blocks() -> None:
    arguments = zeros()
    check(last_block)[4, 8](*arguments, True)

    assert arguments[-1].tolist() == [6]


def test_a_ticket_alone_does_not() -> None:
    with pytest.raises(RaceError, match="parts"):
        check(last_block)[4, 8](*zeros(), False)


def test_dynamic_shared_arrays_lie_in_the_same_memory() -> None:
    def two(out):
        counts = cuda.shared.array(0, np.int32)
        values = cuda.shared.array(0, np.float32)
        t = cuda.threadIdx.x
        counts[t] = t
        values[(t + 1) % 4] = np.float32(1)
        cuda.syncthreads()
        out[t] = counts[t]

    with pytest.raises(RaceError):
        check(two)[1, 4, 0, 16](np.zeros(4, np.int64))


def test_a_shuffle_orders_no_memory() -> None:
    def neighbour(x, out):
        tile = cuda.shared.array(32, np.float32)
        t = cuda.threadIdx.x
        tile[t] = x[t]
        cuda.shfl_sync(0xFFFFFFFF, x[t], 0)
        if t > 0:
            out[t] = tile[t - 1]

    with pytest.raises(RaceError, match="tile"):
        check(neighbour)[1, 32](np.zeros(32, np.float32), np.zeros(32, np.float32))


def test_numbers_have_numbas_types() -> None:
    def mixed(x, i, out):
        out[0] = x[0] * 1.1  # float64: the constant is one
        out[1] = i[0] + i[0]  # int64

    out = np.zeros(2)
    check(mixed)[1, 1](np.array([0.1], np.float32), np.array([2**31 - 1], np.int32), out)
    assert out.tolist() == [float(np.float32(0.1)) * 1.1, 2**32 - 2]


def test_a_store_of_a_part_is_told_by_the_kernels_line() -> None:
    def rows(out):
        row = out[0]
        row[1:] = cuda.threadIdx.x  # the store

    lines = HERE.read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "# the store" in text)
    with pytest.raises(RaceError, match=f"{HERE.name}:{line}"):
        check(rows)[1, 2](np.zeros((2, 3), np.int64))
