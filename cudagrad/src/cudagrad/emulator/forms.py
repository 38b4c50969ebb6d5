"""The forms that a kernel can take as a module that numba compiles, and the choice among them.

one by one   it has no barriers: every thread runs to its end
in step      its barriers are uniform: between them, loops over the threads (see fission)
together     any other barriers: threads are generators, which stop at each
whole grid   as together, but all blocks of the grid wait for each other, too
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numba.core import types
from numba.core.errors import NumbaError
from numba.np.numpy_support import as_dtype

from . import fission, runtime
from .inference import Kind, is_array, type_of, types_of
from .known import Refused
from .module import literal
from .seams import Seams
from .transform import Translation
from .uniform import Block, Uniformity, blocks, is_barrier

ONE_BY_ONE, IN_STEP, TOGETHER = "one by one", "in step", "together"
WHOLE_GRID = "whole grid"


class Form(NamedTuple):
    """A generated module's text, the name of its form, and why it is not `in step`."""

    text: str
    name: str
    why: str


def form_of(translation: Translation, kinds: Sequence[Kind], may_split: bool) -> Form:
    """The form for arguments of these kinds. may_split: whether `in step` is allowed."""
    module, body, parameters, *_ = translation
    if not translation.has_barriers:
        return Form(module.text(parameters, body, "one_by_one"), ONE_BY_ONE, "it has no barriers")
    if translation.of_grid:
        return Form(module.text(parameters, body, "whole_grid"), WHOLE_GRID, "the whole grid waits")
    why = "it was not asked for"
    if may_split:
        try:
            return Form(_split(translation, kinds), IN_STEP, "")
        except fission.Impossible as reason:
            why = str(reason)
    return Form(module.text(parameters, body, "together"), TOGETHER, why)


def _split(translation: Translation, kinds: Sequence[Kind]) -> str:
    """The module of the form `in step`; raises fission.Impossible."""
    module, parameters = translation.module, translation.parameters
    by_name = dict(zip(parameters, kinds, strict=True))
    arrays = {name for name, kind in by_name.items() if is_array(kind)}
    tuples = {name for name, kind in by_name.items() if isinstance(kind, tuple)} - arrays
    arrays |= {array.name for array in translation.shared}
    body = fission.without_returns(translation.body)
    uniform = Uniformity(body, arrays, tuples, module.bodies)
    if assigned := uniform.varying.intersection(parameters):
        raise fission.Impossible(f"threads give the parameter {min(assigned)} values of their own")
    split = fission.Split(body, uniform)
    if seam := Seams(split.parts, uniform, body).found:
        raise fission.Impossible(seam)
    slots = {}
    known = _known(translation, kinds)
    for name, held in known.items():
        own = name in (*uniform.arrays, *split.local_arrays) or not name.isidentifier()
        if not own and any(isinstance(kind, types.Array) for kind in held):
            raise fission.Impossible(f"{name} is an array by another name, or a part of one")
    for name in sorted(split.carried):
        if name in split.local_arrays:
            shape, dtype = split.local_arrays[name]
            slots[fission.slot(name)] = f"_numpy.empty((_threads, *{shape}), {dtype})"
        else:
            dtype = _dtype(name, known.get(name, set()))
            slots[fission.slot(name)] = f"_numpy.zeros(_threads, {dtype})"
    return module.text(parameters, split.body(), "in_step", slots)


def _dtype(name: str, kinds: set[types.Type]) -> str:
    """The dtype of a name's slots, as generated code writes it."""
    if len(kinds) != 1:
        names = " or ".join(sorted(map(str, kinds))) or "nothing that is known"
        raise fission.Impossible(f"{name}, which outlives a barrier, holds {names}")
    (kind,) = kinds
    if not isinstance(kind, types.Integer | types.Float | types.Boolean):
        raise fission.Impossible(f"{name}, which outlives a barrier, is no number, but {kind}")
    return str(literal(as_dtype(kind).type))


def _known(translation: Translation, kinds: Sequence[Kind]) -> dict[str, set[types.Type]]:
    """The types of the local names; barriers have no part in that."""
    body = _without_barriers(translation.body)
    namespace: dict[str, Any] = {"__name__": "cudagrad_inferred"}
    exec(translation.module.definitions(translation.parameters, body), namespace)
    shared = [type_of((array.dtype.char, len(array.shape))) for array in translation.shared]
    try:
        return types_of(namespace["body"], [_thread_type(), *map(type_of, kinds), *shared])
    except (NumbaError, Refused):
        raise fission.Impossible("its types do not fit") from None


@functools.cache
def _thread_type() -> types.Type:
    zero = runtime.Dim3(np.int32(0), np.int32(0), np.int32(0))
    return numba.typeof(runtime.Thread(zero, zero, zero, zero, 0, 0))


def _without_barriers(statements: Block) -> list[ast.stmt]:
    return [
        fission.with_blocks(
            node, *(_without_barriers(getattr(node, name, [])) for name in ("body", "orelse"))
        )
        if blocks(node)
        else node
        for node in statements
        if not is_barrier(node)
    ]
