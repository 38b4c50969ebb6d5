"""Measure the memory that training takes, in a new process so that nothing else is counted.

What that process has free is filled first, unseen: of the smallest models, with less than a
megabyte, some of the memory, or all of it.
"""

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
from .items import items, of_gpt
from .rivals import recursion

WARM, MORE = 5, 10  # steps that fill all caches, then steps that should need no more memory
STATUS, PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")
LEAST = {"vocab_size": 2, "block_size": 2, "n_layer": 1, "n_head": 1, "n_embd": 2}


@dataclass(frozen=True)
class Memory:
    """The memory of a training; None on systems other than Linux."""

    peak: int | None = None  # bytes, in addition to what was in use before the model was made
    growth: float | None = None  # bytes that every further step adds


def measured(engine: str, item: str, contestant: str, threads: int) -> Memory:
    """The memory that a contestant takes to train an item."""
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
    assert first.sizes is not None
    sizes = {**first.sizes, **LEAST}
    least = of_gpt(first.name, sizes, 1, first.optimizer, first.lr, first.clip, first.dtype, 1)
    with pinned(threads):
        # A first step loads what libraries load lazily, which is not to be counted. Its model is
        # as small as can be: the memory that it leaves free would hide the other's.
        contestants(least, adapter)[contestant]().step(least.batch(0))
        gc.collect()
        before = _kilobytes("VmRSS")
        PEAK.write_text("5")  # resets VmHWM
        trained, batch = make(), chosen.batch(0)
        for _ in range(WARM):
            trained.step(batch)
        warm = _kilobytes("VmRSS")
        for _ in range(MORE):  # on the same batch: a longer one would need more
            trained.step(batch)
        growth = 1024 * (_kilobytes("VmRSS") - warm) / MORE
        send.send(Memory(1024 * (_kilobytes("VmHWM") - before), growth))


def _kilobytes(name: str) -> int:
    """A value of /proc/self/status."""
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
