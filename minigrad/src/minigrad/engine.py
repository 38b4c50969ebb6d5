"""The Tensor, the op decorator and backward: how gradients flow through arrays.

Knows nothing of any particular op: what one computes, and how its gradient comes back, is in ops/.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import functools
import inspect
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from .arguments import axis
from .dtypes import as_array, is_floating
from .silence import silenced, silent

Array = np.ndarray[Any, Any]
Operand = Any  # callers pass a Tensor, an array or a number; the op itself gets an array
Pullback = Callable[[Array], Any] | tuple[Callable[[Array], Array] | None, ...]
Output = tuple[Any, Pullback | None]  # what the function of an op returns
Arguments = ParamSpec("Arguments")

_NO_OUTPUT = "an op returns its value and its pullback, or None where it has no gradient"
_FREED = "whose graph has been freed by an earlier backward(): keep it with retain_graph=True"
_created = itertools.count()  # creation order is a topological order: parents come first

# Whether ops record; each thread and context has its own answer.
_grad_enabled = contextvars.ContextVar("grad_enabled", default=True)


@contextlib.contextmanager
def set_grad_enabled(mode: bool) -> Iterator[None]:
    """Inside, ops of this thread record what backward() needs if mode (torch.set_grad_enabled)."""
    before = _grad_enabled.get()
    _grad_enabled.set(mode)
    try:
        yield
    finally:
        _grad_enabled.set(before)


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Inside, ops record nothing: their outputs do not require a gradient (torch.no_grad)."""
    with set_grad_enabled(False):
        yield


