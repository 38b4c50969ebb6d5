"""A GPT of scalars, written as sums of products, over any engine whose scalars have operators.

The text follows Karpathy's microgpt: token by token, with the keys and values of earlier tokens in
lists. The model is that of the engines' gpt with one layer, RMSNorm, ReLU and no biases.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Scalar = Any  # a number of an engine: with + - * / **, exp(), log(), relu() and data
Vector = list[Scalar]
Matrix = list[Vector]


def linear(x: Vector, weight: Matrix) -> Vector:
    return [sum(w * xi for w, xi in zip(row, x)) for row in weight]  # noqa: B905 (that costs time)


def rms_norm(x: Vector, weight: Vector) -> Vector:
    mean = sum(xi * xi for xi in x) * (1.0 / len(x))
    scale = (mean + 1e-5) ** -0.5
    return [xi * scale * w for xi, w in zip(x, weight, strict=True)]


def softmax(scores: Vector) -> Vector:
    top = max(score.data for score in scores)
    exponentials = [(score - top).exp() for score in scores]
    total = sum(exponentials)
    return [e / total for e in exponentials]


class Model:
    """weights: numbers by the names of the engines' gpt. leaf: makes a number a scalar to train."""

    def __init__(
        self, weights: Mapping[str, Any], heads: int, leaf: Callable[[float], Scalar]
    ) -> None:
        self.weights = {
            name: [list(map(leaf, row)) if isinstance(row, list) else leaf(row) for row in rows]
            for name, rows in weights.items()
        }
        self.heads = heads

    def leaves(self) -> list[Scalar]:
        """All that is trained."""
        rows = [row for rows in self.weights.values() for row in rows]
        return [leaf for row in rows for leaf in (row if isinstance(row, list) else [row])]

    def logits(self, token: int, position: int, keys: Matrix, values: Matrix) -> Vector:
        """The logits after one token; its key and value are added to those of the tokens before."""
        w = {name.removeprefix("transformer."): rows for name, rows in self.weights.items()}
        x = [a + b for a, b in zip(w["wte.weight"][token], w["wpe.weight"][position], strict=True)]
        n, size = len(x), len(x) // self.heads
        qkv = linear(rms_norm(x, w["h.0.ln_1.weight"]), w["h.0.attn.c_attn.weight"])
        query = qkv[:n]
        keys.append(qkv[n : 2 * n])
        values.append(qkv[2 * n :])
        mixed = []
        for head in range(self.heads):
            part = slice(head * size, (head + 1) * size)
            scores = [
                sum(q * k for q, k in zip(query[part], key[part], strict=True)) * size**-0.5
                for key in keys
            ]
            shares = softmax(scores)
            for column in zip(*(value[part] for value in values), strict=True):
                mixed.append(sum(p * v for p, v in zip(shares, column, strict=True)))
        x = [a + b for a, b in zip(x, linear(mixed, w["h.0.attn.c_proj.weight"]), strict=True)]
        hidden = linear(rms_norm(x, w["h.0.ln_2.weight"]), w["h.0.mlp.c_fc.weight"])
        hidden = linear([h.relu() for h in hidden], w["h.0.mlp.c_proj.weight"])
        x = [a + b for a, b in zip(x, hidden, strict=True)]
        return linear(rms_norm(x, w["ln_f.weight"]), w["wte.weight"])

    def loss(self, tokens: Sequence[int], targets: Sequence[int]) -> Scalar:
        keys: Matrix = []
        values: Matrix = []
        losses = []
        for position, (token, target) in enumerate(zip(tokens, targets, strict=True)):
            shares = softmax(self.logits(token, position, keys, values))
            losses.append(-shares[target].log())
        return sum(losses) * (1.0 / len(losses))
