"""Loop fission: a kernel with barriers as loops over the threads, one between each two barriers.

The plain way to run a block is one loop over its threads, each of which may stop at a barrier.
Where all threads provably reach the same barriers in the same order, the barriers can be moved out
of that loop, which then becomes several, without any barrier in them:

    shared[t] = x[t]                  for every thread: shared[t] = x[t]
    cuda.syncthreads()
    half = n // 2                     half = n // 2
    while half > 0:                   while half > 0:
        if t < half: …                    for every thread: if t < half: …
        cuda.syncthreads()
        half //= 2                        half //= 2

The steps, each in a module of its own: what is uniform; where to cut; whether the cuts would hide
that a barrier is missing (seams); what threads carry from one loop to another (slots). The text is
put together here. docs/emulator.md shows it for a whole kernel.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from numba.core import types

from .inference import Kind, holds_arrays, type_of
from .regions import CannotCut, Control, Part, Region, cut, without_returns
from .seams import missing_barrier
from .slots import Slots, local_arrays, types_of_names
from .transform import Translation
from .trees import Block, is_barrier, with_blocks
from .uniform import Uniformity

LOOP = """
_rank, _step = _loops.order_of(_record, _threads)
for _turn in range(_threads):
    _thread = _loops.thread_of(_thread, _dims, _record, _rank)
    _rank = _loops.following(_rank, _step, _threads)
"""


def fissioned(translation: Translation, kinds: Sequence[Kind]) -> str:
    """The module of a kernel cut at its barriers, for such arguments; raises CannotCut."""
    body = without_returns(translation.body)
    uniformity = _uniformity(translation, kinds, body)
    own_arrays = local_arrays(body)
    parts = cut(body, uniformity)
    if seam := missing_barrier(parts, uniformity, body):
        raise CannotCut(seam)
    slots = Slots(parts, uniformity, own_arrays)
    known = types_of_names(translation, kinds)
    _refuse_other_arrays(known, uniformity.arrays.keys() | own_arrays.keys())
    made = slots.made(known)
    return translation.module.text(translation.parameters, _written(parts, slots), "in_step", made)


def _uniformity(translation: Translation, kinds: Sequence[Kind], body: Block) -> Uniformity:
    """That of a kernel's body, given what its parameters are; raises CannotCut."""
    by_name = dict(zip(translation.parameters, kinds, strict=True))
    arrays = {name for name, kind in by_name.items() if holds_arrays(type_of(kind))}
    tuples = {name for name, kind in by_name.items() if isinstance(kind, tuple)} - arrays
    memory = {name: name for name in arrays}
    memory |= {array.name: array.memory for array in translation.shared}
    uniformity = Uniformity(body, memory, tuples, translation.module.functions.values())
    if assigned := uniformity.varying.intersection(translation.parameters):
        raise CannotCut(f"threads give the parameter {min(assigned)} values of their own")
    return uniformity


def _refuse_other_arrays(known: dict[str, set[types.Type]], arrays: set[str]) -> None:
    """Raise CannotCut for an array that is not one of these: seams would not know whose it is.

    known: the types of the local names; those that numba makes up are no identifiers.
    """
    for name, kinds in known.items():
        if name in arrays or not name.isidentifier():
            continue
        if any(map(holds_arrays, kinds)):
            raise CannotCut(f"{name} is an array by another name, or a part of one")


def _written(parts: list[Part], slots: Slots) -> list[ast.stmt]:
    """The statements of a block that has been cut: its barriers are gone."""
    done: list[ast.stmt] = []
    for part in parts:
        if isinstance(part, Region):
            done += _loop(part, slots)
        elif isinstance(part, Control):
            inside = [*slots.counted(part.node), *_written(part.body, slots)]
            done.append(with_blocks(part.node, inside, _written(part.orelse, slots)))
        elif not is_barrier(part):
            done.append(part)
    return done


def _loop(region: Region, slots: Slots) -> list[ast.stmt]:
    """The turns of all threads in a region."""
    *ahead, loop = ast.parse(LOOP).body
    assert isinstance(loop, ast.For)
    thread, following = loop.body
    here = map(slots.in_slot, region.statements)
    loop.body = [thread, *slots.loads(region), *here, *slots.stores(region), following]
    return [*ahead, loop]
