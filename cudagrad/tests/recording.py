"""What is launched while a test runs, and what kernels are given."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cudagrad import kernels, launches
from cudagrad.compile.table import Launch
from cudagrad.emulator.launch import kind_of


@contextlib.contextmanager
def recorded(seen: set[Launch]) -> Iterator[None]:
    """Inside, what is launched of cudagrad's own kernels is added to seen."""
    launched = set()

    def watch(launcher: launches.Launcher, args: tuple[Any, ...]) -> None:
        kernel = launcher.kernel
        kinds = tuple([getattr(a, "kind", None) or kind_of(a) for a in args])
        launched.add((kernel, kinds))

    launches.watchers.append(watch)
    try:
        yield
    finally:
        launches.watchers.remove(watch)
    for kernel, kinds in launched:
        if kernel.__module__.startswith(kernels.__name__):
            seen.add(Launch.of(kernel, kinds))


def given(run: Callable[[], object]) -> list[tuple[np.dtype[Any], int]]:
    """The dtypes and sizes of the arrays that kernels are given meanwhile."""
    found: list[tuple[np.dtype[Any], int]] = []

    def watch(_: Any, args: tuple[Any, ...]) -> None:
        found.extend((a.dtype, a.size) for a in args if getattr(a, "shape", ()))

    launches.watchers.append(watch)
    try:
        run()
    finally:
        launches.watchers.remove(watch)
    return found
