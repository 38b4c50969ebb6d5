"""What a graph keeps of a step: the NumPy calls that it makes, and the memory they work on.

While a step is captured its arrays are Traced: NumPy hands every call that takes one to the
Capture, which makes the call and keeps it, with the array that the result is in. Made again, in
the same order and on the same arrays, the calls compute the step anew.

As without a capture, memory that the step lets go of serves its later arrays. Which of them lie in
a block of it is counted by its Lease, which ends with the last one.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import itertools
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy import asarray, empty  # numpy has others during a capture: see graph.py
from numpy.lib.array_utils import byte_bounds

Array = np.ndarray[Any, Any]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# NumPy's functions and methods that can write their result to an array: the place of their out.
PLACE_OF_OUT = {
    **dict.fromkeys(("all", "any", "argmax", "argmin", "concatenate", "dot", "max", "min"), 2),
    **dict.fromkeys(("round", "stack"), 2),
    **dict.fromkeys(("clip", "cumprod", "cumsum", "mean", "prod", "std", "sum", "take", "var"), 3),
}
# What these fill new arrays with, if at all.
FILLED = {
    **{"empty": None, "empty_like": None},
    **{"ones": 1, "ones_like": 1, "zeros": 0, "zeros_like": 0},
}
ANSWER = "the answer of"  # so begins the name of what a capture has asked for
# What these return depends on shapes and dtypes only, which a replay finds as they were.
OF_FORMS = ("can_cast", "ndim", "result_type", "shape", "size")
# What an array does by a ufunc, or without looking at its numbers: all else is kept.
OPERATORS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow", "matmul"),
    *("and", "or", "xor", "lshift", "rshift"),
)
NATIVE = {f"__{side}{operator}__" for side in ("", "r", "i") for operator in OPERATORS} | {
    f"__{name}__"
    for name in (
        *("neg", "pos", "abs", "invert", "eq", "ne", "lt", "le", "gt", "ge"),
        *("array_ufunc", "array_function", "array_finalize", "array_wrap", "array_priority"),
        *("class", "class_getitem", "delattr", "dir", "doc", "getattribute", "getstate", "hash"),
        *("init", "init_subclass", "iter", "len", "new", "setattr", "sizeof", "subclasshook"),
    )
}

current: contextvars.ContextVar[Any] = contextvars.ContextVar("capture", default=None)


@contextlib.contextmanager
def unseen() -> Iterator[None]:
    """Inside, no capture sees what is done."""
    token = current.set(None)
    try:
        yield
    finally:
        current.reset(token)


class CaptureError(RuntimeError):
    """A step does what a graph cannot repeat."""


class Changed(Exception):  # noqa: N818 -- no error: the step runs as it is then
    """A replay finds another answer, or another shape, than the capture did."""


def recorded(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let a capture keep calls of function as a whole, as it keeps NumPy's.

    For what makes arrays of none, and for what does other things with other numbers.
    """

    @functools.wraps(function)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        capture = current.get()
        if capture is None:
            return function(*args, **kwargs)
        returned: Result = capture.call(function, args, kwargs)
        return returned

    return wrapper


