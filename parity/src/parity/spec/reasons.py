"""The reasons that cases of several ops share: see Case.why, Case.kink and Case.flat."""

from __future__ import annotations

NO_ELEMENTS = "no elements"
CORNER = "a corner: the slopes on its two sides differ"
INFINITE = "infinities and NaNs have no finite differences"
ONE_OPTION = "there is nothing to choose between"
FAR = "far from 0: the mean of the squares, less that of the mean, would cancel"
