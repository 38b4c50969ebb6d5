"""What NumPy is to minigrad: functions on device arrays, each a kernel launch or a few.

Arrays are C-contiguous. Only optimizers write into one that a Tensor holds, so a reshaped array
shares the elements. Callers check shapes; nothing is launched for an array without elements.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import device, launches
from .device import BLOCK, TILE, Array, Shape
from .kernels import copy as copies
from .kernels import functions as f
from .kernels import gather, map, reduction, scan, softmax, storage
from .kernels import matmul as products
from .kernels import sort as sorting
from .kernels.row import HELD
from .precision import FORMATS, get_float32_matmul_precision
from .storage import BFLOAT16, rounded, widened

tracer: Any = None  # while a function is fused: notes what would be launched (see expressions)

INT = np.dtype(np.int64)
FLOAT32 = np.dtype(np.float32)
BOOL = np.dtype(np.bool_)
MAPS = {1: map.map1, 2: map.map2, 3: map.map3, 4: map.map4}
STORED = {1: storage.stored1, 2: storage.stored2, 3: storage.stored3, 4: storage.stored4}
PART = 32 * BLOCK  # elements that a block combines before a long row is cut into parts
SHORTEST = 256  # lines of a part, where many are cut into parts that are worked on side by side


def launch(kernel: Any, count: int, *args: Any) -> None:
    """Run a kernel with a thread for each of count elements."""
    if count:
        kernel[-(-count // BLOCK), BLOCK](*args)


def launch_rows(kernel: Any, rows: int, length: int, *args: Any) -> None:
    """Run a kernel with a block for each row, of a power of two of threads that fits its length."""
    if rows and length:
        kernel[rows, min(BLOCK, 1 << (length - 1).bit_length())](*args)


def launch_held(kernel: Any, rows: int, length: int, *args: Any) -> None:
    """The same of a kernel that holds rows (see kernels.row): a warp at least, if it has work."""
    launch_rows(kernel, rows, max(min(length, 32), -(-length // HELD)), *args)


# Making arrays


def empty(shape: Shape, dtype: Any) -> Array:
    if math.prod(shape) >= 2**31:
        raise ValueError(f"shape {shape} has 2**31 elements or more: kernels count in 32 bits")
    return device.empty(shape, np.dtype(dtype))


def full(shape: Shape, value: Any, dtype: Any) -> Array:
    dtype = np.dtype(dtype)
    number = rounded(value)[()] if dtype == BFLOAT16 else dtype.type(value)
    if tracer is not None:
        return tracer.full(shape, number)
    out = empty(shape, dtype)
    launch(map.fill, out.size, flat(out), number)
    return out


def zeros(shape: Shape, dtype: Any) -> Array:
    return full(shape, 0, dtype)


def arange(start: Any, step: Any, count: int, dtype: Any) -> Array:
    """start, start + step, …: count numbers; integers that do not fit wrap around."""
    if dtype == BFLOAT16:
        return cast(arange(start, step, count, FLOAT32), dtype)
    out = empty((count,), dtype)
    launch(map.arange, count, *np.array((start, step)).astype(dtype), out)
    return out


@functools.lru_cache(maxsize=1024)
def _constant(number: bytes, dtype: np.dtype[Any]) -> Array:
    return device.to_device(np.frombuffer(number, dtype).reshape(()))


def constant(value: Any, dtype: Any) -> Array:
    """A 0-d array that holds a number; the same one every time, by the number's very bits.

    For operations with bfloat16 it is of float32, in which they are done.
    """
    dtype = reckoned(np.dtype(dtype))
    if isinstance(value, int):  # an integer that does not fit wraps around, as in torch
        try:
            value = np.asarray(value).astype(dtype)
        except OverflowError:
            raise ValueError(f"{value} does not fit into {dtype}") from None
    with np.errstate(over="ignore"):  # and a floating number becomes inf
        number = dtype.type(value)
    return _constant(number.tobytes(), dtype) if tracer is None else tracer.full((), number)


@functools.lru_cache(maxsize=1024)
def _layout(offset: int, shape: Shape, strides: Shape) -> Array:
    """What kernels.index.place reads; kept, because the same ones come back in every step."""
    last_first = reversed(list(zip(shape, strides, strict=True)))
    return device.to_device(np.array([offset, *itertools.chain(*last_first)], INT))


# Element by element


def apply(
    function: Callable[..., Any], *operands: Any, dtype: Any = None, into: Array = None
) -> Array:
    """function of every element of the operands, broadcast; numbers take the arrays' dtype.

    dtype: of the result; without one, that of the first array, or bfloat16 if one is of that.
    into: where to write the result, which may be an operand, of the result's shape.
    """
    first = next(operand for operand in operands if hasattr(operand, "dtype"))
    arrays = [
        constant(operand, first.dtype) if isinstance(operand, int | float | np.generic) else operand
        for operand in operands
    ]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    small = [array.dtype == BFLOAT16 for array in arrays]
    if into is not None:
        dtype = into.dtype
    elif dtype is None:
        dtype = BFLOAT16 if any(small) else first.dtype
    dtype = np.dtype(dtype)
    if any(small) or dtype == BFLOAT16:
        loads = (storage.widen if each else f.same for each in small)
        store = storage.narrow if dtype == BFLOAT16 else f.same
        function = STORED[len(arrays)](function, *loads, store)
    if tracer is not None:
        return tracer.apply(function, arrays, shape, dtype)
    out = empty(shape, dtype) if into is None else into
    args: list[Any] = []
    for array in arrays:
        args += repeated(array, shape)
    launch(MAPS[len(arrays)](function), out.size, *args, flat(out))
    return out


def repeated(x: Array, shape: Shape) -> tuple[Array, int]:
    """x flat, and how long each element stands still in shape; expanded if that does not do."""
    inner = 1 if x.shape == shape else stillness(x.shape, shape)
    return (flat(expand(x, shape)), 1) if inner is None else (flat(x), inner)


def stillness(shape: Shape, full: Shape) -> int | None:
    """How long each element stands still when shape broadcasts to full (see kernels.index.at).

    None when dims are stretched between dims that are not: the array must then be expanded.
    """
    padded = (1,) * (len(full) - len(shape)) + shape
    own = [i for i, n in enumerate(padded) if n != 1]
    if not own:
        return 1
    if padded[own[0] : own[-1] + 1] != full[own[0] : own[-1] + 1]:
        return None
    return math.prod(full[own[-1] + 1 :])


def copy(x: Array, into: Array = None) -> Array:
    return apply(f.same, x, into=into)


def cast(x: Array, dtype: Any) -> Array:
    """x in dtype: x itself if it has it already."""
    return x if x.dtype == dtype else apply(f.same, x, dtype=dtype)


def band(x: Array, low: int, high: int) -> Array:
    """x where low <= column - row <= high in its last two dims, else zero."""
    out = empty(x.shape, x.dtype)
    launch(map.band, x.size, flat(x), flat(out), *x.shape[-2:], low, high)
    return out


# Rearranging


def reshape(x: Array, shape: Shape) -> Array:
    """The same elements, not a copy, in another shape."""
    return device.view(x, shape)


def flat(x: Array) -> Array:
    return device.view(x, (x.size,))


def strides(shape: Shape) -> Shape:
    """How many elements apart neighbours along each dim are."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def copy_from(x: Array, offset: int, shape: Shape, steps: Shape) -> Array:
    """A new array of shape from the elements of x that lie at offset, steps apart."""
    out = empty(shape, x.dtype)
    _copy(copies.copy_from, copies.copy_fours_from, x, out, offset, shape, steps)
    return out