def live(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let replays call function as it is: it computes with numbers of now, such as a rate."""

    @functools.wraps(function)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        capture = current.get()
        if capture is None:
            return function(*args, **kwargs)
        # An iterator, such as model.parameters(), would be at its end in the first replay.
        given: Any = [list(arg) if isinstance(arg, Iterator) else arg for arg in args]
        named: Any = {n: list(a) if isinstance(a, Iterator) else a for n, a in kwargs.items()}
        returned: Result = capture.live(functools.partial(function, *given, **named))
        return returned

    return wrapper


def know(tensors: Iterable[Any]) -> None:
    """Tell a capture of tensors whose gradients the step resets without reading them."""
    capture = current.get()
    if capture is not None:
        capture.know(tensors)


def heed(setting: Any, name: str) -> None:
    """Tell a capture of an object by whose attribute the step goes."""
    capture = current.get()
    if capture is not None:
        capture.settings[id(setting), name] = setting


class Lease:
    """A block of memory while arrays of a step lie in it; then it is among those free by size."""

    def __init__(self, number: int, block: Array, free: dict[int, list[Array]]) -> None:
        self.number, self.block, self.free = number, block, free
        self.start = block.ctypes.data

    def __del__(self) -> None:
        self.free.setdefault(self.block.nbytes, []).append(self.block)


class Traced(np.ndarray[Any, Any]):
    """An array of a step that is being captured; after that, one like any other.

    NumPy may not write to it, but for the calls that a capture makes of it as a plain array: what
    goes past the capture, as through a memoryview, is an error.
    lease: of its memory; None if no capture knows of it. writeable: whether it is so otherwise.
    is_number: whether NumPy made a number, which += replaces, where this 0-d array is.
    """

    lease: Lease | None
    writeable: bool

    def __array_finalize__(self, source: Any) -> None:
        self.lease, self.is_number = getattr(source, "lease", None), False
        self.writeable = getattr(source, "writeable", True)
        # A copy that NumPy makes unseen, such as one of another dtype, lies elsewhere.
        if self.lease is not None and not 0 <= self.place <= self.lease.block.nbytes:
            self.lease = None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        return _called(function, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return _called(function, args, kwargs)

    @property
    def flat(self) -> Any:
        if current.get() is not None:
            raise CaptureError("no graph sees what goes through .flat: use reshape(-1) or ravel()")
        return np.ndarray.flat.__get__(self)

    @property
    def base(self) -> Any:
        """The memory, which is that of all its views."""
        return np.ndarray.base.__get__(self) if self.lease is None else self.lease.block

    @property
    def flags(self) -> Any:
        return np.ndarray.flags.__get__(self) if self.lease is None else plain(self).flags

    @property
    def place(self) -> int:
        """Where it begins in its memory, in bytes."""
        assert self.lease is not None
        return self.__array_interface__["data"][0] - self.lease.start


def _method(name: str) -> Any:
    function = getattr(np.ndarray, name)

    def method(*args: Any, **kwargs: Any) -> Any:
        return _called(function, args, kwargs)

    method.__name__ = name
    return method


def _in_place(name: str) -> Any:
    function = getattr(np.ndarray, name)

    def method(self: Traced, other: Any) -> Any:
        return NotImplemented if self.is_number else function(self, other)

    method.__name__ = name
    return method


for _name in OPERATORS:
    if _name != "divmod":
        setattr(Traced, f"__i{_name}__", _in_place(f"__i{_name}__"))
for _name in dir(np.ndarray):
    if _name not in NATIVE and callable(getattr(np.ndarray, _name)):
        setattr(Traced, _name, _method(_name))


def _called(function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    capture = current.get()
    if capture is None:
        return function(*unwrapped(tuple(args)), **unwrapped(kwargs))
    return capture.call(function, args, kwargs)


def _traced(array: Array, lease: Lease | None) -> Traced:
    traced = array.view(Traced)
    traced.lease, traced.writeable = lease, array.flags.writeable
    np.ndarray.setflags(traced, write=False)
    return traced


def plain(array: Array) -> Array:
    """The same array, not traced, and without a lease of its memory."""
    if not isinstance(array, Traced) or array.lease is None:
        return np.ndarray.view(array, np.ndarray)
    same: Array = np.ndarray(
        array.shape, array.dtype, array.lease.block, array.place, array.strides
    )
    same.flags.writeable = array.writeable
    return same


def unwrapped(value: Any) -> Any:
    """value with plain arrays for Traced ones, in tuples, lists and dicts as well."""
    if isinstance(value, Traced):
        return plain(value)
    if type(value) in (tuple, list):
        return type(value)(map(unwrapped, value))
    if type(value) is dict:
        return {name: unwrapped(part) for name, part in value.items()}
    return value


def _arrays(value: Any) -> list[Any]:
    """The arrays in value, which may be a tuple, list, dict or slice of some."""
    if isinstance(value, np.ndarray):
        return [value]
    if isinstance(value, slice):
        value = (value.start, value.stop, value.step)
    parts = list(value.values()) if isinstance(value, dict) else value
    return [*itertools.chain(*map(_arrays, parts))] if isinstance(parts, tuple | list) else []


class Capture:
    """Makes the calls of a step, and keeps them.

    calls: what a replay calls, in this order.
    did: the names of what the step did, and with what, to compare two captures of it by.
    states: those of the random generator that the step asked for.
    settings: objects by whose attributes it went, by id and attribute: see heed.
    """

    def __init__(self) -> None:
        self.calls: list[Callable[[], Any]] = []
        self.did: list[tuple[str, Any]] = []
        self.states: list[dict[str, Any]] = []
        self.settings: dict[tuple[int, str], Any] = {}
        self._free: dict[int, list[Array]] = {}
        self._leases = 0

    def live(self, function: functools.partial[Any]) -> Any:
        """Call function, and let every replay call it."""
        raise NotImplementedError

    def know(self, tensors: Iterable[Any]) -> None:
        """Is told of tensors whose gradients the step resets, or uses, without reading them."""
        raise NotImplementedError

    def wrote(self, array: Traced) -> None:
        """Is told of every array that was given to a call to be written to."""
        raise NotImplementedError

    def keep(self, call: Callable[[], Any] | None, name: str, *what: Any) -> None:
        """Let every replay make this call."""
        if call is not None:
            self.calls.append(call)
        self.did.append((name, self._described(what)))

    def call(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call function, keep the call, and return what it returned, traced."""
        place = PLACE_OF_OUT.get(function.__name__, len(args))
        out = args[place] if place < len(args) else kwargs.get("out")
        if out is None and place == len(args) - 1:
            args = args[:place]
        again = functools.partial(function, *unwrapped(tuple(args)), **unwrapped(kwargs))
        given = _arrays((tuple(args), kwargs))
        try:
            with unseen():
                result = again()
        except Exception:
            self.keep(functools.partial(fail, again), _named(function), args, kwargs)
            raise
        if out is None and result is not None:
            made = _arrays((again.args, again.keywords))
            same = [x for x, array in zip(given, made, strict=True) if array is result]
            with unseen():
                writes = bool(same) and _writes(again, result)
            if not writes:
                return self._returned(again, result, given, (args, kwargs))
            out = same[0]
        written = _arrays(args[0] if out is None else out)
        for array in written:
            if not self.owns(array):
                raise CaptureError(
                    f"{_named(function)} writes to an array that was there before the step: "
                    "a graph keeps what the step does to tensors"
                )
        self.keep(_direct(again), _named(function), args, kwargs)
        for array in written:
            self.wrote(array)
        return None if out is None else written[0] if len(written) == 1 else out

    def owns(self, array: Any) -> bool:
        """Whether array lies in memory of this capture."""
        return (
            isinstance(array, Traced) and array.lease is not None and array.lease.free is self._free
        )

    def home(self, array: Array) -> Traced:
        """A copy of array, in memory of this capture, with gaps where array has them."""
        low, high = byte_bounds(array) if array.size else (0, 0)
        spare = self._free.get(high - low)
        block = spare.pop() if spare else empty(high - low, np.uint8)
        start = array.__array_interface__["data"][0] - low if array.size else 0
        into: Array = np.ndarray(array.shape, array.dtype, block, start, array.strides)
        into[...] = array
        self._leases += 1
        return _traced(into, Lease(self._leases, block, self._free))

    def _returned(
        self, again: functools.partial[Any], result: Any, given: list[Any], key: tuple[Any, Any]
    ) -> Any:
        """What a call returned, traced: views of what it was given, and arrays of its own.

        given: the arrays in its arguments. key: these themselves.
        """
        several = isinstance(result, tuple | list)
        found, name = list(result) if several else [result], _named(again.func)
        if not all(isinstance(x, np.ndarray | np.generic) for x in found):
            if _arrays(result):
                raise CaptureError(f"{name} returns arrays along with something else")
            if name not in OF_FORMS:
                self.keep(functools.partial(_ask, again, repr(result)), name, *key)
                self.keep(None, f"{ANSWER} {name}", result)
            return result
        homes: dict[int, Traced] = {}
        for index, array in enumerate(found):
            sources = [x for x in given if np.may_share_memory(plain(x), array)]
            owned = [x for x in sources if self.owns(x)]
            if owned:
                # Views are not taken again: where one lies must not depend on other numbers.
                others = [x for x in given if self.owns(x) and x.lease is not owned[0].lease]
                if any(x.dtype.kind in "iu" for x in others):
                    raise CaptureError(f"{name} takes a part at a computed place: ask by int()")
                found[index] = _traced(array, owned[0].lease)
            elif array.dtype.hasobject and any(map(self.owns, given)):
                raise CaptureError(f"{name} makes objects of numbers, which no graph repeats")
            elif not sources and not array.dtype.hasobject:
                found[index] = homes[index] = home = self.home(asarray(array))
                home.is_number = isinstance(array, np.generic)
        if homes:
            self.keep(_into(again, unwrapped(homes), several), name, *key, list(homes.values()))
        return getattr(result, "_make", type(result))(found) if several else found[0]

    def _described(self, value: Any) -> Any:
        """value, to be compared with that of another capture of the same step."""
        if self.owns(value):
            return value.lease.number, value.place, value.shape, value.strides, value.dtype
        if isinstance(value, np.ndarray | np.generic):
            return value.shape, value.dtype, asarray(value).tobytes()
        if isinstance(value, tuple | list):
            return [self._described(part) for part in value]
        if isinstance(value, dict):
            return [(name, self._described(part)) for name, part in value.items()]
        if isinstance(value, types.FunctionType):  # a lambda is another one each time
            cells = value.__closure__ or ()
            return value.__code__, [self._described(cell.cell_contents) for cell in cells]
        return repr(value) if isinstance(value, float) else value  # since nan is not nan


def fail(compute: Callable[[], Any]) -> None:
    """Raise Changed unless compute raises something, which the step has caught."""
    try:
        compute()
    except Exception:
        return
    raise Changed


def _named(function: Any) -> str:
    name, owner = function.__name__, getattr(function, "__self__", None)
    return f"{owner.__name__}.{name}" if isinstance(owner, np.ufunc) else name


def _into(
    again: functools.partial[Any], homes: dict[int, Array], several: bool
) -> Callable[[], Any] | None:
    """The call that computes once more into homes, which have results of the first, by index."""
    name, function = _named(again.func), again.func
    if several:
        return functools.partial(_again, again, homes)
    if name in FILLED:
        return None if FILLED[name] is None else functools.partial(homes[0].fill, FILLED[name])
    ufunc = getattr(function, "__self__", function)  # a method's, too
    if isinstance(ufunc, np.ufunc) or len(again.args) <= PLACE_OF_OUT.get(name, -1):
        return _direct(functools.partial(again, out=homes[0]))
    return functools.partial(_again, again, homes)


def _direct(call: functools.partial[Any]) -> Callable[[], Any]:
    """The same call, as NumPy makes it fastest: a ufunc's with arrays only, by position."""
    dtypes = {x.dtype for x in call.args if isinstance(x, np.ndarray | np.generic)}
    if not isinstance(call.func, np.ufunc) or len(dtypes) != 1:
        return call
    (dtype,) = dtypes
    if dtype.kind == "f" and call.func is not np.ldexp:  # numbers of Python take it, too
        args = [asarray(x, dtype) if type(x) in (int, float) else x for x in call.args]
    else:
        args = list(call.args)
    out = call.keywords.get("out")
    # Those two take no third argument by position, or warn of it.
    if out is None or len(call.keywords) > 1 or call.func in (np.maximum, np.minimum):
        return functools.partial(call.func, *args, **call.keywords)
    return functools.partial(call.func, *args, *(out if isinstance(out, tuple) else (out,)))


def _writes(compute: Callable[[], Any], array: Array) -> bool:
    """Whether compute, which returns an array that it was given, has written to it."""
    before, array.flags.writeable = array.flags.writeable, False
    try:
        compute()
    except ValueError:
        return True
    finally:
        array.flags.writeable = before
    return False


def _again(compute: Callable[[], Any], homes: dict[int, Array]) -> None:
    """Compute once more, into the arrays that have the results, by their index."""
    result = compute()
    results = result if isinstance(result, tuple | list) else [result]
    for index, home in homes.items():
        new = results[index]
        if (new.shape, new.strides, new.dtype) != (home.shape, home.strides, home.dtype):
            raise Changed
        home[...] = new


def _ask(compute: Callable[[], Any], known: str) -> None:
    """Raise Changed unless the answer is the known one; as text, since 0.0 equals -0.0."""
    if repr(compute()) != known:
        raise Changed
