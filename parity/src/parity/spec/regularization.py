"""What it means to leave out at random; what is random is judged by its distribution."""

from __future__ import annotations

from torch.nn import functional

from .case import Case, Op, Reject, randn, uniform
from .reasons import NO_ELEMENTS

OPS = (
    Op(
        "dropout",
        functional.dropout,
        Case(randn(2, 3, 5), training=False),
        Case(randn(2, 3), 0.25, False),
        Case(randn(2, 3, 5), p=0.0),
        Case(randn(2, 3), 1.0, flat="nothing is left"),
        Case(randn(3, 0), flat=NO_ELEMENTS),
        Case(uniform(40, 30, low=0.5, high=2.0), p=0.5, chance="p"),
        Case(uniform(40, 30, low=0.5, high=2.0), p=0.25, training=True, chance="p"),
        rejects=[
            Reject(ValueError, randn(2, 3), 1.5),
            Reject(ValueError, randn(2, 3), p=-0.25),
        ],
    ),
)
