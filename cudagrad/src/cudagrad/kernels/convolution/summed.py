"""The gradient of convolution's weight, as a product whose sums are cut into parts.

What it computes and what limits it stands in implicit.py: for each tap, dout (O, N · H' · W') by
what that element of all windows sees (N · H' · W', C). With 64 channels of 32 images of 56 x 56 a
sum has 100,352 terms, and there are 9 tiles: only in parts of a thousand terms do they fill a GPU.

Decomposition: that of implicit.py for a tile. Both operands lie in memory term by term: of dout a
thread fetches four terms of two channels, of x one term of eight channels, which lie equally far
apart, so that one place in the image is worked out for all of them.
Bytes moved: dout once for each tap, x once for each tap, from the second level cache where it can;
the parts are written, read and added besides: a number for each weight and part.
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

LINES = THREADS // STEP  # of x's tile, that threads fetch side by side


@functools.cache
def fetching(load: Callable[..., Any]) -> tuple[Any, Any]:
    """What fetches a thread's part of dout's tile, and of x's; load: of what is stored."""

    @jit(device=True)
    def fetch_dout(own, dout, first, last, start, stop):
        """The thread's eight numbers of dout's tile: of two channels four terms each; 0 outside."""
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
        """The thread's eight numbers of x's tile: of one term LINES channels apart; 0 outside.

        x (N, C, H · W), size H, W. first, last: channels of the tile, and after those of the group.
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
    """Σ dout · what the windows see, of each part of the terms, for each tap of the filters.

    stored: as what x and dout are; of bfloat16 the parts are float32.
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
