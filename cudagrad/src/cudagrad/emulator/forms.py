"""The forms that a kernel can take as a module that numba compiles, and the choice among them.

one by one   it has no barriers: every thread runs to its end
in step      it is cut at its barriers: between them, loops over the threads (see fission)
together     it cannot be cut: threads are generators, which stop at each barrier
whole grid   as together, but all blocks of the grid wait for each other, too

The function of loops that runs a form has its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .fission import fissioned
from .inference import Kind
from .regions import CannotCut
from .transform import Translation

ONE_BY_ONE, IN_STEP, TOGETHER = "one by one", "in step", "together"
WHOLE_GRID = "whole grid"


class Form(NamedTuple):
    """A generated module's text, the name of its form, and why it is not `in step`."""

    text: str
    name: str
    why: str


def form_of(translation: Translation, kinds: Sequence[Kind], may_split: bool) -> Form:
    """The form for arguments of these kinds. may_split: whether `in step` is allowed."""
    name, why = TOGETHER, "it was not asked for"
    if not translation.has_barriers:
        name, why = ONE_BY_ONE, "it has no barriers"
    elif translation.of_grid:
        name, why = WHOLE_GRID, "the whole grid waits"
    elif may_split:
        try:
            return Form(fissioned(translation, kinds), IN_STEP, "")
        except CannotCut as reason:
            why = str(reason)
    text = translation.module.text(translation.parameters, translation.body, name.replace(" ", "_"))
    return Form(text, name, why)
