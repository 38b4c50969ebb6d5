"""The Trace of a function that is being fused in this thread, if one is: see expressions."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

tracer: ContextVar[Any] = ContextVar("tracer", default=None)
