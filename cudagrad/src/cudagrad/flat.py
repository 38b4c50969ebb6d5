"""Parameters side by side in one array, so that one launch serves them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from . import arrays, device
from .arrays import Array, Shape
from .writes import overwritten

ALIGNMENT = 256  # bytes, a multiple of which each part begins at: what a GPU's own memory does


class Flat:
    """Arrays of one dtype as the parts of one array, and their gradients as those of another.

    The gaps between parts hold zeros, which change no norm. The gradient of a part is given out
    once: asked for again, by a later backward(), all gradients move to a new array, so that the
    old one stays what it was for whoever holds it.
    """

    def __init__(self, members: Sequence[Array]) -> None:
        self.dtype = members[0].dtype
        self.places: list[tuple[int, Shape]] = []
        self.size = 0
        for member in members:
            self.places.append((self.size, member.shape))
            self.size += _room(member)
        self.data = self.packed(members)
        self.parts = self.split(self.data)
        self.gradients: Array | None = None
        self.gradient_parts: list[Array] = []
        self._given: set[int] = set()

    def packed(self, members: Sequence[Array]) -> Array:
        """A new array of copies of arrays like the parts."""
        whole = arrays.zeros((self.size,), self.dtype)
        for member, part in zip(members, self.split(whole), strict=True):
            arrays.copy(member, part)
        return whole

    def split(self, whole: Array) -> list[Array]:
        """The parts of an array like data, not copies."""
        return [device.part(whole, start, shape) for start, shape in self.places]

    def holds(self, number: int, array: Array) -> bool:
        """Whether an array is the gradient given out for a part, where it was given out last."""
        return number in self._given and array is self.gradient_parts[number]

    def gradient(self, number: int) -> Array:
        """Where the gradient of a part may be written."""
        if self.gradients is None or number in self._given:
            self.gradients = arrays.zeros((self.size,), self.dtype)
            self.gradient_parts = self.split(self.gradients)
            self._given = set()
        self._given.add(number)
        return self.gradient_parts[number]

    def forget_gradients(self) -> None:
        """Give the next gradients a new array; this one's memory is free when nobody holds it."""
        self.gradients, self.gradient_parts, self._given = None, [], set()


def _room(member: Array) -> int:
    """How many elements a part takes, with the gap behind it."""
    step = ALIGNMENT // member.dtype.itemsize
    return -(-member.size // step) * step


class Home(NamedTuple):
    """Where a parameter lies: which of the parts of an array it is."""

    flat: Flat
    number: int

    def gradient(self, data: Array) -> Array | None:
        """Where the gradient of a parameter may be written, if its data still lies here."""
        return self.flat.gradient(self.number) if self.is_of(data) else None

    def is_of(self, data: Array) -> bool:
        return data is self.flat.parts[self.number]

    def holds(self, array: Array) -> bool:
        return self.flat.holds(self.number, array)


def joined(gradients: Sequence[tuple[Array, Home | None]]) -> list[Array]:
    """Gradients as few arrays: those of all parts of a Flat, if all are there, as one."""
    alone: list[Array] = []
    together: dict[int, tuple[Flat, dict[int, Array]]] = {}
    for array, home in gradients:
        if home is not None and home.holds(array):
            together.setdefault(id(home.flat), (home.flat, {}))[1][home.number] = array
        else:
            alone.append(array)
    for flat, parts in together.values():
        alone += [flat.gradients] if len(parts) == len(flat.parts) else parts.values()
    return alone


def packed(parameters: Sequence[Any]) -> Flat | None:
    """The Flat of which these tensors, of one dtype, are the parts, or become them now.

    None if some are parts of another Flat, whose other parts step without them, or if together
    they have more elements than kernels count.
    """
    homes = [parameter.home for parameter in parameters]
    flat = homes[0].flat if homes[0] else None
    if flat and homes == [Home(flat, i) for i in range(len(flat.parts))]:
        if _are_brought_home(parameters, flat):
            return flat
    elif any(home and home.is_of(p.data) for home, p in zip(homes, parameters, strict=True)):
        return None
    if sum(_room(parameter.data) for parameter in parameters) >= arrays.COUNTABLE:
        return None
    flat = Flat([parameter.data for parameter in parameters])
    # What was computed of the old arrays is refused as after any other step.
    overwritten(*(parameter.data for parameter in parameters))
    for i, parameter in enumerate(parameters):
        parameter.data, parameter.home = flat.parts[i], Home(flat, i)
    return flat


def _are_brought_home(parameters: Sequence[Any], flat: Flat) -> bool:
    """Copy the data of parameters that were given other arrays back into their parts.

    False if it no longer fits there, after Module.to, say.
    """
    for parameter, part in zip(parameters, flat.parts, strict=True):
        if parameter.data is not part:
            if (parameter.shape, parameter.dtype) != (part.shape, part.dtype):
                return False
            overwritten(parameter.data, part)
            parameter.data = arrays.copy(parameter.data, part)
    return True


class Whole(NamedTuple):
    """An optimizer's states of all parts of a Flat as one state, for one launch."""

    flat: Flat
    state: dict[str, Any]  # "step", and arrays like flat.data
    parts: dict[str, list[Array]]  # what of those arrays belongs to each part, by name

    def is_of(self, states: Sequence[dict[str, Any]]) -> bool:
        """Whether the states still hold these parts, and not other arrays, such as loaded ones."""
        return all(
            state.keys() == self.state.keys()
            and all(state[name] is parts[i] for name, parts in self.parts.items())
            for i, state in enumerate(states)
        )

    def hand_out(self, states: Sequence[dict[str, Any]]) -> None:
        """Give each of the parts its state."""
        for name, value in self.state.items():
            if name != "step" and name not in self.parts:
                self.parts[name] = self.flat.split(value)
            for i, state in enumerate(states):
                state[name] = value if name == "step" else self.parts[name][i]


def as_one(flat: Flat, states: Sequence[dict[str, Any]], known: Whole | None) -> Whole | None:
    """The states of all parts as one; None if the parts have not all made the same steps.

    known: what was returned the last time, which is returned again if it still holds.
    """
    first = states[0]
    for state in states:
        if state.keys() != first.keys() or state.get("step") != first.get("step"):
            return None
    if known and known.flat is flat and known.is_of(states):
        if "step" in first:
            known.state["step"] = first["step"]  # which is another if a state has been loaded
        return known
    whole = Whole(flat, {}, {})
    for name, value in first.items():
        each = [state[name] for state in states]
        whole.state[name] = value if name == "step" else flat.packed(each)
    whole.hand_out(states)
    return whole
