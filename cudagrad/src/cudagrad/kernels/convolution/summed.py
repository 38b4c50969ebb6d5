"""The gradient of convolution's weight, as a matrix product whose sums are cut into parts.

For each tap, the product is of dout (O, N · H' · W') and what that element of all windows sees
(N · H' · W', C), as in implicit.py. With 64 channels of 32 images of 56 x 56 a sum has 100,352
terms, and there are only 9 tiles: they fill a GPU only if the sums are cut into parts of a thousand
terms, with a block for each.

Decomposition: within a tile as in implicit.py. In both operands the terms of a sum are neighbours
in memory. Of dout, a thread fetches four terms in two channels; of x, one term in eight channels,
equally far apart, so that the place in the image is computed once for all eight.
Bytes moved: dout and x once for each tap, from the second level cache where possible. Besides, the
parts are written and read: a number per weight and part.
Operations and limit: as in implicit.py, and an addition per weight and part.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ...device import cuda, factory, intrinsics, jit
from ..index import divide
from ..matmul.vectorized import OWN, STEP, clear
from ..storage import access
from ..window import element_of, image_place
from .implicit import BUFFERS, HALF, THREADS, multiply, own_line, tile_of_block

LINES = THREADS // STEP  # of x's tile that the threads fetch at the same time


@functools.cache
def fetching(load: Callable[..., Any]) -> tuple[Any, Any]:
    """Device functions that fetch a thread's part of dout's and x's tile; load: see access."""

    @jit(device=True)
    def fetch_dout(own, dout, first, last, start, stop):
        """own = the thread's numbers of dout's tile: four terms in two channels; 0 outside."""
        length = dout.shape[2]
        term = start + cuda.threadIdx.x % 2 * 4
        for k in range(OWN):
            own[k] = type(own[k])(0)
        for half in range(2):
            channel = first + half * HALF + cuda.threadIdx.x // 2
            if channel < last:
                if length % 4 == 0:
                    if term < stop:
                        n, place = divide(term, length)
                        four = intrinsics.load4(dout, (n, channel, place))
                        for k in range(4):
                            own[4 * half + k] = load(four[k])
                else:
                    for k in range(4):
                        if term + k < stop:
                            n, place = divide(term + k, length)
                            own[4 * half + k] = load(dout[n, channel, place])

    @jit(device=True)
    def fetch_seen(own, x, size, first, last, tap, windows, stride, padding, dilation, term, stop):
        """own = the thread's numbers of x's tile: one term, LINES channels apart; 0 outside.

        x (N, C, H · W), size H, W. first: the tile's first channel. last: the one after the group.
        """
        n, i, j = image_place(term, windows[0], windows[1])
        row = element_of(i, tap[0], stride[0], padding[0], dilation[0], size[0])
        column = element_of(j, tap[1], stride[1], padding[1], dilation[1], size[1])
        inside = term < stop and row >= 0 and column >= 0
        channel = first + cuda.threadIdx.x // STEP
        for k in range(OWN):
            seen = inside and channel + LINES * k < last
            place = row * size[1] + column
            own[k] = load(x[n, channel + LINES * k, place]) if seen else type(own[k])(0)

    return fetch_dout, fetch_seen


@jit(device=True)
def put_dout(tiles, buffer, own):
    term = cuda.threadIdx.x % 2 * 4
    line = cuda.threadIdx.x // 2
    for k in range(4):
        tiles[buffer, term + k, line] = own[k]
        tiles[buffer, term + k, line + HALF] = own[4 + k]


@jit(device=True)
def put_seen(tiles, buffer, own):
    term = cuda.threadIdx.x % STEP
    line = cuda.threadIdx.x // STEP
    for k in range(OWN):
        tiles[buffer, term, line + LINES * k] = own[k]


@factory
def dfilters(stored: Any) -> Any:
    """Σ dout · what the windows see, over each part of the terms, for each tap of the filters.

    stored: the dtype of x and dout; for bfloat16 the parts are float32.
    """
    real, load, _ = access(stored)
    fetch_dout, fetch_seen = fetching(load)

    @jit
    def dfilters_kernel(
        x, size, dout, windows, groups, kernel, stride, padding, dilation, length, parts
    ):
        """x (N, C, H · W), size H, W; dout (N, O, down · across), windows down, across; kernel
        Kh, Kw -> parts (parts · groups · taps, O / groups, C / groups), each of `length` terms, a
        multiple of STEP.
        """
        d_tiles = cuda.shared.array(BUFFERS, real, alignment=16)
        x_tiles = cuda.shared.array(BUFFERS, real, alignment=16)
        totals = cuda.local.array((OWN, OWN), real)
        d_own = cuda.local.array(OWN, real)
        x_own = cuda.local.array(OWN, real)
        d_next = cuda.local.array(OWN, real)
        x_next = cuda.local.array(OWN, real)
        tx = cuda.threadIdx.x % 8 * 4
        ty = cuda.threadIdx.x // 8 * 4
        _, m, depth = parts.shape
        place, first_row, first_column = tile_of_block(m, depth)
        line, a, b = image_place(place, kernel[0], kernel[1])
        part, group = divide(line, groups)
        begin = part * length
        stop = min(dout.shape[0] * dout.shape[2], begin + length)
        own_term = cuda.threadIdx.x % STEP
        row = group * m + first_row
        last_row = (group + 1) * m
        channel = group * depth + first_column
        last_channel = (group + 1) * depth
        steps = divide(stop - begin + STEP - 1, STEP)[0]
        clear(totals)
        for step in range(steps + 1):  # as in implicit.py
            if step < steps:
                start = begin + step * STEP
                fetch_dout(d_next, dout, row, last_row, start, stop)
                fetch_seen(
                    x_next, x, size, channel, last_channel, (a, b), windows, stride, padding,
                    dilation, start + own_term, stop,
                )  # fmt: skip
            if step > 0:
                multiply(totals, d_own, x_own, d_tiles, x_tiles, (step - 1) % 2, ty, tx)
            if step < steps:
                put_dout(d_tiles, step % 2, d_next)
                put_seen(x_tiles, step % 2, x_next)
            cuda.syncthreads()
        for i in range(OWN):
            row = own_line(i, first_row, ty)
            for j in range(OWN):
                column = own_line(j, first_column, tx)
                if row < m and column < depth:
                    parts[place, row, column] = totals[i, j]

    return dfilters_kernel
