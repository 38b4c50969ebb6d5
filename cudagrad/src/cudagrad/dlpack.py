"""DLPack's capsules, made and opened: an array's address, shape and dtype, for any package.

https://dmlc.github.io/dlpack/latest/c_api.html, in the form before versions, which all packages
know; a capsule's name tells whether somebody has taken the array, and so who calls its deleter.
"""

from __future__ import annotations

import ctypes
import itertools
import math
from typing import Any, NamedTuple

import numpy as np

from .storage import BFLOAT16, bfloat16

CPU, CUDA = 1, 2  # DLDeviceType
NAME, USED = b"dltensor", b"used_dltensor"
KINDS = {"i": 0, "u": 1, "f": 2, "b": 6}  # DLDataTypeCode
BFLOAT = 4  # the one of bfloat16


class _Tensor(ctypes.Structure):
    """DLTensor, and of DLManagedTensor what follows it."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("kind", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
        ("manager", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
    )


class Opened(NamedTuple):
    """What a capsule tells of an array; keep: as long as it is there, so is the memory.

    dtype: as a tensor's, which tells bfloat16 from uint16.
    """

    pointer: int
    shape: tuple[int, ...]
    dtype: Any
    device: tuple[int, int]
    keep: Any


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_api = ctypes.pythonapi
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)(
    ("PyCapsule_New", _api)
)
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _api)
)
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_IsValid", _api)
)
_pointer_of_address = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", _api)
)
_rename = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(
    ("PyCapsule_SetName", _api)
)

# What was handed out, by number, until its deleter is called.
_handed_out: dict[int, tuple[Any, ...]] = {}
_numbers = itertools.count(1)


@_Deleter
def _delete(address: int) -> None:
    _handed_out.pop(_Tensor.from_address(address).manager, None)


@ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
def _destroy(capsule: int) -> None:
    """The end of a capsule, which by then is no object any more: nobody took what is in it."""
    if _is_valid(capsule, NAME):
        _delete(_pointer_of_address(capsule, NAME))


def capsule(
    pointer: int, shape: tuple[int, ...], dtype: np.dtype[Any], device: tuple[int, int], keep: Any
) -> Any:
    """A capsule of a C-contiguous array, whose memory is there as long as keep is."""
    ndim, number = len(shape), next(_numbers)
    strides = [math.prod(shape[i + 1 :]) for i in range(ndim)]
    lengths, steps = (ctypes.c_int64 * ndim)(*shape), (ctypes.c_int64 * ndim)(*strides)
    kind = BFLOAT if dtype == BFLOAT16 else KINDS[dtype.kind]
    bits = 8 * dtype.itemsize
    made = _Tensor(pointer, *device, ndim, kind, bits, 1, lengths, steps, 0, number)
    made.deleter = ctypes.cast(_delete, ctypes.c_void_p).value
    _handed_out[number] = (made, lengths, steps, keep)
    return _new(ctypes.addressof(made), NAME, ctypes.cast(_destroy, ctypes.c_void_p))


def opened(capsule: Any) -> Opened:
    """Take the array out of a capsule.

    Raises BufferError for one that is not C-contiguous, TypeError for a type that NumPy lacks.
    """
    address = _pointer(capsule, NAME)
    tensor = _Tensor.from_address(address)
    shape = tuple(tensor.shape[: tensor.ndim])
    steps = tuple(tensor.strides[: tensor.ndim]) if tensor.strides else None
    straight = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    moving = [i for i, n in enumerate(shape) if n != 1]
    if steps is not None and math.prod(shape) and any(steps[i] != straight[i] for i in moving):
        raise BufferError(f"an array of strides {steps} is not C-contiguous: copy it first")
    kinds = {code: kind for kind, code in KINDS.items()}
    is_small = (tensor.kind, tensor.bits) == (BFLOAT, 16)
    if not (is_small or tensor.kind in kinds) or tensor.lanes != 1:
        form = f"{tensor.lanes} x {tensor.bits} bits of DLPack's type code {tensor.kind}"
        raise TypeError(f"no dtype of tensors is {form}")
    dtype = bfloat16 if is_small else np.dtype(f"{kinds[tensor.kind]}{tensor.bits // 8}")
    _rename(capsule, USED)
    place, device = tensor.data or 0, (tensor.device_type, tensor.device_id)
    return Opened(place + tensor.byte_offset, shape, dtype, device, _Taken(address))


class _Taken:
    """An array taken out of a capsule: its deleter is called when nobody needs it any more."""

    def __init__(self, address: int) -> None:
        self.address = address

    def __del__(self) -> None:
        deleter = _Tensor.from_address(self.address).deleter
        if deleter:
            _Deleter(deleter)(self.address)
