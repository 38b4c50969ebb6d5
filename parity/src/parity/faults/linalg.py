"""Faults of matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from .catalogue import fault, gradients, right


@fault("matmul", "backward", "differences", rule=2)
def transposes_one_gradient(x: Any, other: Any) -> Any:
    """Computes the right factor's gradient in transposed order: right for symmetric ones."""
    value, pullback = right.matmul(x, other)

    def wrong(dout):
        dx, dother = gradients(pullback, dout)
        return dx, dother.swapaxes(-1, -2).reshape(dother.shape) if dother.ndim > 1 else dother

    return value, wrong


@fault("matmul", "forward", "backward", "differences", rule=3)
def multiplies_in_float32(x: Any, other: Any) -> Any:
    """Loses half of the digits of float64, as a reference in float32 would too."""
    _, pullback = right.matmul(x, other)
    value, _ = right.matmul(x.astype(np.float32), other.astype(np.float32))
    return value.astype(x.dtype), pullback


@fault("bmm", "backward", "differences")
def mixes_its_batches(x: Any, mat2: Any) -> Any:
    """Hands each pair the gradients of the next one."""
    value, pullback = right.bmm(x, mat2)
    return value, lambda dout: tuple(np.roll(d, 1, axis=0) for d in gradients(pullback, dout))


@fault("addmm", "forward", "backward", "differences")
def multiplies_nan_by_nothing(x: Any, mat1: Any, mat2: Any, **kwargs: Any) -> Any:
    """Reads x though beta is 0: 0 · NaN is NaN."""
    value, pullback = right.addmm(x, mat1, mat2, **kwargs)
    return value + 0 * x, pullback


@fault("baddbmm", "backward", "differences")
def forgets_alpha_on_the_way_back(
    x: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1
) -> Any:
    """Scales its product, and not the gradients of its factors."""
    value, _ = right.baddbmm(x, batch1, batch2, beta=beta, alpha=alpha)
    _, unscaled = right.baddbmm(x, batch1, batch2, beta=beta)
    return value, unscaled


@fault("einsum", "forward", "backward")
def orders_its_output_by_appearance(equation: str, *operands: Any) -> Any:
    """Makes "ik" of "ki" where no output is written; torch orders the letters by the alphabet."""
    if isinstance(equation, str) and "->" not in equation and "." not in equation:
        letters = [letter for letter in equation if letter.isalpha()]
        once = [letter for letter in letters if letters.count(letter) == 1]
        equation = f"{equation}->{''.join(once)}"
    return right.einsum(equation, *operands)


@fault("outer", "backward", "differences", rule=2)
def sums_along_the_other_dim(x: Any, vec2: Any) -> Any:
    """Contracts the gradient with the wrong vector, cut or repeated to fit."""
    value, pullback = right.outer(x, vec2)

    def wrong(dout):
        dx, dvec2 = gradients(pullback, dout)
        return np.resize(dvec2, dx.shape), np.resize(dx, dvec2.shape)

    return value, wrong


@fault("linear", "backward", "differences")
def averages_the_gradient_of_its_bias(x: Any, weight: Any, bias: Any = None) -> Any:
    """Takes the mean over rows in place of the sum."""
    value, pullback = right.linear(x, weight, bias)

    def wrong(dout):
        dx, dweight, *dbias = gradients(pullback, dout)
        if bias is None:
            return dx, dweight
        rows = max(value.size // max(bias.size, 1), 1)
        return dx, dweight, dbias[0] / rows

    return value, wrong
