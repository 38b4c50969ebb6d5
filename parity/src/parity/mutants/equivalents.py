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
            "logsumexp",
            "return node(math.nan, (*xs, less), (math.nan,) * (len(xs) + 1))",
            f"return node(math.nan, (*xs, less), {slopes})",
            reason,
        )
        for slopes, reason in (
            *(
                (f"({factor} * math.nan,) * (len(xs) + 1)", "of NaN there is no multiple")
                for factor in (-1, 2, 0.5, 0)
            ),
            ("(math.nan,) * len(xs)", "less is also one of xs, which has its slope"),
            ("(math.nan,) * (len(xs) + 2)", "no parent is left for one more"),
        )
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
    Equivalent(
        "minigrad",
        "_gelu_tanh_back",
        "room = np.empty((2, numbers[parts[0]].size), x.dtype)",
        "room = np.empty((2, numbers.size), x.dtype)",
        "there is room enough",
    ),
    Equivalent(
        "minigrad",
        "group_norm",
        "spare = np.empty_like(groups[parts[0]])",
        "spare = np.empty_like(groups)",
        "there is room enough",
    ),
    Equivalent(
        "minigrad",
        "_convolved",
        "if in_line and (not np.isfinite(grad).all())",
        "if in_line or not np.isfinite(grad).all()",
        "the longer way gives the same",
    ),
    Equivalent(
        "minigrad",
        "getitem",
        "if len(items) == 1 and items[0].dtype != np.bool_ and (items[0].ndim == 1)",
        "if items == 1 and items[0].dtype != np.bool_ and (items[0].ndim == 1)",
        "the longer way gives the same",
    ),
    Equivalent(
        "minigrad",
        "times",
        "return a * b if a.shape[-1] == 1 else a @ b",
        "return a * b if a.shape == 1 else a @ b",
        "both ways give the same",
    ),
    Equivalent(
        "minigrad",
        "summed_rows",
        "if values.size <= FEW",
        "if values.size < FEW",
        "both ways give the same",
    ),
    *(
        Equivalent(
            "minigrad",
            "summed_rows",
            "turns = np.arange(places.size) - np.repeat(starts, counts)",
            f"turns = {mutated}",
            "every row has a turn of its own, or comes late: the sums are the same",
        )
        for mutated in (
            "np.arange(places.size) + np.repeat(starts, counts)",
            "np.arange(places.size)",
        )
    ),
    Equivalent(
        "minigrad",
        "linear",
        "lambda dout: sum_of_rows(dout.reshape(shape))",
        "lambda dout: dout.reshape(shape)",
        "backward() itself sums over a dim that an argument does not have",
    ),
    Equivalent(
        "minigrad",
        "prod",
        "size = np.abs(product)",
        "size = product",
        "the longer way gives the same",
    ),
    *(
        Equivalent(
            "minigrad",
            "prod",
            "safe = (size >= np.finfo(x.dtype).tiny) & (size < np.inf)",
            f"safe = {mutated}",
            "the longer way gives the same",
        )
        for mutated in (
            "(size > np.finfo(x.dtype).tiny) & (size < np.inf)",
            "(size >= np.finfo(x.dtype).tiny) & (size >= np.inf)",
        )
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
        "_dsrc",
        "arrays.copy_into(taken, dsrc, 0, arrays.strides(shape or (1,)))",
        "arrays.copy_into(taken, dsrc, 0, arrays.strides(shape or (2,)))",
        "a vector of any length has the stride 1",
    ),
    Equivalent(
        "cudagrad",
        "_fused",
        "arrays.launch(kernels.deltas(stored), deltas.size, dout, out, deltas)",
        "arrays.launch(kernels.deltas(stored), deltas.size, out, dout, deltas)",
        "only their products count",
    ),
    *(
        Equivalent(
            "cudagrad",
            "_normalized",
            "parts = max(1, -(-count // PART))",
            f"parts = {mutated}",
            "a part without rows adds 0",
        )
        for mutated in ("max(2, -(-count // PART))", "max(1, --count)")
    ),
    *(
        Equivalent(
            "cudagrad",
            "_normalized",
            "return (arrays.reshape(dweight, (n,)), arrays.reshape(dbias, (n,)))",
            f"return ({dweight}, {dbias})",
            "backward() itself sums over a dim of length 1 that an argument does not have",
        )
        for dweight, dbias in (
            ("dweight", "arrays.reshape(dbias, (n,))"),
            ("arrays.reshape(dweight, (n,))", "dbias"),
        )
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
