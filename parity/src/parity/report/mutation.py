"""The results of `parity mutants --json`, by op."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

from .. import files
from .data import Mutant, Report, Score
from .words import percent, plural


class OfOp(TypedDict):
    """What became of the mutants of an op in an engine."""

    engine: str
    count: int
    killed: int
    equivalent: int
    survivors: list[Mutant]


def read(path: Path) -> list[Score]:
    """Read the scores in a file; raises ValueError, with the file's name, if it holds none."""

    def check(scores: Any) -> None:
        if not isinstance(scores, list):
            raise TypeError
        for score in scores:
            [score[key] for key in Score.__annotations__]
            [mutant[key] for mutant in score["mutants"] for key in Mutant.__annotations__]

    found: list[Score] = files.load(path, "holds no results of parity mutants", check)
    return found


def sentence(score: Score) -> str:
    """A sentence with the share of mutants that were killed, of those not excused."""
    excused = sum(bool(mutant["equivalent"]) for mutant in score["mutants"])
    counted = plural(len(score["mutants"]) - excused, "mutant")
    rest = f", {excused} excused" if excused else ""
    return f"{percent(score['score'])} of {counted} were killed{rest}."


def of_op(report: Report, name: str) -> list[OfOp]:
    """For each engine, how many of an op's mutants were killed, and which survived."""
    found: list[OfOp] = []
    for score in report["mutants"]:
        own = [mutant for mutant in score["mutants"] if mutant["op"] == name]
        left = [mutant for mutant in own if not mutant["killed_by"]]
        if own:
            found.append(
                {
                    "engine": score["engine"],
                    "count": len(own),
                    "killed": len(own) - len(left),
                    "equivalent": sum(bool(mutant["equivalent"]) for mutant in left),
                    "survivors": [mutant for mutant in left if not mutant["equivalent"]],
                }
            )
    return found
