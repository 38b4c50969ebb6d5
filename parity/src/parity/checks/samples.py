"""The inputs of a case and what each engine makes of them, for the report to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..engines import Adapter
from ..spec.case import Array, Call, Case, Op, Reject, floats, transform
from ..spec.skips import reason
from .calling import Called, call, carry_back
from .measure import EPS, InvalidCaseError, distance
from .reference import reference

FEW = 6  # numbers shown of each array


@dataclass(frozen=True)
class Got:
    """An engine's version of an array."""

    engine: str
    head: str  # its first numbers, or what it raised; empty if they look like the wanted ones
    error: float | None = None  # in eps of its dtype, if there is one
    at: str = ""  # where the error is largest
    got: str = ""  # the engine's number there, in full
    want: str = ""  # torch's number there, in full


@dataclass(frozen=True)
class Value:
    """One array of a case."""

    what: str  # such as input 0, output 0, gradient of floating input 0
    shape: tuple[int, ...]
    dtype: str
    want: str  # the first numbers: torch's, or the input's own
    got: list[Got] = field(default_factory=list)


def sample(engines: Sequence[Adapter], op: Op, case: Call) -> list[Value]:
    """The inputs, outputs and gradients of a case; each engine uses its most precise dtype.

    Empty if torch refuses the case, as its checks say.
    """
    if isinstance(case, Case):
        try:
            reference(op, case)
        except InvalidCaseError:
            return []
    inputs: list[Array] = []
    transform(inputs.append, case.inputs())
    values = [_value(f"input {i}", array) for i, array in enumerate(inputs)]
    able = [engine for engine in engines if not reason(engine.name, case.id)]
    if isinstance(case, Reject):
        refused = [Got(engine.name, _refusal(engine, op, case)) for engine in able]
        return [*values, Value("refusal", (), "", case.error.__name__, refused)]
    if not isinstance(case, Case) or case.chance:
        return values  # random outputs cannot be compared
    answer = reference(op, case)
    wanted = {f"output {i}": array for i, array in enumerate(answer.outputs)}
    wanted |= {
        f"gradient of floating input {i}": array
        for i, array in enumerate(answer.gradients)
        if array is not None
    }
    found = {engine: _arrays(engine, op, case) for engine in able}
    for what, want in wanted.items():
        value = _value(what, want)
        for engine, arrays in found.items():
            got = _got(engine, arrays.get(what), want)
            value.got.append(replace(got, head="") if got.head == value.want else got)
        values.append(value)
    return values


def _value(what: str, array: Array) -> Value:
    return Value(what, array.shape, str(array.dtype), head(array))


def head(array: Array) -> str:
    """The first few numbers of an array."""
    shown = [_short(number) for number in array.flat[:FEW].tolist()]
    return " ".join(shown) + (" …" if array.size > FEW else "")


def _short(number: Any) -> str:
    return f"{number:.6g}" if isinstance(number, float) else str(number)


def _arrays(engine: Adapter, op: Op, case: Case) -> dict[str, Array | str]:
    """An engine's outputs and gradients by name; if it raised, that stands for output 0."""
    dtype, found = engine.dtypes[0], dict[str, Array | str]()
    try:
        called = call(engine, op, case, dtype, range(len(floats(case))))
        found |= {f"output {i}": engine.numpy(each) for i, each in enumerate(called.outputs)}
        if reference(op, case).gradients:
            carry_back(called)
            found |= _gradients(called)
    except Exception as error:  # an engine may raise anything, which is then shown
        found.setdefault("output 0", _raised(error))
    return found


def _gradients(called: Called) -> dict[str, Array | str]:
    gradients = {i: called.gradient(i) for i in range(len(called.leaves))}
    return {
        f"gradient of floating input {i}": array
        for i, array in gradients.items()
        if array is not None
    }


def _got(engine: Adapter, array: Array | str | None, want: Array) -> Got:
    if array is None or isinstance(array, str):
        return Got(engine.name, array or "nothing")
    if array.shape != want.shape and array.size:
        return Got(engine.name, f"shape {array.shape}: {head(array)}")
    if array.dtype.kind != "f" or not array.size:
        return Got(engine.name, head(array))
    error, at = distance(array.astype(np.float64), want, EPS[engine.dtypes[0]])
    if not error or at is None:
        return Got(engine.name, head(array), error if np.isfinite(error) else None)
    place = f"[{', '.join(map(str, at))}]" if at else ""
    numbers = repr(float(array[at])), repr(float(want[at]))
    return Got(
        engine.name, head(array), float(error) if np.isfinite(error) else None, place, *numbers
    )


def _refusal(engine: Adapter, op: Op, case: Reject) -> str:
    try:
        call(engine, op, case, engine.dtypes[0])
    except Exception as error:  # of any kind: the check says whether it is the right one
        return _raised(error)
    return "accepted"


def _raised(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
