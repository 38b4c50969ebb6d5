"""Training across processes that MPI started: each has a part of every batch.

`mpiexec -n 4 parity train …` is the same training as without it, on the same batches: the gradient
of a batch is the sum of the gradients of its parts, weighed by their shares of the rows. All
processes begin with the same weights and take the same steps, so the weights never travel.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, NoReturn, Protocol

import numpy as np

from ..engines import Adapter
from .task import Array

LAUNCHERS = ("OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK")  # what mpiexec tells its processes


class World(Protocol):
    """The processes of a training. rank: which of them this is, counted from 0. size: how many."""

    rank: int
    size: int

    def sum(self, array: Array) -> Array:
        """The sum of the arrays of all processes, the same bits in each."""
        ...

    def gather(self, value: Any) -> list[Any]:
        """What each process has, by rank."""
        ...

    def abort(self, status: int) -> NoReturn:
        """End all processes: the others may wait for this one for ever."""
        ...


class Alone:
    """One process."""

    rank, size = 0, 1

    def sum(self, array: Array) -> Array:
        return array

    def gather(self, value: Any) -> list[Any]:
        return [value]

    def abort(self, status: int) -> NoReturn:
        raise SystemExit(status)


class Mpi:
    """The processes that mpiexec has started, through mpi4py."""

    def __init__(self) -> None:
        from mpi4py import MPI

        self._mpi, self._all = MPI, MPI.COMM_WORLD
        self.rank, self.size = self._all.Get_rank(), self._all.Get_size()

    def sum(self, array: Array) -> Array:
        # Summed on one process and sent to all: Allreduce may add in another order on each.
        total = np.empty_like(array)
        self._all.Reduce(array, total, self._mpi.SUM)
        self._all.Bcast(total)
        return total

    def gather(self, value: Any) -> list[Any]:
        found: list[Any] = self._all.allgather(value)
        return found

    def abort(self, status: int) -> NoReturn:
        time.sleep(1)  # mpiexec has to have passed on what was said: then it drops everything
        self._all.Abort(status)
        raise SystemExit(status)


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


def sum_gradients(engine: Adapter, model: Any, world: World) -> None:
    """Give every parameter the sum of its gradients on all processes, by one sum of all numbers."""
    parameters = list(model.parameters())
    own = [
        np.zeros_like(engine.numpy(each)) if (grad := engine.grad(each)) is None else grad
        for each in parameters
    ]
    ends = np.cumsum([grad.size for grad in own])
    sums = np.split(world.sum(np.concatenate(own, axis=None)), ends[:-1])
    model.zero_grad()
    for each, grad, total in zip(parameters, own, sums, strict=True):
        engine.backward(each, total.reshape(grad.shape))
