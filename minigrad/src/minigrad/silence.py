"""NumPy's warnings, which ops turn off: inf and nan are results like any other, as in torch."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import numpy as np

# Whether they are off already; each thread and context has its own answer, as with np.errstate.
silenced = contextvars.ContextVar("silenced", default=False)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Turn them off once for many ops, each of which would otherwise do so itself."""
    before = silenced.get()
    silenced.set(True)
    try:
        with np.errstate(all="ignore"):
            yield
    finally:
        silenced.set(before)
