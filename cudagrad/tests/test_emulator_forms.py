"""Which form a kernel takes on the emulator, why, and that no form changes a bit."""
# ruff: noqa: ANN201 -- kernels return nothing, and numba infers the types of device functions

from __future__ import annotations

import contextlib
import inspect
import re
import sys
from typing import Any

import numpy as np
import pytest

from cudagrad import device
from cudagrad.compile import table
from cudagrad.emulator import BarrierError, DeviceArray, cuda, empty, generators, jit, order
from cudagrad.emulator.launch import kind_of

needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="needs the emulator")

THREADS = 8
WARPS = 2 * 32
VECTORS = (("f", 1), ("f", 1))


def form(kernel: Any, *kinds: Any) -> tuple[str, str]:
    """A kernel's form, and why it is no faster one."""
    found = kernel.form(kinds)
    return found.name, found.why


def written(kernel: Any, kinds: tuple[Any, ...]) -> str:
    """The text of the module that runs it; mostly a launch has left it in the cache."""
    return inspect.getsource(sys.modules[kernel.compile(kinds).__module__])


def results(kernel: Any, block: Any, *args: Any) -> set[bytes]:
    """What a kernel makes of copies of its arguments, in every form and order."""
    found = set()
    for name in ("forward", "reversed", "random:1", "random:2"):
        for way in (generators, contextlib.nullcontext):
            with order(name), way():
                given = list(map(on_device, args))
                kernel[3, block](*given)
            found.add(b"".join(a.memory.tobytes() for a in given if isinstance(a, DeviceArray)))
    return found


def on_device(argument: Any) -> Any:
    """A copy of an array, or of those in a tuple; numbers as they are."""
    if isinstance(argument, tuple):
        return tuple(map(on_device, argument))
    return DeviceArray(argument.copy()) if isinstance(argument, np.ndarray) else argument


# cudagrad's own kernels


# One part of an array is filled while another is read; who looks at arrays whole sees no parts.
TWO_BUFFERS = ("matmul.vectorized.", "matmul.stored.")


def kind(text: str) -> Any:
    """What the emulator compiles a kernel for, of a type that numba writes."""
    if match := re.fullmatch(r"UniTuple\((\w+), (\d+)\)", text):
        return (kind(match[1]),) * int(match[2])
    name, bracket, dims = text.partition("[")
    dtype = np.dtype("bool" if name == "boolean" else name)
    return (dtype.char, dims.count(",") + 1) if bracket else dtype.type


@needs_emulator
@pytest.mark.parametrize("name", sorted({launch.kernel for launch in table.launches()}))
def test_cudagrads_kernels_take_a_fast_form(name: str) -> None:
    kernel = table.find(name)
    types = next(launch.arguments for launch in table.launches() if launch.kernel == name)
    kinds = tuple(map(kind, re.findall(r"UniTuple\(.*?\)|\w+(?:\[[^]]*\])?", types)))
    if name.startswith(TWO_BUFFERS):
        found, why = form(kernel, *kinds)
        assert found == "together"
        assert why.startswith("no barrier keeps apart what uses")
    else:
        wanted = "in_step" if kernel.translation.has_barriers else "one_by_one"
        assert f"_run = _loops.{wanted}(body)" in written(kernel, kinds)


# Kernels that are cut at their barriers


@jit(device=True)
def half(n):
    return n // 2


@jit
def loops_by_instructions(x, out):
    """What they make of uniform numbers is uniform; a sum of an array read alone needs no care."""
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    for j in range(cuda.popc(x.size)):
        shared[t] = x.sum() + np.float32(j)
        cuda.threadfence_block()
        cuda.syncthreads()
        out[t] += shared[THREADS - 1 - t]
        cuda.syncthreads()


@jit
def one_name_for_two_loops(x, out):
    """A loop of each thread's own, and one around a barrier, count with the same name."""
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    total = np.float32(0)
    for i in range(3):
        total += x[t] * np.float32(i)
    for i in range(2):
        shared[t] = total
        cuda.syncthreads()
        total += shared[(t + 1) % THREADS] * np.float32(i)
        cuda.syncthreads()
    for i in range(2):
        total += np.float32(i)
    out[t] = total


