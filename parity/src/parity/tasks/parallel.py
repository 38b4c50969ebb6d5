"""Training across processes that MPI started: each has a part of every batch.

`mpiexec -n 4 parity train …` is the same training as without it, on the same batches: the gradient
of a batch is the sum of the gradients of its parts, weighed by their shares of the rows. All
processes begin with the same weights and take the same steps, so the weights never travel.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

from .task import Array

LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK")  # what mpiexec tells its processes
MOMENT = 5e-4  # seconds


class World(Protocol):
    """The processes of a training. rank: which of them this is, counted from 0. size: how many.

    takes_gpu: whether sum() takes arrays in a GPU's memory.
    """

    rank: int
    size: int
    takes_gpu: bool

    def sum(self, array: Any) -> None:
        """Make of an array the sum of those of all processes, the same bits in each."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """What each process has, by rank."""
        ...

    def meet(self) -> None:
        """Sleep until all processes have come: none takes a core from one that still works."""
        ...

    def abort(self, status: int) -> NoReturn:
        """End all processes: the others may wait for this one for ever."""
        ...


class Alone:
    """One process."""

    rank, size, takes_gpu = 0, 1, False

    def sum(self, array: Any) -> None:
        """What one process has is the sum already."""

    def gather(self, value: Any) -> list[Any]:
        return [value]

    def meet(self) -> None:
        """There is nobody to wait for."""

    def abort(self, status: int) -> NoReturn:
        raise SystemExit(status)


class Mpi:
    """The processes that mpiexec has started, through mpi4py."""

    def __init__(self) -> None:
        from mpi4py import MPI

        self._mpi, self._all = MPI, MPI.COMM_WORLD
        self.rank, self.size = self._all.Get_rank(), self._all.Get_size()
        self.takes_gpu = cuda_aware(MPI.__file__)

    def sum(self, array: Any) -> None:
        # The MPI standard has identical results in all processes: section "All-Reduce".
        self._all.Allreduce(self._mpi.IN_PLACE, array, self._mpi.SUM)

    def gather(self, value: Any) -> list[Any]:
        found: list[Any] = self._all.allgather(value)
        return found

    def meet(self) -> None:
        met = self._all.Ibarrier()
        while not met.Test():
            time.sleep(MOMENT)

    def abort(self, status: int) -> NoReturn:
        time.sleep(1)  # mpiexec has to have passed on what was said: then it drops everything
        self._all.Abort(status)
        raise SystemExit(status)


def cuda_aware(library: str) -> bool:
    """Whether an MPI says that it takes a GPU's memory, as Open MPI and MPICH can.

    library: a file that is linked to it.
    """
    try:
        return int(ctypes.CDLL(library).MPIX_Query_cuda_support()) == 1
    except (AttributeError, OSError):
        return False


ALONE = Alone()


def joined() -> World:
    """The processes that this one was started with; mpi4py is needed where there are several.

    Raises ModuleNotFoundError where MPI started this process and mpi4py is not installed.
    """
    return Mpi() if any(name in os.environ for name in LAUNCHERS) else ALONE


def share(batch: Sequence[Array], number: int, world: World) -> tuple[list[Array], float]:
    """This process's rows of a batch, and which share of all rows they are.

    number: of the batch, by which the parts move on: so batches of one row are dealt in turn.
    """
    rows = len(batch[0])
    turn = (world.rank + number) % world.size
    start, stop = (rows * part // world.size for part in (turn, turn + 1))
    return [array[start:stop] for array in batch], (stop - start) / rows
