"""What parity asks of an engine: arrays in, ops by name, arrays and gradients out."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

Array = np.ndarray[Any, Any]


class Adapter(Protocol):
    """The interface through which an engine is judged; tensors are whatever the engine has.

    name: what the engine is called. ops: the names of the ops that it has.
    dtypes: the names of its floating dtypes, the most precise one first.
    package: its module, which offers nn, optim, gpt, no_grad and manual_seed to training runs, and
    save, load, get_rng_state and set_rng_state to those that are interrupted.
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
        """A leaf with a copy of array: of any layout and dtype, 0-d and empty ones too.

        Arrays of integers and booleans become plain indices and masks.
        """
        ...

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """The op on tensors, Python scalars, tuples and lists of tensors.

        Order and keywords are torch's, the tensor first, a shape as one tuple. Several outputs come
        back as a tuple. An op or an argument that the engine does not have raises
        NotImplementedError, which names it.
        """
        ...

    def numpy(self, tensor: Any) -> Array:
        """A copy of the numbers, cut off from the graph; integers as int64."""
        ...

    def grad(self, tensor: Any) -> Array | None:
        """A copy of the gradient that has accumulated on a leaf; None before any has."""
        ...

    def backward(self, tensor: Any, gradient: Array) -> None:
        """Carry gradient, of the shape of tensor, back to the leaves."""
        ...


def implemented(engine: Adapter, functions: Any, name: str, args: Any, kwargs: Any) -> Any:
    """The function called name among the attributes of functions, if it takes these arguments.

    Raises NotImplementedError, as Adapter.call must, when it is missing or has no such argument.
    """
    if name not in engine.ops:
        raise NotImplementedError(f"{engine.name} has no op {name!r}")
    function: Callable[..., Any] = getattr(functions, name)
    parameters = inspect.signature(function).parameters.values()
    for keyword in kwargs:
        if keyword not in {parameter.name for parameter in parameters}:
            raise NotImplementedError(f"{engine.name}: {name} has no argument {keyword!r}")
    positional = [p for p in parameters if p.kind is not p.KEYWORD_ONLY]
    endless = any(p.kind is p.VAR_POSITIONAL for p in parameters)  # as the operands of einsum
    if len(args) > len(positional) and not endless:
        raise NotImplementedError(
            f"{engine.name}: {name} has {len(positional)} positional arguments, not {len(args)}"
        )
    return function


def converted(engine: Adapter, model: Any, dtype: str) -> str:
    """Convert a model to the dtype, unless the engine has but one; which it is then of."""
    if len(engine.dtypes) == 1:
        return engine.dtypes[0]
    model.to(engine.tensor(np.zeros(1, dtype)).dtype)
    return dtype


def exported(array: Array) -> Array:
    """A copy of an engine's array as numpy() and grad() hand it out."""
    return np.array(array, np.int64 if array.dtype.kind in "iu" else None)


def threads() -> int:
    """How many threads an engine may start of its own: OMP_NUM_THREADS, or else one."""
    return int(os.environ.get("OMP_NUM_THREADS", "1"))
