"""Generated modules on disk, so that a process finds what another has compiled.

A file's name is a hash of everything that its machine code depends on, and so are the names of
numba's own files beside it. So nothing ever goes out of date, and processes that compile the same
kernel at the same time write the same files. Each is written under another name and then renamed,
so that nobody reads half of one.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import llvmlite.binding
import numba
import numpy as np


@functools.cache
def folder() -> Path:
    """CUDAGRAD_CACHE, or cudagrad in the user's cache folder; one for this process if need be."""
    user = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    wanted = Path(os.environ.get("CUDAGRAD_CACHE") or Path(user, "cudagrad"))
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=wanted):
            return wanted
    except OSError:
        own = tempfile.mkdtemp(prefix="cudagrad-")
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        return Path(own)


@functools.cache
def _surroundings() -> str:
    """What else machine code depends on: all that makes and runs it, versions, the processor."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    processor = llvmlite.binding.get_host_cpu_name()
    return repr((sources, sys.version, np.__version__, numba.__version__, processor))


def load(
    name: str, parts: Any, make: Callable[[], str], names: Mapping[str, Any] = MappingProxyType({})
) -> ModuleType:
    """The module whose text make() makes, which depends on parts alone, and on this package.

    names: what it has before its text runs.
    """
    content = hashlib.sha256(repr((parts, _surroundings())).encode())
    module = ModuleType(f"cudagrad_{name}_{content.hexdigest()[:24]}")
    vars(module).update({name: names[name] for name in names.keys() - vars(module).keys()})
    path = folder() / f"{module.__name__}.py"
    if not path.exists():
        text = make()
        handle, temporary = tempfile.mkstemp(dir=folder(), suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.utime(temporary, (0, 0))  # numba compares times; equal contents must have equal ones
        os.replace(temporary, path)
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where numba looks for the globals of a kernel
    exec(compile(path.read_text(encoding="utf-8"), path, "exec"), vars(module))
    return module
