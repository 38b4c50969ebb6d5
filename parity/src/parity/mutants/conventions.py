"""What mutation testing takes the names in an engine's code for: where gradients are, what they do.

Every name must stand for something in an engine: tests say which no longer does.
"""

from __future__ import annotations

# The modules that are searched: those in an engine's ops, and micrograd's primitives.
OPS = "ops"
PRIMITIVES = ("scalar", "rowwise")

# minigrad and cudagrad. A function that OP decorates returns its value and its pullback, or a tuple
# of pullbacks. What takes the COTANGENT is a pullback; what is called PULLBACK… is one, or makes
# some. What a pullback returns is a gradient.
OP = "op"
COTANGENT = "dout"
PULLBACK = "pullback"

# micrograd. NODE(data, parents, slopes) and EACH(numbers, (parents, slopes), …): slopes are
# gradients.
NODE = "node"
EACH = "each"

# Gradients that are zero anyway.
NAUGHT = {"zeros", "zeros_like"}

# A call of APPLY is one of its first argument, which in cudagrad is the scalar function.
APPLY = "apply"

# How a module that imports these names writes a product; the first that fits.
PRODUCTS: tuple[tuple[set[str], str], ...] = (
    ({APPLY, "f"}, "apply(f.mul, {gradient}, {factor})"),
    ({"arrays"}, "arrays.apply(arrays.f.mul, {gradient}, {factor})"),
    (set(), "{factor} * ({gradient})"),
)

# Calls whose arguments may be swapped without any change.
COMMUTATIVE = {
    *("add", "mul", "mul3", "minus_product", "square_dx", "_times"),
    *("min", "max", "minimum", "maximum", "fmin", "swapaxes", "tie"),
    *("multiply", "vecdot"),
}
# Calls that only make a container of their argument.
CONTAINERS = {"tuple", "list"}
# Keywords that are left out, and one that asserts something and changes no result.
AXES = ("axis", "keepdims")
ASSERTION = "strict"

# Functions that are taken for each other. Of each pair, one at least is in use.
PAIRS = (
    *(("add", "sub"), ("mul", "div"), ("keep", "drop"), ("minimum", "maximum")),
    *(("sin", "cos"), ("tril", "triu"), ("log", "log1p"), ("exp", "expm1")),
)

# From which sizes on engines go another way, such as piece by piece. Mutants are judged with these,
# so that the spec's small cases run the code that otherwise only large arrays would.
SIZES = {
    "minigrad.rows.BLOCK": 12,
    "minigrad.special.BLOCK": 12,
    "minigrad.ops.attention.FEW": 4,
    "minigrad.ops.attention.QUERIES": 2,
    "minigrad.ops.indexing.FEW": 4,
    "minigrad.ops.indexing.TURNS": 3,
    "cudagrad.kernels.attention.WIDEST": 31,  # most cases are wider in float64, but not in float32
    "cudagrad.ops.normalization.PART": 2,
}

# What it is called if a call is replaced by one of its arguments; others are "call omitted".
OMITTED = {
    "transposition omitted": {"swapaxes", "transpose", "permute", "moveaxis"},
    "reduction omitted": {"sum", "mean", "total", "reduceat"},
}
