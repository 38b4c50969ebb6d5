"""Reports: their form, that what they say follows from the results, and that nothing gets out."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import os
import re
import shlex
import zlib
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
from reports import FEW, PARTS, quiet, small

import parity.report
from parity import engines
from parity.checks import CHECKS
from parity.checks.runs import RunResult
from parity.cli import main
from parity.report import junit, matrix, mutation, page, trainings, verdict, words
from parity.report.collect import Done, collect
from parity.report.data import Mutant
from parity.report.planning import Asked
from parity.spec.run import Run
from parity.spec.runs import RUNS

Report = dict[str, Any]

SCHEMA = json.loads((Path(parity.report.__file__).parent / "schema.json").read_text())
FAULT = {
    "op": "exp",
    "name": "is off",
    "story": "Adds one.",
    "wanted": ["forward", "backward"],
    "rejected_by": {"forward": "exp[0]"},
    "caught": True,
}
HUNT = {"engine": "torch", "status": "passed", "message": "", "program": "", "reproduce": ""}
HOSTILE = "</script><script>alert(1)</script>|`<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def made() -> Report:
    """A quick report on torch itself and micrograd, of a few ops, parts and steps of a run."""
    return small()


@pytest.fixture
def report(made: Report) -> Report:
    """The same, to be changed."""
    return copy.deepcopy(made)


@pytest.fixture
def failed(report: Report) -> Report:
    """A report in which everything failed once, with a message that would like to be run."""
    result = next(r for r in report["results"] if r["check"] == "backward")
    for entry in (result, report["trainings"][0], report["determinism"][1]):
        entry.update(status="failed", message=f"engine case: {HOSTILE}\n  a case")
    result.update(error=None, torch_error=None)
    report["engines"][0]["failed"] = 3
    report["passed"] = False
    return report


def unpacked(text: str) -> str:
    """The page with the pages of the ops where they are packed, and without the drawing library."""

    def unpack(found: re.Match[str]) -> str:
        return zlib.decompress(base64.b64decode(found[1])).decode()

    text = re.sub(r'<script type="application/octet-stream" id="plotly">.*?</script>', "", text)
    return re.sub(r"<script [^>]*data-page=[^>]*>(.*?)</script>", unpack, text)


class Page(HTMLParser):
    """What a page refers to, its tags, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.sources: list[str] = []
        self.tags: Counter[str] = Counter()
        self.text = ""
        self.inside = ""
        self.feed(unpacked(text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.inside = tag
        for name, value in attrs:
            if name == "id":
                self.ids[value or ""] += 1
            elif name == "href":
                self.links.append(value or "")
            elif name in ("src", "srcset", "action", "data"):
                self.sources.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.text += data


@pytest.mark.parametrize("kind", ["report", "failed"])
def test_a_report_is_of_its_schema(kind: str, request: pytest.FixtureRequest) -> None:
    found = request.getfixturevalue(kind)

    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(found, SCHEMA)
    json.dumps(found, allow_nan=False)


def test_another_form_is_not(report: Report) -> None:
    del report["environment"]["cpu"]

    with pytest.raises(jsonschema.ValidationError, match="'cpu' is a required property"):
        jsonschema.validate(report, SCHEMA)


def test_what_is_not_finite_is_null(with_op: Callable[..., Any]) -> None:
    infinite = with_op(exp=lambda x: x.exp() / 0)

    found = collect([infinite], quiet, Asked(ops=("exp",)))

    jsonschema.validate(found, SCHEMA)
    assert not found["passed"]
    json.dumps(found, allow_nan=False)


def test_the_scores_of_mutants_are_shown(report: Report, tmp_path: Path) -> None:
    file = tmp_path / "mutants.json"
    assert main(shlex.split(f"mutants --engine minigrad --op exp --jobs 1 --json {file}")) == 0

    report["mutants"] = mutation.read(file)

    jsonschema.validate(report, SCHEMA)
    (scored,) = mutation.of_op(report, "exp")
    assert scored["killed"] == scored["count"] > 0
    sentence = f"minigrad: {scored['count']} of {scored['count']} mutants of its gradient were kill"
    text, total = Page(page.html(report)).text, mutation.sentence(report["mutants"][0])
    assert sentence in text
    assert f"✓ minigrad: {total}" in text
    assert f"- minigrad: {total}" in page.markdown(report)


def test_the_commit_that_was_judged_is_named(report: Report) -> None:
    for commit, uncommitted, said in (
        ("", False, ""),
        ("c0ffee", False, "commit c0ffee"),
        ("c0ffee", True, "commit c0ffee, with uncommitted changes"),
    ):
        report["environment"].update(commit=commit, uncommitted=uncommitted)
        jsonschema.validate(report, SCHEMA)
        for text in (Page(page.html(report)).text, page.markdown(report)):
            assert ("commit c0ffee" in text) == bool(commit)
            assert ("with uncommitted changes" in text) == uncommitted
            assert said in text


@pytest.mark.parametrize("key", Mutant.__annotations__)
def test_a_score_that_lacks_something_is_refused(key: str, tmp_path: Path) -> None:
    file, mutant = tmp_path / "mutants.json", dict.fromkeys(Mutant.__annotations__.keys() - {key})
    score = {"engine": "minigrad", "passed": True, "score": 1.0, "seconds": 1.0}
    file.write_text(json.dumps([score | {"mutants": [mutant]}]), encoding="utf-8")

    with pytest.raises(ValueError, match=f"mutants.json holds no results .*: it has no '{key}'"):
        mutation.read(file)


def test_engines_are_counted_from_the_results(made: Report) -> None:
    for engine in made["engines"]:
        own = [r for r in made["results"] if r["engine"] == engine["name"]]
        runs = [t for t in made["trainings"] if t["engine"] == engine["name"]]
        repeats = [d for d in made["determinism"] if d["engine"] == engine["name"]]
        statuses = Counter(entry["status"] for entry in (*own, *runs, *repeats))
        errors = [r["error"] for r in own if r["check"] == "forward" and r["error"] is not None]

        assert engine["checks"] == len(own) > 0
        assert engine["trainings"] == len(runs) > 0
        assert len(repeats) == 1
        assert [engine[s] for s in ("passed", "failed", "skipped")] == [
            statuses[s] for s in ("passed", "failed", "skipped")
        ]
        assert engine["worst"]["forward"]["error"] == max(errors)
    assert made["engines"][0]["skipped"] > 0, "torch's own errors are skipped"


def test_parts_are_counted_and_shown_at_their_worst(made: Report) -> None:
    rows = {row["name"]: sum(row["cells"], row["torch"]) for row in matrix.parts(made)}
    errors = [r["error"] for r in made["results"] if (r["op"], r["engine"]) == ("SGD", "micrograd")]
    text = Page(page.html(made)).text

    assert list(rows) == list(PARTS)
    assert rows["SGD"][2]["text"] == words.eps(max(errors))
    assert [cell["kind"] for cell in rows["StepLR"]] == ["none", "exact", "exact"]
    assert "of 3 ops, 1 layer, 1 optimizer and 1 scheduler;" in text


def test_a_part_that_failed_is_linked(report: Report) -> None:
    result = next(r for r in report["results"] if r["op"] == "SGD" and r["engine"] == "torch")
    result.update(status="failed", message="wrong")

    rows = {row["name"]: row["cells"] for row in matrix.parts(report)}
    ((torch,), _) = rows["SGD"]
    assert torch["kind"] == "failed"
    assert torch["anchor"] in Page(page.html(report)).ids


def test_every_training_has_a_number_for_every_step(made: Report) -> None:
    for training in made["trainings"]:
        assert {len(column) for column in training["loss"].values()} == {3}
        for name, band in training["gradients"].items():
            assert band["limit"] == made["envelope"]["multiple"] * max(
                made["envelope"]["floor"], band["torch_error"]
            ), name


@pytest.mark.parametrize("kind", ["report", "failed"])
def test_the_page_needs_nothing_but_itself(kind: str, request: pytest.FixtureRequest) -> None:
    text = page.html(request.getfixturevalue(kind))
    parsed = Page(text)

    assert parsed.sources == []
    assert parsed.tags["link"] == 0
    assert "default-src 'none'" in text
    assert {id for id, count in parsed.ids.items() if count > 1} == {"page-title"}
    for link in parsed.links:
        if link in ("report.json", "summary.md", "junit.xml"):
            continue
        name = link.removeprefix("#").removeprefix("op-")
        assert parsed.ids[link.removeprefix("#")] or name in (*FEW, *PARTS), link
    assert len(text) < 10_000_000


def test_every_figure_is_described_and_drawn_from_its_data(report: Report) -> None:
    text = page.html(report)

    drawn = re.findall(r'role="img" aria-label="[^"]{20,}" data-figure="([^"]+)"', text)
    assert drawn == ["trajectory-gpt-tiny", "gradients-gpt-tiny", "speed-0"]
    for id in drawn[:2]:
        data = re.search(rf'<script type="application/json" id="{id}">(.*?)</script>', text)
        assert data is not None
        names = {trace["name"] for trace in json.loads(data[1])["data"]}
        assert {"torch float32", "torch float64", "round-off envelope"} <= names


def test_the_page_says_what_failed(failed: Report) -> None:
    text = Page(page.html(failed)).text

    assert "Failed 3 of " in text
    assert "Failed gpt-tiny: in float64, engine case: " in text
    assert "Not deterministic: engine case: " in text
    passed = failed["engines"][1]["passed"]
    assert verdict.outcome(failed).startswith("torch fails 3 of ")
    assert f"checks; micrograd passes all {passed:,} checks; " in verdict.outcome(failed)
    for entry in (*failed["results"], *failed["trainings"], *failed["determinism"]):
        if entry["status"] == "failed":
            assert entry["reproduce"] in text


def test_of_each_op_the_largest_failure_is_shown_and_the_others_folded(report: Report) -> None:
    every = [r for r in report["results"] if r["engine"] == "micrograd" and r["op"] in FEW]
    for error, result in enumerate(every):
        result.update(status="failed", message="wrong", error=float(error))
    every[0]["error"] = None
    largest = [max(r["error"] or 0 for r in every if r["op"] == op) for op in FEW]

    pairs = verdict.by_place(verdict.failures(report))
    text = page.html(report)

    assert [worst.error for worst, _ in pairs] == largest
    unfolded = re.sub(r"<details>.*?</details>", "", text, flags=re.DOTALL)
    for worst, more in pairs:
        assert f'id="{worst.anchor}"' in unfolded
        assert f"{len(more)} more of {worst.where} on micrograd" in text
        for failure in more:
            assert f'id="{failure.anchor}"' in text
            assert f'id="{failure.anchor}"' not in unfolded


def test_text_from_cases_is_escaped(failed: Report) -> None:
    harmless = Page(page.html(failed | {"results": [], "trainings": [], "runs": []}))
    for name in ("torch_text", "text"):
        failed["trainings"][0][name] = HOSTILE
    failed["engines"][0]["executor"] = HOSTILE

    parsed = Page(page.html(failed))

    assert HOSTILE in parsed.text
    assert parsed.tags["img"] == 0
    # Beside those of a page without results, there is a script for the data of each figure.
    assert parsed.tags["script"] == harmless.tags["script"] + 3


def test_the_summary_is_a_table_that_text_cannot_break(failed: Report) -> None:
    text = page.markdown(failed)

    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    assert "alert(1)" in text
    assert all(line.count("`") % 2 == 0 for line in text.splitlines())
    assert "\n\n\n" not in text


def test_the_summary_names_every_op_that_failed_and_one_check_of_each(report: Report) -> None:
    every = [r for r in report["results"] if r["engine"] == "micrograd" and r["op"] in FEW]
    for result in every:
        result.update(status="failed", message="wrong")
    report["engines"][1].update(failed=len(every), passed=0)

    text = page.markdown(report)

    for op in FEW:
        more = sum(result["op"] == op for result in every) - 1
        assert f"; {more} more of {op}\n" in text
    assert text.count("repeat with") == len(FEW)
    assert f"micrograd: `Failed {len(every)} of {len(every)} checks, in {words.listed(FEW)}" in text


def test_a_long_summary_fits_a_comment(failed: Report) -> None:
    failed["trainings"] *= 2000

    text = page.markdown(failed)

    assert len(text) < 65536
    assert text.endswith("(cut: the rest is in report.json)\n")


def test_files_are_whole_or_not_there(
    report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.write(report, tmp_path)
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}

    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            page.write(report, tmp_path)

    assert set(before) == {"index.html", "report.json", "summary.md", "junit.xml"}
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    assert json.loads(before["report.json"]) == report


def test_an_emulator_is_called_one(report: Report) -> None:
    report["engines"][0]["executor"] = "emulator: no GPU"

    assert "Ran on emulator: no GPU" in Page(page.html(report)).text
    rows = [row for row in page.markdown(report).splitlines() if row.startswith("|")]
    named = [row for row in rows if f"| {report['engines'][0]['name']} " in row]
    assert len(named) == 1 + len(report["engines"][0]["dtypes"])
    for row in named:
        assert "emulator: no GPU" in row


def test_what_would_fail_and_how_near_it_came(report: Report) -> None:
    """An error alone does not say whether it passed narrowly."""
    text, summary = Page(page.html(report)).text, page.markdown(report)
    used = {r["case"]: r["used"] for r in report["results"] if r["used"] is not None}

    assert "beyond 32 eps, or 4 times torch’s own float32 error on the same case" in summary
    assert verdict.limits() in " ".join(text.split())
    assert used
    assert all(0 <= share <= 1 for share in used.values())
    for engine in report["engines"]:
        own = [r for r in report["results"] if r["engine"] == engine["name"] and r["used"]]
        top = max(own, key=lambda r: r["used"])
        top["used"] = 0.985
        said = f"Nearest to failing in {top['case']}, {top['check']}, {top['dtype']}: 98 % of what"
        assert said in Page(page.html(report)).text
        assert said in page.markdown(report).replace("\\", "")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3.4e-7, "340 ns"),
        (9.94e-5, "99 µs"),
        (9.96e-5, "100 µs"),
        (0.0144, "14 ms"),
        (120, "120 s"),
    ],
)
def test_a_duration_has_no_exponent(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_a_skip_is_counted_with_its_reason(report: Report) -> None:
    found, other = [skip for skip in verdict.skips(report) if skip["engine"] == "torch"]

    skipped = [r for r in report["results"] if (r["engine"], r["status"]) == ("torch", "skipped")]
    assert (found["count"], other["names"]) == (len(skipped), ["determinism"])
    assert found["reason"] == skipped[0]["message"]
    assert found["reason"] in Page(page.html(report)).text


def test_cases_without_finite_differences_are_counted_by_reason(report: Report) -> None:
    kinked = {c["id"]: c["kink"] for op in report["ops"] for c in op["cases"] if c["kink"]}
    differentiated = {r["case"] for r in report["results"] if r["check"] == "backward"}
    found = verdict.undifferenced(report)
    reasons = {id: row["reason"] for row in found for id in row["names"]}

    for id in {r["case"] for r in report["results"] if r["check"] == "forward"}:
        given = kinked.get(id, "" if id in differentiated else verdict.NO_GRADIENT)
        assert reasons.get(id, "") == given
    assert kinked.keys() < reasons.keys()
    assert sum(row["count"] for row in found) == len(reasons)
    text = Page(page.html(report)).text
    assert f"{len(reasons)} of " in text
    for row in found:
        assert row["reason"] in page.markdown(report)
        if row["reason"] != verdict.NO_GRADIENT:
            assert text.count(f"No finite differences: {row['reason']}") == row["count"]


def test_the_judge_says_what_it_went_by(report: Report) -> None:
    cases = [case for op in report["ops"] for case in op["cases"]]
    refusals = [case for case in cases if "!" in case["id"]]
    flat = [case for case in cases if case["flat"]]
    whole_page, summary = Page(page.html(report)).text, page.markdown(report)

    for text in (whole_page, summary):
        assert f"{len(cases) - len(refusals):,} cases of {len(report['ops'])} ops must" in text
        assert f"and {len(refusals)} calls be refused" in text
        assert f"0 cases rejected, as right and wrong could not be told apart; {len(flat)}" in text
        for case in flat:
            assert case["flat"] in text
        assert f"in all of {report['determinism'][1]['cases']} cases" in text
        assert "bits were not compared between processes: torch's threads" in text


def test_a_rejected_case_is_counted(report: Report) -> None:
    first, second = report["results"][:2]
    for result in (first, second):
        result.update(case="exp[0]", message="torch exp[0]: invalid case: nothing to see")

    assert "1 case rejected, as right" in page.markdown(report)


def whole(report: Report) -> Report:
    nothing = {"left_out": [], "ops": [], "steps": None, "quick": False}
    return report | {"selection": nothing}


def test_a_whole_report_says_what_it_was_held_against(report: Report) -> None:
    headline, basis = verdict.headline(whole(report)), verdict.basis(report)

    # The fixture's few ops have no dropout, and quick leaves the finite differences out.
    assert headline.startswith("torch and micrograd pass all ")
    assert basis == (
        "Held against torch in float64 and the calls that must be refused; "
        "compared bit by bit between 2 processes; tried on 0 random graphs."
    )
    assert basis in page.html(report)
    assert basis in page.markdown(report)


def test_every_check_holds_an_engine_against_something() -> None:
    assert {check for _, on in verdict.AGAINST for check in on} == set(CHECKS)


@pytest.mark.parametrize(
    ("narrowed", "words"),
    [
        ({"left_out": ["cudagrad"]}, "without cudagrad"),
        ({"ops": ["exp"]}, "of 1 op, no training runs"),
        ({"ops": ["exp", "log"], "quick": True}, "of 2 ops, no training runs; quick: no finite"),
        ({"quick": True}, "quick: no finite differences, one short run"),
        ({"steps": 3}, "3 steps a run"),
    ],
)
def test_a_part_is_not_called_the_whole(
    report: Report, narrowed: dict[str, Any], words: str
) -> None:
    report["selection"] = whole(report)["selection"] | narrowed

    assert verdict.headline(report).startswith(f"Partial report ({words}")
    assert "Passed: partial parity report" in Page(page.html(report)).text
    assert "Partly judged: torch and micrograd pass" in Page(page.html(report)).text
    assert words in page.markdown(report)


def test_a_report_says_what_was_asked_for(made: Report) -> None:
    left_out = [n for n in engines.names() if n not in (*engines.RIVALS, "micrograd")]

    assert made["selection"] == {"left_out": left_out, "ops": [], "steps": 3, "quick": True}


@pytest.mark.parametrize(
    "message",
    ["building the model: TypeError: no", "after the last step: the model writes 'a', torch's 'b'"],
)
def test_a_failed_run_is_told_in_its_own_words(failed: Report, message: str) -> None:
    failed["trainings"][0]["message"] = message

    text = Page(page.html(failed)).text

    assert f"Failed gpt-tiny: in float64, {message}." in text
    assert "left the round-off envelope" not in text


def test_a_run_says_how_much_of_its_envelope_it_used(report: Report) -> None:
    training = next(t for t in report["trainings"] if t["engine"] == "micrograd")
    band = next(iter(training["weights"].values()))
    band["error"] = 0.875 * band["limit"]

    (sentence,) = trainings.sentences(report, "micrograd")

    assert sentence == (
        "Trained 1 run, 3 steps in float64, within the round-off envelope, "
        "of which 88% was used at most, by gpt-tiny."
    )


def test_a_skipped_run_is_told_with_its_reason(report: Report) -> None:
    for training in report["trainings"]:
        training.update(status="skipped", message="it takes hours")

    assert trainings.sentences(report, "torch") == ["Did not train on gpt-tiny: it takes hours."]
    (row,) = trainings.matrix(report)
    assert [cell["kind"] for cell in row["cells"]] == ["none", "skipped", "skipped"]


def test_a_run_is_shown_at_its_worst_and_a_failed_one_is_linked(failed: Report) -> None:
    (row,) = trainings.matrix(failed)
    _, torch, micrograd = row["cells"]

    losses = [t["loss"]["error"] for t in failed["trainings"] if t["engine"] == "micrograd"]
    assert micrograd["text"] == words.eps(max(losses[0]))
    assert torch["kind"] == "failed"
    assert torch["anchor"] in Page(page.html(failed)).ids


def test_every_setting_of_a_run_is_told(made: Report) -> None:
    settings = [run.settings() for run in RUNS]

    for run in settings:
        words = trainings.described(run)
        for name in ("model", "data", "optimizer", "scheduler", "clip"):
            assert run[name] is None or run[name] in words
    assert trainings.described(made["runs"][0]) in Page(page.html(made)).text
    told = [words for words in map(trainings.described, settings) if "3 batches a step" in words]
    assert len(told) == sum(run["accumulate"] == 3 for run in settings) == 1


def test_every_setting_of_a_run_is_in_the_schema() -> None:
    names = {field.name for field in dataclasses.fields(Run)}

    assert set(SCHEMA["properties"]["runs"]["items"]["properties"]) == names


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (0.0, "0"),
        (0.001, "<0.01"),
        (0.384, "0.38"),
        (3.14, "3.1"),
        (45.4, "45"),
        (1234.5, "1,234"),
        (2.1e6, "2e6"),
        (3e15, "3e15"),
        (None, "not finite"),
    ],
)
def test_errors_are_short(error: float | None, text: str) -> None:
    assert words.eps(error) == text


