"""Convolution as a product of two matrices, one of which is never stored: what all windows see.

With x (N, C, H, W) and windows of taps = Kh x Kw elements, the products are

    forward   filters (O, taps · C)   and what windows see (taps · C, N · H' · W') -> out
    dx        filters (C, taps · O)   and the windows that see an element (taps · O, N · H · W)
    dweight   dout (O, N · H' · W')   and what windows see (N · H' · W', C), for each tap

in each of the groups. The matrix of what windows see is taps times as large as the image, so it is
not laid out: its numbers are fetched from the image when they are needed. Within a sum, channels
vary fastest: the place in the image is computed once per tap, and moves by H · W from one channel
to the next.

Decomposition: as matmul.vectorized, with smaller tiles because there are seldom more than a few
hundred channels: a block of THREADS = 64 threads for a tile of SIDE x SIDE, 8 x 8 elements for each
thread; along the depth in steps of STEP, with two buffers that take turns. A thread fetches one
column of the matrix that is not stored, and neighbouring threads fetch neighbouring columns. The
sums of dweight are long and its tiles few: so its sums are cut into parts, one block writes each,
and a second launch adds them up, in the same order on every run (see summed.py).
Bytes moved: x, weight and out once each, if the second level cache holds what is read again, for
each tap and for each tile of channels. dweight writes and reads its parts in addition.
Operations: 2 · taps · C / groups for each element of out, and as many again for dx and for dweight.
dx with a stride also multiplies zeros: only one of stride² windows sees an element through a given
tap.
Limit: the arithmetic, about a tenth of which goes into addresses; where the channels do not fill
a tile, its empty places.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ...device import cuda, factory, intrinsics, jit
from ..index import divide, fetch
from ..matmul.vectorized import OWN, STEP, add_products, clear
from ..storage import access
from ..window import image_place

SIDE = 64  # rows, and columns, of a block's tile
HALF = SIDE // 2
THREADS = (SIDE // OWN) ** 2
BUFFERS = (2, STEP, SIDE + 4)


@jit(device=True)
def tile_of_block(rows, columns):
    """What is left of the block's index, and the first row and column of its tile."""
    across = divide(columns + SIDE - 1, SIDE)[0]
    down = divide(rows + SIDE - 1, SIDE)[0]
    rest, column = divide(cuda.blockIdx.x, across)
    rest, row = divide(rest, down)
    return rest, row * SIDE, column * SIDE


