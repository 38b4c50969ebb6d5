"""Benchmarks: engines and rivals take turns in one process, and are compared as ratios."""
