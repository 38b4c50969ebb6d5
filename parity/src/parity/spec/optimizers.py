"""What the optimizers and schedulers mean: torch.optim's classes of the same names.

Settings are far from their defaults, so that they make a difference: an eps of 1e-8 would not show
whether it is added inside or outside the square root.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import optim
from torch.optim import lr_scheduler

from .part import New, Optimizer, Rates, Scheduler, Steps

OPTIMIZERS = (
    Optimizer(
        optim.SGD,
        Steps(),
        Steps(lr=0.1, weight_decay=0.2),
        Steps(lr=0.05, momentum=0.9),
        Steps(lr=0.05, momentum=0.8, dampening=0.3),
        Steps(lr=0.05, momentum=0.8, nesterov=True, weight_decay=0.1),
        Steps(lr=0.05, momentum=0.7, maximize=True, weight_decay=0.1),
        Steps(lr=0.05, momentum=0.9, second={"lr": 0.2, "momentum": 0.5}),
    ),
    Optimizer(
        optim.Adagrad,
        Steps(),
        Steps(lr=0.1, lr_decay=0.2, weight_decay=0.1),
        Steps(lr=0.1, initial_accumulator_value=0.5, eps=0.1),
        Steps(lr=0.1, second={"lr": 0.3, "eps": 0.2, "lr_decay": 0.5}),
    ),
    Optimizer(
        optim.RMSprop,
        Steps(),
        Steps(lr=0.02, alpha=0.9, eps=0.1, weight_decay=0.2),
        Steps(lr=0.02, alpha=0.8, eps=0.01, momentum=0.7),
        Steps(lr=0.02, alpha=0.9, eps=0.1, centered=True),
        Steps(lr=0.02, alpha=0.9, eps=0.1, centered=True, momentum=0.7, weight_decay=0.2),
        Steps(lr=0.02, eps=0.1, second={"alpha": 0.5, "momentum": 0.9}),
    ),
    Optimizer(
        optim.Adam,
        Steps(),
        Steps(lr=0.05, betas=(0.8, 0.9), eps=0.1),
        Steps(lr=0.05, betas=(0.8, 0.9), weight_decay=0.3, eps=0.01),
        Steps(lr=0.05, betas=(0.8, 0.6), amsgrad=True, eps=0.1),
        Steps(lr=0.05, eps=0.1, second={"betas": (0.5, 0.7), "amsgrad": True}),
    ),
    Optimizer(
        optim.AdamW,
        Steps(),
        Steps(lr=0.05, betas=(0.8, 0.9), weight_decay=0.3, eps=0.1),
        Steps(lr=0.05, betas=(0.8, 0.6), weight_decay=0.3, amsgrad=True, eps=0.1),
        Steps(lr=0.05, eps=0.1, second={"weight_decay": 0.5, "lr": 0.02}),
    ),
)


@dataclass
class Rise:
    """A factor that grows linearly, by share in each epoch."""

    share: float

    def __call__(self, epoch: int) -> float:
        return 1 + self.share * epoch


@dataclass
class Fall:
    """A factor that falls as a power of the epoch."""

    power: float

    def __call__(self, epoch: int) -> float:
        return float((1 + epoch) ** -self.power)


_WARM = New(lr_scheduler.LinearLR, 0.2, total_iters=4)
_DECAY = New(lr_scheduler.ExponentialLR, 0.9)

SCHEDULERS = (
    Scheduler(
        lr_scheduler.LambdaLR,
        Rates(Rise(0.2)),
        Rates([Rise(0.3), Fall(0.5)]),
        Rates(Rise(0.2), last_epoch=3),
    ),
    Scheduler(
        lr_scheduler.StepLR,
        Rates(4),
        Rates(3, gamma=0.7),
        Rates(1, 0.9),
        Rates(5, beside=[_DECAY]),
        Rates(4, gamma=0.7, last_epoch=3),  # the first epoch is one with a change
    ),
    Scheduler(
        lr_scheduler.ExponentialLR,
        Rates(0.9),
        Rates(1.05),
        Rates(0.9, beside=[New(lr_scheduler.StepLR, 4)]),
        Rates(0.9, last_epoch=2),
    ),
    Scheduler(
        lr_scheduler.LinearLR,
        Rates(),
        Rates(0.2, 0.7, total_iters=17),
        Rates(1.0, 0.0, 8),
        Rates(0.5, beside=[New(lr_scheduler.StepLR, 4), _DECAY]),
        Rates(0.5, total_iters=9, last_epoch=4),
    ),
    Scheduler(
        lr_scheduler.CosineAnnealingLR,
        Rates(10),
        Rates(7, eta_min=0.01),
        Rates(40, 0.002),
        Rates(9, beside=[_DECAY]),
        Rates(7, eta_min=0.01, last_epoch=7),
    ),
    Scheduler(
        lr_scheduler.SequentialLR,
        Rates([_WARM, _DECAY], milestones=[5]),
        Rates([_WARM, New(lr_scheduler.CosineAnnealingLR, 12, 0.001)], [4]),
        Rates(
            [_DECAY, New(lr_scheduler.StepLR, 3), New(lr_scheduler.LambdaLR, Fall(1.0))], [6, 15]
        ),
        Rates(
            [_DECAY, New(lr_scheduler.StepLR, 3), New(lr_scheduler.LambdaLR, Fall(1.0))],
            milestones=[7, 4],  # whose turn has passed does not begin again
        ),
        Rates([_WARM, _DECAY], milestones=[0]),  # the first has no turn
        Rates([_WARM, _DECAY], milestones=[9], last_epoch=2),
    ),
)
