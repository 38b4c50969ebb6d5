"""Softmax and its relatives over a row x[o, :, i] of n elements, and cross entropy.

Decomposition: a block owns a row. Its threads take turns with the elements, and a tree in shared
memory combines what they find. A row of up to a few thousand elements that lie side by side is held
in the block's registers (see row) and read only once. Any other row is read twice: once for both
the maximum and the sum of exponentials, and once for the result. The first reading takes the
largest element so far for the maximum, and shrinks the sum when a larger one comes.
Bytes moved: in float32, 4 n read and 4 n written per row, and another 4 n for a second reading. The
gradient of softmax reads twice as much.
Operations: two exponentials per element, and a few others.
Limit: memory, for long rows that lie side by side. A short row still has a block of its own, which
spends its time on barriers: a row of 10 elements has 16 threads. Where a row's elements lie apart,
each thread fetches 32 bytes, the least that memory delivers, of which it needs 4 in float32; the
rest is only of use if a cache keeps it for the blocks of neighbouring rows.

Cross entropy stores no probabilities. Forward reads the logits once, whatever the length, and
writes three numbers per row: the loss, and two with which the gradient computes the probabilities
anew while it reads the logits once more: 12 n bytes for both together.

Milakov, Gimelshein 2018, https://arxiv.org/abs/1805.02867
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from ..device import BLOCK, cuda, factory, intrinsics, jit
from .functions import log, same
from .index import divide, first_own, further, inside, next_own
from .reduction import block_max, block_sum
from .row import HELD, column_of, holding, releasing
from .storage import access


@jit(device=True)
def weigh(x, top):
    """exp(x - top), but 1 where x is top, which may be infinite."""
    return type(x)(1) if x == top else math.exp(x - top)


@jit(device=True)
def meet(x, top, total):
    """top and total once x has been added: the largest element so far, and Σ exp(element - top).

    Both begin as -inf and 0. A NaN does not become top, but stays in total.
    """
    if x > top:
        return x, total * math.exp(top - x) + type(x)(1)
    return top, total + weigh(x, top)


@jit(device=True)
def meet4(x, top, total):
    """As meet, for four elements: total is rescaled once, not four times in succession."""
    larger = top
    for k in range(4):
        if x[k] > larger:
            larger = x[k]
    if larger > top:
        total *= math.exp(top - larger)
    return larger, total + (
        (weigh(x[0], larger) + weigh(x[1], larger)) + (weigh(x[2], larger) + weigh(x[3], larger))
    )


@jit(device=True)
def fours(first, stop, step):
    """Where the aligned groups of four elements in first to stop begin and end; none if step > 1.

    Groups begin at multiples of 16 bytes in float32, and of 32 bytes in float64. step: how far
    apart neighbours in the row lie.
    """
    if step != 1:
        return stop, stop
    begin = min(stop, first + (-first) % 4)
    return begin, begin + (stop - begin) // 4 * 4


@functools.cache
def totalling(load: Callable[..., Any]) -> Any:
    """A device function that goes through a row once; load: from the stored dtype."""

    @jit(device=True)
    def row_totals(x, first, stop, step, tops, totals):
        """Put a row's largest element top and Σ exp(element - top) at index 0 of tops and totals.

        x: flat; the row's elements lie between first and stop, `step` apart. The total is finite
        unless an element is NaN. All threads must call this, as block_sum; before the shared
        arrays are written again, the caller needs a barrier.
        """
        t = cuda.threadIdx.x
        begin, end = fours(first, stop, step)
        top = type(tops[0])(-math.inf)
        total = type(tops[0])(0)
        j = first_own()
        while first + j * step < begin:
            top, total = meet(load(x[first + j * step]), top, total)
            j = next_own(j)
        place = further(begin, 4 * t)
        while place < end:
            own = intrinsics.load4(x, place)
            four = load(own[0]), load(own[1]), load(own[2]), load(own[3])
            top, total = meet4(four, top, total)
            place = further(place, 4 * cuda.blockDim.x)
        place = further(end, t)
        while place < stop:
            top, total = meet(load(x[place]), top, total)
            place = further(place, cuda.blockDim.x)
        tops[t] = top
        totals[t] = total
        cuda.syncthreads()
        half = cuda.blockDim.x // 2
        while half > 0:
            if t < half:
                top = max(tops[t], tops[t + half])
                totals[t] *= weigh(tops[t], top)
                totals[t] += totals[t + half] * weigh(tops[t + half], top)
                tops[t] = top
            cuda.syncthreads()
            half //= 2

    return row_totals


@factory
def forward(stored: Any, digest: Callable[..., Any], finish: Callable[..., Any]) -> Any:
    """out = finish(x, top, digest(Σ exp(x - top))) over the middle dim of (outer, n, inner).

    top: the largest element. stored: the dtype of x.
    """
    real, load, _ = access(stored)
    row_totals = totalling(load)

    @jit
    def forward_kernel(x, n, inner, out):
        """x, out: flat."""
        tops = cuda.shared.array(BLOCK, real)
        totals = cuda.shared.array(BLOCK, real)
        o, i = divide(cuda.blockIdx.x, inner)
        first = o * n * inner + i
        row_totals(x, first, first + n * inner, inner, tops, totals)
        top = tops[0]
        total = digest(totals[0])
        j = first_own()
        while j < n:
            place = first + j * inner
            out[place] = finish(load(x[place]), top, total)
            j = next_own(j)

    return forward_kernel


@factory
def forward_held(stored: Any, digest: Callable[..., Any], finish: Callable[..., Any]) -> Any:
    """The same of rows (rows, n) that a block can hold."""
    real, load, _ = access(stored)
    hold, release = holding(load), releasing(same)

    @jit
    def forward_held_kernel(x, out):
        shared = cuda.shared.array(BLOCK, real)
        own = cuda.local.array(HELD, real)
        row = cuda.blockIdx.x
        hold(own, x, row, real(-math.inf))
        top = own[0]
        for k in range(1, HELD):
            if own[k] > top:
                top = own[k]
        top = block_max(top, shared)
        total = real(0)
        for k in range(HELD):
            if column_of(k, x.shape[1]) < x.shape[1]:
                total += weigh(own[k], top)
        total = digest(block_sum(total, shared))
        for k in range(HELD):
            own[k] = finish(own[k], top, total)
        release(own, out, row)

    return forward_held_kernel


@factory
def backward(stored: Any, term: Callable[..., Any], finish: Callable[..., Any]) -> Any:
    """dx = finish(y, dout, Σ term(y, dout)) over the middle dim of (outer, n, inner).

    stored: the dtype of dx.
    """
    real, _, store = access(stored)

    @jit
    def backward_kernel(y, dout, n, inner, dx):
        """y, dout, dx: flat."""
        shared = cuda.shared.array(BLOCK, real)
        o, i = divide(cuda.blockIdx.x, inner)
        first = o * n * inner + i
        total = real(0)
        j = first_own()
        while j < n:
            place = first + j * inner
            total += term(y[place], dout[place])
            j = next_own(j)
        total = block_sum(total, shared)
        j = first_own()
        while j < n:
            place = first + j * inner
            dx[place] = store(finish(y[place], dout[place], total))
            j = next_own(j)

    return backward_kernel


@factory
def backward_held(stored: Any, term: Callable[..., Any], finish: Callable[..., Any]) -> Any:
    """The same of rows (rows, n) that a block can hold."""
    real, _, store = access(stored)
    hold, release = holding(same), releasing(store)

    @jit
    def backward_held_kernel(y, dout, dx):
        shared = cuda.shared.array(BLOCK, real)
        own = cuda.local.array(HELD, real)
        own_dout = cuda.local.array(HELD, real)
        row = cuda.blockIdx.x
        hold(own, y, row, real(0))
        hold(own_dout, dout, row, real(0))
        total = real(0)
        for k in range(HELD):
            total += term(own[k], own_dout[k])
        total = block_sum(total, shared)
        for k in range(HELD):
            own[k] = finish(own[k], own_dout[k], total)
        release(own, dx, row)

    return backward_held_kernel


@jit(device=True)
def share(x, top, total):
    """An element of softmax; NaN where top is infinite, because top - top is."""
    return math.exp(x - top) / (total + (top - top))


@jit(device=True)
def product(p, dout):
    return p * dout


@jit(device=True)
def share_dx(p, dout, total):
    return p * (dout - total)


@jit(device=True)
def log_share(x, top, log_total):
    """An element of log softmax; NaN where top is infinite."""
    return (x - top) - (log_total + (top - top))


@jit(device=True)
def slope(y, dout):
    return dout


@jit(device=True)
def log_share_dx(y, dout, total):
    return dout - math.exp(y) * total


class ByRow(NamedTuple):
    """Factories of the kernel for rows that a block can hold, and of the one for any others."""

    held: Callable[[Any], Any]
    other: Callable[[Any], Any]


# p = exp(x) / Σ exp(x), and dx = p · (dout - Σ dout · p)
SOFTMAX = ByRow(
    lambda stored: forward_held(stored, same, share), lambda stored: forward(stored, same, share)
)
SOFTMAX_DX = ByRow(
    lambda stored: backward_held(stored, product, share_dx),
    lambda stored: backward(stored, product, share_dx),
)
# y = x - log Σ exp(x), and dx = dout - exp(y) Σ dout
LOG_SOFTMAX = ByRow(
    lambda stored: forward_held(stored, log, log_share),
    lambda stored: forward(stored, log, log_share),
)
LOG_SOFTMAX_DX = ByRow(
    lambda stored: backward_held(stored, slope, log_share_dx),
    lambda stored: backward(stored, slope, log_share_dx),
)


@factory
def logsumexp(real: Any) -> Any:
    """out (outer · inner) = log Σ exp(x) over the middle dim of (outer, n, inner)."""
    row_totals = totalling(same)

    @jit
    def logsumexp_kernel(x, n, inner, out):
        """x: flat."""
        tops = cuda.shared.array(BLOCK, real)
        totals = cuda.shared.array(BLOCK, real)
        o, i = divide(cuda.blockIdx.x, inner)
        first = o * n * inner + i
        row_totals(x, first, first + n * inner, inner, tops, totals)
        if cuda.threadIdx.x == 0:
            out[cuda.blockIdx.x] = math.log(totals[0]) + tops[0]

    return logsumexp_kernel


@factory
def attention(real: Any) -> Any:
    """p = the softmax of each row of scores (rows, keys); a row of -inf becomes a row of 0.

    Row r belongs to query r % queries. causal: a query sees no key that comes after it.
    """

    @jit
    def attention_kernel(scores, queries, causal, p):
        shared = cuda.shared.array(BLOCK, real)
        row = cuda.blockIdx.x
        keys = scores.shape[1]
        visible = keys
        if causal:
            visible = min(keys, divide(row, queries)[1] + 1)
        top = real(-math.inf)
        j = first_own()
        while j < visible:
            if scores[row, j] > top:
                top = scores[row, j]
            j = next_own(j)
        top = block_max(top, shared)
        if top == real(-math.inf):
            top = real(0)
        total = real(0)
        j = first_own()
        while j < visible:
            total += math.exp(scores[row, j] - top)
            j = next_own(j)
        total = block_sum(total, shared)
        if total == real(0):
            total = real(1)
        j = first_own()
        while j < keys:
            p[row, j] = math.exp(scores[row, j] - top) / total if j < visible else real(0)
            j = next_own(j)

    return attention_kernel


@factory
def cross_entropy(stored: Any) -> Any:
    """losses = -weight · log softmax(x) at target, 0 where not counted.

    x (batch, classes, inner), flat; all others (batch · inner). tops and log_totals are what the
    gradient needs of a row: its maximum, and log Σ exp(x - maximum).
    """
    real, load, _ = access(stored)
    row_totals = totalling(load)

    @jit
    def cross_entropy_kernel(x, classes, inner, target, counted, tops, log_totals, weight, losses):
        top_shared = cuda.shared.array(BLOCK, real)
        total_shared = cuda.shared.array(BLOCK, real)
        row = cuda.blockIdx.x
        o, i = divide(row, inner)
        first = o * classes * inner + i
        row_totals(x, first, first + classes * inner, inner, top_shared, total_shared)
        if cuda.threadIdx.x == 0:
            top = top_shared[0]
            log_total = math.log(total_shared[0]) + (top - top)
            tops[row] = top
            log_totals[row] = log_total
            loss = real(0)
            if counted[row] and inside(target[row], classes):
                loss = weight[row] * (log_total - (load(x[first + target[row] * inner]) - top))
            losses[row] = loss

    return cross_entropy_kernel


@jit(device=True)
def logit_slope(x, chosen, counted, top, log_total, scale):
    """(softmax(x) - 1 at the target) · scale; 0 where the row is not counted."""
    grad = type(x)(0)
    if counted:
        grad = math.exp((x - top) - log_total)
        if chosen:
            grad -= type(x)(1)
        grad *= scale
    return grad


@factory
def cross_entropy_dx(stored: Any) -> Any:
    """dx = (softmax(x) - 1 at target) · scale, 0 where not counted; arguments as in cross_entropy.

    A thread owns an element.
    """
    _, load, store = access(stored)

    @jit
    def cross_entropy_dx_kernel(x, classes, inner, target, counted, tops, log_totals, scale, dx):
        place = cuda.grid(1)
        if place < dx.size:
            line, i = divide(place, inner)
            o, j = divide(line, classes)
            row = o * inner + i
            dx[place] = store(
                logit_slope(
                    load(x[place]),
                    j == target[row],
                    counted[row],
                    tops[row],
                    log_totals[row],
                    scale[row],
                )
            )

    return cross_entropy_dx_kernel


@factory
def cross_entropy_dx_rows(stored: Any) -> Any:
    """The same for inner = 1: a block owns a row, which it reads and writes by fours."""
    _, load, store = access(stored)

    @jit
    def cross_entropy_dx_rows_kernel(x, classes, target, counted, tops, log_totals, scale, dx):
        row = cuda.blockIdx.x
        t = cuda.threadIdx.x
        first = row * classes
        stop = first + classes
        begin, end = fours(first, stop, 1)
        chosen = first + target[row]
        use = counted[row]
        top = tops[row]
        log_total = log_totals[row]
        factor = scale[row]
        place = further(first, t)
        while place < begin:
            dx[place] = store(
                logit_slope(load(x[place]), place == chosen, use, top, log_total, factor)
            )
            place = further(place, cuda.blockDim.x)
        place = further(begin, 4 * t)
        while place < end:
            four = intrinsics.load4(x, place)
            intrinsics.store4(
                dx,
                place,
                store(logit_slope(load(four[0]), place == chosen, use, top, log_total, factor)),
                store(logit_slope(load(four[1]), place + 1 == chosen, use, top, log_total, factor)),
                store(logit_slope(load(four[2]), place + 2 == chosen, use, top, log_total, factor)),
                store(logit_slope(load(four[3]), place + 3 == chosen, use, top, log_total, factor)),
            )
            place = further(place, 4 * cuda.blockDim.x)
        place = further(end, t)
        while place < stop:
            dx[place] = store(
                logit_slope(load(x[place]), place == chosen, use, top, log_total, factor)
            )
            place = further(place, cuda.blockDim.x)

    return cross_entropy_dx_rows_kernel
