"""The types of a kernel's arguments, as numba writes them in a signature."""

from __future__ import annotations

from typing import Any

import numpy as np


def type_of(kind: Any) -> str:
    """The type of an argument, as numba writes it: an array is C-contiguous.

    kind: (dtype, ndim) of an array, else the type of a number, or a tuple of such.
    """
    if not isinstance(kind, tuple):
        name = np.dtype(kind).name
        return "boolean" if name == "bool" else name
    if isinstance(kind[0], str):
        dtype, ndim = kind
        return f"{type_of(dtype)}[{':,' * (ndim - 1)}::1]"
    types = list(map(type_of, kind))
    if len(set(types)) > 1:
        raise TypeError(f"a tuple of different types: {', '.join(types)}")
    return f"UniTuple({types[0]}, {len(types)})"
