"""Shuffles and votes: what the threads of a warp, or of a block, tell each other."""
# ruff: noqa: ANN201 -- kernels return nothing, and numba infers the types of device functions

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cudagrad.checker import check
from cudagrad.emulator import (
    BarrierError,
    DeviceArray,
    KernelError,
    cuda,
    empty,
    generators,
    jit,
    order,
)
from cudagrad.emulator.forms import form_of

WARP = 32
BLOCK = 4 * WARP
FULL = 0xFFFFFFFF


@pytest.fixture(params=["forward", "reversed", "random:1"], autouse=True)
def _every_order(request: pytest.FixtureRequest) -> Iterator[None]:
    with order(request.param):
        yield


@pytest.fixture(params=[contextlib.nullcontext, generators], autouse=True)
def _both_forms(request: pytest.FixtureRequest) -> Iterator[None]:
    with request.param():
        yield


@jit
def shuffle(x, out):
    i = cuda.grid(1)
    out[0, i] = cuda.shfl_sync(FULL, x[i], 35)
    out[1, i] = cuda.shfl_up_sync(-1, x[i], 2)
    out[2, i] = cuda.shfl_down_sync(-1, x[i], 5)
    out[3, i] = cuda.shfl_xor_sync(-1, x[i], 12)
    out[4, i] = cuda.laneid + 100 * cuda.warpsize


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
def test_shuffles_stay_inside_their_warp(dtype: type) -> None:
    x = np.arange(2 * BLOCK, dtype=dtype)
    out = empty((5, x.size), dtype)
    shuffle[2, BLOCK](DeviceArray(x), out)

    start, lane = x // WARP * WARP, x % WARP
    assert (out.memory[0] == start + 3).all()
    assert (out.memory[1] == start + np.where(lane < 2, lane, lane - 2)).all()
    assert (out.memory[2] == start + np.where(lane > 26, lane, lane + 5)).all()
    assert (out.memory[3] == start + (lane.astype(int) ^ 12)).all()
    assert (out.memory[4] == lane + 3200).all()


@jit
def vote(x, out):
    i = cuda.grid(1)
    out[0, i] = cuda.ballot_sync(FULL, x[i])
    out[1, i] = cuda.any_sync(FULL, x[i])
    out[2, i] = cuda.all_sync(FULL, x[i])
    out[3, i] = cuda.eq_sync(FULL, x[i])
    out[4, i] = cuda.syncthreads_count(int(x[i]))
    out[5, i] = cuda.syncthreads_and(int(x[i]))
    out[6, i] = cuda.syncthreads_or(int(x[i]))


@pytest.mark.parametrize("block", [BLOCK, WARP, 20])
@pytest.mark.parametrize("chance", [0.0, 0.02, 0.5, 1.0])
def test_votes(block: int, chance: float) -> None:
    x = np.random.default_rng(0).random(block) < chance
    out = empty((7, block), np.int64)
    vote[1, block](DeviceArray(x), out)

    for start in range(0, block, WARP):
        warp, rows = x[start : start + WARP], out.memory[:, start : start + WARP]
        bits = np.uint32(sum(1 << int(lane) for lane in np.flatnonzero(warp))).astype(np.int32)
        assert (rows[0] == bits).all()
        assert (rows[1] == warp.any()).all()
        assert (rows[2] == warp.all()).all()
        assert (rows[3] == (warp.all() or not warp.any())).all()
    assert (out.memory[4] == x.sum()).all()
    assert (out.memory[5] == x.all()).all()
    assert (out.memory[6] == x.any()).all()


@jit
def vote_by_high_bits(x, out):
    i = cuda.grid(1)
    out[0, i] = cuda.any_sync(FULL, x[i])
    out[1, i] = cuda.syncthreads_or(x[i])


@pytest.mark.parametrize("make", [jit, check])
def test_a_block_sees_32_bits_of_what_it_votes_by(make: Any) -> None:
    x, out = np.full(WARP, 2**32), np.zeros((2, WARP), np.int64)
    make(vote_by_high_bits.function)[1, WARP](
        *(array if make is check else DeviceArray(array) for array in (x, out))
    )

    assert out.tolist() == [[1] * WARP, [0] * WARP]


