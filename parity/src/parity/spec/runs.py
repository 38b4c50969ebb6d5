"""The training runs: a small version of every task's model, and every way to train one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn, optim
from torch.optim import lr_scheduler

from .. import corpus, models
from .case import exact
from .optimizers import Fall
from .part import New
from .run import Batch, Run

_SMALL = New(models.moons, width=5)
_SGD = New(optim.SGD, lr=0.3)


def truth_table(rng: np.random.Generator) -> Batch:
    """The truth table of exclusive or: (4, 2) and (4, 1)."""
    inputs = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return inputs, inputs.sum(1, keepdims=True) % 2


def half_moons(rng: np.random.Generator, count: int) -> Batch:
    """Points on two interleaving half circles, and which of them each point is on."""
    moon = rng.integers(0, 2, count)
    angle = rng.uniform(0, np.pi, count)
    flipped = 1 - 2 * moon
    x = np.stack([moon + flipped * np.cos(angle), moon / 2 + flipped * np.sin(angle)], axis=1)
    return exact(x + rng.normal(0, 0.1, x.shape)), moon


def purchases(rng: np.random.Generator, count: int, categories: int) -> Batch:
    """Standardized quantity, price and day with a one-hot category; and what was paid."""
    quantity, price, day = rng.normal(0, 1, (3, count))
    category = np.eye(categories)[rng.integers(0, categories, count)]
    paid = (2 + quantity) * (1 + price) + rng.normal(0, 0.1, count)
    return exact(np.column_stack([quantity, price, day, category])), exact(paid[:, None])


def bars(rng: np.random.Generator, count: int, size: int) -> Batch:
    """Noisy images (count, 1, size, size), each with a bright row for its label, modulo size."""
    labels = rng.integers(0, 10, count)
    images = rng.normal(0, 0.5, (count, 1, size, size))
    images[np.arange(count), 0, labels % size] += 2
    return exact(images), labels


def forgetful(package: Any, width: int, p: float) -> Any:
    """A model for the moons with one hidden layer and dropout."""
    nn = package.nn
    layers = (nn.Linear(2, width), nn.Tanh(), nn.Dropout(p), nn.Linear(width, 2))
    return nn.Sequential(*layers)


def forgetful_gpt(package: Any, **config: Any) -> Any:
    """A GPT without dropout in its attention, where the op itself would draw the mask."""
    model = models.gpt(package, **config)
    for block in model.transformer.h:
        block.attn.dropout = 0.0
    return model


def moons(
    name: str,
    optimizer: New = _SGD,
    model: New = _SMALL,
    steps: int = 40,
    **how: Any,
) -> Run:
    """A small training, to try optimizers, schedulers and clipping on."""
    data, loss = New(half_moons, count=12), New(nn.CrossEntropyLoss)
    return Run(name, model, data, loss, optimizer, steps, **how)


def gpt(
    name: str,
    characters: int,
    batch_size: int,
    lr: float,
    steps: int,
    model: Callable[..., Any] = models.gpt,
    **config: Any,
) -> Run:
    """A character GPT on real text.

    eps is far above torch's default of 1e-8, with which AdamW makes full steps of gradients that
    are nothing but noise: a key's bias has none in truth, since it moves every score of a row
    alike. With 1e-4 a step stays in proportion to its gradient's noise, and the float32 and float64
    trajectories stay within some hundred eps of each other, so that small faults show.
    """
    return Run(
        name,
        New(model, vocab_size=len(corpus.ALPHABET), **config),
        New(corpus.windows, characters, batch_size, config["block_size"]),
        None,
        New(optim.AdamW, lr=lr, betas=(0.9, 0.95), eps=1e-4, weight_decay=0.1),
        steps,
        prompt="the ",  # short, so that the cache is in use until the text outgrows the context
        new_tokens=60,
    )


_WARM = New(lr_scheduler.LinearLR, 0.2, total_iters=5)
# Every optimizer, and every scheduler.
_PACED = (
    (_SGD, New(lr_scheduler.LambdaLR, Fall(0.5))),
    (
        New(optim.SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
        New(lr_scheduler.StepLR, 10, gamma=0.5),
    ),
    (New(optim.Adagrad, lr=0.1, lr_decay=0.01), New(lr_scheduler.LinearLR, 0.2, total_iters=15)),
    (
        New(optim.RMSprop, lr=0.01, momentum=0.5, centered=True),
        New(lr_scheduler.CosineAnnealingLR, 15, eta_min=0.001),
    ),
    (New(optim.Adam, lr=0.03), New(lr_scheduler.ExponentialLR, 0.95)),
    (
        New(optim.AdamW, lr=0.03, weight_decay=0.1, amsgrad=True),
        New(
            lr_scheduler.SequentialLR,
            [_WARM, New(lr_scheduler.CosineAnnealingLR, 30)],
            milestones=[6],
        ),
    ),
)

RUNS = (
    Run(
        "xor",
        New(models.xor),
        New(truth_table),
        New(nn.MSELoss),
        New(optim.SGD, lr=0.2),
        steps=200,
    ),
    moons("moons", New(optim.Adam, lr=0.02), steps=100),
    Run(
        "sales",
        New(models.sales, features=7, hidden=6),
        New(purchases, count=10, categories=4),
        New(nn.MSELoss),
        New(optim.Adam, lr=0.02),
        steps=60,
    ),
    Run(
        "digits",
        New(models.digits, size=8, channels=(2, 3), hidden=7),
        New(bars, count=4, size=8),
        New(nn.CrossEntropyLoss),
        New(optim.Adam, lr=0.02),
        steps=20,
    ),
    # A few lines of text for a model of 2000 weights: more would take micrograd minutes.
    gpt(
        "gpt-tiny",
        characters=128,
        batch_size=3,
        lr=1e-2,
        steps=200,
        n_layer=2,
        n_head=2,
        n_embd=8,
        block_size=8,
    ),
    gpt(
        "gpt-small",
        characters=4096,
        batch_size=8,
        lr=3e-3,
        steps=400,
        n_layer=2,
        n_head=4,
        n_embd=64,
        block_size=32,
    ),
    gpt(
        "names",
        characters=128,
        batch_size=2,
        lr=2e-2,
        steps=30,
        n_layer=1,
        n_head=4,
        n_embd=8,
        block_size=8,
        bias=False,
        norm="rms_norm",
        activation="relu",
    ),
    gpt(
        "gpt-dropout",
        characters=128,
        batch_size=2,
        lr=1e-2,
        steps=30,
        model=forgetful_gpt,
        n_layer=1,
        n_head=2,
        n_embd=8,
        block_size=8,
        dropout=0.25,
    ),
    *(
        moons(f"{optimizer.name}-{scheduler.name}", optimizer, scheduler=scheduler)
        for optimizer, scheduler in _PACED
    ),
    moons("clip-norm", clip=New(nn.utils.clip_grad_norm_, 0.5)),
    moons("clip-value", clip=New(nn.utils.clip_grad_value_, 0.15)),
    moons("accumulate", accumulate=3),
    moons("dropout", model=New(forgetful, width=6, p=0.5)),
)
