"""What turns gradients into better parameters, in order of rising complexity."""

from __future__ import annotations

import math
from collections.abc import Iterable

from . import lists
from .engine import Value
from .lists import Tensor, unnest

Row = list[float]
State = dict[str, Row]


class Optimizer:
    """Holds the parameters; a subclass says how one of them follows its gradient."""

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params: list[list[Value]] = [unnest(parameter)[0] for parameter in params]
        self.lr = lr
        if not self.params:
            raise ValueError("an optimizer needs at least one parameter")
        if lr < 0:
            raise ValueError(f"lr must not be negative, is {lr}")
        every = [value for values in self.params for value in values]
        if not all(isinstance(value, Value) and value.parents == () for value in every):
            raise ValueError("can't optimize a non-leaf: a parameter is made of leaf Values")
        if len(set(every)) < len(every):
            raise ValueError("a parameter is given twice")
        self.steps = [0] * len(self.params)
        self.state: list[State] = [{} for _ in self.params]

    def zero_grad(self) -> None:
        for values in self.params:
            for value in values:
                value.grad = None

    def step(self) -> None:
        """Move every parameter that has a gradient, in place."""
        for i, values in enumerate(self.params):
            grad = lists.grad(values)
            if grad is not None:
                self.steps[i] += 1
                data = [value.data for value in values]
                moved = self.updated(data, grad, self.state[i], self.steps[i])
                for value, number in zip(values, moved, strict=True):
                    value.data = number

    def updated(self, data: Row, grad: Row, state: State, steps: int) -> Row:
        raise NotImplementedError(f"{type(self).__name__} has no updated")


class SGD(Optimizer):
    """Downhill, with momentum: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html"""

    def __init__(self, params: Iterable[Tensor], lr: float = 0.001, momentum: float = 0.0) -> None:
        super().__init__(params, lr)
        self.momentum = momentum

    def updated(self, data: Row, grad: Row, state: State, steps: int) -> Row:
        if self.momentum:
            if "velocity" in state:
                pairs = zip(state["velocity"], grad, strict=True)
                grad = [self.momentum * v + g for v, g in pairs]
            state["velocity"] = grad
        return [x - self.lr * g for x, g in zip(data, grad, strict=True)]


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

    def updated(self, data: Row, grad: Row, state: State, steps: int) -> Row:
        beta1, beta2 = self.betas
        means = state.get("mean", [0.0] * len(grad))
        squares = state.get("square", [0.0] * len(grad))
        means = [m + (1 - beta1) * (g - m) for m, g in zip(means, grad, strict=True)]
        squares = [beta2 * s + (1 - beta2) * g * g for s, g in zip(squares, grad, strict=True)]
        state["mean"], state["square"] = means, squares
        rate = self.lr / (1 - beta1**steps)
        correction = math.sqrt(1 - beta2**steps)
        kept = 1 - self.lr * self.weight_decay
        return [
            x * kept - rate * m / (math.sqrt(s) / correction + self.eps)
            for x, m, s in zip(data, means, squares, strict=True)
        ]
