"""What single instructions of a GPU do, for kernels on the emulator: device.intrinsics there.

Each has its twin of the same name in cudagrad.ptx. What needs a warp is a device function as
kernels have them, with shared memory and barriers: every thread puts its registers where PTX says
they belong in the matrices, so that a wrong index in a kernel gives a wrong product here too.
"""
# ruff: noqa: ANN201 -- numba infers the types

from __future__ import annotations

from typing import Any

import numpy as np

from . import copies, names, wide
from .source import DeviceFunction

cuda: Any = names.cuda

WARPS = 8  # of a block that multiplies fragments, at most


load4 = wide.Access(wide.load4, ((0, 1),))
store4 = wide.Access(wide.store4, ((0, 1),))
copy_async4 = wide.Access(copies.copy_async4, ((0, 1), (2, 3, 4)), of_thread=True)
copy_async8 = wide.Access(copies.copy_async8, ((0, 1), (2, 3, 4)), 8, of_thread=True)
commit_copies = wide.Access(copies.commit_copies, (), of_thread=True)
wait_but_latest = wide.Access(copies.wait_but_latest, (), of_thread=True)
store2 = wide.Access(wide.store2, ((0, 1),), 2)
_load8: Any = wide.Access(wide.load8, ((0, 1),), 8)


@DeviceFunction
def to_tf32(x):
    """x rounded to TF32's mantissa of 10 bits, ties away from zero."""
    if x != x:  # NaN has bits that must not be rounded away
        return x
    bits = np.uint32(np.float32(x).view(np.uint32) + np.uint32(0x1000))
    return np.uint32(bits & np.uint32(0xFFFFE000)).view(np.float32)


@DeviceFunction
def _cut(x):
    """What a tensor core sees of a float32 given as TF32: not its last 13 bits."""
    if x != x:
        return x
    return np.uint32(np.float32(x).view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)


