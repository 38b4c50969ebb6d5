"""The benchmarks: equal results before any time is taken, and what they leave as they found it."""

from __future__ import annotations

import dataclasses
import gc
import json
import math
import sys
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import threadpoolctl
from reports import quiet

from parity import engines, files, spec
from parity.bench import (
    brief,
    ceilings,
    comparing,
    items,
    memory,
    ops,
    profile,
    rows,
    steps,
    timing,
    workloads,
)
from parity.bench.contestants import Engine, contestants
from parity.cli import main

NAMES = items.SCALARS[0]


def test_a_table_and_its_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "steps.json"
    options = f"--engine micrograd --item names --pairs 2 --json {file}"
    assert main(["bench", "steps", *options.split()]) == 0
    found = [row for row in rows.held(rows.read(file)) if row.collector]
    manner, lists = "microgpt's manner", "plain lists, no graph"
    ratio = {(row.engine, row.against): row.ratio for row in found}

    assert 0.0 < ratio[lists, manner] < ratio["micrograd", manner] < 1.0
    assert 1.0 < ratio["micrograd", lists] < ratio["micrograd, sums of products", lists]
    assert {row.against for row in found} == {manner, lists}
    # A step of plain lists holds 50 to 90 kB, by the name that it is on.
    assert all(row.cost.memory and row.cost.memory > 1 << 14 for row in found)
    assert all(row.growth < 1 << 16 for row in found if row.engine == "micrograd")
    assert "micrograd, sums of products" in capsys.readouterr().out


def test_an_engine_of_arrays_beside_torch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "steps", "--engine", "minigrad", "--item", "tiny", "--pairs", "2"]) == 0
    printed = capsys.readouterr().out
    others = "minigrad, graph", "minigrad, keep_memory()", "plain NumPy, no graph"
    for contestant in ("minigrad", *others):
        assert f"{contestant} / torch" in printed


@pytest.mark.parametrize(
    ("command", "default"),
    [("ops", "9"), ("steps", "the model's"), ("generation", "9"), ("parallel", "30")],
)
def test_the_number_of_rounds_is_told(
    command: str, default: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", command, "--help"]) == 0
    _, _, pairs = " ".join(capsys.readouterr().out.split()).partition("--pairs INTEGER RANGE ")
    assert pairs.partition("[default: ")[2].startswith(default)


def test_a_work_item_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "steps", "--engine", "minigrad", "--item", "names"]) == 2
    assert "no item 'names'; there are tiny, cpu, baby, digits, sales" in capsys.readouterr().err


def test_contestants_compute_the_same_step_after_step() -> None:
    others = [make() for make in contestants(NAMES, engines.load("micrograd")).values()]
    losses = [[each.step(NAMES.batch(number)) for number in range(3)] for each in others]

    assert len(others) == 5
    np.testing.assert_allclose(losses, [losses[0]] * 5, rtol=1e-12)
    assert len(set(losses[0])) == 3


def test_a_contestant_that_computes_something_else_is_not_timed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = {**items.ONE_LAYER, "n_head": 2}
    wrong = items.of_gpt("names", sizes, items.NAMES, "Adam", 1e-2, 0.0, "float64", block=5)

    def mixed(item: items.Item, engine: engines.Adapter) -> Any:
        return contestants(item, engine) | {"micrograd": lambda: Engine(engine, wrong)}

    monkeypatch.setattr(steps, "contestants", mixed)
    with pytest.raises(ValueError, match="micrograd and microgpt's manner differ by"):
        steps.run(NAMES, engines.load("micrograd"), 2, True)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_and_the_limit_are_as_they_were(enabled: bool) -> None:
    before, limit = gc.isenabled(), sys.getrecursionlimit()
    seen = []
    (gc.enable if enabled else gc.disable)()
    try:
        with threadpoolctl.threadpool_limits(1):
            timing.interleaved({"a": lambda _: seen.append(gc.isenabled())}, 2, 3, collector=False)
        after = gc.isenabled(), gc.get_freeze_count(), sys.getrecursionlimit()
    finally:
        (gc.enable if before else gc.disable)()

    assert len(seen) >= 9  # more, if a block was interrupted
    assert set(seen) == {False}
    assert after == (enabled, 0, limit)


