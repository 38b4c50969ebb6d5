"""What the emulator refuses, what it finds wrong, and how it says so."""
# ruff: noqa: ANN201 -- kernels return nothing, and numba infers the types of device functions

from __future__ import annotations

import contextlib
import math
import re
import sys
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cudagrad.checker import check
from cudagrad.emulator import (
    BarrierError,
    DeviceArray,
    KernelError,
    LoopError,
    UnsupportedError,
    cuda,
    empty,
    generators,
    jit,
    order,
)

THREADS = 8
TABLE = np.arange(3)
NAMES = {"low": 0}
HALVES = np.arange(3, dtype=np.float16)
RECORD = np.dtype([("x", np.float32), ("y", np.int32)])
THREE = 3
LARGE = 2**70


def device(data: Any, dtype: Any = np.float32) -> DeviceArray:
    return DeviceArray(np.array(data, dtype))


def line_of(function: Any, text: str) -> str:
    """FILE:LINE of the first line of a kernel that has text in it."""
    code = function.__wrapped__.__code__
    with open(code.co_filename) as file:
        lines = file.read().splitlines()
    start = code.co_firstlineno
    offset = next(i for i, line in enumerate(lines[start - 1 :]) if text in line)
    return f"{code.co_filename}:{start + offset}"


# Loops


@jit
def wait_in_vain(flag, out):
    while flag[0] == 0:  # until another thread has come by
        out[0] += 1
    flag[0] = 1


@jit(device=True)
def halvings(n):
    count = 0
    while n != 1:
        n //= 2
        count += 1
    return count


@jit
def count_halvings(n, out):
    shared = cuda.shared.array(1, np.int64)
    if cuda.threadIdx.x == 0:
        shared[0] = halvings(n[0])
    cuda.syncthreads()
    out[cuda.threadIdx.x] = shared[0]


def test_a_loop_that_does_not_end_is_stopped_and_named() -> None:
    flag = device([0], np.int64)
    place = re.escape(line_of(wait_in_vain, "while flag"))
    with pytest.raises(
        LoopError, match=rf"flag\[0\] == 0 at {place}: .* not ended after \d+ turns"
    ):
        wait_in_vain[1, 2](flag, device([0]))
    assert flag.memory.tolist() == [0]


@pytest.mark.parametrize("form", [contextlib.nullcontext, generators])
def test_so_is_one_of_a_device_function(form: Any) -> None:
    out = device([0] * 4, np.int64)
    with form():
        count_halvings[1, 4](device([32], np.int64), out)
        assert out.memory.tolist() == [5] * 4
        with pytest.raises(LoopError, match=r"count_halvings.* n != 1 at .*thread \(0, 0, 0\)"):
            count_halvings[1, 4](device([0], np.int64), out)


@jit
def wait_together(x):
    while x.size > 0:
        cuda.syncthreads()


@jit
def wait_for_a_number(x):
    while x[0] == 0:
        cuda.syncthreads()


@pytest.mark.parametrize("kernel", [wait_together, wait_for_a_number])
def test_a_loop_with_a_barrier_that_does_not_end_is_stopped(kernel: Any) -> None:
    """The first has the faster form, of which the other cannot be: threads might differ."""
    text = re.escape(str(kernel)) + ".*not ended after 134217728 turns, of all threads together"
    with pytest.raises(LoopError, match=text):
        kernel[1, 1024](device([0]))


# Indices


@jit
def copy(x, out):
    i = cuda.grid(1)
    out[i] = x[i]


@jit
def shift(x, out):
    row, column = cuda.grid(2)
    out[row, column] = x[row, column - 1]


@jit
def first(x, out):
    out[cuda.grid(1)] = x[0]


@jit(device=True)
def read(x, i):
    return x[i + 1]


@jit
def read_on(x, out):
    i = cuda.grid(1)
    out[i] = read(x, i)


@jit
def count(ids, counts):
    cuda.atomic.add(counts, ids[cuda.grid(1)], 1)


