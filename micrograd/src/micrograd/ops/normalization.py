"""Rows brought to a common size: the last dims, those of normalized_shape, make a row."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from .. import scalar
from ..arguments import floating, sizes
from ..engine import Value
from ..lists import Tensor, map_rows, values
from .reduction import average

Row = Sequence[Value]


def layer_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Rows brought to mean 0 and variance 1, then scaled by weight and shifted by bias.

    Ba, Kiros, Hinton 2016, https://arxiv.org/abs/1607.06450
    """

    def normalized(row: Row) -> list[Value]:
        centre = average(row)
        distances = [item - centre for item in row]
        deviation = (scalar.dot(distances, distances) / len(row) + eps).sqrt()
        return [distance / deviation for distance in distances]

    return _by_row("layer_norm", normalized, x, normalized_shape, weight, bias)


def rms_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Rows divided by the root of their mean square, then scaled by weight; eps None: a float's.

    Zhang, Sennrich 2019, https://arxiv.org/abs/1910.07467
    """
    epsilon = sys.float_info.epsilon if eps is None else eps

    def normalized(row: Row) -> list[Value]:
        size = (scalar.dot(row, row) / len(row) + epsilon).sqrt()
        return [item / size for item in row]

    return _by_row("rms_norm", normalized, x, normalized_shape, weight, None)


def _by_row(
    op: str,
    function: Callable[[Row], list[Value]],
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
) -> Tensor:
    items, shape = floating(op, x)
    normalized_shape = sizes(op, normalized_shape)
    first = len(shape) - len(normalized_shape)
    if not normalized_shape or first < 0 or shape[first:] != normalized_shape:
        raise ValueError(f"{op}: shape {shape} does not end in {normalized_shape}")
    weights = _affine(op, "weight", weight, normalized_shape)
    biases = _affine(op, "bias", bias, normalized_shape)

    def transformed(row: Row) -> list[Value]:
        row = function(row)
        if weights is not None:
            row = list(map(scalar.mul, row, weights))
        return row if biases is None else list(map(scalar.add, row, biases))

    return map_rows(transformed, items, shape, range(first, len(shape)))


def _affine(op: str, name: str, parameter: Tensor | None, shape: tuple[int, ...]) -> Row | None:
    if parameter is None:
        return None
    items, own = values(parameter)
    if own != shape:
        raise ValueError(f"{op}: {name} of shape {own} for normalized_shape {shape}")
    return items
