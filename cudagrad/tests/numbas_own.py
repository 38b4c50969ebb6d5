"""numba-cuda's own tests of what kernels compute, run by our emulator or checker.

python numbas_own.py emulator (or checker) prints for each file how many tests passed; were refused,
in words, because a kernel does what ours may not; failed because the checker found a race, or a
read of what nobody wrote; were skipped, as they ask for a GPU or for the compiler's output; or went
wrong. It exits with 1 if any went wrong, unless KNOWN says why. It needs no GPU.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
import types
import unittest
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

EXECUTOR = os.environ["CUDAGRAD_DEVICE"] = sys.argv[1]

from numba import cuda
from numba.core.errors import TypingError
from numba.np.numpy_support import as_dtype

from cudagrad import checker, device
from cudagrad.checker import RaceError, UninitializedError
from cudagrad.emulator import UnsupportedError

FILES = (
    *("array_args", "array_methods", "atomics", "blackscholes", "boolean", "casting", "complex"),
    *("complex_kernel", "constmem", "cuda_jit_no_types", "enums", "fastmath", "flow_control"),
    *("freevar", "frexp_ldexp", "globals", "idiv", "intrinsics", "iterators", "lang", "laplace"),
    *("localmem", "mandel", "math", "montecarlo", "multithreads", "nondet", "operator", "powi"),
    *("py2_div_issue", "random", "record_dtype", "recursion", "slicing", "sm", "sm_creation"),
    *("ssa", "sync", "warp_ops"),
)
OUTCOMES = ("passed", "skipped", "refused", "found", "wrong")  # a test has the last of its parts'
# Tests that ours fail, and why that is right. They count as skipped.
KNOWN = {
    "test_activemask": "the threads of a warp do not run side by side",
    "test_divf_exception": "a GPU raises errors only in kernels compiled with debug=True",
    "test_exp": "exp(-inf - inf j) is -0j to NumPy, by which the checker computes, not 0j",
    "test_undefined_var": "numba warns, and takes the kernel",
    "test_struct_model_type_arr": "the test teaches numba a type of its own",
}
LONG = {"checker": ("test_issue_9229", "test_laplace_small")}  # thousands of millions of accesses


class RefusalError(UnsupportedError, TypingError):
    """A refusal of ours, which tests take for numba's."""


class Array(np.ndarray):
    """What tests take for a device array."""

    def copy_to_host(self, ary: Any = None, stream: Any = 0) -> Any:
        if ary is None:
            return np.array(self)
        ary[...] = self
        return ary

    def copy_to_device(self, ary: Any, stream: Any = 0) -> None:
        self[...] = np.asarray(ary)


class Stream:
    """What tests take for a stream: all has been done when they wait for it."""

    def synchronize(self) -> None:
        pass


