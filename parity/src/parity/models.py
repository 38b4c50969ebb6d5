"""The models of the tasks, written once for any engine's package; GPT is each engine's own.

Both the spec, which trains small versions of them, and the tasks import this module.
"""

from __future__ import annotations

from typing import Any


def xor(package: Any) -> Any:
    """Two truth values (N, 2) to one number (N, 1), through four sigmoids."""
    nn = package.nn
    return nn.Sequential(nn.Linear(2, 4), nn.Sigmoid(), nn.Linear(4, 1))


def moons(package: Any, width: int = 16) -> Any:
    """Points of the plane (N, 2) to the scores of two classes (N, 2), through two hidden layers."""
    nn = package.nn
    return nn.Sequential(
        nn.Linear(2, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
    )


def sales(package: Any, features: int, hidden: int = 32) -> Any:
    """Features (N, features) to one amount (N, 1), through one hidden layer."""
    nn = package.nn
    return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, 1))


def digits(
    package: Any, size: int = 8, channels: tuple[int, int] = (8, 16), hidden: int = 64
) -> Any:
    """Images (N, 1, size, size) to the scores of ten digits (N, 10); size: a multiple of four."""
    nn = package.nn
    first, second = channels
    return nn.Sequential(
        nn.Conv2d(1, first, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(first, second, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(second * (size // 4) ** 2, hidden),
        nn.ReLU(),
        nn.Linear(hidden, 10),
    )


def gpt(package: Any, **config: Any) -> Any:
    """Token ids (B, T) and optional targets to logits and loss; config: arguments of GPTConfig."""
    return package.gpt.GPT(package.gpt.GPTConfig(**config))
