"""Fuzzing: on random graphs of ops, an engine's value and gradients must be torch's.

hypothesis draws the ops and their arguments; arguments.py has a row for each op, made of the
choices in drawing.py. graph.py runs a graph on an engine, or prints it as a program. judging.py
compares it with torch, and hunting.py looks for a graph that fails.
"""

from __future__ import annotations

from .arguments import UNDRAWN, refused
from .graph import ops_of
from .hunting import Hunt, hunt, seeds

__all__ = ["UNDRAWN", "Hunt", "hunt", "ops_of", "refused", "seeds"]
