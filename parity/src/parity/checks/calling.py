"""Call an op on an engine with inputs in some memory layout, and compare what comes out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engines import Adapter
from ..spec.case import Array, Call, Op
from .measure import EPS, Measured, MismatchError, compare
from .reference import (
    PLAIN,
    Variant,
    cotangent,
    output_dtypes,
    own_errors,
    reference,
    same,
    transform,
    transposable,
    variable,
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
    """What went into a call, and what came out."""

    outputs: tuple[Any, ...] = ()
    leaves: list[Leaf] = field(default_factory=list)  # one per floating input
    given: list[tuple[Any, Array]] = field(default_factory=list)  # every tensor, and its numbers

    def gradient(self, engine: Adapter, position: int) -> Array | None:
        """The gradient of a floating input, in the input's own layout."""
        leaf = self.leaves[position]
        gradient = engine.grad(leaf.tensor)
        return None if gradient is None else leaf.layout.read(gradient)


def call(
    engine: Adapter,
    op: Op,
    case: Call,
    dtype: str,
    needs: Collection[int] = (),
    *,
    layout: Layout = CONTIGUOUS,
    tied: tuple[int, int] | None = None,
    into: Called | None = None,
) -> Called:
    """Call op; the floating inputs at the positions in needs require a gradient.

    tied: positions of two inputs that are to be one tensor. into: an earlier call whose leaves are
    used again.
    """
    called = Called()

    def tensor(array: Array) -> Any:
        is_leaf, position = variable(array), len(called.leaves)
        array = np.asarray(array, dtype if array.dtype.kind == "f" else None)
        if is_leaf and tied and position == tied[1]:
            called.leaves.append(called.leaves[tied[0]])
            return called.leaves[-1].tensor  # ties are only tried in the contiguous layout
        if is_leaf and into is not None:
            leaf = into.leaves[position]
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


def carry_back(
    engine: Adapter,
    op: Op,
    case: Call,
    dtype: str,
    called: Called,
    variant: Variant = PLAIN,
    layout: Layout = CONTIGUOUS,
) -> None:
    """Run backward from every output, and require that no cotangent is changed in place.

    The op is called again for each further output, because backward may free a shared graph.
    """
    outputs: tuple[Any, ...] | None = called.outputs
    for i in range(len(called.outputs)):
        if outputs is None:
            again = call(engine, op, case, dtype, layout=layout, tied=variant.tied, into=called)
            outputs = again.outputs
        array = engine.numpy(outputs[i])
        if array.dtype.kind != "f":
            continue
        exact = cotangent(case, i, array.shape, variant.ones)
        gradient = np.array(exact, array.dtype, order="C" if layout is CONTIGUOUS else "F")
        before = gradient.copy()
        engine.backward(outputs[i], gradient)
        if not np.array_equal(gradient, before):
            raise MismatchError("the gradient given to backward was changed in place")
        outputs = None


def output_dtypes_of(engine: Adapter, op: Op, case: Call, dtype: str) -> tuple[str, ...]:
    """The dtypes that an engine's outputs should have: torch's, as far as the engine has them."""
    default = "float32" if "float32" in engine.dtypes else dtype
    return output_dtypes(op, case, dtype, default)


def judge_outputs(
    engine: Adapter, op: Op, case: Call, dtype: str, called: Called, how: str, variant: Variant
) -> Measured:
    """Compare the outputs with torch's in number, shape, dtype and value."""
    wanted = reference(op, case, variant).outputs
    if len(called.outputs) != len(wanted):
        raise MismatchError(f"{len(called.outputs)} outputs ({how}), should be {len(wanted)}")
    dtypes = output_dtypes_of(engine, op, case, dtype)
    own = own_errors(op, case, variant).outputs
    worst = Measured()
    for i, (output, want) in enumerate(zip(called.outputs, wanted, strict=True)):
        got, name = engine.numpy(output), dtypes[i]
        if len(engine.dtypes) == 1 and name not in EPS:
            name = str(got.dtype)  # an engine with a single dtype may use it for integers too
        error = compare(f"output {i} ({how})", got, want, name, own[i])
        if dtypes[i] in EPS:
            worst = worst.worst(Measured.of(error, own[i]))
    return worst


def judge_inputs(
    engine: Adapter, op: Op, case: Call, dtype: str, called: Called, variant: Variant = PLAIN
) -> Measured:
    """Require that the call left its inputs as torch's does: unchanged, or as batch_norm does."""
    worst = Measured()
    updates, own = reference(op, case, variant).updates, own_errors(op, case, variant).updates
    for i, (argument, array) in enumerate(called.given):
        found, want = engine.numpy(argument), updates[i]
        if want is not None:
            name = dtype if want.dtype.kind == "f" else str(want.dtype)
            error = compare(f"tensor {i} of the inputs, after the call,", found, want, name, own[i])
            worst = worst.worst(Measured.of(error, own[i]))
        elif not same(found, array):
            raise MismatchError(f"tensor {i} of the inputs was changed in place")
    return worst


def judge_leaves(engine: Adapter, op: Op, case: Call, called: Called) -> None:
    """Require that an output that is a leaf in torch, such as randn's, accumulates a gradient."""
    for i, new in enumerate(reference(op, case).leaves):
        array = engine.numpy(called.outputs[i])
        if new and array.size:
            gradient = cotangent(case, i, array.shape).astype(array.dtype)
            engine.backward(called.outputs[i], gradient)
            kept = engine.grad(called.outputs[i])
            if kept is None or not same(kept, gradient):
                raise MismatchError(f"output {i} should be a leaf that keeps its gradient")
