"""What a thread keeps from one region to another, and the slots in which it waits meanwhile.

When a kernel is cut, a local variable no longer lives in a thread of its own. One that is set in a
region and read in another is carried: it gets a slot for each thread of the block, which a region
loads at the beginning of the thread's turn, and stores at its end. Slots are arrays, so their dtype
must be known before anything is compiled; numba infers it (see inference).
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence

import numba
import numpy as np
from numba.core import types
from numba.core.errors import NumbaError
from numba.np.numpy_support import as_dtype

from . import runtime
from .inference import Kind, type_of, types_of
from .module import literal
from .regions import CannotCut, Part, Region, regions
from .transform import Translation
from .trees import Block, blocks, is_barrier, loaded, stored, walk, with_blocks
from .uniform import Uniformity

LocalArrays = dict[str, tuple[tuple[int, ...], str]]  # shape and dtype, by name


class Slots:
    """The names that need slots. Local arrays always do; their slots hold all of their elements."""

    def __init__(self, parts: list[Part], uniformity: Uniformity, arrays: LocalArrays) -> None:
        self.arrays = arrays
        needed = (_flow(region.statements)[0] for region in regions(parts))
        self.numbers = set().union(*needed) & uniformity.varying - arrays.keys()

    def loads(self, region: Region) -> list[ast.stmt]:
        """What gives a thread's names the values of its slots, at the beginning of its turn."""
        needs, certain = _flow(region.statements)
        perhaps = _changes(region) - certain  # a thread that does not set it stores it nonetheless
        lines = [f"{n} = {slot(n)}[_thread.rank]" for n in self.numbers & (needs | perhaps)]
        lines += [f"{n} = {_row(n)}" for n in self.arrays.keys() & needs]
        return _parsed(lines)

    def stores(self, region: Region) -> list[ast.stmt]:
        """What puts into a thread's slots what may have changed, at the end of its turn."""
        changed = self.numbers & _changes(region)
        return _parsed([f"{slot(n)}[_thread.rank] = {n}" for n in changed])

    def in_slot(self, statement: ast.stmt) -> ast.stmt:
        """A statement, or, if it makes a local array, one that takes it from its slot."""
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) if name in self.arrays:
                return ast.parse(f"{name} = _runtime.wiped({_row(name)})").body[0]
        return statement

    def counted(self, node: ast.stmt) -> list[ast.stmt]:
        """What tells every thread the number of a loop's round, if that name has slots."""
        names = stored(node.target) if isinstance(node, ast.For) else set()
        return _parsed([f"{slot(name)}[:] = {name}" for name in names & self.numbers])

    def made(self, known: dict[str, set[types.Type]]) -> dict[str, str]:
        """The arrays of slots, and how each is made. known: the types of the local names."""
        made = {}
        for name in sorted(self.numbers | self.arrays.keys()):
            if name in self.arrays:
                shape, dtype = self.arrays[name]
                made[slot(name)] = f"_numpy.empty((_threads, *{shape}), {dtype})"
            else:
                made[slot(name)] = f"_numpy.zeros(_threads, {_dtype(name, known.get(name, set()))})"
        return made


def slot(name: str) -> str:
    """What the array of a name's slots is called."""
    return f"_slot_{name}"


def _row(name: str) -> str:
    """A thread's local array."""
    return f"_runtime.row({slot(name)}, _thread.rank)"


def _parsed(lines: list[str]) -> list[ast.stmt]:
    return ast.parse("\n".join(sorted(lines))).body


def _changes(region: Region) -> set[str]:
    return set().union(*map(stored, region.statements))


def _flow(statements: Block, given: frozenset[str] = frozenset()) -> tuple[set[str], set[str]]:
    """The names that statements may read before they set them, and those that are surely set.

    given: names that are set before. The first are live at the beginning, in compilers' terms.
    """
    needs: set[str] = set()
    certain = set(given)
    for node in statements:
        now = frozenset(certain)
        match node:
            case ast.If():
                needs |= loaded(node.test) - now
                first, second = _flow(node.body, now), _flow(node.orelse, now)
                needs |= first[0] | second[0]
                certain = first[1] & second[1]
            case ast.While():
                needs |= loaded(node.test) - now | _flow(node.body, now)[0]
                needs |= _flow(node.orelse, now)[0]
            case ast.For():
                needs |= loaded(node.iter) - now | _flow(node.orelse, now)[0]
                needs |= _flow(node.body, now | stored(node.target))[0]
            case ast.AugAssign(target=ast.Name(id=name)):
                needs |= ({name} | loaded(node.value)) - now
            case _:
                needs |= loaded(node) - now
        if isinstance(node, ast.Assign | ast.AugAssign):
            certain |= stored(node)
    return needs, certain


def local_arrays(body: Block) -> LocalArrays:
    """The arrays that threads have of their own, each made in one place; raises CannotCut."""
    found: LocalArrays = {}
    for node in walk(body):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(
                    func=ast.Attribute(attr="wiped"), args=[ast.Call(args=[shape, dtype])]
                ),
            ):
                if name in found:
                    raise CannotCut(f"{name} stands for more than one local array")
                found[name] = (ast.literal_eval(shape), ast.unparse(dtype))
    return found


# Types


def _dtype(name: str, kinds: set[types.Type]) -> str:
    """The dtype of a name's slots, as generated code writes it."""
    if len(kinds) != 1:
        names = " or ".join(sorted(map(str, kinds))) or "nothing that is known"
        raise CannotCut(f"{name}, which outlives a barrier, holds {names}")
    (kind,) = kinds
    if not isinstance(kind, types.Integer | types.Float | types.Boolean):
        raise CannotCut(f"{name}, which outlives a barrier, is no number, but {kind}")
    return str(literal(as_dtype(kind).type))


def types_of_names(translation: Translation, kinds: Sequence[Kind]) -> dict[str, set[types.Type]]:
    """The types of a kernel's local names; barriers have no part in that. Raises CannotCut."""
    body = _without_barriers(translation.body)
    function = translation.module.typed(translation.parameters, body)
    shared = [type_of((array.dtype.char, len(array.shape))) for array in translation.shared]
    try:
        return types_of(function, [_thread_type(), *map(type_of, kinds), *shared])
    except NumbaError:
        raise CannotCut("its types do not fit") from None


@functools.cache
def _thread_type() -> types.Type:
    zero = runtime.Dim3(np.int32(0), np.int32(0), np.int32(0))
    return numba.typeof(runtime.Thread(zero, zero, zero, zero, 0, 0))


def _without_barriers(statements: Block) -> list[ast.stmt]:
    return [
        with_blocks(
            node, *(_without_barriers(getattr(node, name, [])) for name in ("body", "orelse"))
        )
        if blocks(node)
        else node
        for node in statements
        if not is_barrier(node)
    ]
