"""Is a layer like torch's: its names and repr, its outputs and gradients, its initial values?

Weights are drawn here and loaded into the engine and torch through load_state_dict, so that they
need not share a random generator.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from .. import engines
from ..engines import Adapter
from ..engines.torch import load_state
from ..spec.case import Array
from ..spec.part import Always, Made, Normal, Part, Uniform
from . import building
from .measure import (
    EPS,
    InvalidCaseError,
    Measured,
    MismatchError,
    compare,
    distance,
    is_noise,
)
from .reference import cotangent, same
from .stochastic import ENOUGH, SIGMAS, require_draws, require_share

Trace = dict[str, Array | None]  # every observable array of a layer's calls, by description

# Kolmogorov-Smirnov test: the empirical distribution of n samples is further from the true one than
# KOLMOGOROV / sqrt(n) only as rarely as a normal number is five sigmas off.
KOLMOGOROV = 2.75


def form(engine: Adapter, part: Part, case: Made, dtype: str) -> Measured:
    """Check names, shapes, order and repr, and what load_state_dict accepts and refuses."""
    torch = engines.load("torch")
    own, other = (described(e, building.layer(e, part, case, dtype)) for e in (engine, torch))
    if "float32" not in engine.dtypes:
        del other["dtypes"]
    for what, want in other.items():
        if own[what] != want:
            raise MismatchError(f"{what}: {own[what]!r}, should be {want!r}")
    _judge_loading(engine, part, case, dtype)
    return Measured()


def described(engine: Adapter, module: Any) -> dict[str, Any]:
    """What form compares: names, shapes, order and dtypes, repr, modules, and the mode."""
    parameters, buffers = list(module.named_parameters()), list(module.named_buffers())
    state = {name: np.asarray(value) for name, value in module.state_dict().items()}
    return {
        "parameters": {name: engine.numpy(p).shape for name, p in parameters},
        "order of parameters": [name for name, _ in parameters],
        "buffers": {name: engine.numpy(buffer).shape for name, buffer in buffers},
        "order of buffers": [name for name, _ in buffers],
        "state": {name: array.shape for name, array in state.items()},
        "order of the state": list(state),
        "dtypes": [str(array.dtype) for array in state.values()],
        "text": repr(module),
        "modules": [(name, type(each).__name__) for name, each in module.named_modules()],
        "training": module.training,
    }


def training(engine: Adapter, part: Part, case: Made, dtype: str) -> Measured:
    """Check outputs, gradients and buffers in training mode; what is random, by its statistics."""
    if case.chance:
        return _judge_chance(engine, part, case, dtype)
    return _judge_work(engine, part, case, dtype, True)


def evaluation(engine: Adapter, part: Part, case: Made, dtype: str) -> Measured:
    """Check the same after eval()."""
    return _judge_work(engine, part, case, dtype, False)


def initial(engine: Adapter, part: Part, case: Made, dtype: str) -> Measured:
    """Check that initial values have the promised distribution, and that a seed repeats them."""
    first, second = (_fresh(engine, part, case, dtype, seed) for seed in (0, None))
    again = _fresh(engine, part, case, dtype, 0)
    promised = case.initial or {}
    if first.keys() != promised.keys():
        raise MismatchError(f"the state is of {list(first)}, should be of {list(promised)}")
    for name, law in promised.items():
        if not same(first[name], again[name]):
            raise MismatchError(f"manual_seed does not repeat {name}")
        if not isinstance(law, Always) and same(first[name], second[name]):
            raise MismatchError(f"two layers in a row have the same {name}")
        _judge_law(name, first[name].astype(np.float64).ravel(), law)
    return Measured()


def work(
    engine: Adapter,
    part: Part,
    case: Made,
    dtype: str,
    training: bool,
    carried: Mapping[int, Array] | None = None,
) -> Trace:
    """Call a layer as its case says, and record outputs, gradients and buffers.

    carried: cotangents by output, where no other output gets one; by default all are random.
    """
    module = building.loaded(engine, part, case, dtype, weights(part, case))
    module.train(training)
    trace: Trace = {}
    for i, call in enumerate(case.on):
        module.zero_grad()
        args, kwargs, leaves = building.inputs(engine, call, dtype)
        value = module(*args, **kwargs)
        outputs = value if isinstance(value, tuple) else (value,)
        total = None
        for k, output in enumerate(outputs):
            what = f"output {k} of call {i}"
            trace[what] = None if output is None else engine.numpy(output)
            array = trace[what]
            if array is None or array.dtype.kind != "f":
                continue
            if carried is not None and k not in carried:
                continue
            back = cotangent(call, k, array.shape) if carried is None else carried[k]
            product = engine.call("mul", output, building.tensor(engine, back, dtype))
            total = _sum(engine, total, engine.call("sum", product))
        parameters = dict(module.named_parameters())
        if leaves or parameters:
            engine.backward(total, np.ones((), dtype))
        for k, leaf in enumerate(leaves):
            trace[f"gradient of input {k} of call {i}"] = engine.grad(leaf)
        for name, parameter in parameters.items():
            trace[f"gradient of {name} in call {i}"] = engine.grad(parameter)
        for name, buffer in module.named_buffers():
            trace[f"{name} after call {i}"] = engine.numpy(buffer)
    return trace


@functools.cache
def weights(part: Part, case: Made) -> dict[str, Array]:
    """The state that the case is checked with, drawn for the shapes of torch's layer."""
    torch = engines.load("torch")
    module = building.layer(torch, part, case, "float64")
    buffers = {name for name, _ in module.named_buffers()}
    shapes = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    return case.weights(shapes, buffers)


