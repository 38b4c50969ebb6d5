"""What turns gradients into better parameters, in order of rising complexity."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .engine import Tensor

Array = np.ndarray[Any, Any]
State = dict[str, Array]


class Optimizer:
    """Holds the parameters; a subclass says how one of them follows its gradient."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params, self.lr = list(params), lr
        if not self.params:
            raise ValueError("an optimizer needs at least one parameter")
        if len({parameter.index for parameter in self.params}) < len(self.params):
            raise ValueError("a parameter is there twice")
        if not all(parameter.is_leaf for parameter in self.params):
            raise ValueError("only leaves can be optimized: this one is the result of an op")
        if lr < 0:
            raise ValueError(f"lr must not be negative, is {lr}")
        self.steps = [0] * len(self.params)
        self.state: list[State] = [{} for _ in self.params]

    def zero_grad(self) -> None:
        for parameter in self.params:
            parameter.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient."""
        for i, parameter in enumerate(self.params):
            if parameter.grad is not None:
                self.steps[i] += 1
                data, grad = parameter.data, parameter.grad.data
                parameter.data = self.updated(data, grad, self.state[i], self.steps[i])

    def updated(self, data: Array, grad: Array, state: State, steps: int) -> Array:
        raise NotImplementedError(f"{type(self).__name__} has no updated")


class SGD(Optimizer):
    """Downhill, with momentum: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html"""

    def __init__(self, params: Iterable[Tensor], lr: float = 0.001, momentum: float = 0.0) -> None:
        super().__init__(params, lr)
        self.momentum = momentum

    def updated(self, data: Array, grad: Array, state: State, steps: int) -> Array:
        if self.momentum:
            if "velocity" in state:
                grad = self.momentum * state["velocity"] + grad
            state["velocity"] = grad
        return data - self.lr * grad


class AdamW(Optimizer):
    """Steps scaled by the gradient's own size, and weights that decay apart from it.

    Loshchilov, Hutter 2019, https://arxiv.org/abs/1711.05101, in the order of
    https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, lr)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay

    def updated(self, data: Array, grad: Array, state: State, steps: int) -> Array:
        beta1, beta2 = self.betas
        if not state:
            state["mean"], state["square"] = np.zeros_like(data), np.zeros_like(data)
        state["mean"] = mean = state["mean"] + (1 - beta1) * (grad - state["mean"])
        state["square"] = square = beta2 * state["square"] + (1 - beta2) * grad * grad
        rate = self.lr / (1 - beta1**steps)
        size = np.sqrt(square) / math.sqrt(1 - beta2**steps) + self.eps
        return data * (1 - self.lr * self.weight_decay) - rate * mean / size
