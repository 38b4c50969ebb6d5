"""What a spec entry is made of: an op, its cases, and the calls that it must refuse.

Inputs are described, not stored. They are drawn from a seed made of the case's id, so that no two
cases share numbers, and the order in which cases run does not matter.
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
    """How to draw an input array."""

    text: str  # the call in the spec, to be shown
    draw: Callable[[np.random.Generator], Array]

    def __repr__(self) -> str:
        return self.text


class Constant(np.ndarray[Any, Any]):
    """Floats that cannot require a gradient, such as running statistics and class weights."""


def constant(data: Data) -> Data:
    """Make data an input for which torch has no gradient."""
    return Data(f"constant({data})", lambda rng: data.draw(rng).view(Constant))


def randn(*shape: int) -> Data:
    """Standard normal numbers."""
    return _float(f"randn({_text(shape)})", lambda rng: rng.standard_normal(shape))


def uniform(*shape: int, low: float, high: float) -> Data:
    """Uniform numbers from [low, high), for ops with a limited domain such as log."""
    text = f"uniform({_text(shape)}, low={low}, high={high})"
    return _float(text, lambda rng: rng.uniform(low, high, shape))


def values(numbers: Any) -> Data:
    """Exactly these floats, for ties, infinities and large magnitudes."""
    return _float(f"values({numbers})", lambda rng: np.array(numbers, np.float64))


def integers(*shape: int, low: int, high: int) -> Data:
    """Uniform int64 from [low, high)."""
    text = f"integers({_text(shape)}, low={low}, high={high})"
    return Data(text, lambda rng: np.asarray(rng.integers(low, high, shape)))


def ints(numbers: Any) -> Data:
    """Exactly these int64."""
    return Data(f"ints({numbers})", lambda rng: np.array(numbers, np.int64))


def bools(flags: Any) -> Data:
    """Exactly these booleans."""
    return Data(f"bools({flags})", lambda rng: np.array(flags, np.bool_))


def mask(*shape: int) -> Data:
    """Random booleans."""
    return Data(f"mask({_text(shape)})", lambda rng: np.asarray(rng.random(shape) < 0.5))


def _text(shape: tuple[int, ...]) -> str:
    return ", ".join(map(str, shape))


def _float(text: str, draw: Callable[[np.random.Generator], Array]) -> Data:
    return Data(text, lambda rng: exact(np.asarray(draw(rng))))


def exact(numbers: Array) -> Array:
    """Round to float32, as float64: rounding the inputs should not count as an engine's error.

    Raises OverflowError for numbers that would become infinite.
    """
    with np.errstate(over="ignore"):
        rounded = numbers.astype(np.float32).astype(np.float64)
    if (np.isinf(rounded) & np.isfinite(numbers)).any():
        raise OverflowError(
            f"a number is beyond float32, which ends at {np.finfo('float32').max:.2g}"
        )
    return rounded


class Call:
    """The arguments of a call; Data becomes a tensor, also inside lists and tuples."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.args = args
        self.kwargs = kwargs
        self.id = ""  # set by the Op: softmax[2], or softmax!2 for a call that must be refused

    def inputs(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """args and kwargs with Data drawn: float64 (exact in float32), int64 or bool arrays."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        args, kwargs = transform(lambda data: data.draw(rng), (self.args, self.kwargs), Data)
        return args, kwargs

    def __repr__(self) -> str:
        keywords = [f"{name}={arg!r}" for name, arg in self.kwargs.items()]
        return f"{self.id}: ({', '.join([*map(repr, self.args), *keywords])})"


def floats(call: Call) -> list[Array]:
    """The inputs of a call that can require a gradient, in the order of its arguments."""
    found: list[Array] = []
    transform(found.append, call.inputs())
    return [array for array in found if variable(array)]


def variable(array: Array) -> bool:
    """Whether an input can require a gradient."""
    return array.dtype.kind == "f" and not isinstance(array, Constant)


def transform(function: Callable[[Any], Any], value: Any, kind: Any = np.ndarray) -> Any:
    """Apply function to every array inside nested lists, tuples and dicts, in order.

    kind: a class, or several, whose instances are meant instead of arrays.
    """
    if isinstance(value, kind):
        return function(value)
    if isinstance(value, list | tuple):
        return type(value)(transform(function, item, kind) for item in value)
    if isinstance(value, dict):
        return {name: transform(function, item, kind) for name, item in value.items()}
    return value


class Case(Call):
    """A call that must agree with torch, with the arguments of torch's function.

    Case(randn(2, 3), dim=1, why="…")

    why, kink and flat are reasons, which the report shows. why: what is awkward about the case.
    kink: why it has no finite differences; it then has no differences check. flat: why the gradient
    of an input is zero.
    chance: set if the output is random, and must be judged by its statistics. It is "normal" for
    standard normal numbers, or the keyword argument with the probability of dropping an element.
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
    """A call that must raise an error: Reject(IndexError, randn(2, 3), dim=2)."""

    def __init__(self, error: type[Exception], *args: Any, **kwargs: Any) -> None:
        super().__init__(args, kwargs)
        self.error = error


class Op:
    """An op: its name, torch's function for it, cases, and calls that must be refused."""

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
    """A copy of the call with this id."""
    call = copy.copy(call)
    call.id = id
    return call
