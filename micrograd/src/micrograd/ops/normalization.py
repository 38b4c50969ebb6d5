"""Normalization of rows: a row is the last dims, a group of channels, or a channel.

eps is added to the variance, or the mean square, of which a row is divided by the root: else a row
of equal numbers would be divided by 0.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

from .. import floats, rowwise, scalar
from ..arguments import constants, flag, floating, number, sizes, whole
from ..engine import Value
from ..lists import Shape, Tensor, map_rows, nest, rows
from .elementwise import add, div, mul, sub
from .reduction import average
from .shape import reshape

Row = Sequence[Value]


def layer_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Rows normalized to mean 0 and variance 1, then scaled by weight and shifted by bias.

    A row is the last dims, of shape normalized_shape, which is also weight's and bias's.

    Ba, Kiros, Hinton 2016, https://arxiv.org/abs/1607.06450
    """
    epsilon = number("layer_norm", "eps", eps)

    def parts(row: Row) -> tuple[Row, Value]:
        return _standard(row, epsilon)

    return _by_row("layer_norm", parts, x, normalized_shape, weight, bias)


def rms_norm(
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """Rows divided by the root of their mean square, then scaled by weight.

    eps None: the epsilon of float. Zhang, Sennrich 2019, https://arxiv.org/abs/1910.07467
    """
    epsilon = sys.float_info.epsilon if eps is None else number("rms_norm", "eps", eps)

    def parts(row: Row) -> tuple[Row, Value]:
        return row, scalar.root_mean_square(row, epsilon)

    return _by_row("rms_norm", parts, x, normalized_shape, weight, None)


def group_norm(
    x: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Groups of channels normalized to mean 0 and variance 1, each in each sample on its own.

    x (N, C, …), weight and bias (C,). Raises ValueError if the channels do not divide into groups,
    or if a group holds one number over all samples.

    Wu, He 2018, https://arxiv.org/abs/1803.08494
    """
    op = "group_norm"
    items, shape = floating(op, x)
    groups = whole(op, "num_groups", num_groups, least=1)
    if len(shape) < 2 or shape[1] % groups or len(items) == groups:
        raise ValueError(f"{op}: shape {shape} cannot be normalized in {groups} groups of channels")
    count = shape[0] * groups
    normalized = map_rows(_standardized(op, eps), items, (count, len(items) // count), [1])
    return _by_channel(op, reshape(normalized, shape), weight, bias, shape)


def batch_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """Channels normalized to mean 0 and variance 1, then scaled by weight and shifted by bias.

    x (N, C, …), everything else (C,). Mean and variance are running_mean and running_var; while
    training, they are the batch's own, and the two lists, if given, move towards these in place by
    the share momentum, running_var towards the unbiased one, a sum of squares over n - 1. Raises
    ValueError for one of the lists without the other, and while training for channels of one
    number.

    Ioffe, Szegedy 2015, https://arxiv.org/abs/1502.03167
    """
    op = "batch_norm"
    items, shape = floating(op, x)
    if len(shape) < 2:
        raise ValueError(f"{op}: expected at least 2 dims, not shape {shape}")
    flag(op, "training", training)
    share, epsilon = number(op, "momentum", momentum), number(op, "eps", eps)
    if epsilon < 0.0 or (training and epsilon == 0.0):
        raise ValueError(f"{op}: eps must be above 0, or without training 0, not {eps}")
    means = _running(op, "running_mean", running_mean, shape[1:2])
    variances = _running(op, "running_var", running_var, shape[1:2])
    if (running_mean is None) != (running_var is None):
        raise ValueError(f"{op}: running_mean and running_var must be given together")
    if not training:
        if running_mean is None:
            raise ValueError(f"{op}: only training does without running_mean and running_var")
        roots = [floats.sqrt(variance + epsilon) for variance in variances]
        normalized = div(sub(x, _column(means, shape)), _column(roots, shape))
        return _by_channel(op, normalized, weight, bias, shape)
    along = [0, *range(2, len(shape))]
    if math.prod(shape[dim] for dim in along) == 1:
        raise ValueError(f"{op}: shape {shape} has one number in each channel")
    normalized = map_rows(_standardized(op, epsilon), items, shape, along)
    result = _by_channel(op, normalized, weight, bias, shape)
    if running_mean is not None and items:
        moments = [_moments([item.data for item in row]) for row in rows(items, shape, along)]
        _follow(running_mean, [mean for mean, _ in moments], share)
        _follow(running_var, [variance for _, variance in moments], share)
    return result


def _standard(row: Row, epsilon: float) -> tuple[Row, Value]:
    """The distances from the mean, and the deviation, by which to divide them."""
    centre = average(row)
    distances = [scalar.sub(item, centre) for item in row]
    return distances, scalar.root_mean_square(distances, epsilon)


def _standardized(op: str, eps: float) -> Callable[[Row], Row]:
    """The function that normalizes a row to mean 0 and variance 1."""
    epsilon = number(op, "eps", eps)

    def standardized(row: Row) -> Row:
        distances, deviation = _standard(row, epsilon)
        return rowwise.ratios(distances, [deviation] * len(distances))

    return standardized


def _by_row(
    op: str,
    parts: Callable[[Row], tuple[Row, Value]],
    x: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
) -> Tensor:
    """Each row normalized, scaled and shifted: parts(row) gives its numbers and their divisor."""
    items, shape = floating(op, x)
    normalized_shape = sizes(op, normalized_shape)
    first = len(shape) - len(normalized_shape)
    if not normalized_shape or shape[first:] != normalized_shape:
        raise ValueError(f"{op}: shape {shape} does not end in {normalized_shape}")
    weights = _affine(op, "weight", weight, normalized_shape)
    biases = _affine(op, "bias", bias, normalized_shape)

    taken = list(map(parts, rows(items, shape, range(first, len(shape)))))
    result = [item for row, _ in taken for item in row]
    divisors = [size for row, size in taken for _ in row]
    if weights is None:
        result = rowwise.ratios(result, divisors)
    else:
        result = rowwise.scaled_ratios(result, divisors, weights * len(taken))
    if biases is not None:
        result = rowwise.adds(result, biases * len(taken))
    return nest(result, shape)


def _by_channel(
    op: str, x: Tensor, weight: Tensor | None, bias: Tensor | None, shape: Shape
) -> Tensor:
    """x, of this shape, scaled by weight and shifted by bias, which have a number per channel."""
    weights = _affine(op, "weight", weight, shape[1:2])
    biases = _affine(op, "bias", bias, shape[1:2])
    if weights is not None:
        x = mul(x, _column(weights, shape))
    return x if biases is None else add(x, _column(biases, shape))


def _affine(op: str, name: str, parameter: Tensor | None, shape: Shape) -> list[Value] | None:
    if parameter is None:
        return None
    items, own = floating(f"{op}: {name}", parameter)
    if own != shape:
        raise ValueError(f"{op}: {name} of shape {own}, not {shape}")
    return items


def _column(numbers: Sequence[Value | float], shape: Shape) -> Tensor:
    """A number per channel, as a tensor that broadcasts to shape."""
    return nest(numbers, (len(numbers), *[1] * (len(shape) - 2)))


def _running(op: str, name: str, running: Tensor | None, shape: Shape) -> list[float]:
    if running is None:
        return []
    numbers, own = constants(op, name, running)
    if own != shape or not isinstance(running, list):
        raise ValueError(f"{op}: {name} must be a list of shape {shape}, not {own}")
    return numbers


def _moments(numbers: Sequence[float]) -> tuple[float, float]:
    """The mean, and the variance over n - 1."""
    mean = sum(numbers) / len(numbers)
    return mean, sum((n - mean) * (n - mean) for n in numbers) / (len(numbers) - 1)


def _follow(running: Tensor, numbers: Sequence[float], share: float) -> None:
    """Move the numbers of a list towards others, in place."""
    for i, (old, new) in enumerate(zip(running, numbers, strict=True)):
        moved = (1.0 - share) * float(old) + share * new
        running[i] = Value(moved) if isinstance(old, Value) else moved
