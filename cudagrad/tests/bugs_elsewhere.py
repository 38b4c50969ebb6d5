"""What others than ours make of the planted bugs: the compiler, and numba's simulator.

python bugs_elsewhere.py asks both, which takes a minute and needs numba-cuda but no GPU. It exits
with 1 where a bug is not caught as its file says, and else writes down which bugs that was said of.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
from catching import BUGS, COMPILER, SIMULATOR, catalogue, configuration, judged, memory_of
from numba import typeof

from cudagrad import device
from cudagrad.compile import limits, machine, page
from cudagrad.compile.machine import Capability, CompileError, MissingError
from cudagrad.compile.table import Launch
from cudagrad.emulator import wide

SEEN = BUGS / "seen_elsewhere.txt"
CAPABILITY = Capability(9, 0)
RUNS = 5
Found = dict[str, tuple[list[str], list[str]]]  # of the kernel, and of the same mended, by name
UNKNOWN = (AttributeError, NameError, RuntimeError)  # of what the simulator does not know


def compiled(name: str, bug: ModuleType, kernel: Any) -> list[str]:
    """The figures of a kernel that are beyond a limit, or of what its file demands."""
    kinds = ", ".join(_kind(memory_of(each)) for each in bug.arguments())
    launch = Launch("bugs", kinds)
    try:
        made = machine.made_of(device.cuda.jit(kernel), launch, CAPABILITY)
    except (CompileError, MissingError) as error:
        return ["shared" if "shared data" in str(error) else str(error)]
    (figures,) = machine.figures([made], CAPABILITY)
    assert figures is not None
    found = [fault.partition(" ")[0] for fault in limits.broken(launch, figures)]
    for figure, (least, most) in getattr(bug, "DEMANDS", {}).items():
        if not least <= getattr(figures, figure) <= most:
            found.append(figure)
    return found


def _kind(argument: Any) -> str:
    """The type of an argument, as numba writes it in a signature."""
    if isinstance(argument, np.ndarray):
        contiguous = "::1" if argument.flags.c_contiguous else ":"
        return f"{argument.dtype}[{':, ' * (argument.ndim - 1)}{contiguous}]"
    return str(typeof(argument))


def simulated(name: str, bug: ModuleType, kernel: Any) -> list[str]:
    """What came of each run: an error, a wrong number or "", or that there was none."""
    return [_simulated(bug, kernel) for _ in range(RUNS)]


def _simulated(bug: ModuleType, kernel: Any) -> str:
    given = [memory_of(argument) for argument in bug.arguments()]
    plain = [copy.copy(argument) for argument in given]
    try:
        with np.errstate(all="ignore"):
            device.cuda.jit(kernel)[configuration(bug)](*given)
    except UnboundLocalError as error:  # a NameError, but the kernel's own
        return type(error).__name__
    except UNKNOWN:
        return "cannot run"
    except Exception as error:  # of any kind, out of the kernel's threads
        return type(error).__name__
    return judged(bug, plain, given[-1])


def look(where: str) -> Found:
    """What one of them finds; under CUDAGRAD_DEVICE=compiler."""
    if where == SIMULATOR:
        for name in ("load4", "store4"):  # which it has no name for
            setattr(device.intrinsics, name, getattr(wide, name).py_func)
    else:
        machine.require_tools()
    find = compiled if where == COMPILER else simulated
    return {
        name: (find(name, bug, bug.bug), find(name, bug, bug.fixed))
        for name, bug in catalogue().items()
    }


def elsewhere(where: str, **environment: str) -> Found:
    """What one of them finds, in a process of its own, where numba's kernels are made for it."""
    command = [sys.executable, __file__, where]
    changed = os.environ | {"CUDAGRAD_DEVICE": "compiler"} | environment
    done = subprocess.run(command, env=changed, stdout=subprocess.PIPE, check=True)
    found: Found = json.loads(done.stdout)
    return found


def surprises(where: str, found: Found, bugs: dict[str, ModuleType]) -> Iterator[str]:
    """Where a bug is not caught as its file says."""
    for name, bug in bugs.items():
        says, (results, mended) = bug.CAUGHT.get(where, ""), found[name]
        if where == COMPILER:
            told = ", ".join(figure for figure in results if figure not in mended)
            as_said = told == says
        elif where in getattr(bug, "UNABLE", {}):
            as_said = "cannot run" in results or "" not in mended
        else:
            # Its threads are the system's: one run is not as another.
            what, at_times, _ = says.partition(", at times")
            expected = set(results) <= {"", what} if at_times else what in results
            as_said = expected and "" in mended
        if not as_said:
            yield f"{name}, {where}: {says!r} it says, {results}, and mended {mended}, it is"


def digest() -> str:
    """That of the bugs, comments left out, and of the limits."""
    texts = [page.code(path.read_text(encoding="utf-8")) for path in sorted(BUGS.glob("*.py"))]
    texts.append(repr(limits.LIMITS))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def main() -> int:
    _, why = device.numba_cuda("compile")
    if why:
        print(f"bugs_elsewhere.py: {why}", file=sys.stderr)
        return 2
    bugs, faults = catalogue(), list[str]()
    for where, environment in ((COMPILER, {}), (SIMULATOR, {"NUMBA_ENABLE_CUDASIM": "1"})):
        faults += surprises(where, elsewhere(where, **environment), bugs)
    print(*faults, sep="\n", end="\n" if faults else "")
    if not faults:
        SEEN.write_text(f"{digest()}\n", encoding="utf-8")
        print(f"{len(bugs)} bugs are caught as they say; written: {SEEN.name}")
    return 1 if faults else 0


if __name__ == "__main__":
    if sys.argv[1:]:
        print(json.dumps(look(sys.argv[1])))
    else:
        sys.exit(main())
