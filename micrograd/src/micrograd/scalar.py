"""The primitives: each computes a number and its slopes; all other gradients follow from these.

Everything in ops/ is composed of primitives, so its gradients come from the chain rule alone.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from itertools import accumulate
from operator import mul as product

from . import floats
from .engine import Value, node

_LARGEST = sys.float_info.max
LEAST_DIVISOR = 9.999999960041972e-13  # 1e-12 in float32, as torch has it for every dtype


def add(x: Value, y: Value) -> Value:
    return node(x.data + y.data, (x, y), (1.0, 1.0))


def sub(x: Value, y: Value) -> Value:
    return node(x.data - y.data, (x, y), (1.0, -1.0))


def mul(x: Value, y: Value) -> Value:
    return node(x.data * y.data, (x, y), (y.data, x.data))


def div(x: Value, y: Value) -> Value:
    ratio = floats.divide(x.data, y.data)
    slopes = floats.divide(1.0, y.data), floats.divide(-ratio, y.data)  # 1/y and -x/y²
    return node(ratio, (x, y), slopes)


def floor_divide(x: Value, y: Value) -> Value:
    return _flat(floats.floor_divide(x.data, y.data), x, y)


def trunc_divide(x: Value, y: Value) -> Value:
    return _flat(floats.trunc(floats.divide(x.data, y.data)), x, y)


def clone(x: Value) -> Value:
    return node(x.data, (x,), (1.0,))


def own(x: Value) -> Value:
    """x itself, or a copy if x is a trained leaf, whose number the next step will change in place.

    Ops that select or rearrange elements use it where torch copies; where torch returns a view, as
    for a slice, they return the leaves themselves.
    """
    return clone(x) if x.requires_grad and not x.parents else x


def neg(x: Value) -> Value:
    return node(-x.data, (x,), (-1.0,))


def abs(x: Value) -> Value:
    return node(math.fabs(x.data), (x,), (floats.sign(x.data),))


def sign(x: Value) -> Value:
    return _flat(floats.sign(x.data), x)


def reciprocal(x: Value) -> Value:
    result = floats.divide(1.0, x.data)
    return node(result, (x,), (-result * result,))


def pow(x: Value, y: Value) -> Value:
    """x to the power of y; where x or y is 0, the slopes are torch's."""
    result = floats.power(x.data, y.data)
    slope_x = 0.0 if y.data == 0.0 else y.data * floats.power(x.data, y.data - 1.0)
    slope_y = 0.0 if x.data == 0.0 and y.data >= 0.0 else result * floats.log(x.data)
    return node(result, (x, y), (slope_x, slope_y))


def exp(x: Value) -> Value:
    result = floats.exp(x.data)
    return node(result, (x,), (result,))


def expm1(x: Value) -> Value:
    """exp(x) - 1, without the loss of digits where x is near 0."""
    return node(floats.expm1(x.data), (x,), (floats.exp(x.data),))


def log(x: Value) -> Value:
    return node(floats.log(x.data), (x,), (floats.divide(1.0, x.data),))


def log1p(x: Value) -> Value:
    """log(1 + x), without the loss of digits where x is near 0."""
    return node(floats.log1p(x.data), (x,), (floats.divide(1.0, 1.0 + x.data),))


def xlogx(x: Value) -> Value:
    """x times its logarithm; 0 at 0."""
    log_x = floats.log(x.data)
    # The last term is 1, but nan at 0 and inf, as in torch.
    slope = log_x + floats.divide(x.data, x.data)
    return node(0.0 if x.data == 0.0 else x.data * log_x, (x,), (slope,))


def sqrt(x: Value) -> Value:
    root = floats.sqrt(x.data)
    return node(root, (x,), (floats.divide(0.5, root),))


def rsqrt(x: Value) -> Value:
    result = floats.divide(1.0, floats.sqrt(x.data))
    return node(result, (x,), (-0.5 * result * result * result,))  # -1/2 · x to the power -3/2


def deviation(variance: Value) -> Value:
    """The square root of a variance; one of 0 gets a gradient of 0, as in torch, not inf."""
    return sqrt(variance) if variance.data != 0.0 else _flat(0.0, variance)


def sin(x: Value) -> Value:
    return node(floats.sin(x.data), (x,), (floats.cos(x.data),))


def cos(x: Value) -> Value:
    return node(floats.cos(x.data), (x,), (-floats.sin(x.data),))


