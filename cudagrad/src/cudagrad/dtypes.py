"""Which dtypes there are, and what two of them make: torch's rules over device arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np

from . import arrays, device
from .arrays import FLOAT32, Array
from .storage import BFLOAT16, bfloat16, rounded

bool_, uint8, int8 = np.dtype("bool"), np.dtype("uint8"), np.dtype("int8")
int16, int32, int64 = np.dtype("int16"), np.dtype("int32"), np.dtype("int64")
float32, float64 = np.dtype("float32"), np.dtype("float64")
DTYPES = (bool_, uint8, int8, int16, int32, int64, float32, float64)
DEVICES = ("cuda", "cuda:0")  # two names of the one there is, as torch has them
Function = TypeVar("Function", bound=Callable[..., Any])
DEFAULT = FLOAT32  # what Python floats become, as torch.get_default_dtype()


def is_floating(dtype: Any) -> bool:
    return dtype.kind == "f" or dtype == BFLOAT16


def as_dtype(dtype: Any, default: Any = DEFAULT) -> np.dtype[Any]:
    """The dtype of the arrays behind tensors of this dtype; None is the default one.

    Raises TypeError for what is neither of DTYPES nor bfloat16.
    """
    if dtype is None:
        return np.dtype(default)
    if _is_bfloat16(dtype):
        return BFLOAT16
    known = np.dtype(dtype)
    if known not in DTYPES:
        raise TypeError(f"no dtype {known}; there are {', '.join(map(str, DTYPES))}, {bfloat16}")
    return known


def asked_of_to(device: Any, dtype: Any, to_host: str) -> Any:
    """The dtype that to(device, dtype) asks for, if any; it may stand in the place of device.

    to_host: what copies to the host instead. Raises ValueError for a device that is not there.
    """
    if device is None or (isinstance(device, str) and device in DEVICES):
        return dtype
    if _is_bfloat16(device):
        return device
    try:
        np.dtype(device)
    except TypeError:
        known = " or ".join(map(repr, DEVICES))
        raise ValueError(
            f"to: no device {device!r}, only {known}; {to_host} copies to the host"
        ) from None
    return device


def _is_bfloat16(dtype: Any) -> bool:
    return dtype is bfloat16 or (isinstance(dtype, str) and dtype == bfloat16.name)


def of_tensor(dtype: np.dtype[Any]) -> Any:
    """The dtype of a tensor whose array has this one."""
    return bfloat16 if dtype == BFLOAT16 else dtype


def to_device(data: Any, dtype: Any = None) -> Array:
    """data, anything numpy.asarray takes, copied to the device as an array of as_dtype(dtype).

    Raises TypeError for any other dtype, ValueError for 2**31 elements or more.
    """
    stored = _as_stored(data, dtype)
    arrays.require_countable(stored.shape)
    return device.to_device(stored)


def write(data: Any, into: Array) -> None:
    """Copy data, anything numpy.asarray takes, over an array of its shape, in that one's dtype."""
    device.write(np.asarray(_as_stored(data, of_tensor(into.dtype)), order="C"), into)


def _as_stored(data: Any, dtype: Any) -> np.ndarray[Any, Any]:
    if dtype is not None and as_dtype(dtype) == BFLOAT16:
        return rounded(np.asarray(data))
    with np.errstate(all="ignore"):  # a number beyond the range becomes infinite, as in torch
        array = np.asarray(data, dtype)
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        if dtype is None and not hasattr(data, "dtype") and array.dtype.kind == "f":
            array = array.astype(_of_floats(data))
    as_dtype(array.dtype)
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
    numbers = [o.item() if isinstance(o, np.generic) else o for o in operands]
    forms: list[Any] = [(o.dtype, o.ndim > 0) if hasattr(o, "dtype") else type(o) for o in numbers]
    return _result_type(*forms)


