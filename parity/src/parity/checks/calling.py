"""Call an op on an engine with inputs in some memory layout, and compare what comes out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engines import Adapter
from ..spec.case import Array, Call, Op, transform, variable
from .measure import EPS, Measured, MismatchError, compare
from .reference import (
    PLAIN,
    Variant,
    cotangent,
    output_dtypes,
    own_errors,
    reference,
    same,
    transposable,
)


@dataclass(frozen=True)
class Layout:
    """How an input lies in memory: the leaf may store it differently from how the op sees it."""

    name: str
    stored: Callable[[Array], Array] = np.copy  # the input -> the array that the leaf holds
    seen: Callable[[Adapter, Any], Any] = lambda engine, leaf: leaf  # the leaf -> the op's argument
    read: Callable[[Array], Array] = lambda gradient: gradient  # leaf gradient -> input's gradient

    def __str__(self) -> str:
        return self.name


CONTIGUOUS = Layout("contiguous")
LAYOUTS = (
    CONTIGUOUS,
    Layout("Fortran order", np.asfortranarray),
    Layout(
        "transposed by the engine",
        lambda array: np.ascontiguousarray(array.swapaxes(0, -1)),
        lambda engine, leaf: engine.call("transpose", leaf, 0, -1),
        lambda gradient: gradient.swapaxes(0, -1),
    ),
    Layout(
        "every other element",
        lambda array: np.repeat(array, 2, axis=-1),
        lambda engine, leaf: engine.call("getitem", leaf, (Ellipsis, slice(None, None, 2))),
        lambda gradient: gradient[..., ::2],
    ),
)


def layouts(op: Op, case: Call) -> tuple[Layout, ...]:
    """The layouts to try: only one if all inputs are scalars or empty, or torch takes no other."""
    arrays: list[Array] = []
    transform(arrays.append, case.inputs())
    several = any(array.ndim and array.size for array in arrays) and transposable(op, case)
    return LAYOUTS if several else (CONTIGUOUS,)


@dataclass
class Leaf:
    """The tensor that holds the gradient of a floating input, and its layout."""

    tensor: Any
    layout: Layout


@dataclass
class Called:
    """A call: of what, how, what went in, and what came out."""

    engine: Adapter
    op: Op
    case: Call
    dtype: str
    needs: Collection[int]  # positions of the floating inputs that require a gradient
    variant: Variant
    layout: Layout
    leaves: list[Leaf] = field(default_factory=list)  # one per floating input
    given: list[tuple[Any, Array]] = field(default_factory=list)  # every tensor, and its numbers
    outputs: tuple[Any, ...] = ()

    def gradient(self, position: int) -> Array | None:
        """The gradient of a floating input, in the input's own layout."""
        leaf = self.leaves[position]
        gradient = self.engine.grad(leaf.tensor)
        return None if gradient is None else leaf.layout.read(gradient)

    def dtypes(self) -> tuple[str, ...]:
        """The dtypes that the outputs should have: torch's, as far as the engine has them."""
        default = "float32" if "float32" in self.engine.dtypes else self.dtype
        return output_dtypes(self.op, self.case, self.dtype, default)


def call(
    engine: Adapter,
    op: Op,
    case: Call,
    dtype: str,
    needs: Collection[int] = (),
    *,
    variant: Variant = PLAIN,
    layout: Layout = CONTIGUOUS,
    leaves: Sequence[Leaf] | None = None,
) -> Called:
    """Call op; the floating inputs at the positions in needs require a gradient.

    leaves: those of an earlier call, to be used again.
    """
    called = Called(engine, op, case, dtype, needs, variant, layout)
    tied = variant.tied

    def tensor(array: Array) -> Any:
        is_leaf, position = variable(array), len(called.leaves)
        array = np.asarray(array, dtype if array.dtype.kind == "f" else None)
        if is_leaf and tied and position == tied[1]:
            called.leaves.append(called.leaves[tied[0]])
            return called.leaves[-1].tensor  # ties are only tried in the contiguous layout
        if is_leaf and leaves is not None:
            leaf = leaves[position]
        else:
            how = layout if array.ndim and array.size else CONTIGUOUS
            needed = is_leaf and position in needs
            leaf = Leaf(engine.tensor(how.stored(array), requires_grad=needed), how)
        if is_leaf:
            called.leaves.append(leaf)
        argument = leaf.layout.seen(engine, leaf.tensor)
        called.given.append((argument, array))
        return argument

    args, kwargs = transform(tensor, case.inputs())
    value = engine.call(op.name, *args, **kwargs)
    called.outputs = value if isinstance(value, tuple) else (value,)
    return called


