"""The checker where CUDA is subtle: fences, memory that is shared twice, what a shuffle orders."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import cuda
from numba.cuda import libdevice, random

from cudagrad.checker import RaceError, UninitializedError, check, threads
from cudagrad.device import intrinsics
from cudagrad.emulator import BarrierError, KernelError, UnsupportedError

HERE = Path(__file__)


def told(text: str) -> str:
    """Where a text first stands in this file, as the checker says it."""
    lines = HERE.read_text(encoding="utf-8").splitlines()
    return f"{HERE}:{next(number for number, line in enumerate(lines, 1) if text in line)}"


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


def test_a_fence_is_for_what_came_before_it() -> None:
    def too_early(parts, ticket, out):
        if cuda.threadIdx.x == 0:
            cuda.threadfence()
            parts[cuda.blockIdx.x] = cuda.blockIdx.x
            if cuda.atomic.add(ticket, 0, 1) == cuda.gridDim.x - 1:
                out[0] = parts[0]

    with pytest.raises(RaceError, match="parts"):
        check(too_early)[4, 8](*zeros())


@pytest.mark.parametrize("waits", ["block", "warp"])
def test_one_thread_may_take_the_ticket_when_all_have_waited_behind_their_fences(waits) -> None:
    def of_all(parts, ticket, out, of_block):
        parts[cuda.grid(1)] = 1
        cuda.threadfence()
        if of_block:
            cuda.syncthreads()
        else:
            cuda.syncwarp()
        if cuda.threadIdx.x == 0 and cuda.atomic.add(ticket, 0, 1) == cuda.gridDim.x - 1:
            for part in parts:
                out[0] += part

    arguments = np.zeros(32, np.int64), *zeros()[1:]
    check(of_all)[4, 8](*arguments, waits == "block")

    assert arguments[-1].tolist() == [32]


def test_a_fence_alone_orders_nothing() -> None:
    def neighbour(x, out):
        t = cuda.threadIdx.x
        x[t] = t
        cuda.threadfence()
        out[t] = x[31 - t]

    with pytest.raises(RaceError, match="race for x"):
        check(neighbour)[1, 32](np.zeros(32), np.zeros(32))


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


def test_a_hint_for_the_cache_orders_nothing_and_is_for_global_memory() -> None:
    def neighbour(x, out):
        t = cuda.threadIdx.x
        cuda.stcg(x, t, t)
        out[t] = cuda.ldcg(x, 3 - t)

    def of_tile(out):
        tile = cuda.shared.array(4, np.float32)
        out[0] = cuda.ldca(tile, 0)

    raced = r"race for x\[2\].*cuda\.ldcg\(x, 3 - t\) at .*cuda\.stcg\(x, t, t\) at"
    with pytest.raises(RaceError, match=raced):
        check(neighbour)[1, 4](np.zeros(4), np.zeros(4))
    with pytest.raises(UnsupportedError, match="is for global memory; tile is shared"):
        check(of_tile)[1, 4](np.zeros(4))


def test_a_sum_reads_all_of_an_array() -> None:
    def of_others(x, out):
        t = cuda.threadIdx.x
        x[t] = 1
        out[t] = x.sum()

    with pytest.raises(RaceError, match=r"race for x\[1\].*x\.sum\(\) at"):
        check(of_others)[1, 4](np.zeros(4), np.zeros(4))


def test_libdevice_may_be_imported_by_itself() -> None:
    def roots(x):
        x[0] = libdevice.rsqrt(x[0]) + libdevice.fdim(x[0], 1)

    x = np.full(1, 4.0)
    check(roots)[1, 1](x)

    assert x.tolist() == [3.5]


def drawn(s0: int, s1: int, count: int) -> list[float]:
    """What xoroshiro128+ draws: Blackman and Vigna 2021, https://doi.org/10.1145/3460772"""
    most, found = 2**64 - 1, []
    for _ in range(count):
        found.append((((s0 + s1) & most) >> 11) * 2.0**-53)
        s1 ^= s0
        s0, s1 = (s0 << 55 | s0 >> 9) ^ s1 ^ s1 << 14, s1 << 36 | s1 >> 28
        s0, s1 = s0 & most, s1 & most
    return found


