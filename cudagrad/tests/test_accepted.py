"""The emulator and the checker take what numba-cuda takes, and refuse what it refuses."""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import accepted
import numpy as np
import pytest
from accepted import ROWS, Row

from cudagrad.checker import check, numbers
from cudagrad.emulator import DeviceArray, UnsupportedError, instructions, jit, refusals
from cudagrad.emulator.libdevice import LIBDEVICE

needs_numba_cuda = pytest.mark.skipif(find_spec("numba_cuda") is None, reason="needs numba-cuda")


def on_emulator(kernel: Any, x: Any, out: Any) -> None:
    jit(kernel)[1, 32](DeviceArray(x), DeviceArray(out))


def under_checker(kernel: Any, x: Any, out: Any) -> None:
    check(kernel)[1, 32](x, out)


@pytest.mark.parametrize("run", [on_emulator, under_checker])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_ours_do_as_the_table_says(row: Row, run: Any) -> None:
    x, out = np.zeros(32, row.dtype), np.zeros(64)
    if not row.refused:
        run(row.kernel, x, out)
        return
    with pytest.raises(UnsupportedError, match=re.escape(row.refused)) as caught:
        run(row.kernel, x, out)
    place = rf"{row.kernel.__name__} .*{re.escape(accepted.__file__)}:\d+"
    assert re.search(place, str(caught.value))


@functools.cache
def elsewhere() -> dict[str, Any]:
    """What numba-cuda takes, in a process whose kernels are its own."""
    environment = os.environ | {"CUDAGRAD_DEVICE": "compiler"}
    command = [sys.executable, accepted.__file__]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@needs_numba_cuda
def test_numba_cuda_does_as_the_table_says() -> None:
    found = elsewhere()["rows"]

    wrong = [row.name for row in ROWS if row.there == bool(found[row.name])]
    assert not wrong, [(name, found[name]) for name in wrong]


@needs_numba_cuda
def test_instructions_convert_numbers_as_those_of_numba_cuda_do() -> None:
    conversions = elsewhere()["conversions"]

    for name in accepted.CONVERTING:
        function = getattr(instructions, name)
        count = len(instructions.parameters(function))
        for dtype, there in conversions[name].items():
            given, result = numbers.typed(function, *[np.dtype(dtype).type] * count)
            assert [kind.__name__ for kind in (*given, result)] == there, (name, dtype)
    for function in instructions.WHOLE.values():
        for dtype, there in conversions[function.__name__].items():
            _, result = numbers.typed(function, np.dtype(dtype).type)
            assert result.__name__ == there[-1], (function, dtype)
    for dtype, (_, there, result) in conversions["match_any_sync"].items():
        (given,), _ = numbers.typed(instructions.bits, np.dtype(dtype).type)
        assert (given.__name__, "int32") == (there, result), dtype


@needs_numba_cuda
def test_functions_of_libdevice_have_the_types_of_numba_cuda() -> None:
    for (_, name), function in LIBDEVICE.items():
        given = [np.float64] * len(instructions.parameters(function))
        kinds, result = numbers.typed(function, *given)
        there = elsewhere()["libdevice"][name]
        assert [kind.__name__ for kind in (*kinds, result)] == there, name


@needs_numba_cuda
def test_the_known_ufuncs_and_attributes_are_those_of_numba_cuda() -> None:
    ufuncs, attributes = elsewhere()["ufuncs"], elsewhere()["attributes"]

    assert {name for name, takes in ufuncs.items() if takes} == set(refusals.UFUNCS)
    takes = {name for name, takes in attributes.items() if takes}
    assert takes | {"reshape"} == refusals.ATTRIBUTES  # for which it needs NVIDIA's driver