@jit
def uniform_loops(x, out, sizes, flag):
    """Loops, an if and a return that depend on arguments, block coordinates and each other."""
    if cuda.blockIdx.x >= sizes[1]:
        return
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    value = x[t]
    for start in range(sizes[0]):
        shared[t] = value
        cuda.syncthreads()
        value += shared[(t + start) % THREADS]
        cuda.syncthreads()
        if flag and start == half(sizes[0]):
            break
    step = cuda.blockDim.x
    while step > 1:
        step = half(step)
        if step == 2:
            continue
        shared[t] = value
        cuda.syncthreads()
        value -= shared[t ^ step]
        cuda.syncthreads()
    if flag:
        shared[t] = value * value
        cuda.syncthreads()
        value = shared[THREADS - 1 - t]
    else:
        value = -value
    out[cuda.blockIdx.x * THREADS + t] = value


@jit
def carries_types(x, out):
    """Numbers of several dtypes, and a local array, outlive a barrier."""
    mine = cuda.local.array((2, 2), np.int16)
    shared = cuda.shared.array(THREADS, np.float64)
    t = cuda.threadIdx.x
    narrow = np.int16(t) * np.int16(3)
    small = np.uint8(t)
    odd = t % 2 == 1
    wide = x[t] * 0.1
    mine[0, 1] = t
    shared[t] = wide
    cuda.syncthreads()
    if odd:
        mine[1, 0] = small + np.uint8(255)
    other = shared[THREADS - 1 - t]
    cuda.syncthreads()
    total = wide + other + narrow + mine[0, 1]
    if odd:
        total += mine[1, 0]
    out[t] = total


@jit
def returns_late(x, out):
    """Threads may return where no barrier follows."""
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    shared[t] = x[t]
    cuda.syncthreads()
    if t >= 5:
        return
    if t == 2:
        out[t] = 0
        return
    out[t] = shared[t + 1]


@jit
def counts_down(x, out, n):
    """A uniform name is read by threads, changed, and read again between two barriers."""
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    shared[t] = x[t]
    cuda.syncthreads()
    n += 1
    first = shared[n % THREADS]
    n += 2
    out[t] = first * n + shared[n % THREADS]


@jit(device=True)
def total(x):
    found = np.float32(0)
    for value in x:
        found += value
    return found


@jit
def sums_by_a_function(x, out):
    """What a function makes of the elements of an array is no uniform value."""
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    shared[t] = x[t]
    cuda.syncthreads()
    first = total(shared)
    cuda.syncthreads()
    if t == 0:
        shared[0] = first
    cuda.syncthreads()
    out[t] = first + total(shared)


@jit
def counts_with_underscores(_x, out):
    """Names of which some are those of what is put around the kernel."""
    shared = cuda.shared.array(THREADS, np.float32)
    _rank = cuda.threadIdx.x
    _step = _x[_rank]
    for _ in range(3):
        shared[_rank] = _step
        cuda.syncthreads()
        out[_rank] += _ * shared[THREADS - 1 - _rank]
        cuda.syncthreads()


@jit
def each_thread_gets_a_number(arrays, out):
    """What an atomic returns differs, of an array in a tuple, too."""
    t = cuda.threadIdx.x
    cuda.syncthreads()
    mine = cuda.atomic.add(arrays[0], 0, 1)
    cuda.syncthreads()
    if mine >= 0 and t == 0:
        out[0] = arrays[0][0]


NUMBERS = np.arange(THREADS, dtype=np.float32)
OUT = np.zeros(3 * THREADS, np.float32)


