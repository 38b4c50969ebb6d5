"""The checker: what it says of a race, what it must not take for one, and everybody's kernels."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from numba import cuda as numba_cuda

import cudagrad
from cudagrad.checker import (
    RaceError,
    UninitializedError,
    WarpError,
    check,
    jit,
    memory,
    threads,
)
from cudagrad.compile import table
from cudagrad.device import cuda, intrinsics
from cudagrad.emulator import AlignmentError, BarrierError, KernelError, UnsupportedError

pytest_plugins = ["cudagrad.checker.plugin"]
HERE = Path(__file__)
FULL = 0xFFFFFFFF


def line_of(text: str) -> int:
    """Where a text first stands in this file."""
    lines = HERE.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def test_a_race_is_told_with_both_places_and_both_threads() -> None:
    def turned(x, out):
        tile = cuda.shared.array(4, np.float32)
        t = cuda.threadIdx.x
        tile[t] = x[t]  # the write
        if t > 0:
            out[t] = tile[t - 1]  # the read

    def forced(x, out):
        tile = cuda.shared.array(4, np.float32)
        t = cuda.threadIdx.x
        tile[t] = x[t]
        out[t] = tile[(t + 1) % 4]

    x, out = np.arange(4, dtype=np.float32), np.zeros(4, np.float32)
    with pytest.raises(RaceError) as error:
        check(turned)[1, 4](x, out)
    said = str(error.value)
    write, read = line_of("# the write"), line_of("# the read")
    assert said.startswith(f"kernel turned ({HERE}:")
    assert (
        "race for tile[0], in shared memory: thread (0, 0, 0) of block (0, 0, 0) writes it, "
        f"tile[t] at {HERE}:{write}, and thread (1, 0, 0) of block (0, 0, 0) reads it, "
        f"tile[t - 1] at {HERE}:{read}; nothing says which comes first" in said
    )
    with pytest.raises(
        UninitializedError, match=r"thread \(0, 0, 0\).* reads tile\[1\], in shared memory, tile"
    ):
        check(forced)[1, 4](x, out)


def test_an_array_of_a_threads_own_is_told_by_its_name() -> None:
    def sums(out):
        own = cuda.local.array(2, np.int64)
        own[0] = 1
        out[0] = own[0] + own[1]

    with pytest.raises(UninitializedError, match=r"reads own\[1\], in local memory, own\[1\] at"):
        check(sums)[1, 1](np.zeros(1))


def test_blocks_race_for_global_memory_also_where_a_barrier_stands() -> None:
    def shared_place(out):
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            out[0] = cuda.blockIdx.x

    with pytest.raises(RaceError, match=r"race for out\[0\].*block \(0, 0, 0\).*block \(1, 0, 0\)"):
        check(shared_place)[2, 4](np.zeros(1, np.int64))


def test_two_names_of_one_array_are_one() -> None:
    def swap(x, y):
        i = cuda.threadIdx.x
        y[3 - i] = x[i]

    both = np.arange(4)
    strided = np.lib.stride_tricks.as_strided(both)  # does not say that it is of both
    buffer = bytearray(32)
    two = np.frombuffer(buffer, np.int64), np.frombuffer(buffer, np.int64)
    for x, y in ((both, both), (both, strided), two):
        with pytest.raises(RaceError, match=r"race for [xy]"):
            check(swap)[1, 4](x, y)
    x, y = np.arange(4), np.zeros(4, np.int64)
    check(swap)[1, 4](x, y)
    assert y.tolist() == [3, 2, 1, 0]


def test_atomics_among_themselves_do_not_race_but_with_others_they_do() -> None:
    def tally(out):
        cuda.atomic.add(out, 0, 1)
        cuda.atomic.max(out, 1, cuda.grid(1))

    def looked_at(out):
        cuda.atomic.add(out, 0, 1)
        out[1] = out[0]

    out = np.zeros(2, np.int64)
    check(tally)[2, 8](out)
    assert out.tolist() == [16, 15]
    with pytest.raises(RaceError, match="atomically changes it"):
        check(looked_at)[1, 8](np.zeros(2, np.int64))


def test_every_atomic_is_numbas() -> None:
    def changed(out, old):
        old[0] = cuda.atomic.sub(out, 0, 3)
        old[1] = cuda.atomic.min(out, 1, 3)
        old[2] = cuda.atomic.and_(out, 2, 3)
        old[3] = cuda.atomic.or_(out, 3, 3)
        old[4] = cuda.atomic.xor(out, 4, 3)
        old[5] = cuda.atomic.exch(out, 5, 3)
        old[6] = cuda.atomic.inc(out, 6, 3)
        old[7] = cuda.atomic.inc(out, 7, 3)
        old[8] = cuda.atomic.dec(out, 8, 3)
        old[9] = cuda.atomic.dec(out, 9, 3)
        old[10] = cuda.atomic.dec(out, 10, 3)

    given = np.array([10, 5, 6, 6, 6, 6, 2, 3, 0, 2, 5], np.uint64)
    out, old = given.copy(), np.zeros_like(given)
    check(changed)[1, 1](out, old)
    assert out.tolist() == [7, 3, 2, 7, 5, 3, 3, 0, 3, 1, 3]
    assert old.tolist() == given.tolist()


def test_compare_and_swap() -> None:
    def swapped(out, old):
        old[0] = cuda.atomic.cas(out, 0, 5, 9)
        old[1] = cuda.atomic.cas(out, 0, 5, 7)
        old[2] = cuda.atomic.compare_and_swap(out, 9, 3)

    def swapped_number(out, old):
        old[0] = cuda.atomic.compare_and_swap(out, 5, 9)

    out, old = np.array([5]), np.zeros(3, np.int64)
    check(swapped)[1, 1](out, old)
    assert (out.tolist(), old.tolist()) == ([3], [5, 9, 9])
    with pytest.raises(TypeError, match="an atomic takes an array and an index"):
        check(swapped_number)[1, 1](5, old)
    with pytest.raises(UnsupportedError, match="compare_and_swap is for arrays with one axis"):
        check(swapped_number)[1, 1](np.zeros((2, 2), np.int64), old)


def test_lanes_shuffle_and_vote() -> None:
    def warp(x, sums, votes):
        t = cuda.threadIdx.x
        value = x[t]
        step = 16
        while step > 0:
            value += cuda.shfl_xor_sync(FULL, value, step)
            step //= 2
        sums[t] = value
        left = cuda.shfl_up_sync(FULL, x[t], 1)
        right = cuda.shfl_down_sync(FULL, x[t], 1)
        first = cuda.shfl_sync(FULL, x[t], 0)
        votes[t, 0] = left + right + first
        votes[t, 1] = cuda.ballot_sync(FULL, t < 3)
        votes[t, 2] = cuda.any_sync(FULL, t == 3) and not cuda.all_sync(FULL, t == 3)

    x = np.arange(32)
    sums, votes = np.zeros(32, np.int64), np.zeros((32, 3), np.int64)
    check(warp)[1, 32](x, sums, votes)
    assert sums.tolist() == [x.sum()] * 32
    assert votes[:, 0].tolist() == [1, *range(2, 62, 2), 61]
    assert votes[0].tolist() == [1, 7, 1]


def test_a_warps_barrier_orders_its_lanes_and_no_others() -> None:
    def neighbour(x, out):
        tile = cuda.shared.array(64, np.int64)
        t = cuda.threadIdx.x
        tile[t] = x[t]
        cuda.syncwarp()
        if t % 32 > 0:
            out[t] = tile[t - 1]

    def across(x, out):
        tile = cuda.shared.array(64, np.int64)
        t = cuda.threadIdx.x
        tile[t] = x[t]
        cuda.syncwarp()
        if t > 0:
            out[t] = tile[t - 1]

    def of_half(x, out):
        tile = cuda.shared.array(16, np.int64)
        t = cuda.threadIdx.x
        if t < 16:
            tile[t] = x[t]
            cuda.syncwarp(0xFFFF)
            out[t] = tile[15 - t]

    def behind(x, out):
        tile = cuda.shared.array(64, np.int64)
        t = cuda.threadIdx.x
        cuda.syncwarp()
        tile[t] = x[t]
        if t > 0:
            out[t] = tile[t - 1]

    x, out = np.arange(64), np.zeros(64, np.int64)
    check(neighbour)[1, 64](x, out)
    assert out[1] == 0
    assert out[33] == 32
    check(of_half)[1, 32](x, out)
    assert out[:16].tolist() == list(range(15, -1, -1))
    with pytest.raises(RaceError, match=r"race for tile\[0\]"):
        check(behind)[1, 64](x, out)
    with pytest.raises(RaceError, match=r"race for tile\[31\]"):
        check(across)[1, 64](x, out)


def test_lanes_that_do_not_meet_are_told() -> None:
    def half(out):
        if cuda.laneid < 16:
            out[cuda.laneid] = cuda.shfl_down_sync(FULL, cuda.laneid, 1)
        cuda.syncthreads()

    def one_of_two(out):
        if cuda.laneid == 1:
            out[0] = cuda.shfl_sync(3, cuda.laneid, 0)

    def beyond(out):
        out[cuda.laneid] = cuda.shfl_down_sync(FULL, cuda.laneid, 1)

    def unnamed(out):
        out[cuda.laneid] = cuda.shfl_sync(1, cuda.laneid, 0)

    with pytest.raises(
        WarpError, match=r"16 threads, .* are at cuda\.shfl_down_sync.*16 threads, .*syncthreads"
    ):
        check(half)[1, 32](np.zeros(32, np.int64))
    alone = (
        r", with mask 0x3; thread \(1, 0, 0\) of .*, lane 1, waits for lane 0, thread \(0, 0, 0\)"
    )
    with pytest.raises(WarpError, match=alone):
        check(one_of_two)[1, 32](np.zeros(32, np.int64))
    with pytest.raises(WarpError, match="reads lane 16, which does not take part"):
        check(beyond)[1, 16](np.zeros(32, np.int64))
    with pytest.raises(WarpError, match="is not in its own mask 0x1"):
        check(unnamed)[1, 2](np.zeros(32, np.int64))


def test_barriers_count() -> None:
    def counted(x, out):
        t = cuda.threadIdx.x
        out[t, 0] = cuda.syncthreads_count(int(x[t] > 1))
        out[t, 1] = cuda.syncthreads_and(int(x[t] > 1))
        out[t, 2] = cuda.syncthreads_or(int(x[t] > 1))
        out[t, 3] = cuda.syncthreads_or(x[t] << 32)  # of which it sees the lower half

    out = np.ones((5, 4), np.int64)
    check(counted)[1, 5](np.arange(5), out)
    assert out.tolist() == [[3, 0, 1, 0]] * 5


def test_a_barrier_that_some_do_not_reach_is_told_with_both_places() -> None:
    def uneven():
        if cuda.threadIdx.x < 2:
            cuda.syncthreads()

    with pytest.raises(
        BarrierError, match=r"2 threads, .* are at cuda\.syncthreads\(\) at .*; 2 .*the end"
    ):
        check(uneven)[1, 4]()


@pytest.mark.parametrize("index", [-1, 4])
def test_an_index_outside_is_told(index: int) -> None:
    def reads(x, i):
        x[i] = 0

    with pytest.raises(IndexError, match=rf"x\[i\] at .*: index {index} on axis 0 of size 4"):
        check(reads)[1, 1](np.zeros(4), index)


def test_a_function_that_waits_may_be_called_anywhere() -> None:
    @jit(device=True)
    def total(value, scratch):
        t = cuda.threadIdx.x
        scratch[t] = value
        cuda.syncthreads()
        found = scratch[0] + scratch[1]
        cuda.syncthreads()
        return found

    def twice(x, out):
        scratch = cuda.shared.array(2, np.int64)
        t = cuda.threadIdx.x
        out[t] = total(x[t], scratch) + total(10 * x[t], scratch)

    out = np.zeros(2, np.int64)
    check(twice)[1, 2](np.array([1, 2]), out)
    assert out.tolist() == [33, 33]


def test_places_in_a_grid_of_three_axes() -> None:
    def numbered(out):
        x, y = cuda.grid(2)
        _, _, z = cuda.grid(3)
        _, height = cuda.gridsize(2)
        out[z, y, x] = x + cuda.gridsize(1) * (y + height * z)

    out = np.zeros((4, 3, 10), np.int64)
    check(numbered)[(2, 1, 4), (5, 3)](out)
    assert out.ravel().tolist() == list(range(120))


def test_integers_wrap_around() -> None:
    def wrapped(out):
        out[0] = np.uint32(-1)
        out[1] = np.int32(2**31)
        out[2] = np.uint32(np.uint32(2**31) * np.uint32(2))

    out = np.zeros(3, np.int64)
    check(wrapped)[1, 1](out)
    assert out.tolist() == [2**32 - 1, -(2**31), 0]


@numba_cuda.jit
def add_reversed(x, out) -> None:
    tile = numba_cuda.shared.array(0, np.float32)
    i = numba_cuda.grid(1)
    t = numba_cuda.threadIdx.x
    tile[t] = x[i]
    numba_cuda.syncthreads()
    out[i] += tile[numba_cuda.blockDim.x - 1 - t]


def test_kernels_of_numba_are_checked_as_they_are(check_kernel: Callable[[Any], Any]) -> None:
    x, out = np.arange(8, dtype=np.float32), np.ones(8, np.float32)

    check_kernel(add_reversed)[2, 4, 0, 16](x, out)
    assert out.tolist() == [4, 3, 2, 1, 8, 7, 6, 5]


def test_a_number_in_the_place_of_an_array_is_named() -> None:
    def copied(x, out):
        out[0] = x[0]

    array = np.ones(3)
    for arguments, name in (((2.0, array), "x"), ((array, 2), "out")):
        with pytest.raises(TypeError, match=rf"{name}\[0\] at .*: a (float|int)64 has no elements"):
            check(copied)[1, 1](*arguments)


def test_the_barrier_of_a_grid_orders_its_blocks() -> None:
    def through(x, sums, out):
        if cuda.threadIdx.x == 0:
            sums[cuda.blockIdx.x] = x[cuda.blockIdx.x]
        numba_cuda.cg.this_grid().sync()
        if cuda.threadIdx.x == 0:
            out[cuda.blockIdx.x] = sums[0] + sums[1]

    x, sums, out = np.array([3, 4]), np.zeros(2, np.int64), np.zeros(2, np.int64)
    check(through)[2, 4](x, sums, out)
    assert out.tolist() == [7, 7]


def test_a_block_that_does_not_come_to_the_barrier_of_the_grid_is_told() -> None:
    def first_block():
        if cuda.blockIdx.x == 0:
            numba_cuda.cg.this_grid().sync()

    where = r"sync\(\) at .*test_checker.py:\d+"
    told = rf"block \(0, 0, 0\) is at .*{where}, block \(1, 0, 0\) is at the end"
    with pytest.raises(BarrierError, match=told):
        check(first_block)[2, 4]()


def test_blocks_at_two_barriers_of_the_grid_are_told_apart() -> None:
    def parted():
        if cuda.blockIdx.y == 0:
            numba_cuda.cg.this_grid().sync()
        else:
            numba_cuda.cg.this_grid().sync()

    told = r"block \(0, 0, 0\) is at .*:(\d+), block \(0, 1, 0\) is at .*:(\d+)$"
    with pytest.raises(BarrierError, match=told) as caught:
        check(parted)[(2, 2), 4]()
    lines = re.search(told, str(caught.value))
    assert lines is not None
    assert int(lines[2]) == int(lines[1]) + 2


def test_to_ask_for_a_type_is_not_to_read() -> None:
    def cleared(out):
        own = cuda.local.array(2, numba.float32)
        for k in range(2):
            own[k] = type(own[k])(3)
        out[cuda.threadIdx.x] = type(out[0])(own[0] + own[1])

    out = np.zeros(4, np.float32)
    check(cleared)[1, 4](out)
    assert out.tolist() == [6] * 4


@pytest.mark.parametrize("waits", ["block", "warp"])
def test_a_loop_that_waits_for_ever_is_told(waits: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_block(x):
        while x[0] == 0:
            cuda.syncthreads()

    def of_warp(x):
        while x[0] == 0:
            cuda.syncwarp()

    monkeypatch.setattr(threads, "WAITS", 1000)
    kernel = of_block if waits == "block" else of_warp
    with pytest.raises(KernelError, match=r"does not end in 1,000 waits.*4 threads, .*cuda\.sync"):
        check(kernel)[1, 4](np.zeros(1))


def test_too_much_shared_memory_is_refused() -> None:
    def large():
        tile = cuda.shared.array(50_000, np.int8)
        tile[0] = 1

    with pytest.raises(KernelError, match="50000 bytes of shared memory; a block has 49152"):
        check(large)[1, 1]()


def test_a_copy_on_its_way_is_told_by_its_call() -> None:
    def read_at_once(x, out):
        tile = cuda.shared.array(4, np.float32, alignment=16)
        intrinsics.copy_async4(tile, 0, x, 0, True)
        out[0] = tile[1]

    def overwritten(x, out):
        tile = cuda.shared.array(4, np.float32, alignment=16)
        intrinsics.copy_async4(tile, 0, x, 0, True)
        tile[2] = np.float32(0)

    x, out = np.arange(4, dtype=np.float32), np.zeros(1, np.float32)
    call = r"intrinsics.copy_async4\(tile, 0, x, 0, True\) at "
    unwaited = rf"reads tile\[1\], .*; the copy to it has not been waited for, {call}"
    with pytest.raises(UninitializedError, match=unwaited):
        check(read_at_once)[1, 1](x, out)
    with pytest.raises(RaceError, match=rf"tile\[2\], .* a copy is on its way there, {call}"):
        check(overwritten)[1, 1](x, out)


def test_a_wide_access_begins_at_a_multiple_of_16_bytes() -> None:
    def turned(x, start, out):
        a, b, c, d = intrinsics.load4(x, (0, start))
        intrinsics.store4(out, 0, d, c, b, a)

    x, out = np.arange(8, dtype=np.float32).reshape(1, 8), np.zeros(4)
    check(turned)[1, 1](x[:, 1:], 3, out)
    assert out.tolist() == [7, 6, 5, 4]
    check(turned)[1, 1](x.astype(np.float64), 2, out)  # in two accesses
    assert out.tolist() == [5, 4, 3, 2]
    for given, start in ((x, 2), (x[:, 1:], 0), (x.astype(np.float64), 1)):
        with pytest.raises(
            AlignmentError, match=r"load4\(x, \(0, start\)\) at .* of 16 bytes; thread"
        ):
            check(turned)[1, 1](given, start, out)


def test_arrays_in_one_block_of_memory_are_written_each_for_itself() -> None:
    block = np.zeros(8, np.uint8)
    for part in (block[:4], block[4:]):
        memory.forget(part)
    memory.remember(block[2:6])

    assert memory.written(block) == bytes([0, 0, 1, 1, 1, 1, 0, 0])


def test_a_copy_may_not_begin_where_others_still_read() -> None:
    """The barrier before the wait makes them wait, but by then the copy may have arrived."""

    def read_late(x, out):
        tile = cuda.shared.array(4, np.float32, alignment=16)
        t = cuda.threadIdx.x
        tile[t] = x[t]
        cuda.syncthreads()
        out[t] = tile[3 - t]
        if t == 3:
            intrinsics.copy_async4(tile, 0, x, 4, True)
        intrinsics.commit_copies()
        intrinsics.commit_copies()
        cuda.syncthreads()
        intrinsics.wait_but_latest()

    x, out = np.arange(8, dtype=np.float32), np.zeros(4, np.float32)
    with pytest.raises(RaceError, match=r"tile\[\d\], .* reads it, .* writes it, .*copy_async4"):
        check(read_late)[1, 4](x, out)


def test_a_group_of_copies_is_its_threads_own() -> None:
    """One that has waited knows of its own; of those of others after a barrier, if they waited."""

    def handed_on(x, out):
        tile = cuda.shared.array(8, np.float32, alignment=16)
        t = cuda.threadIdx.x
        intrinsics.copy_async4(tile, 4 * t, x, 4 * t, t == 0)
        intrinsics.commit_copies()
        intrinsics.commit_copies()
        intrinsics.wait_but_latest()
        own = tile[4 * t + 3]
        cuda.syncthreads()
        out[t] = own + tile[4 - 4 * t + 3]

    x, out = np.arange(8, dtype=np.float32), np.zeros(2, np.float32)
    check(handed_on)[1, 2](x, out)
    assert out.tolist() == [3, 3]


def test_neighbours_of_an_unsigned_place_are_found() -> None:
    """A place of uint64 and a number of int64 add up to a float64."""

    def second_four(x, out):
        place = np.uint64(cuda.threadIdx.x) + np.uint64(4)
        first, second, third, fourth = intrinsics.load4(x, place)
        intrinsics.store4(out, 0, fourth, third, second, first)

    x, out = np.arange(8, dtype=np.float32), np.zeros(4, np.float32)
    check(second_four)[1, 1](x, out)
    assert out.tolist() == [7, 6, 5, 4]


def test_forall_has_a_thread_for_each_task_at_least() -> None:
    counts = np.zeros(1, np.int64)
    many = check(count_threads)
    many.forall(300)(counts)
    assert counts[0] == 3 * 128
    many.forall(33, 32)(counts)
    assert counts[0] == 3 * 128 + 64
    many.forall(0)(counts)
    assert counts[0] == 3 * 128 + 64
    with pytest.raises(ValueError, match=r"forall\(-1\): a number of tasks is not negative"):
        many.forall(-1)


def count_threads(counts) -> None:
    cuda.atomic.add(counts, 0, 1)


def sums_into_row(x, out) -> None:
    row = out[1, 2:]
    cuda.atomic.add(row, 0, x[0])
    row[0] = x.T.transpose()[cuda.grid(1)]


def test_an_element_of_a_view_is_named_as_one_of_the_whole_array() -> None:
    with pytest.raises(RaceError, match=r"race for out\[1, 2\], in global memory"):
        check(sums_into_row)[1, 2](np.zeros(2), np.zeros((2, 3)))


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(TypeError, match="a kernel is a function"):
        check(3)
    for configuration in (8, (1, 8, 0, 0, 0)):
        with pytest.raises(TypeError, match=r"is launched as add_reversed\[grid, block\]"):
            check(add_reversed)[configuration]


def test_the_example_of_the_readme_says_what_it_says(tmp_path: Path) -> None:
    text = (HERE.parents[1] / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Check a kernel")[2]
    code, said = re.findall(r"```(?:python|text)\n(.*?)```", section, re.S)[:2]
    path = tmp_path / "example.py"
    path.write_text(code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, check=False, cwd=tmp_path
    )

    assert done.returncode == 1
    found = done.stderr.splitlines()[-1].replace(f"{tmp_path}/", "")
    assert found == " ".join(said.split())


def test_none_of_our_kernels_races() -> None:
    """Every kernel at every signature; it takes some minutes, on two cores."""
    environment = {**os.environ, "CUDAGRAD_DEVICE": "checker", "CUDAGRAD_TILE": "4"}
    running = [
        subprocess.Popen(
            [sys.executable, str(HERE.with_name("run_under_checker.py")), dtype],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        for dtype in ("float32", "float64", "bfloat16")
    ]
    said = [process.communicate()[0] for process in running]

    assert not any(process.returncode for process in running), "\n".join(said)
    assert {str(launch) for launch in table.launches()} - set("\n".join(said).splitlines()) == set()


def test_the_package_offers_it() -> None:
    assert cudagrad.check is check
