"""Parameter and Module: what a model is made of, and how its parts are found by name."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np

from ..arguments import mapping
from ..capture import heed, know
from ..dtypes import as_array, is_floating
from ..engine import Tensor, unwrap
from ..ops import zeros_like

Array = np.ndarray[Any, Any]
T = TypeVar("T")


class Parameter(Tensor):
    """A tensor that a Module trains: it requires a gradient, unless it is frozen."""

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(unwrap(data), requires_grad=requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        """A copy without the gradient, which belongs to the original's training, as in torch."""
        make, arguments = self.__reduce__()
        made: Parameter = make(*copy.deepcopy(arguments, memo))
        return made


class IncompatibleKeys(NamedTuple):
    """Names that load_state_dict(strict=False) skipped: not in the state, or not in the module."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """A part of a model: its attributes that are Parameters, Modules or buffers are found by name.

    A subclass says in forward what it computes; it need not call the __init__ of this class.
    """

    _buffer_names: tuple[str, ...] = ()

    @property
    def training(self) -> bool:
        """Whether Dropout and the like work as in training: set by train() and eval()."""
        heed(self, "training")
        mode: bool = vars(self).get("training", True)
        return mode

    @training.setter
    def training(self, mode: bool) -> None:
        vars(self)["training"] = mode

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        """A parameter, module or buffer can be replaced by another or by None, and by nothing else.

        A plain tensor in place of a parameter, say, would no longer be trained.
        """
        old, kinds = vars(self).get(name), (Parameter, Module)
        kind: type = next((kind for kind in kinds if isinstance(old, kind)), object)
        if name in self._buffer_names:
            kind = Tensor
        if value is not None and not isinstance(value, (*kinds, kind)):
            found = type(value).__name__
            raise TypeError(f"{type(self).__name__}: {name} must be a {kind.__name__}, not {found}")
        super().__setattr__(name, value)

    def register_buffer(self, name: str, tensor: Tensor | None) -> None:
        """Keep a tensor that belongs to the state but is not trained: a running mean, say.

        From then on the attribute is a buffer, whatever tensor but a Parameter is assigned to it.
        """
        if name not in self._buffer_names:
            self._require_free("register_buffer", name)
            self._buffer_names = (*self._buffer_names, name)
        setattr(self, name, tensor)

    def add_module(self, name: str, module: Module) -> None:
        """Assign a module to an attribute, whose name need not be an identifier: a number, say."""
        if not isinstance(module, Module):
            raise TypeError(f"add_module: expected a module, not {type(module).__name__}")
        if name not in self._modules:
            self._require_free("add_module", name)
        setattr(self, name, module)

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """Every parameter once, under its first name."""
        return _once(
            (prefix + name, parameter)
            for prefix, module in self._tree()
            for name, parameter in module._parameters.items()
        )

    def parameters(self) -> Iterator[Parameter]:
        return iter({id(parameter): parameter for parameter in self._own_and_below([])}.values())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Every buffer once, under its first name."""
        return _once(
            (prefix + name, buffer)
            for prefix, module in self._tree()
            for name, buffer in module._buffers.items()
        )

    def buffers(self) -> Iterator[Tensor]:
        return (buffer for _, buffer in self.named_buffers())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules held directly, each once, by attribute name."""
        return _once(self._modules.items())

    def children(self) -> Iterator[Module]:
        return (module for _, module in self.named_children())

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """This module, named "", and every one below it, each once, in order of definition."""
        return _once((prefix.removesuffix("."), module) for prefix, module in self._tree())

    def modules(self) -> Iterator[Module]:
        return (module for _, module in self.named_modules())

    def state_dict(self) -> dict[str, Array]:
        """Copies of the arrays of parameters and buffers, by every name they have."""
        return {name: tensor.data.copy() for name, tensor in self._state().items()}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy numbers by name, each in the dtype of its parameter or buffer.

        Raises RuntimeError, before anything changes, that lists the names with a wrong shape or no
        numbers and, if strict, missing and unexpected ones. Returns the last two, empty if strict.
        """
        mapping(f"load_state_dict of {type(self).__name__}", state_dict)
        own = self._state()
        given = {name: _as_array(state_dict[name]) for name in own if name in state_dict}
        problems = {
            "misshapen": [
                f"{name} {array.shape} instead of {own[name].shape}"
                for name, array in given.items()
                if array.shape != own[name].shape
            ],
            "no numbers": [name for name, array in given.items() if array.dtype.kind not in "biuf"],
        }
        passed_over = IncompatibleKeys(
            [name for name in own if name not in state_dict],
            [name for name in state_dict if name not in own],
        )
        if strict:
            problems["missing"], problems["unexpected"] = passed_over
        found = [f"{kind}: {', '.join(names)}" for kind, names in problems.items() if names]
        if found:
            raise RuntimeError(f"load_state_dict of {type(self).__name__}: {'; '.join(found)}")
        for name, array in given.items():
            own[name].data = np.array(as_array(array, own[name].dtype))
            own[name].overwritten()
        return passed_over

    def train(self, mode: bool = True) -> Self:
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode must be True or False, not {mode!r}")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        return self.train(False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients to None; with set_to_none=False, those that are there to 0."""
        know(self.parameters())
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else zeros_like(parameter.grad)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call fn with every module below this one, and last with this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self, dtype: Any) -> Self:
        """Convert floating parameters, their gradients and floating buffers, in place.

        dtype None: leave them as they are.
        """
        if dtype is None:
            return self
        dtype = as_array((), dtype).dtype
        if not is_floating(dtype):
            raise TypeError(f"to: parameters are floating, {dtype} is not")
        for tensor in self._state().values():
            for part in (tensor, tensor.grad):
                if part is not None and is_floating(part.dtype):
                    part.data = part.data.astype(dtype)
        return self

    def extra_repr(self) -> str:
        """The text of repr() between the parentheses, before the modules that this one holds."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr().splitlines()
        held = [line.replace("\n", "\n  ") for line in self._lines()]
        if not held and len(extra) < 2:
            return f"{type(self).__name__}({''.join(extra)})"
        return "\n  ".join([f"{type(self).__name__}(", *extra, *held]) + "\n)"

    def _lines(self) -> list[str]:
        """The text of each module that this one holds."""
        return [f"({name}): {module!r}" for name, module in self._modules.items()]

    @property
    def _parameters(self) -> dict[str, Parameter]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Parameter)}

    @property
    def _buffers(self) -> dict[str, Tensor]:
        held = {name: vars(self).get(name) for name in self._buffer_names}
        return {
            name: value
            for name, value in held.items()
            if isinstance(value, Tensor) and not isinstance(value, Parameter)
        }

    @property
    def _modules(self) -> dict[str, Module]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def _tree(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all below it, once for each name, with the prefix of the names in it."""
        yield prefix, self
        for name, module in vars(self).items():
            if isinstance(module, Module):
                yield from module._tree(f"{prefix}{name}.")

    def _own_and_below(self, found: list[Parameter]) -> list[Parameter]:
        """Append every parameter to found, as often as it is held, in _tree's order; return found.

        Every step needs them: this takes a third of the time that collecting names, too, would.
        """
        below = []
        for value in vars(self).values():
            if isinstance(value, Parameter):
                found.append(value)
            elif isinstance(value, Module):
                below.append(value)
        for module in below:
            module._own_and_below(found)
        return found

    def _state(self) -> dict[str, Tensor]:
        """The parameters and buffers, by every name: a tied one is there more than once."""
        return {
            prefix + name: tensor
            for prefix, module in self._tree()
            for name, tensor in {**module._parameters, **module._buffers}.items()
        }

    def _require_free(self, caller: str, name: str) -> None:
        if not name or "." in name or hasattr(self, name):
            raise KeyError(f"{caller}: the name {name!r} is empty, has a dot in it, or is taken")


