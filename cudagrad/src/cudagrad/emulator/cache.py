"""Generated modules on disk, so that a process finds what another has compiled.

A file is named by a hash of all that its machine code depends on, and so are numba's own files
beside it: nothing ever has to be marked as out of date, and processes that compile the same kernel
at the same time write the same files. Each is written elsewhere and then renamed, so that nobody
reads half of one.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import inspect
import os
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import llvmlite.binding
import numba
import numpy as np

from . import array, runtime, wide


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
    """What else machine code depends on: what the text imports, versions, the processor."""
    sources = [inspect.getsource(module) for module in (runtime, array, wide)]
    processor = llvmlite.binding.get_host_cpu_name()
    return repr((sources, sys.version, np.__version__, numba.__version__, processor))


def load(name: str, text: str, arguments: str) -> ModuleType:
    """The module with this text, which is compiled for one kind of arguments alone."""
    content = hashlib.sha256("\n".join((text, arguments, _surroundings())).encode())
    module = ModuleType(f"cudagrad_{name}_{content.hexdigest()[:24]}")
    path = folder() / f"{module.__name__}.py"
    if not path.exists():
        handle, temporary = tempfile.mkstemp(dir=folder(), suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.utime(temporary, (0, 0))  # numba compares times; equal contents must have equal ones
        os.replace(temporary, path)
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where numba looks for the globals of a kernel
    exec(compile(text, path, "exec"), vars(module))
    return module
