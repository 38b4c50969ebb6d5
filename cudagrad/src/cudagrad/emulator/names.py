"""The `cuda` of kernels on the emulator: names that mean something only to the transform."""

from __future__ import annotations

import functools
import sys
from types import ModuleType
from typing import Any, NoReturn


class Cuda:
    """Stands where numba.cuda stands on a GPU; a kernel's `cuda.grid(1)` is never run as Python."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"cuda.{name} means something only inside a kernel")


cuda = Cuda()

Names = tuple[str, ...]  # what follows the first of a dotted name

# Dotted names behind it, without it.
COORDINATES = {"threadIdx", "blockIdx", "blockDim", "gridDim"}
GRIDS = {("grid",): "grid", ("gridsize",): "gridsize"}
ATOMIC_NAMES = (
    *("add", "sub", "max", "min", "nanmax", "nanmin", "and_", "or_", "xor", "inc", "dec"),
    *("exch", "cas", "compare_and_swap"),
)
ATOMICS = {("atomic", name) for name in ATOMIC_NAMES}
SHARED, LOCAL = ("shared", "array"), ("local", "array")
DYNAMIC = (0,)  # the shape of a shared array that takes the bytes that the launch gives
CONSTANT_LIKE = ("const", "array_like")
# With a hint for the cache, which says how soon the element may be needed again.
HINTED_LOADS = {(f"ld{hint}",) for hint in ("ca", "cg", "cs", "lu", "cv")}
HINTED_STORES = {(f"st{hint}",) for hint in ("cg", "cs", "wb", "wt")}
CALCULATIONS = {("popc",), ("clz",), ("ffs",), ("brev",), ("fma",), ("cbrt",), ("selp",)}
FENCES = {("threadfence",), ("threadfence_block",), ("threadfence_system",)}
INSTRUCTIONS = CALCULATIONS | FENCES | {("nanosleep",)}
LANE_MASKS = {("activemask",), ("lanemask_lt",)}
BARRIER, WARP_BARRIER = ("syncthreads",), ("syncwarp",)
SHUFFLES = {("shfl_sync",), ("shfl_up_sync",), ("shfl_down_sync",), ("shfl_xor_sync",)}
MATCHES = {("match_any_sync",), ("match_all_sync",)}
WARP_VOTES = {("any_sync",), ("all_sync",), ("eq_sync",), ("ballot_sync",)}
BLOCK_VOTES = {("syncthreads_count",), ("syncthreads_and",), ("syncthreads_or",)}
THIS_GRID = ("cg", "this_grid")
MODULES = ("cg", "libdevice")
# What makes a thread wait for others.
WAITING = (BARRIER, WARP_BARRIER, *SHUFFLES, *MATCHES, *WARP_VOTES, *BLOCK_VOTES, THIS_GRID)
# What is only called, and is no value that could be given a name.
CALLED = {
    *(*GRIDS, SHARED, LOCAL, CONSTANT_LIKE, *ATOMICS, *HINTED_LOADS, *HINTED_STORES),
    *(*INSTRUCTIONS, *LANE_MASKS, *WAITING),
}


def in_numba(value: Any) -> Names | None:
    """What follows `cuda` where numba.cuda, or a part of it, is meant; None for anything else.

    Kernels may say numba's cuda instead of ours, and import parts of it: `from numba.cuda import
    grid` makes the value of that name ("grid",).
    """
    module = sys.modules.get("numba.cuda")
    if module is None:
        return None
    if getattr(value, "__module__", "") == "numba.cuda.libdevice":
        return "libdevice", value.__name__
    return _parts_of(module).get(id(value))


@functools.cache
def _parts_of(module: ModuleType) -> dict[int, Names]:
    parts: dict[int, Names] = {id(module): ()}
    for name, part in vars(module).items():
        if name in MODULES or str(getattr(part, "__module__", "")).startswith("numba.cuda."):
            parts[id(part)] = (name,)
    return parts
