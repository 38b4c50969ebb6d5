"""The adapter of cudagrad, which copies arrays to and from the device itself."""

from __future__ import annotations

from typing import Any

import cudagrad

from .adapter import Array, call_op, exported


class Cudagrad:
    name = "cudagrad"
    ops = tuple(cudagrad.ops.__all__)
    dtypes = ("float64", "float32")
    package = cudagrad

    def tensor(self, array: Array, requires_grad: bool = False) -> cudagrad.Tensor:
        return cudagrad.tensor(array, requires_grad=requires_grad)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return call_op(self, cudagrad.ops, name, args, kwargs)

    def numpy(self, tensor: cudagrad.Tensor) -> Array:
        return exported(tensor.detach().numpy())

    def grad(self, tensor: cudagrad.Tensor) -> Array | None:
        return None if tensor.grad is None else exported(tensor.grad.numpy())

    def backward(self, tensor: cudagrad.Tensor, gradient: Array) -> None:
        tensor.backward(cudagrad.tensor(gradient))
