"""Reading dims, shapes and options: the one place where their errors are worded."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import arrays
from .arrays import Array
from .dtypes import is_floating, of_tensor
from .storage import BFLOAT16, LARGEST

Shape = int | Sequence[int]
Dims = int | Sequence[int] | None


def axis(op: str, dim: int, ndim: int) -> int:
    """dim counted from the front; a 0-d tensor has the dims 0 and -1, as in torch."""
    dim, n = whole(op, "dim", dim), max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(f"{op}: dim {dim} is out of range [{-n}, {n - 1}]")
    return dim % n


def axes(op: str, dim: Dims, ndim: int) -> tuple[int, ...]:
    """The axes that dim names: all of them for None and (), in ascending order."""
    if dim is None or (isinstance(dim, tuple | list) and not dim):
        return tuple(range(ndim))
    dims = dim if isinstance(dim, tuple | list) else (dim,)
    found = sorted(axis(op, d, ndim) for d in dims)
    if len(set(found)) != len(found):
        raise ValueError(f"{op}: a dim appears twice in {dim}")
    return tuple(found) if ndim else ()


def named_axes(op: str, dim: Dims, ndim: int) -> tuple[int, ...]:
    """Like axes, but () names no dims, as in torch's squeeze, flip, any and all."""
    return () if isinstance(dim, tuple | list) and not dim else axes(op, dim, ndim)


def sizes(op: str, shape: Shape) -> tuple[int, ...]:
    """shape as a tuple of ints."""
    try:
        lengths = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
        if bool not in map(type, lengths):  # operator.index would accept these, as 0 and 1
            return tuple(map(int, map(operator.index, lengths)))
    except TypeError:
        pass
    raise TypeError(f"{op}: a shape is a tuple of ints, not {shape!r}")


