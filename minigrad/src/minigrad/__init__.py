"""minigrad: automatic differentiation over NumPy arrays, for someone who knows matrices.

>>> import minigrad
>>> x = minigrad.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
>>> loss = (x @ x).sum()
>>> loss.backward()
>>> loss.item(), x.grad.tolist()
(54.0, [[7.0, 11.0], [9.0, 13.0]])

save and load keep training state, the random generator's included, in a safetensors file.
"""

from . import gpt, graph, nn, ops, optim
from .dtypes import bool_ as bool
from .dtypes import float32, float64, int8, int16, int32, int64, uint8
from .engine import Tensor, no_grad, op, tensor
from .function import Function, checkpoint
from .memory import keep_memory
from .random import get_rng_state, manual_seed, set_rng_state
from .serialization import load, save

__all__ = [
    "Function",
    "Tensor",
    "bool",
    "checkpoint",
    "float32",
    "float64",
    "get_rng_state",
    "gpt",
    "graph",
    "int16",
    "int32",
    "int64",
    "int8",
    "keep_memory",
    "load",
    "manual_seed",
    "nn",
    "no_grad",
    "op",
    "ops",
    "optim",
    "save",
    "set_rng_state",
    "tensor",
    "uint8",
]
