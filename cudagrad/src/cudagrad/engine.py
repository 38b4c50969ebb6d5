"""The Tensor, the op decorator and backward: how gradients flow through device arrays.

Knows nothing of any particular op: what one computes, and how its gradient comes back, is in ops/.
"""

from __future__ import annotations

import contextlib
import contextvars
import copy
import functools
import inspect
from collections.abc import Callable, Hashable, Iterator, Sequence
from types import CellType, FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol

import numpy as np

from . import arrays, device, writes
from .arguments import axis
from .arrays import Array, tracing
from .capture import heed
from .dtypes import as_dtype, is_floating, of_tensor, through_float32, to_device
from .flat import Home
from .kernels import functions as f
from .launches import recorder
from .storage import bfloat16
from .writes import moments

Operand = Any  # callers pass a Tensor, an array or a number; the op itself gets an array
Pullback = Callable[[Array], Any] | tuple[Callable[[Array], Array] | None, ...]
Output = tuple[Any, Pullback | None]  # what the function of an op returns
Arguments = ParamSpec("Arguments")

_NO_OUTPUT = "an op returns its value and its pullback, or None where it has no gradient"
_EMPTY = CellType()  # the cell of a variable that has no value yet
_FREED = "whose graph has been freed by an earlier backward(): keep it with retain_graph=True"
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


class Cast(Protocol):
    """Changes the arguments of ops before they see them, as autocast does."""

    @property
    def key(self) -> Hashable:
        """Equal for casts that change arguments alike."""

    def __call__(self, name: str, args: Any, kwargs: Any) -> tuple[Any, Any]:
        """The arguments with which the op of this name is called instead."""

    def fresh(self) -> Cast:
        """The same cast, without what it keeps of earlier calls."""


_cast: contextvars.ContextVar[Cast | None] = contextvars.ContextVar("cast", default=None)
READING: set[str] = set()  # the ops that read their first operand, x, as it is stored


@contextlib.contextmanager
def casting(cast: Cast | None) -> Iterator[None]:
    """Inside, a cast changes the arguments of this thread's ops; None: nothing does."""
    before = _cast.get()
    _cast.set(cast)
    try:
        yield
    finally:
        _cast.set(before)


def current_cast() -> Cast | None:
    return _cast.get()


