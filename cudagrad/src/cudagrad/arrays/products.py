"""Products of matrices: which of the kernels, and what it is given."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import device
from ..device import Array, Shape
from ..kernels import matmul as kernels
from ..precision import FORMATS, get_float32_matmul_precision
from ..storage import BFLOAT16
from .elementwise import cast
from .making import FLOAT32, empty, reckoned
from .rearranging import expand, reshape, stillness
from .reducing import cuts, total


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
    if a.dtype == BFLOAT16 and not device.has(kernels.TENSOR_CORES):
        a, b, bias = (x if x is None else cast(x, FLOAT32) for x in (a, b, bias))
        return cast(matmul(a, b, a_swapped, b_swapped, bias), dtype)
    if a_swapped and not b_swapped and bias is None and a.ndim == b.ndim == 2:
        return _product_of_lines(a, b, dtype)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    m, n = a.shape[-1 if a_swapped else -2], b.shape[-2 if b_swapped else -1]
    out = empty((*batch, m, n), dtype)
    if out.size:
        count = math.prod(batch)
        rung = kernels.choose(a.dtype, count, m, n, _precision())
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


def _product_of_lines(a: Array, b: Array, dtype: Any) -> Array:
    """aᵀ b, in dtype, for (k, m) and (k, n), as weights' gradients are.

    There k is long, and m n may be small, which makes too few tiles for all processors. So k is cut
    into parts, each of which is a product of its own, and these are added up.
    """
    (k, m), n = a.shape, b.shape[1]
    rung = kernels.choose(a.dtype, cuts(k, 0), m, n, _precision())
    parts = cuts(k, rung.blocks(m, n))
    out = empty((parts, m, n), dtype if parts == 1 else reckoned(a.dtype))
    if out.size:
        a, b = (reshape(x, (parts, k // parts, x.shape[1])) for x in (a, b))
        rung.launch(a, b, out, a_swapped=True)
    return total(out, (0,), dtype=dtype) if parts > 1 else reshape(out, (m, n))


def _precision() -> str:
    """How float32 is multiplied now."""
    return FORMATS[get_float32_matmul_precision()]


def batched(x: Array, batch: Shape) -> tuple[Array, int]:
    """x as (·, rows, columns), and the stillness of its matrices in the batch."""
    inner = stillness(x.shape[:-2], batch)
    if inner is None:
        x, inner = expand(x, (*batch, *x.shape[-2:])), 1
    return reshape(x, (math.prod(x.shape[:-2]), *x.shape[-2:])), inner
