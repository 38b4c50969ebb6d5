"""The faster form of a kernel with barriers: between them, loops over the threads of a block.

Where all threads of a block provably reach the same barriers in the same order, the barriers can
be moved out of the loop over the threads ("loop fission"):

    shared[t] = x[t]                  for every thread: shared[t] = x[t]; …
    while half > 0:                   while half > 0:
        if t < half: …                    for every thread: if t < half: …
        cuda.syncthreads()
        half //= 2                        half //= 2

What is uniform, the same in all threads (see uniform), is computed once for the block. A local
variable that lives from one stretch to another gets a slot for each thread: it is loaded at the
beginning of the thread's turn, and stored at its end. numba infers the slots' types (see
inference). A kernel that cannot be cut stays a generator, as transform made it.
"""

from __future__ import annotations

import ast
import copy
from typing import Any, NamedTuple

from .uniform import Block, Uniformity, is_barrier, is_control, quote, stored, walk

LOOP = """
_rank, _step = _loops.turns(_record, _threads)
for _ in range(_threads):
    _thread = _loops.turn(_thread, _dims, _record, _rank)
    _rank = _loops.following(_rank, _step, _threads)
"""


class Impossible(Exception):  # noqa: N818 -- no fault: the other form runs
    """Why a kernel cannot take this form."""


class Stretch:
    """What every thread does between two places where the threads of a block wait."""

    def __init__(self) -> None:
        self.statements: list[ast.stmt] = []

    def uses(self, names: set[str]) -> bool:
        return any(isinstance(n, ast.Name) and n.id in names for n in walk(self.statements))


class Branch(NamedTuple):
    """A loop or an `if` that all threads of a block go through together."""

    node: ast.If | ast.While | ast.For
    body: list[Part]
    orelse: list[Part]


# What a block of statements is cut into; a statement is a barrier, or for the block as a whole.
Part = Stretch | Branch | ast.stmt


class Split:
    """A kernel cut at its barriers. carried: the names that need a slot for each thread."""

    def __init__(self, body: Block, uniform: Uniformity) -> None:
        """Raises Impossible."""
        self.uniform = uniform
        self.local_arrays = _local_arrays(body)
        self.carried = set(self.local_arrays)
        self.parts = self._cut(body)

    def _cut(self, statements: Block) -> list[Part]:
        done: list[Part] = []
        stretch = Stretch()
        for node in statements:
            if is_control(node):
                done += [self._close(stretch), self._control(node)]
                stretch = Stretch()
            elif not self.uniform.statement(node):
                stretch.statements.append(node)
            else:
                if stretch.uses(stored(node)):
                    done.append(self._close(stretch))
                    stretch = Stretch()
                done.append(node)  # ahead of the stretch, on which it cannot depend
        done.append(self._close(stretch))
        return [part for part in done if not isinstance(part, Stretch) or part.statements]

    def _close(self, stretch: Stretch) -> Stretch:
        """The variables that a stretch needs from others have to be carried."""
        self.carried |= _needs(stretch.statements, set())[0] & self.uniform.varying
        return stretch

    def _control(self, node: ast.stmt) -> Part:
        if is_barrier(node) or isinstance(node, ast.Break | ast.Continue):
            return node
        if not isinstance(node, ast.If | ast.While | ast.For):
            raise Impossible(f"a barrier stands inside {quote(node)}")
        if not self.uniform.expression(node.iter if isinstance(node, ast.For) else node.test):
            raise Impossible(f"threads may differ in {quote(node)}, which holds a barrier")
        return Branch(node, self._cut(node.body), self._cut(node.orelse))

    def body(self, parts: list[Part] | None = None) -> list[ast.stmt]:
        """The statements of the whole kernel, for a block; or those of some of its parts."""
        done: list[ast.stmt] = []
        for part in self.parts if parts is None else parts:
            if isinstance(part, Stretch):
                done += self._loop(part)
            elif isinstance(part, Branch):
                inside = [*self._counted(part.node), *self.body(part.body)]
                done.append(with_blocks(part.node, inside, self.body(part.orelse)))
            elif not is_barrier(part):
                done.append(part)
        return done

    def _counted(self, node: ast.stmt) -> list[ast.stmt]:
        """Let every thread have what a loop counts with, if it has a slot of that name."""
        names = stored(node.target) if isinstance(node, ast.For) else set()
        carried = self.carried - set(self.local_arrays)
        return _lines([f"{slot(name)}[:] = {name}" for name in names & carried])

    def _loop(self, stretch: Stretch) -> list[ast.stmt]:
        """The turns of all threads: what is carried is loaded, and stored if it has changed."""
        needs, certain = _needs(stretch.statements, set())
        changes = set().union(*map(stored, stretch.statements))
        arrays = self.carried & set(self.local_arrays)
        numbers = self.carried - arrays
        loads = [f"{n} = {slot(n)}[_thread.rank]" for n in numbers & (needs | changes - certain)]
        loads += [f"{n} = _runtime.row({slot(n)}, _thread.rank)" for n in arrays & needs]
        stores = [f"{slot(n)}[_thread.rank] = {n}" for n in numbers & changes]
        here = [self._in_slot(statement) for statement in stretch.statements]
        *ahead, loop = ast.parse(LOOP).body
        assert isinstance(loop, ast.For)
        turn, following = loop.body
        loop.body = [turn, *_lines(loads), *here, *_lines(stores), following]
        return [*ahead, loop]

    def _in_slot(self, statement: ast.stmt) -> ast.stmt:
        """A statement, or, if it makes a local array, one that takes it from its slot."""
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) if name in self.local_arrays:
                mine = f"_runtime.row({slot(name)}, _thread.rank)"
                return ast.parse(f"{name} = _runtime.wiped({mine})").body[0]
        return statement


