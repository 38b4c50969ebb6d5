"""The `cuda` of kernels on the emulator: a name that means something only to the transform."""

from __future__ import annotations

from typing import NoReturn


class Cuda:
    """Stands where numba.cuda stands on a GPU; a kernel's `cuda.grid(1)` is never run as Python."""

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"cuda.{name} means something only inside a kernel")


cuda = Cuda()
