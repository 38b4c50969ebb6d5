"""Launching a kernel under the checker: what a user's arrays and numbers are to it."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .. import emulator
from ..emulator.array import DeviceArray
from ..emulator.errors import UnsupportedError
from ..emulator.launch import ARRAYS, SCALARS, Launcher, misgiven, require_room
from ..emulator.places import counted, line_at
from ..emulator.source import DeviceFunction, jitted
from .errors import UninitializedError
from .memory import Array, Storage, address, owner, written
from .numbers import is_known, strong
from .threads import Dim3, now, run
from .translate import Function, translated


class Kernel(emulator.launch.Kernel):
    """What `jit` and `check` make of a function: `kernel[grid, block](*arguments)` checks it."""

    def __init__(self, function: Callable[..., Any], takes_numpy: bool = False) -> None:
        super().__init__(function)
        self.takes_numpy = takes_numpy

    @functools.cached_property
    def translated(self) -> Function:
        return translated(self.function, True)

    def __getitem__(self, configuration: Any) -> CheckedLauncher:
        return CheckedLauncher(self, *self.unpacked(configuration))

    def forall(
        self, ntasks: int, tpb: int = 0, stream: Any = 0, sharedmem: int = 0
    ) -> Callable[..., None]:
        """The kernel with a thread for each task at least, as numba's: tpb 0 stands for 128."""
        if ntasks < 0:
            raise ValueError(f"{self}: forall({ntasks}): a number of tasks is not negative")
        threads = tpb or 128
        blocks = -(-ntasks // threads)
        return self[blocks, threads, stream, sharedmem] if blocks else lambda *args: None


class CheckedLauncher(Launcher):
    """A kernel with a grid and a block."""

    __slots__ = ()

    def __call__(self, *args: Any) -> None:
        kernel: Any = self.kernel
        try:
            function = kernel.translated
        except UnsupportedError as error:
            raise error.with_traceback(None) from None  # without all that visited its source
        require_room(kernel, 0, self.dynamic_bytes)
        given = Arguments(kernel)
        names = function.source.parameters
        if len(args) != len(names):
            count = counted(len(args), "argument")
            raise TypeError(f"{kernel} takes ({', '.join(names)}), not {count}")
        seen = tuple(map(given.seen, names, args))
        sizes = list(map(np.int32, self.dims[:6]))
        now.kernel, now.dynamic_bytes = kernel, self.dynamic_bytes
        try:
            with np.errstate(all="ignore"):
                run(function, seen, Dim3(*sizes[:3]), Dim3(*sizes[3:]), given.storages.values())
        except UnboundLocalError as error:
            text = f"{kernel}: {line_of(error)}: {error}; {now.thread}"
            raise UninitializedError(text) from None
        except Exception as error:
            line, text = line_of(error), str(error)
            if str(kernel) not in text or line not in text:
                error.add_note(f"in {kernel}, {line}; {now.thread}")
            raise


def line_of(error: Exception) -> str:
    """The line of the kernel, or of a function that it calls, from which an error came."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [Path(file).parent for file in (__file__, emulator.__file__)]
    within = [frame for frame in frames if Path(frame.filename).parent not in ours]
    return "".join(line_at(frame.filename, frame.lineno or 0) for frame in within[-1:])


class Arguments:
    """The arguments of a launch. Arrays that share memory share what is remembered of it."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.storages: dict[int, Storage] = {}  # by the number of the array that owns the memory

    def seen(self, name: str, argument: Any) -> Any:
        """An argument as the kernel sees it."""
        memory = argument.memory if isinstance(argument, DeviceArray) else argument
        if isinstance(argument, DeviceArray) or (
            self.kernel.takes_numpy and isinstance(argument, np.ndarray)
        ):
            if not is_known(memory.dtype):
                raise UnsupportedError(f"{self.kernel}: {name}: numba has no {memory.dtype} arrays")
            root = owner(memory)
            marks = written(root)
            # What has no marks is one memory: what two arrays share, perhaps neither of them owns.
            key, start = (0, 0) if marks is None else (id(root), address(root))
            storage = self.storages.setdefault(key, Storage("global", marks))
            return Array(name, memory, storage, address(memory) - start)
        if type(argument) in SCALARS:
            return strong(argument)
        if type(argument) is tuple:
            return tuple(self.seen(f"{name}[{i}]", part) for i, part in enumerate(argument))
        wanted = "NumPy arrays" if self.kernel.takes_numpy else ARRAYS
        raise TypeError(misgiven(self.kernel, name, type(argument), wanted))


def jit(function: Any = None, *, device: bool = False) -> Any:
    """`@jit` makes a kernel, `@jit(device=True)` a function that kernels may call."""
    if function is None:
        return functools.partial(jit, device=device)
    return DeviceFunction(function) if device else Kernel(function)


def check(kernel: Any) -> Kernel:
    """A numba.cuda kernel, to be run under the checker: `check(kernel)[grid, block](*arguments)`.

    kernel: a function, decorated with numba's cuda.jit or not. It is given NumPy arrays, which it
    changes in place, numbers and tuples of these; no GPU is needed. Raises RaceError,
    UninitializedError, WarpError, BarrierError or IndexError, which name the kernel, the lines, the
    array, the index and the threads; KernelError for a loop without end; UnsupportedError for what
    the checker does not know. jit must not be given a signature: for that numba needs a GPU. Also
    `check(kernel).forall(tasks)(*arguments)`, as numba has it.
    """
    function = jitted(kernel) or getattr(kernel, "function", kernel)
    if not inspect.isfunction(function):
        kind = type(kernel).__name__
        raise TypeError(f"check: a kernel is a function, or what jit made of one, not {kind}")
    return Kernel(function, takes_numpy=True)
