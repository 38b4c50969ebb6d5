"""For pytest: `pytest_plugins = ["cudagrad.checker.plugin"]` in a conftest.py gives its fixture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from . import check

for name, module in list(sys.modules.items()):
    if name.startswith(("cudagrad.checker.", "cudagrad.emulator.")):
        vars(module)["__tracebackhide__"] = True  # so that pytest ends at the kernel's line


@pytest.fixture
def check_kernel() -> Callable[[Any], Any]:
    """`check_kernel(kernel)[grid, block](*arguments)` fails the test where the checker would."""
    return check
