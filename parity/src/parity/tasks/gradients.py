"""Sum the gradients of all processes, joined into one array.

Gradients on a GPU are summed there by NCCL, if its package nccl4py is installed, or by an MPI that
accepts GPU memory. Otherwise they are copied to the host first.

The sum starts only after backward. Starting parts of it earlier, with MPI's Iallreduce, is not
faster if every process has a core of its own: parity's README has the measurement.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np

from ..engines import Adapter
from ..environment import executor_kind
from .parallel import World


class Door(NamedTuple):
    """A way to sum an array over all processes."""

    way: str  # in words
    sum: Callable[[Any], None]  # in place
    on_gpu: bool  # whether the arrays are on a GPU, or NumPy's


def door(engine: Adapter, world: World) -> Door:
    """The best Door for an engine. All processes must ask, and get the same one.

    Raises OSError if NCCL is installed but fails.
    """
    if world.size == 1 or not lies_on_gpu(engine):
        return Door("MPI", world.sum, False)
    if all(world.gather(find_spec("nccl") is not None)):
        return Door("NCCL, on the GPUs", by_nccl(world), True)
    if all(world.gather(world.takes_gpu)):
        return Door("MPI, on the GPUs", world.sum, True)
    way = "MPI, through the host: there is no nccl4py, and this MPI does not take a GPU's memory"
    return Door(way, world.sum, False)


def lies_on_gpu(engine: Adapter) -> bool:
    return executor_kind(engine) == "gpu"


def by_nccl(world: World) -> Callable[[Any], None]:
    """A function that sums GPU arrays with NCCL, on the default stream."""
    nccl: Any = importlib.import_module("nccl.core")
    known_to_all = world.gather(nccl.get_unique_id() if world.rank == 0 else None)[0]
    try:
        joined = nccl.Communicator.init(world.size, world.rank, known_to_all)
    except Exception as error:  # NCCL has its own exception classes
        raise OSError(
            f"NCCL does not join {world.size} processes ({error}): give each a GPU of its own, "
            "by CUDA_VISIBLE_DEVICES, or uninstall nccl4py"
        ) from error
    return lambda array: joined.allreduce(array, array, nccl.SUM)


def sum_gradients(engine: Adapter, model: Any, door: Door) -> None:
    """Replace every parameter's gradient by its sum over all processes."""
    parameters = list(model.parameters())
    summed = on_gpu if door.on_gpu else on_host
    sums = summed(engine, parameters, door.sum)
    model.zero_grad()
    for each, total in zip(parameters, sums, strict=True):
        engine.backward(each, total)


def on_host(
    engine: Adapter, parameters: Sequence[Any], sum_in_place: Callable[[Any], None]
) -> list[Any]:
    """The summed gradients as NumPy arrays."""
    own = [
        np.zeros_like(engine.numpy(each)) if (grad := engine.grad(each)) is None else grad
        for each in parameters
    ]
    flat = np.concatenate(own, axis=None)
    sum_in_place(flat)
    parts = np.split(flat, np.cumsum([grad.size for grad in own])[:-1])
    return [part.reshape(grad.shape) for part, grad in zip(parts, own, strict=True)]


def on_gpu(
    engine: Adapter, parameters: Sequence[Any], sum_in_place: Callable[[Any], None]
) -> list[Any]:
    """The summed gradients as tensors; they are joined into one for __cuda_array_interface__."""
    ops = engine.package.ops
    own = [ops.zeros_like(each.detach()) if each.grad is None else each.grad for each in parameters]
    flat = ops.cat([ops.reshape(grad, (-1,)) for grad in own])
    engine.package.synchronize()  # MPI does not wait for kernels
    sum_in_place(flat)
    parts = ops.split(flat, [math.prod(grad.shape) for grad in own])
    return [ops.reshape(part, grad.shape) for part, grad in zip(parts, own, strict=True)]
