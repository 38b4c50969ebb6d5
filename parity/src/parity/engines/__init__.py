"""The adapters of engines: how an array gets in, and a gradient out.

Engines are found by the entry point group "parity.engines", in which any installed distribution may
register one.
"""

from __future__ import annotations

import functools
import importlib.metadata

from .adapter import Adapter, with_ops

__all__ = ["RIVALS", "Adapter", "load", "names", "with_ops"]

GROUP = "parity.engines"
OURS = ("micrograd", "minigrad", "cudagrad")  # in order of rising difficulty
RIVALS = ("torch", "autograd", "jax", "tinygrad")  # only judged and timed if asked for by name
MEMBERS = ("name", "ops", "dtypes", "package", "tensor", "call", "numpy", "grad", "backward")


def names() -> tuple[str, ...]:
    """The registered engines, importable or not: ours, torch, then the others by name."""
    found = importlib.metadata.entry_points(group=GROUP).names
    first = [name for name in (*OURS, "torch") if name in found]
    return (*first, *sorted(found - set(first)))


@functools.cache
def load(name: str) -> Adapter:
    """The adapter of an engine.

    Raises ValueError for an unknown name, ModuleNotFoundError that says what to install if a
    package is missing, and TypeError if the adapter lacks a part of the interface.
    """
    if name not in names():
        raise ValueError(f"no engine {name!r}; there are {', '.join(names())}")
    (entry_point,) = set(importlib.metadata.entry_points(group=GROUP, name=name))
    try:
        adapter = entry_point.load()()
    except ModuleNotFoundError as error:
        missing = error.name or name
        # PyPI has other projects of these names, so ours must be installed from the checkout.
        what = f"./{missing}, in this project's root" if missing in OURS else missing
        raise ModuleNotFoundError(
            f"engine {name} needs the package {missing}: pip install {what}", name=missing
        ) from error
    lacking = [member for member in MEMBERS if not hasattr(adapter, member)]
    if lacking:
        raise TypeError(f"the adapter of engine {name} has no {', '.join(lacking)}")
    return adapter