def test_an_index_out_of_bounds_names_array_line_and_thread() -> None:
    with pytest.raises(IndexError) as caught:
        copy[2, 4](device(np.zeros(6)), empty((8,), np.float32))

    assert str(caught.value) == (
        f"{copy}: x[i] at {line_of(copy, 'out[i] = x[i]')}: index 6 on axis 0 of size 6; "
        "block (1, 0, 0), thread (2, 0, 0)"
    )


@jit
def part_of_a_part(x):
    x[1][cuda.grid(1) + 1] = 0


@jit
def constant_part_of_a_part(x):
    x[1][2] = 0


def test_an_index_into_a_part_is_checked() -> None:
    with pytest.raises(IndexError, match=r"x\[1\]\[2\].*index 2 on axis 0 of size 2"):
        constant_part_of_a_part[1, 1](device(np.zeros((3, 2))))
    told = r"x\[1\]\[cuda.grid\(1\) \+ 1\].*index 2 on axis 0 of size 2; .*thread \(1, 0, 0\)"
    with pytest.raises(IndexError, match=told):
        part_of_a_part[1, 2](device(np.zeros((3, 2))))


@jit
def one_of_two(x, by):
    (x if x.size else x.T)[cuda.threadIdx.x + by, 0] = 0


@jit
def transposed(x, by):
    x[0, 0] = x.T[0, cuda.threadIdx.x + by]


@jit
def row_of_row(x, by):
    x[cuda.threadIdx.x][cuda.threadIdx.x + by] += 1


@jit
def column(x, by):
    slice = cuda.threadIdx.x + by
    part = x[:, slice]
    part[0] = x[-1, :][by * 0]


@pytest.mark.parametrize("by", [9, -1])
@pytest.mark.parametrize("kernel", [one_of_two, transposed, row_of_row, column])
def test_an_index_into_an_array_without_a_name_is_checked(kernel: Any, by: int) -> None:
    with pytest.raises(IndexError, match=rf"kernel {kernel.__name__} .*: index {by} on axis [01] "):
        kernel[1, 1](device(np.zeros((3, 2))), by)


@jit
def first_of_second(xs, by):
    xs[0][0] = xs[1][cuda.threadIdx.x + by]


def test_so_is_one_into_an_array_of_a_tuple() -> None:
    both = device([1.0, 2.0]), device([3.0, 4.0, 5.0])
    first_of_second[1, 1](both, 2)
    assert both[0].memory.tolist() == [5.0, 2.0]
    for by in (3, -1):
        with pytest.raises(IndexError, match=rf"xs\[1\].*: index {by} on axis 0 of size 3;"):
            first_of_second[1, 1](both, by)


@jit(device=True)
def same(x):
    return x


@jit
def of_result(x):
    same(x)[cuda.threadIdx.x + 9, 0] = 0


def test_an_index_into_what_a_function_returns_is_checked_by_numba() -> None:
    with pytest.raises(IndexError, match=r"kernel of_result .*out of bounds"):
        of_result[1, 1](device(np.zeros((3, 2))))


def test_a_negative_index_does_not_wrap() -> None:
    with pytest.raises(IndexError, match=r"x\[row, column - 1\].*index -1 on axis 1 of size 2"):
        shift[(1, 1), (2, 2)](empty((2, 2), np.float32), empty((2, 2), np.float32))


def test_constant_indices_are_checked_too() -> None:
    with pytest.raises(IndexError, match=r"kernel first .*x\[0\].*index 0 on axis 0 of size 0;"):
        first[1, 1](empty((0,), np.float32), empty((1,), np.float32))


def test_indices_of_device_functions_and_atomics_are_checked() -> None:
    with pytest.raises(IndexError, match=r"kernel read_on .*x\[i \+ 1\].*index 3"):
        read_on[1, 3](empty((3,), np.float32), empty((3,), np.float32))
    with pytest.raises(IndexError, match=r"atomic\.add\(counts.*index 7 on axis 0 of size 4"):
        count[1, 1](device([7], np.int64), empty((4,), np.int64))


def test_a_fault_keeps_no_array_alive_and_the_kernel_usable() -> None:
    x, out = device(np.zeros(6)), empty((6,), np.float32)
    before = sys.getrefcount(x.memory)
    for _ in range(3):
        with contextlib.suppress(IndexError):
            copy[2, 4](x, out)
    copy[2, 3](x, out)
    after = sys.getrefcount(x.memory)

    assert after == before
    assert (out.memory == 0).all()


