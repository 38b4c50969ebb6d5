"""Where results come from: versions, source, processor, executor."""

from __future__ import annotations

import functools
import os
import platform
import subprocess
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


def source_of(file: Path) -> dict[str, Any]:
    """The git commit that a file is part of, and whether tracked files differ from it.

    The commit is empty without git, and for a file that git does not track, such as one installed
    into a virtual environment inside of a checkout.
    """
    known = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments],
            cwd=file.parent,
            env=known | {"GIT_OPTIONAL_LOCKS": "0"},  # do not get in the way of another git
            capture_output=True,
            check=True,
            text=True,
            timeout=10,
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", file.name)
        described = git("describe", "--always", "--exclude=*", "--abbrev=40", "--dirty")
    except (OSError, ValueError, subprocess.SubprocessError):
        return {"commit": "", "uncommitted": False}
    commit, _, dirty = described.partition("-")
    return {"commit": commit, "uncommitted": bool(dirty)}


@functools.cache
def source() -> dict[str, Any]:
    """What source_of says of parity when first asked.

    Ask before the work begins: the source may have changed when its results are written.
    """
    return source_of(Path(__file__))


def environment() -> dict[str, Any]:
    """Versions, the source and the processor. It must not import the spec, which needs torch."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "packages": {name: installed(name) for name in PACKAGES},
        **source(),
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
