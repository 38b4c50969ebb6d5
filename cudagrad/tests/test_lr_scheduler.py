"""Learning rates over the epochs: what the recursions come to, alone, chained and in sequence."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from cudagrad import nn, optim
from cudagrad.optim import lr_scheduler as schedulers


def optimizer(*rates: float) -> optim.Optimizer:
    return optim.SGD([{"params": nn.Parameter(np.ones(1)), "lr": rate} for rate in rates])


def rates(optimizer: optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def course(make: Callable, epochs: int) -> list[list[float]]:
    """The rates of two groups, which begin with 1 and 10, in each epoch."""
    paced = optimizer(1.0, 10.0)
    made = make(paced)
    every, found = made if isinstance(made, list) else [made], []
    for _ in range(epochs):
        assert every[-1].get_last_lr() == rates(paced)
        found.append(rates(paced))
        paced.step()
        for scheduler in every:
            scheduler.step()
    return found


def cosine(epoch: int, T_max: int, initial: float, eta_min: float) -> float:  # noqa: N803
    return eta_min + (initial - eta_min) * (1 + math.cos(math.pi * epoch / T_max)) / 2


@pytest.mark.parametrize(
    ("make", "factor"),
    [
        (lambda o: schedulers.LambdaLR(o, lambda epoch: 1 / (1 + epoch)), lambda e: 1 / (1 + e)),
        (lambda o: schedulers.StepLR(o, 3), lambda e: 0.1 ** (e // 3)),
        (lambda o: schedulers.StepLR(o, 1, 0.5), lambda e: 0.5**e),
        (lambda o: schedulers.ExponentialLR(o, 0.9), lambda e: 0.9**e),
        (lambda o: schedulers.LinearLR(o), lambda e: 1 / 3 + 2 / 3 * min(e, 5) / 5),
        (lambda o: schedulers.LinearLR(o, 0.5, 0.1, 4), lambda e: 0.5 - 0.1 * min(e, 4)),
        (lambda o: schedulers.LinearLR(o, 0.5, 0.0, 4), lambda e: 0.5 - 0.125 * min(e, 4)),
        (lambda o: schedulers.CosineAnnealingLR(o, 4), lambda e: cosine(e, 4, 1.0, 0.0)),
        (lambda o: schedulers.CosineAnnealingLR(o, 1), lambda e: cosine(e, 1, 1.0, 0.0)),
        (
            lambda o: [schedulers.LinearLR(o, 0.5, 1.0, 3), schedulers.ExponentialLR(o, 0.9)],
            lambda e: (0.5 + 0.5 * min(e, 3) / 3) * 0.9**e,
        ),
        (
            lambda o: schedulers.SequentialLR(
                o,
                [
                    schedulers.LinearLR(o, 0.5, 1.0, 4),
                    schedulers.CosineAnnealingLR(o, 5),
                    schedulers.StepLR(o, 2, 0.5),
                ],
                [4, 9],
            ),
            lambda e: (
                0.5 + e / 8 if e < 4 else cosine(e - 4, 5, 1, 0) if e < 9 else 0.5 ** ((e - 9) // 2)
            ),
        ),
        (
            lambda o: schedulers.SequentialLR(
                o,
                [
                    schedulers.ExponentialLR(o, 0.5),
                    schedulers.SequentialLR(
                        o, [schedulers.LinearLR(o), schedulers.LambdaLR(o, lambda e: 0.8**e)], [3]
                    ),
                ],
                [2],
            ),
            lambda e: 0.5**e if e < 2 else (1 + 2 * (e - 2) / 5) / 3 if e < 5 else 0.8 ** (e - 5),
        ),
        (  # a milestone between two epochs counts from the later one on
            lambda o: schedulers.SequentialLR(
                o, [schedulers.ExponentialLR(o, 0.5), schedulers.StepLR(o, 2, 0.1)], [2.5]
            ),
            lambda e: 0.5**e if e < 3 else 0.1 ** ((e - 3) // 2),
        ),
    ],
)
def test_the_rate_in_every_epoch_is_the_initial_one_times_a_factor(
    make: Callable, factor: Callable[[int], float]
) -> None:
    for epoch, (one, ten) in enumerate(course(make, 13)):
        assert math.isclose(one, factor(epoch), rel_tol=1e-12, abs_tol=1e-15)
        assert math.isclose(ten, 10 * factor(epoch), rel_tol=1e-12, abs_tol=1e-14)


def test_a_cosine_comes_down_to_eta_min_and_goes_up_again() -> None:
    found = course(lambda o: schedulers.CosineAnnealingLR(o, 5, eta_min=0.25), 21)

    for epoch, pair in enumerate(found):
        for rate, initial in zip(pair, (1.0, 10.0), strict=True):
            assert math.isclose(rate, cosine(epoch, 5, initial, 0.25), rel_tol=1e-12)


def test_each_group_can_have_a_function_of_its_own() -> None:
    functions = [lambda epoch: 0.5**epoch, lambda epoch: 1 + epoch]
    found = course(lambda o: schedulers.LambdaLR(o, functions), 3)

    assert found == [[1.0, 10.0], [0.5, 20.0], [0.25, 30.0]]


MAKERS = [
    lambda o: schedulers.LambdaLR(o, Halving()),
    lambda o: schedulers.StepLR(o, 3, 0.5),
    lambda o: schedulers.CosineAnnealingLR(o, 4),
    lambda o: schedulers.SequentialLR(
        o, [schedulers.LinearLR(o, total_iters=2), schedulers.ExponentialLR(o, 0.5)], [2]
    ),
]


class Halving:
    """A function with a memory."""

    calls = 0

    def __call__(self, epoch: int) -> float:
        self.calls += 1
        return 0.5**self.calls


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("when", [1, 2, 5])
def test_a_state_goes_out_and_in(make: Callable, when: int) -> None:
    paced = optimizer(1.0, 10.0)
    scheduler, expected = make(paced), course(make, 9)
    for epoch in range(9):
        if epoch == when:
            other = optimizer(3.0, 3.0)
            again = make(other)
            again.load_state_dict(scheduler.state_dict())
            other.load_state_dict(paced.state_dict())
            paced, scheduler = other, again
        assert rates(paced) == expected[epoch]
        assert scheduler.last_epoch == epoch
        paced.step()
        scheduler.step()


def test_a_scheduler_can_go_on_after_an_epoch() -> None:
    paced = optimizer(1.0)
    with pytest.raises(KeyError, match="to go on after epoch 3, every group needs an initial_lr"):
        schedulers.ExponentialLR(paced, 0.5, last_epoch=3)
    paced.param_groups[0]["initial_lr"] = 8.0
    schedulers.LinearLR(paced, last_epoch=2)
    scheduler = schedulers.ExponentialLR(paced, 0.5, last_epoch=2)

    assert rates(paced) == [1.0]
    assert scheduler.last_epoch == 3
    assert scheduler.base_lrs == [8.0]
    scheduler.step()
    assert rates(paced) == [0.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: schedulers.LambdaLR(o, [abs]), "LambdaLR: lr_lambda has 1 functions for 2"),
        (lambda o: schedulers.StepLR(o, 0), "StepLR: step_size must be positive, is 0"),
        (lambda o: schedulers.LinearLR(o, 0.0), r"start_factor must lie in \(0, 1\], is 0.0"),
        (lambda o: schedulers.LinearLR(o, 0.5, 1.5), r"end_factor must lie in \[0, 1\], is 1.5"),
        (lambda o: schedulers.CosineAnnealingLR(o, 0), "T_max must be positive, is 0"),
        (
            lambda o: schedulers.SequentialLR(o, [schedulers.StepLR(o, 1)], [3]),
            "SequentialLR: 1 schedulers need 0 milestones, not 1",
        ),
        (
            lambda o: schedulers.SequentialLR(o, [schedulers.StepLR(optimizer(1.0), 1)], []),
            "SequentialLR: a scheduler was made for another optimizer",
        ),
    ],
)
def test_what_has_no_meaning_is_refused(make: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(optimizer(1.0, 10.0))


def test_a_scheduler_needs_an_optimizer_and_a_formula() -> None:
    with pytest.raises(TypeError, match="StepLR: expected an optimizer, not float"):
        schedulers.StepLR(0.1, 3)
    with pytest.raises(NotImplementedError, match="LRScheduler must define get_lr"):
        schedulers.LRScheduler(optimizer(1.0))
