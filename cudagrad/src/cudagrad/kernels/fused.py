"""Chains of functions, element by element, as one kernel, whose text is written when it is needed.

A thread owns an element of the results, or four where all begin and end by fours. Every operand is
read and every result written once, and nothing between them is ever in memory: 4 bytes an element
and array of float32. Memory limits it, unless the chain takes tens of operations.
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

# How a thread with four elements reads an operand: by one load of 128 bits or of 64, by four loads,
# or once for all of them. It writes a result in one of the first two ways.
TOGETHER, APART, ONCE = "together", "apart", "once"


class Step(NamedTuple):
    """A function of values, by their numbers, and what its result is stored as."""

    function: Any  # of jit(device=True)
    operands: tuple[int, ...]
    dtype: np.dtype[Any]


class Chain(NamedTuple):
    """What a kernel computes of every element.

    Values are numbered: first the arrays' elements, then numbers, then what the steps make. The
    names of arrays and results are those that `distinct` leaves.
    """

    name: str
    arrays: tuple[str, ...]
    numbers: int
    steps: tuple[Step, ...]
    results: tuple[tuple[str, int], ...]


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names, changed where they are none, or would meet another that stands in a kernel."""
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
    """The kernel of a chain: of each array its elements and how long each stands still (see
    index.at), then the numbers, then the results; all arrays flat.

    ways: in which a thread reads arrays, and writes results, by fours; none: one by one.
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
    """The text of the kernel of a chain."""
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
    """The functions of a chain, each once, and what they are called in its text."""
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
        # What is stored as a smaller integer, or as a boolean, is computed as a larger one.
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
