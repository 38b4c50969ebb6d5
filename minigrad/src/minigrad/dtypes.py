"""The dtypes, and how they promote: torch's rules over NumPy's arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

bool_, uint8, int8 = np.dtype("bool"), np.dtype("uint8"), np.dtype("int8")
int16, int32, int64 = np.dtype("int16"), np.dtype("int32"), np.dtype("int64")
float32, float64 = np.dtype("float32"), np.dtype("float64")
DTYPES = (bool_, uint8, int8, int16, int32, int64, float32, float64)
KNOWN = frozenset(DTYPES)
DEFAULT = float32  # what Python floats become, as torch.get_default_dtype()


def is_floating(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "f"


def as_array(data: Any, dtype: Any = None) -> Array:
    """data as an array of one of DTYPES; raises TypeError for any other dtype.

    A number beyond the range of a floating dtype becomes infinite, as in torch.
    """
    if type(data) is np.ndarray and dtype is None and data.dtype in KNOWN:  # the common case, fast
        return data
    with np.errstate(all="ignore"):
        array = np.asarray(data, dtype)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        if dtype is None and not hasattr(data, "dtype") and array.dtype.kind == "f":
            array = array.astype(_of_floats(data))
    if array.dtype not in KNOWN:
        raise TypeError(f"no dtype {array.dtype}; there are {', '.join(map(str, DTYPES))}")
    return array


def _of_floats(data: Any) -> np.dtype[Any]:
    """The dtype for nested lists: DEFAULT for Python's floats, their own for NumPy's and tensors'.

    So a np.float64 in a list, although a Python float, keeps its digits, as in torch.tensor.
    """
    if not isinstance(data, list | tuple):
        dtype = getattr(data, "dtype", None)
        return dtype if isinstance(dtype, np.dtype) and dtype.kind == "f" else DEFAULT
    if {int, float, bool}.issuperset(map(type, data)):  # the common case, fast
        return DEFAULT
    return np.result_type(*map(_of_floats, data))


def result_type(*operands: Any) -> np.dtype[Any]:
    """The dtype of an op on operands: arrays and numbers, by torch's rules.

    Arrays with dimensions decide; a 0-d array, and after it a number, Python's or NumPy's, only
    counts when its kind is higher (bool < integer < floating).
    https://docs.pytorch.org/docs/stable/tensor_attributes.html#torch.dtype
    """
    sized = [o.dtype for o in operands if isinstance(o, np.ndarray) and o.ndim]
    zero_d = [o.dtype for o in operands if isinstance(o, np.ndarray) and not o.ndim]
    scalars = [_scalar_dtype(o) for o in operands if not isinstance(o, np.ndarray)]
    result: np.dtype[Any] | None = None
    for group in (sized, zero_d, scalars):
        if group:
            dtype = _promote(group)
            if result is None or _kind(dtype) > _kind(result):
                result = dtype
    if result is None:
        raise TypeError("an op needs at least one operand")
    return result


def promote(*operands: Any) -> tuple[Array, ...]:
    """The operands as arrays of their common dtype."""
    dtypes = {getattr(operand, "dtype", None) for operand in operands}
    mixed = None in dtypes or len(dtypes) > 1
    dtype = result_type(*operands) if mixed else operands[0].dtype
    return tuple(_converted(operand, dtype) for operand in operands)


def promote_floating(*operands: Any) -> tuple[Array, ...]:
    """The operands as arrays of their common dtype, or of DEFAULT if that is not floating."""
    dtype = result_type(*operands)
    dtype = dtype if is_floating(dtype) else DEFAULT
    return tuple(_converted(operand, dtype) for operand in operands)


def floating(x: Array) -> Array:
    """x itself if it is floating, else in the default dtype, as for exp of integers."""
    return x if is_floating(x.dtype) else x.astype(DEFAULT)


def _converted(operand: Any, dtype: np.dtype[Any]) -> Array:
    # First in its own dtype, so that an integer that does not fit wraps around, as in torch.
    try:
        return np.asarray(operand).astype(dtype, copy=False)
    except OverflowError:
        raise ValueError(f"{operand} does not fit into {dtype}") from None


def _kind(dtype: np.dtype[Any]) -> int:
    return "biuf".index(dtype.kind) - (dtype.kind in "uf")  # b 0, i 1, u 1, f 2


def _promote(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    floats = [dtype for dtype in dtypes if is_floating(dtype)]
    # NumPy makes float64 of int64 and float32; torch keeps the floating operand's dtype.
    return np.result_type(*(floats or dtypes))


def _scalar_dtype(value: Any) -> np.dtype[Any]:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bool):
        return np.dtype("bool")
    if isinstance(value, int):
        return np.dtype("int64")
    if isinstance(value, float):
        return DEFAULT
    raise TypeError(f"expected a tensor, an array or a number, not {type(value).__name__}")
