"""The results of `parity mutants --json`, by op."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .words import percent, plural

Report = dict[str, Any]

SCORE = ("engine", "passed", "score", "mutants")
MUTANT = ("op", "original", "mutated", "killed_by", "equivalent", "place")


def read(path: Path) -> list[Report]:
    """Read the scores in a file; raises ValueError, with the file's name, if it holds none."""
    try:
        scores: list[Report] = json.loads(path.read_text(encoding="utf-8"))
        for score in scores:
            [score[key] for key in SCORE]
            [mutant[key] for mutant in score["mutants"] for key in MUTANT]
        return scores
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} holds no results of parity mutants: {error}") from error


def sentence(score: Report) -> str:
    """A sentence with the share of mutants that were killed, of those not excused."""
    excused = sum(bool(mutant["equivalent"]) for mutant in score["mutants"])
    counted = plural(len(score["mutants"]) - excused, "mutant")
    rest = f", {excused} excused" if excused else ""
    return f"{percent(score['score'])} of {counted} were killed{rest}."


def of_op(report: Report, name: str) -> list[Report]:
    """For each engine, how many of an op's mutants were killed, and which survived."""
    found = []
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