# Barriers


@jit
def divergent(x):
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    if t < x.size:
        shared[t] = x[t]
        cuda.syncthreads()
        x[t] = shared[0]


@jit
def two_barriers(x):
    if cuda.threadIdx.x % 2 == 0:
        cuda.syncthreads()
    else:
        cuda.syncthreads()


@jit
def early_return(x):
    t = cuda.threadIdx.x
    if t >= x.size:
        return
    cuda.syncthreads()
    x[t] = 0


@jit
def no_barrier(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    shared[t] = x[t]
    out[t] = shared[THREADS - 1 - t]


@jit
def no_second_barrier(x, out):
    """Each tile is read while quick threads already write the next."""
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    total = np.float32(0)
    for start in range(0, x.size, THREADS):
        shared[t] = x[start + t]
        cuda.syncthreads()
        for k in range(THREADS):
            total += shared[k]
    out[t] = total


@jit
def reads_other_blocks(x):
    i = cuda.grid(1)
    if i > 0:
        x[i] += x[i - 1]


@pytest.mark.parametrize("kernel", [divergent, early_return])
@pytest.mark.parametrize("name", ["forward", "reversed"])
def test_a_barrier_that_some_threads_miss(kernel: Any, name: str) -> None:
    with pytest.raises(BarrierError) as caught, order(name):
        kernel[1, THREADS](device(np.zeros(5)))

    message = str(caught.value)
    assert message.startswith(f"{kernel}: block (0, 0, 0) does not meet at a barrier: ")
    assert "3 threads, (5, 0, 0) the first, are at the end" in message
    where = line_of(kernel, "syncthreads")
    assert f"5 threads, (0, 0, 0) the first, are at cuda.syncthreads() at {where}" in message


@pytest.mark.parametrize("run", [jit, check])
def test_one_thread_alone_is_told_as_one(run: Any) -> None:
    x = np.zeros(THREADS - 1, np.float32)
    text = r": 7 threads, \(0, 0, 0\) the first, are at cuda\.syncthreads\(\) at .*"
    alone = r"1 thread, \(7, 0, 0\), is at the end"
    with pytest.raises(BarrierError, match=rf"{text}; {alone}|: {alone}; 7 threads, "):
        run(early_return.function)[1, THREADS](x if run is check else DeviceArray(x))


def test_threads_at_different_barriers() -> None:
    with pytest.raises(BarrierError, match=r"4 threads, \(0, 0, 0\).*4 threads, \(1, 0, 0\)"):
        two_barriers[1, THREADS](device([0]))


@pytest.mark.parametrize("kernel", [no_barrier, no_second_barrier])
def test_a_missing_barrier_shows_in_one_of_the_orders(kernel: Any) -> None:
    x = np.arange(2 * THREADS, dtype=np.float32)
    results = []
    for name in ("forward", "reversed"):
        out = empty((THREADS,), np.float32)
        with order(name):
            kernel[1, THREADS](device(x), out)
        results.append(out.memory)

    assert not np.array_equal(*results, equal_nan=True)


def test_a_race_between_blocks_shows_in_one_of_the_orders() -> None:
    results = []
    for name in ("forward", "reversed"):
        x = device(np.ones(6))
        with order(name):
            reads_other_blocks[6, 1](x)
        results.append(x.memory.tolist())

    assert results == [[1, 2, 3, 4, 5, 6], [1, 2, 2, 2, 2, 2]]


# Launches


@pytest.mark.parametrize(
    ("grid", "block", "error"),
    [
        (0, 1, ValueError),
        (1, 0, ValueError),
        ((1, 70_000), 1, ValueError),
        (1, 1025, ValueError),
        (1, (32, 33), ValueError),
        (1, (1, 1, 65), ValueError),
        (1.0, 1, TypeError),
        ((1, 1, 1, 1), 1, TypeError),
    ],
)
def test_a_grid_or_block_that_no_gpu_takes(grid: Any, block: Any, error: type) -> None:
    with pytest.raises(error, match=r"kernel copy .*(grid|block)"):
        copy[grid, block]


@pytest.mark.parametrize("configuration", [3, (3,), (1, 3, 0, 64, 0)])
def test_a_launch_takes_a_grid_and_a_block(configuration: Any) -> None:
    usage = re.escape("is launched as copy[grid, block](...), not with")
    with pytest.raises(TypeError, match=f"kernel copy .*{usage}"):
        copy[configuration]


def test_arguments_that_a_gpu_would_copy_or_not_take() -> None:
    x = empty((1,), np.float32)
    with pytest.raises(TypeError, match=r"kernel copy .*x is of type ndarray.*to_device"):
        copy[1, 1](np.zeros(1), x)
    with pytest.raises(TypeError, match=r"kernel copy .*x is of type list"):
        copy[1, 1]([1.0], x)
    with pytest.raises(TypeError, match=r"kernel copy .*takes \(x, out\), not 1 argument"):
        copy[1, 1](x)


def test_kernels_are_launched_and_device_functions_are_not_called() -> None:
    with pytest.raises(TypeError, match=r"kernel copy .*copy\[grid, block\]"):
        copy(1, 2)
    with pytest.raises(TypeError, match="read is a device function"):
        read(1, 2)
    with pytest.raises(AttributeError, match=r"cuda\.grid means something only inside a kernel"):
        cuda.grid(1)


@pytest.mark.parametrize("name", ["sideways", "forward:1", "random:", "random:x", "random:-1"])
def test_an_unknown_order(name: str) -> None:
    known = re.escape(f"unknown order '{name}'; known: forward, reversed, random, random:SEED")
    with pytest.raises(ValueError, match=known):
        order(name).__enter__()


@jit
def much_shared(x):
    shared = cuda.shared.array((12, 1025), np.float32)
    shared[0, 0] = x[0]


def test_more_shared_memory_than_a_block_has() -> None:
    with pytest.raises(KernelError, match=r"kernel much_shared .*49200 bytes.*49152"):
        much_shared[1, 1](empty((1,), np.float32))


@jit
def no_attribute(x):
    x[0] = x.missing


@jit
def root_of_array(x):
    x[0] = math.sqrt(x)


@jit
def array_or_number(x):
    a = x if x.size > 1 else 1.0
    cuda.syncthreads()
    x[0] = a


@jit(device=True)
def second_of(x):
    return x[0][1]


@jit
def second_of_number(x):
    x[0] = second_of(x)


@pytest.mark.parametrize(
    ("kernel", "line", "why"),
    [
        (no_attribute, "x[0] = x.missing", "unknown attribute 'missing' of type array(float32, 1d"),
        (root_of_array, "x[0] = math.sqrt(x)", "numba knows no sqrt(array(float32, 1d, C))"),
        (array_or_number, "a = x if", "cannot unify "),
        (second_of_number, "return x[0][1]", "numba knows no getitem(float32, int)"),
    ],
)
def test_what_numba_cannot_type_is_one_sentence(kernel: Any, line: str, why: str) -> None:
    with pytest.raises(UnsupportedError) as caught:
        kernel[1, 1](empty((1,), np.float32))

    place = line_of(second_of if "return" in line else kernel, line)
    assert f" ({place}): {why}" in str(caught.value)
    assert "\n" not in str(caught.value)


class Shell:
    """What IPython knows of a cell, whose file name it has made up."""

    def __init__(self) -> None:
        self.compile = self

    def format_code_name(self, name: str) -> tuple[str, str] | None:
        return ("Cell", "In[5]") if name == __file__ else None


def test_a_line_of_a_notebook_is_named_by_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=Shell))
    where = rf"In\[5\], line {line_of(copy, 'out[i] = x').rpartition(':')[2]}"
    with pytest.raises(IndexError, match=rf"kernel copy \(In\[5\], line .*x\[i\] at {where}: "):
        copy[1, 4](device([0]), empty((4,), np.float32))
    with pytest.raises(UnsupportedError, match=r"asserts \(In\[5\], line \d+\): assert"):
        jit(asserts.function)[1, 1](device([0]))
    with pytest.raises(IndexError, match=rf"x\[i\] at {where}: "):
        check(copy)[1, 4](np.zeros(1), np.zeros(4))


