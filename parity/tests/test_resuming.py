"""A training that goes on from what was saved is the training that was never interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity import engines


class Training:
    """A small model, with all that a checkpoint is about: buffers, dropout, groups, a schedule."""

    def __init__(self, engine: engines.Adapter, optimizer: str, scheduler: str) -> None:
        nn, optim = engine.package.nn, engine.package.optim
        self.engine = engine
        first, last = nn.Linear(3, 4), nn.Linear(4, 1)
        self.model = nn.Sequential(first, nn.BatchNorm1d(4), nn.Dropout(0.5), last)
        groups = [{"params": list(first.parameters())}, {"params": list(last.parameters())}]
        self.optimizer = {
            "SGD": lambda: optim.SGD(groups, 0.1, momentum=0.9),
            "Adagrad": lambda: optim.Adagrad(groups, 0.1),
            "RMSprop": lambda: optim.RMSprop(groups, 0.1, momentum=0.5, centered=True),
            "Adam": lambda: optim.Adam(groups, 0.1, amsgrad=True),
            "AdamW": lambda: optim.AdamW(groups, 0.1),
        }[optimizer]()
        rates = optim.lr_scheduler
        self.scheduler = {
            "StepLR": lambda: rates.StepLR(self.optimizer, 2),
            "ExponentialLR": lambda: rates.ExponentialLR(self.optimizer, 0.9),
            "CosineAnnealingLR": lambda: rates.CosineAnnealingLR(self.optimizer, 5),
            "LambdaLR": lambda: rates.LambdaLR(self.optimizer, lambda epoch: 1 / (1 + epoch)),
            "SequentialLR": lambda: rates.SequentialLR(
                self.optimizer,
                [rates.LinearLR(self.optimizer, 0.1), rates.StepLR(self.optimizer, 2)],
                [4],
            ),
        }[scheduler]()

    def losses(self, steps: range) -> list[bytes]:
        """The bits of the loss of each step; batches follow from its number."""
        found = []
        for step in steps:
            x = np.random.default_rng(step).standard_normal((5, 3)).astype(np.float32)
            inputs, targets = self.engine.tensor(x), self.engine.tensor(x.sum(1, keepdims=True))
            self.optimizer.zero_grad()
            loss = self.engine.call("mse_loss", self.model(inputs), targets)
            self.engine.backward(loss, np.ones((), np.float32))
            self.optimizer.step()
            self.scheduler.step()
            found.append(self.engine.numpy(loss).tobytes())
        return found

    def state(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}
        states = {name: part.state_dict() for name, part in parts.items()}
        return {**states, "rng": self.engine.package.get_rng_state()}

    def load(self, state: Any) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.engine.package.set_rng_state(state["rng"])


@pytest.mark.parametrize(
    ("optimizer", "scheduler"),
    [
        ("SGD", "StepLR"),
        ("Adagrad", "ExponentialLR"),
        ("RMSprop", "CosineAnnealingLR"),
        ("Adam", "LambdaLR"),
        ("AdamW", "SequentialLR"),
    ],
)
def test_a_training_goes_on_as_if_it_had_not_been_interrupted(
    engine: engines.Adapter, tmp_path: Path, optimizer: str, scheduler: str
) -> None:
    whole = Training(engine, optimizer, scheduler)
    whole.losses(range(3))
    engine.package.save(whole.state(), tmp_path / "state")
    expected = whole.losses(range(3, 8))

    resumed = Training(engine, optimizer, scheduler)
    assert resumed.losses(range(3)) != expected[:3]
    resumed.load(engine.package.load(tmp_path / "state"))

    assert resumed.losses(range(3, 8)) == expected


def test_the_generator_goes_on_where_its_state_was(package: Any, tmp_path: Path) -> None:
    def draw() -> list[Any]:
        return np.asarray(next(iter(package.nn.Linear(3, 5).state_dict().values()))).tolist()

    package.manual_seed(3)
    draw()
    package.save(package.get_rng_state(), tmp_path / "state")
    expected = [draw(), draw()]

    assert draw() not in expected
    package.set_rng_state(package.load(tmp_path / "state"))
    assert [draw(), draw()] == expected


@pytest.mark.parametrize(
    "state", [{}, {"seed": 1}, {"seed": -1, "draws": 0}, (3, (1, 2), None), (), None, "state"]
)
def test_what_is_no_state_of_the_generator_is_refused(package: Any, state: Any) -> None:
    before = package.get_rng_state()

    with pytest.raises((ValueError, TypeError)):
        package.set_rng_state(state)

    assert repr(package.get_rng_state()) == repr(before)


@pytest.mark.parametrize("name", ["micrograd", "minigrad", "cudagrad"])
def test_a_state_with_anything_else_in_it_is_refused(name: str) -> None:
    package = engines.load(name).package
    before = package.get_rng_state()
    if isinstance(before, tuple):  # Python's own: a version, the state, and what gauss has kept
        changed: list[Any] = [(2, *before[1:]), (*before[:2], "0.5"), (*before[:2], True)]
    else:
        changed = [{**before, "more": 0}, *({**before, part: 1.5} for part in before)]

    for state in changed:
        with pytest.raises(ValueError, match="not a state that get_rng_state returned"):
            package.set_rng_state(state)
        assert repr(package.get_rng_state()) == repr(before)
