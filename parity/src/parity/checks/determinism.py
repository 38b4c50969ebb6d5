"""Does a case give the same bits in every process, whatever its hash seed and thread count?

python -m parity.checks.determinism is one such process: it prints a digest of every case.
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
from ..spec.case import Case, Op, floats
from ..spec.skips import reason
from .calling import call, carry_back

COUNTS = (1, 2, 3, 4)  # thread counts, which the processes take in turn
NAMED = 5  # cases that a message names

Digests = dict[str, dict[str, str]]  # engine -> case and dtype -> digest


@dataclass
class Determinism:
    """Whether an engine gave the same bits in all processes."""

    engine: str
    processes: int
    cases: int = 0  # counted once per dtype
    differing: list[str] = field(default_factory=list)
    status: str = "passed"
    message: str = ""
    reproduce: str = ""
    seconds: float = 0.0


def determinism(
    engine: str,
    ops: Sequence[str],
    processes: int,
    advance: Callable[[], object] = lambda: None,
) -> Determinism:
    """Compare the bits of an engine between processes; advance is called after each.

    ops: only these; empty for all.
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
    """Compare the digests of one engine that several calls of process returned."""
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
        # A case that failed in only some of the processes differs, too.
        result.differing = [
            name for name, bits in seen.items() if len(set(bits)) > 1 or len(bits) < len(taken)
        ]
        result.message = _message(result.differing) if seen else "no case could be computed"
    result.status = "failed" if result.message else "passed"
    return result


def digests(engine: Adapter, ops: Sequence[str] = ()) -> dict[str, str]:
    """A digest of every case in every dtype; a case that raises is left to the other checks."""
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
    """A hash of the outputs, the gradients, and the inputs after the call."""
    engine.package.manual_seed(0)
    called = call(engine, op, case, dtype, range(len(floats(case))))
    bits = hashlib.blake2b(digest_size=16)
    try:
        carry_back(called)
    except RuntimeError as error:  # the op has no gradient
        bits.update(type(error).__name__.encode())
    arrays = [engine.numpy(output) for output in called.outputs]
    arrays += [engine.numpy(argument) for argument, _ in called.given]
    for array in [*arrays, *(called.gradient(i) for i in range(len(called.leaves)))]:
        held = None if array is None else (array.dtype.str, array.shape, array.tobytes())
        bits.update(repr(held).encode())
    return bits.hexdigest()


def _message(differing: list[str]) -> str:
    """The message for these cases; empty if there are none."""
    names, more = ", ".join(differing[:NAMED]), len(differing) - NAMED
    rest = f" and {more} more" if more > 0 else ""
    return f"other bits in other processes: {names}{rest}" if differing else ""


def process(names: Sequence[str], ops: Sequence[str], number: int) -> Digests | str:
    """The digests of the named engines from a new process, or a message if it failed."""
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