# Numbers that the emulator does not have


@jit
def halves(x, out):
    i = cuda.grid(1)
    out[i] = x[i] / 2


@jit
def halves_number(x, pair):
    x[0] = pair[1]


@jit
def rounds_to_half(x):
    x[0] = np.float16(x[0])


@jit
def keeps_in_half(x):
    kept = cuda.local.array(2, np.float16)
    kept[0] = x[0]


@jit
def knows_halves(x):
    x[0] = HALVES[0]


@pytest.mark.parametrize(
    ("kernel", "where", "arguments"),
    [
        (halves, "kernel halves (FILE): x", [np.zeros(2, np.float16), np.zeros(2)]),
        (halves_number, "kernel halves_number (FILE): pair", [np.zeros(1), (1, np.float16(2))]),
        (rounds_to_half, "rounds_to_half (FILE)", [np.zeros(1)]),
        (keeps_in_half, "keeps_in_half (FILE)", [np.zeros(1)]),
        (knows_halves, "knows_halves (FILE)", [np.zeros(1)]),
    ],
)
def test_float16_is_refused_with_what_there_is(kernel: Any, where: str, arguments: Any) -> None:
    given = [DeviceArray(a) if isinstance(a, np.ndarray) else a for a in arguments]
    why = "the emulator has no float16: it has bools, integers, float32, float64, complex64, "
    place = re.escape(f"{where}: {why}").replace("FILE", re.escape(__file__) + r":\d+")
    with pytest.raises(UnsupportedError, match=f"^{place}"):
        kernel[1, 1](*given)


