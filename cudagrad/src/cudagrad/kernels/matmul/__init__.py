"""The matmul ladder: one product, by eight kernels that each remove the limit of the one before.

    product        what they share: arguments, operands, tiles, three buffers
    naive          a thread per element
    coalesced      the same, but the threads of a warp read neighbours
    tiled          tiles in shared memory
    register_tiled several elements per thread
    vectorized     loads of 128 bits, two buffers
    tensor_core    a warp multiplies whole fragments, rounded to TF32 or bfloat16
    stored         the same, for operands that are bfloat16 in memory

LADDER has them in this order, to be run side by side, with tensor_core once for each rounding.
STORED stands apart, because it takes other operands; of these `tiled` is the only other kernel.
`choose` picks a rung for a product. What the compiler makes of each, and how fast each is, stands
in docs/matmul.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ... import device
from ...device import TILE, Array
from ..functions import same
from ..storage import access, stored1
from . import coalesced, naive, register_tiled, stored, tensor_core, tiled, vectorized

TENSOR_CORES = (8, 0)  # the least compute capability that has the mma instructions used here


class Rung(NamedTuple):
    """A kernel of the ladder, and what it requires.

    kernel: makes it for a dtype and a function that finishes each element. side: of a block's tile.
    threads: the shape of a block. dtypes: those it takes. precision: how it multiplies float32.
    capability: the least compute capability of its GPU. by_fours: whether it reads its operands'
    rows by fours; a length that is no multiple of four goes to the rung below. by_layout: whether
    the kernel is made for the layout of a and b, too: whether a row in memory is along the depth.
    """

    name: str
    kernel: Callable[..., Any]
    side: int
    threads: tuple[int, int]
    dtypes: tuple[type, ...] = (np.float32, np.float64)
    precision: str = "float32"
    capability: tuple[int, int] = (0, 0)
    by_fours: bool = False
    by_layout: bool = False

    def blocks(self, m: int, n: int) -> int:
        """The number of blocks for a result of m x n elements."""
        return -(-m // self.side) * -(-n // self.side)

    def launch(
        self,
        a: Array,
        b: Array,
        out: Array,
        *,
        bias: Array = None,
        a_inner: int = 1,
        a_swapped: bool = False,
        b_inner: int = 1,
        b_swapped: bool = False,
        finish: Any = same,
    ) -> None:
        """out = finish(a b + bias), for a (·, m, k), b (·, k, n), bias (n), out (batch, m, n).

        A swapped operand is stored with its last two dims exchanged. a and b are repeated over the
        batch as kernels.index.at says. finish: a device function applied to each element.
        """
        batch, m, n = out.shape
        bias = device.empty((0,), a.dtype) if bias is None else bias
        rung = REGISTER_TILED if self.by_fours and (a.shape[2] % 4 or b.shape[2] % 4) else self
        layout = (int(not a_swapped), int(b_swapped)) if self.by_layout else ()
        _, _, store = access(out.dtype)
        if store is not same:  # a sum is rounded once, when it is finished
            finish = stored1(finish, same, store)
        kernel = rung.kernel(a.dtype.type, finish, *layout)
        kernel[batch * rung.blocks(m, n), rung.threads](
            a, a_inner, a_swapped, b, b_inner, b_swapped, bias, out
        )


NAIVE = Rung(
    "naive",
    lambda real, finish: naive.matmul(real, naive.downwards, finish),
    TILE,
    (TILE, TILE),
)
COALESCED = Rung(
    "coalesced",
    lambda real, finish: naive.matmul(real, coalesced.sideways, finish),
    TILE,
    (TILE, TILE),
)
TILED = Rung("tiled", tiled.matmul, TILE, (TILE, TILE))
REGISTER_TILED = Rung(
    "register_tiled", register_tiled.matmul, register_tiled.SIDE, register_tiled.THREADS
)
VECTORIZED = Rung(
    "vectorized",
    vectorized.matmul,
    vectorized.SIDE,
    (vectorized.THREADS, 1),
    by_fours=True,
)
TF32 = Rung(
    "tf32",
    lambda real, finish, *deep: tensor_core.matmul(tensor_core.tf32, *deep, finish),
    tensor_core.SIDE,
    (tensor_core.THREADS, 1),
    (np.float32,),
    "tf32",
    TENSOR_CORES,
    by_layout=True,
)
BFLOAT16 = Rung(
    "bfloat16",
    lambda real, finish, *deep: tensor_core.matmul(tensor_core.bfloat16, *deep, finish),
    tensor_core.SIDE,
    (tensor_core.THREADS, 1),
    (np.float32,),
    "bfloat16",
    TENSOR_CORES,
    by_layout=True,
)
STORED = Rung(  # not in LADDER, as its operands differ: bfloat16, to bfloat16 or float32
    "stored",
    lambda kind, finish, *deep: stored.matmul(*deep, finish),
    stored.SIDE,
    (stored.THREADS, 1),
    (np.uint16,),
    "bfloat16",
    TENSOR_CORES,
    by_layout=True,
)
LADDER = (NAIVE, COALESCED, TILED, REGISTER_TILED, VECTORIZED, TF32, BFLOAT16)


# For float32 on a fully occupied H100: benchmarks/2026-11-27-h100.md, at 2048. That the ratios are
# the same on other GPUs and for other dtypes is a guess. STORED, which has not been measured, has
# the speed of BFLOAT16, which does the same work and rounds besides.
TFLOPS = {TILED: 5.8, REGISTER_TILED: 11.9, VECTORIZED: 37.3, STORED: 148}


def choose(dtype: Any, batch: int, m: int, n: int, precision: str) -> Rung:
    """The rung for products (batch, m, n) of a dtype; precision: how float32 may be multiplied.

    float32 goes to tensor cores if it may be rounded. Else it is the rung expected to be quickest,
    by a simple model: each processor computes one tile after the other, and a tile takes as long as
    all its elements take at the rung's speed, also those outside the matrix. So of bfloat16 small
    products are TILED's, all others STORED's. At 1024, where vectorized has only 64 tiles, too few
    for an H100, the model expects it to take 0.64 times as long as register_tiled; it takes 0.75.
    """
    for rung in (TF32, BFLOAT16):
        if rung.precision == precision and dtype in rung.dtypes and device.has(rung.capability):
            return rung
    processors = device.processors()

    def expected(rung: Rung) -> float:
        tiles = -(-batch * rung.blocks(m, n) // processors)  # per processor
        return tiles * rung.side**2 / TFLOPS[rung]

    rungs = [rung for rung in TFLOPS if rung is TILED or dtype in rung.dtypes]  # TILED takes all
    return min(rungs, key=expected)
