"""What the emulator launches while a test runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from cudagrad import kernels
from cudagrad.compile.table import Launch
from cudagrad.emulator import launch as launching


@contextlib.contextmanager
def recorded(seen: set[Launch]) -> Iterator[None]:
    """Inside, what the emulator launches of cudagrad's own kernels is added to seen."""
    run = launching.Launcher.__call__
    launched = set()

    def recording(self: launching.Launcher, *args: Any) -> None:
        run(self, *args)
        kinds = [getattr(a, "kind", None) or launching._kind(self.kernel, a) for a in args]
        launched.add((self.kernel, tuple(kinds)))

    launching.Launcher.__call__ = recording  # type: ignore[method-assign]
    try:
        yield
    finally:
        launching.Launcher.__call__ = run  # type: ignore[method-assign]
    for kernel, kinds in launched:
        if kernel.__module__.startswith(kernels.__name__):
            seen.add(Launch.of(kernel, kinds))
