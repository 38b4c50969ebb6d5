"""Functions of tensors, element by element, as one kernel forward and one backward.

A fused function is called once with tensors that hold Expressions (see expressions). The ops that
it calls, and the engine's own sweep back through them, record what they would have launched, of
which two kernels are made. The first computes the result. The second computes all gradients from
the same operands, and to that end the intermediate values once more: only the operands are kept.
"""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Sequence
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType, TracebackType
from typing import Any

import numpy as np

from . import device
from .arrays import Array, tracing
from .dtypes import to_device
from .engine import (
    Tensor,
    casting,
    current_cast,
    moment,
    op,
    set_grad_enabled,
    sweep,
)
from .expressions import Expression, Fusion, RefusedError, Trace

PLANS = 1024  # kept of one function: one for each combination of shapes, dtypes and numbers
OP_CODE, PULL_CODE = op(lambda: (None, None)).__code__, Tensor.pull.__code__
CONSTANTS = {str, type(None), np.dtype, type, ModuleType, FunctionType, BuiltinFunctionType}


def fuse(function: Callable[..., Tensor]) -> Fused:
    """Make one kernel forward, and one backward, of a function of tensors, element by element.

    The function may use every op that makes an element of its result of the same element of its
    operands, which broadcast, Python's numbers and operators; it returns one tensor. Anything else,
    such as sum, reshape, a look at a number, or a change in place of a tensor that it has not made,
    raises TypeError. Results are those of the ops by themselves: to the bit on the emulator, while
    a GPU may round x · y + z once. The gradient of an operand that was broadcast is summed up in
    the end, by a kernel of its own, so its last bits may be others.

    What the function does is noted once for operands of the same shapes and dtypes, and for the
    same other arguments and numbers that it reads; for others it is noted again, but not compiled
    again. If it uses anything but operands, numbers, strings and functions, such as a list, a
    method's self, or a tensor that is no argument, it is noted in every call, which takes longer.
    What modules and classes hold is taken for constant.

    >>> import cudagrad
    >>> from cudagrad import ops
    >>> @cudagrad.fuse
    ... def swiglu(x, gate):
    ...     return ops.silu(gate) * x
    >>> x, gate = cudagrad.tensor([4.0, -2.0]), cudagrad.tensor([0.0, 0.0], requires_grad=True)
    >>> swiglu(x, gate).sum().backward()
    >>> gate.grad.tolist()
    [2.0, -1.0]
    >>> for line in swiglu.source(x, gate).splitlines()[:5]:
    ...     print(line)
    @jit(device=True)
    def element(x, gate):
        t0 = np.float32(silu(gate))
        t1 = np.float32(mul(t0, x))
        return t1
    """
    if not inspect.isfunction(function):
        raise TypeError(f"fuse: expected a function, not {type(function).__name__}")
    return Fused(function)