@DeviceFunction
def from_bfloat16(bits):
    """The float32 of which a uint16 is the upper half."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@DeviceFunction
def to_bfloat16(x):
    """The upper half of a float32 rounded to it, ties to even."""
    if x != x:
        return np.uint16(0x7FFF)
    bits = np.float32(x).view(np.uint32)
    half = np.uint32(0x7FFF + ((bits >> np.uint32(16)) & np.uint32(1)))
    return np.uint16(np.uint32(bits + half) >> np.uint32(16))


@DeviceFunction
def pack_bfloat16(low, high):
    """Two numbers rounded to bfloat16 in one uint32, the first in its lower half."""
    return np.uint32(
        np.uint32(to_bfloat16(low)) | np.uint32(np.uint32(to_bfloat16(high)) << np.uint32(16))
    )


@DeviceFunction
def _low(pair):
    return np.uint32(pair << np.uint32(16)).view(np.float32)


@DeviceFunction
def _high(pair):
    return np.uint32(pair & np.uint32(0xFFFF0000)).view(np.float32)


@DeviceFunction
def load_matrices(tiles, index):
    """Four matrices of 8 x 8 uint16 for a warp, a register of two neighbours of each for a thread.

    A thread's index is where eight neighbours begin: threads 0 to 7 name the rows of the first
    matrix, 8 to 15 those of the second … Thread i is given those of row i // 4, columns i % 4 · 2
    and the next. ldmatrix.x4 in the PTX ISA. Here all warps of the block must come together.
    """
    four: Any = _matrices(tiles, index, False)
    return four


@DeviceFunction
def load_transposed(tiles, index):
    """As load_matrices, but each matrix is transposed: ldmatrix.x4.trans."""
    four: Any = _matrices(tiles, index, True)
    return four


@DeviceFunction
def _matrices(tiles, index, transposed):
    rows = cuda.shared.array((WARPS, 32, 8), np.uint16)
    thread = (cuda.threadIdx.z * cuda.blockDim.y + cuda.threadIdx.y) * cuda.blockDim.x
    thread += cuda.threadIdx.x
    warp, lane = thread // 32, thread % 32
    named = _load8(tiles, index)
    for k in range(8):
        rows[warp, lane, k] = named[k]
    cuda.syncthreads()
    i = lane % 4 * 2 if transposed else lane // 4
    j = lane // 4 if transposed else lane % 4 * 2
    down = 1 if transposed else 0  # where the second of the two stands, and else beside the first
    first = np.uint32(_pair(rows[warp, i, j], rows[warp, i + down, j + 1 - down]))
    second = np.uint32(_pair(rows[warp, i + 8, j], rows[warp, i + 8 + down, j + 1 - down]))
    third = np.uint32(_pair(rows[warp, i + 16, j], rows[warp, i + 16 + down, j + 1 - down]))
    fourth = np.uint32(_pair(rows[warp, i + 24, j], rows[warp, i + 24 + down, j + 1 - down]))
    cuda.syncthreads()
    return first, second, third, fourth


@DeviceFunction
def _pair(low, high):
    return np.uint32(np.uint32(low) | np.uint32(np.uint32(high) << np.uint32(16)))


@DeviceFunction
def mma_tf32(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
    """a b + c of a warp: a (16, 8), b (8, 8), c (16, 8), in which each thread has a few elements.

    Their places are those of mma.m16n8k8 in the PTX ISA, "Matrix Fragments". float32 throughout;
    of a and b the last 13 bits are not seen. Here all warps of the block must come together.
    """
    a = cuda.shared.array((WARPS, 16, 8), np.float32)
    b = cuda.shared.array((WARPS, 8, 8), np.float32)
    thread = (cuda.threadIdx.z * cuda.blockDim.y + cuda.threadIdx.y) * cuda.blockDim.x
    thread += cuda.threadIdx.x
    warp = thread // 32
    group = thread % 32 // 4
    member = thread % 4
    a[warp, group, member] = _cut(a0)
    a[warp, group + 8, member] = _cut(a1)
    a[warp, group, member + 4] = _cut(a2)
    a[warp, group + 8, member + 4] = _cut(a3)
    b[warp, member, group] = _cut(b0)
    b[warp, member + 4, group] = _cut(b1)
    cuda.syncthreads()
    d0, d1, d2, d3 = c0, c1, c2, c3
    for k in range(8):
        d0 += a[warp, group, k] * b[warp, k, 2 * member]
        d1 += a[warp, group, k] * b[warp, k, 2 * member + 1]
        d2 += a[warp, group + 8, k] * b[warp, k, 2 * member]
        d3 += a[warp, group + 8, k] * b[warp, k, 2 * member + 1]
    cuda.syncthreads()
    return d0, d1, d2, d3


@DeviceFunction
def mma_bfloat16(a0, a1, a2, a3, b0, b1, c0, c1, c2, c3):
    """a b + c of a warp: a (16, 16), b (16, 8), c (16, 8), in which each thread has a few elements.

    Their places are those of mma.m16n8k16 in the PTX ISA, "Matrix Fragments": a and b in uint32, of
    two neighbours along the depth each, c in float32. Here all warps of the block must come
    together.
    """
    a = cuda.shared.array((WARPS, 16, 8), np.uint32)
    b = cuda.shared.array((WARPS, 8, 8), np.uint32)
    thread = (cuda.threadIdx.z * cuda.blockDim.y + cuda.threadIdx.y) * cuda.blockDim.x
    thread += cuda.threadIdx.x
    warp = thread // 32
    group = thread % 32 // 4
    member = thread % 4
    a[warp, group, member] = a0
    a[warp, group + 8, member] = a1
    a[warp, group, member + 4] = a2
    a[warp, group + 8, member + 4] = a3
    b[warp, member, group] = b0
    b[warp, member + 4, group] = b1
    cuda.syncthreads()
    d0, d1, d2, d3 = c0, c1, c2, c3
    for k in range(8):
        above, below = a[warp, group, k], a[warp, group + 8, k]
        left, right = b[warp, k, 2 * member], b[warp, k, 2 * member + 1]
        d0 += _low(above) * _low(left) + _high(above) * _high(left)
        d1 += _low(above) * _low(right) + _high(above) * _high(right)
        d2 += _low(below) * _low(left) + _high(below) * _high(left)
        d3 += _low(below) * _low(right) + _high(below) * _high(right)
    cuda.syncthreads()
    return d0, d1, d2, d3
