"""Scalar functions that maps apply to every element; `type(x)(…)` keeps constants in x's dtype.

f_dx is the gradient for f's argument x, where dout is the gradient of f's result. It takes x, or
the result y where the derivative is simpler in that.
"""

from __future__ import annotations

import math

import numpy as np

from ..device import jit

LEAST_DIVISOR = 9.999999960041972e-13  # 1e-12 rounded to float32: torch has it in every dtype


@jit(device=True)
def same(x):
    return x


@jit(device=True)
def second(x, y):
    return y


@jit(device=True)
def add(x, y):
    return x + y


@jit(device=True)
def add_multiple(x, y, alpha):
    return x + alpha * y


@jit(device=True)
def sub(x, y):
    return x - y


@jit(device=True)
def sub_multiple(x, y, alpha):
    return x - alpha * y


@jit(device=True)
def mul(x, y):
    return x * y


@jit(device=True)
def mul3(x, y, z):
    return x * (y * z)


@jit(device=True)
def div(x, y):
    return x / y


@jit(device=True)
def div_dy(x, y, dout):
    return -dout * ((x / y) / y)


@jit(device=True)
def div_trunc(x, y):
    """The quotient of floating-point numbers, rounded toward zero."""
    return trunc(x / y)


@jit(device=True)
def div_floor(x, y):
    """The floor of the exact quotient of floating-point numbers, not of the rounded one."""
    return x / y if y == type(y)(0) else x // y


@jit(device=True)
def int_div_trunc(x, y):
    quotient = x // y
    return quotient + 1 if quotient < 0 and quotient * y != x else quotient


@jit(device=True)
def int_div_floor(x, y):
    return x // y


@jit(device=True)
def neg(x):
    return -x


@jit(device=True)
def magnitude(x):
    return abs(x)


@jit(device=True)
def magnitude_dx(x, dout):
    zero = type(x)(0)
    return dout if x > zero else -dout if x < zero else zero  # for NaN, too


@jit(device=True)
def sign(x):
    zero, one = type(x)(0), type(x)(1)
    return one if x > zero else -one if x < zero else zero  # for NaN, too


@jit(device=True)
def reciprocal(x):
    return type(x)(1) / x


@jit(device=True)
def reciprocal_dx(y, dout):
    return -dout * (y * y)


@jit(device=True)
def square(x):
    return x * x


@jit(device=True)
def square_dx(x, dout):
    return dout * (type(x)(2) * x)


@jit(device=True)
def sqrt(x):
    return math.sqrt(x)


@jit(device=True)
def sqrt_dx(y, dout):
    return dout / (type(y)(2) * y)


@jit(device=True)
def std_dvar(y, dout):
    """As sqrt_dx, but 0 where y is 0."""
    return type(y)(0) if y == type(y)(0) else dout / (type(y)(2) * y)


@jit(device=True)
def rsqrt(x):
    return type(x)(1) / math.sqrt(x)


@jit(device=True)
def rsqrt_dx(y, dout):
    return dout * (type(y)(-0.5) * (y * y * y))


@jit(device=True)
def pow(x, y):
    return x**y


@jit(device=True)
def int_pow(x, y):
    """x to the power y >= 0 for integers, by repeated squaring; overflow wraps around."""
    power = type(x)(1)
    while y > 0:
        if y & 1:
            power *= x
        x *= x
        y >>= 1
    return power


@jit(device=True)
def pow_dx(x, y, dout):
    zero, one = type(x)(0), type(x)(1)
    return zero if y == zero else dout * (y * x ** (y - one))


@jit(device=True)
def pow_dy(x, y, dout):
    zero = type(x)(0)
    if x == zero and y >= zero:
        return zero
    return dout * (x**y * math.log(x))


@jit(device=True)
def exp(x):
    return math.exp(x)


@jit(device=True)
def expm1(x):
    return math.expm1(x)


@jit(device=True)
def expm1_dx(x, dout):
    return dout * math.exp(x)


@jit(device=True)
def log(x):
    return math.log(x)


@jit(device=True)
def log1p(x):
    return math.log1p(x)


@jit(device=True)
def log1p_dx(x, dout):
    return dout / (type(x)(1) + x)


@jit(device=True)
def sin(x):
    return math.sin(x)


@jit(device=True)
def sin_dx(x, dout):
    return dout * math.cos(x)


