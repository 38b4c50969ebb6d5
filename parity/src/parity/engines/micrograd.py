"""The adapter of micrograd, whose tensors are nested lists: of Values, or of ids and masks."""

from __future__ import annotations

from typing import Any

import numpy as np

import micrograd

from .adapter import Array, call_op


class Micrograd:
    name = "micrograd"
    ops = tuple(micrograd.ops.__all__)
    dtypes = ("float64",)
    package = micrograd

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        if 0 in array.shape[:-1]:
            raise ValueError(
                f"micrograd: nested lists cannot have shape {array.shape}, with a 0 before the end"
            )
        if array.dtype.kind != "f":
            return array.tolist()
        return micrograd.tensor(array.tolist(), requires_grad=requires_grad)

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return call_op(self, micrograd.ops, name, args, kwargs)

    def numpy(self, tensor: Any) -> Array:
        return self._array(tensor, lambda value: value.data)

    def grad(self, tensor: Any) -> Array | None:
        grads = self._array(tensor, lambda value: value.grad)
        if all(grad is None for grad in grads.flat):
            return None
        return np.array([grad or 0.0 for grad in grads.flat]).reshape(grads.shape)

    def backward(self, tensor: Any, gradient: Array) -> None:
        # An empty list, or the sum of one, holds no Value that depends on another.
        if self._array(tensor, lambda value: value.requires_grad).any():
            micrograd.backward(tensor, gradient.tolist())

    def _array(self, tensor: Any, read: Any) -> Array:
        """Apply read to each Value of a nested list, and return an array of its shape."""
        values = np.array(tensor, object)
        items = [read(v) if isinstance(v, micrograd.Value) else v for v in values.flat]
        return np.array(items).reshape(values.shape)