def test_anchors_of_different_places_differ() -> None:
    places = [
        ("minigrad", "softmax[2]", "forward", "float64"),
        ("minigrad", "softmax!2", "rejects", "float64"),
        ("minigrad", "softmax[2]", "forward", "float32"),
        ("minigrad", "softmax[12]", "forward", "float64"),
    ]

    assert len({words.anchor(*place) for place in places}) == len(places)
    assert words.anchor(*places[0]) == "minigrad-softmax-2-forward-float64"


def test_a_ci_server_can_read_every_check(failed: Report) -> None:
    failed["results"][0].update(status="skipped", message="\x00 because")

    suites = ElementTree.fromstring(junit.xml(failed))

    assert [suite.get("name") for suite in suites] == ["torch", "micrograd", "the judge"]
    for suite, engine in zip(suites, failed["engines"], strict=False):
        cases = suite.findall("testcase")
        counted = engine["checks"] + engine["trainings"] + 2  # determinism and random graphs
        assert len(cases) == int(suite.get("tests", 0)) == counted
        assert len(suite.findall("testcase/skipped")) == int(suite.get("skipped", 0))
    assert sum(int(suite.get("failures", 0)) for suite in suites) == 3
    texts = [element.text or "" for element in suites.iter("failure")]
    assert all(HOSTILE in text and "\n  parity " in text for text in texts)
    assert any("\ufffd because" in (e.text or "") for e in suites.iter("skipped"))