@jit(device=True)
def cos(x):
    return math.cos(x)


@jit(device=True)
def cos_dx(x, dout):
    return -dout * math.sin(x)


@jit(device=True)
def erf(x):
    return math.erf(x)


@jit(device=True)
def erf_dx(x, dout):
    real = type(x)
    return dout * (real(2 / math.sqrt(math.pi)) * math.exp(-x * x))


@jit(device=True)
def floor(x):
    return math.floor(x)


@jit(device=True)
def ceil(x):
    return math.ceil(x)


@jit(device=True)
def trunc(x):
    return math.trunc(x)


@jit(device=True)
def round(x):
    """The nearest whole number; the even one of two that are equally near."""
    real = type(x)
    below = floor(x)
    rest = x - below
    half = below * real(0.5)
    up = rest > real(0.5) or (rest == real(0.5) and half != floor(half))
    return math.copysign(below + real(1), x) if up else below


@jit(device=True)
def clamp(x, low, high):
    return smaller(larger(x, low), high)


@jit(device=True)
def clamp_dx(x, low, high, dout):
    return dout if low <= x and x <= high else type(dout)(0)


@jit(device=True)
def clamp_dlow(x, low, high, dout):
    return dout if x < low and low < high else type(dout)(0)


@jit(device=True)
def clamp_dhigh(x, low, high, dout):
    return dout if x > high or high < low else type(dout)(0)


@jit(device=True)
def clamp_min_dx(x, low, dout):
    return dout if x >= low else type(dout)(0)


@jit(device=True)
def clamp_min_dlow(x, low, dout):
    return dout if x < low else type(dout)(0)


@jit(device=True)
def clamp_max_dx(x, high, dout):
    return dout if x <= high else type(dout)(0)


@jit(device=True)
def clamp_max_dhigh(x, high, dout):
    return dout if x > high else type(dout)(0)


@jit(device=True)
def choose(condition, x, y):
    return x if condition else y


@jit(device=True)
def keep(condition, x):
    return x if condition else type(x)(0)


@jit(device=True)
def drop(condition, x):
    return type(x)(0) if condition else x


@jit(device=True)
def larger(x, y):
    return x if x > y or x != x else y


@jit(device=True)
def smaller(x, y):
    return x if x < y or x != x else y


@jit(device=True)
def larger_dx(x, y, dout):
    """The gradient of larger(x, y) for x: half of dout at a tie."""
    real = type(dout)
    return real(0) if x < y else dout * real(0.5) if x == y else dout


@jit(device=True)
def smaller_dx(x, y, dout):
    """The gradient of smaller(x, y) for x: half of dout at a tie."""
    real = type(dout)
    return real(0) if x > y else dout * real(0.5) if x == y else dout


@jit(device=True)
def tie(x, y):
    """Whether x and y are equal, or both NaN."""
    return x == y or (x != x and y != y)


@jit(device=True)
def equal(x, y):
    return x == y


@jit(device=True)
def share(ties, dout, count):
    return (dout if ties else type(dout)(0)) / count


@jit(device=True)
def differ(x, y):
    return x != y


@jit(device=True)
def less(x, y):
    return x < y


@jit(device=True)
def at_most(x, y):
    return x <= y


@jit(device=True)
def greater(x, y):
    return x > y


@jit(device=True)
def at_least(x, y):
    return x >= y


@jit(device=True)
def true(x):
    return x != type(x)(0)  # NaN is true


@jit(device=True)
def false(x):
    return x == type(x)(0)


@jit(device=True)
def both(x, y):
    return true(x) and true(y)


@jit(device=True)
def either(x, y):
    return true(x) or true(y)


@jit(device=True)
def is_nan(x):
    return math.isnan(x)


@jit(device=True)
def is_infinite(x):
    return math.isinf(x)


@jit(device=True)
def is_finite(x):
    return math.isfinite(x)


@jit(device=True)
def negative(x):
    return x < type(x)(0)


@jit(device=True)
def tanh(x):
    return math.tanh(x)


@jit(device=True)
def tanh_dx(y, dout):
    one = type(y)(1)
    return dout * ((one - y) * (one + y))


@jit(device=True)
def sigmoid(x):
    real = type(x)
    e = math.exp(-abs(x))  # the exponent is never positive, so this cannot overflow
    return (real(1) if x >= real(0) else e) / (real(1) + e)


