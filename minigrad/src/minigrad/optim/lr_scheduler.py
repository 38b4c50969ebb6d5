"""Learning rates that change with the epoch: pure Python, the same in every engine.

All but LambdaLR compute the next rate from the present one, so that schedulers of one optimizer can
be chained. https://docs.pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate
"""
# ruff: noqa: N803 -- T_max is torch's name

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..arguments import mapping, number
from ..capture import live
from .optimizers import Optimizer

TORCHS = ("_step_count", "_get_lr_called_within_step")  # what torch's states have, too


class LRScheduler:
    """Set the lr of every group at every step() to what a subclass computes in get_lr.

    last_epoch: -1 to start from the optimizer's lr, which the groups keep as "initial_lr"; else the
    epoch after which to resume, with groups that have an "initial_lr" already.
    """

    _is_initial = False  # in __init__, when the groups already have the lr of this epoch

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        name = type(self).__name__
        _require_optimizer(name, optimizer)
        number(name, "last_epoch", last_epoch)
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{name}: to go on after epoch {last_epoch}, every group needs an initial_lr"
                )
        self.optimizer, self.last_epoch = optimizer, last_epoch
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self._initial_step()

    def get_lr(self) -> list[float]:
        """The lr of each group at last_epoch."""
        raise NotImplementedError(f"{type(self).__name__} must define get_lr")

    def get_last_lr(self) -> list[float]:
        """The lr of each group as this scheduler set it last."""
        return self._last_lr

    @live
    def step(self) -> None:
        """Go to the next epoch; to be called after the optimizer's step()."""
        self.last_epoch += 1
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr
        self._last_lr = self._present()

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer."""
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Load the attributes; the lr itself is in the optimizer's own state.

        Raises ValueError, before anything changes, for names that this scheduler does not have, or
        that the state lacks.
        """
        vars(self).update(self._fitting(state_dict))

    def _fitting(self, state_dict: Mapping[str, Any]) -> dict[str, Any]:
        """The state, if its names are those of state_dict()."""
        what = f"load_state_dict of {type(self).__name__}"
        mapping(what, state_dict)
        own = self.state_dict().keys()
        wrong = {
            "missing": own - state_dict.keys(),
            "unexpected": state_dict.keys() - own - set(TORCHS),
        }
        unlike = [f"{kind}: {', '.join(sorted(names))}" for kind, names in wrong.items() if names]
        if unlike:
            raise ValueError(f"{what}: {'; '.join(unlike)}")
        return {name: state_dict[name] for name in own}

    def _restart(self) -> None:
        """Go back to epoch 0 and the initial lr."""
        for group, lr in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = lr
        self.last_epoch = -1
        self._initial_step()

    def _initial_step(self) -> None:
        self._is_initial = True
        self.step()
        self._is_initial = False

    def _present(self) -> list[float]:
        return [group["lr"] for group in self.optimizer.param_groups]


class LambdaLR(LRScheduler):
    """The initial lr times lr_lambda(epoch); lr_lambda: a function, or one for each group."""

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        _require_optimizer("LambdaLR", optimizer)
        n = len(optimizer.param_groups)
        self.lr_lambdas = list(lr_lambda) if isinstance(lr_lambda, Sequence) else [lr_lambda] * n
        for function in self.lr_lambdas:
            if not callable(function):
                found = type(function).__name__
                raise TypeError(f"LambdaLR: expected functions of the epoch, not {found}")
        if len(self.lr_lambdas) != n:
            found = len(self.lr_lambdas)
            raise ValueError(f"LambdaLR: lr_lambda has {found} functions for {n} parameter groups")
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        pairs = zip(self.base_lrs, self.lr_lambdas, strict=True)
        return [lr * factor(self.last_epoch) for lr, factor in pairs]

    def state_dict(self) -> dict[str, Any]:
        """Like any scheduler's, but with the functions' attributes in place of the functions."""
        kept = [dict(getattr(function, "__dict__", {})) for function in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": kept}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        state = self._fitting(state_dict)
        for function, attributes in _paired(self, self.lr_lambdas, state["lr_lambdas"]):
            if attributes:
                vars(function).update(attributes)
        super().load_state_dict({**state, "lr_lambdas": self.lr_lambdas})


class StepLR(LRScheduler):
    """Multiply the lr by gamma every step_size epochs."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        number("StepLR", "step_size", step_size)
        number("StepLR", "gamma", gamma)
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be positive, is {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return self._present()
        return [lr * self.gamma for lr in self._present()]


class ExponentialLR(LRScheduler):
    """Multiply the lr by gamma every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        number("ExponentialLR", "gamma", gamma)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._present()
        return [lr * self.gamma for lr in self._present()]


class LinearLR(LRScheduler):
    """The lr times a factor from start_factor to end_factor, in total_iters equal steps."""

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        number("LinearLR", "start_factor", start_factor)
        number("LinearLR", "end_factor", end_factor)
        number("LinearLR", "total_iters", total_iters)
        if not 0 < start_factor <= 1:
            raise ValueError(f"LinearLR: start_factor must lie in (0, 1], is {start_factor}")
        if not 0 <= end_factor <= 1:
            raise ValueError(f"LinearLR: end_factor must lie in [0, 1], is {end_factor}")
        self.start_factor, self.end_factor = start_factor, end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._present()]
        if self._is_initial or self.last_epoch > self.total_iters:
            return self._present()
        # The factor of this epoch over that of the one before.
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return [lr * (1 + rise / before) for lr in self._present()]


