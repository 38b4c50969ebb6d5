"""Count NumPy's array allocations, by installing a memory handler that counts.

Memory handlers (https://numpy.org/neps/nep-0049.html) exist only in NumPy's C API, so this module
calls the API's function table through ctypes.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy._core import multiarray

SET_HANDLER, GET_HANDLER = 304, 305  # indices in the table; NumPy only ever appends to it
NAME = b"mem_handler"  # of the capsule that holds a handler

# PYFUNCTYPE keeps the GIL, which NumPy holds when it calls a handler.
Malloc = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
Calloc = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t)


class Handler(ctypes.Structure):
    """PyDataMem_Handler of numpy/ndarraytypes.h."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("context", ctypes.c_void_p),
        ("malloc", Malloc),
        ("calloc", Calloc),
        ("realloc", ctypes.c_void_p),
        ("free", ctypes.c_void_p),
    )


class Counter:
    """The number of allocations so far."""

    def __init__(self) -> None:
        self.count = 0


@contextmanager
def counting() -> Iterator[Counter]:
    """Count the arrays allocated inside; the memory still comes from NumPy's own handler.

    An array frees its memory through the handler that allocated it, perhaps long after this. So
    the new handler is never freed, and its free is NumPy's.
    """
    counter, before = Counter(), _get()
    usual = Handler.from_address(_address(before, NAME))

    def malloc(context: int | None, size: int) -> Any:
        counter.count += 1
        return usual.malloc(context, size)

    def calloc(context: int | None, number: int, size: int) -> Any:
        counter.count += 1
        return usual.calloc(context, number, size)

    own = Handler.from_buffer_copy(usual)
    own.malloc, own.calloc = Malloc(malloc), Calloc(calloc)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(own))
    _set(_capsule(ctypes.addressof(own), NAME, None))
    try:
        yield counter
    finally:
        _set(before)


def _function(place: int, *types: Any) -> Any:
    """A function of NumPy's table."""
    table = _address(vars(multiarray)["_ARRAY_API"], None)
    return ctypes.PYFUNCTYPE(*types)(ctypes.c_void_p.from_address(table + 8 * place).value or 0)


def _of_python(name: str, *types: Any) -> Any:
    return ctypes.PYFUNCTYPE(*types)((name, ctypes.pythonapi))


_address = _of_python("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
_capsule = _of_python(
    "PyCapsule_New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
)
_get = _function(GET_HANDLER, ctypes.py_object)
_set = _function(SET_HANDLER, ctypes.py_object, ctypes.py_object)
