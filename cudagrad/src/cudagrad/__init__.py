"""cudagrad: automatic differentiation in CUDA kernels, for someone who wants to see the hardware.

Without a GPU the same kernels run on the CPU: `cudagrad.device.describe()` says on what.

>>> import cudagrad
>>> x = cudagrad.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
>>> loss = (x @ x).sum()
>>> loss.backward()
>>> loss.item(), x.grad.tolist()
(54.0, [[7.0, 11.0], [9.0, 13.0]])

save and load keep what trained, and the state of the generator, in a file of safetensors.
"""

from . import device, gpt, graph, nn, ops, optim
from .autocast import autocast
from .checker import check
from .dtypes import bool_ as bool
from .dtypes import float32, float64, int8, int16, int32, int64, uint8
from .engine import Tensor, no_grad, op, tensor
from .function import Function, checkpoint
from .fusion import fuse
from .interop import as_tensor, from_dlpack
from .memory import (
    OutOfMemoryError,
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    memory_allocated,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_peak_memory_stats,
    set_per_process_memory_fraction,
)
from .precision import get_float32_matmul_precision, set_float32_matmul_precision
from .random import get_rng_state, manual_seed, set_rng_state
from .serialization import load, save
from .storage import bfloat16
from .streams import Event, Stream, current_stream, default_stream, stream, synchronize

__all__ = [
    "Event",
    "Function",
    "OutOfMemoryError",
    "Stream",
    "Tensor",
    "as_tensor",
    "autocast",
    "bfloat16",
    "bool",
    "check",
    "checkpoint",
    "current_stream",
    "default_stream",
    "device",
    "empty_cache",
    "float32",
    "float64",
    "from_dlpack",
    "fuse",
    "get_float32_matmul_precision",
    "get_rng_state",
    "gpt",
    "graph",
    "int16",
    "int32",
    "int64",
    "int8",
    "load",
    "manual_seed",
    "max_memory_allocated",
    "max_memory_reserved",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "nn",
    "no_grad",
    "op",
    "ops",
    "optim",
    "reset_peak_memory_stats",
    "save",
    "set_float32_matmul_precision",
    "set_per_process_memory_fraction",
    "set_rng_state",
    "stream",
    "synchronize",
    "tensor",
    "uint8",
]
