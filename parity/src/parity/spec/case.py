"""What a spec entry is made of: an op, its cases, the inputs it must refuse; knows no op.

Inputs are described, not stored: they are drawn from a seed made of the case's id, so that no
case shares numbers with another and the order in which cases run never matters.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Data:
    """How one input array is drawn; text is how the spec wrote it."""

    text: str
    draw: Callable[[np.random.Generator], Array]

    def __repr__(self) -> str:
        return self.text


class Constant(np.ndarray[Any, Any]):
    """Floats of which no gradient is asked: running statistics, the weights of classes."""


def constant(data: Data) -> Data:
    """The same floats, in an input for which torch has no gradient."""
    return Data(f"constant({data})", lambda rng: data.draw(rng).view(Constant))


def randn(*shape: int) -> Data:
    """Standard normal numbers."""
    return _float(f"randn({_text(shape)})", lambda rng: rng.standard_normal(shape))


def uniform(*shape: int, low: float, high: float) -> Data:
    """Uniform numbers from [low, high): the domain of log, sqrt, a fractional power."""
    text = f"uniform({_text(shape)}, low={low}, high={high})"
    return _float(text, lambda rng: rng.uniform(low, high, shape))


def values(numbers: Any) -> Data:
    """These very floats: ties, infinities, large magnitudes."""
    return _float(f"values({numbers})", lambda rng: np.array(numbers, np.float64))


def integers(*shape: int, low: int, high: int) -> Data:
    """Uniform int64 from [low, high)."""
    text = f"integers({_text(shape)}, low={low}, high={high})"
    return Data(text, lambda rng: np.asarray(rng.integers(low, high, shape)))


def ints(numbers: Any) -> Data:
    """These very int64."""
    return Data(f"ints({numbers})", lambda rng: np.array(numbers, np.int64))


def bools(flags: Any) -> Data:
    """These very booleans."""
    return Data(f"bools({flags})", lambda rng: np.array(flags, np.bool_))


def mask(*shape: int) -> Data:
    """Random booleans."""
    return Data(f"mask({_text(shape)})", lambda rng: np.asarray(rng.random(shape) < 0.5))


def _text(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _float(text: str, draw: Callable[[np.random.Generator], Array]) -> Data:
    return Data(text, lambda rng: exact(np.asarray(draw(rng))))


def exact(numbers: Array) -> Array:
    """The nearest numbers that float32 holds, as float64: nobody is charged for rounding them."""
    return numbers.astype(np.float32).astype(np.float64)


class Call:
    """The inputs of one call of an op: Data, also inside lists and tuples, becomes a tensor."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs
        self.id = ""  # given by the Op: softmax[2], or softmax!2 for what must be refused

    def inputs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """args and kwargs with every Data drawn: float32-exact float64, int64 or bool arrays."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        args = tuple(_drawn(arg, rng) for arg in self.args)
        return args, {name: _drawn(arg, rng) for name, arg in self.kwargs.items()}

    def __repr__(self) -> str:
        keywords = [f"{name}={arg!r}" for name, arg in self.kwargs.items()]
        return f"{self.id}: ({', '.join([*map(repr, self.args), *keywords])})"


def _drawn(value: Any, rng: np.random.Generator) -> Any:
    if isinstance(value, Data):
        return value.draw(rng)
    if isinstance(value, list | tuple):
        return type(value)(_drawn(item, rng) for item in value)
    return value


class Case(Call):
    """One call that must agree with torch: Case(randn(2, 3), dim=1, why="…").

    args, kwargs: as torch's function takes them.
    why: what makes the case awkward. kink: why finite differences must not be taken here.
    flat: why the gradient of an input is zero here. Each is a reason, shown in the report:
    a kinked case has no differences check, and the report counts those by reason.
    chance: what is random here, so that the case cannot be compared with torch number by number and
    is checked for its statistics instead: the keyword that holds the probability with which an
    element is left out, or "normal" where the output is standard normal numbers.
    """

    def __init__(
        self,
        *args: Any,
        why: str = "",
        kink: str = "",
        flat: str = "",
        chance: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(args, kwargs)
        self.why, self.kink, self.flat, self.chance = why, kink, flat, chance


class Reject(Call):
    """A call that must raise error: Reject(IndexError, randn(2, 3), dim=2)."""

    def __init__(self, error: type[Exception], *args: Any, **kwargs: Any) -> None:
        super().__init__(args, kwargs)
        self.error = error


class Op:
    """What an op means: its name, torch's function for it, its cases and what it must refuse."""

    def __init__(
        self,
        name: str,
        torch: Callable[..., Any],
        *cases: Case,
        rejects: Sequence[Reject] = (),
    ) -> None:
        self.name = name
        self.torch = torch
        self.cases = tuple(named(case, f"{name}[{i}]") for i, case in enumerate(cases))
        self.rejects = tuple(named(reject, f"{name}!{i}") for i, reject in enumerate(rejects))

    def __repr__(self) -> str:
        return f"Op({self.name!r}: {len(self.cases)} cases, {len(self.rejects)} rejects)"


C = TypeVar("C", bound=Call)


def named(call: C, id: str) -> C:
    """A copy of the call that goes by id."""
    call = copy.copy(call)
    call.id = id
    return call