def test_records_are_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"pair: the emulator has no records: use an"):
        halves_number[1, 1](DeviceArray(np.zeros(1)), DeviceArray(np.zeros(2, RECORD)))
    with pytest.raises(TypeError, match=r"pair is of type void; kernels take NumPy arrays"):
        check(halves_number.function)[1, 1](np.zeros(1), np.zeros(2, RECORD)[0])


@jit
def reads_a_field(pair):
    pair[0]["y"] = pair[0].x


@jit
def assigns_a_field(pair):
    pair[0].x = 1


@jit
def adds_to_a_field(pair):
    pair[0].x += 1


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        (reads_a_field, "the checker knows no .x of records such as pair[0]: say pair[0]['x']"),
        (assigns_a_field, "if x is a field, say pair[0]['x']"),
        (adds_to_a_field, "if x is a field, say pair[0]['x']"),
    ],
)
def test_fields_of_records_are_elements(kernel: Any, why: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(why)):
        check(kernel.function)[1, 1](np.zeros(2, RECORD))


# What is not for kernels


@jit
def stored_value(x):
    x[0] = cuda.stcg(x, 0, 1)


@jit
def half_precision_root(x):
    x[0] = cuda.hsqrt(x[0])


@jit
def waits_with_name(x):
    cuda.syncwarp(lanes=3)


@jit
def no_lane(x):
    x[0] = cuda.shfl_xor_sync(-1, x[0])


@jit
def votes_perhaps(x):
    x[0] = 1 if x.size > 1 and cuda.any_sync(-1, x[0]) else 0


@jit
def shares_records(x):
    cuda.shared.array(2, RECORD)


@jit
def names_field(x):
    x[0] = x["low"]


@jit
def looks_up(x):
    x[0] = NAMES["low"]


@jit
def hands_on(x):
    x[0] = max(read, 1)


@jit
def generates(x):
    x[0] = max(n for n in range(3))


@jit
def warp_value(x):
    x[0] = cuda.syncwarp()


@jit
def asserts(x):
    assert x.size > 0


@jit
def raises(x):
    raise ValueError


@jit
def comprehends(x):
    x[0] = max([i * i for i in range(3)])


@jit
def sums(x):
    x[0] = sum(x)


@jit
def allocates(x):
    x[0] = np.zeros(3)[0]


def undecorated(x):
    return x


@jit
def calls_python(x):
    x[0] = undecorated(x[0])


