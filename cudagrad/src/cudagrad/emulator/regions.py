"""Cuts a kernel at its barriers into regions: what every thread does between two of them.

    shared[t] = x[t]                  Region: shared[t] = x[t]
    cuda.syncthreads()                a barrier
    half = n // 2                     half = n // 2, once for the block
    while half > 0:                   Control: while half > 0
        if t < half: …                    Region: if t < half: …
        cuda.syncthreads()                a barrier
        half //= 2                        half //= 2, once for the block

That needs control flow around barriers that is uniform: the same in all threads (see uniform).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from .trees import (
    Block,
    is_barrier,
    is_control,
    is_for_some_lanes,
    quote,
    stored,
    walk,
    with_blocks,
)
from .uniform import Uniformity


class CannotCut(Exception):  # noqa: N818 -- no fault: the kernel runs as generators
    """Why a kernel cannot be cut at its barriers."""


class Region(NamedTuple):
    """What every thread does, from its own beginning to its own end, between two cuts."""

    statements: list[ast.stmt]

    def uses(self, names: set[str]) -> bool:
        return any(isinstance(n, ast.Name) and n.id in names for n in walk(self.statements))


class Control(NamedTuple):
    """A loop or an `if` with barriers in it, which all threads of a block go through together."""

    node: ast.If | ast.While | ast.For
    body: list[Part]
    orelse: list[Part]


# What a kernel is cut into. A statement is a barrier, a break or continue, or uniform: one that the
# block carries out once, for all of its threads.
Part = Region | Control | ast.stmt


def cut(statements: Block, uniformity: Uniformity) -> list[Part]:
    """The parts of statements, in order; raises CannotCut."""
    done: list[Part] = []
    region = Region([])
    for node in statements:
        if is_control(node):
            done += [region, _control(node, uniformity)]
            region = Region([])
        elif not uniformity.sets_uniform(node):
            region.statements.append(node)
        else:
            if region.uses(stored(node)):
                done.append(region)
                region = Region([])
            done.append(node)  # ahead of the region, on which it cannot depend
    done.append(region)
    return [part for part in done if not isinstance(part, Region) or part.statements]


def _control(node: ast.stmt, uniformity: Uniformity) -> Part:
    if is_for_some_lanes(node):
        raise CannotCut("lanes of a warp wait for some of the others alone")
    if is_barrier(node) or isinstance(node, ast.Break | ast.Continue):
        return node
    if not isinstance(node, ast.If | ast.While | ast.For):
        raise CannotCut(f"a barrier stands inside {quote(node)}")
    if isinstance(node, ast.For | ast.While) and node.orelse:
        raise CannotCut(f"{quote(node)} has an else")
    if not uniformity.is_uniform(node.iter if isinstance(node, ast.For) else node.test):
        raise CannotCut(f"threads may differ in {quote(node)}, which holds a barrier")
    return Control(node, cut(node.body, uniformity), cut(node.orelse, uniformity))


def regions(parts: list[Part]) -> Iterator[Region]:
    """All regions, those inside control flow too."""
    for part in parts:
        if isinstance(part, Region):
            yield part
        elif isinstance(part, Control):
            yield from regions([*part.body, *part.orelse])


def without_returns(statements: Block) -> list[ast.stmt]:
    """The same without return: what follows an `if` that returns moves into its else.

    So an early return becomes control flow like any other. Raises CannotCut for a return inside a
    loop, and one that only some ways through an if reach.
    """
    for i, node in enumerate(statements):
        ahead, rest = list(statements[:i]), list(statements[i + 1 :])
        if isinstance(node, ast.Return):
            return ahead
        if not any(isinstance(part, ast.Return) for part in ast.walk(node)):
            continue
        if not isinstance(node, ast.If):
            raise CannotCut(f"a return stands inside {quote(node)}")
        if _returns(node.body):
            body, orelse = without_returns(node.body), without_returns([*node.orelse, *rest])
        elif _returns(node.orelse):
            body, orelse = without_returns([*node.body, *rest]), without_returns(node.orelse)
        else:
            raise CannotCut(f"only some ways through {quote(node)} return")
        return [*ahead, with_blocks(node, body, orelse)]
    return list(statements)


def _returns(statements: Block) -> bool:
    return any(isinstance(node, ast.Return) for node in statements)