@jit(device=True)
def warp_sum(value):
    offset = WARP // 2
    while offset > 0:
        value += cuda.shfl_xor_sync(FULL, value, offset)
        offset //= 2
    return value


@jit
def every_warp_adds(x, out):
    """Sums of rows in two stages, of which every warp does the second."""
    partial = cuda.shared.array(WARP, np.float32)
    total = warp_sum(x[cuda.blockIdx.x, cuda.threadIdx.x])
    if cuda.laneid == 0:
        partial[cuda.threadIdx.x // WARP] = total
    cuda.syncthreads()
    mine = np.float32(0)
    if cuda.laneid < cuda.blockDim.x // WARP:
        mine = partial[cuda.laneid]
    total = warp_sum(mine)
    if cuda.threadIdx.x == 0:
        out[cuda.blockIdx.x] = total


@jit
def first_warp_adds(x, out):
    """The same, but the other warps are done after the first stage."""
    partial = cuda.shared.array(WARP, np.float32)
    total = warp_sum(x[cuda.blockIdx.x, cuda.threadIdx.x])
    if cuda.laneid == 0:
        partial[cuda.threadIdx.x // WARP] = total
    cuda.syncthreads()
    if cuda.threadIdx.x < WARP:
        mine = np.float32(0)
        if cuda.laneid < cuda.blockDim.x // WARP:
            mine = partial[cuda.laneid]
        total = warp_sum(mine)
        if cuda.threadIdx.x == 0:
            out[cuda.blockIdx.x] = total


@pytest.mark.parametrize("kernel", [every_warp_adds, first_warp_adds])
def test_rows_are_added_by_shuffles(kernel: Any) -> None:
    x = np.arange(3 * BLOCK, dtype=np.float32).reshape(3, BLOCK)
    out = empty((3,), np.float32)
    kernel[3, BLOCK](DeviceArray(x), out)

    assert (out.memory == x.sum(1)).all()


def test_a_step_that_only_one_warp_takes_is_not_cut() -> None:
    kinds = (("f", 2), ("f", 1))

    assert form_of(every_warp_adds.translation, kinds, True).name == "in step"
    assert "`if _thread.threadIdx.x < 32:`" in form_of(first_warp_adds.translation, kinds, True).why


@jit
def waits_by_warps(x, out):
    shared = cuda.shared.array(BLOCK, np.float32)
    t = cuda.threadIdx.x
    shared[t] = x[t]
    cuda.syncwarp()
    out[t] = shared[t ^ 1]


def test_a_warp_may_wait_alone() -> None:
    out = empty((BLOCK,), np.float32)
    waits_by_warps[1, BLOCK](DeviceArray(np.arange(BLOCK, dtype=np.float32)), out)

    assert (out.memory == np.arange(BLOCK) ^ 1).all()


@jit
def half_a_warp(x, out):
    t = cuda.threadIdx.x
    if t % 2 == 0:
        out[t] = cuda.shfl_xor_sync(FULL, x[t], 2)


@jit
def matches(x, out):
    i = cuda.grid(1)
    out[0, i] = cuda.match_any_sync(FULL, x[i])
    mask, same = cuda.match_all_sync(FULL, x[i])
    out[1, i] = mask
    out[2, i] = 1 if same else 0
    out[3, i] = cuda.lanemask_lt()
    out[4, i] = cuda.activemask()


def alike(lanes: list[int]) -> list[int]:
    """For each lane those that are like it, as the bits of an int32."""
    bits = [sum(1 << n for n, other in enumerate(lanes) if other == lane) for lane in lanes]
    return np.array(bits, np.uint32).astype(np.int32).tolist()


@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.float32, np.float64])
def test_lanes_match_others(dtype: type) -> None:
    x = (np.arange(WARP + 20) // 3 % 4).astype(dtype)
    x[WARP:] = 7
    outs = empty((5, x.size), np.int64).memory, np.zeros((5, x.size), np.int64)
    matches[1, x.size](DeviceArray(x), DeviceArray(outs[0]))
    check(matches)[1, x.size](x, outs[1])

    all_20 = 2**20 - 1
    for out in outs:
        assert out[0, :WARP].tolist() == alike(x[:WARP].tolist())
        assert (out[1:3, :WARP] == 0).all()
        assert (out[:2, WARP:] == all_20).all()
        assert (out[2, WARP:] == 1).all()
        lane = np.arange(x.size) % WARP
        assert out[3].tolist() == (2**lane - 1).tolist()
        assert out[4].tolist() == (2**lane).tolist()


def test_a_match_compares_bits() -> None:
    x = np.resize(np.array([0.0, -0.0, np.nan, 2**24]), WARP).astype(np.float32)
    outs = empty((5, WARP), np.int64).memory, np.zeros((5, WARP), np.int64)
    matches[1, WARP](DeviceArray(x), DeviceArray(outs[0]))
    check(matches)[1, WARP](x, outs[1])

    for out in outs:
        assert out[0].tolist() == alike([lane % 4 for lane in range(WARP)])


def test_lanes_that_miss_a_shuffle() -> None:
    x = empty((WARP,), np.float32)
    with pytest.raises(BarrierError, match=r"16 threads.*cuda\.shfl_xor_sync.*16 threads.*end"):
        half_a_warp[1, WARP](x, x)


@jit(device=True)
def first_lane_of(mask):
    return cuda.ffs(mask) - 1


@jit
def some_lanes(x, out):
    """The threads of positive x tell each other of x, and then the halves of each warp."""
    t = cuda.threadIdx.x
    mine = x[t]
    mask = cuda.ballot_sync(FULL, mine > 0)
    if mine > 0:
        cuda.syncwarp(mask)
        out[0, t] = cuda.shfl_sync(mask, mine, first_lane_of(mask))
        out[1, t] = cuda.popc(cuda.ballot_sync(mask, mine > 2) & cuda.lanemask_lt())
        out[2, t] = cuda.all_sync(mask, mine > 0) + 2 * cuda.any_sync(mask, mine > 9)
        out[3, t] = cuda.eq_sync(mask, mine > 2) + 2 * cuda.eq_sync(mask, mine > 9)
        out[4, t] = cuda.match_any_sync(mask, mine)
        alike, same = cuda.match_all_sync(mask, int(mine > 0))
        out[5, t] = alike if same else -1
    total = mine
    if cuda.laneid < WARP // 2:
        total += cuda.shfl_down_sync(0xFFFF, total, 3 if cuda.laneid < 13 else 0)
    else:
        total -= cuda.shfl_up_sync(~0xFFFF, total, cuda.laneid - 16)
        cuda.syncwarp(0xFFFF0000)
    cuda.syncthreads()
    out[6, t] = total


def of_some_lanes(x: Any) -> Any:
    """What that is to be."""
    want = np.zeros((7, x.size), np.int64)
    for start in range(0, x.size, WARP):
        warp = slice(start, start + WARP)
        own, lanes = x[warp], np.flatnonzero(x[warp] > 0)
        of = start + lanes
        want[0, of] = x[of[0]]
        want[1, of] = np.cumsum(x[of] > 2) - (x[of] > 2)
        want[2, of] = 1
        want[3, of] = 2 + (len(set(x[of] > 2)) == 1)
        want[4, of] = np.array(alike(own.tolist()))[lanes]
        want[5, of] = np.uint32(sum(1 << int(lane) for lane in lanes)).astype(np.int32)
        want[6, warp][:13] = own[:13] + own[3:16]
        want[6, warp][13:16] = 2 * own[13:16]
        want[6, warp][16:] = own[16:] - own[16]
    return want


def test_only_the_lanes_of_a_mask_take_part() -> None:
    x = np.random.default_rng(1).integers(-2, 5, 2 * WARP)
    outs = np.zeros((7, x.size), np.int64), np.zeros((7, x.size), np.int64)
    some_lanes[1, x.size](DeviceArray(x), DeviceArray(outs[0]))
    check(some_lanes)[1, x.size](x, outs[1])

    for out in outs:
        assert (out == of_some_lanes(x)).all()


@jit
def some_and_then_all(x, out):
    t = cuda.threadIdx.x
    if t < 16:
        cuda.syncwarp(0xFFFF)
    cuda.syncwarp()
    out[t] = cuda.shfl_sync(FULL, x[t], 31 - t)


@pytest.mark.parametrize("make", [jit, check])
def test_some_lanes_may_wait_before_all_do(make: Any) -> None:
    x, out = np.arange(WARP, dtype=np.float32), np.zeros(WARP, np.float32)
    given = (x, out) if make is check else map(DeviceArray, (x, out))
    make(some_and_then_all.function)[1, WARP](*given)

    assert (out == x[::-1]).all()


@jit
def far_away(out):
    t = cuda.threadIdx.x
    out[0, t] = cuda.shfl_up_sync(FULL, t, 33)
    out[1, t] = cuda.shfl_down_sync(FULL, t, -31)
    out[2, t] = cuda.shfl_xor_sync(FULL, t, 33)


@pytest.mark.parametrize("make", [jit, check])
def test_a_gpu_sees_five_bits_of_where_a_shuffle_goes(make: Any) -> None:
    out, lanes = np.zeros((3, WARP), np.int64), np.arange(WARP)
    make(far_away.function)[1, WARP](DeviceArray(out) if make is jit else out)

    assert (out[0] == np.maximum(lanes - 1, 0)).all()
    assert (out[1] == np.minimum(lanes + 1, WARP - 1)).all()
    assert (out[2] == lanes ^ 1).all()


@jit
def waits_by_halves(x, out):
    cuda.syncwarp(0xFFFF if cuda.laneid < 16 else 0xFFFF0000)
    out[cuda.laneid] = x[cuda.laneid]


def test_a_kernel_whose_lanes_wait_for_some_is_not_cut() -> None:
    form = form_of(waits_by_halves.translation, (("f", 1), ("f", 1)), True)

    assert form.why == "lanes of a warp wait for some of the others alone"


@jit
def names_others(x, out):
    t = cuda.threadIdx.x
    out[t] = cuda.shfl_sync(0xF, x[t], 0)


@jit
def asks_others(x, out):
    t = cuda.threadIdx.x
    if t < 4:
        out[t] = cuda.shfl_down_sync(0xF, t, 1)


@jit
def waits_in_vain(x, out):
    t = cuda.threadIdx.x
    if t < 4:
        cuda.syncwarp(0x1F if t < 3 else 0xF)
    out[t] = x[t]


@pytest.mark.parametrize(
    ("kernel", "said", "checked"),
    [
        (
            names_others,
            r"shfl_sync\(15, x\[t\], 0\) at .*: lane \d+ is not in its own mask 0xf; block",
            r"thread \(4, 0, 0\) of block \(0, 0, 0\), lane 4, is not in its own mask 0xf",
        ),
        (
            asks_others,
            r"shfl_down_sync.* at .*: asks lane 4, which is not in the mask 0xf; .*\(3, 0, 0\)",
            r"thread \(3, 0, 0\) of block \(0, 0, 0\), lane 3, reads lane 4, which does not take",
        ),
        (
            waits_in_vain,
            r"1 thread, \(3, 0, 0\), is at cuda\.syncwarp.*, with mask 0xf; 3 threads, \(0, 0, 0\) "
            r"the first, are at .*, with mask 0x1f; 28 threads, \(4, 0, 0\) the first,",
            r"with mask 0x1f; 1 thread, .*, with mask 0xf; .*; thread \(0, 0, 0\) of block "
            r"\(0, 0, 0\), lane 0, waits for lane 3, thread \(3, 0, 0\)$",
        ),
    ],
)
def test_lanes_that_a_mask_names_or_does_not(kernel: Any, said: str, checked: str) -> None:
    x = np.zeros(WARP, np.float32)
    with pytest.raises(KernelError, match=said):
        kernel[1, WARP](DeviceArray(x), DeviceArray(x))
    with pytest.raises(KernelError, match=checked):
        check(kernel)[1, WARP](x, np.zeros(WARP, np.float32))


def test_a_lane_that_has_no_thread() -> None:
    out = empty((8, 20), np.float32)
    lane = r"cuda\.shfl_down_sync\(-1, x\[i\], 5\).*asks lane 2. of a warp of 20 threads; block"
    with pytest.raises(KernelError, match=lane):
        shuffle[1, 20](DeviceArray(np.zeros(20, np.float32)), out)
