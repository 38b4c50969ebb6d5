"""What turns gradients into better parameters, in order of rising complexity."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from .. import arrays, device
from ..arguments import mapping, number
from ..arrays import Array
from ..engine import Tensor, tensor
from ..flat import Whole, as_one, packed
from ..kernels import optimizer as kernels
from ..launches import live
from ..ops import zeros_like
from ..storage import bfloat16
from ..writes import overwritten

State = dict[str, Any]  # of one parameter: how many steps, and arrays of its shape
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
    elementwise: whether update treats each number alone. The parameters of a group that have a
    gradient are then packed into one array when they first step, and step in one launch from then
    on. Those that are another package's arrays (see interop) stay where they are, and step alone,
    as do all if they have more elements together than an array may have.
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
        self._wholes: dict[int, Whole] = {}  # by the index of the first parameter
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
        for parameter, _ in self._members():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else zeros_like(parameter.grad)
            if set_to_none and parameter.home is not None:
                parameter.home.flat.forget_gradients()

    @live
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        together: dict[Any, list[tuple[int, Tensor]]] = {}
        for index, (parameter, group) in enumerate(self._members()):
            if parameter.grad is not None:
                if not isinstance(parameter.grad, Tensor):
                    found = type(parameter.grad).__name__
                    raise TypeError(f"step: .grad is a tensor or None, not {found}")
                data, grad = parameter.data, parameter.grad.data
                if parameter.dtype is bfloat16:
                    raise TypeError(
                        "step: parameters of bfloat16 would round small steps away: keep them "
                        "float32, and train under cudagrad.autocast"
                    )
                if (grad.shape, grad.dtype) != (data.shape, data.dtype):
                    raise ValueError(
                        f"step: a gradient of shape {grad.shape} and {grad.dtype} for a parameter "
                        f"of shape {data.shape} and {data.dtype}"
                    )
                self.state.setdefault(index, {})
                is_ours = device.executor.lease(data) is not None
                alone = None if self.elementwise and is_ours else index
                kin = id(group), data.dtype, alone
                together.setdefault(kin, []).append((index, parameter))
        groups = {id(group): group for group in self.param_groups}
        for (group_id, *_), members in together.items():
            self._move(members, groups[group_id])

    def _move(self, members: list[tuple[int, Tensor]], group: Group) -> None:
        """Move parameters of a group and a dtype, in one launch if they are, or can be, packed."""
        indices, parameters = zip(*members, strict=True)
        states = [self.state[index] for index in indices]
        flat = packed(parameters) if len(members) > 1 else None
        whole = flat and as_one(flat, states, self._wholes.get(indices[0]))
        if not (flat and whole):
            for parameter, state in zip(parameters, states, strict=True):
                self.update(parameter.data, parameter.grad.data, state, group)
                overwritten(parameter.data)
            return
        self._wholes[indices[0]] = whole
        grads = [parameter.grad.data for parameter in parameters]
        in_place = all(map(flat.holds, range(len(grads)), grads))
        grad = flat.gradients if in_place else flat.packed(grads)
        self.update(flat.data, grad, whole.state, group)
        overwritten(flat.data)
        whole.hand_out(states)

    def update(self, data: Array, grad: Array, state: State, group: Group) -> None:
        """Write data, and what the next step needs to know of it to state, in place."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def state_dict(self) -> dict[str, Any]:
        """A copy of the state by index, on the host; the groups, with indices for parameters."""
        groups, start = [], 0
        for group in self.param_groups:
            end = start + len(group["params"])
            groups.append({**group, "params": list(range(start, end))})
            start = end
        state = {index: _on_host(state) for index, state in self.state.items() if state}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load state and options; parameters are identified by their order in the groups.

        Arrays of the state are written over those that are there, which a graph (see graph) may
        have captured. Raises ValueError, before anything changes, for what does not fit the
        parameters.
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
        fitting = [_fitting(parameter, state) for (parameter, _), state in pairs]
        self.state = {i: _in_place(self.state.get(i, {}), new) for i, new in enumerate(fitting)}
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

    def update(self, data: Array, grad: Array, state: State, group: Group) -> None:
        momentum, first = group["momentum"], "momentum_buffer" not in state
        if momentum and first:
            state["momentum_buffer"] = arrays.empty(data.shape, data.dtype)
        velocity = _known(state, "momentum_buffer", data) if momentum else data
        numbers = group["weight_decay"], group["lr"], momentum, 1 - group["dampening"]
        _launch(kernels.sgd, (data, grad, velocity), group, numbers, first, group["nesterov"])


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

    def update(self, data: Array, grad: Array, state: State, group: Group) -> None:
        state["step"] = step = state.get("step", 0) + 1
        total = _known(state, "sum", data, group["initial_accumulator_value"])
        rate = group["lr"] / (1 + (step - 1) * group["lr_decay"])
        numbers = group["weight_decay"], rate, group["eps"]
        _launch(kernels.adagrad, (data, grad, total), group, numbers)


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

    def update(self, data: Array, grad: Array, state: State, group: Group) -> None:
        lr, alpha, momentum = group["lr"], group["alpha"], group["momentum"]
        state["step"] = state.get("step", 0) + 1
        square = _known(state, "square_avg", data)
        mean = _known(state, "grad_avg", data) if group["centered"] else data
        velocity = _known(state, "momentum_buffer", data) if momentum else data
        operands = data, grad, square, mean, velocity
        numbers = group["weight_decay"], lr, alpha, 1 - alpha, group["eps"], momentum
        _launch(kernels.rmsprop, operands, group, numbers, group["centered"])


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

    def update(self, data: Array, grad: Array, state: State, group: Group) -> None:
        lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
        decay, keep = (0, 1 - lr * decay) if group["decoupled_weight_decay"] else (decay, 1)
        state["step"] = step = state.get("step", 0) + 1
        mean, square = _known(state, "exp_avg", data), _known(state, "exp_avg_sq", data)
        largest = _known(state, "max_exp_avg_sq", data) if group["amsgrad"] else data
        operands = data, grad, mean, square, largest
        rate, root = lr / (1 - beta1**step), math.sqrt(1 - beta2**step)
        numbers = decay, keep, 1 - beta1, beta2, 1 - beta2, rate, root, group["eps"]
        _launch(kernels.adam, operands, group, numbers, group["amsgrad"])


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


