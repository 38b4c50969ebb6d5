"""What figures were measured on."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
from importlib import metadata
from typing import Any

from .. import device
from ..device import BLOCK, EXECUTOR, TILE

PACKAGES = (
    "threegrad-cudagrad",
    "numpy",
    "numba",
    "numba-cuda",
    "cuda-bindings",
    "cuda-core",
    "nvidia-nvvm",
    "nvidia-nvjitlink",
    "torch",
    "cupy-cuda13x",
)
ASKED = "name,driver_version,memory.total,power.limit,clocks.max.sm,clocks.max.memory"


def environment() -> dict[str, Any]:
    """The executor, the machine, and the versions of what matters."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "executor": EXECUTOR,
        "device": device.describe(),
        "gpu": _nvidia_smi(),
        "block": BLOCK,
        "tile": TILE,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "not installed"


def _nvidia_smi() -> dict[str, str]:
    """What NVIDIA's tool says of the GPU, if there are both."""
    tool = shutil.which("nvidia-smi")
    if EXECUTOR != "gpu" or tool is None:
        return {}
    command = [tool, f"--query-gpu={ASKED}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True)
    first = (done.stdout.strip().splitlines() or [""])[0]
    return dict(zip(ASKED.split(","), map(str.strip, first.split(",")), strict=False))
