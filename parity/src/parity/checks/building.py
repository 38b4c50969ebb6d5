"""Build an engine's layers, optimizers and schedulers from the spec's description of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engines import Adapter
from ..engines.adapter import converted
from ..engines.torch import load_state
from ..spec.case import Array, transform, variable
from ..spec.part import Again, Made, New, Part, Rates, Steps

RATES = (0.1, 0.03)  # of two parameter groups
MADE = (np.ndarray, New)  # what an engine has other objects for


def tensor(engine: Adapter, array: Array, dtype: str, needed: bool = False) -> Any:
    """A leaf tensor; a floating array is converted to dtype."""
    return engine.tensor(np.asarray(array, dtype if array.dtype.kind == "f" else None), needed)


def arguments(engine: Adapter, values: Any, dtype: str, space: Any, *first: Any) -> Any:
    """Replace, anywhere inside values, arrays by tensors and every New by the object it describes.

    space: the module that has the classes. first: arguments that come before those of a New.
    """

    def made(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return tensor(engine, value, dtype)
        args, kwargs = transform(made, (value.args, value.kwargs), MADE)
        return getattr(space, value.name)(*first, *args, **kwargs)

    return transform(made, values, MADE)


def layer(engine: Adapter, part: Part, case: Made, dtype: str) -> Any:
    """The layer as the engine initializes it."""
    args, kwargs = arguments(engine, case.inputs(), dtype, engine.package.nn)
    return getattr(engine.package.nn, part.name)(*args, **kwargs)


def loaded(engine: Adapter, part: Part, case: Made, dtype: str, state: dict[str, Array]) -> Any:
    """The layer in dtype, with state loaded."""
    module = layer(engine, part, case, dtype)
    converted(engine, module, dtype)
    load_state(module, state)
    return module


def inputs(engine: Adapter, call: Any, dtype: str) -> tuple[list[Any], dict[str, Any], list[Any]]:
    """The positional and keyword arguments of a call, and the leaves that require a gradient."""
    leaves: list[Any] = []

    def given(value: Any, before: list[Any]) -> Any:
        if isinstance(value, Again):
            return before[value.position]
        if not isinstance(value, np.ndarray):
            return value
        found = tensor(engine, value, dtype, variable(value))
        if variable(value):
            leaves.append(found)
        return found

    args, kwargs = call.inputs()
    positional: list[Any] = []
    for value in args:
        positional.append(given(value, positional))
    return positional, {name: given(value, []) for name, value in kwargs.items()}, leaves


def optimizer(
    engine: Adapter, name: str, settings: dict[str, Any], second: Any, parameters: list[Any]
) -> Any:
    """An optimizer; second, if given, has the options of a group of the last two parameters."""
    groups: list[Any] = parameters
    if second is not None:
        groups = [{"params": parameters[:-2]}, {"params": parameters[-2:], **second}]
    return getattr(engine.package.optim, name)(groups, **settings)


def of_steps(engine: Adapter, part: Part, case: Steps, parameters: list[Any]) -> Any:
    return optimizer(engine, part.name, case.kwargs, case.second, parameters)


def schedulers(
    engine: Adapter, part: Part, case: Rates, rates: tuple[float, float] = RATES
) -> tuple[Any, list[Any]]:
    """An optimizer with two groups of these rates, and its schedulers."""
    arrays = [np.ones(2), np.ones(3), np.ones(1)]
    parameters = [engine.package.nn.Parameter(engine.tensor(array)) for array in arrays]
    first, second = ({"lr": rate} for rate in rates)
    judged = optimizer(engine, "SGD", first, second, parameters)
    if "last_epoch" in case.kwargs:
        for group in judged.param_groups:
            group["initial_lr"] = 2 * group["lr"]
    space = engine.package.optim.lr_scheduler
    args, kwargs = arguments(engine, case.inputs(), "float64", space, judged)
    chief = getattr(space, part.name)(judged, *args, **kwargs)
    return judged, [chief, *arguments(engine, case.beside, "float64", space, judged)]
