"""Parameter and Module: what a model is made of, and how its parts are found by name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Real
from typing import Any, NamedTuple, Self, TypeVar

from .. import lists
from ..arguments import mapping
from ..engine import Value
from ..lists import Flat, Tensor, kind, nest, unnest

T = TypeVar("T")


class Parameter(list[Any]):
    """A nested list of new Values that a Module trains: they require a gradient, unless frozen."""

    __slots__ = ()  # so that p.requires_grad = False, which would freeze nothing, is an error

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        values = lists.tensor(data, requires_grad)
        if isinstance(values, Value):
            raise ValueError("a Parameter is a list, a number alone is not: write [number]")
        super().__init__(values)

    def __add__(self, other: Any) -> Any:
        raise TypeError("+ of a Parameter, a list, would be Python's: use ops.add(x, y)")

    def __mul__(self, other: Any) -> Any:
        raise TypeError("* of a Parameter, a list, would be Python's: use ops.mul(x, y)")

    __iadd__ = __radd__ = __add__
    __imul__ = __rmul__ = __mul__

    def __reduce__(self) -> Any:
        # A copy, or what was pickled, is made of new leaves, with places of their own on the tape.
        requires_grad = any(value.requires_grad for value in unnest(self)[0])
        return type(self), (lists.tolist(self), requires_grad)


class IncompatibleKeys(NamedTuple):
    """Names that load_state_dict(strict=False) skipped: not in the state, or not in the module."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """A part of a model: its attributes that are Parameters, Modules or buffers are found by name.

    A subclass says in forward what it computes; it need not call the __init__ of this class.
    """

    training = True
    _buffer_names: tuple[str, ...] = ()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        """A parameter, module or buffer can be replaced by another or by None, and by nothing else.

        A plain tensor in place of a parameter, say, would no longer be trained.
        """
        old, kinds = vars(self).get(name), (Parameter, Module)
        wanted = next((kind.__name__ for kind in kinds if isinstance(old, kind)), "")
        fits = not wanted
        if name in self._buffer_names:
            wanted, fits = "Tensor", isinstance(value, (list, tuple, Value, Real))
        if value is not None and not isinstance(value, kinds) and not fits:
            found = type(value).__name__
            raise TypeError(f"{type(self).__name__}: {name} must be a {wanted}, not {found}")
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
        return (parameter for _, parameter in self.named_parameters())

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

    def state_dict(self) -> dict[str, Any]:
        """The numbers of parameters and buffers in nested lists, by every name they have."""
        return {name: lists.tolist(tensor) for name, tensor in self._state().items()}

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy numbers by name, from nested lists, or what has a tolist(), as NumPy's arrays do.

        Raises RuntimeError, before anything changes, that lists the names with a wrong shape or no
        numbers and, if strict, missing and unexpected ones. Returns the last two, empty if strict.
        """
        mapping(f"load_state_dict of {type(self).__name__}", state_dict)
        own = self._state()
        given = {name: _flat(state_dict[name]) for name in own if name in state_dict}
        problems = {
            "misshapen": [
                f"{name} {shape} instead of {lists.shape(own[name])}"
                for name, (_, shape) in given.items()
                if shape != lists.shape(own[name])
            ],
            "no numbers": [
                name
                for name, (numbers, _) in given.items()
                if not all(isinstance(number, Real) for number in numbers)
            ],
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
        modules, new = dict(self._tree()), {}
        for name, (numbers, _) in given.items():
            new[name] = list(map(kind(unnest(own[name])[0]), numbers))
        for name, numbers in new.items():
            items, shape = unnest(own[name])
            if all(isinstance(item, Value) for item in items):
                for value, number in zip(items, numbers, strict=True):
                    value.data = number
            else:  # a buffer of plain numbers
                prefix, dot, attribute = name.rpartition(".")
                setattr(modules[prefix + dot], attribute, nest(numbers, shape))
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
        for parameter in self.parameters():
            for value in unnest(parameter)[0]:
                value.grad = None if set_to_none or value.grad is None else 0.0

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        for parameter in self.parameters():
            for value in unnest(parameter)[0]:
                value.requires_grad = requires_grad
        return self

    def apply(self, fn: Callable[[Module], object]) -> Self:
        """Call fn with every module below this one, and last with this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
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
            if value is not None and not isinstance(value, (Parameter, Module))
        }

    @property
    def _modules(self) -> dict[str, Module]:
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def _tree(self) -> Iterator[tuple[str, Module]]:
        """This module and all below it, once for each name, with the prefix of the names in it."""
        waiting: list[tuple[str, Module]] = [("", self)]
        while waiting:
            prefix, module = waiting.pop()
            yield prefix, module
            below = [(f"{prefix}{name}.", held) for name, held in module._modules.items()]
            waiting.extend(reversed(below))

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


def _flat(data: Any) -> Flat:
    """unnest of nested lists, or of an array; with plain numbers for Values.

    Lists of several lengths are no numbers, in one item.
    """
    try:
        return unnest(data.tolist() if hasattr(data, "tolist") else lists.tolist(data))
    except ValueError:
        return [data], ()
