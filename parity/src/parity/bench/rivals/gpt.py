"""A GPT's training step by hand in NumPy, without a graph: the best that NumPy can do.

Every array is allocated in the first step and used again in all others; parameters, gradients and
the optimizer's moments are one vector each. The model is that of the engines' gpt.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

BLOCK = 1 << 15  # numbers that are handled at once, so that they stay in the cache
QUERIES = 32  # that attend at once, to no key after the last of them
EPS, SCALE, CUBIC = 1e-5, math.sqrt(2 / math.pi), 0.044715


def blocks(size: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, size, BLOCK))


class Arrays:
    """The model and its training by AdamW, from weights by the names of the engines' gpt."""

    def __init__(
        self, weights: Mapping[str, Array], layers: int, heads: int, lr: float, clip: float
    ) -> None:
        self.layers, self.heads, self.lr, self.clip, self.steps = layers, heads, lr, clip, 0
        self.vector = np.concatenate([array.ravel() for array in weights.values()])
        self.slopes, self.mean, self.square = (np.zeros_like(self.vector) for _ in range(3))
        self.w: dict[str, Array] = {}
        self.g: dict[str, Array] = {}
        end = 0
        for name, array in weights.items():
            start, end = end, end + array.size
            short = name.removeprefix("transformer.")
            self.w[short] = self.vector[start:end].reshape(array.shape)
            self.g[short] = self.slopes[start:end].reshape(array.shape)
        self.rooms: dict[str, Array] = {}

    def room(self, name: str, *shape: int) -> Array:
        """An array of that name, the same in every step."""
        known = self.rooms.get(name)
        if known is None or known.shape != shape:
            known = self.rooms[name] = np.empty(shape, self.vector.dtype)
        return known

    def step(self, ids: Array, targets: Array) -> float:
        """One step on a batch; the loss before it."""
        loss = self.gradients(ids, targets)
        norm = math.sqrt(math.fsum(float(g @ g) for g in map(self.slopes.__getitem__, self.parts)))
        self.slopes *= min(1.0, self.clip / (norm + 1e-6))
        self.steps += 1
        rate, root = self.lr / (1 - 0.9**self.steps), math.sqrt(1 - 0.999**self.steps)
        every = self.vector, self.slopes, self.mean, self.square
        for part in self.parts:
            x, g, mean, square = (vector[part] for vector in every)
            spare = self.room("spare", BLOCK)[: x.size]
            mean += np.multiply(np.subtract(g, mean, out=spare), 0.1, out=spare)
            square *= 0.999
            square += np.multiply(np.multiply(g, g, out=spare), 0.001, out=spare)
            np.sqrt(square, out=spare)
            spare /= root
            spare += 1e-8
            np.divide(mean, spare, out=spare)
            spare *= rate
            x *= 1 - 0.01 * self.lr
            x -= spare
        return loss

    @functools.cached_property
    def parts(self) -> list[slice]:
        return list(blocks(self.vector.size))

    def gradients(self, ids: Array, targets: Array) -> float:
        """The loss of a batch; its gradients are in g."""
        B, T = ids.shape
        rows, C, V = B * T, self.w["wpe.weight"].shape[1], len(self.w["wte.weight"])
        x = self.room("stream 0", rows, C)
        np.take(self.w["wte.weight"], ids.ravel(), axis=0, out=x)
        x.reshape(B, T, C)[...] += self.w["wpe.weight"][:T]
        for layer in range(self.layers):
            h = f"h.{layer}."
            qkv = self.linear(h + "attn.c_attn", self.norm(h + "ln_1", x))
            y = self.linear(h + "attn.c_proj", self.attention(h, qkv, B, T))
            x = np.add(x, y, out=self.room(h + "middle", rows, C))
            hidden = self.linear(h + "mlp.c_fc", self.norm(h + "ln_2", x))
            y = self.linear(h + "mlp.c_proj", self.gelu(h, hidden))
            x = np.add(x, y, out=self.room(f"stream {layer + 1}", rows, C))
        features = self.norm("ln_f", x)

        p = np.matmul(features, self.w["wte.weight"].T, out=self.room("logits", rows, V))
        p -= p.max(axis=1, keepdims=True)
        at = np.arange(rows), targets.ravel()
        chosen = p[at]
        np.exp(p, out=p)
        total = p.sum(axis=1, keepdims=True)
        loss = float((np.log(total[:, 0]) - chosen).mean())
        p /= total * rows
        p[at] -= np.asarray(1 / rows, p.dtype)

        np.matmul(p.T, features, out=self.g["wte.weight"])
        dout = np.matmul(p, self.w["wte.weight"], out=self.room("dfeatures", rows, C))
        dx = self.norm_back("ln_f", x, dout, self.room("dstream", rows, C))
        for layer in reversed(range(self.layers)):
            h = f"h.{layer}."
            middle, first = self.rooms[h + "middle"], self.rooms[f"stream {layer}"]
            dhidden = self.gelu_back(h, self.linear_back(h + "mlp.c_proj", dx))
            dx += self.norm_back(h + "ln_2", middle, self.linear_back(h + "mlp.c_fc", dhidden))
            dqkv = self.attention_back(h, self.linear_back(h + "attn.c_proj", dx), B, T)
            dx += self.norm_back(h + "ln_1", first, self.linear_back(h + "attn.c_attn", dqkv))
        dx.reshape(B, T, C).sum(axis=0, out=self.g["wpe.weight"][:T])
        one_hot = self.room("one hot", V, rows)
        one_hot[...] = 0
        one_hot[ids.ravel(), np.arange(rows)] = 1
        self.g["wte.weight"] += one_hot @ dx
        return loss

    def linear(self, name: str, x: Array) -> Array:
        weight = self.w[name + ".weight"]
        self.rooms[name + " in"] = x
        y = np.matmul(x, weight.T, out=self.room(name + " out", len(x), len(weight)))
        y += self.w[name + ".bias"]
        return y

    def linear_back(self, name: str, dy: Array) -> Array:
        x = self.rooms[name + " in"]
        np.matmul(dy.T, x, out=self.g[name + ".weight"])
        np.matmul(self.ones(len(dy)), dy, out=self.g[name + ".bias"])
        return np.matmul(dy, self.w[name + ".weight"], out=self.room(f"d {x.shape[1]}", *x.shape))

    def norm(self, name: str, x: Array) -> Array:
        rows, n = x.shape
        y, rstd = self.room(name + " out", rows, n), self.room(name + " rstd", rows, 1)
        mean = self.room(name + " mean", rows, 1)
        np.divide((x @ self.ones(n))[:, None], n, out=mean)
        np.subtract(x, mean, out=y)
        np.divide(1, np.sqrt(np.vecdot(y, y) / n + EPS)[:, None], out=rstd)
        y *= rstd
        y *= self.w[name + ".weight"]
        y += self.w[name + ".bias"]
        return y

    def norm_back(self, name: str, x: Array, dy: Array, out: Array | None = None) -> Array:
        rows, n = x.shape
        rstd, scale = self.rooms[name + " rstd"], self.w[name + ".weight"]
        centred = np.subtract(x, self.rooms[name + " mean"], out=self.room("centred", rows, n))
        product = np.multiply(dy, centred, out=self.room("product", rows, n))
        np.matmul(rstd[:, 0], product, out=self.g[name + ".weight"])
        np.matmul(self.ones(rows), dy, out=self.g[name + ".bias"])
        centred *= (product @ scale)[:, None] * (rstd * rstd / n)
        dx = np.multiply(dy, scale, out=self.room("dnorm", rows, n) if out is None else out)
        dx -= centred
        dx -= (dy @ scale / n)[:, None]
        dx *= rstd
        return dx

    def gelu(self, h: str, x: Array) -> Array:
        """x s, where s = (1 + tanh(t)) / 2 = 1 / (1 + exp(-2 t)) is kept for backward."""
        y, share = self.room(h + "gelu", *x.shape), self.room(h + "share", x.size)
        self.rooms[h + "bent"] = x
        flat, out = x.reshape(-1), y.reshape(-1)
        for block in blocks(x.size):
            u, s, o = flat[block], share[block], out[block]
            np.multiply(u, u, out=s)
            s *= -2 * SCALE * CUBIC
            s -= 2 * SCALE
            s *= u
            np.exp(s, out=s)
            s += 1
            np.divide(1, s, out=s)
            np.multiply(u, s, out=o)
        return y

    def gelu_back(self, h: str, dy: Array) -> Array:
        flat, share, dout = (
            self.rooms[h + "bent"].reshape(-1),
            self.rooms[h + "share"],
            dy.reshape(-1),
        )
        for block in blocks(flat.size):
            u, s, d = flat[block], share[block], dout[block]
            spare = self.room("spare", BLOCK)[: u.size]
            np.multiply(u, u, out=spare)
            spare *= 6 * SCALE * CUBIC
            spare += 2 * SCALE
            spare *= u
            spare *= np.subtract(1, s, out=u)  # u is read for the last time
            spare += 1
            d *= s
            d *= spare
        return dy

    def attention(self, h: str, qkv: Array, batch: int, length: int) -> Array:
        C = qkv.shape[1] // 3
        D = C // self.heads
        q, k, v = qkv.reshape(batch, length, 3, self.heads, D).transpose(2, 0, 3, 1, 4)
        y = self.room(h + "mixed", batch * length, C)
        out = y.reshape(batch, length, self.heads, D).swapaxes(1, 2)
        q *= np.asarray(1 / math.sqrt(D), q.dtype)
        for own, seen in self.queries(length):
            shape = (batch, self.heads, seen.stop, own.stop - own.start)
            p = self.room(f"{h}shares {own.start}", *shape)  # a query to each column
            np.matmul(k[:, :, seen], q[:, :, own].swapaxes(2, 3), out=p)
            np.copyto(p[:, :, own], -np.inf, where=self.later(shape[3]))
            p -= p.max(axis=2, keepdims=True)
            np.exp(p, out=p)
            p /= (self.ones(seen.stop) @ p)[:, :, None]
            np.matmul(p.swapaxes(2, 3), v[:, :, seen], out=out[:, :, own])
        return y

    def attention_back(self, h: str, dy: Array, batch: int, length: int) -> Array:
        C = dy.shape[1]
        D = C // self.heads
        heads = batch, length, 3, self.heads, D
        q, k, v = self.rooms[h + "attn.c_attn out"].reshape(heads).transpose(2, 0, 3, 1, 4)
        dqkv = self.room("dqkv", batch * length, 3 * C)
        dq, dk, dv = dqkv.reshape(heads).transpose(2, 0, 3, 1, 4)
        dout = dy.reshape(batch, length, self.heads, D).swapaxes(1, 2)
        parts = self.queries(length)
        for own, seen in reversed(parts):  # the last see all keys: theirs is written, not added
            p, d = self.rooms[f"{h}shares {own.start}"], dout[:, :, own]
            dp = np.matmul(
                v[:, :, seen], d.swapaxes(2, 3), out=self.room(f"dshares {own.start}", *p.shape)
            )
            dp -= np.einsum("bhsl,bhsl->bhl", dp, p)[:, :, None]
            dp *= p
            np.matmul(dp.swapaxes(2, 3), k[:, :, seen], out=dq[:, :, own])
            if seen.stop == length:
                np.matmul(dp, q[:, :, own], out=dk)
                np.matmul(p, d, out=dv)
            else:
                dk[:, :, seen] += dp @ q[:, :, own]
                dv[:, :, seen] += p @ d
        dq *= np.asarray(1 / math.sqrt(D), dq.dtype)
        return dqkv

    def queries(self, length: int) -> list[tuple[slice, slice]]:
        """Some queries at a time, and the keys that they may see."""
        ends = [min(start + QUERIES, length) for start in range(0, length, QUERIES)]
        return [
            (slice(start, end), slice(0, end))
            for start, end in zip(range(0, length, QUERIES), ends, strict=True)
        ]

    def later(self, count: int) -> Array:
        """Which keys come after each query, with count of both: (S, L)."""
        name = f"later {count}"
        if name not in self.rooms:
            self.rooms[name] = ~np.tri(count, dtype=np.bool_).T
        return self.rooms[name]

    def ones(self, count: int) -> Array:
        name = f"ones {count}"
        if name not in self.rooms:
            self.room(name, count)[...] = 1
        return self.rooms[name]
