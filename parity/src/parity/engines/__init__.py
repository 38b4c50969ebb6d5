"""How an array gets into an engine and a gradient out: one small file each, found by entry point.

Any installed distribution may register an engine in the group "parity.engines"; it is then judged
by the same list as our own.
"""

from __future__ import annotations

import functools
import importlib.metadata

from .adapter import Adapter

__all__ = ["RIVALS", "Adapter", "load", "names"]

GROUP = "parity.engines"
OURS = ("micrograd", "minigrad", "cudagrad", "torch")  # in order of rising difficulty
RIVALS = (
    "torch",
    "autograd",
    "jax",
    "tinygrad",
)  # that are judged and timed when they are asked for
MEMBERS = ("name", "ops", "dtypes", "package", "tensor", "call", "numpy", "grad", "backward")


def names() -> tuple[str, ...]:
    """The engines that are registered, installed or not: ours first, then the others by name."""
    found = importlib.metadata.entry_points(group=GROUP).names
    return tuple(sorted(found, key=lambda name: (OURS.index(name) if name in OURS else 99, name)))


@functools.cache
def load(name: str) -> Adapter:
    """The adapter of an engine.

    Raises ValueError for an unknown name, ModuleNotFoundError with one sentence that says what to
    install if the engine is not there, TypeError if an adapter lacks a part of the interface.
    """
    if name not in names():
        raise ValueError(f"no engine {name!r}; there are {', '.join(names())}")
    (entry_point,) = set(importlib.metadata.entry_points(group=GROUP, name=name))
    try:
        adapter = entry_point.load()()
    except ModuleNotFoundError as error:
        missing = error.name or name
        # The index has other projects of these names: ours are installed from where they lie.
        what = f"./{missing}, in this project's root" if missing in OURS[:3] else missing
        raise ModuleNotFoundError(
            f"engine {name} needs the package {missing}: pip install {what}", name=missing
        ) from error
    lacking = [member for member in MEMBERS if not hasattr(adapter, member)]
    if lacking:
        raise TypeError(f"the adapter of engine {name} has no {', '.join(lacking)}")
    return adapter
