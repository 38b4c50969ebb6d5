"""Random graphs of ops, on which an engine must be torch: its values and all its gradients.

hypothesis draws the ops and their arguments: arguments.py has a row for each op, whose choices are
in drawing.py. graph.py runs a graph on an engine and writes it down as a program, judging.py says
how far from torch it may be, hunting.py looks for one that fails.
"""

from __future__ import annotations

from .arguments import UNDRAWN
from .graph import ops_of
from .hunting import Hunt, hunt, seeds

__all__ = ["UNDRAWN", "Hunt", "hunt", "ops_of", "seeds"]
