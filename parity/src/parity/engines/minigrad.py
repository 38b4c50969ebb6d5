"""The adapter of minigrad, whose tensors hold NumPy arrays."""

from __future__ import annotations

from typing import Any

import minigrad

from .adapter import Array, call_op, exported


class Minigrad:
    name = "minigrad"
    ops = tuple(minigrad.ops.__all__)
    dtypes = ("float64", "float32")
    package = minigrad

    def tensor(self, array: Array, requires_grad: bool = False) -> minigrad.Tensor:
        return minigrad.tensor(array, requires_grad=requires_grad)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return call_op(self, minigrad.ops, name, args, kwargs)

    def numpy(self, tensor: minigrad.Tensor) -> Array:
        return exported(tensor.detach().numpy())

    def grad(self, tensor: minigrad.Tensor) -> Array | None:
        return None if tensor.grad is None else exported(tensor.grad.numpy())

    def backward(self, tensor: minigrad.Tensor, gradient: Array) -> None:
        tensor.backward(minigrad.tensor(gradient))
