"""Data-parallel training: processes started by MPI each take a part of every batch.

`mpiexec -n 4 parity train …` computes the same as without mpiexec: the gradient of a batch is the
sum of the gradients of its parts, weighted by their shares of the rows. All processes start with
the same weights and take the same steps, so weights are never sent.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from .task import Array

LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK")  # set by mpiexec
MOMENT = 5e-4  # seconds between two looks at a barrier


class World(Protocol):
    """The processes of a training."""

    rank: int  # of this process, counted from 0
    size: int  # number of processes
    takes_gpu: bool  # whether sum() accepts arrays in GPU memory

    def sum(self, array: Any) -> None:
        """Sum an array over all processes, in place; all get the same bits."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """Every process's value, by rank."""
        ...

    def meet(self) -> None:
        """Wait for all processes; sleeping, so that others can use the core."""
        ...

    def abort(self, status: int) -> NoReturn:
        """End all processes: otherwise the others might wait for this one for ever."""
        ...


class Alone:
    """A world of one process."""

    rank, size, takes_gpu = 0, 1, False

    def sum(self, array: Any) -> None:
        """There is nothing to add."""

    def gather(self, value: Any) -> list[Any]:
        return [value]

    def meet(self) -> None:
        """There is no other process."""

    def abort(self, status: int) -> NoReturn:
        raise SystemExit(status)


class Mpi:
    """The processes started by mpiexec, through mpi4py."""

    def __init__(self) -> None:
        from mpi4py import MPI

        self._mpi, self._all = MPI, MPI.COMM_WORLD
        self.rank, self.size = self._all.Get_rank(), self._all.Get_size()
        self.takes_gpu = cuda_aware(MPI.__file__)

    def sum(self, array: Any) -> None:
        # The MPI standard promises the same result in all processes: section "All-Reduce".
        self._all.Allreduce(self._mpi.IN_PLACE, array, self._mpi.SUM)

    def gather(self, value: Any) -> list[Any]:
        found: list[Any] = self._all.allgather(value)
        return found

    def meet(self) -> None:
        met = self._all.Ibarrier()
        while not met.Test():
            time.sleep(MOMENT)

    def abort(self, status: int) -> NoReturn:
        time.sleep(1)  # let mpiexec forward our output, which it drops on abort
        self._all.Abort(status)
        raise SystemExit(status)


def cuda_aware(library: str) -> bool:
    """Whether an MPI (Open MPI or MPICH) reports support for GPU memory.

    library: a file that is linked to it.
    """
    try:
        return int(ctypes.CDLL(library).MPIX_Query_cuda_support()) == 1
    except (AttributeError, OSError):
        return False


ALONE = Alone()


def joined() -> World:
    """The world of this process: MPI's, if mpiexec started it.

    Raises ModuleNotFoundError if it did and mpi4py is not installed.
    """
    return Mpi() if any(name in os.environ for name in LAUNCHERS) else ALONE


def share(batch: Sequence[Array], number: int, world: World) -> tuple[list[Array], float]:
    """This process's rows of a batch, and their share of all rows.

    The parts rotate with the number of the batch, so that batches of one row are dealt in turn.
    """
    rows = len(batch[0])
    turn = (world.rank + number) % world.size
    start, stop = (rows * part // world.size for part in (turn, turn + 1))
    return [array[start:stop] for array in batch], (stop - start) / rows
