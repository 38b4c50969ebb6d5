"""A training step captured once and replayed: its NumPy calls, without the Python around them.

Of the time that a small model takes, most goes to Python: to check arguments, record nodes, call
pullbacks. A captured graph holds the NumPy calls alone, with the arrays that they work on.

A replay makes the very same calls again. From that follow the rules:

- Results stay where they are: a replay writes over those of the one before. Other tensors that the
  step reads, its inputs and parameters, are read anew by every replay.
- A number among the arguments of a call stays what it was, and Python code does not run again. But
  optimizers, schedulers and clipping are called as they are, and random numbers drawn anew.
- Gradients are made afresh: call zero_grad first.

When does a replay give up, so that the step runs as it is? Where the step asks for a number, as in
`if (x < 0).any()`, the replay asks, too, and may get another answer. So it does while a module is
in another mode (train, eval), or a tensor frozen that was not. Once tensors have been changed, the
step cannot begin again: another answer is an error.

Why is a step captured twice? What Python works out by itself, such as the next number of a list, no
capture sees, and every replay would have it again. So two captures, with the numbers of two calls,
are compared: what differs between them and is none of the above is an error. A third follows when
an input changes that both calls had the same.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import operator
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .arguments import whole
from .capture import (
    ANSWER,
    Capture,
    CaptureError,
    Changed,
    Traced,
    current,
    fail,
    plain,
    recorded,
    unseen,
    unwrapped,
)
from .engine import Tensor, moment, tensor, unwrap
from .random import get_rng_state, set_rng_state
from .silence import silent

# NumPy's functions that make arrays, which a step may write to or index, without asking any array.
MAKERS = (
    *("arange", "empty", "empty_like", "eye", "full", "full_like", "indices", "linspace"),
    *("ones", "ones_like", "tri", "zeros", "zeros_like"),
    *("array", "asanyarray", "asarray", "ascontiguousarray", "asfortranarray", "require"),
)
_patching = threading.Lock()
_data: Any = vars(Tensor)["data"]


class Known(NamedTuple):
    """What is kept of a step's first capture: what it read, what it went by, what it did."""

    outside: dict[int, Tensor]
    settings: dict[tuple[int, str], Any]
    did: list[tuple[str, Any]]


