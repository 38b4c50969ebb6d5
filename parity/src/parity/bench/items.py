"""The models whose training steps are timed, with their data.

names: a GPT for scalars, a name a step; in names/16 the name fills the context. tiny, cpu, baby:
GPTs for arrays. digits, sales: the tasks' models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .. import models
from ..engines import Adapter
from ..tasks import names

Array = np.ndarray[Any, Any]
Batch = tuple[Array, Array]
Weights = Mapping[str, Array]

NAMES = (
    *("emma", "olivia", "ava", "isabella", "sophia", "charlotte", "mia", "amelia", "harper"),
    *("evelyn", "abigail", "emily", "ella", "elizabeth", "camila", "luna", "sofia", "avery"),
)
LONG_NAMES = "muhammadibrahim", "muhammadmustafa"
BETWEEN = 26  # the token before and after a name; 0 to 25 are the letters


@dataclass(frozen=True)
class Item:
    """A model and how it is trained."""

    name: str
    model: Callable[[Any], Any]  # of an engine's package
    loss: Callable[[Adapter, Any, Any, Any], Any]  # of engine, model, inputs, targets
    batch: Callable[[int], Batch]  # by number
    weights: Callable[[], dict[str, Array]]  # initial, by parameter
    optimizer: str
    lr: float
    clip: float
    dtype: str
    block: int  # steps per turn
    pairs: int = 15  # rounds
    sizes: Mapping[str, Any] | None = None  # of a GPT
    flops: int | None = None  # multiplications and additions of a step, if a formula gives them

    @property
    def parameters(self) -> int:
        return sum(array.size for array in self.weights().values())

    @property
    def moved(self) -> int:
        """The least bytes: each weight, gradient and both moments are read and written once."""
        return 8 * self.parameters * np.dtype(self.dtype).itemsize


def of_gpt(
    name: str,
    sizes: Mapping[str, Any],
    batch: int | tuple[str, ...],
    optimizer: str,
    lr: float,
    clip: float,
    dtype: str,
    block: int,
    pairs: int = 15,
) -> Item:
    """A GPT; batch: how many pieces of text, or names, of which each is a batch."""
    return Item(
        name,
        partial(models.gpt, **sizes),
        lambda engine, model, inputs, targets: model(inputs, targets)[1],
        partial(_ids, sizes, batch),
        partial(weights, sizes, dtype),
        *(optimizer, lr, clip, dtype, block, pairs, sizes),
        flops=gpt_flops(sizes, batch) if isinstance(batch, int) else None,
    )


def gpt_flops(sizes: Mapping[str, Any], batch_size: int) -> int:
    """The operations of a GPT's training step, which takes three times as many as forward.

    Forward multiplies weights by tokens, and in attention each token by itself and those before it.
    """
    n, tokens, layers = sizes["n_embd"], sizes["block_size"], sizes["n_layer"]
    weights = batch_size * tokens * (12 * layers * n**2 + sizes["vocab_size"] * n)
    attention = 2 * batch_size * layers * n * tokens * (tokens + 1) // 2
    return 3 * 2 * (weights + attention)


def _ids(sizes: Mapping[str, Any], batch: int | tuple[str, ...], number: int) -> Batch:
    """Ids of shape (B, T), and the ids that follow each of them."""
    if isinstance(batch, tuple):
        letters = [ord(letter) - ord("a") for letter in batch[number % len(batch)]]
        ids = np.array([[BETWEEN, *letters, BETWEEN]])
        return ids[:, :-1], ids[:, 1:]
    shape = batch, sizes["block_size"] + 1
    ids = np.random.default_rng(number).integers(sizes["vocab_size"], size=shape)
    return ids[:, :-1], ids[:, 1:]


def weights(sizes: Mapping[str, Any], dtype: str) -> dict[str, Array]:
    """Initial weights of a GPT by parameter; a tied weight comes once."""
    rng = np.random.default_rng(0)
    n, bias = sizes["n_embd"], sizes.get("bias", True)
    shapes: dict[str, tuple[int, ...]] = {"wte": (sizes["vocab_size"], n)}
    shapes["wpe"] = (sizes["block_size"], n)
    for layer in range(sizes["n_layer"]):
        parts: dict[str, tuple[int, ...]] = {
            "ln_1": (n,),
            "attn.c_attn": (3 * n, n),
            "attn.c_proj": (n, n),
            "ln_2": (n,),
            "mlp.c_fc": (4 * n, n),
            "mlp.c_proj": (n, 4 * n),
        }
        shapes |= {f"h.{layer}.{name}": shape for name, shape in parts.items()}
    shapes["ln_f"] = (n,)
    drawn: dict[str, Array] = {}
    for name, shape in shapes.items():
        numbers = rng.normal(0.0, 0.08, shape) + (len(shape) == 1)
        drawn[f"transformer.{name}.weight"] = numbers.astype(dtype)
        if bias and name not in ("wte", "wpe"):
            drawn[f"transformer.{name}.bias"] = np.zeros(shape[0], dtype)
    return drawn


def _images(number: int) -> Batch:
    """Random images of MNIST's size, and digits."""
    rng = np.random.default_rng(number)
    return rng.random((64, 1, 28, 28), np.float32), rng.integers(10, size=64)


