"""Compile kernels for GPUs that need not be there, print figures of their code, judge these.

python -m cudagrad.compile [--cc 7.5 8.0 9.0 10.0] [--kernel NAME ...] [--page FILE]

With --kernel a page keeps the figures that it has of the other kernels, which is right if their
code is as it was.

Exits with 1 if a kernel does not compile or is beyond a limit, when no page is written, and with 2
for wrong input, or if a package is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from itertools import repeat
from pathlib import Path

from .. import device
from . import limits, machine, page, table
from .machine import (
    Capability,
    CompileError,
    Figures,
    Machine,
    MissingError,
    compiled,
    figures,
)
from .table import Launch

SUMMARY = (__doc__ or "").partition("\n")[0]
DEFAULT = [Capability(7, 5), Capability(8, 0), Capability(9, 0), Capability(10, 0)]
PACKAGES = ("numba", "numba-cuda", "nvidia-nvvm", "nvidia-nvjitlink", "nvidia-cuda-nvdisasm")
SHARE = 8  # launches that a process takes at a time


class UsageError(Exception):
    """Wrong input, in one sentence."""


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    if device.EXECUTOR != "compiler":
        return in_compiler(arguments)
    try:
        return report(options)
    except (UsageError, MissingError) as error:
        print(f"cudagrad.compile: {error}", file=sys.stderr)
        return 2
    except CompileError as error:
        print(f"cudagrad.compile: {error}", file=sys.stderr)
        return 1


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("python -m cudagrad.compile", description=SUMMARY)
    add = made.add_argument
    add("--cc", nargs="+", type=capability, default=DEFAULT, help="compute capabilities")
    add("--kernel", nargs="+", default=[], metavar="NAME", help="only these, by name")
    add("--page", type=Path, metavar="FILE", help="write the figures to a page of all kernels")
    return made


def capability(text: str) -> Capability:
    match = re.fullmatch(r"(\d+)\.(\d)", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no compute capability, such as 9.0")
    return Capability(int(match[1]), int(match[2]))


def in_compiler(arguments: Sequence[str]) -> int:
    """The same command in a process whose kernels are numba-cuda's: they are made at import."""
    _, why = device.numba_cuda("compile")
    if why:
        print(f"cudagrad.compile: {why}", file=sys.stderr)
        return 2
    command = [sys.executable, "-m", "cudagrad.compile", *arguments]
    return subprocess.call(command, env={**os.environ, "CUDAGRAD_DEVICE": "compiler"})


def report(options: argparse.Namespace) -> int:
    """Compile and print; 1 if a limit is broken. Needs the executor "compiler"."""
    machine.require_tools()
    known = [Capability(*each) for each in device.capabilities()]
    for each in options.cc:
        if each not in known:
            names = ", ".join(map(str, known))
            raise UsageError(f"compute capability {each} is unknown; known: {names}")
    launches = chosen(options.kernel)
    if options.page and not options.page.parent.is_dir():  # else it would fail after minutes
        raise UsageError(f"--page: there is no folder {options.page.parent}")
    if options.page and options.page.is_dir():
        raise UsageError(f"--page: {options.page} is a folder")
    others = kept(options, launches) if options.page else {}
    print(f"{device.describe()}; blocks of {device.BLOCK} threads, {device.TILE} x {device.TILE}")
    found = {each: figures(machines, each) for each, machines in made(launches, options.cc)}
    for number, launch in enumerate(launches):
        print(f"{launch}\n    {page.in_words([of_each[number] for of_each in found.values()])}")
    faults = [
        f"{launch}, {each}: {fault}"
        for each in found
        for launch, of_launch in zip(launches, found[each], strict=True)
        for fault in limits.broken(launch, of_launch)
    ]
    for fault in faults:
        print(f"beyond its limit: {fault}")
    if options.page and not faults:
        of_each = zip(*found.values(), strict=True)
        of_launch = others | dict(zip(launches, of_each, strict=True))
        columns = zip(*map(of_launch.__getitem__, table.launches()), strict=True)
        whole = dict(zip(found, columns, strict=True))
        text = page.written(table.launches(), whole, versions())
        options.page.write_text(text, encoding="utf-8")
    return 1 if faults else 0


def kept(
    options: argparse.Namespace, launches: Sequence[Launch]
) -> dict[Launch, Sequence[Figures | None]]:
    """The figures of all launches but these, as the page has them, made by the same compilers."""
    rest = [launch for launch in table.launches() if launch not in set(launches)]
    if not rest:
        return {}
    text = options.page.read_text(encoding="utf-8") if options.page.is_file() else ""
    known = page.read(text, options.cc) if page.made_by(versions()) in text else {}
    lacking = [launch for launch in rest if launch not in known]
    if lacking:
        raise UsageError(
            f"--page: {options.page} lacks {lacking[0].kernel}, by these compilers for these "
            "compute capabilities: leave --kernel out"
        )
    return {launch: known[launch] for launch in rest}


def chosen(names: Sequence[str]) -> list[Launch]:
    """The launches of kernels with these names, or of all; without its parts, a name is many."""
    launches = table.launches()
    short = {launch.kernel.partition("(")[0] for launch in launches}
    unknown = set(names) - short - {launch.kernel for launch in launches}
    if unknown:
        listed = ", ".join(sorted(short))
        raise UsageError(f"no kernel {sorted(unknown)[0]}; known, some with parts: {listed}")
    wanted = set(names)
    return [
        launch
        for launch in launches
        if not names or wanted & {launch.kernel, launch.kernel.partition("(")[0]}
    ]


def made(
    launches: Sequence[Launch], capabilities: Sequence[Capability]
) -> Iterator[tuple[Capability, list[Machine | None]]]:
    """The machine code of every launch, for one compute capability after the other."""
    processes = min(os.cpu_count() or 1, -(-len(launches) // SHARE))
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for each in capabilities:
            start = time.perf_counter()
            machines = list(pool.map(compiled, launches, repeat(each), chunksize=SHARE))
            seconds = time.perf_counter() - start
            print(f"{each}: {len(machines) - machines.count(None)} compiled in {seconds:.1f} s")
            yield each, machines


def versions() -> Mapping[str, str]:
    """Of the packages that take part, as far as they are installed by pip."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