@jit(device=True)
def sigmoid_dx(y, dout):
    return dout * (y * (type(y)(1) - y))


@jit(device=True)
def relu(x):
    zero = type(x)(0)
    return zero if x < zero else x  # this way round NaN stays NaN


@jit(device=True)
def relu_dx(x, dout):
    return type(dout)(0) if x <= type(x)(0) else dout


@jit(device=True)
def leaky_relu(x, negative_slope):
    return x if x > type(x)(0) else x * negative_slope


@jit(device=True)
def leaky_relu_dx(x, negative_slope, dout):
    return dout if x > type(x)(0) else dout * negative_slope


@jit(device=True)
def elu(x, alpha):
    return x if x > type(x)(0) else alpha * math.expm1(x)


@jit(device=True)
def elu_dx(x, alpha, dout):
    return dout * (alpha * math.exp(x)) if x <= type(x)(0) else dout


@jit(device=True)
def silu(x):
    return x * sigmoid(x)


@jit(device=True)
def silu_dx(x, dout):
    y, one = sigmoid(x), type(x)(1)
    return dout * (y * (one + x * (one - y)))


@jit(device=True)
def gelu(x):
    """x Φ(x), with Φ from erfc: 1 + erf would lose digits to cancellation where x is negative."""
    real = type(x)
    return x * (real(0.5) * math.erfc(-x * real(math.sqrt(0.5))))


@jit(device=True)
def gelu_dx(x, dout):
    real = type(x)
    cdf = real(0.5) * math.erfc(-x * real(math.sqrt(0.5)))
    density = math.exp(real(-0.5) * x * x) * real(1 / math.sqrt(2 * math.pi))
    return dout * (cdf + x * density)


@jit(device=True)
def single_tail(x, e):
    """1 - Φ(|x|) in float32, where e is exp(-x² / 2).

    The tail is e times a ratio, which keeps its digits where the tail is tiny. The ratio is t times
    a polynomial of degree 8 in t = 1 / (1 + 0.26 |x|), fitted to erfc for |x| up to 14.5 so that
    the largest relative error is as small as possible (Lawson's iteration): 6e-8, once coefficients
    are float32. Computed in float32, the tail has a relative error of at most 7 times float32's
    epsilon up to |x| = 5, and 35 times before it underflows, most of which is that of e.
    """
    real = np.float32
    t = real(1) / (real(1) + real(0.26) * abs(x))
    s = real(0.03023015)
    s = s * t - real(0.15149376)
    s = s * t + real(0.2487319)
    s = s * t - real(0.14778796)
    s = s * t + real(0.15875788)
    s = s * t + real(0.05196517)
    s = s * t + real(0.1027886)
    s = s * t + real(0.10305098)
    s = s * t + real(0.10375702)
    return e * (t * s)


@jit(device=True)
def single_gelu(x):
    """gelu in float32, without erfc, which would be most of a map's work."""
    q = single_tail(x, math.exp(np.float32(-0.5) * x * x))
    return x * (q if x < np.float32(0) else np.float32(1) - q)


@jit(device=True)
def single_gelu_dx(x, dout):
    """gelu_dx in float32: one exponential serves both of its terms."""
    e = math.exp(np.float32(-0.5) * x * x)
    q = single_tail(x, e)
    cdf = q if x < np.float32(0) else np.float32(1) - q
    return dout * (cdf + x * (e * np.float32(1 / math.sqrt(2 * math.pi))))


@jit(device=True)
def gelu_tanh(x):
    real = type(x)
    inner = real(math.sqrt(2 / math.pi)) * (x + real(0.044715) * x * x * x)
    return real(0.5) * x * (real(1) + math.tanh(inner))


@jit(device=True)
def gelu_tanh_dx(x, dout):
    real = type(x)
    scale, cubic = real(math.sqrt(2 / math.pi)), real(0.044715)
    t = math.tanh(scale * (x + cubic * x * x * x))
    slope = scale * (real(1) + real(3) * cubic * x * x)
    return dout * (
        real(0.5) * (real(1) + t) + real(0.5) * x * ((real(1) - t) * (real(1) + t)) * slope
    )


@jit(device=True)
def logsumexp_dx(x, y, dout):
    return dout * math.exp(x - y)


