"""What turns gradients into better parameters, in order of rising complexity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from .. import lists
from ..arguments import mapping, number
from ..engine import Value
from ..floats import divide, sqrt
from ..lists import Shape, Tensor, flat, nest, unnest
from ..nn import Parameter

Row = list[float]
State = dict[str, Any]  # of one parameter: how many steps, and rows of a number for each Value
Group = dict[str, Any]  # "params", and the options they have in common
NOT_NEGATIVE = (
    "lr",
    "momentum",
    "weight_decay",
    "lr_decay",
    "initial_accumulator_value",
    "alpha",
    "eps",
)
BESIDE = ("params", "initial_lr", "name")  # what a group may have besides its options
# What torch's groups have, too: how to compute, not what. A state may have them, and keeps them.
TORCHS = ("param_names", "foreach", "capturable", "differentiable", "fused")


class Optimizer:
    """Holds the parameters, in groups; a subclass says how one of them follows its gradient.

    params: tensors; or groups: dicts with tensors under "params", and options of their own.
    defaults: all options, with their default values. Every optimizer here has maximize: go uphill.
    kept: the names that the state of a parameter may have; None: any.
    """

    kept: tuple[str, ...] | None = None

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        kind = type(self).__name__
        if isinstance(params, (Parameter, Value)):
            raise TypeError(f"{kind}: takes several parameters: put a single one in a list")
        given = _ordered(kind, params)
        if not given:
            raise ValueError(f"{kind}: needs at least one parameter")
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[int, State] = {}  # by the parameter's index over all groups
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Optimize more parameters: a dict with them under "params", and options of their own."""
        kind = type(self).__name__
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            expected = "a group is a dict with parameters as 'params'"
            raise TypeError(f"{kind}: {expected}, not {param_group!r}")
        params = param_group["params"]
        params = [params] if isinstance(params, (Parameter, Value)) else _ordered(kind, params)
        for value in _values(params):
            if not isinstance(value, Value):
                found = type(value).__name__
                raise TypeError(f"{kind}: only Values can be optimized, not {found}")
            if value.parents != ():
                raise ValueError(f"{kind}: only leaves can be optimized, not the result of an op")
        every = _values([*(parameter for parameter, _ in self._members()), *params])
        if len(set(every)) < len(every):
            raise ValueError(f"{kind}: a parameter is there twice")
        group = {**self.defaults, **param_group, "params": params}
        _require_known(kind, "option", param_group, {*self.defaults, *BESIDE})
        _require_valid(kind, group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients to None; with set_to_none=False, those that are there to 0."""
        for parameter, _ in self._members():
            for value in flat(parameter):
                value.grad = None if set_to_none or value.grad is None else 0.0

    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for index, (parameter, group) in enumerate(self._members()):
            values = flat(parameter)
            grad = [value.grad for value in values if value.grad is not None]
            if grad:
                data = [value.data for value in values]
                if len(grad) < len(values):
                    grad = [0.0 if value.grad is None else value.grad for value in values]
                if group.get("maximize"):
                    grad = [-g for g in grad]
                state = self.state.setdefault(index, {})
                moved = self.updated(data, grad, state, group)
                for value, number in zip(values, moved, strict=True):
                    value.data = number

    def updated(self, data: Row, grad: Row, state: State, group: Group) -> Row:
        """The new data; writes to state what the next step needs to know."""
        raise NotImplementedError(f"{type(self).__name__} must define updated")

    def state_dict(self) -> dict[str, Any]:
        """A copy of the state by index, and the groups, with indices for parameters."""
        groups, start = [], 0
        for group in self.param_groups:
            end = start + len(group["params"])
            groups.append({**group, "params": list(range(start, end))})
            start = end
        shapes = [lists.shape(parameter) for parameter, _ in self._members()]
        state = {i: _nested(state, shapes[i]) for i, state in self.state.items() if state}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load state and options; parameters are identified by their order in the groups.

        Raises ValueError, before anything changes, for what does not fit the parameters.
        """
        what = f"{type(self).__name__}.load_state_dict"
        mapping(what, state_dict)
        missing = [name for name in ("param_groups", "state") if name not in state_dict]
        if missing:
            raise ValueError(f"{what}: no {' and no '.join(missing)} in the state")
        saved = state_dict["param_groups"]
        if not all("params" in group for group in saved):
            raise ValueError(f"{what}: a group without params")
        sizes, saved_sizes = ([len(g["params"]) for g in gs] for gs in (self.param_groups, saved))
        if sizes != saved_sizes:
            raise ValueError(f"{what}: groups of {saved_sizes} parameters instead of {sizes}")
        for new in saved:
            _require_known(what, "option", new, {*self.defaults, *BESIDE, *TORCHS})
        indices = [index for group in saved for index in group["params"]]
        unknown = [index for index in state_dict["state"] if index not in indices]
        if unknown:
            raise ValueError(f"{what}: a state of parameters in no group: {unknown}")
        states = [state_dict["state"].get(index, {}) for index in indices]
        if self.kept is not None:
            for state in states:
                _require_known(what, "state", state, set(self.kept))
        pairs = zip(self._members(), states, strict=True)
        self.state = {i: _fitting(p, state) for i, ((p, _), state) in enumerate(pairs)}
        self.param_groups = [
            {**self.defaults, **new, "params": own["params"]}
            for own, new in zip(self.param_groups, saved, strict=True)
        ]

    def __repr__(self) -> str:
        lines = []
        for i, group in enumerate(self.param_groups):
            options = sorted(name for name in group if name != "params")
            lines += [f"Parameter Group {i}", *(f"    {name}: {group[name]}" for name in options)]
        return "\n".join([f"{type(self).__name__} (", *lines, ")"])

    def _members(self) -> Iterator[tuple[Tensor, Group]]:
        """Every parameter, in the order of the indices, with its group."""
        for group in self.param_groups:
            for parameter in group["params"]:
                yield parameter, group


class SGD(Optimizer):
    """Downhill, with momentum: https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html

    nesterov: the gradient is that of the place where the momentum leads.
    """

    kept = ("momentum_buffer",)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening}
        options |= {"weight_decay": weight_decay, "nesterov": nesterov, "maximize": maximize}
        super().__init__(params, options)

    def updated(self, data: Row, grad: Row, state: State, group: Group) -> Row:
        grad = _decayed(grad, data, group)
        lr, momentum = group["lr"], group["momentum"]
        if momentum:
            buffer = list(grad)
            if "momentum_buffer" in state:
                rest = 1 - group["dampening"]
                pairs = zip(state["momentum_buffer"], grad, strict=True)
                buffer = [momentum * b + rest * g for b, g in pairs]
            state["momentum_buffer"] = buffer
            if group["nesterov"]:
                grad = [g + momentum * b for g, b in zip(grad, buffer, strict=True)]
            else:
                grad = buffer
        return [x - lr * g for x, g in zip(data, grad, strict=True)]