def test_a_fault_that_is_missed_and_a_graph_that_is_wrong_are_failures(report: Report) -> None:
    report["faults"] = [FAULT | {"caught": False}]
    report["fuzz"][1].update(status="failed", message="it is off", program="x = 1")

    text = Page(page.html(report)).text

    assert "a random graph is wrong on micrograd; the judge misses 1 planted fault." in text
    assert "✓ torch" in text
    assert "✗ micrograd" in text
    assert re.search(r"Passed all [\d,]+ checks of .*, but failed in random graphs; at", text)
    for words_of_it in (
        "a planted fault was not seen by backward: Adds one.",
        "it is off",
        "x = 1",
    ):
        assert words_of_it in text
    assert {failure.where for failure in verdict.failures(report)} == {"exp", "random graphs"}


@pytest.mark.parametrize(
    ("kind", "found", "passes"),
    [
        ("trained", RunResult("torch", "xor", "float64"), True),
        ("trained", RunResult("torch", "xor", "float64", status="failed"), False),
        ("hunted", HUNT, True),
        ("hunted", HUNT | {"status": "failed"}, False),
        ("planted", [FAULT], True),
        ("planted", [FAULT, FAULT | {"caught": False}], False),
    ],
)
def test_a_report_passes_only_if_all_of_it_does(
    kind: str, found: Any, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """parity report ends with this: CI would not see a fault that the judge misses."""
    done = Done(digested=[{"minigrad": {"exp[0] float64": "the same bits"}}])
    getattr(done, kind).append(found)
    monkeypatch.setattr("parity.report.collect.work_done", lambda *arguments: done)
    judged = [engines.load("torch"), engines.load("minigrad")]

    report = collect(judged, quiet, Asked(ops=("exp",)))

    assert report["passed"] is passes


def test_several_processes_find_what_one_finds() -> None:
    judged = [engines.load("minigrad")]
    one, two = (
        collect(judged, quiet, Asked(ops=("exp", "argmax"), quick=True, jobs=jobs))
        for jobs in (1, 2)
    )

    for report in (one, two):
        for key in ("created", "seconds", "jobs"):
            del report[key]
        for result in (*report["results"], *report["determinism"], *report["engines"]):
            del result["seconds"]
    assert one == two