class Graph(Capture):
    """The NumPy calls of a step on tensors.

    outside: the tensors that were there before, and that it reads. given: the gradients that live
    functions had, and may have changed, which count as such, too; both by id.
    leaves: those that begin a replay without a gradient. outputs: what it returned.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outside: dict[int, Tensor] = {}
        self.given: dict[int, Tensor] = {}
        self.leaves: list[Tensor] = []
        self.outputs: Any = None
        self._start = moment()
        self._settings: list[tuple[Any, str, Any]] = []  # as the capture found them
        self._used: set[int] = set()  # whose gradients from before live functions used
        # Of outside and given: each with the copy of its array.
        self._copies: dict[int, tuple[Tensor, Traced]] = {}
        self._gradients: dict[int, Tensor | None] = {}  # of outside, as the calls so far know them
        self._arrays: list[Any] = []  # whose memory no later array of the step may take
        self._effects: int | None = None  # the first call that cannot be made a second time

    def capture(self, step: Callable[..., Any], inputs: list[Tensor], first: Known | None) -> None:
        """Run the step, and keep what it does; first: what is known from the first time."""
        outputs: Any = None
        known = first or Known({}, {}, [])
        self._settings = [(x, name, getattr(x, name)) for (_, name), x in known.settings.items()]
        bare = {key for key, x in known.outside.items() if x.grad is None}
        try:
            with _recording(self):
                outputs = step(*inputs)
                self._keep_gradients()
                _require_tensors(outputs)
                self.keep(None, "return", *(None if x is None else x.data for x in _each(outputs)))
        finally:
            if self._arrays:  # else it makes no gradients, and leaves those that there are
                self.leaves = [
                    x
                    for key, x in self.outside.items()
                    if key not in self._used and not self._is_old(x.grad)
                ]
                # The step may have no zero_grad: a gradient would be added to.
                self._settings += [(x, "grad", None) for x in self.leaves if id(x) in bare]
            for x in (*_each(outputs), *(x.grad for x in self.outside.values())):
                if isinstance(x, Tensor) and self.owns(x.data):
                    x.data = plain(x.data)
        self.outputs = outputs

    def fits(self) -> bool:
        """Whether all is as the capture found it, but for the numbers in tensors."""
        return all(getattr(x, name) is value for x, name, value in self._settings)

    def replay(self) -> bool:
        """Make the calls again; return False, with nothing done, if one goes otherwise."""
        state = get_rng_state()
        for leaf in self.leaves:
            leaf.grad = None
        calls = iter(self.calls)
        with silent():
            try:
                for call in calls:
                    call()
            except CaptureError:
                raise
            except Exception as error:
                failed = len(self.calls) - operator.length_hint(calls) - 1
                if self._effects is not None and failed > self._effects:
                    raise CaptureError(
                        "the step would go on differently than when it was captured, and cannot "
                        "begin again, since it has changed tensors already: run it as it is"
                    ) from error
                set_rng_state(state)
                return False
        return True

    def read(self, x: Tensor) -> Any:
        """The array of x: for one from outside, a copy that every replay makes anew."""
        array = _data.__get__(x)
        if self.owns(array) or not self._is_outside(x):
            return array
        if id(x) not in self._copies:
            if self._is_old(x) and any(x is leaf.grad for leaf in self.outside.values()):
                raise CaptureError("a parameter has a gradient already: call zero_grad() first")
            copy = self.home(array)
            self.keep(functools.partial(_copy, x, plain(copy)), "a copy", copy)
            self._copies[id(x)] = x, copy
        return self._copies[id(x)][1]

    def write(self, x: Tensor, array: Any) -> None:
        """Give x an array; one from outside gets it, or a copy of a step's, in every replay."""
        if self._is_outside(x):
            self._copies.pop(id(x), None)
            again = functools.partial(_data.__set__, x, array)
            if self.owns(array):
                if any(copy.lease is array.lease for _, copy in self._copies.values()):
                    raise CaptureError("a tensor gets the memory of another: give it a copy()")
                again = functools.partial(_assign, x, plain(array))
                self._copies[id(x)] = x, array
            self._keep_effect(again, "an assignment", array)
            again()
        else:
            _data.__set__(x, array)

    def wrote(self, array: Traced) -> None:
        for x, copy in self._copies.values():
            if copy.lease is array.lease:
                self._require_own_memory(x)
                again = functools.partial(_carry, x, plain(copy))
                self._keep_effect(again, "an update", copy)
                again()

    def know(self, tensors: Iterable[Tensor]) -> None:
        for x in tensors:
            self._is_outside(x)

    def call(self, function: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        # np.asarray of a tensor is its array, not a copy.
        arrays = [x.numpy() if isinstance(x, Tensor) else x for x in args]
        return super().call(function, arrays, kwargs)

    def live(self, function: functools.partial[Any]) -> Any:
        tensors = _given(function)
        if not all(map(self._is_outside, tensors)):
            raise CaptureError("only tensors from before the step can be clipped or optimized")
        self._keep_gradients()
        for x in self.outside.values():
            if x.grad is not None:
                _data.__set__(x.grad, plain(_data.__get__(x.grad)))
        self._used |= {id(x) for x in tensors if self._is_old(x.grad)}
        before = {key: x.index for key, x in self.outside.items()}
        name, what = function.func.__qualname__, [*function.args, *function.keywords.items()]
        try:
            with unseen():
                returned = function()
        except Exception:
            self._keep_effect(functools.partial(fail, function), name, what)
            raise
        finally:
            self._note_changes(before)
        again: Callable[[], Any] = function
        if isinstance(returned, Tensor):
            returned.data = home = self.home(returned.data)
            again = functools.partial(_result, function, plain(home))
        self._keep_effect(again, name, what)
        return returned

    def _note_changes(self, before: dict[int, int]) -> None:
        """Forget the copies of what a live function has overwritten; before: indices until then."""
        for key, x in self.outside.items():
            if x.index != before[key]:
                self._copies.pop(key, None)
            if x.grad is not None:
                self._copies.pop(id(x.grad), None)
                self.given[id(x.grad)] = x.grad
            self._gradients[key] = x.grad

    def _is_old(self, x: Tensor | None) -> bool:
        return x is not None and x.index < self._start

    def _is_outside(self, x: Tensor) -> bool:
        """Whether x was there before the step, and so is noted, or a live function was given it."""
        if self._is_old(x) and id(x) not in self.outside:
            self.outside[id(x)] = x  # even when an optimizer makes it newer
            self.settings[id(x), "requires_grad"] = x
            self._gradients[id(x)] = x.grad if self._is_old(x.grad) else None
        return id(x) in self.outside or id(x) in self.given

    def _require_own_memory(self, x: Tensor) -> None:
        for other in self.outside.values():
            if other is not x and np.may_share_memory(_data.__get__(other), _data.__get__(x)):
                raise CaptureError("the step writes to a tensor that shares memory with another")

    def _described(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return super()._described(value)
        return id(value) if self._is_outside(value) else super()._described(_data.__get__(value))

    def _keep_effect(self, call: Callable[[], Any], name: str, *what: Any) -> None:
        if self._effects is None:
            self._effects = len(self.calls)
        self.keep(call, name, *what)

    def _keep_gradients(self) -> None:
        """Let replays have the gradients that the step has made since they were last looked at."""
        changed = []
        for key, leaf in list(self.outside.items()):
            grad, known = leaf.grad, self._gradients[key]
            if grad is not known:
                if grad is not None and key in self._used:
                    raise CaptureError("the step uses gradients of the one before: zero_grad()")
                kept = grad is None or self._is_outside(grad)  # else its array is the step's
                array = None if kept else _data.__get__(grad)
                changed.append((leaf, grad, array))
                self._arrays += [array] if self.owns(array) else []
                self._gradients[key] = grad
        if changed:
            again = functools.partial(_set_gradients, unwrapped(changed))
            self.keep(again, "gradients", [array for _, _, array in changed])


def _each(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _require_tensors(outputs: Any) -> None:
    for x in _each(outputs):
        if x is not None and not isinstance(x, Tensor):
            kind = type(x).__name__
            raise TypeError(f"graphed: a step returns tensors, not {kind}, which would stay")


def _given(call: functools.partial[Any]) -> list[Tensor]:
    """The tensors that a call is given: alone, in a list, or in the groups of an optimizer."""
    given: list[Any] = []
    for value in (*call.args, *call.keywords.values()):
        given += value if isinstance(value, list) else [value]
        given += [x for group in getattr(value, "param_groups", ()) for x in group["params"]]
    return [x for x in given if isinstance(x, Tensor)]


def _copy(x: Tensor, into: Any) -> None:
    if (x.data.shape, x.data.dtype) != (into.shape, into.dtype):
        raise CaptureError(
            f"a tensor of shape {into.shape} and {into.dtype} that the step reads has shape "
            f"{x.data.shape} and {x.data.dtype} now"
        )
    if x.data.strides != into.strides:  # sums would add in another order
        raise Changed
    np.copyto(into, x.data)


def _assign(x: Tensor, array: Any) -> None:
    _data.__set__(x, array.copy(order="K"))


def _carry(x: Tensor, array: Any) -> None:
    np.copyto(_data.__get__(x), array)


def _result(function: Callable[[], Tensor], into: Any) -> None:
    np.copyto(into, function().data)


def _set_gradients(gradients: list[tuple[Tensor, Tensor | None, Any]]) -> None:
    for leaf, grad, array in gradients:
        leaf.grad = grad
        if grad is not None and array is not None:
            grad.data = array


def _get_data(x: Tensor) -> Any:
    graph = current.get()
    return _data.__get__(x) if graph is None else graph.read(x)


def _set_data(x: Tensor, array: Any) -> None:
    graph = current.get()
    if graph is None:
        _data.__set__(x, array)
    else:
        graph.write(x, array)


@contextlib.contextmanager
def _recording(graph: Graph) -> Iterator[None]:
    """Inside, tensors of this thread have Traced arrays, and NumPy makes such arrays.

    Other threads go on as they are.
    """
    if current.get() is not None:
        raise CaptureError("a graph is captured within another")
    with _patching:
        known = {name: getattr(np, name) for name in MAKERS}
        token = current.set(graph)
        try:
            for name, function in known.items():
                setattr(np, name, recorded(function))
            Tensor.data = property(_get_data, _set_data)  # type: ignore[assignment, misc]
            yield
        finally:
            Tensor.data = _data  # type: ignore[misc]
            for name, function in known.items():
                setattr(np, name, function)
            current.reset(token)


class graphed:  # noqa: N801 -- used as a decorator, like a function
    """A training step, or any function of tensors, that is captured and then replayed.

    >>> import minigrad
    >>> from minigrad import nn, ops, optim
    >>> layer = nn.Linear(3, 2)
    >>> optimizer = optim.AdamW(layer.parameters())
    >>> @graphed
    ... def step(inputs, targets):
    ...     optimizer.zero_grad()
    ...     loss = ops.mse_loss(layer(inputs), targets)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)
    >>> losses = [step(x, y).item() for _ in range(5)]
    >>> losses == sorted(losses, reverse=True)
    True

    The first calls, as many as warmup says, run it as it is. The next two capture it while it
    runs, and from then on its calls are replayed; when it runs once more, or raises CaptureError,
    says this module. It takes arrays or tensors, always of the same shapes and dtypes, and returns
    a tensor, or a tuple of some, or None: the same ones at every replay, with new numbers.
    """

    def __init__(self, step: Callable[..., Any], warmup: int = 1) -> None:
        if not callable(step):
            raise TypeError(f"graphed: a step is a function, not {type(step).__name__}")
        functools.update_wrapper(self, step)
        self.step = step
        self.graph: Graph | None = None
        self._warmup = whole("graphed", "warmup", warmup, 1)
        self._known: Known | None = None  # from the last capture, while another may follow
        self._inputs: list[Tensor] = []
        self._alike: dict[int, bytes] = {}  # the inputs that all captures had the same

    def __get__(self, instance: Any, owner: Any = None) -> graphed:
        if instance is None:
            return self
        # One graph for the methods of all objects would replay that of the first.
        name = self.step.__name__
        raise TypeError(
            f"graphed: {name} is a method: graph that of one object, graphed(it.{name})"
        )

    def __call__(self, *inputs: Any) -> Any:
        for x in inputs:
            if not isinstance(x, Tensor | np.ndarray):
                raise TypeError(f"graphed: a step takes arrays and tensors, not {type(x).__name__}")
            if isinstance(x, Tensor) and x.requires_grad:
                raise ValueError("graphed: no gradient reaches an argument: detach() it")
        if current.get() is not None:
            raise CaptureError("a graph is used while another is captured")
        if self._warmup:
            self._warmup -= 1
            self._inputs = [tensor(np.asarray(unwrap(x), order="C")) for x in inputs]
            return self.step(*map(tensor, self._inputs))  # which it may keep
        forms, own = ([(x.shape, x.dtype) for x in xs] for xs in (inputs, self._inputs))
        if forms != own:
            found, known = (", ".join(f"{s} {d}" for s, d in form) for form in (forms, own))
            raise ValueError(f"graphed: the step was captured for {known}, not for {found}")
        for mine, x in zip(self._inputs, inputs, strict=True):
            mine.data = np.array(unwrap(x), order="C")
        if self.graph is None:
            return self._capture()
        if self.graph.fits():
            if any(self._inputs[i].data.tobytes() != known for i, known in self._alike.items()):
                return self._capture()
            if self.graph.replay():
                return self.graph.outputs
        return self.step(*map(tensor, self._inputs))

    def _capture(self) -> Any:
        """Capture the step; from the second time on, make that the graph, if both did the same.

        A third capture follows once an input changes that the first two had the same: what the step
        computes of it past NumPy could not differ between them.
        """
        graph, inputs = Graph(), {i: x.data.tobytes() for i, x in enumerate(self._inputs)}
        graph.capture(self.step, self._inputs, self._known)
        known, graph.did = Known(graph.outside, graph.settings, graph.did), []
        if self._known is None:
            self._known, self._alike = known, inputs
        elif self.graph is None or not _got_another_answer(self._known, known):
            _require_same(self._known, known)
            self.graph = graph
            self._alike = {i: same for i, same in self._alike.items() if inputs[i] == same}
            self._known = known if self._alike else None
        return graph.outputs


def _got_another_answer(first: Known, second: Known) -> bool:
    """Whether that is the first way in which the second capture differs."""
    pairs = zip(first.did, second.did, strict=False)
    differing = next(((one[0], other[0]) for one, other in pairs if one != other), ("", ""))
    return all(name.startswith(ANSWER) for name in differing)


def _require_same(first: Known, second: Known) -> None:
    """Raise unless both captures did the same, with the same numbers where these are kept."""
    if second.outside.keys() != first.outside.keys():
        raise CaptureError(
            "the step read other tensors the second time, such as one that it made the first time: "
            "a replay would read those of the capture: give them to the step as arguments, or "
            "write what outlives a step in place"
        )
    for one, other in itertools.zip_longest(first.did, second.did, fillvalue=("nothing", None)):
        if one[0] != other[0]:
            raise CaptureError(
                f"the step came to {one[0]} the first time, and to {other[0]} the second: "
                "it has no one graph"
            )
        if one != other:
            raise CaptureError(
                f"{one[0]} came with one array, or number, the first time, and with another the "
                "second: a graph would keep the one it had: give what changes to the step as an "
                "argument, and look at numbers after it"
            )
