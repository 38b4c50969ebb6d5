"""Count how many of an engine's mutants the spec kills."""

from __future__ import annotations

import functools
import os
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from ..engines import Adapter
from ..pool import Spread, Stage, workers
from ..spec import BY_NAME, MODELS
from .equivalents import EQUIVALENTS, Equivalent
from .gradients import NothingToJudgeError, path
from .judging import Tried, Verdict, judge, reaching, tried
from .mutate import Mutant, mutants

ENOUGH = 0.98  # the share that must be killed
# A GPT and its ops: no mutant of code that they run may survive.
ESSENTIAL = {
    "GPT",
    "softmax",
    "layer_norm",
    "rms_norm",
    "cross_entropy",
    "scaled_dot_product_attention",
    "matmul",
    "embedding",
}


@dataclass(frozen=True)
class Score:
    """The result of mutation testing an engine."""

    engine: str
    verdicts: list[Verdict]
    equivalents: dict[Mutant, Equivalent]  # the entries that excuse a mutant
    false: list[Equivalent]  # the entries that match no mutant, or one that was killed
    seconds: float

    @property
    def survivors(self) -> list[Verdict]:
        return [v for v in self.verdicts if not v.killer and v.mutant not in self.equivalents]

    @property
    def share(self) -> float:
        """The share of mutants that were killed, not counting equivalents."""
        return share(self.verdicts, self.equivalents)

    @property
    def passed(self) -> bool:
        essential = any(ESSENTIAL & set(survivor.ops) for survivor in self.survivors)
        return self.share >= ENOUGH and not essential and not self.false

    def by_function(self) -> dict[str, list[Verdict]]:
        """The verdicts by op, or by file and function for other functions."""
        found = defaultdict(list)
        for verdict in self.verdicts:
            mutant = verdict.mutant
            file = mutant.module.rpartition(".")[2]
            found[mutant.op or f"{file}.{mutant.function}"].append(verdict)
        return dict(found)

    def data(self) -> dict[str, Any]:
        """All results, for a file."""
        listed = []
        for verdict in self.verdicts:
            excuse = self.equivalents.get(verdict.mutant)
            named = {"op": verdict.mutant.op, "place": place(verdict.mutant)}
            mutant = asdict(verdict.mutant) | named
            del mutant["source"]
            fate = {"ops": verdict.ops, "killed_by": verdict.killer, "how": verdict.how}
            listed.append({**mutant, **fate, "equivalent": excuse.reason if excuse else ""})
        totals = {"passed": self.passed, "score": self.share, "seconds": self.seconds}
        return {"engine": self.engine, **totals, "mutants": listed}


def score(engine: Adapter, ops: Collection[str], jobs: int, stage: Stage) -> Score:
    """Judge the mutants of these ops, or of all.

    A mutant of a shared helper that survives is also judged by the cases of the other ops, and of
    the models.
    """
    start = time.perf_counter()
    every = [name for name in BY_NAME if name in engine.ops]
    if hasattr(engine.package, "gpt"):
        every += [model.name for model in MODELS]
    everything = mutants(engine.package)
    if not everything:
        raise NothingToJudgeError(f"{engine.name} has no pullbacks and no slopes to mutate")
    with workers(jobs) as spread:
        trials = _tried(engine, [op for op in every if not ops or op in ops], spread, stage)
        if ops:
            everything = [m for m in everything if m.op in ops or reaching(m, trials)]
            if not everything:
                raise NothingToJudgeError(
                    f"{engine.name} has no gradient in {', '.join(ops)} to mutate"
                )
        verdicts = _judged(engine, everything, trials, spread, stage)
        shared = [v.mutant for v in verdicts if not v.killer and v.mutant.op is None]
        if ops and shared:
            trials += _tried(engine, [op for op in every if op not in ops], spread, stage)
            again = {v.mutant: v for v in _judged(engine, shared, trials, spread, stage)}
            verdicts = [again.get(verdict.mutant, verdict) for verdict in verdicts]
    equivalents, false = excused(engine.name, verdicts, partial=bool(ops))
    return Score(engine.name, verdicts, equivalents, false, time.perf_counter() - start)


def _tried(engine: Adapter, ops: list[str], spread: Spread, stage: Stage) -> list[Tried]:
    trials: list[Tried] = []
    with stage(f"{engine.name}: ops and models as they are ({len(ops)})", len(ops)) as advance:
        for found in spread(functools.partial(tried, engine.name), ops):
            trials += found
            advance()
    if wrong := [each.failure for each in trials if each.failure]:
        raise NothingToJudgeError(f"wrong without any mutation: {wrong[0].splitlines()[0]}")
    return trials


def _judged(
    engine: Adapter, some: list[Mutant], trials: list[Tried], spread: Spread, stage: Stage
) -> list[Verdict]:
    verdicts = []
    against = [reaching(mutant, trials) for mutant in some]
    with stage(f"{engine.name}: mutants ({len(some)})", len(some)) as advance:
        for verdict in spread(functools.partial(judge, engine.name), some, against):
            verdicts.append(verdict)
            advance()
    return verdicts


def excused(
    engine: str, verdicts: list[Verdict], partial: bool
) -> tuple[dict[Mutant, Equivalent], list[Equivalent]]:
    """The mutants that equivalents.py excuses, and its entries that are wrong."""
    entries = {
        (entry.function, entry.original, entry.mutated): entry
        for entry in EQUIVALENTS
        if entry.engine == engine
    }
    matched = {}
    for verdict in verdicts:
        mutant = verdict.mutant
        if entry := entries.get((mutant.function, mutant.original, mutant.mutated)):
            matched[mutant] = entry
    functions = {verdict.mutant.function for verdict in verdicts}
    killed = [matched[v.mutant] for v in verdicts if v.killer and v.mutant in matched]
    unmatched = [
        entry
        for entry in entries.values()
        if entry not in matched.values() and (not partial or entry.function in functions)
    ]
    return matched, [*killed, *unmatched]


def share(verdicts: list[Verdict], equivalents: Collection[Mutant]) -> float:
    counted = [verdict for verdict in verdicts if verdict.mutant not in equivalents]
    return sum(bool(verdict.killer) for verdict in counted) / len(counted) if counted else 1.0


def place(mutant: Mutant) -> str:
    return f"{os.path.relpath(path(mutant.module))}:{mutant.line}"
