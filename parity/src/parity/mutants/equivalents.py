"""The list of mutants that change no result, and so need not be killed, with reasons.

An entry is an error if it matches no mutant, or one that is killed. The texts are those that
ast.unparse writes, of the whole statement or lambda, as parity mutants prints them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Equivalent:
    """A mutation of an engine's function that changes no result."""

    engine: str
    function: str
    original: str
    mutated: str
    reason: str


EQUIVALENTS = (
    Equivalent(
        "micrograd",
        "prod",
        "before = accumulate(numbers[:-1], product, initial=1.0)",
        "before = accumulate(numbers, product, initial=1.0)",
        "one product too many, which map() does not reach",
    ),
    Equivalent(
        "micrograd",
        "prod",
        "return node(result, tuple(xs), tuple(map(product, before, after)))",
        "return node(result, tuple(xs), tuple(map(product, after, before)))",
        "factors may be exchanged",
    ),
    Equivalent(
        "micrograd",
        "scaled_ratios",
        "shares = [-q * slope for q, slope in zip(quotients, slopes, strict=True)]",
        "shares = [-q * slope for q, slope in zip(slopes, quotients, strict=True)]",
        "factors may be exchanged",
    ),
    *(
        Equivalent(
            "micrograd",
            "spread",
            "slopes = [math.inf * square for square in squares]",
            f"slopes = [{factor} * (math.inf * square) for square in squares]",
            "of infinity there is no multiple",
        )
        for factor in (2, 0.5)
    ),
    *(
        Equivalent(
            "cudagrad",
            "_variance",
            "return apply(f.mul3, dout, apply(f.square, centred), math.inf)",
            "return apply(f.mul, apply(f.mul3, dout, apply(f.square, centred), math.inf), "
            f"{factor})",
            "of infinity there is no multiple",
        )
        for factor in (2, 0.5)
    ),
    Equivalent(
        "cudagrad",
        "softplus",
        "lambda dout: apply(f.softplus_dx, x, beta, threshold, dout)",
        "lambda dout: apply(f.softplus_dx, beta, x, threshold, dout)",
        "only the product of x and beta counts",
    ),
    Equivalent(
        "cudagrad",
        "nll_loss",
        "dchosen = apply(f.charge, counted, part, share, dtype=dout.dtype)",
        "dchosen = apply(f.charge, counted, share, part, dtype=dout.dtype)",
        "only their product counts",
    ),
    Equivalent(
        "cudagrad",
        "outer",
        "lambda dout: arrays.flat(arrays.matmul(dout, row, b_swapped=True))",
        "lambda dout: arrays.flat(arrays.matmul(row, dout, b_swapped=True))",
        "the column becomes a row, and both are made flat",
    ),
    Equivalent(
        "cudagrad",
        "outer",
        "lambda dout: arrays.flat(arrays.matmul(column, dout, a_swapped=True))",
        "lambda dout: arrays.flat(arrays.matmul(dout, column, a_swapped=True))",
        "the row becomes a column, and both are made flat",
    ),
    Equivalent(
        "cudagrad",
        "linear",
        "return arrays.reshape(dmatrix, weight.shape)",
        "return dmatrix",
        "backward() itself sums over a dim of length 1 that an argument does not have",
    ),
    Equivalent(
        "cudagrad",
        "embedding",
        "return arrays.reshape(dtable, (size, n))",
        "return dtable",
        "backward() itself sums over a dim of length 1 that an argument does not have",
    ),
    *(
        Equivalent(
            "cudagrad",
            "_channel_sums",
            "arrays.launch_rows(kernel, channels, max(batch * inner, 1), dout, normal, dweight, "
            "dbias)",
            f"arrays.launch_rows(kernel, channels, max({threads}), dout, normal, dweight, dbias)",
            "how many threads share the work changes its speed alone",
        )
        for threads in ("batch, 1", "inner, 1", "batch * inner, 2")
    ),
)