@functools.lru_cache(maxsize=4096)
def _result_type(*forms: Any) -> np.dtype[Any]:
    """The same of each array's dtype, and whether it has dimensions, or of a scalar's type."""
    arrays_of = [form for form in forms if isinstance(form, tuple)]
    sized = [dtype for dtype, has_dims in arrays_of if has_dims]
    zero_d = [dtype for dtype, has_dims in arrays_of if not has_dims]
    scalars = [_scalar_dtype(form) for form in forms if not isinstance(form, tuple)]
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
    """The operands as arrays of their common dtype, for apply.

    bfloat16 is left as it is where that dtype is float32: apply converts it as it reads it.
    """
    return _converted(operands, result_type(*operands))


def promote_floating(*operands: Any) -> tuple[Array, ...]:
    """As promote, but to DEFAULT if the common dtype is not floating."""
    dtype = result_type(*operands)
    return _converted(operands, dtype if is_floating(dtype) else DEFAULT)


def _converted(operands: Sequence[Any], dtype: np.dtype[Any]) -> tuple[Array, ...]:
    return tuple([_operand(x, dtype) for x in operands])


def _operand(x: Any, dtype: np.dtype[Any]) -> Array:
    if isinstance(x, arrays.NUMBERS):
        return arrays.constant(x, dtype)
    is_widened = x.dtype == BFLOAT16 and dtype == FLOAT32 and x.ndim
    return x if is_widened else arrays.cast(x, dtype)


def floating(x: Any) -> Array:
    """x itself if it is floating, else in the default dtype, as for exp of integers."""
    (x,) = promote(x)
    return x if is_floating(x.dtype) else arrays.cast(x, DEFAULT)


def _kind(dtype: np.dtype[Any]) -> int:
    return 2 if is_floating(dtype) else int(dtype.kind in "iu")  # after bool


def _promote(dtypes: list[np.dtype[Any]]) -> np.dtype[Any]:
    floats = [dtype for dtype in dtypes if is_floating(dtype)]
    # NumPy makes float64 of int64 and float32; torch keeps the floating operand's dtype. And of
    # bfloat16, which is uint16 to NumPy, and a wider float it makes the wider, as torch does.
    return np.result_type(*(floats or dtypes))


def _scalar_dtype(kind: type) -> np.dtype[Any]:
    if issubclass(kind, bool):
        return np.dtype("bool")
    if issubclass(kind, int):
        return np.dtype("int64")
    if issubclass(kind, float):
        return DEFAULT
    raise TypeError(f"expected a tensor, an array or a number, not {kind.__name__}")


def through_float32(
    function: Function, reads: int = 0, rounds: Callable[[], bool] = lambda: True
) -> Function:
    """Let the function of an op (see engine.op) take arrays of bfloat16, and compute in float32.

    Its values are rounded to bfloat16, if that is the operands' result_type. Its pullback takes and
    returns float32; a gradient that is kept in bfloat16 is rounded after it has been summed up.
    reads: how many operands the function takes as they are. rounds: tells whether to round.
    """

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        given = [x for x in (*args, *kwargs.values()) if _is_array(x) and is_floating(x.dtype)]
        if not any(x.dtype == BFLOAT16 for x in given):
            return function(*args, **kwargs)
        is_small = rounds() and result_type(*given) == BFLOAT16
        value, pullback = function(
            *args[:reads],
            *map(_wide, args[reads:]),
            **{name: _wide(arg) for name, arg in kwargs.items()},
        )
        if is_small and isinstance(value, tuple):
            value = getattr(value, "_make", tuple)(map(_narrow, value))
        elif is_small:
            value = _narrow(value)
        if isinstance(pullback, tuple):
            return value, tuple(each and _of_wide(each) for each in pullback)
        return value, pullback and _of_wide(pullback)

    return cast(Function, wrapper)


def _is_array(x: Any) -> bool:
    return isinstance(getattr(x, "shape", None), tuple) and not isinstance(x, np.generic)


def _wide(x: Any) -> Any:
    return arrays.cast(x, FLOAT32) if _is_array(x) and x.dtype == BFLOAT16 else x


def _narrow(x: Array) -> Array:
    return arrays.cast(x, BFLOAT16) if x.dtype == FLOAT32 else x


def _of_wide(pullback: Callable[[Array], Any]) -> Callable[[Array], Any]:
    return lambda dout: pullback(_wide(dout))
