"""A kernel's source, rewritten as statements that numba compiles for the CPU.

    in a kernel                       here
    cuda.threadIdx.x                  _thread.threadIdx.x
    cuda.grid(1)                      _runtime.grid1(_thread)
    shared = cuda.shared.array(…)     shared = _shared_1, a parameter
    mine = cuda.local.array(…)        mine = _runtime.wiped(_numpy.empty(…))
    x[i]                              x[_runtime.checked(x, i, 1, _thread.record)]
    cuda.atomic.add(x, i, 1)          _atomics.add(x, _runtime.checked(…), 1)
    cuda.syncthreads()                yield 2
    cuda.shfl_sync(mask, v, lane)     give v; yield -3; take a lane's; yield -4
    print("x", x[i])                  _printing.printed("x %v\\n", (x[_runtime.checked(…)],))
    while more: …                     the same; without a barrier in it, it counts its turns

`_thread` is a hidden first parameter, which holds the thread's coordinates. The numbers stand for
places in the kernel, which error messages name; that of a warp's barrier is negative. A kernel with
a `yield` is a generator: it stops there and is resumed when all threads of the block, or of the
warp, have reached it. It keeps its local variables meanwhile, so a barrier may stand anywhere.

A device function becomes a function of the same module, and takes `_thread` too. One that has
barriers or shared memory is inlined where it is called, since a `yield` stops only the function
that it stands in.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn, TypeGuard

import numpy as np
from numba.core import types
from numba.np.numpy_support import as_dtype

from . import instructions, printing
from .errors import UnsupportedError
from .libdevice import LIBDEVICE
from .module import Callee, Module, Place, Shared, literal
from .names import (
    ATOMICS,
    BARRIER,
    BLOCK_VOTES,
    CALLED,
    CONSTANT_LIKE,
    COORDINATES,
    GRIDS,
    HINTED_LOADS,
    HINTED_STORES,
    INSTRUCTIONS,
    LANE_MASKS,
    LOCAL,
    MATCHES,
    SHARED,
    SHUFFLES,
    THIS_GRID,
    WAITING,
    WARP_BARRIER,
    Names,
    cuda,
)
from .refusals import (
    CONSTANT,
    NO_RECORDS,
    NO_TARGET,
    ONE_AXIS,
    not_for_kernels,
    unusable,
    why_no_array,
    why_no_dtype,
    why_no_operator,
    why_no_value,
)
from .source import DeviceFunction, Source
from .trees import (
    assign,
    call,
    from_front,
    is_constant,
    is_of_grid,
    is_repeatable,
    known,
    parse,
    parts,
    walk,
)
from .warps import ALL_LANES, WARP
from .wide import Access

INTRINSICS = f"{__package__}.intrinsics"

UNDERSTOOD = (
    *(ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.If, ast.While, ast.For),
    *(ast.Return, ast.Pass, ast.Break, ast.Continue),
    *(ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.Call),
    *(ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.keyword),
    *(ast.operator, ast.unaryop, ast.boolop, ast.cmpop, ast.expr_context),
)


class Translation(NamedTuple):
    """A kernel as statements that numba compiles, when forms has put them into a module."""

    source: Source
    module: Module  # all but the kernel itself: constants, device functions, shared arrays
    body: list[ast.stmt]
    parameters: tuple[str, ...]  # as they are called in the module
    shared: tuple[Shared, ...]
    places: tuple[Place, ...]
    has_barriers: bool
    of_grid: bool  # whether any barrier is for the whole grid

    @property
    def device_functions(self) -> list[Callable[..., Any]]:
        """Those that it calls, as they were written."""
        return [device.function for device in self.module.functions]

    @property
    def key(self) -> str:
        """A text that determines all its forms."""
        return self.module.called_text + self.module.text(self.parameters, self.body, "")


def translate(kernel: Callable[..., Any]) -> Translation:
    source, module = Source(kernel), Module()
    rewriter = Rewriter(module, source)
    body = rewriter.block(source.definition.body)
    for node in ast.walk(source.definition):
        if isinstance(node, ast.Return):
            source.refuse_result(node)
    barriers = [node for node in walk(body) if isinstance(node, ast.Yield)]
    of_grid = any(map(is_of_grid, barriers))
    if of_grid and module.copies:
        source.refuse(source.line, "a grid that waits is not for copies in flight")
    shared = tuple(module.shared.values())
    places = tuple(module.places)
    names = rewriter.parameters
    return Translation(source, module, body, names, shared, places, bool(barriers), of_grid)


def must_be_inlined(source: Source, callers: tuple[Source, ...] = ()) -> bool:
    """Whether a device function, or one that it calls, has barriers or shared memory."""
    if source in callers:
        source.refuse(source.line, "a device function cannot call itself")
    for node in ast.walk(source.definition):
        if not isinstance(node, ast.Call):
            continue
        value, path = source.resolve(node.func) or (None, ())
        if value is cuda and path in (SHARED, *WAITING):
            return True
        callee = value.source if isinstance(value, DeviceFunction) else None
        if callee and must_be_inlined(callee, (*callers, source)):
            return True
    return False


class Rewriter(ast.NodeVisitor):
    """Rewrites one function: each visit returns what a node becomes, and leaves the node alone.

    What an expression needs done first, such as the wait of a shuffle, goes ahead of its statement.
    """

    def __init__(self, module: Module, source: Source) -> None:
        self.module = module
        self.source = source
        # What stands for a local name, if not itself: _name is for names of ours.
        like_ours = sorted(name for name in source.locals if re.match("_+[^_]", name))
        self.names: dict[str, ast.expr] = {name: self.fresh(name) for name in like_ours}
        self.result: ast.Name | None = None  # what a returned value is called, if not returned
        self.statement: ast.stmt = source.definition  # the one at hand
        self.ahead: list[ast.stmt] = []  # what must be done before it
        self.grids: set[str] = set()  # names for the grid, of which only sync() can be asked
        self.once = True  # whether the expression at hand is evaluated exactly once

    @property
    def parameters(self) -> tuple[str, ...]:
        """What the function's parameters are called when it has been rewritten."""
        return tuple(getattr(self.names.get(name), "id", name) for name in self.source.parameters)

    def refuse(self, node: ast.AST, why: str) -> NoReturn:
        self.source.refuse(node, why)

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, UNDERSTOOD):
            self.refuse(node, not_for_kernels(node))
        return super().visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """A copy with all its parts rewritten; other kernels may need the tree as it is."""
        parts = {}
        for name, part in ast.iter_fields(node):
            if isinstance(part, list):
                part = [self.visit(item) for item in part]
            parts[name] = self.visit(part) if isinstance(part, ast.AST) else part
        return type(node)(**parts)

    # Statements

    def block(self, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
        done: list[ast.stmt] = []
        for statement in statements:
            outer = self.statement, self.ahead
            self.statement, self.ahead = statement, []
            new = self.visit(statement)
            if new:
                new.origin = self.origin
                self.ahead.append(new)
            done += self.ahead
            self.statement, self.ahead = outer
        return done or [ast.Pass()]

    @property
    def origin(self) -> str:
        """Where the statement at hand stands."""
        return f"{self.source.name}, line {self.statement.lineno - self.source.line + 1}"

    def visit_Expr(self, node: ast.Expr) -> ast.stmt | None:
        if isinstance(node.value, ast.Call):
            value, path = self.source.resolve(node.value.func) or (None, ())
            if value is cuda and path in (BARRIER, WARP_BARRIER):
                if path == BARRIER:
                    self.source.bind((), node.value)
                    return self.wait(node.value, path)
                masks = ("mask",) if node.value.args or node.value.keywords else ()
                bound = self.source.bind(masks, node.value)
                given = [self.mask(node.value, mask) for mask in bound]
                return self.wait(node.value, path, *given)
            if value is cuda and path in HINTED_STORES:
                takes = ("array", "index", "value")
                self.refuse_constant(self.source.bind(takes, node.value)[0])
                return ast.Expr(self.of_element("_runtime.store_hinted", takes, node.value))
            match node.value.func:
                case ast.Attribute(value=grid, attr="sync") if self.is_grid(grid):
                    return self.wait(node.value, THIS_GRID)
            if printing.is_print(node.value, self.source):
                template, values = printing.pieces(self.source, node.value)
                shown = ast.Tuple(list(map(self.visit, values)), ast.Load())
                return ast.Expr(call("_printing.printed", ast.Constant(template), shown))
        new = self.visit(node.value)
        return None if isinstance(new, ast.Constant | ast.Name) else ast.Expr(new)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        if isinstance(node.targets[0], ast.Tuple):
            self.source.refuse_parts(node.value)
        if self.is_grid(node.value) and isinstance(node.targets[0], ast.Name):
            self.grids.add(node.targets[0].id)
            return None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return None
        return self.visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        if why := why_no_operator(node.op):
            self.refuse(node, why)
        value = self.visit(node.value)
        if self.ahead and isinstance(node.target, ast.Subscript):
            self.refuse(node, "give what the device function returns a name first")
        return ast.AugAssign(self.visit(node.target), node.op, value)

    def visit_Return(self, node: ast.Return) -> ast.stmt | None:
        value = self.visit(node.value) if node.value else None
        if self.result is None:
            return ast.Return(value)
        return assign(self.result, value) if value else None

    def visit_If(self, node: ast.If) -> ast.stmt:
        test = self.visit(node.test)
        # numba drops what constants rule out: of barriers there alone it would make no generator.
        holds = known(test)
        body = self.block([] if holds is False else node.body)
        return ast.If(test, body, [] if holds is True else self.orelse(node))

    def visit_For(self, node: ast.For) -> ast.stmt:
        over, target = self.visit(node.iter), self.visit(node.target)
        return ast.For(target, over, self.block(node.body), self.orelse(node))

    def orelse(self, node: ast.For | ast.While | ast.If) -> list[ast.stmt]:
        return self.block(node.orelse) if node.orelse else []

    def visit_While(self, node: ast.While) -> ast.stmt:
        test, body = self.perhaps(node.test), self.block(node.body)
        waits = [part for line in body for part in ast.walk(line) if isinstance(part, ast.Yield)]
        sizes = ["blockDim"] if waits else []
        if any(map(is_of_grid, waits)):
            sizes.append("gridDim")
        turns = ast.Name(self.module.fresh("turns"), ast.Load())
        place, record = self.module.place(self.source.file, node.test), parse("_thread.record")
        # Where threads wait for each other each counts for all: of many, each turn takes longer.
        threads = (
            [parse(" * ".join(f"_thread.{n}.{x}" for n in sizes for x in "xyz"))] if sizes else []
        )
        how = "turned_together" if sizes else "turned"
        self.ahead.append(assign(turns, parse("_numpy.int64(0)")))
        body.insert(0, assign(turns, call(f"_runtime.{how}", turns, *threads, place, record)))
        return ast.While(test, body, self.orelse(node))

    # Barriers

    def wait(self, node: ast.expr, path: Names, mask: ast.expr | None = None) -> ast.stmt:
        """A barrier, which has a number: negative if it is a warp's, large if it is the grid's.

        mask: what has been noted, if threads say for which lanes of their warp they wait.
        """
        number = self.module.place(self.source.file, node)
        if path == THIS_GRID:
            number = ast.BinOp(number, ast.Add(), parse("_runtime.GRID"))
        elif path not in (BARRIER, *BLOCK_VOTES):
            if isinstance(mask, ast.Name):
                number = ast.BinOp(number, ast.Add(), parse("_runtime.SOME_LANES"))
            number = ast.UnaryOp(ast.USub(), number)
        return ast.Expr(ast.Yield(number))

    def is_grid(self, node: ast.expr) -> bool:
        """Whether an expression is cuda.cg.this_grid(), or a name for it."""
        if isinstance(node, ast.Name):
            return node.id in self.grids
        return isinstance(node, ast.Call) and self.source.is_cuda(node.func, THIS_GRID)

    # Expressions

    def perhaps(self, node: ast.expr) -> ast.expr:
        """Rewrite an expression that may be evaluated never, or more than once."""
        before, self.once = self.once, False
        new = self.visit(node)
        self.once = before
        return new

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        first, *rest = node.values
        return ast.BoolOp(node.op, [self.visit(first), *map(self.perhaps, rest)])

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        left, (first, *rest) = self.visit(node.left), node.comparators
        return ast.Compare(left, node.ops, [self.visit(first), *map(self.perhaps, rest)])

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        if why := why_no_operator(node.op):
            self.refuse(node, why)
        left, right = self.visit(node.left), self.visit(node.right)
        match node.op, right:
            case ast.Pow(), ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int())) if (
                not isinstance(left, ast.Constant)  # of two numbers Python makes one
            ):
                return call("_instructions.power", left, right)
        return ast.BinOp(left, node.op, right)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        test = self.visit(node.test)
        return ast.IfExp(test, self.perhaps(node.body), self.perhaps(node.orelse))

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.source.locals:
            return self.outer(node)
        if node.id in self.grids:
            self.refuse(node, f"{node.id}, the grid, can only sync(): ask for it where it does")
        new = self.names.get(node.id, node)
        return ast.Name(new.id, node.ctx) if isinstance(new, ast.Name) else new

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.ctx, ast.Store):
            self.refuse(node, f"{ast.unparse(node)} {NO_TARGET}")
        if self.source.resolve(node) and self.source.array(node.value) is None:
            return self.outer(node)
        return ast.Attribute(self.visit(node.value), node.attr, node.ctx)

    def outer(self, node: ast.expr) -> ast.expr:
        """Rewrite a name, dotted or not, from around the function."""
        value, path = self.source.resolve(node) or (None, ())
        if value is cuda:
            if path == ("warpsize",):
                return parse(f"_numpy.int32({WARP})")
            if path == ("laneid",):
                return parse("_warps.laneid(_thread)")
            if path in CALLED:
                self.refuse(node, f"{ast.unparse(node)} can only be called, by this name")
            if not path or path[0] not in COORDINATES:
                self.refuse(node, f"the emulator knows no {ast.unparse(node)}")
            return parse(".".join(("_thread", *path)))
        if why := why_no_value(value):
            self.refuse(node, why)
        kind = value.dtype.type if isinstance(value, np.generic | np.ndarray) else value
        if why := why_no_dtype(kind):
            self.refuse(node, why)
        text = None if path else literal(value)
        if text is None:
            self.refuse(node, unusable(ast.unparse(node), value))
        if isinstance(value, tuple | np.generic | np.ndarray):
            return self.module.constant(ast.unparse(node).replace(".", "_"), text)
        return parse(text)

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        self.source.refuse_parts(node.value)
        if isinstance(node.ctx, ast.Store):
            self.refuse_constant(node.value)
        array = self.visit(node.value)
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            self.refuse(node, NO_RECORDS)
        self.source.refuse_odd_index(node.slice)
        index = self.visit(node.slice)
        if all(map(is_constant, parts(node.slice))):
            if isinstance(array, ast.Name | ast.Subscript):
                array = self.checked(array, index, node, "holding")
        elif is_repeatable(node.value) and not isinstance(index, ast.Slice):
            index = self.checked(array, from_front(array, index), node)
        return ast.Subscript(array, index, node.ctx)

    def checked(
        self, array: ast.expr, index: ast.expr, node: ast.expr, how: str = "checked"
    ) -> ast.expr:
        """The index if it lies in the array; with how="holding" the array."""
        place = self.module.place(self.source.file, node)
        record = parse("_thread.record")
        return call(f"_runtime.{how}", copy.deepcopy(array), index, place, record)

    def refuse_constant(self, node: ast.expr) -> None:
        """Refuse to write to an array from around the kernel."""
        if self.source.array(node) is not None:
            self.refuse(node, f"{ast.unparse(node)} {CONSTANT}")

    # Calls

    def visit_Call(self, node: ast.Call) -> ast.expr:
        value, path = self.source.resolve(node.func) or (None, ())
        if value is cuda:
            return self.cuda_call(path, node)
        if isinstance(value, Access):
            return self.access(value, node)
        if isinstance(value, DeviceFunction):
            if must_be_inlined(value.source):
                return self.inlined_call(value, node)
            return self.function_call(value, node)
        arguments = [self.visit(argument) for argument in node.args]
        keywords = [self.visit(keyword) for keyword in node.keywords]
        if value is round and len(arguments) == 2:
            return call("_runtime.rounded", *arguments)
        if (value is max or value is min) and len(arguments) == 2:
            return call(f"_instructions.{'larger' if value is max else 'smaller'}", *arguments)
        return ast.Call(self.visit(node.func), arguments, keywords)

    def access(self, access: Access, node: ast.Call) -> ast.expr:
        """A call of an Access, whose places are checked as those of an index are."""
        arguments = [self.visit(argument) for argument in node.args]
        for array, index, *accessed in access.spots:
            place, record = self.module.place(self.source.file, node), parse("_thread.record")
            at: ast.expr = call(
                "_wide.within",
                arguments[array],
                arguments[index],
                ast.Constant(access.reach),
                place,
                record,
            )
            for k in accessed:
                at = ast.IfExp(arguments[k], at, arguments[index])
            arguments[index] = at
        if access.of_thread:
            self.module.copies = True
            arguments.insert(0, parse("_thread"))
        home = access.function.py_func.__module__.rpartition(".")[2]
        return call(f"_{home}.{access.function.__name__}", *arguments)

    # Calls of cuda

    def cuda_call(self, path: Names, node: ast.Call) -> ast.expr:
        if path in GRIDS:
            return parse(f"_runtime.{GRIDS[path]}{self.source.ndim(node)}(_thread)")
        if path in (SHARED, LOCAL):
            more = ("alignment",) if len(node.args) + len(node.keywords) > 2 else ()
            parameters = ("shape", "dtype", *more)
            shape, *rest = self.source.bind(parameters, node)
            dtype, *alignment = map(self.source.constant, rest)
            alignment = [size for size in alignment if size is not None]
            if why := why_no_array(dtype, *alignment):
                self.refuse(node, why)
            sizes = self.source.shape(shape, path)
            return self.new_array(path, sizes, dtype, *alignment, node=node)
        if path == CONSTANT_LIKE:
            return self.constant_like(node)
        if path in ATOMICS:
            return self.atomic(path[1], node)
        if path in HINTED_LOADS:
            return self.of_element("_runtime.load_hinted", ("array", "index"), node)
        if path in INSTRUCTIONS:
            takes = instructions.parameters(getattr(instructions, path[0]))
            given = self.source.bind(takes, node)
            return call(f"_instructions.{path[0]}", *map(self.visit, given))
        if path in LIBDEVICE:
            given = self.source.bind(instructions.parameters(LIBDEVICE[path]), node)
            return call(f"_libdevice.{path[1]}", *map(self.visit, given))
        if path in LANE_MASKS:
            return call(f"_warps.{path[0]}", parse("_thread"), *self.source.bind((), node))
        if path in (BARRIER, WARP_BARRIER) or path in HINTED_STORES:
            self.refuse(node, f"{ast.unparse(node)} is a statement of its own")
        if path in WAITING:
            return self.exchange(path, node)
        if path[:1] in (("laneid",), ("warpsize",)) or path[0] in COORDINATES:
            self.refuse(node, f"{ast.unparse(node.func)} is no function")
        return self.outer(node.func)

    def constant_like(self, node: ast.Call) -> ast.expr:
        """An array from around the kernel, which is a constant as it is."""
        (array,) = self.source.bind(("array",), node)
        if self.source.array(array) is None:
            self.refuse(node, f"{ast.unparse(array)} is no NumPy array from around the kernel")
        new: ast.expr = self.visit(array)
        return new

    def atomic(self, name: str, node: ast.Call) -> ast.expr:
        takes = ["array", "index", "old", "value"]
        if name == "compare_and_swap":  # cas at the first element
            takes.remove("index")
        elif name != "cas":
            takes.remove("old")
        self.refuse_constant(self.source.bind(takes, node)[0])
        index = self.source.bind(takes, node)[1]
        if isinstance(index, ast.Tuple) and len(index.elts) == 1:
            self.refuse(node, ONE_AXIS)
        name = "cas" if name == "compare_and_swap" else name
        return self.of_element(f"_atomics.{name}", takes, node)

    def of_element(self, function: str, takes: Sequence[str], node: ast.Call) -> ast.expr:
        """A call for an element, the first of all where it takes no index, which is checked."""
        given = dict(zip(takes, map(self.visit, self.source.bind(takes, node)), strict=True))
        array, index = given.pop("array"), given.pop("index", ast.Constant(0))
        return call(function, array, self.checked(array, index, node), *given.values())

    def exchange(self, path: Names, node: ast.Call) -> ast.expr:
        """A shuffle, match or vote: every thread gives a value, and takes what others gave."""
        self.refuse_reordering(node)
        of_warp, shuffles, matches = path not in BLOCK_VOTES, path in SHUFFLES, path in MATCHES
        mask = None
        takes = ["mask"] * of_warp + ["value"] + ["lane"] * shuffles
        if node.keywords or len(node.args) != len(takes):
            self.refuse(node, f"{ast.unparse(node.func)} takes ({', '.join(takes)})")
        if of_warp:
            mask = self.mask(node, node.args[0])
        value, *lane = map(self.visit, node.args[1:] if of_warp else node.args)
        value = call("_instructions.bits", value) if matches else value
        how = "give" if shuffles or matches else "vote" if of_warp else "vote_of_block"
        given, taken = self.fresh("given"), self.fresh(path[0])
        place = [self.module.place(self.source.file, node)] if lane else []
        masks = [mask] if mask else []
        own = [*masks, given] if shuffles or matches else masks
        giving: Any = ast.Expr(call(f"_warps.{how}", parse("_thread"), given))
        take: Any = assign(taken, call(f"_warps.{path[0]}", parse("_thread"), *own, *lane, *place))
        giving.origin = take.origin = self.origin
        self.ahead += [
            assign(given, value),
            giving,
            self.wait(node, path, mask),
            take,
            self.wait(node, path, mask),  # nobody may give again before everybody has taken
        ]
        return taken

    def mask(self, node: ast.expr, mask: ast.expr) -> ast.expr:
        """The lanes that are to wait: a constant if all are, else a name for those, noted ahead."""
        new = self.visit(mask)
        try:
            known = self.source.constant(mask)
        except UnsupportedError:
            known = getattr(new, "value", None)  # a constant that an inlined function is given
        if isinstance(known, int | np.integer) and int(known) & ALL_LANES == ALL_LANES:
            return ast.Constant(ALL_LANES)
        lanes, place = self.fresh("lanes"), self.module.place(self.source.file, node)
        noting: Any = ast.Expr(call("_warps.wait_for", parse("_thread"), lanes, place))
        noting.origin = self.origin
        self.ahead += [assign(lanes, new), noting]
        return lanes

    def new_array(
        self,
        path: Names,
        shape: tuple[int, ...],
        dtype: Any,
        alignment: int = 8,
        *,
        node: ast.Call,
    ) -> ast.expr:
        """An array that the threads of a block share, or that one thread has."""
        dtype = as_dtype(dtype) if isinstance(dtype, types.Type) else np.dtype(dtype)
        if why := why_no_dtype(dtype.type):
            self.refuse(node, why)
        if path == SHARED:
            is_registers = self.source.function.__module__ == INTRINSICS
            shared = Shared(self.fresh("shared").id, shape, dtype, alignment, is_registers)
            return self.module.shared_array((self.source.function, node), shared)
        return parse(f"_runtime.wiped(_numpy.empty({shape}, {literal(dtype.type)}))")

    # Calls of device functions

    def function_call(self, device: DeviceFunction, node: ast.Call) -> ast.expr:
        """A call of a device function without barriers: its first call adds it to the module."""
        arguments = list(map(self.visit, self.source.bind(device.source.parameters, node)))
        if device not in self.module.functions:
            inside = Rewriter(self.module, device.source)
            body = inside.block(device.source.definition.body)
            name, parameters = self.module.fresh(device.source.name), inside.parameters
            self.module.functions[device] = Callee(name, ("_thread", *parameters), body)
        return call(self.module.functions[device].name, parse("_thread"), *arguments)

    def inlined_call(self, device: DeviceFunction, node: ast.Call) -> ast.expr:
        """The result of a device function with barriers; its statements go ahead."""
        callee, inside = device.source, Rewriter(self.module, device.source)
        self.refuse_reordering(node)
        for inner in ast.walk(callee.definition):
            if isinstance(inner, ast.Return) and inner is not callee.definition.body[-1]:
                callee.refuse(inner, "a function with barriers may return only in its last line")
        arguments = list(map(self.visit, self.source.bind(device.source.parameters, node)))
        for parameter, argument in zip(callee.parameters, arguments, strict=True):
            if isinstance(argument, ast.Name | ast.Constant) and parameter not in callee.stored:
                inside.names[parameter] = argument
            else:
                inside.names[parameter] = name = self.fresh(parameter)
                self.ahead.append(assign(name, argument))
        for local in sorted(callee.stored.difference(callee.parameters)):
            inside.names[local] = self.fresh(local)
        inside.result = self.fresh(callee.name)
        self.ahead += inside.block(callee.definition.body)
        last = callee.definition.body[-1]
        return inside.result if isinstance(last, ast.Return) and last.value else ast.Constant(None)

    def fresh(self, name: str) -> ast.Name:
        return ast.Name(self.module.fresh(name), ast.Load())

    def refuse_reordering(self, node: ast.Call) -> None:
        """Refuse a call whose statements cannot go ahead without a change of meaning."""
        name = f"{ast.unparse(node.func)}, which has barriers or shared memory,"
        if not self.once:
            self.refuse(node, f"{name} must be called in a statement of its own")
        here = (node.lineno, node.col_offset)
        for other in filter(self.looks_at_memory, ast.walk(self.statement)):
            if (other.lineno, other.col_offset) < here and node not in ast.walk(other):
                self.refuse(node, f"{name} must be called before {ast.unparse(other)}")

    def looks_at_memory(self, node: ast.AST) -> TypeGuard[ast.expr]:
        """Whether an expression may read, or change, what other threads see."""
        if isinstance(node, ast.Subscript):
            return not isinstance(node.ctx, ast.Store)
        if not isinstance(node, ast.Call):
            return False
        value, path = self.source.resolve(node.func) or (None, ())
        if isinstance(value, DeviceFunction):
            return not must_be_inlined(value.source)  # those go ahead, one after the other
        return value is cuda and (path in ATOMICS or path in HINTED_LOADS)
