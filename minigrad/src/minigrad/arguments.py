"""Reading dims, shapes and options: the one place where their errors are worded."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .dtypes import is_floating

Array = np.ndarray[Any, Any]
Shape = int | Sequence[int]
Dims = int | Sequence[int] | None
NUMBERS = (int, float, np.generic)
BOOL = np.dtype("bool")


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


def broadcast_shapes(op: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that these shapes broadcast to."""
    longest = max(shapes, key=len, default=())
    if all(longest[len(longest) - len(shape) :] == shape for shape in shapes):
        return longest  # the common case: np.broadcast_shapes is slow
    try:
        return np.broadcast_shapes(*shapes)
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
    if not isinstance(value, NUMBERS):
        raise TypeError(f"{op}: {name} must be a number, not {type(value).__name__}")
    return value.item() if isinstance(value, np.generic) else value


def mapping(what: str, state_dict: Any) -> None:
    """Raise TypeError unless state_dict is a mapping."""
    if not isinstance(state_dict, Mapping):
        found = type(state_dict).__name__
        raise TypeError(f"{what}: expected a dict, as of state_dict(), not {found}")


def fitting(op: str, name: str, value: Any, dtype: np.dtype[Any], wraps: bool = True) -> Array:
    """A number in dtype; raises ValueError if it is out of range.

    wraps: an unsigned dtype takes negative integers, too, as in torch: -1 becomes its largest
    number.
    """
    value, fits = number(op, name, value), True
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        wraps = wraps and not limits.min and isinstance(value, int)
        fits = (-limits.max if wraps else limits.min) <= value <= limits.max
    elif is_floating(dtype):
        fits = not np.finfo(dtype).max.item() < abs(value) < math.inf
    if not fits:
        raise ValueError(f"{op}: {name} {value} does not fit into {dtype}")
    return np.asarray(value).astype(dtype)


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
        if isinstance(operand, bool) or getattr(operand, "dtype", None) == BOOL:
            raise TypeError(f"{op}: expected numbers, not booleans")


def floats(op: str, *arrays: Array | None) -> None:
    """Raise TypeError unless all are floating and of one dtype: for ops that do not promote."""
    same(op, *arrays)
    for array in arrays:
        if array is not None:
            if not is_floating(array.dtype):
                raise TypeError(f"{op}: expected a floating tensor, not {array.dtype}")
            return  # the others are of its dtype


def same(op: str, *arrays: Any) -> None:
    """Raise TypeError unless all are arrays of one dtype; None is passed over."""
    first = None
    for array in arrays:
        if array is None:
            continue
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{op}: expected a tensor, not {type(array).__name__}")
        first = array.dtype if first is None else first
        if array.dtype != first:
            raise TypeError(f"{op}: dtypes differ: {first} and {array.dtype}")


def tensors(op: str, *operands: Any) -> None:
    """Raise TypeError for a number: in arithmetic it may stand in for a tensor, elsewhere not."""
    for operand in operands:
        if not isinstance(operand, np.ndarray):
            raise TypeError(f"{op}: expected a tensor, not {type(operand).__name__}")


def indices(op: str, ids: Any, size: int, what: str) -> None:
    """Raise unless ids are integers in [0, size): NumPy would count a negative one from the end."""
    if ids.dtype.kind not in "iu":
        raise TypeError(f"{op}: {what} must be integers, not {ids.dtype}")
    # Read as unsigned, a negative id is large, so that the maximum alone finds it, too, unless the
    # dtype is so narrow that it reads as a number below size.
    narrow = ids.dtype.kind == "i" and size > 1 << (8 * ids.itemsize - 1)
    if ids.size and (
        not 0 <= ids.min() <= ids.max() < size
        if narrow
        else ids.view(f"u{ids.itemsize}").max() >= size
    ):
        wrong = ids.max() if ids.max() >= size else ids.min()
        raise IndexError(f"{op}: {what} {wrong} is out of range [0, {size - 1}]")
