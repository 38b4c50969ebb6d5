"""Layers, optimizers and schedulers: honest engines pass, planted faults are rejected."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from parity import checks, engines
from parity.checks import layers
from parity.checks.items import applicable
from parity.faults import Fault
from parity.faults.parts import FAULTS
from parity.spec import BUILT, OPS, PARTS
from parity.spec.case import Case, randn, uniform, values
from parity.spec.part import Always, Chance, Layer, Made, Normal, Part, Uniform

SPACES = {"layer": "nn", "optimizer": "optim", "scheduler": "optim.lr_scheduler"}


def rejected_by(engine: Any, part: Part) -> frozenset[str]:
    """The checks that fail for a part of an engine, on any of its cases."""
    results = [
        checks.run(engine, part, case, check, dtype)
        for case in part.cases
        for check, dtypes in applicable(part, case).items()
        for dtype in dtypes
        if dtype in engine.dtypes
    ]
    assert results, f"nothing checks {part.name}"
    return frozenset(result.check for result in results if result.status == "failed")


def failure(engine: Any, part: Part, check: str, dtype: str = "float64") -> str:
    result = checks.run(engine, part, part.cases[0], check, dtype)
    assert result.status == "failed"
    return result.failure


def with_layer(altered: Callable[..., Any], **layers: type) -> Any:
    """torch with other layers: with_layer(altered, Linear=L)."""
    for name, layer in layers.items():
        layer.__name__ = name
    nn = SimpleNamespace(**layers)
    return altered(package=SimpleNamespace(nn=nn, manual_seed=torch.manual_seed))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
@pytest.mark.parametrize("name", [*engines.OURS, "torch"])
def test_an_honest_engine_passes(name: str, part: Part) -> None:
    assert rejected_by(engines.load(name), part) == frozenset()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_the_fault_is_rejected(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault.space, fault.name, fault.wrong)

    found = rejected_by(engines.load("minigrad"), BUILT[fault.name])

    assert found == fault.checks, fault.wrong.__doc__


def test_every_check_has_a_fault() -> None:
    known = {c for part in PARTS for case in part.cases for c in applicable(part, case)}

    assert {check for fault in FAULTS for check in fault.checks} == known
    assert len({fault.title for fault in FAULTS}) == len(FAULTS)


def test_names_are_torchs_and_of_one_thing_each() -> None:
    package = engines.load("torch").package
    for part in PARTS:
        space: Any = package
        for name in SPACES[part.kind].split("."):
            space = getattr(space, name)
        assert getattr(space, part.name) is part.torch
    names = [entry.name for entry in (*OPS, *PARTS)]
    assert len(set(names)) == len(names)


def test_weights_are_of_the_case_and_hide_nothing() -> None:
    batch_norm = BUILT["BatchNorm1d"]
    first, other = (layers.weights(batch_norm, case) for case in batch_norm.cases[:2])

    assert list(first) == list(batch_norm.torch(4).state_dict())
    assert (first["running_var"] > 0).all()
    assert first["num_batches_tracked"] == 3
    for name, array in first.items():
        assert np.array_equal(array, array.astype(np.float32))
        assert array.ndim == 0 or not np.array_equal(array, other[name])
        assert array.ndim == 0 or np.unique(array).size == array.size


def test_a_layer_whose_gradient_shows_nothing_is_an_invalid_case() -> None:
    torch_engine = engines.load("torch")
    dead = Layer(torch.nn.ReLU, Made(on=[Case(values([-1.0, -2.0]))]))
    excused = Layer(torch.nn.ReLU, Made(on=[Case(values([-1.0, -2.0]))], flat="all negative"))
    boast = Layer(torch.nn.ReLU, Made(on=[Case(values([1.0, 2.0]))], flat="all negative"))

    assert "invalid case: flat='', but all zero: gradient of" in failure(
        torch_engine, dead, "training"
    )
    assert rejected_by(torch_engine, excused) == frozenset()
    assert "all zero: nothing" in failure(torch_engine, boast, "evaluation")


@pytest.mark.parametrize(
    ("law", "passes"),
    [
        (Uniform(3**-0.5), True),
        (Uniform(1.02 * 3**-0.5), False),
        (Uniform(0.99 * 3**-0.5), False),
        (Normal(1 / 3), False),
    ],
)
def test_a_distribution_is_told_from_its_neighbours(law: Any, passes: bool) -> None:
    linear = Layer(torch.nn.Linear, Made(3, 1000, bias=False, initial={"weight": law}))

    assert (rejected_by(engines.load("torch"), linear) == frozenset()) is passes


@pytest.mark.parametrize(("std", "passes"), [(1.0, True), (1.1, False)])
def test_a_normal_distribution_is_told_from_a_slightly_wider_one(std: float, passes: bool) -> None:
    embedding = Layer(torch.nn.Embedding, Made(50, 60, initial={"weight": Normal(std)}))

    assert (rejected_by(engines.load("torch"), embedding) == frozenset()) is passes


@pytest.mark.parametrize(("gain", "passes"), [(1.0, True), (0.999, False)])
def test_what_is_constant_at_first_is_exactly_that(gain: float, passes: bool) -> None:
    law = {"weight": Always(gain), "bias": Always(0.0)}
    norm = Layer(torch.nn.LayerNorm, Made(7, initial=law))

    result = checks.run(engines.load("torch"), norm, norm.cases[0], "initial", "float64")

    assert (result.status == "passed") is passes, result.message


def test_few_numbers_have_no_distribution() -> None:
    linear = Layer(torch.nn.Linear, Made(3, 4, bias=False, initial={"weight": Uniform(3**-0.5)}))

    assert "invalid case: weight has 12 numbers" in failure(
        engines.load("torch"), linear, "initial"
    )


def test_a_failure_says_what_and_how_to_repeat_it(altered: Callable[..., Any]) -> None:
    class Loud(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return 1.5 * super().forward(x)

    linear = Layer(torch.nn.Linear, Made(5, 3, on=[Case(randn(2, 5))]))

    message = failure(with_layer(altered, Linear=Loud), linear, "training")

    assert message.startswith("other Linear[0] training float64: output 0 of call 0 is off by ")
    assert message.endswith(
        'parity check --engine other --case "Linear[0]" --check training --dtype float64'
    )


@pytest.mark.parametrize("check", ["training", "evaluation"])
def test_a_parameter_without_a_gradient_is_seen(altered: Callable[..., Any], check: str) -> None:
    class Frozen(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.linear(x, self.weight.detach(), self.bias)

    linear = Layer(torch.nn.Linear, Made(5, 3, on=[Case(randn(2, 5))]))

    message = failure(with_layer(altered, Linear=Frozen), linear, check)

    assert "gradient of weight in call 0 is missing" in message


@pytest.mark.parametrize("what", ["unexpected", "missing weight", "misshapen weight"])
def test_every_state_that_does_not_fit_must_be_refused(
    altered: Callable[..., Any], what: str
) -> None:
    class Lenient(torch.nn.Linear):
        def load_state_dict(self, state: Any, *args: Any, **kwargs: Any) -> Any:
            own = self.state_dict()
            if what == "unexpected":
                state = {name: value for name, value in state.items() if name in own}
            elif what == "missing weight":
                state = {"weight": own["weight"], **state}
            elif state.get("weight", own["weight"]).shape != own["weight"].shape:
                state = {**state, "weight": own["weight"]}
            return super().load_state_dict(state, *args, **kwargs)

    linear = Layer(torch.nn.Linear, Made(5, 3))

    message = failure(with_layer(altered, Linear=Lenient), linear, "form")

    assert f"load_state_dict takes a state with {what}\n" in message


def of_a_fresh_generator() -> torch.Generator:
    generator = torch.Generator()
    generator.seed()
    return generator


GENERATORS = {
    "manual_seed does not repeat": of_a_fresh_generator,
    "the same": lambda: torch.Generator().manual_seed(0),
}


@pytest.mark.parametrize("words", GENERATORS)
def test_initial_values_that_do_not_follow_the_seed_are_seen(
    altered: Callable[..., Any], words: str
) -> None:
    class Own(torch.nn.Linear):
        def reset_parameters(self) -> None:
            bound = self.in_features**-0.5
            torch.nn.init.uniform_(self.weight, -bound, bound, GENERATORS[words]())

    law = {"weight": Uniform(3**-0.5)}
    linear = Layer(torch.nn.Linear, Made(3, 1000, bias=False, initial=law))

    assert words in failure(with_layer(altered, Linear=Own), linear, "initial")


def dropped(x: torch.Tensor, share: float, words: str) -> torch.Tensor:
    mask = torch.rand(x.shape, generator=GENERATORS[words]()) >= share
    return x * mask / (1 - share)


WRONG_DROPOUTS = {
    "manual_seed does not repeat": lambda x: dropped(x, 0.25, "manual_seed does not repeat"),
    "two calls in a row drew the same": lambda x: dropped(x, 0.25, "the same"),
    "elements were left out, should be 25.00%": lambda x: x * (torch.rand(x.shape) >= 0.5) / 0.75,
    "gradient of input 0 of call 0 is off by": lambda x: (
        x + (torch.nn.functional.dropout(x, 0.25) - x).detach()
    ),
}


@pytest.mark.parametrize("words", WRONG_DROPOUTS)
def test_a_wrong_dropout_is_seen(altered: Callable[..., Any], words: str) -> None:
    class Wrong(torch.nn.Dropout):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return WRONG_DROPOUTS[words](x) if self.training else x

    inputs = Case(uniform(40, 30, low=0.5, high=2.0))
    dropout = Layer(torch.nn.Dropout, Made(0.25, on=[inputs], chance=Chance(0.25)))

    assert words in failure(with_layer(altered, Dropout=Wrong), dropout, "training")