@jit
def writes_global_array(x):
    TABLE[0] = x[0]


@jit
def undefined(x):
    x[0] = nowhere  # noqa: F821


@jit
def returns(x):
    return x[0]


@jit
def dynamic_shape(x):
    shared = cuda.shared.array(x.size, np.float32)
    shared[0] = 1


@jit
def calculated_shape(x):
    shared = cuda.shared.array(THREADS * 2, np.float32)
    shared[0] = 1


@jit
def shape_of_its_own(x):
    n = x.size
    local = cuda.local.array(n, np.float32)
    local[0] = 1


@jit
def python_dtype(x):
    shared = cuda.shared.array(4, float)
    shared[0] = 1


@jit
def odd_alignment(x):
    shared = cuda.shared.array(4, np.float32, alignment=12)
    shared[0] = 1


@jit
def exponential(x):
    x[0] = np.exp(x[0])


@jit
def magnitude(x):
    x[0] = np.abs(x[0])


@jit
def divisor(x):
    x[0] = math.gcd(x.size, 2)


@jit
def adds_arrays(x):
    x[0] = (x + x)[0]


@jit
def adds_to_array(x):
    x += 1


@jit
def negates_array(x):
    x[0] = (-x)[0]


@jit
def sine_of_array(x):
    x[0] = np.sin(x)[0]


@jit
def largest(x):
    x[0] = x.max()


@jit
def converts(x):
    x[0] = x.astype(np.float64)[0]


@jit
def copies_part(x):
    x[1:] = x[:-1]


@jit
def picks_by_array(x):
    x[0] = x[x.view(np.int32)][0]


@jit
def counts_floats(x):
    cuda.atomic.inc(x, 0, 5)


@jit
def exchanges_floats(x):
    cuda.atomic.exch(x, 0, 5)


@jit
def lane_of_call(x):
    x[0] = cuda.laneid()


@jit(device=True)
def largest_of(x):
    return x.max()


@jit
def calls_largest(x):
    x[0] = largest_of(x)


@jit
def largest_of_arrays(x):
    x[0] = max(x, x)


@jit
def smallest_of_truth(x):
    x[0] = min(x[0], x[0] > 0)


@jit
def dynamic_rows(x):
    shared = cuda.shared.array((0, 2), np.float32)
    shared[0, 0] = 1


@jit
def dynamic_local(x):
    local = cuda.local.array(0, np.float32)
    local[0] = 1


@jit
def four_dims(x):
    x[0] = cuda.grid(4)


@jit
def barrier_value(x):
    x[0] = cuda.syncthreads()


@jit
def too_few(x):
    x[0] = read(x)


@jit(device=True)
def forever(x):
    return forever(x)


@jit
def recursive(x):
    x[0] = forever(x)


@jit(device=True)
def wait(x):
    cuda.syncthreads()
    return x


@jit(device=True)
def wait_or_not(x):
    if x < 0:
        return x
    cuda.syncthreads()
    return x


@jit(device=True)
def waits(grid):
    grid.sync()


@jit
def gives_grid(x):
    grid = cuda.cg.this_grid()
    waits(grid)


@jit
def large_number(x):
    x[0] = LARGE


@jit
def returns_early(x):
    x[0] = wait_or_not(x[0])


@jit
def waits_perhaps(x):
    x[0] = wait(1) if x.size > 1 else 0


@jit
def waits_in_while(x):
    while wait(1) < 0:
        pass


@jit
def waits_after_reading(x):
    x[0] = x[0] + wait(1)


@jit
def waits_after_calling(x):
    x[0] = max(np.float32(1), read(x, -1) + wait(1))


@jit
def waits_between(x):
    x[0] += wait(1)