class Tensor:
    """A NumPy array that remembers which op made it, from which parents.

    data: anything numpy.asarray takes; Python floats become float32, as in torch, and arrays keep
    their dtype.
    dtype: float64, float32, int64, int32 … or bool; only floating tensors may require a gradient.
    """

    __slots__ = (
        "__weakref__",
        "data",
        "grad",
        "index",
        "op",
        "parents",
        "pullback",
        "requires_grad",
    )
    __array_ufunc__ = None  # ndarray + Tensor must ask Tensor.__radd__, not loop over elements

    def __init__(self, data: Any, dtype: Any = None, requires_grad: bool = False) -> None:
        self.index = next(_created)  # a graph asks for it as soon as there is data
        self.data = as_array(data, dtype)
        if requires_grad:
            _require_floating(self.data.dtype)
        self.requires_grad = requires_grad
        self.grad: Tensor | None = None
        self.op: str | None = None  # None: a leaf
        self.parents: tuple[Tensor | None, ...] = ()
        self.pullback: Pullback | None = None

    # The operators, and the methods named like ops, are bound in one list in ops/__init__.py; here
    # they are declared for type checkers.
    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]: ...
        def __neg__(self) -> Tensor: ...
        def __add__(self, other: Any) -> Tensor: ...

        __abs__ = __invert__ = __neg__
        __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __add__
        __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __getitem__ = __add__
        __and__ = __rand__ = __or__ = __ror__ = __lt__ = __le__ = __gt__ = __ge__ = __add__

    def record(self, op: str, args: Sequence[Any], pullback: Pullback | None) -> None:
        """Remember what made this tensor, if any of args requires a gradient."""
        parents = [arg if isinstance(arg, Tensor) and arg.requires_grad else None for arg in args]
        for parent in parents:
            if parent is not None:
                break
        else:
            return
        if not (callable(pullback) or pullback is None or type(pullback) is tuple):
            raise TypeError(f"{op}: {_NO_OUTPUT}")
        if isinstance(pullback, tuple):  # drop unneeded ones now, to free what they keep
            each = zip(pullback, parents, strict=False)
            pullback = tuple([pull if of is not None else None for pull, of in each])
        self.requires_grad, self.op = True, op
        self.parents, self.pullback = tuple(parents), pullback

    @silent()
    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Add d(self · gradient)/d(leaf) to the .grad of every leaf that self depends on.

        gradient: has self's shape; defaults to 1 if self has a single element.
        The graph is freed on the way, unless retain_graph; a freed graph cannot be used again.
        Raises RuntimeError if self does not require a gradient, if gradient is missing, if the
        graph has been freed, or if a leaf has been overwritten since it was used; ValueError for a
        gradient of another shape.
        """
        if not self.requires_grad:
            raise RuntimeError("backward() of a tensor that does not require a gradient")
        if gradient is None:
            if self.data.size != 1:
                raise RuntimeError(
                    f"backward() needs a gradient for a tensor of shape {self.shape}: "
                    "only a single element has an implicit one"
                )
            gradient = np.ones_like(self.data)
        seed = np.asarray(unwrap(gradient), self.dtype)
        if seed.shape != self.shape:
            raise ValueError(f"backward: gradient of shape {seed.shape} for {self.shape}")

        for leaf, dout in sweep(self, seed, retain_graph):
            leaf.accumulate(dout)

    def pull(self, dout: Array) -> Sequence[Array | Part | None]:
        """The gradients of the parents, in order, from this node's pullback."""
        pullback = self.pullback
        if isinstance(pullback, tuple):
            return [function(dout) if function is not None else None for function in pullback]
        assert pullback is not None
        returned = pullback(dout)
        return returned if isinstance(returned, tuple) else (returned,)

    def accumulate(self, dout: Array) -> None:
        """Add dout to .grad, which may keep dout itself: nothing else may hold that array."""
        known = self.grad
        if known is not None and not isinstance(known, Tensor):
            raise TypeError(f"backward: .grad is a tensor or None, not {type(known).__name__}")
        if known is not None and known.shape != dout.shape:
            raise ValueError(f"backward: .grad of shape {known.shape} for shape {dout.shape}")
        self.grad = Tensor(dout if known is None else known.data + dout)

    def overwritten(self) -> None:
        """Make this leaf newer than what was computed from it, which backward() then refuses."""
        self.index = next(_created)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.data.dtype

    @property
    def ndim(self) -> int:
        return self.data.ndim

    @property
    def is_leaf(self) -> bool:
        return self.op is None

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its length along dim."""
        if dim is None:
            return self.shape
        if not self.shape:
            raise IndexError("size: a 0-d tensor has no dims")
        return self.shape[axis("size", dim, self.ndim)]

    def dim(self) -> int:
        return self.ndim

    def numel(self) -> int:
        return self.data.size

    def numpy(self) -> Array:
        """The array itself, not a copy; if this tensor requires a gradient, detach() it first."""
        if self.requires_grad:
            raise RuntimeError("numpy() of a tensor that requires a gradient: call detach() first")
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        """The array in DLPack's capsule, shared; without it torch.tensor() fails at an element."""
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.data.__dlpack_device__()

    def item(self) -> float | int | bool:
        """The one element, as a Python number."""
        if self.data.size != 1:
            raise RuntimeError(
                "item(), float(), int() and bool() need one element, this tensor has shape "
                f"{self.shape}"
            )
        return self.data.item()

    def tolist(self) -> Any:
        return self.data.tolist()

    def detach(self) -> Tensor:
        """The same array, cut off from the graph."""
        return Tensor(self.data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        if requires_grad:
            _require_floating(self.dtype)
        if not self.is_leaf and not requires_grad:
            raise RuntimeError("only a leaf can stop requiring a gradient: use detach()")
        self.requires_grad = requires_grad
        return self

    def __reduce__(self) -> Any:
        # A copied or unpickled tensor is a leaf with its own place on the tape.
        if not self.is_leaf:
            raise TypeError("only leaves can be copied or pickled: detach() this tensor first")
        return _leaf, (type(self), self.data, self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A copy that keeps .grad, which copy.copy and pickle drop, as in torch."""
        make, arguments = self.__reduce__()
        made: Tensor = make(*copy.deepcopy(arguments, memo))
        made.grad = copy.deepcopy(self.grad, memo)
        return made

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return map(self.__getitem__, range(len(self)))

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if is_floating(self.dtype) or self.data.size != 1:
            raise TypeError(f"one integer is an index, not {self.dtype} of shape {self.shape}")
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __repr__(self) -> str:
        leaf = ", requires_grad=True" if self.requires_grad else ""
        note = f", op={self.op}" if self.op else leaf
        numbers = np.array2string(self.data, separator=", ", prefix="tensor(")
        shape = "" if self.data.size or self.ndim == 1 else f", shape={self.shape}"
        return f"tensor({numbers}{shape}, dtype={self.dtype}{note})"


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A leaf with a copy of data: numbers, nested lists, an array or a tensor.

    Python floats become float32, as in torch; arrays keep their dtype.
    """
    return Tensor(np.array(as_array(unwrap(data), dtype)), requires_grad=requires_grad)


def _leaf(kind: Callable[..., Tensor], data: Array, requires_grad: bool) -> Tensor:
    return kind(data, requires_grad=requires_grad)


def _require_floating(dtype: np.dtype[Any]) -> None:
    if not is_floating(dtype):
        raise TypeError(f"only floating tensors can require a gradient, not {dtype}")


def op(function: Callable[Arguments, Output]) -> Callable[Arguments, Any]:
    """Make an op from a function on arrays that returns its value and its pullback.

    The pullback takes the gradient of the value and returns one gradient per argument, in the
    order of the signature: None for an argument that has none. Trailing Nones may be left out, and
    a single gradient needs no tuple. Or it is a tuple of functions, one per argument, of which
    only the needed ones are called. A gradient may have the broadcast shape; one that is 0 in most
    places may be a Part. It must be dout, a view of dout, or an array that the pullback does not
    keep. A pullback closes over arrays, never over Tensors, so that no reference cycle forms. If
    the value is a tuple, only its first element has a gradient.

    Parameter names matter: a first parameter x takes a tensor or an array only, unless another is
    called other or exponent: then x may also be a Python number, as in arithmetic.
    """
    signature = inspect.signature(function)
    name, names = function.__name__, tuple(signature.parameters)
    takes_x = names[0] == "x"
    # A plain number may stand in for a tensor in arithmetic only, as in torch.
    numbers = (int, float) if {"other", "exponent"} & set(names) else ()
    tensors_and = (Tensor, np.ndarray, np.generic, *numbers)
    silently = np.errstate(all="ignore")(function)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        computed: Callable[..., Any] = function if silenced.get() else silently
        arrays = [arg.data if isinstance(arg, Tensor) else _operand(arg) for arg in args]
        try:
            if takes_x and (args or kwargs):
                x = args[0] if args else kwargs.get("x")
                if not isinstance(x, tensors_and):
                    raise TypeError(f"{name}: expected a tensor, not {type(x).__name__}")
            if kwargs:
                named = {key: _operand(arg) for key, arg in kwargs.items()}
                returned = computed(*arrays, **named)
            else:
                returned = computed(*arrays)
        except (AttributeError, TypeError) as error:
            wrong = _wrong_operand(name, error, (*args, *kwargs.values()))
            if wrong is None:
                raise
            raise TypeError(wrong) from error
        if kwargs:
            args = (*args, *[kwargs.get(key) for key in names[len(args) :]])
        if type(returned) is not tuple or len(returned) != 2:  # an array of two would unpack, too
            raise TypeError(f"{name}: {_NO_OUTPUT}")
        value, pullback = returned
        if isinstance(value, tuple):
            out: Any = getattr(value, "_make", tuple)(map(Tensor, value))  # with its names, if any
            first = out[0]
        else:
            out = first = Tensor(value)
        if _grad_enabled.get() and first.data.dtype.kind == "f":
            first.record(name, args, pullback)
        return out

    # A caller gets a Tensor, or several: the pullback is not returned.
    vars(wrapper)["__signature__"] = signature.replace(return_annotation=Any)
    return wrapper


def constants(*names: str) -> Callable[[Callable[Arguments, Any]], Callable[Arguments, Any]]:
    """Let an op refuse a tensor that requires a gradient for these arguments, which get none."""

    def decorate(function: Callable[Arguments, Any]) -> Callable[Arguments, Any]:
        op, places = function.__name__, list(inspect.signature(function).parameters)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            for name, given in (*zip(places, args, strict=False), *kwargs.items()):
                if name in names and isinstance(given, Tensor) and given.requires_grad:
                    raise TypeError(f"{op}: {name} has no gradient, and may not require one")
            return function(*args, **kwargs)

        return wrapper

    return decorate


def unwrap(value: Any) -> Any:
    """The array of a tensor; anything else as it is."""
    return value.data if isinstance(value, Tensor) else value


def _operand(value: Any) -> Any:
    """Like unwrap, but copies a caller's array, which may change before backward() reads it.

    This includes arrays in a tuple: an index of several dims.
    """
    if isinstance(value, Tensor):
        return value.data
    if isinstance(value, tuple):
        return tuple([part if type(part) is int else _operand(part) for part in value])
    # By a function that a graph of a step takes note of.
    return np.array(value, order="C") if isinstance(value, np.ndarray) else value


def require_tensors(name: str, *given: Any) -> None:
    """Raise TypeError unless all are tensors or arrays: for functions that only call other ops."""
    for each in given:
        if not isinstance(each, Tensor | np.ndarray | np.generic):
            raise TypeError(_expected_tensor(name, each))


def _wrong_operand(name: str, error: AttributeError | TypeError, args: Sequence[Any]) -> str | None:
    """The message for an error that args caused in op name; None to let error speak for itself."""
    name = name.removeprefix("_")  # of a part of an op, such as _cat
    for arg in args:
        if isinstance(arg, Tensor) and not isinstance(arg.data, np.ndarray):
            return f"{name}: .data of a tensor is a NumPy array, not a {type(arg.data).__name__}"
    parts = [part for arg in args if isinstance(arg, list | tuple) for part in arg]
    for each in (*args, *parts):
        if _of_another_package(each):
            return _expected_tensor(name, each)
    if isinstance(error, TypeError):
        return None if str(error).startswith(name) else f"{name}: {error}"
    if error.name is None or not any(error.obj is each for each in (*args, *parts)):
        return None
    return _expected_tensor(name, error.obj)


def _of_another_package(value: Any) -> bool:
    kinds = [kind.__name__ for kind in type(value).__mro__]
    return "Tensor" in kinds and not isinstance(value, Tensor)


def _expected_tensor(name: str, value: Any) -> str:
    if _of_another_package(value):
        package = type(value).__module__.partition(".")[0]
        return f"{name}: expected a tensor of minigrad, not of {package}"
    return f"{name}: expected a tensor, not {type(value).__name__}"


def sweep(
    root: Tensor, seed: Array, retain_graph: bool, since: int = 0
) -> Iterator[tuple[Tensor, Array]]:
    """Yield each leaf that root's gradient reaches, with its gradient; root's own is seed.

    Nothing else holds the arrays yielded. Nodes made before since count as leaves.
    """
    pending = {root.index: seed}  # gradients of nodes that the sweep has not reached yet
    own: set[int] = set()  # those in arrays that nothing else holds: add in place
    nodes = tape(root, since)
    while nodes:
        node = nodes.pop()  # and drop the reference, so that its output can be freed
        index = node.index
        dout = pending.pop(index, None)
        if dout is None:
            continue
        if node.op is None or index < since:
            yield node, dout if index in own else dout.copy()
            continue
        for parent, grad in zip(node.parents, node.pull(dout), strict=False):
            if parent is None or grad is None:
                continue
            index, data = parent.index, parent.data
            known = pending.get(index)
            if isinstance(grad, Part):
                if index not in own:
                    pending[index] = np.zeros_like(data) if known is None else np.array(known)
                    own.add(index)
                pending[index][grad.where] += grad.dout
                continue
            grad = fitted(grad, data, dout.dtype, node.op)
            if known is None:
                pending[index] = grad
                if made(grad, dout):
                    own.add(index)
            elif index in own:
                known += grad
                # A NumPy number, which ops on 0-d arrays return, has not changed in place.
                pending[index] = known
            else:
                pending[index] = known + grad
                own.add(index)
        if not retain_graph:
            node.parents, node.pullback = (), None


def made(grad: Array, dout: Array) -> bool:
    """Whether the pullback made all of grad, rather than return dout or a view of it.

    Nothing else then holds grad, since a pullback returns no array that it keeps, and none twice.
    """
    owner, source = grad.base, dout.base
    if (grad if owner is None else owner) is (dout if source is None else source):
        return False
    return grad.flags.carray  # C-contiguous and writeable


class Part:
    """A gradient that is dout at the index where, which names no place twice, and 0 elsewhere.

    So a tensor that is taken apart gets its gradient piece by piece, with no zeros around each.
    """

    __slots__ = ("dout", "where")

    def __init__(self, where: Any, dout: Array) -> None:
        self.where, self.dout = where, dout


def tape(root: Tensor, since: int = 0) -> list[Tensor]:
    """Every node that root's gradient reaches, oldest first; the walk ends at those before since.

    Raises RuntimeError if a node has been freed, or a leaf overwritten after it was used.
    """
    found, stack = {root.index: root}, [root]
    while stack:
        node = stack.pop()
        if node.index < since:
            continue
        if node.op is not None and node.pullback is None:
            why = "which returned None for a pullback" if node.parents else _FREED
            raise RuntimeError(f"backward() through {node.op}, {why}")
        for parent in node.parents:
            if parent is None:
                continue
            if parent.index > node.index:
                raise RuntimeError(
                    f"backward() through {node.op}, an input of which has been overwritten since, "
                    "as by an optimizer's step or load_state_dict: compute it anew"
                )
            if parent.index not in found:
                found[parent.index] = parent
                if parent.op is not None:
                    stack.append(parent)
    return [found[index] for index in sorted(found)]


def moment() -> int:
    """An index above those of all nodes made so far, and below those of all later ones."""
    return next(_created)


def fitted(grad: Array, data: Array, dtype: np.dtype[Any], op: str) -> Array:
    """A gradient that op returned for its argument data, in data's shape and dtype.

    dtype: that of op's output.
    """
    if grad.shape == data.shape and grad.dtype is data.dtype:
        return grad  # the common case, fast
    _require_floating(data.dtype)
    assert grad.dtype in (dtype, data.dtype), (
        f"{op}: a gradient is {grad.dtype}, its output {dtype}"
    )
    return sum_to_shape(grad, data.shape, op).astype(data.dtype, copy=False)


def sum_to_shape(grad: Array, shape: tuple[int, ...], op: str) -> Array:
    """Undo broadcasting: the sum of grad over the axes that were stretched from shape."""
    if grad.shape == shape:
        return grad
    extra = grad.ndim - len(shape)
    stretched = [extra + i for i, n in enumerate(shape) if n == 1]
    kept = [n for i, n in enumerate(grad.shape) if i >= extra and i not in stretched]
    assert kept == [n for n in shape if n != 1], (
        f"{op}: a gradient of shape {grad.shape} for an argument of shape {shape}"
    )
    return grad.sum(axis=(*range(extra), *stretched)).reshape(shape)
