"""Time the same kernels on what runs them without a GPU, and print a table.

python -m cudagrad.timings [--simulator]

The emulator runs them in its two forms, in turns. With --simulator, numba's own simulator runs them
too, once; that takes minutes, and needs numba-cuda: pip install './cudagrad[compile]'. A second
table says what ops cost the host, with launches that do nothing (see overhead).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import device, emulator, engine, ops, overhead
from .allocator import Allocator
from .emulator import DeviceArray, wide
from .executors.emulated import Emulated

SUMMARY = (__doc__ or "").partition("\n")[0]
SIZES = {"CUDAGRAD_BLOCK": "32", "CUDAGRAD_TILE": "16"}
ROUNDS = 15
FORMS: dict[str, Callable[[], contextlib.AbstractContextManager[None]]] = {
    "in step": contextlib.nullcontext,
    "generators": emulator.generators,
}
SIMULATOR = "numba's simulator"


def workloads() -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    rng = np.random.default_rng(0)
    a, b, rows = (
        engine.tensor(rng.random(shape, np.float32)) for shape in [(128, 128)] * 2 + [(64, 128)]
    )
    return {
        "matmul 128 × 128": lambda: ops.matmul(a, b).numpy(),
        "softmax of 64 rows of 128": lambda: ops.softmax(rows, -1).numpy(),
        "a GPT step (8 wide, 8 tokens)": overhead.gpt_step(rng.integers(0, 16, (1, 8))),
    }


def on_emulator() -> dict[str, dict[str, float]]:
    """Milliseconds of processor time by workload and form: medians, the forms in turns."""
    found: dict[str, dict[str, float]] = {}
    for name, workload in workloads().items():
        times: dict[str, list[float]] = {form: [] for form in FORMS}
        for turn in range(ROUNDS + 1):
            for form, inside in FORMS.items():
                with inside():
                    start = time.process_time()
                    workload()
                    if turn:  # the first one compiles
                        times[form].append(1000 * (time.process_time() - start))
        found[name] = {form: statistics.median(samples) for form, samples in times.items()}
    return found


def on_simulator() -> dict[str, dict[str, float]]:
    """The same of numba's simulator, once, in seconds that pass: it mostly waits.

    Nothing of a workload that it cannot run, such as one that shuffles, for which it has no name.
    """
    kernel = importlib.import_module("numba.cuda.simulator.kernel").FakeCUDAKernel
    wrapped = importlib.import_module("numba.cuda.simulator.cudadrv.devicearray").FakeCUDAArray
    launch = kernel.__call__

    def launch_with_ours(self: object, *args: object) -> Any:
        return launch(self, *(wrapped(a.memory) if isinstance(a, DeviceArray) else a for a in args))

    kernel.__call__ = launch_with_ours
    for name in ("load4", "store4"):  # which the simulator has no name for
        setattr(device.intrinsics, name, getattr(wide, name).py_func)
    device.EXECUTOR, device.executor = "emulator", Emulated()  # whose arrays are then made
    device.allocator = Allocator(device.executor)
    found: dict[str, dict[str, float]] = {}
    for name, workload in workloads().items():
        start = time.perf_counter()
        try:
            workload()
        except Exception as error:  # of any kind, out of the kernel's threads
            print(f"numba's simulator cannot run {name}: {error}", file=sys.stderr)
            found[name] = {}
        else:
            found[name] = {SIMULATOR: 1000 * (time.perf_counter() - start)}
    return found


MEASURED = {"emulator": on_emulator, "simulator": on_simulator, "host": overhead.on_host}


def elsewhere(what: str, **environment: str) -> dict[str, dict[str, float]]:
    """What another process with this environment finds."""
    command = [sys.executable, "-m", __spec__.name, "--only", what]
    changed = os.environ | SIZES | environment
    done = subprocess.run(command, env=changed, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("python -m cudagrad.timings", description=SUMMARY)
    simulator = "also time numba's simulator, for minutes; needs './cudagrad[compile]'"
    parser.add_argument("--simulator", action="store_true", help=simulator)
    parser.add_argument("--only", choices=MEASURED, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.only:
        print(json.dumps(MEASURED[options.only]()))
        return 0
    why = device.numba_cuda("compile")[1] if options.simulator else ""
    if why:
        print(f"cudagrad.timings: {why}", file=sys.stderr)
        return 2
    found, columns = elsewhere("emulator", CUDAGRAD_DEVICE="emulator"), list(FORMS)
    if options.simulator:
        columns.append(SIMULATOR)
        environment = {"CUDAGRAD_DEVICE": "compiler", "NUMBA_ENABLE_CUDASIM": "1"}
        for name, times in elsewhere("simulator", **environment).items():
            found[name] |= times
    print("\n".join(table(found, columns)))
    print("\n".join(["", *overhead.table(elsewhere("host", CUDAGRAD_DEVICE="emulator"))]))
    return 0


def table(found: dict[str, dict[str, float]], columns: Sequence[str]) -> list[str]:
    """Milliseconds, and how many times those of the first column, in Markdown."""
    lines = [f"| ms | {' | '.join(columns)} |", "|---|" + "---:|" * len(columns)]
    for name, times in found.items():
        first = times[columns[0]]
        cells = [f"{first:.2f}"]
        cells += [
            f"{times[c]:,.1f} ({times[c] / first:,.0f}×)" if c in times else "–"
            for c in columns[1:]
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