def test_the_generators_of_numba_draw_their_numbers() -> None:
    def draws(states, out):
        i = cuda.grid(1)
        for j in range(out.shape[1]):
            out[i, j] = random.xoroshiro128p_uniform_float64(states, i)

    def draws_from_one(states, out):
        i = cuda.grid(1)
        out[i, 0] = random.xoroshiro128p_normal_float32(states, 1)

    def stores_record(states, out):
        states[0] = states[1]

    states = np.zeros(4, random.xoroshiro128p_dtype)
    states["s0"], states["s1"] = 3**39 * np.arange(1, 5), 5**27
    want, out = [drawn(*map(int, state), 3) for state in states], np.zeros((4, 3))
    check(draws)[2, 2](states, out)

    assert out.tolist() == want
    with pytest.raises(RaceError, match=r"race for states\[1\]\['s0'\], in global memory"):
        check(draws_from_one)[2, 2](states, out)
    with pytest.raises(UnsupportedError, match="a record is stored field by field"):
        check(stores_record)[1, 1](states, out)


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


def test_a_loop_over_an_array_reads_all_of_it() -> None:
    def sums(x, out):
        t = cuda.threadIdx.x
        for a in x:  # here
            out[t] += a
        for j, row in enumerate(out[:2].reshape(2, 1)):  # rows of it
            x[t] = row[0] + j

    def sums_alone(x, y, out):
        for j, (a, b) in enumerate(zip(x, y), 1):  # noqa: B905 -- numba's has no strict
            out[cuda.threadIdx.x] += j * (a - b)

    with pytest.raises(RaceError, match=re.escape(f"x at {told('# here')}")):
        check(sums)[1, 4](np.zeros(4), np.zeros(4))
    out = np.zeros(2, np.int64)
    check(sums_alone)[1, 2](np.array([9, 5]), np.array([5, 4]), out)
    assert out.tolist() == [6, 6]


def test_a_place_is_told_as_it_stands_in_the_source() -> None:
    def loops(x):
        for a in x[1:3]:
            x[cuda.threadIdx.x] = a

    def zips(x):
        for a, b in zip((2, 3), x[1:3]):  # noqa: B905 -- numba's has no strict
            x[cuda.threadIdx.x] = a * b

    def adds(x):
        x[cuda.threadIdx.x] = x[1:3].sum()

    places = {loops: "x[1:3]", zips: "zip((2, 3), x[1:3])", adds: "x[1:3].sum()"}
    for kernel, place in places.items():
        with pytest.raises(RaceError, match=re.escape(f", {place} at {HERE}")):
            check(kernel)[1, 4](np.zeros(4))


def test_a_loop_over_rows_reads_what_is_asked_of_them() -> None:
    def sums(out):
        tile = cuda.shared.array((2, 3), np.int64)
        t = cuda.threadIdx.x
        tile[t, t] = t + 1
        for row in tile:
            out[t] += row[t]  # of each row

    text = re.escape(f"row[t] at {told('# of each row')}; nobody has written it")
    with pytest.raises(UninitializedError, match=text):
        check(sums)[1, 1](np.zeros(1, np.int64))


def test_an_array_is_not_copied_to_have_another_shape() -> None:
    def flattens(x):
        flat = x.reshape(6)
        flat[1] = 9

    x = np.zeros((2, 3))
    check(flattens)[1, 1](x)
    assert x[0, 1] == 9
    with pytest.raises(UnsupportedError, match=r"\.reshape of x, whose .* makes a new array"):
        check(flattens)[1, 1](x.T)


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

    with pytest.raises(RaceError, match=re.escape(told("# the store"))):
        check(rows)[1, 2](np.zeros((2, 3), np.int64))


