"""The interface to an engine: arrays in, ops by name, arrays and gradients out."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


class Adapter(Protocol):
    """The interface through which an engine is judged; a tensor is whatever the engine has.

    name: of the engine. ops: the names of its ops.
    dtypes: the names of its floating dtypes, the most precise first.
    package: its module. Training runs use its nn, optim, gpt, no_grad and manual_seed; checkpoints
    use save, load, get_rng_state and set_rng_state.
    """

    @property
    def name(self) -> str: ...

    @property
    def ops(self) -> tuple[str, ...]: ...

    @property
    def dtypes(self) -> tuple[str, ...]: ...

    @property
    def package(self) -> Any: ...

    def tensor(self, array: Array, requires_grad: bool = False) -> Any:
        """A leaf with a copy of array, which may have any layout and dtype, and be 0-d or empty.

        Arrays of integers and booleans become indices and masks.
        """
        ...

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call an op on tensors, Python scalars, and tuples or lists of tensors.

        Arguments have torch's order and names; a shape is one tuple. Several outputs are returned
        as a tuple. A missing op or argument raises NotImplementedError, which names it.
        """
        ...

    def numpy(self, tensor: Any) -> Array:
        """A copy of the numbers, detached from the graph; integers as int64."""
        ...

    def grad(self, tensor: Any) -> Array | None:
        """A copy of the gradient accumulated on a leaf; None if there is none yet."""
        ...

    def backward(self, tensor: Any, gradient: Array) -> None:
        """Run backward from tensor, starting with this gradient of the same shape."""
        ...


def call_op(engine: Adapter, functions: Any, name: str, args: Any, kwargs: Any) -> Any:
    """Call the function of this name, an attribute of functions.

    Raises NotImplementedError, as Adapter.call must, if the op or one of the arguments is missing.
    """
    if name not in engine.ops:
        raise NotImplementedError(f"{engine.name} has no op {name!r}")
    function: Callable[..., Any] = getattr(functions, name)
    parameters = inspect.signature(function).parameters.values()
    for keyword in kwargs:
        if keyword not in {parameter.name for parameter in parameters}:
            raise NotImplementedError(f"{engine.name}: {name} has no argument {keyword!r}")
    positional = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    endless = any(p.kind is p.VAR_POSITIONAL for p in parameters)  # such as einsum's operands
    if len(args) > len(positional) and not endless:
        raise NotImplementedError(
            f"{engine.name}: {name} has {len(positional)} positional arguments, not {len(args)}"
        )
    return function(*args, **kwargs)


def converted(engine: Adapter, model: Any, dtype: str) -> str:
    """Convert a model to dtype if the engine has several; return the dtype that it has."""
    if len(engine.dtypes) == 1:
        return engine.dtypes[0]
    model.to(engine.tensor(np.zeros(1, dtype)).dtype)
    return dtype


def exported(array: Array) -> Array:
    """A copy of an array as numpy() and grad() must return it: integers as int64."""
    return np.array(array, np.int64 if array.dtype.kind in "iu" else None)


def threads() -> int:
    """How many threads an engine may start: OMP_NUM_THREADS, by default one."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))


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
