"""Ops that users define by forward and backward, and functions that backward() recomputes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .engine import Tensor, moment, no_grad, op, set_grad_enabled, sweep, tape
from .random import get_rng_state, set_rng_state

Form = tuple[tuple[int, ...], Any] | None  # a tensor's shape and dtype; None for anything else


class Context:
    """What forward passes on to backward: saved tensors, and any attributes it sets.

    needs_input_grad: for each argument of apply, whether it is a tensor that requires a gradient.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.saved_tensors: tuple[Tensor | None, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors as saved_tensors until backward() has run, as torch does."""
        self.saved_tensors = tensors


class Function:
    """An op whose forward and backward a subclass defines (torch.autograd.Function).

    forward(ctx, *args) gets the arguments of apply and returns one tensor. backward(ctx, dout) gets
    the gradient of that tensor and returns one per argument, of its shape and dtype, or None if
    it is not a tensor or needs none; a single gradient needs no tuple. Neither is recorded.

    >>> import minigrad
    >>> class Cube(minigrad.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, dout):
    ...         (x,) = ctx.saved_tensors
    ...         return dout * x * x * 3
    >>> x = minigrad.tensor([1.0, 2.0], requires_grad=True)
    >>> Cube.apply(x).sum().backward()
    >>> x.grad.tolist()
    [3.0, 12.0]
    """

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise NotImplementedError("a Function needs a static method backward(ctx, dout)")

    @classmethod
    def apply(cls, *args: Any) -> Tensor:
        """Call forward with args, tensors or not, and record it as an op named like the class.

        Raises TypeError if forward returns anything but one tensor. backward() raises ValueError
        for a wrong number or shape of gradients, TypeError for a wrong dtype or kind.
        """
        name = cls.__name__
        inputs = [arg.detach() if isinstance(arg, Tensor) else arg for arg in args]
        forms = [(arg.shape, arg.dtype) if isinstance(arg, Tensor) else None for arg in args]
        ctx = Context(tuple(isinstance(arg, Tensor) and arg.requires_grad for arg in args))

        def pullback(dout):
            with no_grad():
                returned = cls.backward(ctx, Tensor(dout))
            return _gradients(name, returned, forms)

        def function(*_arrays):
            with no_grad():
                out = cls.forward(ctx, *inputs)
            if not isinstance(out, Tensor):
                kind = type(out).__name__
                raise TypeError(f"{name}.forward must return one tensor, not a {kind}")
            return out.data, pullback

        function.__name__ = name
        return op(function)(*args)


def _gradients(name: str, returned: Any, forms: Sequence[Form]) -> tuple[Any, ...]:
    """Check what backward returned, and unwrap it: an array or None for each argument."""
    grads = returned if isinstance(returned, tuple) else (returned,)
    if len(grads) != len(forms):
        raise ValueError(
            f"{name}.backward returned {len(grads)} gradients for {len(forms)} arguments"
        )
    for i, (grad, form) in enumerate(zip(grads, forms, strict=True)):
        what = f"{name}.backward: gradient {i}"
        if grad is None:
            continue
        if form is None:
            raise TypeError(f"{what} must be None, argument {i} is not a tensor")
        if not isinstance(grad, Tensor):
            raise TypeError(f"{what} must be a tensor, not {type(grad).__name__}")
        shape, dtype = form
        if grad.shape != shape:
            raise ValueError(f"{what} has shape {grad.shape}, argument {i} {shape}")
        if grad.dtype != dtype:
            raise TypeError(f"{what} is {grad.dtype}, argument {i} {dtype}")
    return tuple(None if grad is None else _kept_by_others(grad.data) for grad in grads)


def _kept_by_others(array: Any) -> Any:
    """A view that no sweep writes to or gives to a leaf: backward may have kept the array."""
    view = array.view()
    view.flags.writeable = False
    return view


def checkpoint(function: Callable[..., Tensor], *args: Any) -> Tensor:
    """function(*args), recomputed in backward() instead of stored: less memory, more time.

    Gradients flow to the tensors among args and to any others that function uses, such as
    parameters. It must compute the same both times; for this the random generator is reset, so
    that dropout drops the same elements. Raises TypeError unless the result is one tensor.
    backward() raises RuntimeError if the second result has another shape or is made from other
    tensors; that its numbers are the same is not checked (torch.utils.checkpoint with
    use_reentrant=False).
    """
    since, state = moment(), get_rng_state()
    out = function(*args)
    if not isinstance(out, Tensor):
        raise TypeError(f"checkpoint: expected one tensor as result, not {type(out).__name__}")
    if not out.requires_grad or out.index < since:
        return out
    # Of the graph only its inputs are kept: the tensors that existed before the call.
    array, older = out.data, _older(out, since)
    indices = [node.index for node in older]

    def pullback(dout):
        again_since, now = moment(), get_rng_state()
        set_rng_state(state)
        try:
            with set_grad_enabled(True):
                again = function(*args)
        finally:
            set_rng_state(now)
        if (
            not isinstance(again, Tensor)
            or again.shape != dout.shape
            or indices != [node.index for node in _older(again, again_since)]
        ):
            raise RuntimeError("checkpoint: computed again, the function did something else")
        grads = {node.index: grad for node, grad in sweep(again, dout, False, again_since)}
        return tuple(grads.get(index) for index in indices)

    def remembered(*_arrays):
        return array, pullback

    remembered.__name__ = "checkpoint"
    return op(remembered)(*older)


def _older(out: Tensor, since: int) -> list[Tensor]:
    """The tensors made before since that out's gradient reaches first: its graph's inputs."""
    return [node for node in tape(out, since) if node.index < since]