class CosineAnnealingLR(LRScheduler):
    """From the initial lr to eta_min along half a cosine wave of T_max epochs, up again, and so on.

    Loshchilov, Hutter 2017, https://arxiv.org/abs/1608.03983
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        number("CosineAnnealingLR", "T_max", T_max)
        number("CosineAnnealingLR", "eta_min", eta_min)
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be positive, is {T_max}")
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._is_initial:
            return self._present()
        if (self.last_epoch - 1) % (2 * self.T_max) == self.T_max:
            # At eta_min, from which no ratio leads away: the distance to it is 0.
            lift = (1 - math.cos(math.pi / self.T_max)) / 2
            pairs = zip(self._present(), self.base_lrs, strict=True)
            return [lr + (base - self.eta_min) * lift for lr, base in pairs]
        now, before = (
            1 + math.cos(math.pi * epoch / self.T_max)
            for epoch in (self.last_epoch, self.last_epoch - 1)
        )
        return [now / before * (lr - self.eta_min) + self.eta_min for lr in self._present()]


class SequentialLR(LRScheduler):
    """One scheduler after another: each starts from epoch 0 at its milestone, an epoch."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ) -> None:
        _require_optimizer("SequentialLR", optimizer)
        for name, given in (("schedulers", schedulers), ("milestones", milestones)):
            if not isinstance(given, Sequence):
                found = type(given).__name__
                raise TypeError(f"SequentialLR: {name} must be a list, not {found}")
        for scheduler in schedulers:
            if not isinstance(scheduler, LRScheduler):
                found = type(scheduler).__name__
                raise TypeError(f"SequentialLR: expected schedulers, not {found}")
        for milestone in milestones:
            number("SequentialLR", "a milestone", milestone)
        number("SequentialLR", "last_epoch", last_epoch)
        if len(schedulers) != len(milestones) + 1:
            n = len(schedulers)
            raise ValueError(
                f"SequentialLR: {n} schedulers need {n - 1} milestones, not {len(milestones)}"
            )
        if any(scheduler.optimizer is not optimizer for scheduler in schedulers):
            raise ValueError("SequentialLR: a scheduler was made for another optimizer")
        self.optimizer = optimizer
        self._schedulers, self._milestones = list(schedulers), list(milestones)
        self._restart()
        self.last_epoch = last_epoch + 1

    @live
    def step(self) -> None:
        """Go to the next epoch, by the scheduler whose turn it is."""
        self.last_epoch += 1
        turn = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[turn]
        if turn != bisect_right(self._milestones, self.last_epoch - 1):
            scheduler._restart()
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def _restart(self) -> None:
        """Go back to epoch 0 and the initial lr."""
        self.last_epoch = 0
        scheduler = self._schedulers[bisect_right(self._milestones, 0)]
        scheduler._restart()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Like any scheduler's, with the states of those that it calls."""
        states = [scheduler.state_dict() for scheduler in self._schedulers]
        return {**super().state_dict(), "_schedulers": states}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        state = self._fitting(state_dict)
        pairs = _paired(self, self._schedulers, state["_schedulers"])
        for scheduler, its_state in pairs:
            scheduler._fitting(its_state)
        for scheduler, its_state in pairs:
            scheduler.load_state_dict(its_state)
        super().load_state_dict({**state, "_schedulers": self._schedulers})


def _require_optimizer(name: str, optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{name}: expected an optimizer, not {type(optimizer).__name__}")


def _paired(scheduler: LRScheduler, own: Sequence[Any], saved: Sequence[Any]) -> list[Any]:
    """Its parts, each with its saved state."""
    if len(own) != len(saved):
        what = f"load_state_dict of {type(scheduler).__name__}"
        raise ValueError(f"{what}: states of {len(saved)} parts for {len(own)}")
    return list(zip(own, saved, strict=True))