@pytest.mark.parametrize("waits", [False, True])
def test_a_loop_without_end_is_told_by_its_line(
    waits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def until_told(flag, waits):
        if waits:
            cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            while cuda.atomic.add(flag, 0, 0) == 0:  # for ever
                pass
        else:
            cuda.atomic.exch(flag, 0, 1)

    monkeypatch.setattr(threads, "ROUNDS", 100)
    with pytest.raises(KernelError) as error:
        check(until_told)[1, 2](np.zeros(1, np.int64), waits)
    assert (
        "thread (0, 0, 0) of block (0, 0, 0) has gone round 100 times without a barrier, "
        f"while cuda.atomic.add(flag, 0, 0) == 0 at {told('# for ever')}" in str(error.value)
    )


def test_rounds_are_counted_anew_behind_a_barrier(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_parts(out):
        for _ in range(3):
            k = 0
            while k < 50:
                k += 1
            cuda.syncthreads()
        out[cuda.threadIdx.x] = k

    monkeypatch.setattr(threads, "ROUNDS", 51)
    out = np.zeros(2, np.int64)
    check(in_parts)[1, 2](out)

    assert out.tolist() == [50, 50]


def test_a_name_without_a_value_is_told_by_the_line_that_reads_it() -> None:
    @cuda.jit(device=True)
    def place_of(x, wanted):
        for k in range(x.size):
            if x[k] == wanted:
                place = k
        return place  # perhaps none

    def find(x, out):
        out[0] = place_of(x, 7)

    with pytest.raises(UninitializedError) as error:
        check(find)[1, 1](np.zeros(3, np.int64), np.zeros(1, np.int64))
    assert f"{told('# perhaps none')}: " in str(error.value)
    assert "'place'" in str(error.value)
    assert "thread (0, 0, 0) of block (0, 0, 0)" in str(error.value)


def test_an_error_of_pythons_comes_with_the_kernels_line() -> None:
    def doubled(x):
        x[0] = x[0] << 1  # no integer

    with pytest.raises(TypeError) as error:
        check(doubled)[1, 1](np.zeros(3))
    assert f"{told('# no integer')}; thread (0, 0, 0)" in "".join(error.value.__notes__)


def test_an_index_that_is_no_integer_is_told_with_its_place() -> None:
    def halved(x):
        x[cuda.grid(1) / 2] = 1  # a float

    def picked(x):
        x[x] = 1

    why = "an index is an integer, not float64: say int(…); thread"
    text = re.escape(f"{told('# a float')}: {why}")
    with pytest.raises(UnsupportedError, match=text):
        check(halved)[1, 1](np.zeros(3))
    with pytest.raises(UnsupportedError, match="an index is an integer, not Array"):
        check(picked)[1, 1](np.zeros(3))


KERNEL_TEST = """\
import numpy as np
from numba import cuda


@cuda.jit
def moved(x):
    i = cuda.grid(1)
    x[i] = x[i + 1]


def test_moved(check_kernel):
    check_kernel(moved)[1, 4](np.zeros(5))
"""


def test_pytest_shows_the_kernels_line_and_none_of_the_checkers(tmp_path: Path) -> None:
    (tmp_path / "test_moved.py").write_text(KERNEL_TEST, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "cudagrad.checker.plugin", "test_moved.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.returncode == 1
    assert re.search(r"^test_moved.py:8: RaceError$", done.stdout, re.M)
    assert "memory.py" not in done.stdout


def test_an_array_of_a_tuple_is_named_by_its_place() -> None:
    def writes_second(xs):
        xs[1][0] = cuda.grid(1)

    with pytest.raises(RaceError, match=r"race for xs\[1\]\[0\], in global"):
        check(writes_second)[1, 2]((np.zeros(1), np.zeros(1)))


def test_a_fence_for_a_block_orders_its_threads_alone() -> None:
    def of_block(parts, ticket, out):
        parts[cuda.grid(1)] = 1
        cuda.threadfence_block()
        if cuda.atomic.add(ticket, 0, 1) == parts.size - 1:
            for k in range(parts.size):
                out[0] += parts[k]

    arguments = zeros()
    check(of_block)[1, 4](*arguments)
    assert arguments[-1].tolist() == [4]
    with pytest.raises(
        RaceError, match=r"parts\[0\].* of block \(0, 0, 0\).* of block \(1, 0, 0\)"
    ):
        check(of_block)[2, 2](*zeros())


def test_an_array_that_is_too_large_for_shared_memory_is_named() -> None:
    def too_large(out):
        tile = cuda.shared.array(20_000, np.float32)
        tile[0] = out[0]

    with pytest.raises(KernelError, match=r"too_large .*: cuda.shared.array\(.* at .*: 80000") as e:
        check(too_large)[1, 1](np.zeros(1))
    assert not hasattr(e.value, "__notes__")


def write_then_atomic(x, y, out) -> None:
    if cuda.threadIdx.x == 0:
        x[0] = 1
    else:
        cuda.atomic.add(x, 0, 1)


def atomic_then_write(x, y, out) -> None:
    if cuda.threadIdx.x == 0:
        cuda.atomic.add(x, 0, 1)
    else:
        x[0] = 1


def read_then_atomic(x, y, out) -> None:
    if cuda.threadIdx.x == 0:
        out[0] = x[0]
    else:
        cuda.atomic.add(x, 0, 1)


def read_once_more_behind_a_barrier(x, y, out) -> None:
    if cuda.threadIdx.x == 0:
        out[0] = x[0]
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        out[1] = x[0]
    else:
        x[0] = 1


# x and y are the same eight bytes, as two numbers and as one, or as eight.


def part_of_what_was_read_as_one(x, y, out) -> None:
    if cuda.threadIdx.x == 0:
        x[0] = 1
        out[0] = y[0]
    else:
        x[1] = 1


def byte_of_what_was_read(x, y, out) -> None:
    if cuda.threadIdx.x == 0:
        out[0] = x[0]
    else:
        y[1] = 1


def word_of_which_a_byte_was_written(x, y, out) -> None:
    if cuda.threadIdx.x == 0:
        y[1] = 1
    else:
        y[0] = 1
        out[0] = x[0]


@pytest.mark.parametrize(
    ("kernel", "whole"),
    [
        (write_then_atomic, np.uint8),
        (atomic_then_write, np.uint8),
        (read_then_atomic, np.uint8),
        (read_once_more_behind_a_barrier, np.uint8),
        (part_of_what_was_read_as_one, np.int64),
        (byte_of_what_was_read, np.uint8),
        (word_of_which_a_byte_was_written, np.uint8),
    ],
)
def test_no_order_of_two_accesses_hides_a_race(kernel, whole) -> None:
    x = np.zeros(2, np.int32)

    with pytest.raises(RaceError, match=r"race for [xy]\["):
        check(kernel)[1, 2](x, x.view(whole), np.zeros(2))


def test_who_meets_a_fence_keeps_what_was_known_before() -> None:
    def of_two(parts, tickets, out):
        b = cuda.blockIdx.x
        if b < 2:
            parts[b] = b + 1
            cuda.threadfence()
            cuda.atomic.add(tickets, b, 1)
        elif cuda.atomic.add(tickets, 0, 0) + cuda.atomic.add(tickets, 1, 0) == 2:
            out[0] = parts[0] + parts[1]

    def behind_a_fence_for_a_block(parts, tickets, out):
        b = cuda.blockIdx.x
        if b == 0:
            parts[0] = 3
            cuda.threadfence()
        elif b == 1:
            cuda.threadfence_block()
        if cuda.atomic.add(tickets, 0, 1) == 2:
            out[0] = parts[0]

    for kernel in (of_two, behind_a_fence_for_a_block):
        out = np.zeros(1, np.int64)
        check(kernel)[3, 1](np.zeros(2, np.int64), np.zeros(2, np.int64), out)
        assert out.tolist() == [3]


def test_one_fence_behind_a_barrier_is_for_all_threads_of_the_block() -> None:
    def of_all(parts, ticket, out):
        parts[cuda.grid(1)] = 1
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            cuda.threadfence()
            if cuda.atomic.add(ticket, 0, 1) == cuda.gridDim.x - 1:
                for part in parts:
                    out[0] += part

    arguments = np.zeros(32, np.int64), *zeros()[1:]
    check(of_all)[4, 8](*arguments)

    assert arguments[-1].tolist() == [32]


def test_a_barrier_before_the_wait_shares_no_copy() -> None:
    def reads_of_another(x, out):
        tile = cuda.shared.array(4, np.float32, alignment=16)
        if cuda.threadIdx.x == 0:
            intrinsics.copy_async4(tile, 0, x, 0, True)
            intrinsics.commit_copies()
            intrinsics.commit_copies()
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            intrinsics.wait_but_latest()
        else:
            out[0] = tile[1]

    with pytest.raises(RaceError, match=r"race for tile\[1\].*intrinsics\.copy_async4\("):
        check(reads_of_another)[1, 2](np.zeros(4, np.float32), np.zeros(1, np.float32))


def test_an_atomic_reads_what_it_changes() -> None:
    def counts(out):
        total = cuda.shared.array(1, np.int64)
        cuda.atomic.add(total, 0, 1)

    with pytest.raises(UninitializedError, match=r"reads total\[0\], in shared .*; nobody has"):
        check(counts)[1, 2](np.zeros(1))


def test_two_barriers_are_not_one() -> None:
    def apart():
        if cuda.threadIdx.x < 2:
            cuda.syncthreads()  # of two
        else:
            cuda.syncthreads()  # of the others

    places = f"2 threads, .*{told('# of two')}; 2 threads, .*{told('# of the others')}"
    with pytest.raises(BarrierError, match=places):
        check(apart)[1, 4]()


def test_what_one_has_learnt_is_handed_on() -> None:
    def by_a_ticket(parts, tickets, out):
        b = cuda.blockIdx.x
        if b == 0:
            parts[0] = 7
        if b == 0 or cuda.atomic.add(tickets, b - 1, 0) == 1:
            if b == 2:
                out[0] = parts[0]
            cuda.threadfence()
            cuda.atomic.add(tickets, b, 1)

    def by_a_warps_barrier(parts, tickets, out):
        t = cuda.threadIdx.x
        if t == 0 and cuda.blockIdx.x == 0:
            parts[0] = 7
            cuda.threadfence()
        if t == 0:
            cuda.atomic.add(tickets, 0, 1)
        cuda.syncwarp()
        if t == 1 and cuda.blockIdx.x == 2:
            out[0] = parts[0]

    for kernel in (by_a_ticket, by_a_warps_barrier):
        out = np.zeros(1, np.int64)
        check(kernel)[3, 1 + (kernel is by_a_warps_barrier)](
            np.zeros(1, np.int64), np.zeros(3, np.int64), out
        )
        assert out.tolist() == [7]


def test_of_a_lane_a_shuffle_sees_five_bits() -> None:
    def far(out):
        t = cuda.threadIdx.x
        out[t, 0] = cuda.shfl_sync(0xFFFFFFFF, t, 33)
        out[t, 1] = cuda.shfl_down_sync(0xFFFFFFFF, t, 34)

    out = np.zeros((32, 2), np.int64)
    check(far)[1, 32](out)

    assert out[:3].tolist() == [[1, 2], [1, 3], [1, 4]]


def test_a_fence_for_a_block_keeps_what_one_for_the_device_has_done() -> None:
    def fenced_twice(parts, ticket, out):
        b = cuda.blockIdx.x
        parts[b] = b + 1
        cuda.threadfence()
        cuda.threadfence_block()
        if cuda.atomic.add(ticket, 0, 1) == 1:
            out[0] = parts[0] + parts[1]

    out = np.zeros(1, np.int64)
    check(fenced_twice)[2, 1](np.zeros(2, np.int64), np.zeros(1, np.int64), out)

    assert out.tolist() == [3]


def test_a_lane_knows_of_no_other_that_it_runs_with() -> None:
    def masks(out):
        i = cuda.laneid
        out[0, i], out[1, i] = cuda.activemask(), cuda.lanemask_lt()

    out = np.zeros((2, 3), np.int64)
    check(masks)[1, 3](out)

    assert out.tolist() == [[1, 2, 4], [0, 1, 3]]


def test_atomics_may_leave_out_nan() -> None:
    def extremes(x, cells):
        cuda.atomic.nanmax(cells, 0, x[0])
        cuda.atomic.nanmin(cells, 1, x[0])
        cuda.atomic.nanmax(cells, 2, x[1])
        cuda.atomic.nanmin(cells, 3, x[1])

    cells = np.array([np.nan, np.nan, 1.0, 1.0])
    check(extremes)[1, 1](np.array([2.0, np.nan]), cells)

    assert cells.tolist() == [2.0, 2.0, 1.0, 1.0]


def test_what_a_called_function_waits_for_its_caller_waits_for() -> None:
    @cuda.jit(device=True)
    def wait():
        cuda.syncthreads()

    @cuda.jit(device=True)
    def wait_for_all():
        cuda.cg.this_grid().sync()

    @cuda.jit(device=True)
    def same(x):
        return x

    def of_a_block(x, out):
        t = cuda.threadIdx.x
        x[t] = t
        wait()
        out[t] = same(x[1 - t])

    def of_the_grid(x, out):
        b = cuda.blockIdx.x
        x[b] = b
        wait_for_all()
        out[b] = same(x[1 - b])

    for kernel, grid, block in ((of_a_block, 1, 2), (of_the_grid, 2, 1)):
        out = np.zeros(2)
        check(kernel)[grid, block](np.zeros(2), out)
        assert out.tolist() == [1, 0]