def _sales(number: int) -> Batch:
    """Ten random features of 256 sales, and totals."""
    rng = np.random.default_rng(number)
    return rng.normal(size=(256, 10)).astype("float32"), rng.normal(size=(256, 1)).astype("float32")


def _layers(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Array]:
    rng = np.random.default_rng(0)
    return {name: rng.normal(0.0, 0.1, s).astype("float32") for name, s in shapes.items()}


_CONVOLUTIONS = {
    "0.weight": (8, 1, 3, 3),
    "0.bias": (8,),
    "3.weight": (16, 8, 3, 3),
    "3.bias": (16,),
    "7.weight": (64, 784),
    "7.bias": (64,),
    "9.weight": (10, 64),
    "9.bias": (10,),
}
_HIDDEN = {"0.weight": (32, 10), "0.bias": (32,), "2.weight": (1, 32), "2.bias": (1,)}

ONE_LAYER = {"vocab_size": 27, **names.SIZES}
TINY = {"vocab_size": 65, "block_size": 8, "n_layer": 4, "n_head": 4, "n_embd": 16}
CPU = {"vocab_size": 65, "block_size": 64, "n_layer": 4, "n_head": 4, "n_embd": 128}
BABY = {"vocab_size": 65, "block_size": 256, "n_layer": 6, "n_head": 6, "n_embd": 384}
SCALARS = (
    of_gpt("names", ONE_LAYER, NAMES, "Adam", 1e-2, 0.0, "float64", block=5),
    of_gpt("names/16", ONE_LAYER, LONG_NAMES, "Adam", 1e-2, 0.0, "float64", block=2),
)
ARRAYS = (
    of_gpt("tiny", TINY, 1, "AdamW", 1e-3, 1.0, "float32", block=10),
    of_gpt("cpu", CPU, 12, "AdamW", 1e-3, 1.0, "float32", block=1),
    of_gpt("baby", BABY, 8, "AdamW", 1e-3, 1.0, "float32", block=1, pairs=5),
    Item(
        "digits",
        partial(models.digits, size=28),
        lambda engine, model, x, y: engine.call("cross_entropy", model(x), y),
        _images,
        partial(_layers, _CONVOLUTIONS),
        *("AdamW", 1e-3, 0.0, "float32", 1),
    ),
    Item(
        "sales",
        partial(models.sales, features=10),
        lambda engine, model, x, y: engine.call("mse_loss", model(x), y),
        _sales,
        partial(_layers, _HIDDEN),
        *("Adam", 3e-3, 0.0, "float32", 20),
    ),
)


def items(engine: Adapter) -> tuple[Item, ...]:
    """The models to time an engine on."""
    return SCALARS if len(engine.dtypes) == 1 else ARRAYS
