"""Layers: parameters with a forward, under torch's names and initial distributions.

https://docs.pytorch.org/docs/stable/nn.html
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from . import lists, ops
from .arguments import probability
from .lists import Shape, Tensor, nest, unnest
from .random import generator


class Parameter(list[Any]):
    """A nested list of new Values that a Module trains: they require a gradient."""

    def __init__(self, data: Tensor) -> None:
        super().__init__(lists.tensor(data, requires_grad=True))


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
            if id(parameter) not in seen:
                seen[id(parameter)] = parameter
                yield name, parameter

    def parameters(self) -> Iterator[Parameter]:
        for _, parameter in self.named_parameters():
            yield parameter

    def state_dict(self) -> dict[str, Any]:
        """The parameters as nested lists of floats, by every name."""
        return {name: lists.tolist(parameter) for name, parameter in self.state_parameters()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> None:
        """Take over numbers by name: nested lists, or what has a tolist() as NumPy's arrays do.

        Raises RuntimeError, before anything changes, that lists misshapen names and, when strict,
        missing and unexpected ones.
        """
        own = dict(self.state_parameters())
        given = {name: unnest(_nested(state[name])) for name in own if name in state}
        misshapen = [
            f"{name} {given[name][1]} instead of {lists.shape(parameter)}"
            for name, parameter in own.items()
            if name in given and given[name][1] != lists.shape(parameter)
        ]
        problems = {"misshapen": misshapen}
        if strict:
            problems["missing"] = [name for name in own if name not in state]
            problems["unexpected"] = [name for name in state if name not in own]
        found = [f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names]
        if found:
            raise RuntimeError(f"load_state_dict of {type(self).__name__}: {'; '.join(found)}")
        for name, (numbers, _) in given.items():
            for value, number in zip(unnest(own[name])[0], numbers, strict=True):
                value.data = float(number)

    def train(self, mode: bool = True) -> Module:
        for _, module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        return self.train(False)

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            for value in unnest(parameter)[0]:
                value.grad = None

    def extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
        lines = []
        for name, module in self.modules():
            depth, label = name.count(".") + bool(name), name.rpartition(".")[2]
            head = f"({label}): " if label else ""
            lines.append("  " * depth + f"{head}{type(module).__name__}({module.extra_repr()})")
        return "\n".join(lines)


class ModuleList(Module):
    """Modules in a row, named 0, 1, 2 …"""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
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
        bound = 1.0 / math.sqrt(in_features) if in_features else 0.0
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

    def forward(self, x: Tensor) -> Tensor:
        return ops.embedding(x, self.weight)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"


class LayerNorm(Module):
    """Each row brought to mean 0 and variance 1, then scaled and shifted by parameters."""

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float = 1e-05, bias: bool = True
    ) -> None:
        shape = (normalized_shape,) if isinstance(normalized_shape, int) else normalized_shape
        self.normalized_shape, self.eps = tuple(shape), eps
        self.weight = Parameter(_filled(self.normalized_shape, lambda: 1.0))
        self.bias = Parameter(_filled(self.normalized_shape, lambda: 0.0)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return ops.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, bias={self.bias is not None}"


class Dropout(Module):
    """Each element 0 with probability p while training."""

    def __init__(self, p: float = 0.5) -> None:
        probability("Dropout", "p", p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return ops.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _nested(data: Any) -> Any:
    return data.tolist() if hasattr(data, "tolist") else data


def _filled(shape: Shape, draw: Callable[[], float]) -> Tensor:
    return nest([draw() for _ in range(math.prod(shape))], shape)


def _uniform(shape: Shape, bound: float) -> Tensor:
    return _filled(shape, lambda: generator.uniform(-bound, bound))


def _normal(shape: Shape, std: float) -> Tensor:
    return _filled(shape, lambda: generator.gauss(0.0, std))
