"""Benchmarks: engines and rivals take turns in one process, and are compared as ratios."""

PAIRS = 9  # rounds, unless told otherwise
