"""torch as an engine; its ops are the functions in the spec."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from ..spec import BY_NAME, Op
from ..spec.case import transform
from . import torch_gpt, torch_serialization
from .adapter import Array, exported


def evaluate(op: Op, args: Any, kwargs: Any) -> Any:
    """Call torch's function for an op; the result is a tensor, or a tuple of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as for the variance of a single number
        value = op.torch(*args, **kwargs)
    return value if isinstance(value, torch.Tensor) else tuple(value)


def home(name: str) -> str:
    """The module that has a function of this name: "functional", "torch", or empty for neither."""
    modules = {"functional": torch.nn.functional, "torch": torch}
    return next((m for m, module in modules.items() if callable(getattr(module, name, 0))), "")


def load_state(holder: Any, state: Any) -> None:
    """holder.load_state_dict(state), with tensors instead of arrays if holder is torch's."""
    if isinstance(holder, torch.nn.Module | torch.optim.Optimizer):
        state = transform(lambda array: torch.from_numpy(array.copy()), state)
    holder.load_state_dict(state)


class Torch:
    name = "torch"
    ops = tuple(BY_NAME)
    dtypes = ("float64", "float32")
    package = SimpleNamespace(
        __version__=torch.__version__,
        ops=SimpleNamespace(**{name: op.torch for name, op in BY_NAME.items()}),
        nn=torch.nn,
        optim=torch.optim,
        gpt=torch_gpt,
        no_grad=torch.no_grad,
        manual_seed=torch.manual_seed,
        get_rng_state=torch.get_rng_state,
        set_rng_state=torch.set_rng_state,
        serialization=torch_serialization,
        save=torch_serialization.save,
        load=torch_serialization.load,
    )

    def tensor(self, array: Array, requires_grad: bool = False) -> torch.Tensor:
        return torch.from_numpy(np.array(array)).requires_grad_(requires_grad)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if name not in self.ops:
            raise NotImplementedError(f"torch has no op {name!r} in the spec")
        return evaluate(BY_NAME[name], args, kwargs)

    def numpy(self, tensor: torch.Tensor) -> Array:
        return exported(tensor.detach().numpy())

    def grad(self, tensor: torch.Tensor) -> Array | None:
        return None if tensor.grad is None else exported(tensor.grad.numpy())

    def backward(self, tensor: torch.Tensor, gradient: Array) -> None:
        tensor.backward(torch.from_numpy(np.array(gradient)))
