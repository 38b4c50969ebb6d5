"""Copies in flight on the emulator: what a thread finds there that did not wait for them."""
# ruff: noqa: ANN201 -- kernels return nothing

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cudagrad.emulator import (
    DeviceArray,
    UnsupportedError,
    cuda,
    generators,
    intrinsics,
    jit,
    order,
    runtime,
)

MANY = runtime.IN_FLIGHT + 6
FORMS = [contextlib.nullcontext, generators]


@jit
def watched(x, out):
    """What each of two threads sees of the other's copies: begun, the first waited for, all."""
    tile = cuda.shared.array((2, 8), np.float32, alignment=16)
    t = cuda.threadIdx.x
    intrinsics.copy_async4(tile, (0, 4 * t), x, 4 * t, True)
    intrinsics.commit_copies()
    intrinsics.copy_async4(tile, (1, 4 * t), x, 4 * t, t == 0)
    intrinsics.commit_copies()
    cuda.syncthreads()
    for k in range(4):
        out[0, 0, 4 * t + k], out[0, 1, 4 * t + k] = tile[0, 7 - 4 * t - k], tile[1, 7 - 4 * t - k]
    cuda.syncthreads()
    intrinsics.wait_but_latest()
    cuda.syncthreads()
    for k in range(4):
        out[1, 0, 4 * t + k], out[1, 1, 4 * t + k] = tile[0, 7 - 4 * t - k], tile[1, 7 - 4 * t - k]
    cuda.syncthreads()
    intrinsics.commit_copies()
    intrinsics.wait_but_latest()
    cuda.syncthreads()
    for k in range(4):
        out[2, 0, 4 * t + k], out[2, 1, 4 * t + k] = tile[0, 7 - 4 * t - k], tile[1, 7 - 4 * t - k]


@jit
def not_committed(x, out):
    """A copy in no group, which no wait is for."""
    tile = cuda.shared.array(8, np.float32, alignment=16)
    intrinsics.copy_async4(tile, 0, x, 0, True)
    intrinsics.wait_but_latest()
    out[0] = tile[0]


@jit
def over_what_was_there(x, out):
    tile = cuda.shared.array(4, np.float32, alignment=16)
    for k in range(4):
        tile[k] = np.float32(7)
    intrinsics.copy_async4(tile, 0, x, 0, True)
    for k in range(4):
        out[k] = tile[k]


@jit
def many(x, out):
    tile = cuda.shared.array((MANY, 4), np.float32, alignment=16)
    for k in range(MANY):
        intrinsics.copy_async4(tile, (k, 0), x, 4 * k, True)
    intrinsics.commit_copies()
    intrinsics.commit_copies()
    intrinsics.wait_but_latest()
    for k in range(MANY):
        out[k] = tile[k, 3]


@jit
def left_by_a_block(x, out):
    """The first block leaves a copy on its way, and the second waits for none of its own."""
    tile = cuda.shared.array(4, np.float32, alignment=16)
    if cuda.blockIdx.x == 0:
        intrinsics.copy_async4(tile, 0, x, 0, True)
        intrinsics.commit_copies()
    else:
        intrinsics.commit_copies()
        intrinsics.wait_but_latest()
    out[cuda.blockIdx.x] = tile[0]


@jit
def in_a_grid_that_waits(x, out):
    tile = cuda.shared.array(4, np.float32, alignment=16)
    intrinsics.copy_async4(tile, 0, x, 0, True)
    cuda.cg.this_grid().sync()
    out[0] = tile[0]


@jit(device=True)
def finish():
    intrinsics.commit_copies()
    intrinsics.wait_but_latest()


@jit
def no_barrier_behind_the_wait(x, out, is_asked):
    tile = cuda.shared.array(8, np.float32, alignment=16)
    t = cuda.threadIdx.x
    intrinsics.copy_async4(tile, 4 * t, x, 4 * t, True)
    intrinsics.commit_copies()
    cuda.syncthreads()
    finish()
    if is_asked:
        out[t] = tile[7 - t]
        cuda.syncthreads()


def run(kernel: Any, grid: int, block: int, out: tuple[int, ...], *more: Any) -> np.ndarray:
    """What a kernel makes of 1, 2, 3 …"""
    x = np.arange(1, 4 * MANY + 1, dtype=np.float32)
    result = DeviceArray(np.zeros(out, np.float32))
    kernel[grid, block](DeviceArray(x), result, *more)
    return result.memory


@pytest.mark.parametrize("name", ["forward", "reversed", "random"])
@pytest.mark.parametrize("way", FORMS)
def test_copies_are_there_when_they_are_waited_for(way: Callable[[], Any], name: str) -> None:
    with order(name), way():
        begun, first, both = run(watched, 1, 2, (3, 2, 8))

    assert np.isnan(begun).all()
    assert first[0].tolist() == [8, 7, 6, 5, 4, 3, 2, 1]
    assert np.isnan(first[1]).all()
    assert both.tolist() == [[8, 7, 6, 5, 4, 3, 2, 1], [0, 0, 0, 0, 4, 3, 2, 1]]


def test_a_copy_in_no_group_is_not_waited_for() -> None:
    assert np.isnan(run(not_committed, 1, 1, (1,)))


def test_a_copy_on_its_way_leaves_nothing_of_what_was_there() -> None:
    assert np.isnan(run(over_what_was_there, 1, 1, (4,))).all()


def test_more_copies_than_can_be_on_their_way_arrive_early() -> None:
    assert run(many, 1, 1, (MANY,)).tolist() == [4 * k + 4 for k in range(MANY)]


def test_what_a_block_did_not_wait_for_never_arrives() -> None:
    assert np.isnan(run(left_by_a_block, 2, 1, (2,))).all()


def test_a_grid_that_waits_has_no_copies() -> None:
    with pytest.raises(UnsupportedError, match="a grid that waits is not for copies in flight"):
        run(in_a_grid_that_waits, 2, 1, (1,))


def test_what_is_copied_is_of_the_kind_that_a_gpu_copies() -> None:
    x = np.zeros(8)
    why = r"what is copied is .*float32.* not float64 to float32"
    with pytest.raises(UnsupportedError, match=why):
        not_committed[1, 1](DeviceArray(x), DeviceArray(x))


def test_a_kernel_is_not_cut_where_only_a_wait_keeps_apart() -> None:
    """A cut is a barrier between what one thread waits for and what another reads."""
    found = no_barrier_behind_the_wait.form((("f", 1), ("f", 1), bool))

    assert found.name == "together"
    assert "no barrier keeps apart what uses _shared_1" in found.why
    with order("forward"):
        assert np.isnan(run(no_barrier_behind_the_wait, 1, 2, (2,), True)[0])
