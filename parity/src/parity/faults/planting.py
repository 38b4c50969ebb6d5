"""Plant a fault in minigrad, and see which checks reject it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .. import checks, engines
from ..checks.items import applicable
from ..spec import BUILT, BY_NAME, Op
from ..spec.part import Part
from . import parts
from .catalogue import FAULTS, Fault

ENGINE = "minigrad"  # the engine that every fault is planted in


@dataclass(frozen=True)
class Caught:
    """Which checks rejected a fault."""

    op: str  # or layer, optimizer, scheduler: what the fault replaced
    name: str
    story: str  # what is wrong
    wanted: list[str]  # the checks that must reject it
    rejected_by: dict[str, str]  # those of them that did, with the first case that failed

    @property
    def caught(self) -> bool:
        return set(self.wanted) == set(self.rejected_by)


def everything() -> list[Fault]:
    """The faults of ops, then those of layers, optimizers and schedulers."""
    return [*FAULTS, *parts.FAULTS]


def caught(fault: Fault) -> Caught:
    """Plant a fault, and run each check that must reject it until it does."""
    story = " ".join((fault.wrong.__doc__ or "").split())
    found: dict[str, str] = {}
    with _planted(fault) as entry:
        engine = engines.load(ENGINE)
        for case in (*entry.cases, *getattr(entry, "rejects", ())):
            for check, dtypes in applicable(entry, case).items():
                if check not in fault.checks or check in found:
                    continue
                results = (checks.run(engine, entry, case, check, dtype) for dtype in dtypes)
                if any(rejects(result, fault) for result in results):
                    found[check] = case.id
    return Caught(fault.name, _words(fault.title), story, sorted(fault.checks), found)


def rejects(result: checks.Result, fault: Fault) -> bool:
    """Whether a result fails for what is wrong: for numbers, that is, unless the fault raises.

    Any check rejects what raises, which says nothing about how numbers are judged.
    """
    told = fault.raises or result.check == "rejects" or not result.traceback
    return result.status == "failed" and told


@contextmanager
def _planted(fault: Fault) -> Iterator[Op | Part]:
    """Put the fault into minigrad, and yield the spec entry to check it against."""
    if fault.case is not None:
        yield Op(fault.name, BY_NAME[fault.name].torch, fault.case)
        return
    right = getattr(fault.space, fault.name)
    setattr(fault.space, fault.name, fault.wrong)
    try:
        yield BUILT[fault.name] if fault.name in BUILT else BY_NAME[fault.name]
    finally:
        setattr(fault.space, fault.name, right)


def _words(title: str) -> str:
    """Turn overwrites_its_input or OverwritesItsInput into words."""
    spaced = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in title)
    return spaced.replace("_", " ").strip()
