"""micrograd: automatic differentiation number by number, for someone who knows Python.

>>> from micrograd import Value
>>> x, y = Value(2.0, requires_grad=True), Value(3.0, requires_grad=True)
>>> z = x * y + x**2
>>> z.backward()
>>> z, x.grad, y.grad
(Value(10.0), 7.0, 2.0)

save and load keep checkpoints, with the state of the generator too, as JSON files.
"""

from . import gpt, nn, ops, optim
from . import operators as operators  # binds them to Value
from .drawing import draw
from .engine import Value, no_grad, node
from .lists import backward, grad, shape, tensor, tolist
from .memory import collector_paused
from .random import get_rng_state, manual_seed, set_rng_state
from .serialization import load, save

__all__ = [
    "Value",
    "backward",
    "collector_paused",
    "draw",
    "get_rng_state",
    "gpt",
    "grad",
    "load",
    "manual_seed",
    "nn",
    "no_grad",
    "node",
    "ops",
    "optim",
    "save",
    "set_rng_state",
    "shape",
    "tensor",
    "tolist",
]
