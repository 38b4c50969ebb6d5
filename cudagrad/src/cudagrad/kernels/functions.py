"""Scalar functions that maps apply to every element; `type(x)(…)` keeps constants in x's dtype."""

from __future__ import annotations

import math

from ..device import jit


@jit(device=True)
def same(x):
    return x


@jit(device=True)
def add(x, y):
    return x + y


@jit(device=True)
def sub(x, y):
    return x - y


@jit(device=True)
def mul(x, y):
    return x * y


@jit(device=True)
def div(x, y):
    return x / y


@jit(device=True)
def neg(x):
    return -x


@jit(device=True)
def pow(x, y):
    return x**y


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
def log(x):
    return math.log(x)


@jit(device=True)
def sqrt(x):
    return math.sqrt(x)


@jit(device=True)
def sqrt_dx(y, dout):
    return dout / (type(y)(2) * y)


@jit(device=True)
def div_dy(x, y, dout):
    return -dout * ((x / y) / y)


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
    """What x receives of the gradient of larger(x, y); half of it at a tie."""
    real = type(dout)
    return real(0) if x < y else dout * real(0.5) if x == y else dout


@jit(device=True)
def smaller_dx(x, y, dout):
    """What x receives of the gradient of smaller(x, y); half of it at a tie."""
    real = type(dout)
    return real(0) if x > y else dout * real(0.5) if x == y else dout


@jit(device=True)
def tie(x, y):
    """Equal, or both NaN."""
    return x == y or (x != x and y != y)


@jit(device=True)
def differ(x, y):
    return x != y


@jit(device=True)
def negative(x):
    return x < type(x)(0)


@jit(device=True)
def square(x):
    return x * x


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
    e = math.exp(-abs(x))  # of a number that is never positive: it cannot overflow
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
def gelu(x):
    """x Φ(x), by the complement of erf: 1 + erf would cancel where x is negative."""
    real = type(x)
    return x * (real(0.5) * math.erfc(-x * real(math.sqrt(0.5))))


@jit(device=True)
def gelu_dx(x, dout):
    real = type(x)
    cdf = real(0.5) * math.erfc(-x * real(math.sqrt(0.5)))
    density = math.exp(real(-0.5) * x * x) * real(1 / math.sqrt(2 * math.pi))
    return dout * (cdf + x * density)


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
def multiply_add(x, y, z):
    return x * y + z


@jit(device=True)
def masked(score, visible):
    """The score of what may be seen, else the score of nothing."""
    return score if visible else type(score)(-math.inf)


@jit(device=True)
def outside(index, size):
    return index < 0 or index >= size


@jit(device=True)
def from_front(index, size):
    """The index that a negative one, which counts from the end, stands for."""
    return index + size if index < 0 else index
