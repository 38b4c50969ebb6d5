"""Random numbers from counters: element i of a draw is a function of (seed, draw, i) alone.

So no executor, block size or order of threads can change a drawn number.

Decomposition: a thread owns one element; in dropout four, which share the words of one counter.
Bytes moved: a draw reads nothing and writes 4 bytes per element in float32. Dropout reads and
writes 16 bytes per thread, and so does its gradient, which draws again what forward dropped, so
that no mask is kept.
Operations: the 20 multiplications of Philox per thread.
Limit: where numbers are drawn, the arithmetic, about a hundred instructions for 4 bytes. In dropout
as many serve four elements, and memory limits it; in bfloat16, which halves the bytes, either may.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from ..device import cuda, factory, intrinsics, jit
from .storage import access


@jit(device=True)
def philox(seed, draw, i):
    """Four random 32-bit words: Philox4x32 with 10 rounds.

    All arguments have 64 bits. seed is the key; the words of the counter are the lower halves of i
    and draw, then their upper halves.

    Salmon, Moraes, Dror, Shaw 2011, https://doi.org/10.1145/2063384.2063405
    """
    low = np.uint64(0xFFFFFFFF)
    half = np.uint64(32)
    c0 = np.uint32(np.uint64(i) & low)
    c1 = np.uint32(np.uint64(draw) & low)
    c2 = np.uint32(np.uint64(i) >> half)
    c3 = np.uint32(np.uint64(draw) >> half)
    k0 = np.uint32(np.uint64(seed) & low)
    k1 = np.uint32(np.uint64(seed) >> half)
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * np.uint64(c0)
        p1 = np.uint64(0xCD9E8D57) * np.uint64(c2)
        c0 = np.uint32(np.uint32(p1 >> half) ^ c1 ^ k0)
        c2 = np.uint32(np.uint32(p0 >> half) ^ c3 ^ k1)
        c1 = np.uint32(p1 & low)
        c3 = np.uint32(p0 & low)
        k0 = np.uint32(k0 + np.uint32(0x9E3779B9))
        k1 = np.uint32(k1 + np.uint32(0xBB67AE85))
    return c0, c1, c2, c3


@jit(device=True)
def factor(word, chance, rest):
    """The factor of an element in dropout, decided by a random word: 0 or rest."""
    return type(rest)(0) if np.uint64(word) < chance[2] else rest


@jit(device=True)
def survivals(chance, rest, i):
    """The factors of elements i to i + 3 in dropout.

    chance: seed, draw, and 2**32 times the probability of 0. rest: the factor of what survives.
    Word i % 4 of counter i // 4 decides on element i, so four consecutive elements take one or two
    calls of philox.
    """
    if chance[2] == 0:
        return rest, rest, rest, rest
    first, second, third, fourth = philox(chance[0], chance[1], i >> 2)
    skipped = i & 3
    if skipped > 0:
        more = philox(chance[0], chance[1], (i >> 2) + 1)
        if skipped == 1:
            first, second, third, fourth = second, third, fourth, more[0]
        elif skipped == 2:
            first, second, third, fourth = third, fourth, more[0], more[1]
        else:
            first, second, third, fourth = fourth, more[0], more[1], more[2]
    return (
        factor(first, chance, rest),
        factor(second, chance, rest),
        factor(third, chance, rest),
        factor(fourth, chance, rest),
    )


@factory
def dropout(stored: Any) -> Any:
    """out = x · 0 by chance, else x · rest; see survivals. A thread owns four neighbours."""
    _, load, store = access(stored)

    @jit
    def dropout_kernel(x, chance, rest, out):
        i = cuda.grid(1) * 4
        first, second, third, fourth = survivals(chance, rest, i)
        if i + 3 < out.size:
            own = intrinsics.load4(x, i)
            intrinsics.store4(
                out,
                i,
                store(load(own[0]) * first),
                store(load(own[1]) * second),
                store(load(own[2]) * third),
                store(load(own[3]) * fourth),
            )
        else:
            if i < out.size:
                out[i] = store(load(x[i]) * first)
            if i + 1 < out.size:
                out[i + 1] = store(load(x[i + 1]) * second)
            if i + 2 < out.size:
                out[i + 2] = store(load(x[i + 2]) * third)

    return dropout_kernel


@functools.cache
def fraction(real: Any) -> Any:
    """A device function: words to a number in [0, 1), of 24 bits in float32, 53 in float64."""

    @jit(device=True)
    def of_one(word, _):
        # float32 holds no more than 24 bits; 32 could round up to 1.
        return real(np.int64(word) >> 8) * real(2.0**-24)

    @jit(device=True)
    def of_two(first, second):
        return real(np.int64(first) << 21 | np.int64(second) >> 11) * real(2.0**-53)

    return of_two if real == np.float64 else of_one


@factory
def uniform(stored: Any) -> Any:
    """Uniform numbers in [low, high); a number that rounds up to high becomes low."""
    real, load, store = access(stored)
    unit = fraction(real)

    @jit
    def uniform_kernel(seed, draw, low, high, out):
        i = cuda.grid(1)
        if i < out.size:
            words = philox(seed, draw, i)
            drawn = store(low + (high - low) * unit(words[0], words[2]))
            out[i] = store(low) if load(drawn) >= high else drawn

    return uniform_kernel


@factory
def normal(stored: Any) -> Any:
    """Normal numbers, by Box and Muller 1958, https://doi.org/10.1214/aoms/1177706645

    None is further from the mean than 5.77 std in float32, or 8.58 in float64, because the
    logarithm is of at least 2**-24, or 2**-53.
    """
    real, _, store = access(stored)
    unit, least = fraction(real), np.finfo(real).epsneg

    @jit
    def normal_kernel(seed, draw, mean, std, out):
        i = cuda.grid(1)
        if i < out.size:
            words = philox(seed, draw, i)
            share = unit(words[0], words[2]) + real(least)  # never 0: it has a log
            angle = real(2 * math.pi) * unit(words[1], words[3])
            length = math.sqrt(real(-2) * math.log(share))
            out[i] = store(mean + std * (length * math.cos(angle)))

    return normal_kernel
