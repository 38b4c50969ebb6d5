"""The engines, and what the judge is judged with: one that is torch, but for a planted fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from parity import engines


class Altered:
    """An engine with some of its members replaced."""

    def __init__(self, engine: engines.Adapter, members: dict[str, Any]) -> None:
        self.engine = engine
        vars(self).update(members)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)


@pytest.fixture(params=["micrograd", "minigrad", "cudagrad", "torch"])
def engine(request: pytest.FixtureRequest) -> engines.Adapter:
    """Each of ours, and torch, of which the same must be true."""
    return engines.load(request.param)


@pytest.fixture
def package(engine: engines.Adapter) -> Any:
    return engine.package


@pytest.fixture
def torch_engine() -> engines.Adapter:
    return engines.load("torch")


@pytest.fixture
def altered(torch_engine: engines.Adapter) -> Callable[..., Any]:
    """altered(numpy=…) is torch's adapter with another numpy(), called other."""

    def alter(**members: Any) -> Any:
        return Altered(torch_engine, {"name": "other", **members})

    return alter


@pytest.fixture
def with_op(altered: Callable[..., Any], torch_engine: engines.Adapter) -> Callable[..., Any]:
    """with_op(softmax=f) computes softmax by f, and everything else as torch does."""

    def replace(**functions: Callable[..., Any]) -> Any:
        return altered(call=engines.with_ops(torch_engine, **functions).call)

    return replace
