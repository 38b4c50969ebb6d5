"""Arrays of other packages as tensors, where they lie: changes are seen on both sides.

On a GPU those of torch, CuPy and numba; on the emulator NumPy's, and torch's on the CPU. A tensor
is given to them by its __dlpack__, and on a GPU its __cuda_array_interface__.

backward() cannot see what other packages write into an array that it will read.

A parameter that is another package's array stays there while it is trained. One of our own memory
is moved by the first step of an optimizer of several (see optim.Optimizer): give it away after.
"""

from __future__ import annotations

from typing import Any

from . import arrays, device
from .arrays import Array
from .dtypes import as_dtype
from .engine import Tensor, tensor


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor of the memory of an object that has __dlpack__; torch.from_dlpack.

    Raises BufferError for an array that is not on this device, not C-contiguous, or does not begin
    at a multiple of 16 bytes; TypeError for a dtype that tensors do not have, ValueError for 2**31
    elements or more.
    """
    if not hasattr(ext_tensor, "__dlpack__") or not hasattr(ext_tensor, "__dlpack_device__"):
        raise TypeError(f"from_dlpack: a {type(ext_tensor).__name__} has no __dlpack__")
    array, dtype = device.executor.from_dlpack(ext_tensor)
    as_dtype(dtype)
    arrays.require_countable(array.shape)
    if not _reaches_fours(array):
        raise BufferError("the array does not begin at a multiple of 16 bytes: copy it first")
    return Tensor(array)


def as_tensor(data: Any, dtype: Any = None) -> Tensor:
    """data as a tensor, copied only if need be; torch.as_tensor.

    An array of this device in the right dtype is shared: on a GPU one with a
    __cuda_array_interface__, on the emulator a NumPy array. A tensor is returned as it is. Raises
    BufferError for an array on the GPU that is read-only, masked, or not C-contiguous, and for one
    on another GPU.
    """
    if isinstance(data, Tensor) and dtype in (None, data.dtype):
        return data
    array = None if isinstance(data, Tensor) else device.executor.adopt(data)
    if array is None:
        return tensor(data, dtype)
    as_dtype(array.dtype)
    arrays.require_countable(array.shape)
    if not _reaches_fours(array) or as_dtype(dtype, array.dtype) != array.dtype:
        return tensor(Tensor(array), dtype)
    return Tensor(array)


def _reaches_fours(array: Array) -> bool:
    """Whether kernels can load four neighbours of it at once, as they do of any array."""
    return not array.size or device.executor.address(array) % 16 == 0
