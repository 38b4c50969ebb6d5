"""Convolution by its formula: a thread computes one element, and shares nothing with the others.

Decomposition: for forward and dx, a thread per element of the result. The sums of dweight are long
and few: a block owns each of its elements, the threads go along the rows of windows, and a tree
combines their sums at the end.
Work per element of out (N, O, H', W'), with windows of Kh x Kw in C / groups channels: as many
multiply-adds as a window has elements, each reading one number of x and one of weight. dx goes
through all windows that see its element, dweight through all windows of all images.
Limit: two loads per multiply-add. Most come from the first level cache, but the load units do a
quarter of what the arithmetic units could. With few channels in a group there is nothing more to
share: then memory is the limit, and this kernel is as good as it gets.
"""

from __future__ import annotations

from typing import Any

from ...device import BLOCK, cuda, factory, jit
from ..index import divide, first_own, next_own
from ..reduction import block_sum
from ..storage import access
from ..window import element_of, image_place, window_of


@factory
def forward(stored: Any) -> Any:
    """out[n, o] = bias[o] + Σ of the elements that a window sees in all channels, weighted.

    stored: the dtype of all arrays, as in dx and dweight.
    """
    real, load, store = access(stored)

    @jit
    def forward_kernel(x, weight, bias, groups, stride, padding, dilation, out):
        """x (N, C, H, W), weight (O, C / groups, Kh, Kw), bias (O) or empty -> out (N, O, ·, ·)"""
        place = cuda.grid(1)
        if place < out.size:
            n_out, depth, height, width = weight.shape
            line, i, j = image_place(place, out.shape[2], out.shape[3])
            n, o = divide(line, n_out)
            first = divide(o, divide(n_out, groups)[0])[0] * depth  # the group's first channel
            total = load(bias[o]) if bias.size > 0 else real(0)
            for a in range(height):
                row = element_of(i, a, stride[0], padding[0], dilation[0], x.shape[2])
                for b in range(width):
                    column = element_of(j, b, stride[1], padding[1], dilation[1], x.shape[3])
                    if row >= 0 and column >= 0:
                        for c in range(depth):
                            seen = load(x[n, first + c, row, column])
                            total += seen * load(weight[o, c, a, b])
            out[n, o, i, j] = store(total)

    return forward_kernel


@factory
def dx(stored: Any) -> Any:
    """The gradient of x: for each element, the weighted sum over the windows that see it."""
    real, load, store = access(stored)

    @jit
    def dx_kernel(dout, weight, groups, stride, padding, dilation, dx):
        """dout (N, O, down, across), weight (O, C / groups, Kh, Kw) -> dx (N, C, H, W)"""
        place = cuda.grid(1)
        if place < dx.size:
            n_out, depth, height, width = weight.shape
            line, row, column = image_place(place, dx.shape[2], dx.shape[3])
            n, channel = divide(line, dx.shape[1])
            group, c = divide(channel, depth)
            own = divide(n_out, groups)[0]
            total = real(0)
            for a in range(height):
                i = window_of(row, a, stride[0], padding[0], dilation[0], dout.shape[2])
                for b in range(width):
                    j = window_of(column, b, stride[1], padding[1], dilation[1], dout.shape[3])
                    if i >= 0 and j >= 0:
                        for o in range(group * own, (group + 1) * own):
                            total += load(dout[n, o, i, j]) * load(weight[o, c, a, b])
            dx[n, channel, row, column] = store(total)

    return dx_kernel


@factory
def dweight(stored: Any) -> Any:
    """The gradient of weight: Σ over images and windows of dout times what the window sees."""
    real, load, store = access(stored)

    @jit
    def dweight_kernel(x, dout, groups, stride, padding, dilation, dweight):
        """x (N, C, H, W), dout (N, O, down, across) -> dweight (O, C / groups, Kh, Kw)"""
        shared = cuda.shared.array(BLOCK, real)
        n_out, depth, height, width = dweight.shape
        batch, _, down, across = dout.shape
        line, a, b = image_place(cuda.blockIdx.x, height, width)
        o, c = divide(line, depth)
        channel = divide(o, divide(n_out, groups)[0])[0] * depth + c
        total = real(0)
        for n in range(batch):
            for i in range(down):
                row = element_of(i, a, stride[0], padding[0], dilation[0], x.shape[2])
                if row >= 0:
                    j = first_own()
                    while j < across:
                        column = element_of(j, b, stride[1], padding[1], dilation[1], x.shape[3])
                        if column >= 0:
                            seen = load(x[n, channel, row, column])
                            total += load(dout[n, o, i, j]) * seen
                        j = next_own(j)
        total = block_sum(total, shared)
        if cuda.threadIdx.x == 0:
            dweight[o, c, a, b] = store(total)

    return dweight_kernel