class _Row(Module):
    """Modules one after the other, named 0, 1, 2 …"""

    def append(self, module: Module) -> Self:
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before the one at index, as list.insert does; all are renumbered."""
        if not isinstance(module, Module):
            raise TypeError(f"insert: expected a module, not {type(module).__name__}")
        modules = list(self)
        modules.insert(index, module)
        return self._become(modules)

    def pop(self, index: int) -> Module:
        """Remove the module at index, and return it."""
        module: Module = list(self)[index]
        del self[index]
        return module

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __setitem__(self, index: int, module: Module) -> None:
        self.add_module(list(self._modules)[index], module)

    def __delitem__(self, index: int | slice) -> None:
        modules = list(self)
        del modules[index]
        self._become(modules)

    def _become(self, modules: Iterable[Module]) -> Self:
        for name in self._modules:
            delattr(self, name)
        return self.extend(modules)


class Sequential(_Row):
    """Modules in a chain: each takes what the one before returns. Or a dict of such, by name."""

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(dict(list(self._modules.items())[index]))
        return list(self)[index]


class ModuleList(_Row):
    """Modules in a list: how they are used is up to the forward of the module that holds it."""

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self.extend(modules)

    def __getitem__(self, index: int | slice) -> Any:
        modules = list(self)
        return type(self)(modules[index]) if isinstance(index, slice) else modules[index]

    def _lines(self) -> list[str]:
        """As in any module, but neighbours with the same text share one line, with their number."""
        lines, first = [], 0
        for text, same in itertools.groupby(map(repr, self)):
            count = len(list(same))
            last = first + count - 1
            name = f"({first}): " if count == 1 else f"({first}-{last}): {count} x "
            lines.append(name + text)
            first += count
        return lines


def _once(named: Iterable[tuple[str, T]]) -> Iterator[tuple[str, T]]:
    """Each thing once, under its first name."""
    seen: dict[int, T] = {}
    for name, thing in named:
        if id(thing) not in seen:
            seen[id(thing)] = thing
            yield name, thing


def _as_array(value: Any) -> Array:
    """The numbers of a tensor, or of anything else; lists of several lengths as objects."""
    try:
        return np.asarray(unwrap(value))
    except ValueError:
        return np.asarray(value, object)