@jit(device=True)
def log1p_exp(x):
    """log(1 + exp(x)), by an exponential that cannot overflow."""
    return relu(x) + math.log1p(math.exp(-abs(x)))


@jit(device=True)
def softplus(x, beta, threshold):
    return x if x * beta > threshold else log1p_exp(x * beta) / beta


@jit(device=True)
def softplus_dx(x, beta, threshold, dout):
    return dout if x * beta > threshold else dout * sigmoid(x * beta)


@jit(device=True)
def logsigmoid(x):
    return -log1p_exp(-x)


@jit(device=True)
def logsigmoid_dx(x, dout):
    return dout * sigmoid(-x)


@jit(device=True)
def between_dx(x, low, high, dout):
    """As clamp_dx, but 0 at the bounds as well."""
    return type(dout)(0) if x <= low or x >= high else dout


@jit(device=True)
def multiply_add(x, y, z):
    return x * y + z


@jit(device=True)
def minus_product(x, y):
    return -(x * y)


@jit(device=True)
def mean(total, count):
    """total / count; NaN where count is 0, whatever the total."""
    return total / count if count != type(count)(0) else type(total)(math.nan)


@jit(device=True)
def charge(counted, x, share):
    return -(x * share) if counted else type(x)(0)


@jit(device=True)
def is_share(x):
    return type(x)(0) <= x and x <= type(x)(1)  # false for NaN


@jit(device=True)
def not_both_shares(x, y):
    return not (is_share(x) and is_share(y))


@jit(device=True)
def binary_cross_entropy(x, target):
    one, least = type(x)(1), type(x)(-100)
    no, yes = larger(math.log1p(-x), least), larger(math.log(x), least)
    return (target - one) * no - target * yes


@jit(device=True)
def binary_cross_entropy_dx(x, target, dout):
    real = type(x)
    return dout * (x - target) / larger((real(1) - x) * x, real(LEAST_DIVISOR))


@jit(device=True)
def binary_cross_entropy_dtarget(x, dout):
    return dout * (math.log1p(-x) - math.log(x))


@jit(device=True)
def logit_loss(x, target):
    return (type(x)(1) - target) * x + log1p_exp(-x)


@jit(device=True)
def logit_loss_dx(x, target, dout):
    return dout * (sigmoid(x) - target)


@jit(device=True)
def weighted_logit_loss(x, target, pos_weight):
    one = type(x)(1)
    return (one - target) * x + (one + (pos_weight - one) * target) * log1p_exp(-x)


@jit(device=True)
def weighted_logit_loss_dx(x, target, pos_weight, dout):
    yes = pos_weight * target
    return dout * ((yes + type(x)(1) - target) * sigmoid(x) - yes)


@jit(device=True)
def weighted_logit_loss_dtarget(x, pos_weight, dout):
    return dout * ((pos_weight - type(x)(1)) * log1p_exp(-x) - x)


@jit(device=True)
def divergence(x, target):
    """A term of the KL divergence of target from exp(x), with 0 log 0 = 0."""
    zero = type(x)(0)
    return (zero if target == zero else target * math.log(target)) - target * x


@jit(device=True)
def divergence_dx(x, target, dout):
    return -(target * dout)


@jit(device=True)
def divergence_dtarget(x, target, dout):
    real = type(x)
    return dout * (math.log(target) + real(1) - x) if target != real(0) else real(math.nan)


@jit(device=True)
def log_divergence(x, target):
    return math.exp(target) * (target - x)


@jit(device=True)
def log_divergence_dx(x, target, dout):
    return -(math.exp(target) * dout)


@jit(device=True)
def log_divergence_dtarget(x, target, dout):
    return dout * (math.exp(target) * (target - x) + math.exp(target))


@jit(device=True)
def normalize(x, mean, scale):
    return (x - mean) * scale


@jit(device=True)
def scale_of(variance, eps):
    return type(variance)(1) / math.sqrt(variance + eps)


@jit(device=True)
def masked(score, visible):
    """The score where visible, else -inf, which softmax turns into 0."""
    return score if visible else type(score)(-math.inf)


@jit(device=True)
def outside(index, size):
    return index < 0 or index >= size


@jit(device=True)
def from_front(index, size):
    """The index counted from the front, for one that counts from the end if it is negative."""
    return index + size if index < 0 else index
