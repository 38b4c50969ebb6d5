"""Mutation testing: does the spec notice if a gradient has one thing wrong?

A mutant is killed by a case of the spec, or it survives. Then either the spec has a hole, or the
mutation changes nothing, which equivalents.py must say. gradients.py finds the code of gradients by
the names in conventions.py, mutate.py changes it, judging.py runs the cases, scoring.py counts.

General tools such as mutmut and cosmic-ray change files, and run the test command for every mutant.
There are thousands here, each killed in a hundredth of a second. Those tools also mutate signs and
numbers, but know nothing of transpositions, reductions or whole gradients to leave out.
"""

from __future__ import annotations

from .gradients import NothingToJudgeError
from .scoring import Score, place, score, share

__all__ = ["NothingToJudgeError", "Score", "place", "score", "share"]