def copy_into(x: Array, out: Array, offset: int, steps: Shape) -> None:
    """Write x over the elements of out that lie at offset, steps apart."""
    _copy(copies.copy_into, copies.copy_fours_into, x, out, offset, x.shape, steps)


def _copy(
    one: Any, four: Any, x: Array, out: Array, offset: int, shape: Shape, steps: Shape
) -> None:
    """Run a kernel of copies, by fours if all begin where a load of four can."""
    shape, steps = _merged(shape, steps)
    by_fours = (
        x.dtype.itemsize in (2, 4, 8)
        and steps[-1:] == (1,)
        and not any(n % 4 for n in (offset, shape[-1], *steps[:-1]))
    )
    if by_fours:
        offset, shape = offset // 4, (*shape[:-1], shape[-1] // 4)
        steps = (*(step // 4 for step in steps[:-1]), 1)
    kernel = four if by_fours else one
    launch(kernel, math.prod(shape), flat(x), _layout(offset, shape, steps), flat(out))


def _merged(shape: Shape, steps: Shape) -> tuple[Shape, Shape]:
    """The same place in as few dims as it takes: each costs its elements a division."""
    dims: list[tuple[int, int]] = []
    for n, step in zip(shape, steps, strict=True):
        if n == 1:
            continue
        if dims and dims[-1][1] == n * step:
            dims[-1] = dims[-1][0] * n, step
        else:
            dims.append((n, step))
    return tuple(n for n, _ in dims), tuple(step for _, step in dims)


def assign(out: Array, x: Array) -> None:
    """Write x over out, which has its shape and dtype."""
    launch(map.map1(f.same), out.size, flat(x), 1, flat(out))


def expand(x: Array, shape: Shape) -> Array:
    """x broadcast to shape: x itself if it has it already."""
    if x.shape == shape:
        return x
    padded = (1,) * (len(shape) - x.ndim) + x.shape
    steps = (0 if n == 1 else step for n, step in zip(padded, strides(padded), strict=True))
    return copy_from(x, 0, shape, tuple(steps))


def permute(x: Array, order: Sequence[int]) -> Array:
    """The dims in another order: dim i of the result is dim order[i] of x."""
    shape, steps = tuple(x.shape[i] for i in order), strides(x.shape)
    moving = [i for i in order if x.shape[i] != 1]
    if moving == sorted(moving):
        return reshape(x, shape)
    return copy_from(x, 0, shape, tuple(steps[i] for i in order))


def flip(x: Array, axes: Sequence[int]) -> Array:
    """The elements in reverse order along axes."""
    steps = strides(x.shape)
    offset = sum((x.shape[i] - 1) * steps[i] for i in axes)
    turned = tuple(-step if i in axes else step for i, step in enumerate(steps))
    return copy_from(x, offset, x.shape, turned)


def roll(x: Array, shift: int, along: int) -> Array:
    """Every element shift places further along a dim, around its end."""
    out = empty(x.shape, x.dtype)
    rows = around(x, along)
    launch(copies.roll, out.size, rows, shift % max(rows.shape[1], 1), around(out, along))
    return out


def around(x: Array, along: int) -> Array:
    """x as (outer, n, inner), where n is the dim `along`; a 0-d array as (1, 1, 1)."""
    shape = x.shape or (1,)
    outer, inner = math.prod(shape[:along]), math.prod(shape[along + 1 :])
    return reshape(x, (outer, shape[along], inner))


# Reducing


def reckoned(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """In what operations on a dtype are done."""
    return FLOAT32 if dtype == BFLOAT16 else dtype


def in_float32(function: Callable[..., Array]) -> Callable[..., Array]:
    """Let a function of an array take bfloat16, too: it reckons in float32, and is rounded."""

    @functools.wraps(function)
    def wrapper(x: Array, *args: Any, **kwargs: Any) -> Array:
        if x.dtype != BFLOAT16:
            return function(x, *args, **kwargs)
        return cast(function(cast(x, FLOAT32), *args, **kwargs), BFLOAT16)

    return wrapper


@in_float32
def total(x: Array, axes: Sequence[int], keepdims: bool = False, dtype: Any = None) -> Array:
    """The sum over axes (ascending), in dtype."""
    return fold(x if dtype is None else cast(x, dtype), axes, f.add, 0, keepdims)


@in_float32
def fold(
    x: Array, axes: Sequence[int], combine: Callable[..., Any], start: Any, keepdims: bool = False
) -> Array:
    """The elements over axes (ascending) combined; start is what changes nothing in that."""
    first = x.dtype.type(start)
    return by_rows(lambda rows: _fold_middle(rows, combine, first), x, axes, keepdims)


def by_rows(
    reduce: Callable[[Array], Array], x: Array, axes: Sequence[int], keepdims: bool = False
) -> Array:
    """reduce, (outer, n, inner) -> (outer, inner), over one run of neighbouring axes at a time."""
    shape = tuple(n for i, n in enumerate(x.shape) if i not in axes)
    kept = tuple(1 if i in axes else n for i, n in enumerate(x.shape))
    out, left = x, list(axes)
    while left:
        stop = left.pop() + 1
        start = stop - 1
        while left and left[-1] == start - 1:
            start = left.pop()
        ahead, behind = out.shape[:start], out.shape[stop:]
        rows = (math.prod(ahead), math.prod(out.shape[start:stop]), math.prod(behind))
        out = reshape(reduce(reshape(out, rows)), (*ahead, *(1,) * (stop - start), *behind))
    return reshape(out, kept if keepdims else shape)


def _fold_middle(x: Array, combine: Callable[..., Any], start: Any) -> Array:
    """(outer, n, inner) -> (outer, inner)"""
    outer, n, inner = x.shape
    if not n:
        return full((outer, inner), start, x.dtype)
    if inner != 1:
        across = outer * -(-inner // TILE)  # blocks
        parts = _parts(n, across)
        out = empty((outer * parts, inner), x.dtype)
        if out.size:
            kernel = reduction.fold_columns(x.dtype.type, combine)
            lines = reshape(x, (outer * parts, n // parts, inner))
            kernel[across * parts, (TILE, TILE)](lines, start, out)
        if parts > 1:
            return _fold_middle(reshape(out, (outer, parts, inner)), combine, start)
        return out
    out = reshape(x, (outer, n))
    kernel = reduction.fold_rows(x.dtype.type, combine)
    while True:
        rows, n = out, out.shape[1]
        out = empty((outer, -(-n // PART)), x.dtype)
        launch_rows(kernel, out.size, min(n, PART), rows, start, PART, out)
        if n <= PART:
            return out


def _parts(n: int, blocks: float) -> int:
    """Into how many equal parts to cut n lines, so that blocks times as many fill the GPU."""
    parts = 1
    while n % (2 * parts) == 0 and n // (2 * parts) >= SHORTEST:
        if parts * blocks >= 2 * device.processors():
            break
        parts *= 2
    return parts


def logsumexp(x: Array, axes: Sequence[int]) -> Array:
    """log Σ exp(x) over axes (ascending), which stay with length 1."""
    return by_rows(_logsumexp_middle, x, axes, keepdims=True)


def _logsumexp_middle(x: Array) -> Array:
    """(outer, n, inner) -> (outer, inner)"""
    outer, n, inner = x.shape
    if not n:
        return full((outer, inner), -math.inf, x.dtype)
    out = empty((outer, inner), x.dtype)
    args = flat(x), n, inner, flat(out)
    launch_rows(softmax.logsumexp(x.dtype.type), out.size, n, *args)
    return out


def cumsum(x: Array, along: int, backwards: bool = False) -> Array:
    """The running sum along a dim; of the elements from each one on, if backwards."""
    out = empty(x.shape, x.dtype)
    rows = around(x, along)
    outer, n, inner = rows.shape
    args = rows, backwards, around(out, along)
    launch_rows(scan.cumsum(x.dtype.type), outer * inner, n, *args)
    return out


def prod_dx(x: Array, dout: Array, along: int) -> Array:
    """The gradient of the product along a dim, in which dout has length 1 or is missing."""
    dx = empty(x.shape, x.dtype)
    rows = around(x, along)
    outer, n, inner = rows.shape
    args = rows, reshape(dout, (outer, inner)), around(dx, along)
    launch_rows(scan.prod_dx(x.dtype.type), outer * inner, n, *args)
    return dx


def extreme(x: Array, along: int, wins: Callable[..., Any]) -> tuple[Array, Array]:
    """The winners along a dim, which stays with length 1, and their indices."""
    shape = tuple(1 if i == along else n for i, n in enumerate(x.shape))
    values, indices = empty(shape, x.dtype), empty(shape, INT)
    rows = around(x, along)
    flat_shape = (rows.shape[0], rows.shape[2])
    kernel = reduction.extreme(x.dtype.type, wins)
    results = reshape(values, flat_shape), reshape(indices, flat_shape)
    launch_rows(kernel, values.size, rows.shape[1], rows, *results)
    return values, indices


def sort(x: Array, along: int, descending: bool) -> tuple[Array, Array]:
    """The elements along a dim in order, equal ones as they come, and their indices."""
    values, indices = empty(x.shape, x.dtype), empty(x.shape, INT)
    rows = [around(array, along) for array in (x, values, indices)]
    outer, n, inner = rows[0].shape
    before = reduction.above if descending else sorting.lower
    order, exchange = sorting.order_chunks(x.dtype.type, before), sorting.exchange(before)
    lines, chunks, pairs = outer * inner, -(-n // sorting.CHUNK), -(-n // 2)
    launch_rows(order, lines * chunks, pairs, *rows, chunks, True)
    rows[0], size = rows[1], sorting.CHUNK
    while size < n:  # runs of this size are in order: merge them by two
        count, step = -(-n // (2 * size)) * size, size
        while step >= sorting.CHUNK:
            launch(exchange, lines * count, *rows[1:], count, step, step == size)
            step //= 2
        launch_rows(order, lines * chunks, pairs, *rows, chunks, False)
        size *= 2
    return values, indices


def item(x: Array) -> Any:
    """The one element, as a Python number."""
    return to_host(x).item()


def to_host(x: Array) -> np.ndarray[Any, Any]:
    """A copy as a NumPy array, which for bfloat16 is of float32."""
    host = device.to_host(x)
    return widened(host) if x.dtype == BFLOAT16 else host


# Products


def matmul(
    a: Array,
    b: Array,
    a_swapped: bool = False,
    b_swapped: bool = False,
    bias: Array = None,
    dtype: Any = None,
) -> Array:
    """a b + bias for (batch…, m, k) and (batch…, k, n), the batches broadcast, bias (n).

    A swapped operand has its last two dims exchanged: (…, k, m), (…, n, k). dtype: of the result,
    if it is not that of the operands: of bfloat16 float32.
    """
    dtype = a.dtype if dtype is None else dtype
    if a.dtype == BFLOAT16 and not device.has(products.TENSOR_CORES):
        a, b, bias = (x if x is None else cast(x, FLOAT32) for x in (a, b, bias))
        return cast(matmul(a, b, a_swapped, b_swapped, bias), dtype)
    if a_swapped and not b_swapped and bias is None and a.ndim == b.ndim == 2:
        return cast(_product_of_lines(a, b), dtype)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    m, n = a.shape[-1 if a_swapped else -2], b.shape[-2 if b_swapped else -1]
    out = empty((*batch, m, n), dtype)
    if out.size:
        count = math.prod(batch)
        rung = products.choose(a.dtype, count, m, n, _precision())
        a, a_inner = batched(a, batch)
        b, b_inner = batched(b, batch)
        rung.launch(
            a,
            b,
            reshape(out, (count, m, n)),
            bias=bias,
            a_inner=a_inner,
            a_swapped=a_swapped,
            b_inner=b_inner,
            b_swapped=b_swapped,
        )
    return out


def _product_of_lines(a: Array, b: Array) -> Array:
    """aᵀ b for (k, m) and (k, n), as weights' gradients are: k is long, and m n may be small.

    Then there are too few tiles for all processors; so the lines are multiplied in parts, of which
    each is a product of its own, and those are added up.
    """
    (k, m), n = a.shape, b.shape[1]
    rung = products.choose(a.dtype, _parts(k, 0), m, n, _precision())
    parts = _parts(k, rung.blocks(m, n))
    out = empty((parts, m, n), a.dtype if parts == 1 else reckoned(a.dtype))
    if out.size:
        a, b = (reshape(x, (parts, k // parts, x.shape[1])) for x in (a, b))
        rung.launch(a, b, out, a_swapped=True)
    return total(out, (0,)) if parts > 1 else reshape(out, (m, n))


def _precision() -> str:
    """How float32 is multiplied now."""
    return FORMATS[get_float32_matmul_precision()]


def batched(x: Array, batch: Shape) -> tuple[Array, int]:
    """x as (·, rows, columns), and how long each matrix stands still in the batch."""
    inner = stillness(x.shape[:-2], batch)
    if inner is None:
        x, inner = expand(x, (*batch, *x.shape[-2:])), 1
    return reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:])), inner


# Picking by index


def take(x: Array, ids: Array) -> Array:
    """x (outer, n, inner) -> (outer, ids, inner), ids 1-d and valid."""
    out = empty((x.shape[0], ids.size, x.shape[2]), x.dtype)
    launch(gather.take, out.size, x, ids, out)
    return out


@in_float32
def add_at(x: Array, ids: Array, n: int) -> Array:
    """The gradient of take: x (outer, ids, inner) -> (outer, n, inner), equal ids added up."""
    out = empty((x.shape[0], n, x.shape[2]), x.dtype)
    if out.size:
        blocks = x.shape[0] * n * -(-x.shape[2] // BLOCK)
        gather.add_at(x.dtype.type)[blocks, BLOCK](x, ids, out)
    return out


def put_along(values: Array, indices: Array, shape: Shape, along: int) -> Array:
    """Zeros of shape, with values at indices along a dim; no index may appear twice in a line."""
    out = zeros(shape, values.dtype)
    args = around(values, along), around(indices, along), around(out, along)
    launch(gather.put_along, values.size, *args)
    return out


def gather_along(x: Array, index: Array, along: int) -> Array:
    """x at index along a dim, and at index's own places in the others, which may be shorter."""
    out = empty(index.shape, x.dtype)
    if out.size:  # an index without elements may have any number of dims
        steps = list(strides(x.shape or (1,)))
        step, steps[along] = steps[along], 0
        layout = _layout(0, index.shape or (1,), tuple(steps))
        launch(gather.gather, out.size, flat(x), flat(index), layout, step, flat(out))
    return out


def scatter_into(
    combine: Callable[..., Any], x: Array, index: Array, out: Array, along: int
) -> None:
    """Combine elements of out with those of x, where gather_along would take them; x like index."""
    if index.size:
        steps, lengths = list(strides(out.shape or (1,))), list(index.shape or (1,))
        step = steps.pop(along)
        del lengths[along]
        layout = _layout(0, tuple(lengths), tuple(steps))
        args = around(x, along), around(index, along), layout, step, flat(out)
        launch(gather.scatter(combine), math.prod(lengths), *args)


def positions(mask: Array) -> Array:
    """The flat indices, ascending, where a mask holds."""
    found, count = empty((mask.size,), INT), zeros((1,), INT)
    launch_rows(gather.positions, 1, mask.size, flat(mask), found, count)
    return copy_from(found, 0, (item(count),), (1,))


def refuse(flags: Array, error: Callable[[], Exception]) -> None:
    """Raise an error if any of the flags is true; in a graph, after every replay."""
    flag = fold(flags, tuple(range(flags.ndim)), f.either, False)
    if launches.recorder is not None:
        launches.recorder.refuse(flag, error)
    elif item(flag):
        raise error()


def refuse_outside(ids: Array, size: int, message: str) -> None:
    """Raise an IndexError if any of the integer ids is outside [0, size)."""
    refuse(apply(f.outside, ids, size, dtype=BOOL), lambda: IndexError(message))
