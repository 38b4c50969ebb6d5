"""What a report says of speed, costs and growth follows from what was measured."""

from __future__ import annotations

import copy
import json
import re
from typing import Any

import jsonschema
import pytest
from reports import quiet, small

from parity import engines
from parity.bench import brief, rows
from parity.bench.comparing import Change
from parity.bench.costs import Cost
from parity.report import entries, ledger, page, speed, words

Report = dict[str, Any]

EMULATOR = "emulator: kernels compiled for the CPU"


def grown(engine: str, dtype: str, power: float) -> list[rows.Row]:
    return [
        rows.Row(
            *("scaling", f"exp of {n}", "exp", engine, "torch", rows.BOTH, str(n), dtype),
            *(1.0, 0.9, 1.1, 1e-9 * n**power, 1e-9 * n, False),
            elements=n,
        )
        for n in (16, 32, 64, 128)
    ]


@pytest.fixture(scope="module")
def made() -> Report:
    """A report on minigrad and micrograd with what brief measures of two ops, and some growth."""
    judged = [engines.load(name) for name in ("minigrad", "micrograd")]
    measured = brief.measured(judged, ("exp", "matmul"), quiet)
    assert measured is not None
    growth = [*grown("minigrad", "float32", 2.0), *grown("micrograd", "float64", 1.0)]
    measured["rows"] += rows.document(growth, judged, 1)["rows"]
    return small(*judged) | {"speed": entries.plain(measured)}


@pytest.fixture
def report(made: Report) -> Report:
    return copy.deepcopy(made)


def test_the_document_is_as_both_schemas_say(made: Report) -> None:
    for document, schema in (
        (made["speed"], rows.SCHEMA),
        (made, rows.SCHEMA.parents[1] / "report" / "schema.json"),
    ):
        jsonschema.validate(document, json.loads(schema.read_text()))
    broken = copy.deepcopy(made["speed"])
    del broken["rows"][0]["cost"]["nodes"]
    with pytest.raises(jsonschema.ValidationError, match="'nodes' is a required property"):
        jsonschema.validate(broken, json.loads(rows.SCHEMA.read_text()))


def test_every_contestant_is_in_the_ledger_once(made: Report) -> None:
    found = ledger.entries(made, "ops")
    names = [(each["engine"], each["item"], each["dtype"]) for each in found]
    exp = {each["engine"]: each for each in found if each["op"] == "exp"}

    assert len(set(names)) == len(names)
    assert set(exp) == {"minigrad", "micrograd", "torch"}
    assert {each["engine"] for each in found} == {*exp, "NumPy by hand"}
    assert exp["minigrad"]["values"]["nodes"] == 1
    assert exp["minigrad"]["values"]["share"] > 0
    assert exp["minigrad"]["values"]["ratio"] > 0
    assert all(each["values"]["ratio"] is None for each in found if each["engine"] == "torch")


def test_what_is_not_known_is_a_dash(made: Report) -> None:
    assert ledger.written("flops", None) == "–"
    assert ledger.written("moved", 393_216) == "393 kB"
    assert ledger.written("nodes", 12_000) == "12,000"
    assert ledger.written("share", 1.2) == "120 %"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (12, "12 B"), (999, "999 B"), (1000, "1 kB"), (3_400, "3.4 kB"), (2e13, "20 TB")],
)
def test_quantities_are_short(count: float, text: str) -> None:
    assert words.quantity(count, "B") == text


def test_an_emulator_is_never_presented_as_a_gpu(report: Report) -> None:
    report["speed"]["executors"]["minigrad"] = EMULATOR
    said = " ".join(ledger.sentences(report))

    assert "minigrad ran on its emulator" in said
    assert "Its times say nothing about a GPU" in said
    assert {each["executor"] for each in ledger.entries(report, "ops")} == {"CPU", "emulator"}
    assert "minigrad ran on its emulator" in page.html(report)


def test_a_graph_runs_where_its_engine_does(report: Report) -> None:
    report["speed"]["executors"]["minigrad"] = EMULATOR
    graphs = [row | {"engine": f"{row['engine']}, graph"} for row in report["speed"]["rows"]]
    report["speed"]["rows"] += graphs
    where = {each["engine"]: each["executor"] for each in ledger.entries(report, "ops")}

    assert where["minigrad"] == where["minigrad, graph"] == "emulator"
    assert where["micrograd, graph"] == where["torch"] == "CPU"


def test_the_page_has_the_ledger_and_the_growth(made: Report) -> None:
    text = page.html(made)

    for each in ("The cost ledger", "The roofline of this machine", 'data-figure="growth-exp"'):
        assert each in text
    assert "minigrad float32 n^2.00, torch float32 n^1.00, micrograd float64 n^1.00" in text
    assert len(text) < 10_000_000
    exp = page.pages(made, page.templates(), speed.lines(made))["exp"]
    assert "<h3>Costs</h3>" in exp
    assert "scaling" not in exp


def test_growth_is_one_figure_with_everyone(made: Report) -> None:
    (found,) = ledger.growth(made)
    traces = {trace["name"]: trace for trace in found["figure"]["data"]}

    assert set(traces) == {
        *("minigrad float32: n^2.00", "torch float32: n^1.00"),
        *("micrograd float64: n^1.00", "torch float64: n^1.00"),
    }
    layout = found["figure"]["layout"]
    assert {layout[axis]["type"] for axis in ("xaxis", "yaxis")} == {"log"}


def test_growth_is_no_ratio_of_its_own(made: Report) -> None:
    pace = speed.lines(made)

    assert not any("scaling" in each["title"] for each in speed.drawn(made, pace))
    assert not any("scaling" in said for said in speed.summaries(made, pace))


def test_an_op_with_several_workloads_is_one(made: Report) -> None:
    beside = [row for row in made["speed"]["rows"] if row["against"] == "torch"]
    said = " ".join(speed.summaries(made, speed.lines(made)))

    assert [row["op"] for row in beside if row["engine"] == "minigrad"].count("matmul") == 2
    assert re.search(r"minigrad takes .* as torch for forward \+ backward of 2 ops[ ,]", said)


def test_what_is_handed_in_takes_the_place_of_what_is_measured(report: Report) -> None:
    brought = rows.document([], [engines.load("torch")], 2)
    found = speed.joined(brought, report["speed"])

    assert found is not None
    assert found["rows"] == report["speed"]["rows"]
    assert found["threads"] == 2
    assert found["ceilings"] == report["speed"]["ceilings"]
    assert speed.joined(None, report["speed"]) is report["speed"]
    assert speed.joined(brought, None) is brought


def test_of_few_rounds_only_a_large_change_is_one() -> None:
    old = rows.Row(
        *("ops", "exp", "exp", "minigrad", "torch", rows.BOTH, "brief", "float32"),
        *(1.0, 0.99, 1.01, 1.0, 1.0, False),
    )
    for rounds, factor, slower in ((3, 1.3, False), (3, 1.7, True), (9, 1.3, True)):
        low, high = 0.99 * factor, 1.01 * factor
        now = rows.Row(**{**vars(old), "ratio": factor, "low": low, "high": high, "rounds": rounds})

        assert Change(old, now).slower == slower
    line = {**vars(old), "cost": {"nodes": 1}, "against_cost": {}, "more": "than a row"}
    assert rows.Row.of(line) == rows.Row(**{**vars(old), "cost": Cost(nodes=1)})