def _launch(
    kernel: Any, operands: Sequence[Array], group: Group, numbers: Iterable[float], *flags: bool
) -> None:
    """Run a kernel over operands, the parameter first, with numbers of the parameter's dtype."""
    data, sign = operands[0], -1 if group.get("maximize") else 1
    scalars = map(data.dtype.type, (sign, *numbers))
    arrays.launch(kernel, data.size, *map(arrays.flat, operands), *scalars, *map(bool, flags))
    overwritten(*operands[2:])


def _known(state: State, name: str, data: Array, initial: float = 0.0) -> Array:
    """An array of the state, of data's shape; before the first step it is filled with initial.

    It has data's dtype, too, which Module.to may have changed since the last step.
    """
    known = state[name] if name in state else arrays.full(data.shape, initial, data.dtype)
    state[name] = arrays.cast(known, data.dtype)
    return state[name]


def _on_host(state: State) -> State:
    return {name: x if name == "step" else device.to_host(x) for name, x in state.items()}


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


def _in_place(own: State, new: State) -> State:
    """The new state, in the arrays of the own one where it has such."""
    state = dict(new)
    for name in (new.keys() & own.keys()) - {"step"}:
        if (own[name].shape, own[name].dtype) == (new[name].shape, new[name].dtype):
            state[name] = arrays.copy(new[name], own[name])
            overwritten(own[name])
    return state


def _fitting(parameter: Tensor, state: Mapping[str, Any]) -> State:
    """state in the dtype of its parameter; raises ValueError for arrays of another shape."""
    fitting: State = {}
    for name, value in state.items():
        if name == "step":
            fitting[name] = int(value)
        elif value is not None:
            fitting[name] = tensor(value, parameter.dtype).data
            if fitting[name].shape != parameter.shape:
                shapes = f"shape {fitting[name].shape} for a parameter of {parameter.shape}"
                raise ValueError(f"load_state_dict: {name} of {shapes}")
    return fitting
