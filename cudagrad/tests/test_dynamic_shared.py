"""Dynamic shared memory: bytes that a launch gives, of which all arrays of shape 0 are made."""
# ruff: noqa: ANN201 -- kernels return nothing

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from cudagrad import device
from cudagrad.checker import RaceError, UninitializedError, check
from cudagrad.emulator import DeviceArray, KernelError, cuda, generators, jit, order

both = pytest.mark.parametrize("make", [jit, check])


def launch(make: Any, kernel: Any, configuration: Any, *arrays: Any) -> None:
    """Run a kernel on the emulator, or under the checker."""
    given = arrays if make is check else map(DeviceArray, arrays)
    make(kernel)[configuration](*given)


def reverses(x, out):
    shared = cuda.shared.array(0, np.float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    shared[t] = x[i]
    cuda.syncthreads()
    out[i] = shared[shared.size - 1 - t]


@both
@pytest.mark.parametrize("threads", [2, 5, 8])
def test_a_launch_says_how_much_there_is(make: Any, threads: int) -> None:
    x, out = np.arange(3 * threads, dtype=np.float32), np.zeros(3 * threads, np.float32)
    launch(make, reverses, (3, threads, 0, 4 * threads), x, out)

    assert (out == x.reshape(3, threads)[:, ::-1].ravel()).all()


def test_a_launch_of_the_engine_says_it_too() -> None:
    x = device.to_device(np.arange(4, dtype=np.float32))
    out = device.empty((4,), np.float32)
    device.jit(reverses)[1, 4, 0, 16](x, out)

    assert device.to_host(out).tolist() == [3, 2, 1, 0]


@both
def test_what_lies_behind_these_bytes_is_out_of_bounds(make: Any) -> None:
    x = np.arange(4, dtype=np.float32)
    for given in ((1, 4, 0, 15), (1, 4, None), (1, 4)):
        size = 3 if len(given) > 3 else 0
        where = rf"shared\[t\] at .*: index {size} on axis 0 of size {size}\b"
        with pytest.raises(IndexError, match=where):
            launch(make, reverses, given, x, x.copy())


@both
def test_what_a_block_does_not_have(make: Any) -> None:
    x = np.zeros(4, np.float32)
    with pytest.raises(KernelError, match="0 bytes of shared memory and 232449 of dynamic; a"):
        launch(make, reverses, (1, 4, 0, 227 * 1024 + 1), x, x)
    for wrong in (-1, 4.0):
        with pytest.raises(TypeError, match=f"bytes of dynamic shared memory, not {wrong}"):
            launch(make, reverses, (1, 4, 0, wrong), x, x)


def has_static_bytes_too(x, out):
    tile = cuda.shared.array(4, np.float32)
    shared = cuda.shared.array(0, np.float32)
    tile[0] = shared[0] = x[0]
    out[0] = tile[0] + shared[0]


@both
def test_static_and_dynamic_bytes_share_what_a_block_has(make: Any) -> None:
    x = np.ones(1, np.float32)
    launch(make, has_static_bytes_too, (1, 1, 0, 227 * 1024 - 16), x, x)
    assert x.tolist() == [2]
    with pytest.raises(KernelError, match="16 bytes of shared memory and 232436 of dynamic; a"):
        launch(make, has_static_bytes_too, (1, 1, 0, 227 * 1024 - 12), x, x)


def tells_bits(x, out):
    numbers = cuda.shared.array(0, np.float32)
    words = cuda.shared.array(0, np.int32)
    t = cuda.threadIdx.x
    numbers[t] = x[t]
    cuda.syncthreads()
    out[t] = words[3 - t]


def cuts_up(x, out):
    whole = cuda.shared.array(0, np.uint8)
    numbers, counts = whole[:16].view(np.float32), whole[16:].view(np.int64)
    t = cuda.threadIdx.x
    numbers[t] = x[t]
    counts[t] = t
    cuda.syncthreads()
    out[t] = numbers[3 - t] + counts[3 - t]


@both
def test_all_arrays_lie_in_the_same_memory(make: Any) -> None:
    x, out = np.array([1.5, -2.0, 0.0, 7.0], np.float32), np.zeros(4, np.int64)
    launch(make, tells_bits, (1, 4, 0, 16), x, out)
    sums = np.zeros(4)
    launch(make, cuts_up, (1, 4, 0, 48), x, sums)

    assert out.tolist() == x[::-1].view(np.int32).tolist()
    assert sums.tolist() == [10, 2, -1, 1.5]


@jit
def rounds(x, out):
    """Reads in a round what others may write in the next, by another name."""
    first = cuda.shared.array(0, np.float32)
    second = cuda.shared.array(0, np.float32)
    t = cuda.threadIdx.x
    for j in range(2):
        first[t] = x[4 * j + t]
        cuda.syncthreads()
        out[4 * j + t] = second[3 - t]


def test_a_kernel_is_cut_where_that_hides_no_missing_barrier() -> None:
    kinds = (("f", 1), ("f", 1))

    assert jit(tells_bits).form(kinds).name == "in step"
    assert "what uses dynamic shared memory before and in" in rounds.form(kinds).why
    with pytest.raises(
        RaceError, match=r"for \w+\[.\], in dynamic .* first\[t\].* second\[3 - t\]"
    ):
        check(rounds)[1, 4, 0, 16](np.zeros(8, np.float32), np.zeros(8, np.float32))


def leaves(x, out):
    shared = cuda.shared.array(0, np.float32)
    i, t = cuda.grid(1), cuda.threadIdx.x
    if t > 0:
        shared[t] = x[i]
    cuda.syncthreads()
    out[i] = shared[3 - t]


def test_it_is_poisoned_anew_for_every_block() -> None:
    x = np.arange(8, dtype=np.float32)
    for form in (order("forward"), generators()):
        out = np.zeros(8, np.float32)
        with form:
            launch(jit, leaves, (2, 4, 0, 16), x, out)
        assert np.isnan(out[3::4]).all()
        assert np.isnan(out).sum() == 2
    with pytest.raises(UninitializedError, match=r"reads shared\[0\], in dynamic shared memory"):
        launch(check, leaves, (2, 4, 0, 16), x, x.copy())


def keeps_until_all_have_come(x, out):
    words = cuda.shared.array(0, np.int32)
    numbers = cuda.shared.array(0, np.float64)
    i, t = cuda.grid(1), cuda.threadIdx.x
    words[t] = x[i]
    cuda.cg.this_grid().sync()
    out[i] = words[t] + 10 * numbers.size


@both
@pytest.mark.parametrize("size", [8, 12, 20])
def test_blocks_that_wait_for_each_other_have_their_own(make: Any, size: int) -> None:
    x, out = np.arange(6, dtype=np.int32), np.zeros(6, np.int64)
    launch(make, keeps_until_all_have_come, (3, 2, 0, size), x, out)

    assert (out == x + size // 8 * 10).all()


def writes_half(x, out):
    words = cuda.shared.array(0, np.int32)
    numbers = cuda.shared.array(0, np.float64)
    words[0] = 1
    out[0] = numbers[0]


def writes_beside(x, out):
    words = cuda.shared.array(0, np.int32)
    numbers = cuda.shared.array(0, np.float64)
    t = cuda.threadIdx.x
    if t < 2:
        words[t] = x[t]
    elif t == 2:
        numbers[1] = 3
    else:
        numbers[0] = 1  # here


def adds_to_parts(x, out):
    words = cuda.shared.array(0, np.int32)
    bits = cuda.shared.array(0, np.uint8)
    t = cuda.threadIdx.x
    if t == 0:
        words[0] = 0
    cuda.syncthreads()
    cuda.atomic.add(words, 0, 1)
    if t == x[0]:
        out[0] = bits[2]


@pytest.mark.parametrize(
    ("kernel", "error", "said"),
    [
        (writes_half, UninitializedError, r"reads numbers\[0\], in dynamic shared memory"),
        (writes_beside, RaceError, r"race for numbers\[0\].* words\[t\] at .* numbers\[0\] at"),
        (adds_to_parts, RaceError, r"race for bits\[2\].* atomically changes it, .*words, 0, 1"),
    ],
)
def test_the_checker_knows_what_overlaps(kernel: Any, error: type, said: str) -> None:
    with pytest.raises(error, match=re.compile(said)):
        check(kernel)[1, 4, 0, 16](np.ones(2, np.int32), np.zeros(1))


def views_apart(x, out):
    words = x.view(np.int32)
    t = cuda.threadIdx.x
    words[2 * t] = t
    out[t] = words[2 * t + 1]
    cuda.syncthreads()
    x[1 - t] = 1


def test_parts_that_do_not_overlap_are_no_race() -> None:
    out = np.zeros(2, np.int64)
    check(views_apart)[1, 2](np.zeros(2, np.int64), out)

    assert out.tolist() == [0, 0]


def has_no_use_for_them(x, out):
    out[cuda.threadIdx.x] = x[cuda.threadIdx.x]


@both
def test_nor_may_a_kernel_ask_for_it_that_does_not_use_it(make: Any) -> None:
    x = np.zeros(4, np.float32)
    with pytest.raises(KernelError, match="232449 of dynamic; a block has"):
        launch(make, has_no_use_for_them, (1, 4, 0, 227 * 1024 + 1), x, x.copy())
