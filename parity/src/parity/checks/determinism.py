"""Does a case give the same bits in every process, whatever its hash seed and its threads?

Run as a program, this module is such a process: it digests every case of some engines.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from .. import engines
from ..engines import Adapter
from ..pool import THREADS, cores
from ..spec import OPS
from ..spec.case import Case, Op
from ..spec.skips import reason
from .calling import call, carry_back
from .reference import floats

PROCESSES = 20
COUNTS = (1, 2, 3, 4)  # of threads in the processes, in turn
NAMED = 5  # cases in a message

Digests = dict[str, dict[str, str]]  # of every case in every dtype, by engine


@dataclass
class Determinism:
    """How an engine's bits compare; cases: how many, once in each dtype. differing: their names."""

    engine: str
    processes: int
    cases: int = 0
    differing: list[str] = field(default_factory=list)
    status: str = "passed"
    message: str = ""
    reproduce: str = ""
    seconds: float = 0.0


def determinism(
    engine: str,
    ops: Sequence[str] = (),
    processes: int = PROCESSES,
    advance: Callable[[], object] = lambda: None,
) -> Determinism:
    """Compare the bits of an engine between processes, as many at once as there are cores for it.

    ops: only these. advance is called after every process.
    """
    started = time.perf_counter()
    taken = []
    with ThreadPoolExecutor(cores()) as pool:
        for found in pool.map(lambda number: process([engine], ops, number), range(processes)):
            taken.append(found)
            advance()
    return compared(engine, ops, taken, time.perf_counter() - started)


def compared(
    engine: str, ops: Sequence[str], taken: Sequence[Digests | str], seconds: float
) -> Determinism:
    """What the digests of several processes say of an engine; see process."""
    chosen = f" --op {','.join(ops)}" if ops else ""
    command = f"parity determinism --engine {engine}{chosen} --processes {len(taken)}"
    result = Determinism(engine, len(taken), reproduce=command, seconds=seconds)
    seen: dict[str, list[str]] = defaultdict(list)
    for found in taken:
        if isinstance(found, str):
            result.message = result.message or found
            continue
        for name, digest in found[engine].items():
            seen[name].append(digest)
    result.cases = len(seen)
    if not result.message:
        # What could not be computed in some of the processes differs as well.
        result.differing = [
            name for name, bits in seen.items() if len(set(bits)) > 1 or len(bits) < len(taken)
        ]
        result.message = _message(result.differing) if seen else "no case could be computed"
    result.status = "failed" if result.message else "passed"
    return result


def digests(engine: Adapter, ops: Sequence[str] = ()) -> dict[str, str]:
    """Of every case in every dtype, a digest; what cannot be computed is left to the checks."""
    found = {}
    for op in OPS:
        if ops and op.name not in ops:
            continue
        for case, dtype in itertools.product(op.cases, engine.dtypes):
            if reason(engine.name, case.id):
                continue
            try:
                found[f"{case.id} {dtype}"] = _digest(engine, op, case, dtype)
            except Exception:
                continue
    return found


def _digest(engine: Adapter, op: Op, case: Case, dtype: str) -> str:
    """The bits of the outputs, of the gradients, and of what is left in the inputs."""
    engine.package.manual_seed(0)
    called = call(engine, op, case, dtype, range(len(floats(case))))
    bits = hashlib.blake2b(digest_size=16)
    try:
        carry_back(engine, op, case, dtype, called)
    except RuntimeError as error:  # there is nothing to carry back
        bits.update(type(error).__name__.encode())
    arrays = [engine.numpy(output) for output in called.outputs]
    arrays += [engine.numpy(argument) for argument, _ in called.given]
    for array in [*arrays, *(called.gradient(engine, i) for i in range(len(called.leaves)))]:
        held = None if array is None else (array.dtype.str, array.shape, array.tobytes())
        bits.update(repr(held).encode())
    return bits.hexdigest()


def _message(differing: list[str]) -> str:
    """What differs, in words, or nothing."""
    names, more = ", ".join(differing[:NAMED]), len(differing) - NAMED
    rest = f" and {more} more" if more > 0 else ""
    return f"other bits in other processes: {names}{rest}" if differing else ""


def process(names: Sequence[str], ops: Sequence[str], number: int) -> Digests | str:
    """The digests of some engines in a process of its own, or why there are none."""
    threads = COUNTS[number % len(COUNTS)]
    varied = dict.fromkeys(THREADS, str(threads)) | {"PYTHONHASHSEED": str(number)}
    done = subprocess.run(
        [sys.executable, "-P", "-m", __name__, ",".join(names), *ops],
        env=os.environ | varied,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        settings = " ".join(f"{name}={value}" for name, value in varied.items())
        return f"a process did not end well: {last} ({settings})"
    found: Digests = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    listed, *chosen = sys.argv[1:]
    print(json.dumps({name: digests(engines.load(name), chosen) for name in listed.split(",")}))