@pytest.mark.parametrize(
    ("kernel", "line", "why"),
    [
        (stored_value, "stcg", "cuda.stcg(x, 0, 1) is a statement of its own"),
        (half_precision_root, "hsqrt", "the emulator knows no cuda.hsqrt"),
        (waits_with_name, "syncwarp", "cuda.syncwarp takes (mask)"),
        (no_lane, "shfl_xor", "cuda.shfl_xor_sync takes (mask, value, lane)"),
        (votes_perhaps, "any_sync", "must be called in a statement of its own"),
        (
            shares_records,
            "shared.array",
            "the emulator has no records: use an array for each field",
        ),
        (names_field, "low", "the emulator has no records: use an array for each field"),
        (looks_up, "low", "a kernel cannot use NAMES, a dict"),
        (hands_on, "read", "a kernel can only call read, a device function"),
        (generates, "range", "a generator expression is not for kernels"),
        (warp_value, "syncwarp", "cuda.syncwarp() is a statement of its own"),
        (asserts, "assert x", "assert is not for kernels"),
        (raises, "raise V", "raise is not for kernels"),
        (comprehends, "range", "a list comprehension is not for kernels"),
        (sums, "sum(", "a kernel cannot use sum"),
        (allocates, "zeros", "a kernel cannot use np.zeros"),
        (calls_python, "undecorated(x", "a kernel cannot call undecorated, a plain function"),
        (writes_global_array, "TABLE", "TABLE is a constant of the kernel"),
        (undefined, "nowhere", "the name nowhere is not defined"),
        (returns, "return x", "a kernel returns nothing"),
        (dynamic_shape, "shared.array", "x.size must be a constant"),
        (calculated_shape, "shared.array", "THREADS * 2 must be a constant"),
        (shape_of_its_own, "n = x.size", "x.size must be a constant"),
        (python_dtype, "shared.array", "float is no dtype to numba: say np.float32"),
        (odd_alignment, "shared.array", "an alignment is a power of two, not 12"),
        (exponential, "np.exp", "numba knows np.exp only on a CPU; math.exp is for kernels"),
        (magnitude, "np.abs", "numba knows np.absolute only on a CPU; abs(x) is for kernels"),
        (divisor, "math.gcd", "numba knows math.gcd only on a CPU"),
        (adds_arrays, "x + x", "arithmetic is for the elements of arrays"),
        (adds_to_array, "x += 1", "arithmetic is for the elements of arrays"),
        (negates_array, "-x", "arithmetic is for the elements of arrays"),
        (sine_of_array, "np.sin(x)", "np.sin is for the elements of arrays"),
        (largest, "x.max()", "numba knows no .max of arrays on a GPU"),
        (converts, "x.astype", "numba knows no .astype of arrays on a GPU"),
        (copies_part, "x[1:]", "an array is assigned element by element"),
        (picks_by_array, "x[x", "an index cannot be an array"),
        (counts_floats, "atomic.inc", "atomic.inc is for uint32, uint64, not float32"),
        (exchanges_floats, "atomic.exch", "atomic.exch is for int32, int64, uint32, uint64, not"),
        (lane_of_call, "laneid()", "cuda.laneid is no function"),
        (calls_largest, "-", "numba knows no .max of arrays on a GPU"),
        (largest_of_arrays, "max(x, x)", "max is not for array(float32, 1d, C) and array(float32"),
        (smallest_of_truth, "min(x[0]", "min is not for float32 and bool"),
        (dynamic_rows, "shared.array", "a shape of positive constants is needed here, not (0, 2)"),
        (dynamic_local, "local.array", "a shape of positive constants is needed here, not 0"),
        (four_dims, "grid(4)", "a grid has 1, 2 or 3 dimensions"),
        (barrier_value, "sync", "cuda.syncthreads() is a statement of its own"),
        (gives_grid, "waits(", "grid, the grid, can only sync(): ask for it where it does"),
        (large_number, "LARGE", "1180591620717411303424 does not fit into 64 bits"),
        (too_few, "read(x)", "read takes (x, i)"),
        (recursive, "jit", "a device function cannot call itself"),
        (returns_early, "jit", "may return only in its last line"),
        (waits_perhaps, "wait(", "must be called in a statement of its own"),
        (waits_in_while, "wait(", "must be called in a statement of its own"),
        (waits_after_reading, "wait(", "must be called before x[0]"),
        (waits_after_calling, "wait(", "must be called before read(x, -1)"),
        (waits_between, "wait(", "give what the device function returns a name first"),
    ],
)
def test_what_is_not_supported_is_named_with_its_line(kernel: Any, line: str, why: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(why)) as caught:
        kernel[1, 1](empty((1,), np.float32))

    if line not in ("jit", "-"):  # the fault is in a device function
        assert f"{kernel.__name__} ({line_of(kernel, line)})" in str(caught.value)


