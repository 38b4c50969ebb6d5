"""Launching: arguments are looked at, compiled code is found or made, faults are explained."""

from __future__ import annotations

import contextlib
import functools
import math
import os
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
from numba.core.errors import TypingError

from . import cache, refusals, runtime
from .array import DeviceArray
from .errors import AlignmentError, BarrierError, KernelError, LoopError, UnsupportedError
from .forms import Form, form_of
from .inference import is_array
from .places import counted, line_at, waiting
from .source import DeviceFunction
from .transform import Translation, translate
from .warps import WARP

ORDERS = ("forward", "reversed", "random")  # as numbered in loops
MAX_GRID = (2**31 - 1, 65535, 65535)
MAX_BLOCK = (1024, 1024, 64)
MAX_STATIC = 48 * 1024  # bytes of shared memory in arrays whose shape stands in the kernel
MAX_SHARED = 227 * 1024  # of all shared memory, of which the rest is dynamic: that of an H100
NUMBERS = (kind for kind in np.sctypeDict.values() if issubclass(kind, np.number | np.bool_))
SCALARS = frozenset({bool, int, float, complex, *NUMBERS})
ARRAYS = "device arrays (a tensor's .data, or what device.to_device returns)"

ORDER = slice(runtime.ORDER, runtime.STATE + 1)  # of the record

_record = np.zeros(runtime.RECORD_SIZE, np.int64)
_may_split = True


def _read_order(given: str, seed: int = 0) -> tuple[int, int]:
    """An order's number, and its generator's state; "random:3" is random, by the seed 3."""
    name, colon, digits = given.partition(":")
    if name not in ORDERS or (colon and not (name == "random" and digits.isdecimal())):
        raise ValueError(f"unknown order {given!r}; known: {', '.join(ORDERS)}, random:SEED")
    state = np.random.SeedSequence(int(digits or seed)).generate_state(1, np.uint64)[0]
    return ORDERS.index(name), int(state.astype(np.int64)) or 1  # which xorshift cannot leave


@contextlib.contextmanager
def order(name: str, seed: int = 0) -> Iterator[None]:
    """Inside, blocks and threads run "forward" (as outside), "reversed", or "random".

    A kernel whose results depend on it lacks a barrier, or has blocks that read each other's work.
    seed: of the random orders, of which every launch draws new ones; "random:3" names one, too.
    """
    before, _record[ORDER] = _record[ORDER].copy(), _read_order(name, seed)
    try:
        yield
    finally:
        _record[ORDER] = before


@contextlib.contextmanager
def generators() -> Iterator[None]:
    """Inside, no kernel takes the faster form that uniform barriers allow (see forms)."""
    global _may_split
    before, _may_split = _may_split, False
    try:
        yield
    finally:
        _may_split = before


