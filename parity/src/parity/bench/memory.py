"""What memory a training takes, in a process of its own: no other's is in the way, or in reach."""

from __future__ import annotations

import gc
import multiprocessing
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import engines
from ..threads import pinned
from .contestants import contestants
from .items import items
from .rivals import recursion

WARM, MORE = 5, 10  # steps until all that is kept is there, and steps that should add nothing
STATUS, PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Memory:
    """peak: bytes at most on top of what the process had before the model was made.

    growth: bytes by which a step after the first ones leaves the process larger. None where the
    system does not tell, as any but Linux.
    """

    peak: int | None = None
    growth: float | None = None


def measured(engine: str, item: str, contestant: str, threads: int) -> Memory:
    """Of a contestant at an item of the engine, by their names."""
    if not (STATUS.exists() and PEAK.exists()):
        return Memory()
    spawn = multiprocessing.get_context("spawn")
    receive, send = spawn.Pipe(duplex=False)
    arguments = (send, engine, item, contestant, threads)
    process = spawn.Process(target=_measure, args=arguments, daemon=True)
    process.start()
    send.close()
    try:
        found: Memory = receive.recv()
    except EOFError:
        raise RuntimeError(f"the process that trains {contestant} at {item} has failed") from None
    finally:
        process.join()
    return found


def _measure(send: Any, engine: str, item: str, contestant: str, threads: int) -> None:
    sys.setrecursionlimit(recursion.DEPTH)
    adapter = engines.load(engine)
    first, *_ = every = items(adapter)
    (chosen,) = (each for each in every if each.name == item)
    make = contestants(chosen, adapter)[contestant]
    with pinned(threads):
        # What a library only loads when it is first used is none of the training's.
        contestants(first, adapter)[contestant]().step(first.batch(0))
        gc.collect()
        before = _kilobytes("VmRSS")
        PEAK.write_text("5")  # the peak is from here on
        trained, batch = make(), chosen.batch(0)
        for _ in range(WARM):
            trained.step(batch)
        warm = _kilobytes("VmRSS")
        for _ in range(MORE):  # on one batch: another may need more
            trained.step(batch)
        growth = 1024 * (_kilobytes("VmRSS") - warm) / MORE
        send.send(Memory(1024 * (_kilobytes("VmHWM") - before), growth))


def _kilobytes(name: str) -> int:
    """A line of the process's status."""
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
