"""The smallest scalar engine: a Value for every operation of two numbers, swept by recursion.

The manner of Karpathy's microgpt: an operation keeps its operands and its local derivatives, and
backward() sorts the graph depth first, by a function that calls itself, with a set of what it has
seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

DEPTH = 20_000  # of recursion: the graph of a document is deeper than Python's limit of 1000


class Value:
    """A number, the numbers it was made of, and its derivative with respect to each."""

    __slots__ = ("children", "data", "grad", "slopes")

    def __init__(
        self, data: float, children: tuple[Value, ...] = (), slopes: tuple[float, ...] = ()
    ) -> None:
        self.data = data
        self.grad: float = 0
        self.children = children
        self.slopes = slopes

    def __add__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other: Value | float) -> Value:
        other = other if isinstance(other, Value) else Value(other)
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, exponent: float) -> Value:
        slope = exponent * self.data ** (exponent - 1)
        return Value(self.data**exponent, (self,), (slope,))

    def log(self) -> Value:
        return Value(math.log(self.data), (self,), (1.0 / self.data,))

    def exp(self) -> Value:
        result = math.exp(self.data)
        return Value(result, (self,), (result,))

    def relu(self) -> Value:
        return Value(max(0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> Value:
        return self * -1

    def __radd__(self, other: float) -> Value:
        return self + other

    def __sub__(self, other: Value | float) -> Value:
        return self + -other

    def __rmul__(self, other: float) -> Value:
        return self * other

    def __truediv__(self, other: Value) -> Value:
        return self * other**-1

    def backward(self) -> None:
        order: list[Value] = []
        seen: set[Value] = set()

        def visit(value: Value) -> None:
            if value not in seen:
                seen.add(value)
                for child in value.children:
                    visit(child)
                order.append(value)

        visit(self)
        self.grad = 1
        for value in reversed(order):
            for child, slope in zip(value.children, value.slopes):  # noqa: B905 (that costs time)
                child.grad += slope * value.grad


class Adam:
    """Adam with its usual constants, parameter by parameter."""

    def __init__(self, leaves: Sequence[Value], lr: float) -> None:
        self.leaves, self.lr, self.steps = leaves, lr, 0
        self.means, self.squares = [0.0] * len(leaves), [0.0] * len(leaves)

    def step(self) -> None:
        """Move every leaf."""
        self.steps += 1
        for i, leaf in enumerate(self.leaves):
            self.means[i] = 0.9 * self.means[i] + 0.1 * leaf.grad
            self.squares[i] = 0.999 * self.squares[i] + 0.001 * leaf.grad**2
            mean = self.means[i] / (1.0 - 0.9**self.steps)
            square = self.squares[i] / (1.0 - 0.999**self.steps)
            leaf.data -= self.lr * mean / (square**0.5 + 1e-8)

    def zero_grad(self) -> None:
        for leaf in self.leaves:
            leaf.grad = 0