class Adagrad(Optimizer):
    """Steps that become smaller where gradients were large.

    Duchi, Hazan, Singer 2011, https://jmlr.org/papers/v12/duchi11a.html, in the order of
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html
    """

    kept = ("step", "sum")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "lr_decay": lr_decay, "eps": eps, "weight_decay": weight_decay}
        options |= {"initial_accumulator_value": initial_accumulator_value, "maximize": maximize}
        super().__init__(params, options)

    def updated(self, data: Row, grad: Row, state: State, group: Group) -> Row:
        grad = _decayed(grad, data, group)
        state["step"] = step = state.get("step", 0) + 1
        totals = _known(state, "sum", data, group["initial_accumulator_value"])
        state["sum"] = totals = [t + g * g for t, g in zip(totals, grad, strict=True)]
        rate, eps = group["lr"] / (1 + (step - 1) * group["lr_decay"]), group["eps"]
        return [
            x - divide(rate * g, sqrt(t) + eps) for x, g, t in zip(data, grad, totals, strict=True)
        ]


class RMSprop(Optimizer):
    """Steps relative to the recent size of the gradient; centered: to its recent deviation.

    Hinton 2012, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf, in the
    order of https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
    """

    kept = ("step", "square_avg", "grad_avg", "momentum_buffer")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.01,
        alpha: float = 0.99,
        eps: float = 1e-08,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps}
        options |= {"centered": centered, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, options)

    def updated(self, data: Row, grad: Row, state: State, group: Group) -> Row:
        grad = _decayed(grad, data, group)
        lr, alpha = group["lr"], group["alpha"]
        state["step"] = state.get("step", 0) + 1
        squares = _known(state, "square_avg", data)
        squares = [alpha * s + (1 - alpha) * g * g for s, g in zip(squares, grad, strict=True)]
        state["square_avg"] = squares
        if group["centered"]:
            means = _known(state, "grad_avg", data)
            means = [m + (1 - alpha) * (g - m) for m, g in zip(means, grad, strict=True)]
            state["grad_avg"] = means
            squares = [s - m * m for s, m in zip(squares, means, strict=True)]
        sizes = [sqrt(s) + group["eps"] for s in squares]
        if not group["momentum"]:
            triples = zip(data, grad, sizes, strict=True)
            return [x - divide(lr * g, size) for x, g, size in triples]
        buffer, momentum = _known(state, "momentum_buffer", data), group["momentum"]
        triples = zip(buffer, grad, sizes, strict=True)
        state["momentum_buffer"] = buffer = [
            momentum * b + divide(g, size) for b, g, size in triples
        ]
        return [x - lr * b for x, b in zip(data, buffer, strict=True)]