@jit
def sizes_that_numba_folds(x):
    n = 2 * THREE
    wide = cuda.shared.array((2 + 2, THREE), np.float32)
    m = 3
    narrow = cuda.local.array(m, np.float32)
    narrow[0] = x[0]
    wide[3, 2] = narrow[0]
    x[0] = wide[3, 2] + n


def test_sizes_that_numba_knows_when_it_compiles() -> None:
    x = device([1.5])
    sizes_that_numba_folds[1, 1](x)
    other = np.array([1.5], np.float32)
    check(sizes_that_numba_folds)[1, 1](other)

    assert x.memory.tolist() == other.tolist() == [7.5]


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        (dynamic_shape, "x.size must be a constant"),
        (calculated_shape, "THREADS * 2 must be a constant"),
        (shape_of_its_own, "x.size must be a constant"),
        (python_dtype, "float is no dtype to numba"),
        (odd_alignment, "an alignment is a power of two"),
        (exponential, "math.exp is for kernels"),
        (divisor, "numba knows math.gcd only on a CPU"),
        (largest, "numba knows, on a GPU, no .max of arrays such as x"),
        (counts_floats, "atomic.inc is for uint32, uint64, not float32"),
        (large_number, "1180591620717411303424 does not fit into 64 bits"),
    ],
)
def test_the_checker_refuses_the_same(kernel: Any, why: str) -> None:
    with pytest.raises(UnsupportedError, match=re.escape(why)) as caught:
        check(kernel)[1, 1](np.ones(1, np.float32))

    assert kernel.__name__ in str(caught.value)


def test_the_checker_names_the_line_even_of_what_python_finds_missing() -> None:
    with pytest.raises(UnsupportedError) as caught:
        check(largest)[1, 1](np.ones(1, np.float32))

    line = largest.function.__code__.co_firstlineno + 2
    assert f"test_emulator_errors.py:{line}; thread (0, 0, 0)" in caught.value.__notes__[0]


@jit
def waits_with_argument(x):
    cuda.syncthreads(1)


@jit
def adds_to_nothing(x):
    cuda.atomic.add(x, 0)


@jit
def shuffles_by_names(x):
    x[0] = cuda.shfl_sync(mask=-1, value=x[0], src_lane=0)


@jit
def no_ndim(x):
    x[0] = cuda.grid()


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        (waits_with_argument, "cuda.syncthreads takes ()"),
        (adds_to_nothing, "cuda.atomic.add takes (array, index, value)"),
        (shuffles_by_names, "cuda.shfl_sync takes (mask, value, lane)"),
        (no_ndim, "cuda.grid takes (ndim)"),
        (too_few, "read takes (x, i)"),
    ],
)
@pytest.mark.parametrize("make", [jit, check])
def test_other_arguments_than_a_function_takes(kernel: Any, why: str, make: Any) -> None:
    x = np.ones(1, np.float32)
    with pytest.raises(UnsupportedError, match=rf"{kernel.__name__} .*{re.escape(why)}"):
        make(kernel.function)[1, 1](x if make is check else DeviceArray(x))


def test_a_kernel_without_source() -> None:
    namespace: dict[str, Any] = {}
    exec("def made(x):\n    x[0] = 1", namespace)
    with pytest.raises(UnsupportedError, match=r"made .*its source is not in the file"):
        jit(namespace["made"])[1, 1](empty((1,), np.float32))


def parameters_with_default(x, y=1):
    x[0] = y


def parameters_with_stars(*x):
    x[0][0] = 1


@pytest.mark.parametrize("function", [parameters_with_default, parameters_with_stars])
def test_parameters_are_positional(function: Callable[..., Any]) -> None:
    assert isinstance(function, types.FunctionType)
    with pytest.raises(UnsupportedError, match="parameters are positional, without defaults"):
        jit(function)[1, 1](empty((1,), np.float32))
