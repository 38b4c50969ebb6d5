"""An engine with functions of your own: ops that it lacks, or wrong ones in place of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .adapter import Adapter


def with_ops(engine: Adapter, **functions: Callable[..., Any]) -> Adapter:
    """The adapter of an engine that has these ops, too, or instead of those of the same names.

    with_ops(load("minigrad"), mish=mish): functions take and return the engine's tensors. Only
    checks of ops call them; the engine's layers and its own other ops go on as before.
    """
    return _WithOps(engine, functions)


class _WithOps:
    def __init__(self, engine: Adapter, functions: dict[str, Callable[..., Any]]) -> None:
        self.engine, self.functions = engine, functions
        self.name, self.dtypes, self.package = engine.name, engine.dtypes, engine.package
        self.ops = tuple(dict.fromkeys((*engine.ops, *functions)))
        self.tensor, self.numpy, self.grad = engine.tensor, engine.numpy, engine.grad
        self.backward = engine.backward

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        if name in self.functions:
            return self.functions[name](*args, **kwargs)
        return self.engine.call(name, *args, **kwargs)
