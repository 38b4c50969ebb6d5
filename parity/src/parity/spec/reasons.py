"""Reasons shared by cases of several ops: see why, kink and flat of Case."""

from __future__ import annotations

NO_ELEMENTS = "no elements"
CORNER = "a corner: the slopes on its two sides differ"
INFINITE = "infinities and NaNs have no finite differences"
ONE_OPTION = "there is nothing to choose between"
FAR = "far from 0: the mean of the squares, less that of the mean, would cancel"
BLOCK = "more elements than a block of 32 threads"
OF_INTEGERS = "of integers: float32"
STAIRS = "flat between its steps"
JUMP = "a jump: the values on its two sides differ"
SQUARE = "a diagonal needs two axes of one length"
PROMOTED = "an integer tensor and a Python float make float32"
TILES = "several tiles of 8, none of them full at the edge"
COUNTED = "booleans and integers make int64"
FIRST = "a tensor without dims has its dtype, whatever that of a number would be"