def erf(x: Value) -> Value:
    """The probability that a normal variable of mean 0 and variance 1/2 lies between -x and x."""
    slope = 2.0 / math.sqrt(math.pi) * math.exp(-x.data * x.data)
    return node(math.erf(x.data), (x,), (slope,))


def floor(x: Value) -> Value:
    return _flat(floats.floor(x.data), x)


def ceil(x: Value) -> Value:
    return _flat(floats.ceil(x.data), x)


def round(x: Value, decimals: int) -> Value:
    return _flat(floats.round(x.data, decimals), x)


def tanh(x: Value) -> Value:
    t = math.tanh(x.data)
    return node(t, (x,), ((1.0 - t) * (1.0 + t),))  # 1 - t·t would lose digits where t is near 1


def sigmoid(x: Value) -> Value:
    s = floats.sigmoid(x.data)
    return node(s, (x,), (s * (1.0 - s),))  # exp(-x) / (1 + exp(-x))²


def softplus(x: Value, beta: float = 1.0) -> Value:
    """log(1 + exp(beta · x)) / beta: for a beta of 0 it is infinite, and its slope still 1/2."""
    steep = beta * x.data
    value = floats.divide(floats.softplus(steep), beta)
    return node(value, (x,), (floats.sigmoid(steep),))


def normal_cdf(x: Value) -> Value:
    """The probability that a standard normal variable lies below x."""
    density = math.exp(-0.5 * x.data * x.data) / math.sqrt(2.0 * math.pi)
    return node(0.5 * (1.0 + math.erf(x.data * math.sqrt(0.5))), (x,), (density,))


def relu(x: Value) -> Value:
    if x.data <= 0.0:
        return _flat(0.0, x)
    return node(x.data, (x,), (1.0,))


def where(condition: bool, x: Value, y: Value) -> Value:
    """x if condition, else y; the other one gets a gradient of 0, whatever arrives."""
    taken, left = (x, y) if condition else (y, x)
    if not left.requires_grad:
        return own(taken)
    return node(taken.data, (taken, left), (1.0,))


def last(xs: Sequence[Value]) -> Value:
    """The last of xs, yet each receives the whole gradient: torch's rule for scatter."""
    return node(xs[-1].data, tuple(xs), (1.0,) * len(xs))


def maximum(x: Value, y: Value) -> Value:
    """The larger of the two; equals share the gradient."""
    return _either(x.data > y.data, x, y)


def minimum(x: Value, y: Value) -> Value:
    """The smaller of the two; equals share the gradient."""
    return _either(x.data < y.data, x, y)


def clamp_min(x: Value, low: Value) -> Value:
    """x, but no less than low; nan passes no gradient on."""
    if math.isnan(x.data) or math.isnan(low.data):
        return _flat(math.nan, x, low)
    return where(x.data >= low.data, x, low)


def clamp_max(x: Value, high: Value) -> Value:
    """x, but no more than high; nan passes no gradient on."""
    if math.isnan(x.data) or math.isnan(high.data):
        return _flat(math.nan, x, high)
    return where(x.data <= high.data, x, high)


def clamp(x: Value, low: Value, high: Value) -> Value:
    """x limited to [low, high]; where low is above high, high wins."""
    a, b, c = x.data, low.data, high.data
    result = floats.clamp(a, b, c)
    if b <= a <= c:
        return node(result, (x, low, high), (1.0,))
    if a < b < c:
        return node(result, (low, x, high), (1.0,))
    if a > c or b > c:
        return node(result, (high, x, low), (1.0,))
    return _flat(result, x, low, high)  # nan; or low and high are equal, and x below both


def binary_cross_entropy(p: Value, target: Value) -> Value:
    """-log(p) if target is 1, -log(1 - p) if it is 0; in between, the two weighted by target.

    As in torch, a logarithm is at least -100, and the slope's divisor at least 1e-12.
    """
    log_p, log_not_p = floats.log(p.data), floats.log1p(-p.data)
    loss = (target.data - 1.0) * max(log_not_p, -100.0) - target.data * max(log_p, -100.0)
    # (1 - target) / (1 - p) - target / p, over one divisor
    slope = (p.data - target.data) / max((1.0 - p.data) * p.data, LEAST_DIVISOR)
    return node(loss, (p, target), (slope, log_not_p - log_p))


def _flat(data: float, *parents: Value) -> Value:
    """A number that small changes of its parents do not move: a gradient of 0, whatever arrives."""
    return node(data, parents, ())


