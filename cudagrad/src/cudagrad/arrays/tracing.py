"""What notes launches instead of having them made, while a function is fused (see expressions)."""

from __future__ import annotations

from typing import Any

tracer: Any = None