def carry_back(called: Called) -> None:
    """Run backward from every output, and require that no cotangent is changed in place.

    The op is called again for each further output, because backward may free a shared graph.
    """
    engine, layout, variant = called.engine, called.layout, called.variant
    outputs: tuple[Any, ...] | None = called.outputs
    for i in range(len(called.outputs)):
        if outputs is None:
            outputs = again(called).outputs
        array = engine.numpy(outputs[i])
        if array.dtype.kind != "f":
            continue
        exact = cotangent(called.case, i, array.shape, variant.ones)
        gradient = np.array(exact, array.dtype, order="C" if layout is CONTIGUOUS else "F")
        before = gradient.copy()
        engine.backward(outputs[i], gradient)
        if not np.array_equal(gradient, before):
            raise MismatchError("the gradient given to backward was changed in place")
        outputs = None


def again(called: Called) -> Called:
    """Repeat a call on the same leaves."""
    return call(
        called.engine,
        called.op,
        called.case,
        called.dtype,
        called.needs,
        variant=called.variant,
        layout=called.layout,
        leaves=called.leaves,
    )


def judge_outputs(called: Called, how: str) -> Measured:
    """Compare the outputs with torch's in number, shape, dtype and value."""
    wanted = reference(called.op, called.case, called.variant).outputs
    if len(called.outputs) != len(wanted):
        raise MismatchError(f"{len(called.outputs)} outputs ({how}), should be {len(wanted)}")
    dtypes = called.dtypes()
    own = own_errors(called.op, called.case, called.variant).outputs
    worst = Measured()
    for i, (output, want) in enumerate(zip(called.outputs, wanted, strict=True)):
        got, name = called.engine.numpy(output), dtypes[i]
        error = compare(f"output {i} ({how})", got, want, name, own[i])
        if dtypes[i] in EPS:
            worst = worst.worst(Measured.of(error, own[i]))
    return worst


def judge_inputs(called: Called) -> Measured:
    """Require that the call left its inputs as torch's does: unchanged, or as batch_norm does."""
    updates = reference(called.op, called.case, called.variant).updates
    own = own_errors(called.op, called.case, called.variant).updates
    worst = Measured()
    for i, (argument, array) in enumerate(called.given):
        found, want = called.engine.numpy(argument), updates[i]
        if want is not None:
            name = called.dtype if want.dtype.kind == "f" else str(want.dtype)
            error = compare(f"tensor {i} of the inputs, after the call,", found, want, name, own[i])
            worst = worst.worst(Measured.of(error, own[i]))
        elif not same(found, array):
            raise MismatchError(f"tensor {i} of the inputs was changed in place")
    return worst


def judge_leaves(called: Called) -> None:
    """Require that an output that is a leaf in torch, such as randn's, accumulates a gradient."""
    engine = called.engine
    for i, new in enumerate(reference(called.op, called.case).leaves):
        array = engine.numpy(called.outputs[i])
        if new and array.size:
            gradient = cotangent(called.case, i, array.shape).astype(array.dtype)
            engine.backward(called.outputs[i], gradient)
            kept = engine.grad(called.outputs[i])
            if kept is None or not same(kept, gradient):
                raise MismatchError(f"output {i} should be a leaf that keeps its gradient")
