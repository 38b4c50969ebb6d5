"""Does the spec see it when a gradient is wrong? Mutants are engines with one thing wrong in it.

Each is killed by a case of the spec, or it survives: then the spec has a hole, or the mutation
changes nothing, which equivalents.py must say. gradients.py finds the code, mutate.py changes it,
judging.py runs the cases, scoring.py counts.

General tools for this (mutmut, cosmic-ray) change files, and start the test command anew for each
mutant, of which there are thousands here, killed in a hundredth of a second each. They know what
can go wrong in any program, such as a sign or a number; not a transposition, a reduction or a whole
gradient that is left out.
"""

from __future__ import annotations

from .scoring import NothingToJudgeError, Score, place, score, share

__all__ = ["NothingToJudgeError", "Score", "place", "score", "share"]
