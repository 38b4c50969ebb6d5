"""Finds where a kernel cut at its barriers would hide that one more barrier is needed.

After a cut all threads of a block wait for each other at the end of every region, even where the
kernel has no barrier: before and after a loop with barriers, between two of its rounds, and where
only the threads of a warp wait. Such a place is a seam:

    for j in range(2):
        shared[t] = x[j]              this region,
        cuda.syncthreads()
        out[t] += shared[0]           and this one meet at a seam, where the next round begins

On a GPU a fast thread may already write shared in the second round while a slow one still reads it
in the first. After a cut that cannot happen, so the race would never show: this kernel must not be
cut. Threads may be on both sides of a seam at the same time, which is harmless if no array that
one side writes is used on the other. Loops are assumed to run at least once, and parameters to be
different arrays.
"""

from __future__ import annotations

import ast
from typing import NamedTuple

from .regions import Control, Part, Region
from .trees import Block, is_barrier, is_warp_barrier, quote
from .uniform import Uniformity
from .uses import NOTHING, Memory, Uses, contended


def missing_barrier(parts: list[Part], uniformity: Uniformity, body: Block) -> str:
    """Where a seam hides something, in words; nothing if none does. parts: those of a body."""
    search = _Search(Memory(uniformity, body))
    search.block(parts, NOTHING, _Exits())
    return search.found


class _Ends(NamedTuple):
    """What is used at the ends of some parts: where other parts may overlap with them."""

    head: Uses  # before the first barrier
    tail: Uses  # since the last one
    is_open: bool = True  # whether there is a way through without any; then these may be the same


class _Exits:
    """What may have been used since the last barrier where threads leave the body of a loop."""

    def __init__(self) -> None:
        self.at_break, self.at_continue = NOTHING, NOTHING
        self.break_is_open = False  # whether a break can be reached without coming to a barrier


class _Search:
    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.found = ""

    def block(self, parts: list[Part], before: Uses, exits: _Exits) -> _Ends:
        """before: what may have been used since a barrier; exits: of the loop around the parts."""
        head, tail, is_open = NOTHING, NOTHING, True
        for part in parts:
            since = tail | before if is_open else tail
            if isinstance(part, ast.Break):
                exits.at_break |= since
                exits.break_is_open |= is_open
                return _Ends(head, NOTHING, False)
            if isinstance(part, ast.Continue):
                exits.at_continue |= since
                return _Ends(head, NOTHING, False)
            ends = self._part(part, since, exits)
            self._meet(tail, ends.head, part)
            head |= ends.head if is_open else NOTHING
            tail = tail | ends.tail if ends.is_open else ends.tail
            is_open = is_open and ends.is_open
        return _Ends(head, tail, is_open)

    def _part(self, part: Part, before: Uses, exits: _Exits) -> _Ends:
        if isinstance(part, Region):
            uses = self.memory.uses(part.statements)
            return _Ends(uses, uses | self.memory.arrivals(part.statements))
        if not isinstance(part, Control):
            of_block = is_barrier(part) and not is_warp_barrier(part)
            return _Ends(NOTHING, NOTHING, not of_block)
        if isinstance(part.node, ast.If):
            body = self.block(part.body, before, exits)
            orelse = self.block(part.orelse, before, exits)
            is_open = body.is_open or orelse.is_open
            return _Ends(body.head | orelse.head, body.tail | orelse.tail, is_open)
        own = _Exits()
        body = self.block(part.body, before, own)
        end_of_round = body.tail | own.at_continue
        self._meet(end_of_round, body.head, part)
        is_open = body.is_open or own.break_is_open
        return _Ends(body.head, end_of_round | own.at_break, is_open)

    def _meet(self, before: Uses, after: Uses, part: Part) -> None:
        """Note what is used on both sides of a seam, the later of which is in a part."""
        names = contended(before, after)
        if names and not self.found:
            node = part.statements[0] if isinstance(part, Region) else part
            where = quote(node.node if isinstance(node, Control) else node)
            self.found = f"no barrier keeps apart what uses {min(names)} before and in {where}"
