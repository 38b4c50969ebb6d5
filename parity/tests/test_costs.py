"""What ops and steps cost besides time is counted right, and only claimed where it is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from reports import quiet

from parity import engines
from parity.bench import allocations, brief, costs, items, ops, rows, scaling, steps
from parity.bench.ceilings import Ceilings
from parity.bench.rivals import arrays
from parity.bench.workloads import workloads


@pytest.mark.parametrize("name", ["micrograd", "minigrad", "cudagrad", "torch"])
def test_nodes_are_those_that_a_gradient_passes(name: str) -> None:
    engine = engines.load(name)
    x = engine.tensor(np.ones((2, 3)), requires_grad=True)
    y = engine.call("exp", x)
    each = 6 if name == "micrograd" else 1

    assert costs.nodes(x) == 0
    assert costs.nodes(y) == each
    assert costs.nodes(engine.call("mul", y, y)) == 2 * each
    assert costs.nodes(engine.call("exp", engine.tensor(np.ones(3)))) == 0
    assert costs.nodes(object()) is None


def test_numpys_allocations_are_counted_and_its_memory_is_as_before() -> None:
    with allocations.counting() as counter:
        kept = [np.empty(1000) for _ in range(7)]
    np.empty(1000)

    assert counter.count == 7
    assert len(kept) == 7
    del kept[3:]
    with allocations.counting() as other:
        np.zeros((3, 4))
    assert (other.count, counter.count) == (1, 7)


def cost_of(name: str, op: str, phase: str = rows.BOTH) -> costs.Cost:
    engine = engines.load(name)
    work = next(work for work in workloads("small", (op,)))
    return ops.Subject(engine, work, work.case.inputs(), "float32").cost(phase)


def test_an_op_on_arrays() -> None:
    """exp of (4, 8) in float32: an input and an output, their gradients besides, 128 bytes each."""
    found = cost_of("minigrad", "exp")

    assert (found.nodes, found.launches, found.given, found.flops) == (1, None, None, None)
    assert found.moved == 4 * 128
    assert cost_of("minigrad", "exp", rows.FORWARD).moved == 2 * 128
    assert found.allocations is not None
    assert found.allocations >= 2
    assert cost_of("torch", "exp").allocations is None
    assert cost_of("minigrad", "reshape").moved is None


def test_kernels_are_counted() -> None:
    found = cost_of("cudagrad", "exp", rows.FORWARD)

    assert (found.nodes, found.launches, found.allocations, found.given) == (1, 1, 1, 256)
    assert found.memory is not None
    assert found.memory >= 128


@pytest.mark.parametrize(("op", "times"), [("matmul", 3), ("dot", 2), ("mv", 2.5), ("outer", 5)])
def test_operations_are_those_of_products(op: str, times: float) -> None:
    """matmul of (4, 4) and (4, 8); the others on 4 and 8 numbers."""
    work = workloads("small", (op,))[0]
    forward = {"matmul": 2 * 4 * 4 * 8, "dot": 2 * 32, "mv": 2 * 32, "outer": 32}[op]

    assert work.operations(backward=False) == forward
    assert work.operations(backward=True) == times * forward
    assert workloads("small", ("exp",))[0].operations(backward=True) is None


def test_a_step_of_a_gpt_has_the_products_of_its_layers() -> None:
    """Counted layer by layer: qkv, projection, two of the MLP, the head; attention per token."""
    sizes = {"n_embd": 8, "block_size": 3, "n_layer": 2, "vocab_size": 5}
    token = 2 * (8 * 24 + 8 * 8 + 8 * 32 + 32 * 8) + 8 * 5
    attention = 2 * 2 * (1 + 2 + 3) * 8  # layers, products, pairs of tokens, width

    assert items.gpt_flops(sizes, 4) == 3 * 2 * 4 * (3 * token + attention)


class Even(Ceilings):
    """A thousand bytes, and a million operations, a second."""

    def bytes_a_second(self, size: int, again: bool = False) -> float:
        return 1e3

    def flops_a_second(self, dtype: str, again: bool = False) -> float:
        return 1e6


@pytest.mark.parametrize(
    ("moved", "flops", "share", "bound"),
    [(500, None, 0.25, "moved"), (500, 10**6, 0.5, "flops"), (None, 10**6, 0.5, "flops")],
)
def test_a_share_of_the_roofline(moved: Any, flops: Any, share: float, bound: str) -> None:
    cost, even = costs.Cost(moved=moved, flops=flops), Even((), 1)
    found = costs.against_roofline(cost, engines.load("minigrad"), "float32", 2.0, even)

    assert (found.share, found.bound) == (share, bound)


def test_an_emulator_has_no_share_of_it() -> None:
    cost, engine = costs.Cost(moved=500, flops=10), engines.load("cudagrad")
    if engine.package.device.EXECUTOR == "gpu":
        pytest.skip("a GPU is no emulator")

    assert costs.against_roofline(cost, engine, "float32", 1.0, Even((), 1)) == cost


def test_steps_have_costs() -> None:
    engine = engines.load("minigrad")
    item = items.ARRAYS[0]
    found = steps.run(item, engine, 2, collector=True)
    rows = {row.engine: row for row in steps.with_costs(found, item, engine, Even((), 1))}
    row = rows["minigrad"]

    assert row.cost.flops == row.against_cost.flops == item.flops
    assert row.cost.moved == 8 * 4 * item.parameters
    assert row.cost.nodes
    assert row.against_cost.nodes
    assert row.cost.nodes < row.against_cost.nodes, "fused"
    assert row.cost.share == pytest.approx(row.cost.moved / 1e3 / row.seconds)


@pytest.mark.parametrize("name", list(arrays.FUNCTIONS))
def test_floors_by_hand_are_right_and_timed(name: str) -> None:
    found = ops.measure([engines.load("minigrad")], [name], "small", pairs=2)
    floors = [row for row in found if row.against == ops.ByHand.name]

    assert {row.phase for row in floors} == {rows.FORWARD, rows.BOTH}
    assert all(row.apart is not None and row.apart < ops.APART for row in floors)
    assert all(0 < row.ratio for row in floors)


def test_a_wrong_floor_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = arrays.FUNCTIONS["softmax"]

    def wrong(x: Any, dim: int) -> Any:
        p, backward = right(x, dim)
        return p, lambda dout: (backward(dout)[0] * 1.01,)

    monkeypatch.setattr(arrays, "FUNCTIONS", {**arrays.FUNCTIONS, "softmax": wrong})
    with pytest.raises(ValueError, match="minigrad and NumPy by hand differ by"):
        ops.measure([engines.load("minigrad")], ["softmax"], "small", pairs=2)


def test_growth_is_fitted_to_the_largest_sizes() -> None:
    """What a call costs at all, 1 s, hides the square of the size until that is large."""
    sizes = [2.0**k for k in range(12)]
    made = [
        rows.Row(
            *("scaling", f"exp of {n}", "exp", "minigrad", "torch", rows.BOTH, str(n), "float32"),
            *(1.0, 1.0, 1.0, 1 + n**2, n, True),
            elements=int(n),
        )
        for n in sizes
    ]
    (curve,) = rows.curves(made)

    assert math.isclose(curve.exponent, 2.0, abs_tol=0.01)
    assert math.isclose(curve.against_exponent, 1.0)


def test_every_engine_grows_in_the_same_plot(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in (("NUMBERS", 2), ("SIDES", 2), ("WIDTHS", 2)):
        monkeypatch.setattr(scaling, name, getattr(scaling, name)[:few])
    members = [engines.load(name) for name in ("micrograd", "minigrad")]
    monkeypatch.setattr(scaling, "OPS", {"exp": (scaling.NUMBERS, 2)})
    tasks = scaling.planned(members, engines.load("torch"), Ceilings((), 1))
    found = rows.curves([row for task in tasks for row in task()])

    assert {(curve.op, curve.engine) for curve in found} == {
        (op, each.name) for op in ("exp", "GPT") for each in members
    }
    assert all(curve.elements == (64, 128) for curve in found if curve.op == "exp")


def test_time_is_bounded() -> None:
    found = brief.measured([engines.load("minigrad")], ("exp", "log"), quiet, seconds=0)

    assert found is not None
    assert (found["rows"], found["left_out"]) == ([], 2)
    assert brief.measured([engines.load("torch")], (), quiet) is None


def test_an_engine_that_is_wrong_is_not_timed_and_stops_nothing(with_op: Any) -> None:
    wrong = with_op(exp=lambda x: x.exp() * 1.01)
    wrong.package = object()  # no functions of its own: its call is timed

    found = brief.measured([wrong], ("exp", "log"), quiet)

    assert found is not None
    (why,) = found["refused"]
    assert "other and torch differ by" in why
    assert {row["op"] for row in found["rows"]} == {"log"}
