"""Layers: parameters with a forward, under torch's names and initial distributions.

https://docs.pytorch.org/docs/stable/nn.html
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from . import ops
from .arguments import probability
from .dtypes import is_floating
from .engine import Tensor
from .random import generator


class Parameter(Tensor):
    """A tensor that a Module trains: it requires a gradient."""

    def __init__(self, data: Any, dtype: Any = None) -> None:
        super().__init__(data, dtype, requires_grad=True)


class Module:
    """A part of a model: its attributes that are Parameters or Modules are found by name."""

    training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def children(self) -> Iterator[tuple[str, Module]]:
        """The modules held directly, by attribute name."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def modules(self) -> Iterator[tuple[str, Module]]:
        """This module, named "", and every one below it, in order of definition."""
        waiting: list[tuple[str, Module]] = [("", self)]
        while waiting:
            prefix, module = waiting.pop()
            yield prefix, module
            below = [(_join(prefix, name), child) for name, child in module.children()]
            waiting.extend(reversed(below))

    def state_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter under every name it has: a tied one comes more than once."""
        for prefix, module in self.modules():
            for name, value in vars(module).items():
                if isinstance(value, Parameter):
                    yield _join(prefix, name), value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter once, under its first name."""
        seen: dict[int, Parameter] = {}
        for name, parameter in self.state_parameters():
            if parameter.index not in seen:
                seen[parameter.index] = parameter
                yield name, parameter

    def parameters(self) -> Iterator[Parameter]:
        for _, parameter in self.named_parameters():
            yield parameter

    def state_dict(self) -> dict[str, Any]:
        """Copies of the parameters' arrays, by every name."""
        return {name: parameter.data.copy() for name, parameter in self.state_parameters()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take over values by name, in each parameter's dtype.

        Raises RuntimeError, before anything changes, that lists misshapen names and, when strict,
        missing and unexpected ones.
        """
        own = dict(self.state_parameters())
        missing = [name for name in own if name not in state]
        unexpected = [name for name in state if name not in own]
        misshapen = [
            f"{name} {np.shape(state[name])} instead of {parameter.shape}"
            for name, parameter in own.items()
            if name in state and np.shape(state[name]) != parameter.shape
        ]
        problems = {"misshapen": misshapen}
        if strict:
            problems |= {"missing": missing, "unexpected": unexpected}
        found = [f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names]
        if found:
            raise RuntimeError(f"load_state_dict of {type(self).__name__}: {'; '.join(found)}")
        for name, parameter in own.items():
            if name in state:
                parameter.data = np.array(state[name], parameter.dtype)

    def train(self, mode: bool = True) -> Module:
        for _, module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        return self.train(False)

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, dtype: Any) -> Module:
        """Convert every parameter to dtype, floating, in place."""
        if not is_floating(np.dtype(dtype)):
            raise TypeError(f"to: parameters are floating, {dtype} is not")
        for parameter in self.parameters():
            parameter.data = parameter.data.astype(dtype)
        return self

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__}({self.extra_repr()}"]
        for name, child in self.children():
            lines.append(f"  ({name}): " + repr(child).replace("\n", "\n  "))
        return lines[0] + ")" if len(lines) == 1 else "\n".join([*lines, ")"])


class ModuleList(Module):
    """Modules in a row, named 0, 1, 2 …"""

    def __init__(self, modules: Any = ()) -> None:
        self.items = list(modules)

    def children(self) -> Iterator[tuple[str, Module]]:
        for i, module in enumerate(self.items):
            yield str(i), module

    def __iter__(self) -> Iterator[Module]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Module:
        return self.items[i]


class Linear(Module):
    """x weightᵀ + bias: (..., in_features) -> (..., out_features)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(in_features) if in_features else 0.0
        self.weight = Parameter(_uniform((out_features, in_features), bound))
        self.bias = Parameter(_uniform((out_features,), bound)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return ops.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        bias = self.bias is not None
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={bias}"


class Embedding(Module):
    """A vector for each integer id: (...) -> (..., embedding_dim)."""

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = Parameter(_normal((num_embeddings, embedding_dim), 1.0))

    def forward(self, x: Any) -> Tensor:
        return ops.embedding(x, self.weight)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"


class LayerNorm(Module):
    """Each row brought to mean 0 and variance 1, then scaled and shifted by parameters."""

    def __init__(self, normalized_shape: Any, eps: float = 1e-05, bias: bool = True) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape, self.eps = tuple(shape), eps
        self.weight = Parameter(np.ones(self.normalized_shape, np.float32))
        self.bias = Parameter(np.zeros(self.normalized_shape, np.float32)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return ops.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, bias={self.bias is not None}"


class Dropout(Module):
    """Each element 0 with probability p while training."""

    def __init__(self, p: float = 0.5) -> None:
        probability("Dropout", p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return ops.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _uniform(shape: tuple[int, ...], bound: float) -> Any:
    return generator().uniform(-bound, bound, shape).astype(np.float32)


def _normal(shape: tuple[int, ...], std: float) -> Any:
    return (generator().standard_normal(shape) * std).astype(np.float32)
