"""Single instructions on the emulator: what they compute, and what a GPU would not forgive."""
# ruff: noqa: ANN201 -- kernels, whose types numba infers

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from test_matmul import to_format

from cudagrad import device, emulator
from cudagrad.device import cuda, intrinsics, jit

needs_emulator = pytest.mark.skipif(device.EXECUTOR != "emulator", reason="needs the emulator")


@jit
def copy_four(x, i, out):
    first, second, third, fourth = intrinsics.load4(x, (0, i))
    intrinsics.store4(out, 0, first, second, third, fourth)


@jit
def through_shared(x, out):
    tile = cuda.shared.array((2, 8), np.float32, alignment=16)
    i = cuda.threadIdx.x * 4
    intrinsics.copy_async4(tile, (1, i), x, i, i < x.size)
    intrinsics.commit_copies()
    intrinsics.commit_copies()
    intrinsics.wait_but_latest()
    cuda.syncthreads()
    for k in range(4):
        out[i + k] = tile[1, 7 - i - k]


@jit
def through_unaligned(x, out):
    tile = cuda.shared.array(8, np.float32)
    first, second, third, fourth = intrinsics.load4(x, 0)
    intrinsics.store4(tile, 0, first, second, third, fourth)
    out[0] = tile[3]


@jit
def rounded(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = intrinsics.to_tf32(x[i])


@jit
def packed(x, out):
    i = cuda.grid(1)
    if i < x.size:
        out[i] = intrinsics.pack_bfloat16(x[i], x[x.size - 1 - i])


@jit
def fragments_tf32(a, b, c, out):
    """a b + c for a (warps, 16, 8), b (warps, 8, 8), c (warps, 16, 8)."""
    warp = cuda.threadIdx.x // 32
    row = cuda.threadIdx.x % 32 // 4
    t = cuda.threadIdx.x % 4
    done = intrinsics.mma_tf32(
        a[warp, row, t],
        a[warp, row + 8, t],
        a[warp, row, t + 4],
        a[warp, row + 8, t + 4],
        b[warp, t, row],
        b[warp, t + 4, row],
        c[warp, row, 2 * t],
        c[warp, row, 2 * t + 1],
        c[warp, row + 8, 2 * t],
        c[warp, row + 8, 2 * t + 1],
    )
    out[warp, row, 2 * t] = done[0]
    out[warp, row, 2 * t + 1] = done[1]
    out[warp, row + 8, 2 * t] = done[2]
    out[warp, row + 8, 2 * t + 1] = done[3]


@jit
def fragments_bfloat16(a, b, c, out):
    """a b + c for a (warps, 16, 16), b (warps, 16, 8), c (warps, 16, 8)."""
    warp = cuda.threadIdx.x // 32
    row = cuda.threadIdx.x % 32 // 4
    t = cuda.threadIdx.x % 4 * 2
    done = intrinsics.mma_bfloat16(
        intrinsics.pack_bfloat16(a[warp, row, t], a[warp, row, t + 1]),
        intrinsics.pack_bfloat16(a[warp, row + 8, t], a[warp, row + 8, t + 1]),
        intrinsics.pack_bfloat16(a[warp, row, t + 8], a[warp, row, t + 9]),
        intrinsics.pack_bfloat16(a[warp, row + 8, t + 8], a[warp, row + 8, t + 9]),
        intrinsics.pack_bfloat16(b[warp, t, row], b[warp, t + 1, row]),
        intrinsics.pack_bfloat16(b[warp, t + 8, row], b[warp, t + 9, row]),
        c[warp, row, t],
        c[warp, row, t + 1],
        c[warp, row + 8, t],
        c[warp, row + 8, t + 1],
    )
    out[warp, row, t] = done[0]
    out[warp, row, t + 1] = done[1]
    out[warp, row + 8, t] = done[2]
    out[warp, row + 8, t + 1] = done[3]


@jit
def eight_through_shared(x, out):
    tile = cuda.shared.array((2, 16), np.uint16, alignment=16)
    i = cuda.threadIdx.x * 8
    intrinsics.copy_async8(tile, (1, i), x, i, i < x.size)
    intrinsics.commit_copies()
    intrinsics.commit_copies()
    intrinsics.wait_but_latest()
    cuda.syncthreads()
    for k in range(8):
        out[i + k] = tile[1, 15 - i - k]


@jit
def pairs_swapped(x, out):
    i = cuda.threadIdx.x * 2
    intrinsics.store2(out, i, x[i + 1], x[i])


@jit
def through_bfloat16(x, bits, out):
    i = cuda.grid(1)
    if i < x.size:
        bits[i] = intrinsics.to_bfloat16(x[i])
        out[i] = intrinsics.from_bfloat16(bits[i])


@jit
def matrices_loaded(x, as_they_are, transposed):
    """Four matrices a warp, x (warps, 32, 8); what thread i is given goes to (warp, 4, i)."""
    tiles = cuda.shared.array((2, 32, 8), np.uint16, alignment=16)
    warp, lane = cuda.threadIdx.x // 32, cuda.threadIdx.x % 32
    for k in range(8):
        tiles[warp, lane, k] = x[warp, lane, k]
    cuda.syncthreads()
    loaded = intrinsics.load_matrices(tiles, (warp, lane, 0))
    turned = intrinsics.load_transposed(tiles, (warp, lane, 0))
    for k in range(4):
        as_they_are[warp, k, lane] = loaded[k]
        transposed[warp, k, lane] = turned[k]


def run(kernel: Any, threads: int, *inputs: Any, out: tuple[tuple[int, ...], type]) -> np.ndarray:
    """What a kernel writes into a new array."""
    result = device.empty(*out)
    given = [device.to_device(x) if isinstance(x, np.ndarray) else x for x in inputs]
    kernel[1, threads](*given, result)
    return device.to_host(result)


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(math.prod(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_four_neighbours_are_read_and_written(dtype: type) -> None:
    x = np.arange(8, dtype=dtype).reshape(1, 8)

    assert run(copy_four, 1, x, 4, out=((4,), dtype)).tolist() == [4, 5, 6, 7]


def test_copies_arrive_in_shared_memory() -> None:
    x = np.arange(8, dtype=np.float32)

    assert run(through_shared, 2, x, out=((8,), np.float32)).tolist() == [7, 6, 5, 4, 3, 2, 1, 0]


def test_copies_of_eight_arrive_too_and_zeros_for_what_is_outside() -> None:
    x = np.arange(1, 9, dtype=np.uint16)
    got = run(eight_through_shared, 2, x, out=((16,), np.uint16))

    assert got.tolist() == [*[0] * 8, 8, 7, 6, 5, 4, 3, 2, 1]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_two_neighbours_are_written_at_once(dtype: type) -> None:
    x = np.arange(4, dtype=dtype)

    assert run(pairs_swapped, 2, x, out=((4,), dtype)).tolist() == [1, 0, 3, 2]


@pytest.mark.parametrize("warps", [1, 2])
def test_a_warp_loads_matrices_and_transposed_ones(warps: int) -> None:
    """As the PTX ISA has it: thread i is given row i // 4, and of it the pair i % 4."""
    x = np.arange(warps * 256, dtype=np.uint16).reshape(warps, 32, 8)
    loaded, turned = (device.empty((warps, 4, 32), np.uint32) for _ in range(2))
    matrices_loaded[1, 32 * warps](device.to_device(x), loaded, turned)
    matrices = x.reshape(warps, 4, 8, 8)
    for got, want in ((loaded, matrices), (turned, matrices.swapaxes(-1, -2))):
        registers = device.to_host(got)
        halves = np.stack([registers & 0xFFFF, registers >> 16], -1)  # (warps, 4, 32, 2)
        assert np.array_equal(halves.reshape(warps, 4, 8, 8), want)


@needs_emulator
@pytest.mark.parametrize(
    ("dtype", "start"), [(np.float32, 1), (np.float32, 2), (np.float32, 3), (np.float64, 1)]
)
def test_an_access_between_multiples_of_16_bytes_is_an_error(dtype: type, start: int) -> None:
    """As on a GPU, which does not say where."""
    x = np.zeros((1, 8), dtype)
    with pytest.raises(emulator.AlignmentError) as caught:
        run(copy_four, 1, x, start, out=((4,), dtype))

    text = str(caught.value)
    assert "intrinsics.load4(x, (0, i)) at" in text
    assert "begins at a multiple of 16 bytes, not at element " + str(start) in text
    assert "thread (0, 0, 0)" in text


@needs_emulator
def test_float64_may_begin_at_any_second_element() -> None:
    x = np.arange(8.0).reshape(1, 8)

    assert run(copy_four, 1, x, 2, out=((4,), np.float64)).tolist() == [2, 3, 4, 5]


@needs_emulator
def test_shared_memory_is_aligned_only_if_it_says_so() -> None:
    with pytest.raises(
        emulator.AlignmentError, match=r"intrinsics.store4\(tile, 0, .* at element 0"
    ):
        run(through_unaligned, 1, np.zeros(4, np.float32), out=((1,), np.float32))


@needs_emulator
@pytest.mark.parametrize(("start", "index"), [(8, 8), (6, 9), (-4, -4)])
def test_an_access_that_leaves_its_row_is_an_error(start: int, index: int) -> None:
    x = np.zeros((1, 8), np.float32)
    with pytest.raises(IndexError, match=rf"load4\(x, \(0, i\)\) .*: index {index} on axis 1"):
        run(copy_four, 1, x, start, out=((4,), np.float32))


AWKWARD = [0.0, -0.0, 1.0, -1.5, 1e-3, 3e38, -7e-30, math.inf, -math.inf, math.nan]
TIES = [1 + 2.0**-11, -1 - 2.0**-11, 1 + 3 * 2.0**-11, 1 + 2.0**-8, 1 + 3 * 2.0**-8]


def test_tf32_is_rounded_ties_away_from_zero() -> None:
    x = np.array([*AWKWARD, *TIES, *numbers(100)], np.float32)
    got = run(rounded, x.size, x, out=((x.size,), np.float32))

    assert np.array_equal(got, to_format(x, "tf32"), equal_nan=True)
    assert got[10] == 1 + 2.0**-10
    assert got[11] == -1 - 2.0**-10


def test_bfloat16_is_rounded_ties_to_even_and_packed_by_two() -> None:
    x = np.array([*AWKWARD[:5], *AWKWARD[6:], *TIES, *numbers(100)], np.float32)
    got = run(packed, x.size, x, out=((x.size,), np.uint32))
    low, high = (got << 16).view(np.float32), (got & 0xFFFF0000).view(np.float32)
    expected = to_format(x, "bfloat16")

    assert np.array_equal(low, expected, equal_nan=True)
    assert np.array_equal(high, expected[::-1], equal_nan=True)
    assert low[12] == 1.0
    assert low[13] == 1 + 2.0**-6


def test_bfloat16_is_stored_ties_to_even_and_read_again() -> None:
    x = np.array([*AWKWARD[:5], *AWKWARD[6:], *TIES, *numbers(100)], np.float32)
    bits = device.empty((x.size,), np.uint16)
    got = run(through_bfloat16, x.size, x, bits, out=((x.size,), np.float32))

    assert np.array_equal(got, to_format(x, "bfloat16"), equal_nan=True)
    exact = ~np.isnan(x)
    assert np.array_equal(device.to_host(bits)[exact], got[exact].view(np.uint32) >> 16)


FRAGMENTS = [(fragments_tf32, 8, "tf32"), (fragments_bfloat16, 16, "bfloat16")]


@pytest.mark.parametrize(("kernel", "depth", "name"), FRAGMENTS)
@pytest.mark.parametrize("warps", [1, 3])
def test_fragments_are_multiplied_by_each_warp(
    kernel: Any, depth: int, name: str, warps: int
) -> None:
    a, b, c = numbers(warps, 16, depth), numbers(warps, depth, 8), numbers(warps, 16, 8)
    a, b = (to_format(x, name).astype(np.float32) for x in (a, b))
    got = run(kernel, 32 * warps, a, b, c, out=((warps, 16, 8), np.float32))

    assert np.abs(got - (a.astype(np.float64) @ b + c)).max() < 3e-6


@needs_emulator
@pytest.mark.parametrize("order", ["forward", "reversed"])
def test_each_place_of_a_fragment_is_its_own(order: str) -> None:
    """Powers of two tell which products were added."""
    a = np.diag(2.0 ** np.arange(8)).repeat(2, 0)[None].astype(np.float32)
    b = np.arange(1, 65, dtype=np.float32).reshape(1, 8, 8)
    with emulator.order(order):
        got = run(fragments_tf32, 32, a, b, np.zeros_like(a), out=((1, 16, 8), np.float32))

    assert (got == a @ b).all()


@needs_emulator
def test_numbers_that_were_not_rounded_are_cut() -> None:
    """A tensor core does not look at the last 13 bits of what it takes for TF32."""
    a, b = np.zeros((1, 16, 8), np.float32), np.zeros((1, 8, 8), np.float32)
    a[0, 0, 0] = np.nextafter(np.float32(2), np.float32(0))
    b[0, 0, 0] = 1
    got = run(fragments_tf32, 32, a, b, np.zeros_like(a), out=((1, 16, 8), np.float32))

    assert got[0, 0, 0] == 2 - 2.0**-10


@needs_emulator
def test_more_warps_than_the_emulator_multiplies_for_are_an_error() -> None:
    a, b = numbers(9, 16, 8), numbers(9, 8, 8)
    with pytest.raises(IndexError, match="index 8 on axis 0 of size 8"):
        run(fragments_tf32, 9 * 32, a, b, a, out=((9, 16, 8), np.float32))


@needs_emulator
def test_accesses_and_roundings_are_plain_python_too() -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 8)
    intrinsics.store4.function.py_func(x, (0, 4), *intrinsics.load4.function.py_func(x, (0, 0)))

    assert x.tolist() == [[0, 1, 2, 3, 0, 1, 2, 3]]
    with pytest.raises(IndexError):
        intrinsics.load4.function.py_func(x, (0, 5))
    assert intrinsics.to_tf32.function(np.float32(1 + 2.0**-11)) == 1 + 2.0**-10
