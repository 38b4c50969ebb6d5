"""torch's answers: values and gradients in float64, promoted dtypes, and its own float32 error.

Answers are cached by case, so that all engines share them.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from ..engines.torch import evaluate
from ..spec.case import Array, Call, Op, transform, variable
from .measure import EPS, InvalidCaseError, distance


@dataclass(frozen=True)
class Variant:
    """How a case is called."""

    ones: bool = False  # a cotangent of ones instead of a random one
    tied: tuple[int, int] | None = None  # positions of floating inputs that are one tensor

    def __str__(self) -> str:
        if self.tied:
            return "the same tensor as inputs {} and {}".format(*self.tied)
        return "cotangent of ones" if self.ones else "random cotangent"


PLAIN, ONES = Variant(), Variant(ones=True)


@dataclass(frozen=True)
class Answer:
    """What torch makes of a call."""

    outputs: tuple[Array, ...]
    gradients: tuple[Array | None, ...]  # one per floating input; empty if the op has none at all
    updates: tuple[Array | None, ...]  # one per input: its numbers after the call, if they changed
    leaves: tuple[bool, ...]  # one per output: is it a new leaf that requires a gradient?


@functools.cache
def reference(op: Op, case: Call, variant: Variant = PLAIN) -> Answer:
    """torch's answer in float64 throughout, even where a Python number would become float32.

    Raises InvalidCaseError if torch refuses the case.
    """
    try:
        return answer(op, case, variant, "float64", "float64")
    except Exception as error:
        raise InvalidCaseError(f"torch gives no answer: {error}") from error


def answer(
    op: Op,
    case: Call,
    variant: Variant,
    dtype: str,
    default: str,
    cotangents: tuple[Array, ...] | None = None,
) -> Answer:
    """torch's answer for inputs of dtype.

    default: the dtype of Python floats and of divided integers. cotangents: one per output, instead
    of the case's own.
    """
    leaves: list[torch.Tensor] = []
    given: list[tuple[torch.Tensor, Array]] = []

    def tensor(array: Array) -> torch.Tensor:
        if variable(array) and variant.tied and len(leaves) == variant.tied[1]:
            leaves.append(leaves[variant.tied[0]])
            return leaves[-1]
        held = np.asarray(array, dtype if array.dtype.kind == "f" else None)
        found = torch.tensor(held)  # a copy: some ops write into their inputs
        given.append((found, held))
        if variable(array):
            leaves.append(found.requires_grad_())
        return found

    args, kwargs = transform(tensor, case.inputs())
    with default_dtype(default):
        value = evaluate(op, args, kwargs)
    outputs = value if isinstance(value, tuple) else (value,)
    arrays = tuple(output.detach().numpy() for output in outputs)
    if cotangents is None:
        cotangents = tuple(
            cotangent(case, i, array.shape, variant.ones) for i, array in enumerate(arrays)
        )
    new_leaves = tuple(
        output.requires_grad and output.is_leaf and not any(output is leaf for leaf in leaves)
        for output in outputs
    )
    pairs = [
        (output, torch.from_numpy(exact).to(output.dtype))
        for output, exact, new in zip(outputs, cotangents, new_leaves, strict=True)
        if output.requires_grad and not new
    ]
    gradients = _gradients(pairs, leaves) if pairs else ()
    after = [(tensor.detach().numpy(), held) for tensor, held in given]
    updates = tuple(None if same(found, held) else found for found, held in after)
    return Answer(arrays, gradients, updates, new_leaves)


def _gradients(
    pairs: list[tuple[torch.Tensor, torch.Tensor]], leaves: list[torch.Tensor]
) -> tuple[Array | None, ...]:
    """The gradient of each leaf, given pairs of an output and its cotangent."""
    outputs, cotangents = zip(*pairs, strict=True)
    found = torch.autograd.grad(outputs, leaves, cotangents, allow_unused=True)
    return tuple(None if gradient is None else gradient.numpy() for gradient in found)


def same(a: Array, b: Array) -> bool:
    """Whether two arrays of the same dtype are equal bit by bit."""
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def cotangent(case: Call, output: int, shape: tuple[int, ...], ones: bool = False) -> Array:
    """The cotangent of an output. Random, as ones are blind: softmax's gradient would be zero."""
    if ones:
        return np.ones(shape)
    rng = np.random.default_rng(zlib.crc32(f"{case.id} cotangent {output}".encode()))
    return np.asarray(rng.standard_normal(shape), np.float32).astype(np.float64)


@functools.cache
def output_dtypes(op: Op, case: Call, dtype: str, default: str) -> tuple[str, ...]:
    """The dtypes that torch's promotion gives the outputs."""
    outputs = answer(op, case, PLAIN, dtype, default).outputs
    return tuple(str(output.dtype) for output in outputs)


@dataclass(frozen=True)
class Errors:
    """The distance of torch's float32 from its float64, in eps of float32, one per array."""

    outputs: tuple[float, ...]
    gradients: tuple[float, ...]
    updates: tuple[float, ...]


@functools.cache
def own_errors(op: Op, case: Call, variant: Variant = PLAIN) -> Errors:
    got = answer(op, case, variant, "float32", "float32")
    want = reference(op, case, variant)
    sizes = scales(op, case, variant)
    return Errors(
        tuple(_own_error(g, w) for g, w in zip(got.outputs, want.outputs, strict=True)),
        tuple(
            0.0 if g is None or w is None else _own_error(g, w, scale)
            for g, w, scale in zip(got.gradients, want.gradients, sizes, strict=True)
        ),
        tuple(
            0.0 if g is None or w is None else _own_error(g, w)
            for g, w in zip(got.updates, want.updates, strict=True)
        ),
    )


def _own_error(got: Array, want: Array, scale: float = 0.0) -> float:
    with np.errstate(over="ignore"):
        comparable = np.isfinite(got) & np.isfinite(want.astype(np.float32))
    return distance(got[comparable], want[comparable], EPS["float32"], scale)[0]


@functools.cache
def scales(op: Op, case: Call, variant: Variant = PLAIN) -> tuple[float, ...]:
    """The size of the numbers that may cancel in each gradient of a variant; 0 in the plain case.

    With a cotangent of ones softmax's gradient is mere rounding noise, as is that of x / x for a
    tied x. Such errors are measured relative to the gradients under a random cotangent.
    """
    gradients = reference(op, case).gradients
    if variant == PLAIN:
        return (0.0,) * len(gradients)
    sizes = [_size(gradient) for gradient in gradients]
    if variant.tied and sizes:
        i, j = variant.tied
        sizes[i] = sizes[j] = max(sizes[i], sizes[j])
    return tuple(sizes)


def _size(gradient: Array | None) -> float:
    finite = np.empty(0) if gradient is None else np.abs(gradient[np.isfinite(gradient)])
    return float(finite.max(initial=0.0))


@functools.cache
def transposable(op: Op, case: Call) -> bool:
    """Whether torch accepts inputs that are not contiguous: view() does not."""
    args, kwargs = transform(
        lambda array: torch.from_numpy(np.asfortranarray(array)), case.inputs()
    )
    try:
        evaluate(op, args, kwargs)
    except RuntimeError:
        return False
    return True


@contextmanager
def default_dtype(name: str) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)
