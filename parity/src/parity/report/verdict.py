"""The results of a report, in words and tables. Independent of HTML."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import TypedDict

from ..checks.differences import RELATIVE
from ..checks.envelope import FLOOR, MULTIPLE
from ..checks.measure import BUDGET, FACTOR
from . import data
from .data import MEASURED, Report
from .matrix import by
from .outcomes import Outcome, outcomes
from .words import eps, listed, part, plural

NO_GRADIENT = "nothing has a gradient: the inputs are integers or booleans, or the output is"
# What an engine is compared with, and the checks that do it.
AGAINST = (
    (
        "torch in float64",
        (
            *("forward", "backward", "form", "training", "evaluation", "steps", "resumed", "rates"),
            *("trained", "cached", "written"),
        ),
    ),
    ("finite differences", ("differences",)),
    ("the distribution of what is random", ("stochastic", "initial")),
    ("the calls that must be refused", ("rejects",)),
)


class Skip(TypedDict):
    """What an engine skipped for one reason."""

    engine: str
    reason: str
    run: bool  # whether these are training runs
    count: int
    names: list[str]


class Reason(TypedDict):
    """A reason, and the cases that it holds for."""

    reason: str
    count: int
    names: list[str]


def executor(report: Report, name: str) -> str:
    return next(engine["executor"] for engine in report["engines"] if engine["name"] == name)


def headline(report: Report) -> str:
    """The report in a sentence, after a note on what it leaves out, if anything."""
    narrowed = narrowing(report)
    return f"Partial report ({narrowed}). {outcome(report)}" if narrowed else outcome(report)


def narrowing(report: Report) -> str:
    """How the report was narrowed; empty if it was not."""
    asked = report["selection"]
    parts = []
    if asked["left_out"]:
        parts.append(f"without {listed(asked['left_out'])}")
    if asked["ops"]:
        parts.append(f"of {plural(len(asked['ops']), 'op')}, no training runs")
    if asked["quick"]:
        parts.append("quick: no finite differences" + ("" if asked["ops"] else ", one short run"))
    if asked["steps"]:
        parts.append(f"{plural(asked['steps'], 'step')} a run")
    return "; ".join(parts)


def outcome(report: Report) -> str:
    """Who failed and who passed, as a sentence; names random graphs and faults if they failed."""
    said = [
        f"{engine['name']} fails {engine['failed']:,} of {counted(engine)}"
        for engine in report["engines"]
        if engine["failed"]
    ]
    if passing := [engine for engine in report["engines"] if not engine["failed"]]:
        verb = "pass" if len(passing) > 1 else "passes"
        passed = plural(sum(engine["passed"] for engine in passing), "check")
        said.append(f"{listed([engine['name'] for engine in passing])} {verb} all {passed}")
    if skipped := sum(engine["skipped"] for engine in report["engines"]):
        said.append(f"{skipped:,} skipped for stated reasons")
    if wrong := [hunt["engine"] for hunt in report["fuzz"] if hunt["status"] == "failed"]:
        said.append(f"a random graph is wrong on {listed(wrong)}")
    if missed := sum(not fault["caught"] for fault in report["faults"]):
        said.append(f"the judge misses {plural(missed, 'planted fault')}")
    return f"{'; '.join(said)}."


def counted(engine: data.Engine) -> str:
    """How many checks of an engine were not skipped."""
    return plural(engine["passed"] + engine["failed"], "check")


def basis(report: Report) -> str:
    """What the engines were compared with, as a sentence."""
    done = {result["check"] for result in report["results"] if result["status"] != "skipped"}
    done |= {"forward" for training in report["trainings"] if training["status"] != "skipped"}
    held = listed([what for what, on in AGAINST if done.intersection(on)])
    said = [f"Held against {held}"]
    if report["determinism"]:
        most = max(result["processes"] for result in report["determinism"])
        said.append(f"compared bit by bit between {plural(most, 'process')}")
    if report["fuzz"]:
        graphs = sum(hunt["graphs"] for hunt in report["fuzz"])
        said.append(f"tried on {plural(graphs, 'random graph')}")
    if report["faults"]:
        faults = plural(len(report["faults"]), "planted fault")
        said.append(f"by a judge that was tried on {faults}")
    return f"{'; '.join(said)}."


def commit(report: Report) -> str:
    """The git commit whose source was judged, in words; empty if there is none."""
    where = report["environment"]
    changed = ", with uncommitted changes" if where["uncommitted"] else ""
    return f"commit {where['commit']}{changed}" if where["commit"] else ""


def unplanted(report: Report) -> str:
    """Why no faults were planted."""
    asked = report["selection"]
    if asked["quick"] or asked["ops"]:
        return "a quick report, or one of a few ops, leaves them out"
    return "they stand in minigrad, which is not installed"


def sentence(report: Report, engine: data.Engine) -> str:
    """An engine's results, as a sentence."""
    judged = {r["op"] for r in report["results"] if r["engine"] == engine["name"]}
    kinds = Counter({"op": len(judged)})
    for entry in report["parts"]:
        if entry["name"] in judged:
            kinds.update({"op": -1, entry["kind"]: 1})
    had = [plural(count, kind) for kind, count in kinds.items() if count]
    places = [f.where for f in failures(report) if f.engine == engine["name"]]
    names = list(dict.fromkeys(places))
    shown = listed(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    if engine["failed"]:
        said = f"Failed {engine['failed']:,} of {counted(engine)}, in {shown}"
    else:
        said = f"Passed all {counted(engine)} of {listed(had)}"
        said += f", but failed in {shown}" if names else ""
    errors = [
        f"{eps(worst['error'])} eps {check} (torch’s own float32: {eps(worst['torch_error'])})"
        for check in MEASURED
        if (worst := engine["worst"][check])
    ]
    skipped = f"{engine['skipped']:,} skipped" if engine["skipped"] else "nothing skipped"
    off = f"; at worst {listed(errors)}" if errors else ""
    return f"{said}{off}; {skipped}."


def limits() -> str:
    """The tolerances of the checks, as a sentence."""
    return (
        f"A check fails beyond {BUDGET:.0f} eps, or {FACTOR:.0f} times torch’s own float32 error "
        "on the same case if that is more; optimizers, and the gradients of a whole GPT, beyond "
        f"{MULTIPLE:.0f} times torch’s own error, which counts for at least {FLOOR:.0f} eps; "
        f"finite differences beyond {part(RELATIVE)} of the slope plus their own rounding"
    )


def nearest(report: Report, engine: str) -> str:
    """The passed check that came nearest to failing, as a sentence; empty if there is none."""
    own = [r for r in report["results"] if r["engine"] == engine]
    shares = [(r["used"], r) for r in own if r["used"] is not None]
    if not shares:
        return ""
    used, top = max(shares, key=lambda pair: pair[0])
    return (
        f"Nearest to failing in {top['case']}, {top['check']}, {top['dtype']}: "
        f"{part(used)} of what it was allowed."
    )


def determinism_sentence(report: Report, engine: str) -> str:
    """Whether an engine is deterministic, as a sentence."""
    (own,) = (result for result in report["determinism"] if result["engine"] == engine)
    if own["status"] == "failed":
        return f"Not deterministic: {own['message']}."
    if own["status"] == "skipped":
        return f"Its bits were not compared between processes: {own['message']}."
    return (
        f"The same bits in {own['processes']} processes with different hash seeds and thread "
        f"counts, in all of {plural(own['cases'], 'case')}, each dtype counted."
    )


def failures(report: Report) -> list[Outcome]:
    """Everything that failed."""
    return [outcome for outcome in outcomes(report) if outcome.status == "failed"]


def by_place(failures: Iterable[Outcome]) -> list[tuple[Outcome, list[Outcome]]]:
    """For each op, part or run of an engine, the failure with the largest error, and the others."""
    pairs = []
    for some in by(lambda failure: (failure.engine, failure.where), failures).values():
        worst = max(some, key=lambda failure: failure.error or 0.0)
        pairs.append((worst, [failure for failure in some if failure is not worst]))
    return pairs


def skips(report: Report) -> list[Skip]:
    """What was skipped, by engine and reason."""
    found: dict[tuple[str, str, bool], list[str]] = defaultdict(list)
    runs = {run["name"] for run in report["runs"]}
    for each in outcomes(report):
        if each.status == "skipped":
            name = each.names[0]
            found[each.engine, each.message, name in runs].append(name)
    return [
        {
            "engine": engine,
            "reason": reason,
            "run": run,
            "count": len(names),
            "names": list(dict.fromkeys(names)),
        }
        for (engine, reason, run), names in found.items()
    ]


def census(report: Report) -> list[str]:
    """Sentences that count the cases: by kind, rejected as invalid, excused."""
    every = [case for op in report["ops"] for case in op["cases"]]
    cases = [case for case in every if "!" not in case["id"]]
    ops = plural(len(report["ops"]), "op")
    refusals = plural(len(every) - len(cases), "call")
    said = [
        f"{plural(len(cases), 'case')} of {ops} must agree with torch, and {refusals} be refused."
    ]
    if random := sum(bool(case["chance"]) for case in cases):
        said.append(f"Of these, {random:,} are random, and judged by their distribution.")
    invalid = {r["case"] for r in report["results"] if "invalid case" in r["message"]}
    excused = sum(bool(case["flat"]) for case in cases)
    said.append(
        f"{plural(len(invalid), 'case')} rejected, as right and wrong could not be told apart; "
        f"{excused:,} excused, as their gradient is zero for a stated reason."
    )
    return said


def flat(report: Report) -> list[Reason]:
    """The cases with a zero gradient, by reason."""
    every = (case for op in report["ops"] for case in op["cases"])
    return grouped((case["id"], case["flat"]) for case in every if case["flat"])


def undifferenced(report: Report) -> list[Reason]:
    """The cases without finite differences, by reason; not those that only --quick leaves out."""
    checks = defaultdict(set)
    for result in report["results"]:
        checks[result["case"]].add(result["check"])
    reasons = {id: NO_GRADIENT for id, done in checks.items() if done == {"forward"}}
    reasons |= {c["id"]: c["kink"] for op in report["ops"] for c in op["cases"] if c["kink"]}
    return grouped(reasons.items())


def grouped(reasons: Iterable[tuple[str, str]]) -> list[Reason]:
    """Group pairs of an id and a reason by reason, the most frequent first."""
    found: dict[str, list[str]] = defaultdict(list)
    for id, reason in reasons:
        found[reason].append(id)
    rows: list[Reason] = [
        {"reason": r, "count": len(ids), "names": ids} for r, ids in found.items()
    ]
    return sorted(rows, key=lambda row: -len(row["names"]))


def undifferenced_headline(report: Report) -> str:
    """A sentence that counts the cases without finite differences."""
    count = sum(row["count"] for row in undifferenced(report))
    total = sum("!" not in case["id"] for op in report["ops"] for case in op["cases"])
    return f"{count:,} of {plural(total, 'case')} take no finite differences."
