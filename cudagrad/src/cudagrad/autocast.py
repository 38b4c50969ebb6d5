"""autocast: gives each op the dtype that suits it, bfloat16 or float32.

The lists are torch's for CUDA, as far as the ops are here:
https://docs.pytorch.org/docs/stable/amp.html#autocast-op-reference
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from . import arrays, engine, writes
from .arguments import option
from .engine import Tensor
from .ops.elementwise import to
from .storage import bfloat16

# Sums of products: tensor cores compute them, from numbers that need not be exact.
IN_BFLOAT16 = {
    *("matmul", "mm", "bmm", "mv", "addmm", "baddbmm", "einsum", "linear"),
    *("conv1d", "conv2d", "scaled_dot_product_attention"),
}
# What has a wide range, or adds up many rounding errors.
IN_FLOAT32 = {
    *("exp", "expm1", "log", "log1p", "pow", "reciprocal", "rsqrt", "softplus"),
    *("sum", "prod", "cumsum", "logsumexp", "softmax", "log_softmax"),
    *("layer_norm", "rms_norm", "group_norm"),
    *("cross_entropy", "nll_loss", "mse_loss", "l1_loss", "kl_div"),
    "binary_cross_entropy_with_logits",
}
IN_WIDEST = {"dot", "scatter_add"}  # without autocast they refuse operands of two dtypes


@contextlib.contextmanager
def autocast(
    device_type: str = "cuda", dtype: Any = bfloat16, enabled: bool = True
) -> Iterator[None]:
    """Inside, ops that gain from bfloat16 get it, and those that need float32 get that (torch's).

    Products of matrices, convolutions and attention round their float32 operands, and return
    bfloat16. exp, log, pow, softmax, sums, norms and losses convert bfloat16 to float32. Any other
    op takes what it gets. Parameters and their gradients stay float32. enabled: False switches it
    off inside. It is for the forward pass and the loss; call backward() outside. It holds for this
    thread. Raises ValueError for another dtype or device_type.
    """
    option("autocast", "device_type", device_type, ("cuda",))
    if dtype is not bfloat16 and dtype != bfloat16.name:
        raise ValueError(f"autocast: dtype must be one of {bfloat16}, not {dtype}")
    with engine.casting(_Caster() if enabled else None):
        yield


class _Caster:
    """The cast of autocast; it rounds a parameter once for all the ops that use it."""

    key = bfloat16

    def __init__(self) -> None:
        self._rounded: dict[int, tuple[Tensor, Any, Tensor]] = {}

    def fresh(self) -> _Caster:
        return _Caster()

    def __call__(self, name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
        if name == "binary_cross_entropy":
            raise RuntimeError(
                "binary_cross_entropy: bfloat16 cannot tell a probability close to 1 from 1: leave "
                "out the sigmoid, and use binary_cross_entropy_with_logits"
            )
        dtypes = [getattr(arg, "dtype", None) for arg in (*args, *kwargs.values())]
        is_mixed = name in IN_WIDEST and arrays.FLOAT32 in dtypes
        is_reciprocal = name == "div" and args and not isinstance(args[0], Tensor)
        convert = _in_float32
        if name in IN_BFLOAT16:
            convert = self._in_bfloat16
        elif not (name in IN_FLOAT32 or is_mixed or is_reciprocal):
            return args, kwargs
        read = int(name in engine.READING)  # x, by kernels that widen it themselves
        converted = {
            key: arg if read and key == "x" else convert(arg) for key, arg in kwargs.items()
        }
        return (*args[:read], *map(convert, args[read:])), converted

    def _in_bfloat16(self, x: Any) -> Any:
        if not isinstance(x, Tensor) or x.dtype != arrays.FLOAT32:
            return x
        if not (x.is_leaf and x.requires_grad):
            return to(x, bfloat16)
        known = self._rounded.get(id(x))
        if known is not None:
            of, data, found = known
            has_changed = writes.has_changed(data, found.index, writes.since(found.index))
            # Else its numbers are others, or backward() has freed the rounding's graph.
            if of is x and data is x.data and not has_changed and found.pullback is not None:
                return found
        found = to(x, bfloat16)
        self._rounded[id(x)] = x, x.data, found
        return found


def _in_float32(x: Any) -> Any:
    return to(x, arrays.FLOAT32) if isinstance(x, Tensor) and x.dtype is bfloat16 else x
