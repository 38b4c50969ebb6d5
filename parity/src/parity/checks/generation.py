"""Does a GPT have torch's loss and gradients, the same logits with its cache, and the same text?"""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from .. import engines, models
from ..engines import Adapter
from ..engines.adapter import converted
from ..spec.case import Array
from ..spec.generation import CHOICES, NEW_TOKENS, PIECES, Writing
from ..spec.part import Part
from .envelope import Band
from .measure import (
    EPS,
    InvalidCaseError,
    Measured,
    MismatchError,
    compare,
    distance,
    require_form,
)


def model(engine: Any, writing: Writing, dtype: str) -> Any:
    """The engine's GPT with the weights of a case."""
    built = models.gpt(engine.package, **writing.config())
    converted(engine, built, dtype)
    shapes = {name: np.shape(array) for name, array in built.state_dict().items()}
    built.load_state_dict(writing.weights(shapes))
    return built


def trained(engine: Adapter, part: Part, writing: Writing, dtype: str) -> Measured:
    """Check that logits, loss and the gradient of every parameter are torch's, as in a run."""
    want, rounded, got = (_trained(*of, writing) for of in _three(engine, dtype))
    if list(want) != list(got):
        raise MismatchError(f"there are {', '.join(got)}, should be {', '.join(want)}")
    worst = Measured()
    for name, array in want.items():
        require_form(name, got[name], array.shape, dtype)
        band = Band()
        band.measure(array, rounded[name], got[name], EPS[dtype])
        band.require(name)
        worst = worst.worst(band.measured())
    return worst


def cached(engine: Adapter, part: Part, writing: Writing, dtype: str) -> Measured:
    """Check that reading a context in parts with a cache gives torch's logits without a cache."""
    torch = engines.load("torch")
    size = writing.config()["block_size"]
    idx = writing.ids(size)
    want = logits(torch, model(torch, writing, "float64"), idx, (size,), use_cache=False)
    rounded, got = (_read(*of, writing, idx) for of in _three(engine, dtype)[1:])
    worst = Measured()
    for parts in PIECES:
        torch_error = distance(rounded[parts].astype(np.float64), want, EPS["float32"])[0]
        what = f"the logits of {' + '.join(map(str, parts))} tokens"
        error = compare(what, got[parts], want, dtype, torch_error)
        worst = worst.worst(Measured.of(error, torch_error))
    return worst


def written(engine: Adapter, part: Part, writing: Writing, dtype: str) -> Measured:
    """Check that every generated text is torch's, with the cache and without."""
    torch = engines.load("torch")
    prompt = writing.ids(2)
    judges = [model(torch, writing, name) for name in ("float64", "float32")]
    judged = model(engine, writing, dtype)
    for choice in CHOICES:
        want, rounded = (_text(torch, gpt, prompt, writing, choice, False) for gpt in judges)
        if not np.array_equal(want, rounded):
            raise InvalidCaseError(f"torch's float32 writes something else with {choice}")
        for use_cache in (True, False):
            got = _text(engine, judged, prompt, writing, choice, use_cache)
            where = "with" if use_cache else "without"
            compare(f"the text {where} the cache, {choice},", got, want, "int64")
    return Measured()


def _three(engine: Any, dtype: str) -> list[tuple[Any, str]]:
    """Whom to compare: torch in float64, torch in float32 (its rounding), and the engine."""
    torch = engines.load("torch")
    return [(torch, "float64"), (torch, "float32"), (engine, dtype)]


def _trained(engine: Any, dtype: str, writing: Writing) -> dict[str, Array]:
    gpt = model(engine, writing, dtype)
    ids = writing.ids(writing.config()["block_size"] + 1)
    logits, loss = gpt(engine.tensor(ids[:, :-1]), engine.tensor(ids[:, 1:]))
    loss.backward()
    grads = {f"the gradient of {n}": engine.grad(p) for n, p in gpt.named_parameters()}
    return {"the logits": engine.numpy(logits), "the loss": engine.numpy(loss), **grads}


def _read(engine: Any, dtype: str, writing: Writing, idx: Array) -> dict[tuple[int, ...], Array]:
    gpt = model(engine, writing, dtype)
    return {parts: logits(engine, gpt, idx, parts) for parts in PIECES}


def logits(
    engine: Any, gpt: Any, idx: Array, parts: tuple[int, ...], use_cache: bool = True
) -> Array:
    """The logits (B, T, V) of idx, read in parts of these lengths."""
    cache = engine.package.gpt.KVCache() if use_cache else None
    with engine.package.no_grad():
        found = [
            engine.numpy(gpt(engine.tensor(idx[:, start:end]), cache=cache)[0])
            for start, end in pairwise(accumulate(parts, initial=0))
        ]
    return np.concatenate(found, axis=1)


def _text(
    engine: Any, gpt: Any, prompt: Array, writing: Writing, choice: Any, use_cache: bool
) -> Array:
    tokens = gpt.generate(engine.tensor(prompt), NEW_TOKENS, use_cache=use_cache, **choice)
    array: Array = engine.numpy(tokens)
    return array
