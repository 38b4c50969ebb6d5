"""The same GPT step by hand on lists of floats, without a graph: the best that plain Python can do.

Forward and backward of one document, all positions together; a matrix is a list of rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import chain
from operator import add, mul
from typing import Any

Vector = Sequence[float]
Matrix = Sequence[Vector]


def times(x: Matrix, weight: Matrix) -> list[list[float]]:
    """x weightᵀ, of rows of at least one number."""
    product: list[list[float]] = _product(len(weight[0]))(x, weight)
    return product


@cache
def _product(n: int) -> Callable[..., Any]:
    """times() of rows of n numbers with every term written down: quicker than sum(map(mul, …))."""
    names = [(f"a{i}", f"b{i}") for i in range(n)]
    row, other = (f"[{', '.join(own)}]" for own in zip(*names, strict=True))
    terms = "+".join(f"{a}*{b}" for a, b in names)
    code = f"lambda x, weight: [[{terms} for {other} in weight] for {row} in x]"
    product: Callable[..., Any] = eval(code)
    return product


def columns(x: Matrix) -> list[tuple[float, ...]]:
    return list(zip(*x, strict=True))


def beside(parts: Sequence[Matrix]) -> list[list[float]]:
    """Matrices side by side in one."""
    return [list(chain.from_iterable(rows)) for rows in zip(*parts, strict=True)]


def plus(x: Matrix, y: Matrix) -> list[list[float]]:
    return [list(map(add, a, b)) for a, b in zip(x, y, strict=True)]


def normalized(x: Matrix, weight: Vector) -> tuple[list[list[float]], list[float]]:
    """RMSNorm, and what each row was multiplied by."""
    scales = [1.0 / math.sqrt(sum(map(mul, row, row)) / len(row) + 1e-5) for row in x]
    out = [
        [a * scale * w for a, w in zip(row, weight, strict=True)]
        for row, scale in zip(x, scales, strict=True)
    ]
    return out, scales


def normalized_backward(
    x: Matrix, weight: Vector, scales: Vector, dout: Matrix
) -> tuple[list[list[float]], list[float]]:
    """The gradients of x and of weight."""
    dx, parts = [], []
    for row, scale, d in zip(x, scales, dout, strict=True):
        parts.append([a * scale * g for a, g in zip(row, d, strict=True)])
        dw = list(map(mul, weight, d))
        shared = scale**3 * sum(map(mul, row, dw)) / len(row)
        dx.append([scale * g - shared * a for a, g in zip(row, dw, strict=True)])
    return dx, list(map(sum, columns(parts)))


class Floor:
    """The model and its training, from weights by the names of the engines' gpt."""

    def __init__(self, weights: Mapping[str, Any], heads: int, lr: float) -> None:
        names = [
            *("wte.weight", "wpe.weight", "ln_f.weight", "h.0.ln_1.weight", "h.0.ln_2.weight"),
            *("h.0.attn.c_attn.weight", "h.0.attn.c_proj.weight"),
            *("h.0.mlp.c_fc.weight", "h.0.mlp.c_proj.weight"),
        ]
        self.weights = {name: weights[f"transformer.{name}"] for name in names}
        self.heads, self.lr, self.steps = heads, lr, 0
        self.moments: dict[str, tuple[list[float], list[float]]] = {}

    def gradients(
        self, tokens: Sequence[int], targets: Sequence[int]
    ) -> tuple[float, dict[str, Any]]:
        """The loss of a document, and its gradients by name."""
        w, length = self.weights, len(tokens)
        wte, wpe, final = w["wte.weight"], w["wpe.weight"], w["ln_f.weight"]
        first, second = w["h.0.ln_1.weight"], w["h.0.ln_2.weight"]
        attn, attn_proj = w["h.0.attn.c_attn.weight"], w["h.0.attn.c_proj.weight"]
        fc, fc_proj = w["h.0.mlp.c_fc.weight"], w["h.0.mlp.c_proj.weight"]
        n = len(first)
        size = n // self.heads
        root = math.sqrt(size)

        x0 = [list(map(add, wte[token], wpe[i])) for i, token in enumerate(tokens)]
        a, scales_a = normalized(x0, first)
        qkv = times(a, attn)
        heads = []
        unseen = [0.0] * (length - 1)  # the shares of what comes after the first token
        kept = []
        for head in range(0, n, size):
            q, k, v = ([row[i + head : i + head + size] for row in qkv] for i in (0, n, 2 * n))
            shares = []
            for i, row in enumerate(times(q, k)):
                scores = [score / root for score in row[: i + 1]]
                top = max(scores)
                exponentials = [math.exp(score - top) for score in scores]
                total = sum(exponentials)
                shares.append([e / total for e in exponentials] + unseen[i:])
            heads.append(times(shares, columns(v)))
            kept.append((q, k, v, shares))
        mixed = beside(heads)
        x1 = plus(x0, times(mixed, attn_proj))
        b, scales_b = normalized(x1, second)
        hidden = times(b, fc)
        bent = [[h if h > 0.0 else 0.0 for h in row] for row in hidden]
        x2 = plus(x1, times(bent, fc_proj))
        c, scales_c = normalized(x2, final)

        loss, dlogits = 0.0, []
        for logits, target in zip(times(c, wte), targets, strict=True):
            top = max(logits)
            exponentials = [math.exp(logit - top) for logit in logits]
            total = sum(exponentials)
            loss -= (logits[target] - top - math.log(total)) / length
            d = [e / (total * length) for e in exponentials]
            d[target] -= 1.0 / length
            dlogits.append(d)

        dc, dwte = times(dlogits, columns(wte)), times(columns(dlogits), columns(c))
        dx2, dfinal = normalized_backward(x2, final, scales_c, dc)
        dbent, dfc_proj = times(dx2, columns(fc_proj)), times(columns(dx2), columns(bent))
        dhidden = [
            [g if h > 0.0 else 0.0 for h, g in zip(row, d, strict=True)]
            for row, d in zip(hidden, dbent, strict=True)
        ]
        db, dfc = times(dhidden, columns(fc)), times(columns(dhidden), columns(b))
        dx1, dsecond = normalized_backward(x1, second, scales_b, db)
        dx1 = plus(dx1, dx2)
        dmixed = times(dx1, columns(attn_proj))
        dattn_proj = times(columns(dx1), columns(mixed))
        dq, dk, dv = [], [], []
        for head, (q, k, v, shares) in zip(range(0, n, size), kept, strict=True):
            dout = [row[head : head + size] for row in dmixed]
            dscores = []
            for row, dshares in zip(shares, times(dout, v), strict=True):
                mean = sum(map(mul, dshares, row))
                dscores.append([p * (g - mean) / root for p, g in zip(row, dshares, strict=True)])
            dq.append(times(dscores, columns(k)))
            dk.append(times(columns(dscores), columns(q)))
            dv.append(times(columns(shares), columns(dout)))
        dqkv = beside([*dq, *dk, *dv])
        da, dattn = times(dqkv, columns(attn)), times(columns(dqkv), columns(a))
        dx0, dfirst = normalized_backward(x0, first, scales_a, da)
        dx0 = plus(dx0, dx1)
        dwpe = [*dx0, *([0.0] * n for _ in range(length, len(wpe)))]
        for token, d in zip(tokens, dx0, strict=True):
            dwte[token] = list(map(add, dwte[token], d))
        grads = (dwte, dwpe, dfinal, dfirst, dsecond, dattn, dattn_proj, dfc, dfc_proj)
        return loss, dict(zip(w, grads, strict=True))

    def step(self, tokens: Sequence[int], targets: Sequence[int]) -> float:
        """One step of Adam on one document; the loss before it."""
        loss, grads = self.gradients(tokens, targets)
        self.steps += 1
        rate = self.lr / (1.0 - 0.9**self.steps)
        root = math.sqrt
        correction = math.sqrt(1.0 - 0.999**self.steps)
        for name, weight in self.weights.items():
            vector = isinstance(weight[0], float)
            rows, dout = ([weight], [grads[name]]) if vector else (weight, grads[name])
            x, g = list(chain.from_iterable(rows)), list(chain.from_iterable(dout))
            m, s = self.moments.get(name, ([0.0] * len(x), [0.0] * len(x)))
            m = [p + 0.1 * (q - p) for p, q in zip(m, g, strict=True)]
            s = [0.999 * p + 0.001 * q * q for p, q in zip(s, g, strict=True)]
            x = [
                p - rate * q / (root(r) / correction + 1e-8)
                for p, q, r in zip(x, m, s, strict=True)
            ]
            self.moments[name] = m, s
            for i, row in enumerate(rows):
                row[:] = x[i * len(row) : (i + 1) * len(row)]
        return loss
