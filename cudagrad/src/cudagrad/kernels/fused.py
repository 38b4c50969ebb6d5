"""Chains of functions, element by element, as one kernel whose source is generated when needed.

Decomposition: a thread owns one element of the results, or four where all arrays allow it.
Bytes moved: every operand is read once and every result is written once, 4 bytes per element and
array in float32; what is computed in between stays in registers.
Operations: the functions of the chain, once per element.
Limit: memory, unless the chain takes tens of operations.
"""

from __future__ import annotations

import functools
import hashlib
import keyword
import linecache
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..device import cuda, intrinsics, jit
from .index import at

GLOBALS = {"np": np, "at": at, "cuda": cuda, "intrinsics": intrinsics, "jit": jit}
TAKEN = frozenset((*GLOBALS, "i", "j", "n", "element", *keyword.kwlist))

# How a thread that owns four elements reads an operand: together (by a load of 128 bits or of 64,
# float64 by two), by four loads, or once for all four. It writes a result in one of the first two
# ways.
TOGETHER, APART, ONCE = "together", "apart", "once"


class Step(NamedTuple):
    """A function, the numbers of the values that it takes, and the dtype of its result."""

    function: Any  # of jit(device=True)
    operands: tuple[int, ...]
    dtype: np.dtype[Any]


class Chain(NamedTuple):
    """What a kernel computes for every element.

    Values are numbered: first the elements of the arrays, then the scalars (`numbers` of them),
    then the results of the steps. Names of arrays and results have been through `distinct`.
    """

    name: str
    arrays: tuple[str, ...]
    numbers: int
    steps: tuple[Step, ...]
    results: tuple[tuple[str, int], ...]


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names, changed where they are no identifiers or would clash with others in a kernel."""
    found: list[str] = []
    for name in names:
        if not name.isidentifier():
            name = "chain"
        while name in TAKEN or name in found or name[-1].isdigit() or name.endswith("_inner"):
            name += "_"
        found.append(name)
    return tuple(found)


@functools.cache
def kernel(chain: Chain, ways: tuple[str, ...] = ()) -> Any:
    """The kernel of a chain, called with each array followed by its `inner` (see index.at), then
    the scalars, then the results; all arrays flat.

    ways: how a thread reads each array and writes each result by fours; empty for one by one.
    """
    names, functions = _functions(chain)
    text = source(chain, ways)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    file = f"<cudagrad, fused {chain.name} {digest}>"
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    module = {**GLOBALS, **dict(zip(names, functions, strict=True)), "__name__": "cudagrad.fused"}
    exec(compile(text, file, "exec"), module)
    return module[chain.name]


def source(chain: Chain, ways: tuple[str, ...] = ()) -> str:
    """The source of a chain's kernel."""
    loads = [f"{name}, {name}_inner" for name in chain.arrays]
    names = [name for name, _ in chain.results]
    lines = [
        *_element(chain),
        *("", ""),
        "@jit",
        f"def {chain.name}({', '.join([*loads, *_numbers(chain), *names])}):",
        f"    i = np.uint32(cuda.grid(1){' * 4' if ways else ''})",
        f"    n = np.uint32({names[0]}.size)",
        "    if i < n:",
        *(f"        {line}" for line in (_by_fours(chain, ways) if ways else _one(chain))),
    ]
    return "\n".join(lines) + "\n"


def _functions(chain: Chain) -> tuple[list[str], list[Any]]:
    """The names of a chain's functions in its source, and the functions, each once."""
    functions = list(dict.fromkeys(step.function for step in chain.steps))
    names: list[str] = []
    for function in functions:
        name = function.__name__
        while name in names or name in TAKEN or name in (chain.name, *chain.arrays):
            name += "_"
        names.append(name)
    return names, functions


def _numbers(chain: Chain) -> list[str]:
    return [f"c{k}" for k in range(chain.numbers)]


def _element(chain: Chain) -> Iterator[str]:
    """The lines of the function that computes one element of each result."""
    names, functions = _functions(chain)
    called = dict(zip(functions, names, strict=True))
    values = [*chain.arrays, *_numbers(chain)]
    yield "@jit(device=True)"
    yield f"def element({', '.join(values)}):"
    for number, step in enumerate(chain.steps):
        # Numba computes small integers and booleans as larger ones: back to what is stored.
        kind = "bool" if step.dtype == np.bool_ else step.dtype.name
        call = f"{called[step.function]}({', '.join(values[k] for k in step.operands)})"
        yield f"    t{number} = np.{kind}({call})"
        values.append(f"t{number}")
    yield f"    return {', '.join(values[value] for _, value in chain.results)}"


def _place(name: str) -> str:
    return f"at(i, n, {name}.size, {name}_inner)"


def _one(chain: Chain) -> Iterator[str]:
    elements = [f"{name}[{_place(name)}]" for name in chain.arrays]
    results = ", ".join(f"{name}[i]" for name, _ in chain.results)
    yield f"{results} = element({', '.join([*elements, *_numbers(chain)])})"


def _by_fours(chain: Chain, ways: tuple[str, ...]) -> Iterator[str]:
    arrays, results = chain.arrays, [name for name, _ in chain.results]
    of_arrays, of_results = ways[: len(arrays)], ways[len(arrays) :]
    for name, way in zip(arrays, of_arrays, strict=True):
        if way == ONCE:
            yield f"{name}_0 = {name}[{_place(name)}]"
        elif way == TOGETHER:
            yield f"{_four(name)} = intrinsics.load4({name}, {_place(name)})"
        else:
            yield f"j = {_place(name)}"
            yield f"{_four(name)} = {', '.join(f'{name}[j + {k}]' for k in range(4))}"
    for k in range(4):
        made = ", ".join(f"{name}_{k}" for name in results)
        pairs = zip(arrays, of_arrays, strict=True)
        elements = [f"{name}_{0 if way == ONCE else k}" for name, way in pairs]
        yield f"{made} = element({', '.join([*elements, *_numbers(chain)])})"
    for name, way in zip(results, of_results, strict=True):
        if way == TOGETHER:
            yield f"intrinsics.store4({name}, i, {_four(name)})"
        else:
            yield from (f"{name}[i + {k}] = {name}_{k}" for k in range(4))


def _four(name: str) -> str:
    return ", ".join(f"{name}_{k}" for k in range(4))
