"""Spec entries that are not ops: layers, optimizers, schedulers and models.

Each is a class of torch, which every engine has under the same name, with ways to set it up.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .case import Array, Call, Case, exact, named


class New:
    """A deferred call of what, or of an engine's function or class of the same name."""

    def __init__(self, what: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self.what, self.name, self.args, self.kwargs = what, what.__name__, args, kwargs

    def __call__(self, *first: Any) -> Any:
        """Make the call, with first before its own arguments."""
        return self.what(*first, *self.args, **self.kwargs)

    def __repr__(self) -> str:
        keywords = [f"{name}={arg!r}" for name, arg in self.kwargs.items()]
        return f"{self.name}({', '.join([*map(repr, self.args), *keywords])})"


@dataclass(frozen=True)
class Again:
    """Stands for the same tensor as the argument at this position."""

    position: int


@dataclass(frozen=True)
class Uniform:
    """A uniform distribution between -bound and bound."""

    bound: float


@dataclass(frozen=True)
class Normal:
    """A normal distribution around 0."""

    std: float


@dataclass(frozen=True)
class Always:
    """Always the same number."""

    value: float


@dataclass(frozen=True)
class Chance:
    """In training, dropout with probability p in this output."""

    p: float
    output: int = 0


class Made(Call):
    """A layer made with these arguments: Made(5, 3, bias=False, on=[Case(randn(2, 5))]).

    on: the calls of the layer, one after the other. initial: the initial distributions of its
    parameters and buffers by name. chance: what is random in training, to be judged by its
    statistics. flat: why a gradient is zero. why: what is awkward about the case.
    """

    def __init__(
        self,
        *args: Any,
        on: Sequence[Case] = (),
        initial: Mapping[str, Uniform | Normal | Always] | None = None,
        chance: Chance | None = None,
        flat: str = "",
        why: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(args, kwargs)
        self.on, self.initial, self.chance = tuple(on), initial, chance
        self.flat, self.why = flat, why

    def __repr__(self) -> str:
        calls = [repr(case).partition(": ")[2] for case in self.on]
        return f"{super().__repr__()}{' on ' if calls else ''}{', '.join(calls)}"

    def weights(self, shapes: Mapping[str, tuple[int, ...]], buffers: set[str]) -> dict[str, Array]:
        """Numbers for the layer's state, exact in float32 and not the usual 0 and 1.

        Buffers are positive, as a variance or class weights must be. The one scalar buffer is a
        counter of batches.
        """
        state: dict[str, Array] = {}
        for name, shape in shapes.items():
            rng = np.random.default_rng(zlib.crc32(f"{self.id} {name}".encode()))
            if name in buffers:
                drawn = rng.uniform(0.5, 2.0, shape) if shape else np.array(3)
            else:
                drawn = rng.normal(0.25, 0.5, shape)
            state[name] = exact(drawn) if drawn.dtype.kind == "f" else drawn.astype(np.int64)
        return state


SHAPES = ((3, 4), (5,), (2, 1, 3), (1,))  # of an optimizer's parameters


class Steps(Call):
    """An optimizer with these settings: Steps(lr=0.1, momentum=0.9).

    second: settings of a second group, which has the last two parameters; None for one group.
    """

    def __init__(self, second: Mapping[str, Any] | None = None, **settings: Any) -> None:
        super().__init__((), settings)
        self.second = second

    def __repr__(self) -> str:
        rest = "" if self.second is None else f" and a group of {dict(self.second)}"
        return f"{super().__repr__()}{rest}"

    def parameters(self) -> list[Array]:
        """Initial parameters; like the gradients, they are exact in float32."""
        return [self._drawn(f"parameter {i}", shape) for i, shape in enumerate(SHAPES)]

    def gradients(self, step: int) -> list[Array | None]:
        """The gradients at a step, counted from 1.

        The second parameter has no gradient at every third step, the third none before step 4.
        """
        absent = {1} if step % 3 == 0 else set()
        absent |= {2} if step < 4 else set()
        return [
            None if i in absent else self._drawn(f"gradient {i} at {step}", shape)
            for i, shape in enumerate(SHAPES)
        ]

    def _drawn(self, what: str, shape: tuple[int, ...]) -> Array:
        rng = np.random.default_rng(zlib.crc32(f"{self.id} {what}".encode()))
        return exact(rng.standard_normal(shape))


class Rates(Call):
    """A scheduler with these arguments; beside: other schedulers chained after it.

    With last_epoch it goes on, from rates that are half the initial ones.
    """

    def __init__(self, *args: Any, beside: Sequence[New] = (), **kwargs: Any) -> None:
        super().__init__(args, kwargs)
        self.beside = tuple(beside)

    def __repr__(self) -> str:
        return f"{super().__repr__()}{' beside ' if self.beside else ''}" + ", ".join(
            map(repr, self.beside)
        )


class Part:
    """A class of torch, and the ways to set it up that are checked."""

    kind = ""

    def __init__(self, torch: type, *cases: Call) -> None:
        self.torch, self.name = torch, torch.__name__
        self.cases = _numbered(self.name, cases)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}: {len(self.cases)} cases)"


class Layer(Part):
    kind = "layer"

    def __init__(self, torch: type, *cases: Made) -> None:
        super().__init__(torch, *cases)
        for case in self.cases:
            assert isinstance(case, Made)
            case.on = tuple(named(call, f"{case.id} call {i}") for i, call in enumerate(case.on))


class Optimizer(Part):
    kind = "optimizer"


class Scheduler(Part):
    kind = "scheduler"


class Model(Part):
    """A whole model; torch has none, so parity's own model in torch is the reference."""

    kind = "model"

    def __init__(self, name: str, *cases: Call) -> None:
        self.name, self.cases = name, _numbered(name, cases)


def _numbered(name: str, cases: Sequence[Call]) -> tuple[Call, ...]:
    return tuple(named(case, f"{name}[{i}]") for i, case in enumerate(cases))
