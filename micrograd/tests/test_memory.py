"""What a graph costs in memory, and that all of it is freed."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from micrograd import Value, collector_paused, gpt, manual_seed, nn, ops, optim, tensor

SIZES = gpt.GPTConfig(vocab_size=5, block_size=4, n_layer=1, n_head=2, n_embd=4)
BATCH = [[0, 1, 2, 3], [4, 3, 2, 1]]


@pytest.fixture
def collector_off() -> Iterator[None]:
    """Without the cyclic collector, a reference cycle is never freed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> int:
    return sum(type(thing) is Value for thing in gc.get_objects())


@pytest.mark.usefixtures("collector_off")
def test_a_training_step_leaves_nothing_behind() -> None:
    model = gpt.GPT(SIZES)
    optimizer = optim.AdamW(model.parameters())
    before = alive()
    for _ in range(2):
        optimizer.zero_grad()
        _, loss = model(BATCH, BATCH)
        loss.backward()
        optimizer.step()
        del _, loss

    assert alive() == before


@pytest.mark.usefixtures("collector_off")
def test_a_graph_that_is_never_swept_goes_too() -> None:
    x = tensor([[0.5, -1.0, 2.0]], requires_grad=True)
    before = alive()
    y = ops.softmax(ops.gelu(x), dim=1)
    assert alive() > before
    del y

    assert alive() == before


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize(
    "more",
    [
        lambda total, x: total + total * x,
        lambda total, x: total + total.exp() * x,
        lambda total, x: total + x * x + x * total,
        lambda total, x: total + x * x + total.exp() * x,
    ],
)
def test_a_sum_that_takes_in_what_was_made_of_it_goes_too(more: Callable[..., Value]) -> None:
    """What was made of a sum refers to it, and so must not become one of that sum's terms."""
    x = Value(0.5, requires_grad=True)
    before = alive()
    total = more(0 + x * x, x) + x * x
    assert total.requires_grad
    del total

    assert alive() == before


@pytest.mark.usefixtures("collector_off")
def test_backward_frees_what_was_between() -> None:
    x = Value(1.5, requires_grad=True)
    before = alive()
    y = x
    for _ in range(1000):
        y = y * x
    y.backward()

    assert alive() == before + 1


def test_a_thousand_steps_leave_nothing_behind() -> None:
    x = tensor([[0.5, -1.0, 2.0], [1.0, 0.0, -0.5]])
    layer = nn.Linear(3, 4)
    optimizer = optim.Adam(layer.parameters())

    def train(steps: int) -> int:
        for _ in range(steps):
            optimizer.zero_grad()
            loss = ops.cross_entropy(layer(x), [1, 3])
            loss.backward()
            optimizer.step()
        del loss
        return sys.getallocatedblocks()

    with collector_paused():
        before = train(500)  # Python itself keeps some freed tuples and floats for later
        after = train(1000)

    assert after - before < 100


def test_bytes_per_product() -> None:
    n, x = 10_000, Value(1.0, requires_grad=True)
    size, products = traced(lambda: [x * x for _ in range(n)])

    assert len(products) == n
    assert size / n <= 250


def test_bytes_per_edge_of_a_gpt() -> None:
    """All told, before backward(): a parent and a slope are a pointer each, the rest is shared."""
    config = gpt.GPTConfig(27, 8, 1, 4, 16, bias=False, norm="rms_norm", activation="relu")
    model = gpt.GPT(config)
    size, (_, loss) = traced(lambda: model([[*range(8)]], [[*range(1, 9)]]))
    waiting, found = [loss], {loss}
    while waiting:
        parents = {parent for parent, _ in waiting.pop().edges()}
        waiting += parents - found
        found |= parents
    count = sum(len(value.edges()) for value in found)

    assert count > 10_000
    assert size / count <= 32


def traced(make: Callable[[], Any]) -> tuple[int, Any]:
    """How many bytes are allocated for what make() returns."""
    tracemalloc.start()
    made = make()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size, made


def test_the_same_bits_on_every_run() -> None:
    def train() -> list[float]:
        manual_seed(7)
        model = gpt.GPT(gpt.GPTConfig(5, 4, 1, 2, 4, dropout=0.1))
        optimizer = optim.AdamW(model.parameters(), lr=0.01)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            _, loss = model(BATCH, BATCH)
            loss.backward()
            optimizer.step()
            losses.append(loss.data)
        return losses

    first, second = train(), train()

    assert first == second
    assert first[-1] < first[0]
