"""Where results come from: versions, processor, executor."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "threegrad-micrograd",
    "threegrad-minigrad",
    "threegrad-cudagrad",
    "threegrad-parity",
    "torch",
    "numpy",
    "numba",
    "numba-cuda",
)


def environment() -> dict[str, Any]:
    """Versions and the processor. It must not import the spec, which needs torch."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "packages": {name: installed(name) for name in PACKAGES},
    }


def executor(engine: Any) -> str:
    """What runs an engine, in words: a GPU by name, cudagrad's emulator, or CPU."""
    device = getattr(engine.package, "device", None)
    return device.describe() if device is not None else "CPU"


def executor_kind(engine: Any) -> str:
    """What runs an engine, in a word: cudagrad's device.EXECUTOR, or cpu for other engines."""
    return getattr(getattr(engine.package, "device", None), "EXECUTOR", "cpu")


def version(engine: Any) -> str:
    """The version of an engine's distribution."""
    module = getattr(engine.package, "__name__", engine.name)
    return installed(metadata.packages_distributions().get(module, [module])[0])


def installed(distribution: str) -> str:
    """The version of a distribution, or that it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def cpu() -> str:
    """The processor's model name, if possible; platform often knows only x86_64."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