def test_an_interrupted_block_is_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    interruptions, seen = iter([0, 1, 1, 1, 1, 1, 1, 1]), []
    monkeypatch.setattr(timing, "_interruptions", lambda: next(interruptions))
    with threadpoolctl.threadpool_limits(1):
        timing.interleaved({"a": seen.append}, 2, 2, collector=False)

    assert seen == [0, 1, 0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_of_one_are_at_rest_when_another_begins(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[object] = []
    monkeypatch.setattr(timing.time, "sleep", seen.append)
    monkeypatch.setattr(timing, "_interruptions", lambda: 0)
    with threadpoolctl.threadpool_limits(threads):
        timing.interleaved({"a": lambda _: seen.append("a"), "b": seen.append}, 1, 1, True)

    rested = [timing.REST, "a", "a", timing.REST, 0, 0, timing.REST, "a", "a", timing.REST, 1, 1]
    assert seen == (rested if threads > 1 else ["a", 0, "a", 1])


def test_a_ratio_is_taken_within_its_round() -> None:
    seconds = {"rival": [1.0, 2.0, 4.0], "own": [0.5, 1.0, 2.0]}

    assert timing.ratios(seconds, "rival")["own"] == timing.Spread(0.5, 0.5, 0.5)


def row(ratio: float, low: float, high: float, item: str = "exp") -> rows.Row:
    return rows.Row(
        *("ops", item, item, "minigrad", "torch", rows.FORWARD, "gpt", "float32"),
        *(ratio, low, high, 1.0, 1.0, False),
    )


def test_every_op_of_the_spec_has_a_workload_of_every_size() -> None:
    for size in workloads.SIZES:
        timed = {work.op.name for work in workloads.workloads(size)}
        lacking = set(engines.load("torch").ops) - timed
        assert not lacking, f"{', '.join(sorted(lacking))}: {workloads.NOTHING}"


def test_an_op_without_a_workload_leaves_the_others_theirs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever adds an op may time it later."""
    every = workloads._calls
    monkeypatch.setattr(workloads, "_calls", lambda s: (c for c in every(s) if c[0] == "exp"))
    monkeypatch.setattr(spec, "BY_NAME", {name: spec.BY_NAME[name] for name in ("exp", "tanh")})
    line = "bench ops --engine minigrad --size small --pairs 2"

    assert main(line.split()) == 0
    out = capsys.readouterr().out
    assert "– skipped: tanh has nothing to be timed on: give it a call in " in out
    assert "minigrad / torch, forward: " in out
    assert main([*line.split(), "--op", "exp"]) == 0
    assert "tanh" not in capsys.readouterr().out
    assert main([*line.split(), "--op", "exp,tanh"]) == 2
    assert capsys.readouterr().err.startswith("parity: tanh has nothing to be timed on: ")
    made = brief.measured([engines.load("minigrad")], ("tanh",), quiet)
    assert made is not None
    assert made["refused"] == [f"tanh has {workloads.NOTHING}"]


def test_an_op_on_every_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "ops.json"
    line = f"bench ops --op softmax,max,argsort --size small --pairs 2 --json {file}"
    assert main(line.split()) == 0
    found, out = rows.held(rows.read(file)), capsys.readouterr().out

    assert {row.engine for row in found} == {"micrograd", "minigrad", "cudagrad"}
    phases = {(row.op, row.phase) for row in found if row.engine == "minigrad"}
    assert phases == {
        *(("softmax", rows.FORWARD), ("softmax", rows.BOTH)),
        *(("max", rows.FORWARD), ("max", rows.BOTH), ("argsort", rows.FORWARD)),
    }
    assert all(0 < row.low <= row.ratio <= row.high for row in found)
    assert {row.dtype for row in found if row.engine == "micrograd"} == {"float64"}
    assert "micrograd / torch, forward + backward:" in out
    assert engines.load("cudagrad").package.device.describe() in out


def test_the_file_is_as_its_schema_says(tmp_path: Path) -> None:
    file = tmp_path / "ops.json"
    assert main(f"bench ops --engine minigrad --op exp --pairs 2 --json {file}".split()) == 0

    found = json.loads(file.read_text())
    jsonschema.validate(found, json.loads(rows.SCHEMA.read_text()))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found | {"threads": "one"}, json.loads(rows.SCHEMA.read_text()))


def test_results_that_differ_are_not_timed(with_op: Any) -> None:
    wrong = with_op(exp=lambda x: x.exp() * 1.01)
    wrong.package = object()  # no functions of its own: its call is timed
    with pytest.raises(ValueError, match=r"exp\(randn\(4, 8\)\): other and torch differ by .* eps"):
        ops.measure([wrong], ["exp"], "small")


def test_a_wrong_gradient_is_not_timed(with_op: Any) -> None:
    wrong = with_op(exp=lambda x: x.exp() + x - x.detach())
    wrong.package = object()
    with pytest.raises(ValueError, match="differ by"):
        ops.measure([wrong], ["exp"], "small")


def test_an_impossible_figure_is_refused() -> None:
    limits = ceilings.Ceilings((), 1)
    limits.judge("a product", "float32", 1.0, 1 << 20, 1 << 30)
    with pytest.raises(ceilings.ImpossibleError, match="a product cannot have taken 1 µs"):
        limits.judge("a product", "float32", 1e-6, 0, 1 << 30)
    with pytest.raises(ceilings.ImpossibleError, match="a sum cannot have taken"):
        limits.judge("a sum", "float32", 1e-9, 1 << 20, 0)


def test_an_op_that_is_faster_than_any_product_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = ceilings.Ceilings((), 1)
    monkeypatch.setattr(limits, "flops_a_second", lambda dtype, again=False: 1.0)

    with pytest.raises(ceilings.ImpossibleError, match="forward of torch cannot have taken"):
        ops.measure([engines.load("minigrad")], ["matmul"], "small", pairs=2, ceilings=limits)


def test_memory_is_known_where_python_allocates_it() -> None:
    (found, *_) = ops.measure([engines.load("minigrad")], ["exp"], pairs=2)

    assert found.cost.memory is not None
    assert found.cost.memory >= 768 * 512 * 4
    assert found.against_cost.memory is None


def test_a_first_step_does_not_hide_the_memory_of_the_others() -> None:
    found = memory.measured("micrograd", NAMES.name, "micrograd", 1)

    assert found.peak is None or found.peak > 3 * NAMES.parameters * sys.getsizeof(0.0)


def test_what_changed_beyond_the_noise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = [row(1.0, 0.9, 1.1, "exp"), row(1.0, 0.9, 1.1, "log"), row(1.0, 0.9, 1.1, "sin")]
    after = [row(1.3, 1.2, 1.4, "exp"), row(1.3, 1.0, 1.6, "log"), row(0.5, 0.4, 0.6, "sin")]
    documents = [rows.document(those, [engines.load("minigrad")], 1) for those in (before, after)]
    found = {c.after.item: c for c in comparing.changes(*documents)}
    paths = [str(tmp_path / name) for name in ("a", "b")]
    for path, document in zip(paths, documents, strict=True):
        files.dump(path, document)

    assert found["exp"].slower
    assert not found["log"].beyond_noise
    assert found["sin"].beyond_noise
    assert not found["sin"].slower
    assert main(["bench", "--compare", *paths]) == 0
    assert "of 3 measurements 1 slower and 1 faster" in capsys.readouterr().out
    assert main(["bench", "--compare", *paths, "--fail-on-regression"]) == 1
    assert main(["bench", "--compare", *reversed(paths), "--fail-on-regression"]) == 1
    assert main(["bench", "--compare", paths[0], paths[0], "--fail-on-regression"]) == 0


@pytest.mark.parametrize(
    ("ratio", "rounds", "slower"),
    [(1.3, None, True), (1.3, 9, True), (1.3, 8, False), (1.6, 8, True)],
)
def test_after_few_rounds_a_change_must_be_larger(
    ratio: float, rounds: int | None, slower: bool
) -> None:
    """The quartiles of few rounds are narrow by chance."""
    before = row(1.0, 1.0, 1.0)
    after = dataclasses.replace(row(ratio, ratio, ratio), rounds=rounds)

    assert comparing.Change(before, after).slower is slower


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        ({"environment": {"cpu": "abacus"}}, "the processor: abacus and Zen"),
        ({"threads": 4}, "threads: 4 and 1"),
        ({"executors": {"minigrad": "gpu: X; it is there"}}, "what runs minigrad: gpu: X and CPU"),
    ],
)
def test_what_was_measured_elsewhere_is_not_compared(
    other: rows.Document, difference: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = rows.document([row(1.0, 0.9, 1.1)], [engines.load("minigrad")], 1)
    here["environment"]["cpu"] = "Zen"
    paths = [str(tmp_path / name) for name in ("a", "b")]
    for path, document in zip(paths, (here | other, here), strict=True):
        files.dump(path, document)

    assert main(["bench", "--compare", *paths]) == 2
    assert capsys.readouterr().err == f"parity: the two differ in {difference}\n"
    here["executors"] = {"minigrad": "CPU; it was asked for"}
    files.dump(paths[0], here)
    assert main(["bench", "--compare", *paths]) == 0


def test_a_file_that_holds_no_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "other.json"
    file.write_text("{}")

    assert main(["bench", "--compare", str(file), str(file)]) == 2
    assert "other.json holds no results of parity bench" in capsys.readouterr().err


def test_how_time_grows_with_size() -> None:
    sizes = [
        dataclasses.replace(row(1, 1, 1), size=size, elements=n, seconds=n**2.0, against_seconds=n)
        for size, n in (("gpt", 100), ("small", 10), ("large", 1000))
    ]
    (curve,) = rows.curves(sizes)

    assert curve.elements == (10, 100, 1000)
    assert math.isclose(curve.exponent, 2.0)
    assert math.isclose(curve.against_exponent, 1.0)
    assert rows.curves(sizes[:1]) == []


def test_several_sizes_are_timed(capsys: pytest.CaptureFixture[str]) -> None:
    line = "bench ops --engine minigrad --op exp --size small --size gpt --pairs 2"
    assert main(line.split()) == 0
    assert "exp, forward: n ** " in capsys.readouterr().out


def test_a_summary_has_the_geometric_mean_and_the_worst() -> None:
    (line,) = rows.summaries([row(0.5, 0, 1), row(2.0, 0, 3)])

    assert ": 1.00 in the geometric mean of 2, 2.0 at most (" in line


@pytest.mark.parametrize("item", items.ARRAYS, ids=lambda item: item.name)
def test_every_item_trains_alike(item: items.Item) -> None:
    if item.name == "baby":
        pytest.skip("seconds a step; it differs from cpu in its sizes alone")
    rival, *others = (make() for make in contestants(item, engines.load("minigrad")).values())
    for other in others:
        assert steps.difference(item, rival, other) < steps.APART


def test_numpy_by_hand_takes_the_same_steps() -> None:
    (item,) = (item for item in items.ARRAYS if item.name == "tiny")
    made = contestants(item, engines.load("minigrad"))
    engine, plain = made["minigrad"](), made["plain NumPy, no graph"]()
    losses = [(engine.step(batch), plain.step(batch)) for batch in map(item.batch, range(20))]

    assert np.allclose(*zip(*losses, strict=True), rtol=1e-5)


@pytest.mark.parametrize("name", ["tiny", "digits", "sales"])
def test_a_graph_takes_the_same_steps_to_the_bit(name: str) -> None:
    (item,) = (item for item in items.ARRAYS if item.name == name)
    made = contestants(item, engines.load("minigrad"))
    engine, graph = made["minigrad"](), made["minigrad, graph"]()

    for batch in map(item.batch, range(6)):
        assert engine.step(batch) == graph.step(batch)
    (_, own), (_, other) = engine.probe(batch), graph.probe(batch)
    assert all(np.array_equal(own[name], other[name]) for name in own)


def test_a_profile_says_where_the_time_goes() -> None:
    engine = engines.load("minigrad")
    x = engine.tensor(np.ones((200, 200), np.float32))

    def step(number: int) -> None:
        for _ in range(20):
            engine.package.ops.matmul(x, x)
        engine.package.ops.add(x, x)

    shares = profile.shares(engine, step)

    assert shares is not None
    assert math.isclose(sum(shares.values()), 1.0)
    assert next(iter(shares)) == "matmul"
    assert shares["other ops"] < 0.5
    assert profile.shares(engines.load("torch"), step) is None


def test_what_is_called_counts_where_it_is_called_from(tmp_path: Path) -> None:
    op, built_in = (str(tmp_path / "ops" / "loss.py"), 1, "nll"), ("~", 0, "<sum>")
    stats = {
        op: (1, 1, 1.0, 4.0, {}),
        built_in: (2, 2, 4.0, 4.0, {op: (1, 1, 3.0, 3.0), ("main.py", 1, "f"): (1, 1, 1.0, 1.0)}),
        ("main.py", 1, "f"): (1, 1, 5.0, 6.0, {}),
    }

    assert profile.summed(stats, tmp_path) == {profile.OTHER: 0.6, "loss": 0.4}


def test_writing_is_timed_by_the_token(tmp_path: Path) -> None:
    file = tmp_path / "generation.json"
    line = f"bench generation --engine minigrad --item cpu --pairs 2 --json {file}"
    assert main(line.split()) == 0
    (found,) = rows.held(rows.read(file))

    assert (found.kind, found.phase, found.engine) == ("generation", "token", "minigrad")
    assert found.rounds == 2
    assert 0 < found.seconds < 1