@functools.cache
def fetching(stored: Any) -> tuple[Any, Any]:
    """Device functions that fetch a thread's part of both tiles: filters, and what windows see."""
    real, load, _ = access(stored)

    @jit(device=True)
    def fetch_filters(own, filters, tap, start, first):
        """own = the thread's eight numbers of the filters' tile: four neighbours in two lines."""
        line = start + cuda.threadIdx.x // 16
        column = first + cuda.threadIdx.x % 16 * 4
        for half in range(2):
            four = fetch(filters, tap, line + half * (STEP // 2), column, stored(0))
            for k in range(4):
                own[4 * half + k] = load(four[k])

    @jit(device=True)
    def fetch_column(own, x, place, image, count):
        """own = the thread's column: x at place in count channels, `image` apart, then zeros."""
        for k in range(STEP):
            spot = np.uint32(np.uint32(place) + np.uint32(k) * np.uint32(image))
            own[k] = load(x[spot]) if k < count else real(0)

    return fetch_filters, fetch_column


@jit(device=True)
def put_filters(tiles, buffer, own):
    line = cuda.threadIdx.x // 16
    column = cuda.threadIdx.x % 16 * 4
    intrinsics.store4(tiles, (buffer, line, column), own[0], own[1], own[2], own[3])
    line += STEP // 2
    intrinsics.store4(tiles, (buffer, line, column), own[4], own[5], own[6], own[7])


@jit(device=True)
def put_column(tiles, buffer, own):
    for k in range(STEP):
        tiles[buffer, k, cuda.threadIdx.x] = own[k]


@jit(device=True)
def multiply(totals, a_own, b_own, a_tiles, b_tiles, buffer, row, column):
    """Add the products of a step to a thread's sums; row, column: the first of its elements."""
    for k in range(STEP):
        add_products(totals, a_own, b_own, a_tiles, b_tiles, buffer, k, row, column, HALF)


@jit(device=True)
def own_line(i, first, own):
    """The i-th of a thread's rows (or columns): four neighbours, and four half a tile further."""
    return first + i // 4 * HALF + own + i % 4


@functools.cache
def writing(store: Callable[..., Any]) -> Any:
    """A device function that writes a thread's sums; store: to the stored dtype."""

    @jit(device=True)
    def write(out, totals, channel, rows, first_row, first_column, ty, tx):
        """Write a thread's sums to out (N, ·, length): a column of the product is an image's place.

        Row r of the product, which has `rows` rows, goes to channel + r.
        """
        batch, _, length = out.shape
        if length % 4 == 0:
            for half in range(2):
                column = own_line(4 * half, first_column, tx)
                if column < batch * length:
                    n, place = divide(column, length)
                    for i in range(OWN):
                        row = own_line(i, first_row, ty)
                        if row < rows:
                            intrinsics.store4(
                                out,
                                (n, channel + row, place),
                                store(totals[i, 4 * half]),
                                store(totals[i, 4 * half + 1]),
                                store(totals[i, 4 * half + 2]),
                                store(totals[i, 4 * half + 3]),
                            )
        else:
            for j in range(OWN):
                column = own_line(j, first_column, tx)
                if column < batch * length:
                    n, place = divide(column, length)
                    for i in range(OWN):
                        row = own_line(i, first_row, ty)
                        if row < rows:
                            out[n, channel + row, place] = store(totals[i, j])

    return write


@factory
def gather(stored: Any, reach: Any) -> Any:
    """Forward if reach is element_of; dx, with dout in place of x, if reach is window_of.

    stored: the dtype of all arrays. For bfloat16 the tiles in shared memory are float32.
    """
    real, load, store = access(stored)
    fetch_filters, fetch_column = fetching(stored)
    write = writing(store)

    @jit
    def gather_kernel(x, size, filters, groups, kernel, bias, stride, padding, dilation, grid, out):
        """x (N · C · H · W), size: H, W; filters (groups · Kh · Kw, C / groups, O / groups),
        kernel: Kh, Kw; bias (O) or empty -> out (N, O, down · across), grid: down, across.
        """
        f_tiles = cuda.shared.array(BUFFERS, real, alignment=16)
        x_tiles = cuda.shared.array(BUFFERS, real, alignment=16)
        totals = cuda.local.array((OWN, OWN), real)
        f_own = cuda.local.array(OWN, real)
        x_own = cuda.local.array(OWN, real)
        f_next = cuda.local.array(STEP, real)
        x_next = cuda.local.array(STEP, real)
        tx = cuda.threadIdx.x % 8 * 4
        ty = cuda.threadIdx.x // 8 * 4
        _, depth, m = filters.shape
        count = out.shape[0] * out.shape[2]
        taps = kernel[0] * kernel[1]
        image = size[0] * size[1]
        group, first_row, first_column = tile_of_block(m, count)
        column = first_column + cuda.threadIdx.x  # the column that the thread fetches
        n, i, j = image_place(column, grid[0], grid[1])
        origin = (n * groups + group) * depth * image
        of_tap = divide(depth + STEP - 1, STEP)[0]
        place = np.int64(0)
        inside = False
        clear(totals)
        # In each step but the last a thread fetches, and in each but the first it multiplies what
        # was fetched in the step before.
        for step in range(taps * of_tap + 1):
            if step < taps * of_tap:
                tap, start = divide(step, of_tap)
                start *= STEP
                if start == 0:
                    a, b = divide(tap, kernel[1])
                    row = reach(i, a, stride[0], padding[0], dilation[0], size[0])
                    along = reach(j, b, stride[1], padding[1], dilation[1], size[1])
                    inside = column < count and row >= 0 and along >= 0
                    place = origin + row * size[1] + along
                fetch_filters(f_next, filters, group * taps + tap, start, first_row)
                fetch_column(x_next, x, place, image, depth - start if inside else 0)
                place += STEP * image
            if step > 0:
                multiply(totals, f_own, x_own, f_tiles, x_tiles, (step - 1) % 2, ty, tx)
            if step < taps * of_tap:
                put_filters(f_tiles, step % 2, f_next)
                put_column(x_tiles, step % 2, x_next)
            cuda.syncthreads()
        for i in range(OWN):
            row = own_line(i, first_row, ty)
            if row < m:
                extra = load(bias[group * m + row]) if bias.size > 0 else real(0)
                for j in range(OWN):
                    totals[i, j] += extra
        write(out, totals, group * m, m, first_row, first_column, ty, tx)

    return gather_kernel
