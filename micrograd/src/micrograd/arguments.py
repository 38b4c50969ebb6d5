"""Reading dims, shapes, ids and options: the one place where their errors are worded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

from .engine import Value
from .lists import (
    Flat,
    Shape,
    Tensor,
    as_values,
    is_bool,
    is_integer,
    kind,
    stretch,
    unnest,
    unnest_typed,
)

Dims = int | Sequence[int] | None


def axis(op: str, dim: int, ndim: int) -> int:
    """dim counted from the front; a 0-d tensor has the dims 0 and -1, as in torch."""
    whole(op, "dim", dim)
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexError(f"{op}: dim {dim} is out of range [{-n}, {n - 1}]")
    return dim % n


def present_axis(op: str, dim: int, shape: Shape) -> int:
    """dim counted from the front; a 0-d tensor is refused."""
    if not shape:
        raise IndexError(f"{op}: a 0-d tensor has no dim {dim}")
    return axis(op, dim, len(shape))


def axes(op: str, dim: Dims, ndim: int) -> list[int]:
    """The axes that dim names, in its order; all of them for None and ()."""
    if dim is None or dim in ((), []):
        return list(range(ndim))
    dims: Sequence[Any] = dim if isinstance(dim, list | tuple) else [dim]
    found = [axis(op, d, ndim) for d in dims]
    if any(found.count(d) > 1 for d in found):
        raise ValueError(f"{op}: a dim appears twice in {dim}")
    return found if ndim else []


def named_axes(op: str, dim: Dims, ndim: int) -> list[int]:
    """axes(op, dim, ndim), but () names none."""
    return [] if dim in ((), []) else axes(op, dim, ndim)


def one_axis(op: str, dim: int, ndim: int) -> list[int]:
    """axes(op, dim, ndim) of a dim that must be an int."""
    return axes(op, whole(op, "dim", dim), ndim)


def sizes(op: str, shape: int | Sequence[int]) -> Shape:
    """shape as a tuple of ints."""
    lengths = (shape,) if isinstance(shape, int) else shape
    if not isinstance(lengths, list | tuple) or not all(map(_is_int, lengths)):
        raise TypeError(f"{op}: a shape is a tuple of ints, not {shape!r}")
    return tuple(lengths)


def complete(op: str, shape: int | Sequence[int], old: Shape) -> Shape:
    """shape with its -1, if there is one, worked out from the number of elements in old."""
    new = sizes(op, shape)
    count, known = math.prod(old), math.prod(n for n in new if n != -1)
    if new.count(-1) == 1 and known and count % known == 0:
        new = tuple(count // known if n == -1 else n for n in new)
    if min(new, default=0) < 0 or math.prod(new) != count:
        raise ValueError(f"{op}: shape {old} does not fit into {shape}")
    return new


def broadcast(op: str, *tensors: Flat) -> tuple[list[list[Any]], Shape]:
    """The items of each tensor, stretched to the shape they have in common."""
    shape = broadcast_shapes(op, *(own for _, own in tensors))
    return [stretch(items, own, shape) for items, own in tensors], shape


def broadcast_shapes(op: str, *shapes: Shape) -> Shape:
    """The shape that these shapes broadcast to."""
    ndim = max(map(len, shapes))
    padded = [(1,) * (ndim - len(shape)) + shape for shape in shapes]
    result = tuple(next((n for n in lengths if n != 1), 1) for lengths in zip(*padded, strict=True))
    for shape in padded:
        if any(n not in (1, m) for n, m in zip(shape, result, strict=True)):
            text = " and ".join(str(own) for own in shapes if own)
            raise ValueError(f"{op}: shapes {text} do not broadcast")
    return result


def whole(op: str, name: str, value: Any, least: int | None = None) -> int:
    """value, which must be an int, and if least is given, no smaller than that."""
    if not _is_int(value):
        raise TypeError(f"{op}: {name} must be an int, not {type(value).__name__}")
    if least is not None and value < least:
        raise ValueError(f"{op}: {name} must be at least {least}, not {value}")
    return int(value)


def wholes(op: str, name: str, value: Any, count: int, least: int) -> Shape:
    """value as count ints, none smaller than least; a single int stands for all of them."""
    given = value if isinstance(value, list | tuple) else [value]
    if len(given) not in (1, count):
        raise ValueError(f"{op}: {name} must be an int, or {count} of them, not {value!r}")
    found = tuple(whole(op, name, number, least) for number in given)
    return found if len(found) == count else found * count


def number(op: str, name: str, value: Any) -> float:
    """value, which must be a plain number, as a float."""
    if not isinstance(value, Real):
        raise TypeError(f"{op}: {name} must be a number, not {type(value).__name__}")
    return float(value)


def mapping(what: str, state_dict: Any) -> None:
    """Raise TypeError unless state_dict is a mapping."""
    if not isinstance(state_dict, Mapping):
        found = type(state_dict).__name__
        raise TypeError(f"{what}: expected a dict, as of state_dict(), not {found}")


def cast(op: str, name: str, value: Any, dtype: type[Any]) -> Any:
    """value, a plain number, as dtype: float, int or bool."""
    if dtype not in (float, int, bool):
        raise TypeError(f"{op}: dtype must be float, int or bool, not {dtype!r}")
    if not math.isfinite(number(op, name, value)) and dtype is int:
        raise ValueError(f"{op}: {value} is not an integer")
    return dtype(value)


def flag(op: str, name: str, value: Any) -> bool:
    """value, which must be True or False: like torch, not 0, 1 or None in their place."""
    if not isinstance(value, bool):
        raise TypeError(f"{op}: {name} must be a bool, not {type(value).__name__}")
    return value


def probability(op: str, name: str, p: float) -> None:
    if not 0.0 <= number(op, name, p) <= 1.0:
        raise ValueError(f"{op}: {name} must be between 0 and 1, not {p}")


def option(op: str, name: str, value: Any, known: tuple[str | None, ...]) -> None:
    if value not in known:
        listed = ", ".join(map(str, known))
        raise ValueError(f"{op}: {name} must be one of {listed}, not {value!r}")


def margins(
    op: str,
    padding: int | Sequence[int] | str,
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


def refuse_bool(op: str, *tensors: Tensor) -> None:
    """Raise TypeError if one of the tensors is made of bools."""
    if any(kind(unnest(tensor, op)[0]) is bool for tensor in tensors):
        raise TypeError(f"{op}: expected numbers, not bools")


def floating(op: str, x: Tensor) -> tuple[list[Value], Shape]:
    """values(x, op); x may be neither a plain number nor an integer tensor."""
    items, shape, types = unnest_typed(x, op)
    if types == {Value}:
        return items, shape
    if isinstance(x, Real):
        raise TypeError(f"{op}: expected a tensor, not {type(x).__name__}")
    if items and is_integer(items):
        raise TypeError(f"{op}: expected floats, not {type(items[0]).__name__}s")
    return as_values(items, op), shape


def alike(op: str, *tensors: Tensor) -> tuple[list[Flat], bool]:
    """unnest of each tensor, and True, if all are made of ints; else floating of each and False."""
    if all(_is_of_ints(op, tensor) for tensor in tensors):
        return [unnest(tensor, op) for tensor in tensors], True
    return [floating(op, tensor) for tensor in tensors], False


def constants(op: str, name: str, x: Tensor) -> tuple[list[float], Shape]:
    """The numbers of x, floats that get no gradient: x may not require one."""
    items, shape = floating(op, x)
    if any(item.requires_grad for item in items):
        raise TypeError(f"{op}: {name} has no gradient, and may not require one")
    return [item.data for item in items], shape


def no_plain_floats(op: str, *given: Tensor) -> None:
    """Refuse a plain float; an int may be a 0-d tensor."""
    if any(isinstance(x, float) for x in given):
        raise TypeError(f"{op}: expected a tensor, not a float")


def bools(op: str, name: str, x: Tensor) -> tuple[list[bool], Shape]:
    """unnest(x), which must be made of bools."""
    items, shape = unnest(x, op)
    if not is_bool(items):
        raise TypeError(f"{op}: {name} must be made of bools")
    return items, shape


def ids(op: str, name: str, x: Tensor) -> tuple[list[int], Shape]:
    """unnest(x), which must be made of integers."""
    items, shape = unnest(x, op)
    for item in items:
        if not _is_int(item):
            raise TypeError(f"{op}: {name} must be integers, not {type(item).__name__}")
    return items, shape


def in_range(op: str, name: str, i: int, n: int) -> int:
    """i, an index in [0, n): it may not count from the end."""
    if not 0 <= i < n:
        raise IndexError(f"{op}: {name} {i} is out of range [0, {n - 1}]")
    return i


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_of_ints(op: str, x: Tensor) -> bool:
    """Whether x is a nested list of ints, with at least one."""
    first = x
    while isinstance(first, list | tuple) and first:
        first = first[0]
    if type(first) is Value:
        return False
    items, shape = unnest(x, op)
    return bool(shape and items and is_integer(items) and not is_bool(items))