def complete(op: str, shape: Shape, old: tuple[int, ...]) -> tuple[int, ...]:
    """shape with its -1, if there is one, worked out from the number of elements in old."""
    shape = sizes(op, shape)
    known = math.prod(n for n in shape if n != -1)
    count = math.prod(old)
    fits = count == known
    if shape.count(-1) == 1 and known and count % known == 0:
        shape, fits = tuple(count // known if n == -1 else n for n in shape), True
    if not fits or min(shape, default=0) < 0:
        raise ValueError(f"{op}: shape {old} does not fit into {shape}")
    return shape


def broadcast(op: str, *operands: Any) -> tuple[int, ...]:
    """The shape that operands, arrays or numbers, broadcast to."""
    return broadcast_shapes(op, *(getattr(operand, "shape", ()) for operand in operands))


_broadcast = functools.lru_cache(maxsize=4096)(np.broadcast_shapes)


def broadcast_shapes(op: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that these shapes broadcast to."""
    try:
        return _broadcast(*shapes)
    except ValueError:
        text = " and ".join(map(str, shapes))
        raise ValueError(f"{op}: shapes {text} do not broadcast") from None


def whole(op: str, name: str, value: Any, least: int | None = None) -> int:
    """value, which must be an int, and if least is given, no smaller than that."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{op}: {name} must be an int, not {type(value).__name__}")
    if least is not None and value < least:
        raise ValueError(f"{op}: {name} must be at least {least}, not {value}")
    return int(value)


def wholes(op: str, name: str, value: Any, count: int, least: int) -> tuple[int, ...]:
    """value as count ints, none smaller than least; a single int stands for all of them."""
    given = value if isinstance(value, list | tuple) else [value]
    if len(given) not in (1, count):
        raise ValueError(f"{op}: {name} must be an int, or {count} of them, not {value!r}")
    found = tuple(whole(op, name, number, least) for number in given)
    return found if len(found) == count else found * count


def number(op: str, name: str, value: Any) -> Any:
    """value as a Python number: one of NumPy's float32 would round what is computed with it."""
    if not isinstance(value, int | float | np.number | np.bool_):
        raise TypeError(f"{op}: {name} must be a number, not {type(value).__name__}")
    return value.item() if isinstance(value, np.generic) else value


def mapping(what: str, state_dict: Any) -> None:
    """Raise TypeError unless state_dict is a mapping."""
    if not isinstance(state_dict, Mapping):
        found = type(state_dict).__name__
        raise TypeError(f"{what}: expected a dict, as of state_dict(), not {found}")


def factor(op: str, name: str, value: Any, dtype: Any) -> None:
    """value is a number for dtype: a floating one for floats alone, a boolean for booleans."""
    if type(value) is int and value == 1:
        return  # the common case, fast
    value = number(op, name, value)
    if isinstance(value, bool):
        fits = dtype == arrays.BOOL
    else:
        fits = is_floating(dtype) or isinstance(value, int)
    if not fits:
        raise TypeError(f"{op}: {name} must be a number for {of_tensor(dtype)}, not {value!r}")
    fitting(op, name, value, dtype)


def fitting(op: str, name: str, value: Any, dtype: Any, wraps: bool = True) -> None:
    """Raise ValueError unless value, a number, is in the range of dtype.

    wraps: an unsigned dtype takes negative integers, too, as in torch: -1 becomes its largest
    number.
    """
    value, fits = number(op, name, value), True
    if is_floating(dtype):
        most = LARGEST if dtype == BFLOAT16 else float(np.finfo(dtype).max)
        fits = not most < abs(value) < math.inf
    elif dtype != arrays.BOOL:
        limits = np.iinfo(dtype)
        wraps = wraps and not limits.min and isinstance(value, int)
        fits = (-limits.max if wraps else limits.min) <= value <= limits.max
    if not fits:
        raise ValueError(f"{op}: {name} {value} does not fit into {of_tensor(dtype)}")


def flag(op: str, name: str, value: Any) -> None:
    """value is True or False: like torch, not 0, 1 or None in their place."""
    if not isinstance(value, bool):
        raise TypeError(f"{op}: {name} must be a bool, not {type(value).__name__}")


def probability(op: str, name: str, p: float) -> float:
    """p as a Python number, which must be between 0 and 1."""
    p = float(number(op, name, p))
    if not 0 <= p <= 1:
        raise ValueError(f"{op}: {name} must be between 0 and 1, not {p}")
    return p


def option(op: str, name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"{op}: {name} must be one of {', '.join(known)}, not {value!r}")


def margins(
    op: str,
    padding: Shape | str,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[tuple[int, int]]:
    """How much padding there is before and after each dim that windows slide along.

    padding: numbers; or "valid", which is none, or "same", which keeps the lengths.
    """
    if not isinstance(padding, str):
        return [(n, n) for n in wholes(op, "padding", padding, len(kernel), 0)]
    option(op, "padding", padding, ("valid", "same"))
    if padding == "valid":
        return [(0, 0)] * len(kernel)
    if max(strides) > 1:
        raise ValueError(f'{op}: padding "same" needs a stride of 1, not {strides}')
    reaches = [d * (k - 1) for k, d in zip(kernel, dilations, strict=True)]
    return [(reach // 2, reach - reach // 2) for reach in reaches]


def refuse_bool(op: str, *operands: Any) -> None:
    """Raise TypeError if an operand, an array or a number, is boolean."""
    for operand in operands:
        if isinstance(operand, bool) or getattr(operand, "dtype", None) == arrays.BOOL:
            raise TypeError(f"{op}: expected numbers, not booleans")


def floats(op: str, *operands: Array | None) -> None:
    """Raise TypeError unless all are floating and of one dtype: for ops that do not promote."""
    same(op, *operands)
    for operand in operands:
        if operand is not None and not is_floating(operand.dtype):
            raise TypeError(f"{op}: expected a floating tensor, not {of_tensor(operand.dtype)}")


def floats_beside(op: str, x: Array, *operands: Array | None) -> None:
    """The same where x may be of bfloat16 as it is stored, and the others have been widened."""
    small = x.dtype == BFLOAT16 and all(o is None or o.dtype == np.float32 for o in operands)
    floats(op, *operands if small else (x, *operands))


def same(op: str, *operands: Any) -> None:
    """Raise TypeError unless all are tensors of one dtype; None is passed over."""
    given = [operand for operand in operands if operand is not None]
    tensors(op, *given)
    if len({operand.dtype for operand in given}) > 1:
        dtypes = dict.fromkeys(str(of_tensor(operand.dtype)) for operand in given)
        raise TypeError(f"{op}: dtypes differ: {' and '.join(dtypes)}")


def tensors(op: str, *operands: Any) -> None:
    """Raise TypeError for a number: in arithmetic it may stand in for a tensor, elsewhere not."""
    for operand in operands:
        if isinstance(operand, np.generic) or not hasattr(operand, "dtype"):
            raise TypeError(f"{op}: expected a tensor, not {type(operand).__name__}")


def integers(op: str, ids: Array, what: str) -> Array:
    """ids, a tensor of integers, as int64."""
    tensors(op, ids)
    if ids.dtype.kind not in "iu" or is_floating(ids.dtype):
        raise TypeError(f"{op}: {what} must be integers, not {of_tensor(ids.dtype)}")
    return arrays.cast(ids, arrays.INT)


def indices(op: str, ids: Array, size: int, what: str) -> Array:
    """ids as int64, found by a kernel to be in [0, size): others would reach foreign memory."""
    ids = integers(op, ids, what)
    arrays.refuse_outside(ids, size, f"{op}: {what} out of range [0, {size - 1}]")
    return ids
