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

from .dtypes import as_array, is_floating

Array = np.ndarray[Any, Any]
Operand = Any  # for the caller of an op a Tensor, an array or a number; inside the op an array
Pullback = Callable[[Array], Any] | tuple[Callable[[Array], Array] | None, ...]
Output = tuple[Any, Pullback | None]  # what the function of an op returns
Arguments = ParamSpec("Arguments")

_NO_OUTPUT = "an op returns its value and its pullback, or None where it has no gradient"
_NO_PAIR: Any = ()
_FREED = "whose graph has been freed by an earlier backward(): keep it with retain_graph=True"
_created = itertools.count()  # creation order is a topological order: parents come first

# Whether ops record, and whether NumPy is silent already: of each thread and context its own, as
# NumPy's errstate is; one variable, as every op asks for both.
_mode = contextvars.ContextVar("mode", default=(True, False))


@contextlib.contextmanager
def set_grad_enabled(mode: bool) -> Iterator[None]:
    """Inside, ops of this thread record what backward() needs, or not (torch.set_grad_enabled)."""
    before = _mode.get()
    _mode.set((mode, before[1]))
    try:
        yield
    finally:
        _mode.set((before[0], _mode.get()[1]))


@contextlib.contextmanager
def no_grad() -> Iterator[None]:
    """Inside, ops record nothing: their outputs do not require a gradient (torch.no_grad)."""
    with set_grad_enabled(False):
        yield


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Inside, NumPy warns of nothing, as in every op: for many of them, which then need not ask."""
    before = _mode.get()
    _mode.set((before[0], True))
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        _mode.set((_mode.get()[0], before[1]))


class Tensor:
    """A NumPy array that remembers which op made it, from which parents.

    data: what numpy.asarray takes; Python floats become float32, as in torch, arrays keep theirs.
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
        self.data = as_array(data, dtype)
        if requires_grad and not is_floating(self.data.dtype):
            raise TypeError(f"only floating tensors can require a gradient, not {self.data.dtype}")
        self.requires_grad = requires_grad
        self.grad: Tensor | None = None
        self.index = next(_created)
        self.op: str | None = None  # None: a leaf
        self.parents: tuple[Tensor | None, ...] = ()
        self.pullback: Pullback | None = None

    def record(self, op: str, args: Sequence[Any], pullback: Pullback | None) -> None:
        """Remember what made this tensor, if a gradient is to flow on to one of args."""
        parents = [arg if isinstance(arg, Tensor) and arg.requires_grad else None for arg in args]
        for parent in parents:
            if parent is not None:
                if not (callable(pullback) or pullback is None or type(pullback) is tuple):
                    raise TypeError(f"{op}: {_NO_OUTPUT}")
                self.requires_grad = True
                if isinstance(pullback, tuple):  # what only an unneeded one keeps is freed at once
                    each = zip(pullback, parents, strict=False)
                    pullback = tuple([pull if of is not None else None for pull, of in each])
                self.op, self.parents, self.pullback = op, tuple(parents), pullback
                break

    # The operators, and the methods named like ops, are bound in one list in ops/__init__.py.
    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

        __add__: Callable[[Any], Tensor]
        __radd__: Callable[[Any], Tensor]
        __sub__: Callable[[Any], Tensor]
        __rsub__: Callable[[Any], Tensor]
        __mul__: Callable[[Any], Tensor]
        __rmul__: Callable[[Any], Tensor]
        __truediv__: Callable[[Any], Tensor]
        __rtruediv__: Callable[[Any], Tensor]
        __pow__: Callable[[Any], Tensor]
        __rpow__: Callable[[Any], Tensor]
        __matmul__: Callable[[Any], Tensor]
        __rmatmul__: Callable[[Any], Tensor]
        __neg__: Callable[[], Tensor]
        __abs__: Callable[[], Tensor]
        __invert__: Callable[[], Tensor]
        __and__: Callable[[Any], Tensor]
        __rand__: Callable[[Any], Tensor]
        __or__: Callable[[Any], Tensor]
        __ror__: Callable[[Any], Tensor]
        __lt__: Callable[[Any], Tensor]
        __le__: Callable[[Any], Tensor]
        __gt__: Callable[[Any], Tensor]
        __ge__: Callable[[Any], Tensor]
        __getitem__: Callable[[Any], Tensor]

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

    def numel(self) -> int:
        return self.data.size

    def numpy(self) -> Array:
        """The array itself, not a copy; of a tensor that requires a gradient, detach() first."""
        if self.requires_grad:
            raise RuntimeError("numpy() of a tensor that requires a gradient: call detach() first")
        return self.data

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        return np.array(self.numpy(), dtype, copy=copy)

    def item(self) -> float | int | bool:
        """The one element, as a Python number."""
        if self.data.size != 1:
            raise RuntimeError(f"item() needs one element, this tensor has shape {self.shape}")
        return self.data.item()

    def tolist(self) -> Any:
        return self.data.tolist()

    def detach(self) -> Tensor:
        """The same array, cut off from the graph."""
        return Tensor(self.data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        if requires_grad and not is_floating(self.dtype):
            raise TypeError(f"only floating tensors can require a gradient, not {self.dtype}")
        if not self.is_leaf and not requires_grad:
            raise RuntimeError("only a leaf can stop requiring a gradient: use detach()")
        self.requires_grad = requires_grad
        return self

    def __reduce__(self) -> Any:
        # A copy, or what was pickled, is a leaf with a place of its own on the tape.
        if not self.is_leaf:
            raise TypeError("only leaves can be copied or pickled: detach() this tensor first")
        return _leaf, (type(self), self.data, self.requires_grad)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A copy with its gradient, which one by copy.copy or pickle is without, as in torch."""
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

    def __bool__(self) -> bool:
        return bool(self.item())

    def __repr__(self) -> str:
        leaf = ", requires_grad=True" if self.requires_grad else ""
        note = f", op={self.op}" if self.op else leaf
        return f"tensor({np.array2string(self.data, separator=', ')}, dtype={self.dtype}{note})"

    @silent()
    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Add d(self · gradient)/d(leaf) to the .grad of every leaf that self depends on.

        gradient: of self's shape; may be left out when self has one element, and is then 1.
        The graph is freed as it is swept, unless retain_graph; freed, it cannot be swept again.
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

    def overwritten(self) -> None:
        """Make this leaf younger than what was computed of it, which backward() then refuses."""
        self.index = next(_created)

    def pull(self, dout: Array) -> Sequence[Array | Part | None]:
        """The gradients of the parents, in order, by this node's pullback."""
        pullback = self.pullback
        if isinstance(pullback, tuple):
            return [function(dout) if function is not None else None for function in pullback]
        assert pullback is not None
        returned = pullback(dout)
        return returned if isinstance(returned, tuple) else (returned,)

    def accumulate(self, dout: Array) -> None:
        """Add dout, an array that nobody else holds, to .grad."""
        known = self.grad
        if known is not None and not isinstance(known, Tensor):
            raise TypeError(f"backward: .grad is a tensor or None, not {type(known).__name__}")
        if known is not None and known.shape != dout.shape:
            raise ValueError(f"backward: .grad of shape {known.shape} for shape {dout.shape}")
        self.grad = Tensor(dout if known is None else known.data + dout)


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A leaf with a copy of data: numbers, nested lists or an array."""
    return Tensor(np.array(as_array(unwrap(data), dtype)), requires_grad=requires_grad)


def zeroed(grad: Tensor | None, set_to_none: bool) -> Tensor | None:
    """What zero_grad leaves of a gradient: nothing, or zeros in the place of numbers."""
    return None if grad is None or set_to_none else Tensor(np.zeros_like(grad.data))


class Part:
    """The gradient of an argument that is dout at some places, each there once, and else 0."""

    __slots__ = ("dout", "where")

    def __init__(self, where: Any, dout: Array) -> None:
        self.where, self.dout = where, dout


def sweep(
    root: Tensor, seed: Array, retain_graph: bool, since: int = 0
) -> Iterator[tuple[Tensor, Array]]:
    """Every leaf that root's gradient reaches, with its gradient, where root's is seed.

    The gradient is an array that nobody else holds. A node made before since is taken for a leaf.
    """
    pending = {root.index: seed}  # gradients of nodes that the sweep has not reached yet
    own: set[int] = set()  # of which these are in arrays that nobody else holds
    nodes = tape(root, since)
    while nodes:
        node = nodes.pop()  # whose output is freed with it, if nobody else has it
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
            if grad.shape != data.shape or grad.dtype is not data.dtype:
                grad = fitted(grad, data, dout.dtype, node.op)
            if known is None:
                pending[index] = grad
                if made(grad, dout):
                    own.add(index)
            elif index in own:
                known += grad
                pending[index] = (
                    known  # of 0-d arrays NumPy makes numbers, which are never in place
                )
            else:
                pending[index] = known + grad
                own.add(index)
        if not retain_graph:
            node.parents, node.pullback = (), None


def made(grad: Array, dout: Array) -> bool:
    """Whether a pullback has made grad, whole: it is neither dout nor a view of it.

    As no pullback returns what it keeps, nor one array twice, nobody else holds such an array.
    """
    owner, source = grad.base, dout.base
    if (grad if owner is None else owner) is (dout if source is None else source):
        return False
    return grad.flags.carray  # C-contiguous and writeable


def tape(root: Tensor, since: int = 0) -> list[Tensor]:
    """Every node that root's gradient reaches, oldest first; back to those made before since.

    Raises RuntimeError if a node has been freed, or a leaf overwritten since a node was made of it.
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
    """A number between the indices of the nodes made so far and of those made from now on."""
    return next(_created)


def fitted(grad: Array, data: Array, dtype: np.dtype[Any], op: str) -> Array:
    """A gradient from op, whose output is of dtype, in the shape and dtype of its argument data."""
    if not is_floating(data.dtype):
        raise TypeError(f"only floating tensors can require a gradient, not {data.dtype}")
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


def _leaf(kind: Callable[..., Tensor], data: Array, requires_grad: bool) -> Tensor:
    return kind(data, requires_grad=requires_grad)


def unwrap(value: Any) -> Any:
    """The array of a tensor; anything else as it is."""
    return value.data if isinstance(value, Tensor) else value


def _operand(value: Any) -> Any:
    """unwrap, and a copy of a caller's array, who may write to it before backward() reads it.

    So too in a tuple: an index of several dims.
    """
    if isinstance(value, Tensor):
        return value.data
    if isinstance(value, tuple):
        return tuple([part if type(part) is int else _operand(part) for part in value])
    return value.copy() if isinstance(value, np.ndarray) else value


def _wrong_operand(name: str, error: AttributeError | TypeError, args: Sequence[Any]) -> str | None:
    """What an op's function stumbled over in these arguments, with the op's name; None: it says."""
    for arg in args:
        if isinstance(arg, Tensor) and not isinstance(arg.data, np.ndarray):
            return f"{name}: .data of a tensor is a NumPy array, not a {type(arg.data).__name__}"
    if isinstance(error, TypeError):
        return None if str(error).startswith(name) else f"{name}: {error}"
    parts = [part for arg in args if isinstance(arg, list | tuple) for part in arg]
    if error.name is None or not any(error.obj is each for each in (*args, *parts)):
        return None
    return f"{name}: expected a tensor, not {type(error.obj).__name__}"


def op(function: Callable[Arguments, Output]) -> Callable[Arguments, Any]:
    """Make an op of a function on arrays that returns its value and its pullback.

    The pullback takes the gradient of the value and returns one gradient per argument, in the
    order of the signature: None where an argument has none, trailing Nones left out, a lone
    gradient without its tuple. Or it is a tuple of functions, one per argument, of which only
    those that are needed are called. A gradient may keep the broadcast shape; a Part is one that
    is 0 in most places. It is dout, a view of it, or an array that the pullback does not keep. It
    closes over arrays, never over Tensors, so that no reference cycle forms. Of a tuple of values
    only the first has a gradient.

    Names mean something: a first parameter x must be given a tensor or an array; where one is
    called other or exponent, a Python number will do as well, as in arithmetic.
    """
    name, names = function.__name__, tuple(inspect.signature(function).parameters)
    takes_x = names[0] == "x"
    # A plain number may stand in for a tensor in arithmetic only, as in torch.
    numbers = (int, float) if {"other", "exponent"} & set(names) else ()
    tensors_and = (Tensor, np.ndarray, np.generic, *numbers)
    silently = np.errstate(all="ignore")(function)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if takes_x and (args or kwargs):
            x = args[0] if args else kwargs.get("x")
            if not isinstance(x, tensors_and):
                raise TypeError(f"{name}: expected a tensor, not {type(x).__name__}")
        records, silent_already = _mode.get()
        computed: Callable[..., Output] = function if silent_already else silently
        arrays = [arg.data if isinstance(arg, Tensor) else _operand(arg) for arg in args]
        try:
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
        try:  # an array of two is no pair
            value, pullback = returned if type(returned) is tuple else _NO_PAIR
        except ValueError:
            raise TypeError(f"{name}: {_NO_OUTPUT}") from None
        if isinstance(value, tuple):
            out: Any = getattr(value, "_make", tuple)(map(Tensor, value))  # with its names, if any
            first = out[0]
        else:
            out = first = Tensor(value)
        if records and first.data.dtype.kind == "f":
            first.record(name, args, pullback)
        return out

    return wrapper