@pytest.mark.parametrize(
    ("kernel", "args"),
    [
        (one_name_for_two_loops, (NUMBERS, OUT)),
        (loops_by_instructions, (NUMBERS, OUT)),
        (uniform_loops, (NUMBERS, OUT, (3, 2), True)),
        (uniform_loops, (NUMBERS, OUT, (3, 2), False)),
        (uniform_loops, (NUMBERS, OUT, (0, 3), False)),
        (carries_types, (NUMBERS, OUT)),
        (returns_late, (NUMBERS, OUT)),
        (counts_down, (NUMBERS, OUT, 4)),
        (sums_by_a_function, (NUMBERS, OUT)),
        (counts_with_underscores, (NUMBERS, OUT)),
        (each_thread_gets_a_number, ((NUMBERS, OUT), OUT)),
    ],
)
def test_a_kernel_cut_at_its_barriers_does_what_it_did(kernel: Any, args: tuple[Any, ...]) -> None:
    assert form(kernel, *(kind_of(on_device(a)) for a in args)) == ("in step", "")
    assert len(results(kernel, THREADS, *args)) == 1


# Kernels that are not cut


@jit(device=True)
def place():
    return cuda.threadIdx.x


@jit
def under_if(x, out):
    if cuda.threadIdx.x < x.size:
        cuda.syncthreads()
    out[0] = 1


@jit
def in_a_loop_of_threads(x, out):
    for _ in range(place()):
        cuda.syncthreads()
    out[0] = 1


@jit
def after_a_return(x, out):
    if cuda.grid(1) >= x.size:
        return
    cuda.syncthreads()
    out[0] = 1


@jit
def bound_in_memory(x, out):
    j = 0
    while j < x[0]:
        cuda.syncthreads()
        j += 1
    out[0] = j


@jit
def bound_of_a_thread(x, out):
    n = 4
    if cuda.threadIdx.x == 0:
        n = 3
    for _ in range(n):
        cuda.syncthreads()
    out[0] = n


@jit
def breaks_alone(x, out):
    for j in range(4):
        cuda.syncthreads()
        if cuda.threadIdx.x == j:
            break
    out[0] = 1


@jit
def returns_from_a_loop(x, out):
    for j in range(4):
        cuda.syncthreads()
        if j == x.size:
            return
    out[0] = 1