def _either(first: bool, x: Value, y: Value) -> Value:
    if x.data == y.data:
        return node(x.data, (x, y), (0.5, 0.5))
    if math.isnan(x.data) or math.isnan(y.data):
        return node(math.nan, (x, y), (1.0, 1.0))  # with a nan, both get all of it, as in torch
    return where(first, x, y)


# One node with n slopes for n numbers: a sum or a dot product costs no more nodes than a product.


def total(xs: Sequence[Value]) -> Value:
    """The sum of any number of Values."""
    return node(sum([x.data for x in xs], 0.0), tuple(xs), (1.0,) * len(xs))


def dot(xs: Sequence[Value], ys: Sequence[Value]) -> Value:
    """The sum of products x·y, of two rows of equal length."""
    a, b = [x.data for x in xs], [y.data for y in ys]
    return node(floats.sumprod(a, b), (*xs, *ys), (*b, *a))


def root_mean_square(xs: Sequence[Value], epsilon: float) -> Value:
    """The square root of the mean of the squares, plus epsilon under the root."""
    numbers = [x.data for x in xs]
    n = len(numbers)
    root = floats.sqrt(floats.divide(floats.sumprod(numbers, numbers), n) + epsilon)
    scale = floats.divide(1.0, root * n)  # √u has slope 1 / 2√u, and u = x·x / n has 2x / n
    return node(root, xs, [number * scale for number in numbers])


def prod(xs: Sequence[Value]) -> Value:
    """The product of any number of Values; each one's slope is the product of the others."""
    numbers = [x.data for x in xs]
    result = math.prod(numbers, start=1.0)
    # Dividing by a number leaves it out of the product, unless the product is 0 or out of range.
    held = sys.float_info.min <= math.fabs(result) < math.inf
    if held or not (0.0 in numbers or all(map(math.isfinite, numbers))):
        return node(result, tuple(xs), tuple(result / number for number in numbers))
    before = accumulate(numbers[:-1], product, initial=1.0)
    after = [*accumulate(numbers[:0:-1], product, initial=1.0)][::-1]
    return node(result, tuple(xs), tuple(map(product, before, after)))


def logsumexp(xs: Sequence[Value], less: Value | None = None) -> Value:
    """The logarithm of the sum of the exponentials, none of which can overflow; -inf of no Values.

    less: subtracted from each of the Values; from the result it would cost digits.
    """
    numbers = [x.data for x in xs]
    if less is not None and math.inf in numbers:  # a probability of inf / inf
        return node(math.nan, (*xs, less), (math.nan,) * (len(xs) + 1))
    # Kept finite: infinity minus itself would be nan.
    shift = max(-_LARGEST, min(max(numbers, default=0.0), _LARGEST))
    exponentials = floats.exps([number - shift for number in numbers])
    scale = sum(exponentials)
    slopes = floats.ratios(exponentials, [scale] * len(exponentials))  # softmax
    if less is None:
        return node(shift + floats.log(scale), tuple(xs), slopes)
    return node(shift - less.data + floats.log(scale), (*xs, less), (*slopes, -1.0))


def spread(distances: Sequence[Value], freedom: float, unsigned: bool) -> Value:
    """The sum of squares divided by freedom, or by 0 if freedom is negative.

    The slopes are 2 / freedom times a distance, whatever freedom's sign; but inf if unsigned and
    freedom is 0 or less. Both are torch's, the latter for the variance of a whole tensor.
    """
    numbers = [distance.data for distance in distances]
    squares = [number * number for number in numbers]
    if unsigned and freedom <= 0.0:
        slopes = [math.inf * square for square in squares]  # nan at a distance of 0
    else:
        slope = floats.divide(2.0, freedom)
        slopes = [slope * number for number in numbers]
    return node(floats.divide(sum(squares), max(freedom, 0.0)), tuple(distances), tuple(slopes))


def largest(xs: Sequence[Value]) -> Value:
    """The largest of at least one Value; equals share the gradient evenly; nan is largest."""
    return _shared(xs, xs[floats.argmax([x.data for x in xs])].data)


def smallest(xs: Sequence[Value]) -> Value:
    """The smallest of at least one Value; equals share the gradient evenly; nan is smallest."""
    return _shared(xs, xs[floats.argmin([x.data for x in xs])].data)


def _shared(xs: Sequence[Value], best: float) -> Value:
    equal = [x.data == best or (x.data != x.data and best != best) for x in xs]
    ties = [x for x, tie in zip(xs, equal, strict=True) if tie]
    others = [x for x, tie in zip(xs, equal, strict=True) if not tie]
    return node(best, (*ties, *others), (1.0 / len(ties),) * len(ties))