class Adam(Optimizer):
    """Steps along the recent mean of the gradient, relative to its recent size.

    amsgrad: relative to the largest such size so far. decoupled_weight_decay: as AdamW.
    Kingma, Ba 2015, https://arxiv.org/abs/1412.6980; Reddi, Kale, Kumar 2018,
    https://arxiv.org/abs/1904.09237, in the order of
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """

    kept = ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        options |= {"amsgrad": amsgrad, "maximize": maximize}
        options |= {"decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, options)

    def updated(self, data: Row, grad: Row, state: State, group: Group) -> Row:
        lr, (beta1, beta2) = group["lr"], group["betas"]
        if group["decoupled_weight_decay"]:
            kept = 1 - lr * group["weight_decay"]
            data = [x * kept for x in data]
        else:
            grad = _decayed(grad, data, group)
        state["step"] = step = state.get("step", 0) + 1
        means, squares = _known(state, "exp_avg", data), _known(state, "exp_avg_sq", data)
        rest1, rest2 = 1 - beta1, 1 - beta2
        means = [m + rest1 * (g - m) for m, g in zip(means, grad, strict=True)]
        squares = [beta2 * s + rest2 * g * g for s, g in zip(squares, grad, strict=True)]
        state["exp_avg"], state["exp_avg_sq"] = means, squares
        if group["amsgrad"]:
            largest = _known(state, "max_exp_avg_sq", data)
            squares = [max(s, top) for s, top in zip(squares, largest, strict=True)]
            state["max_exp_avg_sq"] = squares
        rate = lr / (1 - beta1**step)  # both means began at 0: this makes up for it
        correction, eps = math.sqrt(1 - beta2**step), group["eps"]
        root = math.sqrt
        try:
            return [
                x - rate * m / (root(s) / correction + eps)
                for x, m, s in zip(data, means, squares, strict=True)
            ]
        except ZeroDivisionError:  # eps is 0
            return [
                x - divide(rate * m, root(s) / correction + eps)
                for x, m, s in zip(data, means, squares, strict=True)
            ]


class AdamW(Adam):
    """Adam with weight decay decoupled from the gradient.

    Loshchilov, Hutter 2019, https://arxiv.org/abs/1711.05101, in the order of
    https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-08,
        weight_decay: float = 0.01,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        always = {"maximize": maximize, "decoupled_weight_decay": True}
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **always)

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """As any optimizer's; it remains AdamW if the state is that of an Adam."""
        super().load_state_dict(state_dict)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True


def _decayed(grad: Row, data: Row, group: Group) -> Row:
    """The gradient, plus that of weight_decay / 2 times the sum of the squares of data."""
    decay = group["weight_decay"]
    return [g + decay * x for g, x in zip(grad, data, strict=True)] if decay else grad


def _known(state: State, name: str, data: Row, initial: float = 0.0) -> Row:
    """A row of the state, as long as data; before the first step, initial everywhere."""
    return state[name] if name in state else [initial] * len(data)


def _values(params: Iterable[Tensor]) -> list[Value]:
    return [value for parameter in params for value in unnest(parameter)[0]]


def _ordered(kind: str, params: Iterable[Any]) -> list[Any]:
    if isinstance(params, Set):
        raise TypeError(f"{kind}: parameters are numbered: a set of them has no order")
    if not isinstance(params, Iterable):
        found = type(params).__name__
        raise TypeError(f"{kind}: expected parameters, as of model.parameters(), not {found}")
    return list(params)


def _require_known(what: str, kind: str, given: Iterable[str], known: Set[str]) -> None:
    unknown = sorted(map(str, set(given) - known))
    if unknown:
        names = ", ".join(sorted(known)) or "none"
        raise ValueError(f"{what}: unknown {kind} {', '.join(unknown)}; known: {names}")


def _require_valid(kind: str, group: Group) -> None:
    betas = group.get("betas", (0, 0))
    if not isinstance(betas, tuple | list) or len(betas) != 2:
        raise TypeError(f"{kind}: betas must be two numbers, not {betas!r}")
    for name in NOT_NEGATIVE:
        number(kind, name, group.get(name, 0))
        if not group.get(name, 0) >= 0:
            raise ValueError(f"{kind}: {name} must not be negative, is {group[name]}")
    for beta in betas:
        number(kind, "betas", beta)
        if not 0 <= beta < 1:
            raise ValueError(f"{kind}: betas must lie in [0, 1), are {group['betas']}")
    if group.get("nesterov") and (not group["momentum"] or group["dampening"]):
        raise ValueError(f"{kind}: nesterov needs a momentum, and no dampening")


def _nested(state: State, shape: Shape) -> State:
    """A copy of a state, its rows nested as the parameter is."""
    return {name: value if name == "step" else nest(value, shape) for name, value in state.items()}


def _fitting(parameter: Tensor, state: Mapping[str, Any]) -> State:
    """A state with its nested lists as rows; raises ValueError if a shape is not parameter's."""
    fitting: State = {}
    for name, value in state.items():
        if name == "step":
            fitting[name] = int(value)
        elif value is not None:
            numbers, shape = unnest(value.tolist() if hasattr(value, "tolist") else value)
            fitting[name] = [float(number) for number in numbers]
            if shape != lists.shape(parameter):
                shapes = f"shape {shape} for a parameter of {lists.shape(parameter)}"
                raise ValueError(f"load_state_dict: {name} of {shapes}")
    return fitting