def cast_for(name: str, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """The arguments, as the current cast changes them for the op of this name."""
    cast = _cast.get()
    return (args, kwargs) if cast is None else cast(name, args, kwargs)


class Tensor:
    """A device array that remembers which op made it, from which parents; tensor() makes leaves.

    data: a C-contiguous device array of dtype float64, float32, int64, int32 … or bool, or of the
    bits of bfloat16 (see storage); only floating tensors may require a gradient.
    """

    __slots__ = (
        "__weakref__",
        "data",
        "grad",
        "home",
        "index",
        "op",
        "parents",
        "pullback",
        "requires_grad",
    )
    __array_ufunc__ = None  # ndarray + Tensor must ask Tensor.__radd__, not loop over elements

    def __init__(self, data: Array, requires_grad: bool = False) -> None:
        self.data = data
        if requires_grad and not is_floating(data.dtype):
            raise TypeError(f"only floating tensors can require a gradient, not {data.dtype}")
        self.requires_grad = requires_grad
        self.grad: Tensor | None = None
        self.home: Home | None = None  # where an optimizer has packed a parameter (see flat)
        self.index = next(moments)  # a topological order: parents come first
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

    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Add d(self · gradient)/d(leaf) to the .grad of every leaf that self depends on.

        gradient: has self's shape; defaults to 1 if self has a single element.
        The graph is freed on the way, unless retain_graph; a freed graph cannot be used again.
        Raises RuntimeError if self does not require a gradient, if gradient is missing, if the
        graph has been freed, or if an array that it needs has been overwritten since; ValueError
        for a gradient of another shape.
        """
        if not self.requires_grad:
            raise RuntimeError("backward() of a tensor that does not require a gradient")
        if tracing.tracer.get() is not None:
            raise RuntimeError("backward() inside of a fused function, which computes one tensor")
        if gradient is None:
            if self.data.size != 1:
                raise RuntimeError(
                    f"backward() needs a gradient for a tensor of shape {self.shape}: "
                    "only a single element has an implicit one"
                )
            seed = arrays.full(self.shape, 1, self.dtype)
        elif isinstance(gradient, Tensor):
            seed = arrays.cast(gradient.data, self.dtype)
        else:
            seed = to_device(gradient, self.dtype)
        if seed.shape != self.shape:
            raise ValueError(f"backward: gradient of shape {seed.shape} for {self.shape}")

        for leaf, dout, is_new in sweep(self, seed, retain_graph):
            leaf.accumulate(dout, is_new)

    def pull(self, dout: Array) -> Sequence[Array | None]:
        """The gradients of the parents, in order, from this node's pullback."""
        if isinstance(self.pullback, tuple):
            grads = tuple(
                [function(dout) if function is not None else None for function in self.pullback]
            )
        else:
            assert self.pullback is not None
            returned = self.pullback(dout)
            grads = returned if isinstance(returned, tuple) else (returned,)
        for parent, grad in zip(self.parents, grads, strict=False):
            if parent is None or grad is None or grad.dtype == dout.dtype:
                continue
            assert grad.dtype in (parent.data.dtype, arrays.reckoned(dout.dtype)), (
                f"{self.op}: a gradient is {grad.dtype}, its output {dout.dtype}"
            )
        return grads

    def accumulate(self, dout: Array, is_new: bool) -> None:
        """Add dout to .grad, which may keep dout itself if is_new: if nothing else holds it."""
        known, home = self.grad, self.home
        if known is not None and not isinstance(known, Tensor):
            raise TypeError(f"backward: .grad is a tensor or None, not {type(known).__name__}")
        if known is not None and known.shape != dout.shape:
            raise ValueError(f"backward: .grad of shape {known.shape} for shape {dout.shape}")
        if known is None and home is None and is_new:
            self.grad = Tensor(dout)
        elif known is None:
            self.grad = Tensor(arrays.copy(dout, home.gradient(self.data) if home else None))
        else:
            into = known.data if home and home.holds(known.data) else None
            self.grad = Tensor(arrays.apply(f.add, known.data, dout, into=into))
            if into is not None:
                writes.overwritten(into)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    @property
    def dtype(self) -> Any:
        return of_tensor(self.data.dtype)

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

    def numpy(self) -> np.ndarray[Any, Any]:
        """A copy on the host, in float32 if this is of bfloat16.

        If this tensor requires a gradient, detach() it first.
        """
        if self.requires_grad:
            raise RuntimeError("numpy() of a tensor that requires a gradient: call detach() first")
        return arrays.to_host(self.data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError("an array of a device's tensor is always a copy")
        return np.asarray(self.numpy(), dtype)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """The array on a GPU, for CuPy, numba and torch, which then share it.

        backward() cannot see what they write into it, nor into a capsule of __dlpack__.
        """
        interface: dict[str, Any] = device.executor.interface(self.data)
        if self.dtype is bfloat16:
            raise TypeError("__cuda_array_interface__ knows no bfloat16: share it by __dlpack__")
        if self.requires_grad:
            raise RuntimeError("a tensor that requires a gradient is not shared: detach() it")
        return interface

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """The array in DLPack's capsule, shared: for torch.from_dlpack, numpy.from_dlpack …

        stream: on which the other package will use it. max_version: of capsules that it knows.
        Raises BufferError for another device.
        """
        if self.requires_grad:
            raise BufferError("a tensor that requires a gradient is not shared: detach() it")
        place = self.__dlpack_device__()
        if dl_device is not None and tuple(dl_device) != place:
            raise BufferError(f"the tensor is on device {place}, not {dl_device}")
        data = arrays.copy(self.data) if copy else self.data
        return device.executor.capsule(data, stream, max_version)

    def __dlpack_device__(self) -> tuple[int, int]:
        """The kind and the number of the device, in DLPack's numbers: (1, 0) is the CPU."""
        place: tuple[int, int] = device.executor.device()
        return place

    def item(self) -> float | int | bool:
        """The one element, as a Python number."""
        if self.data.size != 1:
            raise RuntimeError(
                "item(), float(), int() and bool() need one element, this tensor has shape "
                f"{self.shape}"
            )
        return arrays.item(self.data)

    def tolist(self) -> Any:
        return arrays.to_host(self.data).tolist()

    def detach(self) -> Tensor:
        """The same array, in the same memory, cut off from the graph."""
        return Tensor(self.data)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        if requires_grad and not is_floating(self.dtype):
            raise TypeError(f"only floating tensors can require a gradient, not {self.dtype}")
        if not self.is_leaf and not requires_grad:
            raise RuntimeError("only a leaf can stop requiring a gradient: use detach()")
        self.requires_grad = requires_grad
        return self

    def __reduce__(self) -> Any:
        # A copied or unpickled tensor is a leaf with its own place on the tape.
        if not self.is_leaf:
            raise TypeError("only leaves can be copied or pickled: detach() this tensor first")
        return _leaf, (type(self), arrays.to_host(self.data), self.dtype, self.requires_grad)

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
        numbers = np.array2string(arrays.to_host(self.data), separator=", ", prefix="tensor(")
        shape = "" if self.data.size or self.ndim == 1 else f", shape={self.shape}"
        return f"tensor({numbers}{shape}, dtype={self.dtype}{note})"


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A leaf with a copy of data: numbers, nested lists, an array or a tensor.

    Python floats become float32, as in torch; arrays keep their dtype.
    """
    if not isinstance(data, Tensor):
        array = to_device(data, dtype)
    elif as_dtype(dtype, data.data.dtype) == data.data.dtype:
        array = arrays.copy(data.data)
    else:
        array = arrays.cast(data.data, as_dtype(dtype))
    return Tensor(array, requires_grad)


def _leaf(
    kind: Callable[..., Tensor], data: np.ndarray[Any, Any], dtype: Any, requires_grad: bool
) -> Tensor:
    made = tensor(data, dtype)
    return kind(made.data if kind is Tensor else made, requires_grad=requires_grad)


def op(function: Callable[Arguments, Output]) -> Callable[Arguments, Any]:
    """Make an op from a function on arrays that returns its value and its pullback.

    The pullback takes the gradient of the value and returns one gradient per argument, in the
    order of the signature: None for an argument that has none. Trailing Nones may be left out, and
    a single gradient needs no tuple. Or it is a tuple of functions, one per argument, of which
    only the needed ones are called. A gradient may have the broadcast shape. A pullback closes
    over arrays, never over Tensors, so that no reference cycle forms; and only over those that it
    reads, since backward() refuses any that were overwritten (see kept). If the value is a tuple,
    only its first element has a gradient. Arrays of bfloat16 may only go to functions of arrays
    that know them: apply, cast, copies, sums and products; for anything else there is
    dtypes.through_float32.

    Parameter names matter: a first parameter x takes a tensor or an array only, unless another is
    called other or exponent: then x may also be a Python number, as in arithmetic.
    """
    signature = inspect.signature(function)
    name, names = function.__name__, tuple(signature.parameters)
    # A plain number may stand in for a tensor in arithmetic only, as in torch.
    numbers = arrays.NUMBERS if {"other", "exponent"} & set(names) else ()
    tensors_and = (Tensor, np.ndarray, *numbers)

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            first = args[0] if args else kwargs.get(names[0])
            if names[0] == "x" and (args or kwargs) and not isinstance(first, tensors_and):
                raise TypeError(f"{name}: expected a tensor, not {type(first).__name__}")
            cast = _cast.get()
            if cast is not None:
                args, kwargs = cast(name, args, kwargs)
            named = {key: unwrap(arg) for key, arg in kwargs.items()}
            returned = function(*map(unwrap, args), **named)
        except (AttributeError, TypeError) as error:
            wrong = _wrong_operand(name, error, (*args, *kwargs.values()))
            if wrong is None:
                raise
            raise TypeError(wrong) from error
        if type(returned) is not tuple or len(returned) != 2:  # an array of two would unpack, too
            raise TypeError(f"{name}: {_NO_OUTPUT}")
        value, pullback = returned
        if kwargs:
            args = (*args, *[kwargs.get(key) for key in names[len(args) :]])
        if isinstance(value, tuple):
            out: Any = getattr(value, "_make", tuple)(map(Tensor, value))  # with its names, if any
            made = out[0]
        else:
            out = made = Tensor(value)
        needed = [isinstance(arg, Tensor) and arg.requires_grad for arg in args]
        if recorder.get() is not None:
            for arg in args:
                if isinstance(arg, Tensor) and arg.op is None:
                    heed(arg, "requires_grad", arg.index)
                    heed(arg, "data", arg.index)
        if _grad_enabled.get() and any(needed) and is_floating(made.data.dtype):
            if not (callable(pullback) or pullback is None or type(pullback) is tuple):
                raise TypeError(f"{name}: {_NO_OUTPUT}")
            made.requires_grad = True
            parents = [arg if each else None for arg, each in zip(args, needed, strict=True)]
            if isinstance(pullback, tuple):  # drop unneeded ones now, to free what they keep
                each = zip(pullback, parents, strict=False)
                pullback = tuple([pull if of is not None else None for pull, of in each])
            made.op, made.parents, made.pullback = name, tuple(parents), pullback
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


def reading_op(function: Callable[Arguments, Output]) -> Callable[Arguments, Any]:
    """As op with through_float32, but the kernels read the first operand x as it is stored.

    So bfloat16 is not converted beforehand, and its gradient may be bfloat16, too. Under a cast
    (autocast) the result stays float32.
    """
    READING.add(function.__name__)
    return op(through_float32(function, reads=1, rounds=lambda: _cast.get() is None))


def unwrap(value: Any) -> Any:
    """The array of a tensor, a NumPy array copied to the device, anything else as it is."""
    if isinstance(value, Tensor):
        return value.data
    return to_device(value) if isinstance(value, np.ndarray) else value


def require_tensors(name: str, *given: Any) -> None:
    """Raise TypeError unless all are tensors or arrays: for functions that only call other ops."""
    for each in given:
        if not isinstance(each, Tensor | np.ndarray | np.generic):
            raise TypeError(_expected_tensor(name, each))


def _wrong_operand(name: str, error: AttributeError | TypeError, args: Sequence[Any]) -> str | None:
    """The message for an error that args caused in op name; None to let error speak for itself."""
    name = name.removeprefix("_")  # of a part of an op, such as _cat
    for arg in args:
        if isinstance(arg, Tensor) and isinstance(arg.data, Tensor | np.ndarray | list):
            return f"{name}: .data of a tensor is a device array, not a {type(arg.data).__name__}"
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
        return f"{name}: expected a tensor of cudagrad, not of {package}"
    return f"{name}: expected a tensor, not {type(value).__name__}"


def sweep(
    root: Tensor, seed: Array, retain_graph: bool, since: int = 0
) -> Iterator[tuple[Tensor, Array, bool]]:
    """Yield each leaf that root's gradient reaches, with its gradient; root's own is seed.

    And whether that array was made for it, so that nothing else holds it. Nodes made before since
    count as leaves.
    """
    pending = {root.index: seed}  # gradients of nodes that the sweep has not reached yet
    new: set[int] = set()  # those of them that were made for their node
    nodes = tape(root, since)
    _require_unchanged(nodes, since)
    while nodes:
        node = nodes.pop()  # and drop the reference, so that its output can be freed
        dout = pending.pop(node.index, None)
        if dout is None:
            continue
        if node.op is None or node.index < since:
            yield node, dout, node.index in new
            continue
        grads = node.pull(dout)
        for parent, grad in zip(node.parents, grads, strict=False):
            if parent is None or grad is None:
                continue
            data = parent.data
            # What a pullback returns is made anew, or is dout, or a view of it, and may be one
            # array for two parents. So a sum goes into a new array.
            known = pending.get(parent.index)
            if known is not None or (parent.op is None and _is_alone(grad, dout, grads)):
                new.add(parent.index)
            if grad.shape != data.shape or grad.dtype != data.dtype:
                if not is_floating(data.dtype):
                    raise TypeError(
                        f"only floating tensors can require a gradient, not {data.dtype}"
                    )
                grad = arrays.cast(sum_to_shape(grad, data.shape, node.op), data.dtype)
            pending[parent.index] = grad if known is None else arrays.apply(f.add, known, grad)
        if not retain_graph:
            node.parents, node.pullback = (), None


def _is_alone(grad: Array, dout: Array, grads: Sequence[Array | None]) -> bool:
    """Whether a gradient has memory of its own, and not that of dout or of another of grads."""
    lease = device.executor.lease(grad)
    others = (device.executor.lease(other) for other in (dout, *grads) if other is not None)
    return lease is not None and sum(other is lease for other in others) == 1


def tape(root: Tensor, since: int = 0) -> list[Tensor]:
    """Every node that root's gradient reaches, oldest first; the walk ends at those before since.

    Raises RuntimeError if a node has been freed.
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
            if parent is not None and parent.index not in found:
                found[parent.index] = parent
                if parent.op is not None:
                    stack.append(parent)
    return [found[index] for index in sorted(found)]


def _require_unchanged(nodes: Sequence[Tensor], since: int) -> None:
    """Raise RuntimeError if an array that a pullback keeps was written over after its op had run.

    nodes: oldest first; those made before since are not gone through.
    """
    recent: Sequence[writes.Write] = ()
    for node in nodes:
        if node.pullback is None or node.index < since:
            continue
        # As a rule nothing has been written since the first op, and there is no more to do.
        recent = recent or writes.since(node.index)
        if not recent or recent[0][-1] < node.index or tracing.tracer.get() is not None:
            return
        for array in kept(node.pullback, type(node.data)):
            if writes.has_changed(array, node.index, recent):
                raise RuntimeError(
                    f"backward() through {node.op}, which needs an array of shape {array.shape} "
                    "that has been overwritten since, as by an optimizer's step, load_state_dict "
                    "or clip_grad_norm_: compute it anew"
                )


def kept(pullback: Any, kind: type) -> list[Array]:
    """The arrays, of a kind, that a pullback holds in its closure: those that it may read.

    Functions within, partial ones, containers, namespaces and tensors are looked into; other
    objects, such as modules, are not.
    """
    found, values, seen = [], [pullback], set()
    while values:
        value = values.pop()
        if isinstance(value, kind):
            found.append(value)
        elif value is None or isinstance(value, int) or id(value) in seen:
            continue
        elif isinstance(value, FunctionType):
            seen.add(id(value))  # which may hold itself
            if value.__closure__:
                values += [cell.cell_contents for cell in value.__closure__ if cell != _EMPTY]
            if value.__defaults__ or value.__kwdefaults__:
                values += [value.__defaults__, value.__kwdefaults__]
        elif isinstance(value, tuple):
            values += value
        elif isinstance(value, list | dict):
            seen.add(id(value))
            values += value.values() if isinstance(value, dict) else value
        elif isinstance(value, functools.partial):
            values += [value.func, value.args, value.keywords]
        elif isinstance(value, Tensor):
            values.append(value.data)
        elif isinstance(value, SimpleNamespace):
            values.append(vars(value))
    return found


def moment() -> int:
    """An index above those of all nodes made so far, and below those of all later ones."""
    return next(moments)


def sum_to_shape(grad: Array, shape: tuple[int, ...], op: str) -> Array:
    """Undo broadcasting: the sum of grad over the axes that were stretched from shape.

    Not while a function is fused: what its one kernel makes is summed up in the end.
    """
    if grad.shape == shape or tracing.tracer.get() is not None:
        return grad
    extra = grad.ndim - len(shape)
    stretched = [extra + i for i, n in enumerate(shape) if n == 1]
    kept = [n for i, n in enumerate(grad.shape) if i >= extra and i not in stretched]
    assert kept == [n for n in shape if n != 1], (
        f"{op}: a gradient of shape {grad.shape} for an argument of shape {shape}"
    )
    return arrays.reshape(arrays.total(grad, (*range(extra), *stretched)), shape)
