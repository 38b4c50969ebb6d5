"""micrograd: automatic differentiation number by number, for someone who knows Python.

>>> from micrograd import Value
>>> x, y = Value(2.0, requires_grad=True), Value(3.0, requires_grad=True)
>>> z = x * y + x**2
>>> z.backward()
>>> z, x.grad, y.grad
(Value(10.0), 7.0, 2.0)
"""

from . import gpt, nn, ops, optim
from .engine import Value, no_grad
from .lists import backward, grad, shape, tensor, tolist
from .random import manual_seed

__all__ = [
    "Value",
    "backward",
    "gpt",
    "grad",
    "manual_seed",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "shape",
    "tensor",
    "tolist",
]