@functools.cache
def torch_work(part: Part, case: Made, training: bool) -> tuple[Trace, dict[str, float]]:
    """torch's trace in float64, and the error of its float32, in eps."""
    torch = engines.load("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # such as for the mean of a KLDivLoss
        want, rounded = (work(torch, part, case, dtype, training) for dtype in EPS)
    errors = {}
    for what, array in want.items():
        near, errors[what] = rounded[what], 0.0
        if array is not None and near is not None and array.dtype.kind == "f":
            errors[what] = distance(near, array, EPS["float32"])[0]
        if is_noise(errors[what]):
            raise InvalidCaseError(f"{what} is rounding noise: {errors[what]:.3g} eps in float32")
    zero = [what for what, a in want.items() if what.startswith("grad") and not np.any(a)]
    if bool(zero) != bool(case.flat):
        raise InvalidCaseError(f"flat={case.flat!r}, but all zero: {', '.join(zero) or 'nothing'}")
    return want, errors


def _judge_work(engine: Adapter, part: Part, case: Made, dtype: str, training: bool) -> Measured:
    want, errors = torch_work(part, case, training)
    got = work(engine, part, case, dtype, training)
    if got.keys() != want.keys():
        raise MismatchError(f"there is {', '.join(got)}; should be {', '.join(want)}")
    worst = Measured()
    for what, array in want.items():
        worst = worst.worst(_compared(what, got[what], array, dtype, errors[what]))
    return worst


def _compared(what: str, got: Array | None, want: Array | None, dtype: str, own: float) -> Measured:
    if want is None or got is None:
        if want is not got:
            raise MismatchError(f"{what} is {'missing' if got is None else 'too many'}")
        return Measured()
    floating = want.dtype.kind == "f"
    error = compare(what, got, want, dtype if floating else str(want.dtype), own)
    return Measured.of(error, own) if floating else Measured()


def _judge_chance(engine: Adapter, part: Part, case: Made, dtype: str) -> Measured:
    """Check dropout: each element is 0 or 1 / (1 - p) times its value in eval; so are gradients."""
    assert case.chance
    p, k = case.chance.p, case.chance.output
    whole, errors = torch_work(part, case, training=False)
    what = f"output {k} of call 0"
    want = whole[what]
    if want is None or want.size < ENOUGH or not want.all():
        raise InvalidCaseError(f"chance needs {ENOUGH} elements, none of them 0 in eval")
    back = cotangent(case.on[0], k, want.shape)
    engine.package.manual_seed(0)
    first, second = (work(engine, part, case, dtype, True, {k: back}) for _ in range(2))
    engine.package.manual_seed(0)
    again = work(engine, part, case, dtype, True, {k: back})
    got, other, repeated = (np.asarray(trace[what]) for trace in (first, second, again))
    require_draws(got, other, repeated)
    scale = (got != 0) / (1 - p)
    worst = _compared(what, got, want * scale, dtype, errors[what])
    require_share(got, p)
    torch = engines.load("torch")
    reference = work(torch, part, case, "float64", False, {k: back * scale})
    for name, array in reference.items():
        if name.startswith("gradient"):
            worst = worst.worst(_compared(name, first[name], array, dtype, errors[name]))
    return worst


def _judge_loading(engine: Adapter, part: Part, case: Made, dtype: str) -> None:
    """Check that load_state_dict loads what it is given, and refuses other names and shapes."""
    state = weights(part, case)
    module = building.loaded(engine, part, case, dtype, state)
    for name, value in module.state_dict().items():
        if not np.array_equal(np.asarray(value), state[name]):
            raise MismatchError(f"load_state_dict left other numbers in {name}")
    wrong = {"unexpected": {**state, "another": np.ones(2)}}
    for name, array in state.items():
        if array.ndim:  # the counter of a batch norm may be missing: old versions of torch had none
            wrong[f"missing {name}"] = {key: state[key] for key in state if key != name}
        wrong[f"misshapen {name}"] = {**state, name: np.ones((2, *array.shape))}
    for what, given in wrong.items():
        try:
            load_state(module, given)
        except RuntimeError:
            continue
        raise MismatchError(f"load_state_dict takes a state with {what}")


def _fresh(
    engine: Adapter, part: Part, case: Made, dtype: str, seed: int | None
) -> dict[str, Array]:
    """The state of a new layer, after manual_seed unless seed is None."""
    if seed is not None:
        engine.package.manual_seed(seed)
    state = building.layer(engine, part, case, dtype).state_dict()
    return {name: np.asarray(value).copy() for name, value in state.items()}


def _judge_law(name: str, numbers: Array, law: Uniform | Normal | Always) -> None:
    """Require that numbers look like a sample of the law."""
    if isinstance(law, Always):
        if not (numbers == law.value).all():
            raise MismatchError(f"{name} should be {law.value} everywhere at first")
        return
    if numbers.size < ENOUGH // 2:
        raise InvalidCaseError(f"{name} has {numbers.size} numbers: too few for a distribution")
    ordered, n = np.sort(numbers), numbers.size
    if isinstance(law, Uniform):
        share = (ordered / law.bound + 1) / 2
        # The largest of n numbers is 15 / n short of the bound as rarely as a five-sigma event.
        span, least = float(np.abs(numbers).max()) / law.bound, 1 - 15 / n
        if not least <= span <= 1 + EPS["float32"]:
            raise MismatchError(f"{name} reaches {span:.4g} of its bound {law.bound:.4g}")
    else:
        share = np.array([(1 + math.erf(z / math.sqrt(2))) / 2 for z in ordered / law.std])
        found, within = float(numbers.std()) / law.std, SIGMAS / math.sqrt(2 * n)
        if not abs(found - 1) <= within:
            raise MismatchError(f"{name} has {found:.4g} of its deviation {law.std:.4g}")
    gap = float(np.abs(share - (np.arange(n) + 0.5) / n).max())
    if not gap <= KOLMOGOROV / math.sqrt(n):
        raise MismatchError(f"{name} is not {law}: the distributions are {gap:.3g} apart")


def _sum(engine: Adapter, a: Any, b: Any) -> Any:
    return b if a is None else engine.call("add", a, b)