def slot(name: str) -> str:
    """What a slot is called, of which there is one for each thread."""
    return f"_slot_{name}"


def _lines(statements: list[str]) -> list[ast.stmt]:
    return ast.parse("\n".join(sorted(statements))).body


def _local_arrays(body: Block) -> dict[str, tuple[tuple[int, ...], str]]:
    """The arrays that threads have of their own, each made in one place: shape and dtype."""
    found = {}
    for node in walk(body):
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(
                    func=ast.Attribute(attr="wiped"), args=[ast.Call(args=[shape, dtype])]
                ),
            ):
                if name in found:
                    raise Impossible(f"{name} stands for more than one local array")
                found[name] = (ast.literal_eval(shape), ast.unparse(dtype))
    return found


def _needs(statements: Block, given: set[str]) -> tuple[set[str], set[str]]:
    """The names that statements may read before they set them, and those that are surely set."""
    needs: set[str] = set()
    given = set(given)
    for node in statements:
        match node:
            case ast.If():
                needs |= loaded(node.test) - given
                first, second = _needs(node.body, given), _needs(node.orelse, given)
                needs |= first[0] | second[0]
                given = first[1] & second[1]
            case ast.While():
                needs |= loaded(node.test) - given | _needs(node.body, given)[0]
            case ast.For():
                needs |= loaded(node.iter) - given
                needs |= _needs(node.body, given | stored(node.target))[0]
            case ast.AugAssign(target=ast.Name(id=name)):
                needs |= ({name} | loaded(node.value)) - given
            case _:
                needs |= loaded(node) - given
        if isinstance(node, ast.Assign | ast.AugAssign):
            given |= stored(node)
    return needs, given


def loaded(node: ast.AST) -> set[str]:
    """The names whose values are asked for."""
    names = (part for part in ast.walk(node) if isinstance(part, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Load)}


def without_returns(statements: Block) -> list[ast.stmt]:
    """The same without return: what follows an `if` that returns moves into its else.

    Raises Impossible for a return inside a loop, and one that only some ways through an if reach.
    """
    for i, node in enumerate(statements):
        ahead, rest = list(statements[:i]), list(statements[i + 1 :])
        if isinstance(node, ast.Return):
            return ahead
        if not any(isinstance(part, ast.Return) for part in ast.walk(node)):
            continue
        if not isinstance(node, ast.If):
            raise Impossible(f"a return stands inside {quote(node)}")
        if _returns(node.body):
            body, orelse = without_returns(node.body), without_returns([*node.orelse, *rest])
        elif _returns(node.orelse):
            body, orelse = without_returns([*node.body, *rest]), without_returns(node.orelse)
        else:
            raise Impossible(f"only some ways through {quote(node)} return")
        return [*ahead, with_blocks(node, body, orelse)]
    return list(statements)


def with_blocks(node: Any, body: Block, orelse: Block) -> ast.stmt:
    """A compound statement with other blocks."""
    new = copy.copy(node)
    new.body, new.orelse = list(body) or [ast.Pass()], list(orelse)
    return new


def _returns(statements: Block) -> bool:
    return any(isinstance(node, ast.Return) for node in statements)
