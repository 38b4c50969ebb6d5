"""cudagrad: automatic differentiation in CUDA kernels, for someone who wants to see the hardware.

Without a GPU the same kernels run on the CPU: `cudagrad.device.describe()` says on what.

>>> import cudagrad
>>> x = cudagrad.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
>>> loss = (x @ x).sum()
>>> loss.backward()
>>> loss.item(), x.grad.tolist()
(54.0, [[7.0, 11.0], [9.0, 13.0]])
"""

from . import device, gpt, nn, ops, optim
from .engine import Tensor, no_grad, op, tensor
from .random import manual_seed

__all__ = [
    "Tensor",
    "device",
    "gpt",
    "manual_seed",
    "nn",
    "no_grad",
    "op",
    "ops",
    "optim",
    "tensor",
]
