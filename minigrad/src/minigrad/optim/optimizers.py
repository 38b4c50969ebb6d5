"""What turns gradients into better parameters, in order of rising complexity."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

import numpy as np

from ..arguments import mapping, number
from ..capture import know, live
from ..engine import Tensor, unwrap
from ..ops import zeros_like
from ..rows import BLOCK, blocks
from ._joined import Joined

Array = np.ndarray[Any, Any]
State = dict[str, Any]  # of one parameter: how many steps, and arrays of its shape
Group = dict[str, Any]  # "params", and the options they have in common
LONG = 1 << 15  # a parameter of more numbers gains nothing by being joined with others
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
    elementwise: whether updated treats each number alone. Several short parameters of a group, of
    one dtype and equally far in their steps, are then passed to it as one vector.
    """

    kept: tuple[str, ...] | None = None
    elementwise = False

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        kind = type(self).__name__
        if isinstance(params, Tensor):
            raise TypeError(f"{kind}: takes several parameters: put a single one in a list")
        given = _ordered(kind, params)
        if not given:
            raise ValueError(f"{kind}: needs at least one parameter")
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[int, State] = {}  # by the parameter's index over all groups
        self._joined: dict[int, dict[str, Joined]] = {}  # by first index of those moved together
        for group in given if isinstance(given[0], dict) else [{"params": given}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: Mapping[str, Any]) -> None:
        """Optimize more parameters: a dict with them under "params", and options of their own."""
        kind = type(self).__name__
        if not isinstance(param_group, Mapping) or "params" not in param_group:
            expected = "a group is a dict with parameters as 'params'"
            raise TypeError(f"{kind}: {expected}, not {param_group!r}")
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else _ordered(kind, params)
        for parameter in params:
            if not isinstance(parameter, Tensor):
                found = type(parameter).__name__
                raise TypeError(f"{kind}: only tensors can be optimized, not {found}")
            if not parameter.is_leaf:
                raise ValueError(f"{kind}: only leaves can be optimized, not the result of an op")
        every = [*(parameter for parameter, _ in self._members()), *params]
        if len({id(parameter) for parameter in every}) < len(every):
            raise ValueError(f"{kind}: a parameter is there twice")
        group = {**self.defaults, **param_group, "params": params}
        _require_known(kind, "option", param_group, {*self.defaults, *BESIDE})
        _require_valid(kind, group)
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients to None; with set_to_none=False, those that are there to 0."""
        know(parameter for parameter, _ in self._members())
        for parameter, _ in self._members():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else zeros_like(parameter.grad)

    @live
    @np.errstate(all="ignore")
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        alike: dict[Any, list[int]] = {}
        members = list(self._members())
        for index, (parameter, group) in enumerate(members):
            if parameter.grad is not None:
                if not isinstance(parameter.grad, Tensor):
                    found = type(parameter.grad).__name__
                    raise TypeError(f"step: .grad is a tensor or None, not {found}")
                data, grad = parameter.data, parameter.grad.data
                if (grad.shape, grad.dtype) != (data.shape, data.dtype):
                    raise ValueError(
                        f"step: a gradient of shape {grad.shape} and {grad.dtype} for a parameter "
                        f"of shape {data.shape} and {data.dtype}"
                    )
                state = self.state.setdefault(index, {})
                key: Any = index
                if self.elementwise and data.size <= LONG:
                    key = id(group), data.dtype, state.get("step"), len(state)
                alike.setdefault(key, []).append(index)
        for indices in alike.values():
            parameter, group = members[indices[0]]
            if len(indices) > 1:
                self._move_together(indices, members, group)
            elif parameter.grad is not None:
                state = self.state[indices[0]]
                parameter.data = self._moved(parameter.data, parameter.grad.data, state, group)
                parameter.overwritten()

    def _moved(self, data: Array, grad: Array, state: State, group: Group) -> Array:
        if group.get("maximize"):
            grad = -grad
        return np.asarray(self.updated(data, grad, state, group), data.dtype)

    def _move_together(self, indices: list[int], members: list[Any], group: Group) -> None:
        """Move parameters as one vector; they, and the arrays of their states, become views."""
        parameters = [members[index][0] for index in indices]
        states, known = [self.state[index] for index in indices], self._joined.get(indices[0], {})
        data = Joined.of([parameter.data for parameter in parameters], known.get("data"))
        grad = np.concatenate([parameter.grad.data for parameter in parameters], axis=None)
        state = dict(states[0])
        for name in state.keys() - {"step"}:
            state[name] = Joined.of([own[name] for own in states], known.get(name)).vector
        moved = Joined(self._moved(data.vector, grad, state, group), data.shapes)
        for parameter, view in zip(parameters, moved.views, strict=True):
            parameter.data = view
            parameter.overwritten()

        now = {"data": moved}
        for name, value in state.items():
            before = known.get(name, data)
            if name == "step":
                for own in states:
                    own[name] = value
            elif before.vector is value:  # the states are views of it already
                now[name] = before
            else:
                now[name] = Joined(value, data.shapes)
                for own, view in zip(states, now[name].views, strict=True):
                    own[name] = view
        self._joined[indices[0]] = now

    def updated(self, data: Array, grad: Array, state: State, group: Group) -> Array:
        """The new data; writes to state what the next step needs to know."""
        raise NotImplementedError(f"{type(self).__name__} must define updated")

    def state_dict(self) -> dict[str, Any]:
        """A copy of the state by index, and the groups, with indices for parameters."""
        groups, start = [], 0
        for group in self.param_groups:
            end = start + len(group["params"])
            groups.append({**group, "params": list(range(start, end))})
            start = end
        state = {index: copy.deepcopy(state) for index, state in self.state.items() if state}
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
        self._joined = {}
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
    elementwise = True

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

    def updated(self, data: Array, grad: Array, state: State, group: Group) -> Array:
        grad = _decayed(grad, data, group)
        if momentum := group["momentum"]:
            if "momentum_buffer" in state:
                rest = 1 - group["dampening"]
                buffer = momentum * state["momentum_buffer"] + rest * grad
            else:
                buffer = grad.copy()
            state["momentum_buffer"] = buffer
            grad = grad + momentum * buffer if group["nesterov"] else buffer
        return data - group["lr"] * grad


class Adagrad(Optimizer):
    """Steps that become smaller where gradients were large.

    Duchi, Hazan, Singer 2011, https://jmlr.org/papers/v12/duchi11a.html, in the order of
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html
    """

    kept = ("step", "sum")
    elementwise = True

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

    def updated(self, data: Array, grad: Array, state: State, group: Group) -> Array:
        grad = _decayed(grad, data, group)
        state["step"] = step = state.get("step", 0) + 1
        total = _known(state, "sum", data, group["initial_accumulator_value"])
        state["sum"] = total = total + grad * grad
        rate = group["lr"] / (1 + (step - 1) * group["lr_decay"])
        return data - rate * grad / (np.sqrt(total) + group["eps"])


class RMSprop(Optimizer):
    """Steps relative to the recent size of the gradient; centered: to its recent deviation.

    Hinton 2012, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf, in the
    order of https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html
    """

    kept = ("step", "square_avg", "grad_avg", "momentum_buffer")
    elementwise = True

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

    def updated(self, data: Array, grad: Array, state: State, group: Group) -> Array:
        grad = _decayed(grad, data, group)
        lr, alpha = group["lr"], group["alpha"]
        state["step"] = state.get("step", 0) + 1
        square = _known(state, "square_avg", data)
        state["square_avg"] = square = alpha * square + (1 - alpha) * grad * grad
        if group["centered"]:
            mean = _known(state, "grad_avg", data)
            state["grad_avg"] = mean = mean + (1 - alpha) * (grad - mean)
            square = square - mean * mean
        size = np.sqrt(square) + group["eps"]
        if not group["momentum"]:
            return data - lr * grad / size
        buffer = _known(state, "momentum_buffer", data)
        state["momentum_buffer"] = buffer = group["momentum"] * buffer + grad / size
        return data - lr * buffer


class Adam(Optimizer):
    """Steps along the recent mean of the gradient, relative to its recent size.

    amsgrad: relative to the largest such size so far. decoupled_weight_decay: as AdamW.
    Kingma, Ba 2015, https://arxiv.org/abs/1412.6980; Reddi, Kale, Kumar 2018,
    https://arxiv.org/abs/1904.09237, in the order of
    https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html
    """

    kept = ("step", "exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    elementwise = True

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

    def updated(self, data: Array, grad: Array, state: State, group: Group) -> Array:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        decoupled = group["decoupled_weight_decay"]
        if not decoupled:
            grad = _decayed(grad, data, group)
        state["step"] = step = state.get("step", 0) + 1
        rate, root = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
        names = ["exp_avg", "exp_avg_sq", *(["max_exp_avg_sq"] if group["amsgrad"] else [])]
        for name in names:
            state[name] = _known(state, name, data)
        moved = np.empty(data.shape, data.dtype)
        arrays = [a.reshape(-1) for a in (data, grad, moved, *(state[name] for name in names))]
        spare = np.empty(min(data.size, BLOCK), data.dtype)
        for block in blocks(data.size):
            x, g, out, mean, square, *largest = (array[block] for array in arrays)
            part = spare[: x.size]
            np.subtract(g, mean, out=part)
            part *= 1 - beta1
            mean += part
            np.multiply(1 - beta2, g, out=part)
            part *= g
            square *= beta2
            square += part
            if largest:
                square = np.maximum(largest[0], square, out=largest[0])
            size = np.sqrt(square, out=part)
            size /= root
            size += group["eps"]
            np.multiply(x, 1 - lr * decay if decoupled else 1, out=out)
            towards = np.divide(mean, size, out=part)
            towards *= rate
            out -= towards
        return moved


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


def _decayed(grad: Array, data: Array, group: Group) -> Array:
    """The gradient, plus that of weight_decay / 2 times the sum of the squares of data."""
    decay = group["weight_decay"]
    return grad + decay * data if decay else grad


def _known(state: State, name: str, data: Array, initial: float = 0.0) -> Array:
    """An array of the state, of data's shape; before the first step it is filled with initial.

    It has data's dtype, too, which Module.to may have changed since the last step.
    """
    known = state[name] if name in state else np.full(data.shape, initial, data.dtype)
    return np.asarray(known, data.dtype, order="C")  # so that reshape(-1) gives a view


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


def _fitting(parameter: Tensor, state: Mapping[str, Any]) -> State:
    """state in the dtype of its parameter; raises ValueError for arrays of another shape."""
    fitting: State = {}
    for name, value in state.items():
        if name == "step":
            fitting[name] = int(value)
        elif value is not None:
            fitting[name] = np.array(unwrap(value), parameter.dtype)
            if fitting[name].shape != parameter.shape:
                shapes = f"shape {fitting[name].shape} for a parameter of {parameter.shape}"
                raise ValueError(f"load_state_dict: {name} of {shapes}")
    return fitting