@jit
def no_barrier_in_the_loop(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    for j in range(x.size):
        shared[cuda.threadIdx.x] = x[j]
        cuda.syncthreads()
        out[cuda.threadIdx.x] += shared[0]


@jit
def no_barrier_behind_the_loop(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    shared[t] = x[0]
    for j in range(x.size):
        cuda.syncthreads()
        shared[t] = x[j]
    out[t] = shared[0]


@jit
def no_barrier_behind_a_break(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    for j in range(x.size):
        cuda.syncthreads()
        shared[t] = x[j]
        if j == 1:
            break
        cuda.syncthreads()
    out[t] = shared[0]


@jit
def no_barrier_behind_a_continue(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    shared[t] = 0
    cuda.syncthreads()
    for j in range(x.size):
        out[t] += shared[0]
        cuda.syncthreads()
        shared[t] = x[j]
        if j < 2:
            continue
        cuda.syncthreads()


@jit
def break_past_a_barrier(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    shared[t] = 0
    cuda.syncthreads()
    for j in range(x.size):
        for k in range(2):
            if k == 0:
                break
            cuda.syncthreads()
        out[t] += shared[0]
        cuda.syncthreads()
        shared[t] = x[j]


@jit
def if_past_a_barrier(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    shared[t] = 0
    cuda.syncthreads()
    for j in range(x.size):
        if x.size < 2:
            cuda.syncthreads()
        out[t] += shared[0]
        cuda.syncthreads()
        shared[t] = x[j]


@jit
def only_warps_wait(x, out):
    shared = cuda.shared.array(WARPS, np.float32)
    t = cuda.threadIdx.x
    shared[t] = x[0]
    cuda.syncwarp()
    out[t] = shared[WARPS - 1 - t]


@jit
def goes_over_what_is_written(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    for j in range(x.size):
        shared[cuda.threadIdx.x] = x[j]
        cuda.syncthreads()
        for each in shared:
            out[cuda.threadIdx.x] += each


@jit
def sums_what_is_written(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    for j in range(x.size):
        shared[cuda.threadIdx.x] = x[j]
        cuda.syncthreads()
        out[cuda.threadIdx.x] += shared.sum()


@jit
def part_of_a_part(x, out):
    shared = cuda.shared.array((1, THREADS), np.float32)
    t = cuda.threadIdx.x
    for j in range(x.size):
        shared[0][t] = x[t] + j
        cuda.syncthreads()
        out[t] += shared.T[(t + 1) % THREADS][0]


@jit(device=True)
def put(row, t, value):
    row[t] = value


@jit
def row_for_a_function(x, out):
    shared = cuda.shared.array((2, THREADS), np.float32)
    t = cuda.threadIdx.x
    for j in range(x.size):
        put(shared[t % 2], t, x[t] + j)
        cuda.syncthreads()
        out[t] += shared[(t + 1) % 2, (t + 1) % THREADS]


@jit(device=True)
def put_through(row, t, value):
    put(row, t, value)


@jit
def array_for_two_functions(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    for j in range(x.size):
        put_through(shared, t, x[t] + j)
        cuda.syncthreads()
        out[t] += shared[(t + 1) % THREADS]


@jit
def loop_with_else(x, out):
    for j in range(x.size):
        cuda.syncthreads()
        if j == THREADS:
            break
    else:
        out[0] = 1


@jit
def fills_what_is_read(x, out):
    shared = cuda.shared.array(THREADS, np.float32)
    for j in range(x.size):
        shared.fill(x[j])
        cuda.syncthreads()
        out[cuda.threadIdx.x] += shared[0]


@jit
def two_dtypes(x, out):
    value = cuda.threadIdx.x
    cuda.syncthreads()
    value = value + x[0]
    cuda.syncthreads()
    out[0] = value


@jit
def keeps_a_tuple(x, out):
    pair = (cuda.threadIdx.x, 1)
    cuda.syncthreads()
    out[0] = pair[0]


@jit
def one_of_two_arrays(x, out):
    either = x if out.size > 1 else out
    cuda.syncthreads()
    out[0] = either[0]


@jit
def one_array_then_another(x, out):
    either = x
    if x.size > THREADS:
        either = out
    cuda.syncthreads()
    out[0] = either[0]


@jit
def changes_a_parameter(x, out, n):
    if cuda.threadIdx.x == 0:
        n = 0
    cuda.syncthreads()
    out[0] = n


@pytest.mark.parametrize(
    ("kernel", "why"),
    [
        (under_if, "threads may differ in `if _thread.threadIdx.x < x.size:`"),
        (in_a_loop_of_threads, "threads may differ in `for _ in range("),
        (after_a_return, "threads may differ in `if _runtime.grid1(_thread) >= x.size:`"),
        (bound_in_memory, "threads may differ in `while j < "),
        (bound_of_a_thread, "threads may differ in `for _ in range(n):`"),
        (breaks_alone, "threads may differ in `if _thread.threadIdx.x == j:`"),
        (returns_from_a_loop, "a return stands inside `for j in range(4):`"),
        (no_barrier_in_the_loop, "no barrier keeps apart what uses _shared_1 before and in `for j"),
        (no_barrier_behind_the_loop, "no barrier keeps apart what uses _shared_1 before and in"),
        (no_barrier_behind_a_break, "no barrier keeps apart what uses _shared_1 before and in"),
        (no_barrier_behind_a_continue, "no barrier keeps apart what uses _shared_1 before and in"),
        (break_past_a_barrier, "no barrier keeps apart what uses _shared_1 before and in"),
        (if_past_a_barrier, "no barrier keeps apart what uses _shared_1 before and in"),
        (only_warps_wait, "no barrier keeps apart what uses _shared_1 before and in `out["),
        (goes_over_what_is_written, "no barrier keeps apart what uses _shared_1 before and in"),
        (sums_what_is_written, "no barrier keeps apart what uses _shared_1 before and in"),
        (fills_what_is_read, "no barrier keeps apart what uses _shared_1 before and in"),
        (part_of_a_part, "no barrier keeps apart what uses _shared_1 before and in"),
        (array_for_two_functions, "no barrier keeps apart what uses _shared_1 before and in"),
        (row_for_a_function, "no barrier keeps apart what uses _shared_1 before and in"),
        (loop_with_else, "`for j in range(x.size):` (loop_with_else, line 3) has an else"),
        (two_dtypes, "value, which outlives a barrier, holds float64 or int32"),
        (keeps_a_tuple, "pair, which outlives a barrier, is no number, but"),
        (one_array_then_another, "either is an array by another name, or a part of one"),
        (one_of_two_arrays, "either is an array by another name, or a part of one"),
    ],
)
def test_a_kernel_is_not_cut_where_threads_may_differ(kernel: Any, why: str) -> None:
    name, reason = form(kernel, *VECTORS)

    assert name == "together"
    assert reason.startswith(why)


def test_a_parameter_that_threads_change_is_not_cut() -> None:
    assert form(changes_a_parameter, *VECTORS, int) == (
        "together",
        "threads give the parameter n values of their own",
    )


@jit
def bound_in_a_tuple(x, out, sizes):
    for _ in range(sizes[cuda.threadIdx.x]):
        cuda.syncthreads()
    out[0] = 1


def test_a_part_of_a_tuple_that_threads_choose_is_their_own() -> None:
    name, why = form(bound_in_a_tuple, *VECTORS, (int, int))

    assert name == "together"
    assert why.startswith("threads may differ in `for _ in range(")


@pytest.mark.parametrize(
    "kernel", [under_if, in_a_loop_of_threads, after_a_return, bound_of_a_thread, breaks_alone]
)
def test_threads_that_differ_at_a_barrier_are_found(kernel: Any) -> None:
    for name in ("forward", "reversed", "random:3"):
        with pytest.raises(BarrierError, match="does not meet at a barrier"), order(name):
            kernel[1, THREADS](DeviceArray(NUMBERS[:5].copy()), empty((THREADS,), np.float32))


@jit
def array_in_a_tuple(arrays, out):
    t = cuda.threadIdx.x
    for j in range(out.size):
        arrays[0][t] = out[t] + j
        cuda.syncthreads()
        out[t] += arrays[0][(t + 1) % THREADS]


def test_an_array_in_a_tuple_is_looked_at() -> None:
    name, why = form(array_in_a_tuple, VECTORS, VECTORS[0])

    assert name == "together"
    assert why.startswith("no barrier keeps apart what uses arrays before and in")


@pytest.mark.parametrize(
    "kernel",
    [
        *(no_barrier_in_the_loop, no_barrier_behind_the_loop, only_warps_wait),
        *(no_barrier_behind_a_break, no_barrier_behind_a_continue),
        *(break_past_a_barrier, if_past_a_barrier),
        *(part_of_a_part, row_for_a_function),
    ],
)
def test_a_barrier_that_is_missing_beside_others_shows(kernel: Any) -> None:
    threads = WARPS if kernel is only_warps_wait else THREADS
    found = set()
    for name in ("forward", "reversed"):
        out = DeviceArray(np.zeros(threads, np.float32))
        with order(name):
            kernel[1, threads](DeviceArray(NUMBERS.copy()), out)
        found.add(out.memory.tobytes())

    assert len(found) == 2


@jit
def waits_where_constants_forbid_it(x, out):
    t = cuda.threadIdx.x
    if THREADS < 8 or (WARPS == THREADS and t > 3):
        cuda.syncthreads()
    if not THREADS == 8:  # noqa: SIM201 -- what is told apart from ==
        cuda.syncthreads()
    out[t] = x[t] + 1


def test_a_barrier_that_constants_rule_out_is_none() -> None:
    """numba drops it, and a function that is then left with none is no generator."""
    assert form(waits_where_constants_forbid_it, *VECTORS)[0] == "one by one"
    x, out = NUMBERS[:THREADS], np.zeros(THREADS, np.float32)
    assert len(results(waits_where_constants_forbid_it, THREADS, x, out)) == 1