class Kernel:
    """What `jit` makes of a function: `kernel[grid, block](*arguments)` runs it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.compiled: dict[Any, Callable[..., bool]] = {}  # by whether split, and kinds

    @functools.cached_property
    def translation(self) -> Translation:
        return translate(self.function)

    def shared(self, blocks: int, dynamic_bytes: int) -> list[np.ndarray[Any, Any]]:
        """The shared arrays: one set for each block if all run at once, else one for all in turn.

        Dynamic arrays all lie in the same bytes.
        """
        shared, of_grid = self.translation.shared, self.translation.of_grid
        static = (
            math.prod(array.shape) * array.dtype.itemsize
            for array in shared
            if not array.is_registers
        )
        require_room(self, sum(static), dynamic_bytes)
        alignment = max((array.alignment for array in shared if array.is_dynamic), default=1)
        pitch = -(-dynamic_bytes // alignment) * alignment  # from one block's to the next's
        dynamic = _placed((blocks if of_grid else 1, pitch), np.dtype(np.uint8), alignment)
        each = (blocks,) if of_grid else ()
        made = []
        for array in shared:
            if array.is_dynamic:
                size = array.dtype.itemsize
                part = dynamic[:, : dynamic_bytes // size * size].view(array.dtype)
                made.append(part if of_grid else part[0])
            else:
                made.append(_placed((*each, *array.shape), array.dtype, array.alignment))
        return made

    def __getitem__(self, configuration: Any) -> Launcher:
        return Launcher(self, *self.unpacked(configuration))

    def unpacked(self, configuration: Any) -> tuple[Any, Any, int]:
        """The grid, the block and the bytes of dynamic shared memory that a kernel is indexed with.

        Between the last two comes a stream, as for numba; here there is none to choose.
        """
        if not isinstance(configuration, tuple) or not 2 <= len(configuration) <= 4:
            raise TypeError(f"{self} is launched as {self._usage}, not with [{configuration!r}]")
        grid, block, _, dynamic_bytes = (*configuration, 0, 0)[:4]
        if not isinstance(dynamic_bytes, int | np.integer) or dynamic_bytes < 0:
            raise TypeError(f"{self}: bytes of dynamic shared memory, not {dynamic_bytes!r}")
        return grid, block, int(dynamic_bytes)

    def __call__(self, *args: Any) -> NoReturn:
        raise TypeError(f"{self} is launched as {self._usage}")

    @property
    def _usage(self) -> str:
        return f"{self.function.__name__}[grid, block](...)"

    def __str__(self) -> str:
        code = self.function.__code__
        place = line_at(code.co_filename, code.co_firstlineno)
        return f"kernel {self.function.__name__} ({place})"

    def compile(self, kinds: Any) -> Callable[..., bool]:
        """The entry for arguments of these kinds; numba compiles it at its first call."""
        parameters = self.translation.source.parameters
        if len(kinds) != len(parameters):
            given = counted(len(kinds), "argument")
            raise TypeError(f"{self} takes ({', '.join(parameters)}), not {given}")
        for name, kind in zip(parameters, kinds, strict=True):
            for number in _numbers(kind):
                if why := refusals.why_no_dtype(number):
                    raise UnsupportedError(f"{self}: {name}: {why}")
                if number not in SCALARS:
                    raise TypeError(misgiven(self, name, number, ARRAYS))
        module = cache.load(
            self.function.__name__,
            (self.translation.key, kinds, _may_split and self.translation.has_barriers),
            lambda: self.form(kinds).text,
            self.translation.module.called,
        )
        self.compiled[_may_split, kinds] = module.launch
        return module.launch

    def form(self, kinds: Any) -> Form:
        """How the kernel runs for arguments of these kinds."""
        return form_of(self.translation, kinds, _may_split)


class Launcher:
    """A kernel with a grid and a block."""

    __slots__ = ("dims", "dynamic_bytes", "kernel", "shared")

    def __init__(self, kernel: Kernel, grid: Any, block: Any, dynamic_bytes: int) -> None:
        sizes = (
            sizes_of(kernel, "grid", grid, MAX_GRID),
            sizes_of(kernel, "block", block, MAX_BLOCK),
        )
        if math.prod(sizes[1]) > runtime.MAX_THREADS:
            raise ValueError(f"{kernel}: a block of {block} has more than 1024 threads")
        self.kernel = kernel
        self.dynamic_bytes = dynamic_bytes
        self.shared: list[np.ndarray[Any, Any]] | None = None  # made by the first call
        places = np.indices(sizes[1][::-1])[::-1]  # x runs fastest
        self.dims = np.concatenate([*sizes, places.reshape(3, -1).T.ravel()]).astype(np.int64)

    def __call__(self, *args: Any) -> None:
        kernel = self.kernel
        kinds = tuple([a.kind if type(a) is DeviceArray else kind_of(a) for a in args])
        launch = kernel.compiled.get((_may_split, kinds)) or kernel.compile(kinds)
        if self.shared is None:
            self.shared = kernel.shared(math.prod(self.dims[:3].tolist()), self.dynamic_bytes)
        # Most are arrays, and are not worth a call; nor are numbers.
        plain = [
            a.memory if type(a) is DeviceArray else memory_of(a) if type(a) is tuple else a
            for a in args
        ]
        _record[runtime.PLACE] = 0
        try:
            together = launch(*plain, *self.shared, self.dims, _record)
        except (IndexError, AlignmentError, LoopError) as error:
            raise type(error)(self._explain(error)) from None
        except LookupError:
            raise KernelError(self._lane()) from None
        except refusals.Refused as error:
            raise UnsupportedError(self._refused(error)) from None
        except Exception as error:
            untyped = refusals.untyped(error) if isinstance(error, TypingError) else None
            if untyped is not None:
                raise UnsupportedError(self._refused(untyped)) from None
            error.add_note(f"in {kernel}")
            raise
        if not together:
            raise BarrierError(self._barriers())

    def _explain(self, error: IndexError | AlignmentError | LoopError) -> str:
        """Where an index was out of bounds, an access misplaced, or a loop endless, and whose."""
        place, axis, index, size, block, thread = _record[: runtime.THREAD + 1].tolist()
        where = f"block {self._coordinates(0, block)}, thread {self._coordinates(3, thread)}"
        if not place:
            return f"{self.kernel}: {error}; {where}"
        text = self.kernel.translation.places[place - 1]
        if isinstance(error, LoopError):
            return f"{self.kernel}: {text}: a loop that has not ended after {error}; {where}"
        if isinstance(error, AlignmentError):
            return f"{self.kernel}: {text}: {error}, not at element {index}; {where}"
        return f"{self.kernel}: {text}: index {index} on axis {axis} of size {size}; {where}"

    def _refused(self, error: refusals.Refused) -> str:
        """What numba refuses, and where: in the kernel, or in a device function that it calls."""
        name, _, line = error.origin.partition(", line ")
        functions = [self.kernel.function, *self.kernel.translation.device_functions]
        for function in functions:
            code = function.__code__
            if code.co_name == name and line.isdecimal():
                place = line_at(code.co_filename, code.co_firstlineno + int(line) - 1)
                return f"{name} ({place}): {error.why}"
        return f"{self.kernel}: {error.why}"

    def _lane(self) -> str:
        """Which shuffle asked for a lane that does not take part, and whose."""
        place, mask, lane, count, block, thread = _record[: runtime.THREAD + 1].tolist()
        text = self.kernel.translation.places[place - 1]
        where = f"block {self._coordinates(0, block)}, thread {self._coordinates(3, thread)}"
        if lane == thread % WARP:
            why = f"lane {lane} is not in its own mask {mask:#x}"
        elif lane < count:
            why = f"asks lane {lane}, which is not in the mask {mask:#x}"
        else:
            why = f"asks lane {lane} of a warp of {counted(count, 'thread')}"
        return f"{self.kernel}: {text}: {why}; {where}"

    def _barriers(self) -> str:
        """At which barriers the threads of a block wait."""
        if _record[runtime.BLOCK] < 0:
            *reached, first, second = _record[: runtime.SIZE + 1].tolist()
            at = [
                f"block {self._coordinates(0, block)} is at {self._place(barrier)}"
                for barrier, block in zip(reached, (first, second), strict=True)
            ]
            return f"{self.kernel}: the grid does not meet at a barrier: {', '.join(at)}"
        count = int(np.prod(self.dims[3:6]))
        barriers = _record[runtime.BARRIERS : runtime.BARRIERS + count]
        masks = np.where(
            barriers < -runtime.SOME_LANES, _record[runtime.MASKS : runtime.MASKS + count], 0
        )
        lines = []
        for barrier, mask in np.unique(np.stack([barriers, masks]), axis=1).T.tolist():
            threads = np.flatnonzero((barriers == barrier) & (masks == mask))
            first = self._coordinates(3, int(threads[0]))
            line = waiting(len(threads), first, self._place(barrier))
            lines.append(line + (f", with mask {mask:#x}" if mask else ""))
        block = self._coordinates(0, int(_record[runtime.BLOCK]))
        return f"{self.kernel}: block {block} does not meet at a barrier: {'; '.join(lines)}"

    def _place(self, barrier: int) -> str:
        """Where a barrier of this number stands."""
        if not barrier:
            return "the end"
        return str(self.kernel.translation.places[abs(barrier) % runtime.GRID - 1])

    def _coordinates(self, start: int, i: int) -> tuple[int, int, int]:
        x, y = self.dims[start : start + 2].tolist()
        return i % x, i // x % y, i // (x * y)


def _placed(shape: tuple[int, ...], dtype: np.dtype[Any], alignment: int) -> np.ndarray[Any, Any]:
    """Memory at an odd multiple of alignment: a kernel that needs more must ask for more."""
    size = math.prod(shape) * dtype.itemsize
    spare = np.empty(size + 3 * alignment, np.uint8)
    start = -spare.ctypes.data % (2 * alignment) + alignment
    return spare[start : start + size].view(dtype).reshape(shape)


def require_room(kernel: object, static: int, dynamic: int) -> None:
    """Raise KernelError unless a block has so many bytes of shared memory, of both kinds."""
    if static > MAX_STATIC:
        raise KernelError(f"{kernel}: {static} bytes of shared memory; a block has {MAX_STATIC}")
    if static + dynamic > MAX_SHARED:
        raise KernelError(
            f"{kernel}: {static} bytes of shared memory and {dynamic} of dynamic; a block has "
            f"{MAX_SHARED}"
        )


def sizes_of(kernel: object, name: str, given: Any, limits: tuple[int, ...]) -> tuple[int, ...]:
    """A grid or block as its sizes in x, y and z."""
    sizes = tuple(given) if isinstance(given, tuple | list) else (given,)
    sizes += (1,) * (3 - len(sizes))
    if len(sizes) != 3 or not all(isinstance(n, int | np.integer) for n in sizes):
        raise TypeError(f"{kernel}: a {name} is 1, 2 or 3 integers, not {given!r}")
    if any(n < 1 or n > limit for n, limit in zip(sizes, limits, strict=True)):
        most = "{}, {} and {}".format(*limits)
        raise ValueError(f"{kernel}: a {name} of {given!r}: it must be 1 to {most} in x, y and z")
    return sizes


def kind_of(argument: Any) -> Any:
    """What a kernel is compiled for, of an argument."""
    if type(argument) is DeviceArray:
        return argument.kind
    return tuple(map(kind_of, argument)) if type(argument) is tuple else type(argument)


def memory_of(argument: Any) -> Any:
    """What compiled code is given for an argument."""
    if type(argument) is DeviceArray:
        return argument.memory
    return tuple(map(memory_of, argument)) if type(argument) is tuple else argument


def misgiven(kernel: object, name: str, kind: type, arrays: str) -> str:
    """What is said of an argument that no kernel takes; arrays: those that this one does."""
    takes = f"kernels take {arrays}, numbers and tuples of these"
    return f"{kernel}: {name} is of type {kind.__name__}; {takes}"


def _numbers(kind: Any) -> Iterator[type]:
    """The types of the numbers in an argument of a kind."""
    if isinstance(kind, tuple) and not is_array(kind):
        for part in kind:
            yield from _numbers(part)
    else:
        yield np.dtype(kind[0]).type if is_array(kind) else kind


def jit(function: Any = None, *, device: bool = False) -> Any:
    """`@jit` makes a kernel, `@jit(device=True)` a function that kernels may call."""
    if function is None:
        return functools.partial(jit, device=device)
    return DeviceFunction(function) if device else Kernel(function)


_record[ORDER] = _read_order(os.environ.get("CUDAGRAD_ORDER", "forward"))
