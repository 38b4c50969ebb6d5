"""A fault in the place of what is right, and what the judge says to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import minigrad

from .. import checks, engines
from ..checks.items import applicable
from ..spec import BUILT, BY_NAME, Op
from ..spec.part import Part
from . import parts
from .catalogue import FAULTS, Fault

ENGINE = "minigrad"  # where all are planted


@dataclass(frozen=True)
class Caught:
    """What became of a fault.

    op: or part, in whose place it stood. story: what is wrong with it. wanted: the checks that
    must reject it. rejected_by: of these, those that did, each with the first case it failed in.
    """

    op: str
    name: str
    story: str
    wanted: list[str]
    rejected_by: dict[str, str]

    @property
    def caught(self) -> bool:
        return set(self.wanted) == set(self.rejected_by)


def everything() -> list[Fault | parts.Fault]:
    """The faults of ops, then those of layers, optimizers and schedulers."""
    return [*FAULTS, *parts.FAULTS]


def caught(fault: Fault | parts.Fault) -> Caught:
    """Plant a fault, and run the checks that must reject it, each until it does."""
    name = fault.story if isinstance(fault, parts.Fault) else fault.wrong.__name__
    story = " ".join((fault.wrong.__doc__ or "").split())
    found: dict[str, str] = {}
    with _planted(fault) as entry:
        engine = engines.load(ENGINE)
        for case in (*entry.cases, *getattr(entry, "rejects", ())):
            for check, dtypes in applicable(entry, case).items():
                if check not in fault.checks or check in found:
                    continue
                results = (checks.run(engine, entry, case, check, dtype) for dtype in dtypes)
                if any(result.status == "failed" for result in results):
                    found[check] = case.id
    return Caught(fault.name, _words(name), story, sorted(fault.checks), found)


@contextmanager
def _planted(fault: Fault | parts.Fault) -> Iterator[Op | Part]:
    """What the spec says of it, with the fault in its place in minigrad."""
    if isinstance(fault, Fault) and fault.case is not None:
        yield Op(fault.name, BY_NAME[fault.name].torch, fault.case)
        return
    of_op = isinstance(fault, Fault)
    space = minigrad.ops if isinstance(fault, Fault) else fault.space
    right = getattr(space, fault.name)
    setattr(space, fault.name, fault.wrong)
    try:
        yield BY_NAME[fault.name] if of_op else BUILT[fault.name]
    finally:
        setattr(space, fault.name, right)


def _words(name: str) -> str:
    """overwrites_its_input and OverwritesItsInput in words."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)
    return spaced.replace("_", " ").strip()