class DeviceFunction:
    """What tests take for a device function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function

    def __getattr__(self, name: str) -> Any:
        raise unittest.SkipTest(f"asks what jit made for {name}")


class Kernel(DeviceFunction):
    """What tests take for a kernel of numba-cuda."""

    def __init__(self, function: Callable[..., Any], kinds: Any = ()) -> None:
        super().__init__(function)
        self.kinds = kinds  # numba's types for the arguments, if the test says them
        self.ours = checker.check(function) if EXECUTOR == "checker" else device.jit(function)

    def __getitem__(self, configuration: Any) -> Callable[..., None]:
        given = configuration if isinstance(configuration, tuple) else (configuration, 1)
        sizes = [tuple(size) if isinstance(size, list) else size for size in given]
        if len(sizes) > 2:
            sizes[2] = 0
        return functools.partial(self.launch, tuple(sizes))

    def launch(self, configuration: Any, *args: Any) -> None:
        copies: list[tuple[Any, Any]] = []
        given = [self.of_ours(arg, copies) for arg in args]
        for i, kind in enumerate(self.kinds):
            if isinstance(given[i], int | float | complex | np.generic):
                given[i] = np.asarray(given[i]).astype(as_dtype(kind))[()]
        Result.launched = True
        try:
            self.ours[configuration](*given)
        except UnsupportedError as error:
            raise RefusalError(str(error)) from error
        for host, copy in copies:
            if host.flags.writeable:
                host[...] = device.to_host(copy).reshape(host.shape)

    def of_ours(self, arg: Any, copies: list[tuple[Any, Any]]) -> Any:
        """An argument as our kernels take it; arrays are copied back afterwards."""
        if type(arg) is tuple:
            return tuple(self.of_ours(part, copies) for part in arg)
        if not isinstance(arg, np.ndarray):
            return arg
        host = np.asarray(arg)
        if EXECUTOR == "checker":
            return host
        copies.append((host, device.to_device(host)))
        return copies[-1][1]


def jit(given: Any = None, device: bool = False, **options: Any) -> Any:
    """What tests take for cuda.jit."""

    def make(function: Any) -> Any:
        plain = getattr(function, "py_func", function)
        if device:
            return DeviceFunction(plain)
        return Kernel(plain, () if inspect.isfunction(given) else _kinds(given))

    return make(given) if inspect.isfunction(given) else make


def _kinds(signature: Any) -> Any:
    sigutils = importlib.import_module("numba.cuda.core.sigutils")
    if isinstance(signature, list):
        signature = signature[0]
    return sigutils.normalize_signature(signature)[0] if signature is not None else ()


def _new(shape: Any, dtype: Any = np.float64, *rest: Any, **more: Any) -> Array:
    return np.zeros(shape, dtype).view(Array)


def _asks_for_a_gpu(*args: Any, **more: Any) -> Any:
    raise unittest.SkipTest("asks for a GPU, or for what the compiler makes")


def disguise() -> None:
    """Let numba.cuda be ours."""
    compilers = [name for name in dir(cuda) if name.startswith("compile")]
    stand_ins: dict[str, Any] = dict.fromkeys(compilers, _asks_for_a_gpu)
    stand_ins |= {
        "jit": jit,
        "device_array": _new,
        "to_device": lambda array, *rest, **more: np.array(array).view(Array),
        "device_array_like": lambda array, *rest, **more: np.zeros_like(array).view(Array),
        "synchronize": lambda: None,
        "stream": Stream,
        "current_context": _asks_for_a_gpu,
        "get_current_device": lambda: types.SimpleNamespace(compute_capability=(9, 0)),
    }
    for name, stand_in in stand_ins.items():
        setattr(cuda, name, stand_in)
    devices = importlib.import_module("numba.cuda.cudadrv.devices")
    devices.get_context = lambda *which: types.SimpleNamespace(device=cuda.get_current_device())
    testing = importlib.import_module("numba.cuda.testing")
    testing.CUDATestCase.setUp = testing.CUDATestCase.tearDown = lambda self: None


def outcome_of(error: BaseException) -> str:
    if isinstance(error, UnsupportedError) or "; kernels take " in str(error):
        return "refused"
    return "found" if isinstance(error, RaceError | UninitializedError) else "wrong"


class Result(unittest.TestResult):
    """How each test ends: the worst of how its parts do."""

    launched = False  # whether the test at hand has launched a kernel

    def __init__(self) -> None:
        super().__init__()
        self.ends: dict[str, str] = {}
        self.errors_of: dict[str, Any] = {}

    def note(self, test: Any, outcome: str, error: Any = None) -> None:
        name = test.id().rpartition(".")[2]
        before = self.ends.get(name, OUTCOMES[0])
        self.ends[name] = max(before, outcome, key=OUTCOMES.index)
        if outcome == "wrong":
            self.errors_of[name] = error

    def startTest(self, test: Any) -> None:  # noqa: N802 -- unittest's
        Result.launched = False

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        self.note(test, "passed" if Result.launched else "skipped")

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        self.note(test, outcome_of(err[1]) if Result.launched else "skipped", err[1])

    addFailure = addError  # noqa: N815

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        if err is not None:
            self.addError(test, err)

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        self.note(test, "skipped")

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        self.note(test, "skipped")


def main() -> int:
    disguise()
    total: Counter[str] = Counter()
    failed = False
    print(f"{EXECUTOR:20}" + "".join(f"{outcome:>10}" for outcome in OUTCOMES))
    for name in FILES:
        module = importlib.import_module(f"numba.cuda.tests.cudapy.test_{name}")
        for kind in vars(module).values():
            for test in LONG.get(EXECUTOR, ()):
                if test in getattr(kind, "__dict__", ()):
                    setattr(kind, test, unittest.skip("takes too long")(getattr(kind, test)))
        result = Result()
        unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
        for known in KNOWN.keys() & result.errors_of.keys():
            result.ends[known] = "skipped"
            del result.errors_of[known]
        counts = Counter(result.ends.values())
        total += counts
        print(f"{name:20}" + "".join(f"{counts[outcome]:10}" for outcome in OUTCOMES), flush=True)
        for test, error in result.errors_of.items():
            failed = True
            print(f"    {test}: {type(error).__name__}: {str(error).strip()[:300]}")
    print(f"{'':20}" + "".join(f"{total[outcome]:10}" for outcome in OUTCOMES))
    return failed


if __name__ == "__main__":
    sys.exit(main())