class Fused:
    """A function of tensors whose call is one launch, and one more backward; see fuse."""

    __name__: str

    def __init__(self, function: Any) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self._plans: dict[Any, Plan] = {}
        self._read: list[Callable[[], Any]] = []  # each reads a variable from outside the function

        def run(plan: Plan, *operands: Array) -> Any:
            return plan.run(operands)

        run.__name__ = function.__name__
        self._op = op(run)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        if tracing.tracer.get() is not None:  # another one calls it, and takes it in
            part: Tensor = self.function(*args, **kwargs)
            return part
        plan, tensors = self._planned(args, kwargs)
        out: Tensor = self._op(plan, *tensors, *plan.found)
        return out

    def source(self, *args: Any, **kwargs: Any) -> str:
        """The text of the kernels that a call with these arguments launches, backward's too."""
        plan, _ = self._planned(args, kwargs)
        return "\n\n".join(part.source for part in (plan.forward, plan.backward) if part)

    def _planned(self, args: Sequence[Any], kwargs: dict[str, Any]) -> tuple[Plan, list[Tensor]]:
        """What a call does, and the tensors among its arguments."""
        values = [
            Tensor(to_device(value)) if isinstance(value, np.ndarray) else value
            for value in (*args, *kwargs.values())
        ]
        tensors = [value for value in values if isinstance(value, Tensor)]
        plan = self._plans.get(self._key(values, kwargs))
        if plan is None:
            self._read = _reads(self.function)
            plan, key = traced(self.function, values, tuple(kwargs)), self._key(values, kwargs)
            if key is not None and not plan.elsewhere:
                if len(self._plans) == PLANS:
                    del self._plans[next(iter(self._plans))]
                self._plans[key] = plan
        return plan, tensors

    def _key(self, values: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """All that a plan depends on, besides the function; None if that cannot be compared."""
        cast = current_cast()
        try:
            return (
                tuple(kwargs),
                cast and cast.key,
                *[
                    (value.data.shape, value.data.dtype, value.requires_grad)
                    if isinstance(value, Tensor)
                    else _known(value)
                    for value in values
                ],
                *[_known(read()) for read in self._read],
            )
        except _UnknownError:
            return None


class Plan:
    """What a call does: a kernel for its result, and one for all gradients.

    elsewhere: arrays that the function took from outside its arguments, by the number of their
    operand in the trace. found: the tensors with a gradient among what it took from there.
    """

    def __init__(
        self,
        name: str,
        names: Sequence[str],
        trace: Trace,
        out: Expression,
        dout: Expression,
        grads: Sequence[Expression | None],
        found: Sequence[Tensor],
    ) -> None:
        """names: of the arguments that are tensors; grads: of those, and of found."""
        self.found = found
        self.elsewhere = {k: x for k, (_, x) in enumerate(trace.operands) if x is not None}
        self.dout = next(k for k, (made, _) in enumerate(trace.operands) if made is dout)
        more = ["found"] * (len(trace.operands) - len(names))
        operands = [*names, *more]
        operands[self.dout] = "dout"
        self.forward = Fusion(trace, name, operands, out.shape, [("out", out)])
        made: dict[int, tuple[str, Expression]] = {}  # a gradient once, whosoever it is
        for of, grad in zip([*names, *more], grads, strict=False):
            if grad is not None and grad is not dout:
                made.setdefault(id(grad), (f"d{of}", grad))
        # Which of backward's results each gradient is; None: there is none; -1: it is dout itself.
        places = {id(dout): -1} | {key: k for k, key in enumerate(made)}
        self.grads = [None if grad is None else places[id(grad)] for grad in grads]
        self.backward = (
            Fusion(trace, f"{name}_backward", operands, out.shape, list(made.values()))
            if made
            else None
        )

    def run(self, given: Sequence[Array]) -> Any:
        """The value and the pullback of an op on the plan, the arguments' arrays and found's."""
        operands = {**dict(enumerate(given)), **self.elsewhere}
        (out,) = self.forward(operands)
        backward, dout_at, grads = self.backward, self.dout, self.grads
        kept = {k: operands[k] for k in backward.operands if k != dout_at} if backward else {}

        def pullback(dout):
            made = [*(backward({**kept, dout_at: dout}) if backward else ()), dout]
            return (None, *[None if k is None else made[k] for k in grads])

        return out, pullback


def traced(function: Any, values: Sequence[Any], words: Sequence[str]) -> Plan:
    """The plan for these arguments, of which the last are given by name."""
    name, trace, stand_ins = function.__name__, Trace(), list(values)
    places = [k for k, value in enumerate(values) if isinstance(value, Tensor)]
    count, cast = len(values) - len(words), current_cast()
    try:
        with trace.tracing(), set_grad_enabled(True), casting(cast and cast.fresh()):
            for k in places:
                data = trace.operand(values[k].shape, values[k].data.dtype)
                stand_ins[k] = Tensor(data, values[k].requires_grad)
            own, since = [stand_ins[k] for k in places], moment()
            out = function(*stand_ins[:count], **dict(zip(words, stand_ins[count:], strict=True)))
            if not isinstance(out, Tensor) or not isinstance(out.data, Expression):
                kind = type(out).__name__
                raise TypeError(f"{name}: a fused function computes one tensor, not a {kind}")
            dout = trace.operand(out.shape, out.data.dtype)
            reached = list(sweep(out, dout, False, since)) if out.requires_grad else []
    except RefusedError as refused:
        raise TypeError(f"{name}: {_why(refused.__traceback__)}") from None
    ours = {tensor.index for tensor in own}
    found = [node for node, _, _ in reached if node.index < since and node.index not in ours]
    grad_of = {node.index: grad for node, grad, _ in reached}
    grads = [grad_of.get(tensor.index) for tensor in (*own, *found)]
    code = function.__code__
    by_place = (*code.co_varnames[: code.co_argcount], *["x"] * count)[:count]
    names = [(*by_place, *words)[k] for k in places]
    return Plan(name, names, trace, out.data, dout, grads, found)


def _why(trail: TracebackType | None) -> str:
    """What was refused, and where the function asked for it."""
    frames = list(traceback.walk_tb(trail))[1:]
    codes = [frame.f_code for frame, _ in frames]
    if OP_CODE in codes:
        asked = codes.index(OP_CODE)
        what = frames[asked][0].f_locals["function"].__name__
    elif PULL_CODE in codes:
        asked = codes.index(PULL_CODE)
        what = f"the gradient of {frames[asked][0].f_locals['self'].op}"
    else:
        asked = next(k for k, (frame, _) in enumerate(frames) if _is_ours(frame.f_globals))
        what = codes[asked].co_name.strip("_")
    theirs = [pair for pair in frames[:asked] if not _is_ours(pair[0].f_globals)]
    if theirs:
        frame, line = theirs[-1]
        what += f" ({frame.f_code.co_filename}:{line})"
    if device.to_device.__code__ in codes:
        return f"{what} brings new data to the device: make that an argument of the function"
    return f"{what} does not work element by element, and only what does can be fused"


def _is_ours(names: dict[str, Any]) -> bool:
    return str(names.get("__name__")).startswith(f"{__package__}.")


class _UnknownError(Exception):
    """A value of which it cannot be told later whether it is still the same."""


def _known(value: Any) -> Any:
    """A key that is equal for values, other than tensors, that a plan may take for the same."""
    kind = type(value)
    if kind in CONSTANTS or kind is Fused:
        return value
    if kind in (bool, int, float):
        return kind, repr(value)  # -0.0 equals 0.0, but is another number, as True is than 1
    if isinstance(value, np.generic):
        return kind, value.tobytes()
    if kind is tuple:
        return tuple(map(_known, value))
    raise _UnknownError


def _reads(function: Any) -> list[Callable[[], Any]]:
    """Functions that read the globals, cells and defaults of a function, and of what it calls."""
    found: list[Callable[[], Any]] = []
    functions = [function]
    for each in functions:  # which grows
        names = _names(each.__code__) & each.__globals__.keys()
        cells = each.__closure__ or ()
        reads = [functools.partial(each.__globals__.get, name) for name in sorted(names)]
        reads += [functools.partial(getattr, cell, "cell_contents", None) for cell in cells]
        reads.append(functools.partial(_defaults, each))
        found += reads
        for value in (read() for read in reads):
            called = value.function if isinstance(value, Fused) else value
            ours = inspect.isfunction(called) and not _is_ours(called.__globals__)
            if ours and called not in functions:
                functions.append(called)
    return found


def _defaults(function: Any) -> tuple[Any, ...]:
    return (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())


def _names(code: CodeType) -> set[str]:
    """All names in a function's code, and in those of the functions within."""
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*map(_names, inner))
