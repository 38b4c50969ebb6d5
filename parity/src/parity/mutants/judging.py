"""Judge a mutant: put it in place of the right code, and run the spec's cases.

Small cases count as large meanwhile, so that they run all of an engine's code.
"""

from __future__ import annotations
import __future__

import importlib
import inspect
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from unittest import mock

from .. import checks, engines
from ..spec import BUILT, BY_NAME
from .conventions import SIZES
from .gradients import path
from .mutate import Mutant

# The likeliest to kill first. Of a model's checks, "trained" is the one of its gradients.
ORDER = ("backward", "trained", "differences", "stochastic", "forward")
PATIENCE = 10  # a mutant hangs after PATIENCE * (1 s + the check's time on the right code)

Where = tuple[str, str]  # a file, and the qualified name of a function in it


@dataclass(frozen=True)
class Trial:
    """A check of a case, and the seconds that it takes on the right code."""

    op: str
    case: int
    check: str
    dtype: str
    seconds: float = 0.0

    def __str__(self) -> str:
        return f"{self.op}[{self.case}] {self.check} {self.dtype}"

    def run(self, engine: str) -> checks.Result:
        op = BY_NAME.get(self.op) or BUILT[self.op]
        return checks.run(engines.load(engine), op, op.cases[self.case], self.check, self.dtype)


@dataclass(frozen=True)
class Tried:
    """The result of a trial on the right code."""

    trial: Trial
    reached: frozenset[Where]  # the engine's functions that it called
    failure: str  # the message if it failed, which it should not


@dataclass(frozen=True)
class Verdict:
    """Whether a mutant was killed."""

    mutant: Mutant
    ops: tuple[str, ...]  # and models, whose cases run the mutated function
    killer: str = ""  # the trial that killed it; empty if it survived
    how: str = ""  # "wrong" or "raised"


def tried(engine: str, op: str) -> list[Tried]:
    """Run every check of an op or a model that is in ORDER, not skipped, on the right code."""
    adapter = engines.load(engine)
    folder = str(Path(inspect.getfile(adapter.package)).parent)
    found = []
    for item in checks.cases(adapter, [op]):
        if item.check in ORDER and not item.skipped:
            trial = Trial(op, item.op.cases.index(item.case), item.check, item.dtype)
            with _enlarged(engine), _recording(folder) as reached:
                result = trial.run(engine)
            trial = Trial(op, trial.case, trial.check, trial.dtype, result.seconds)
            failure = result.failure if result.status == "failed" else ""
            found.append(Tried(trial, frozenset(reached), failure))
    return found


def reaching(mutant: Mutant, every: Sequence[Tried]) -> list[Trial]:
    """The trials that run a mutant: only its own op's, unless it is a helper of several ops."""
    where = str(path(mutant.module)), mutant.within
    return [
        each.trial for each in every if where in each.reached and mutant.op in (None, each.trial.op)
    ]


def judge(engine: str, mutant: Mutant, trials: Sequence[Trial]) -> Verdict:
    """Run the trials, the likeliest to kill and the cheapest first, until one fails."""
    ops = tuple(dict.fromkeys(trial.op for trial in trials))
    engines.load(engine)
    with _enlarged(engine), _planted(mutant):
        for trial in sorted(trials, key=_cost):
            with _limited(PATIENCE * (1 + trial.seconds)):
                result = trial.run(engine)
            if result.status == "failed":
                return Verdict(mutant, ops, str(trial), "raised" if result.traceback else "wrong")
    return Verdict(mutant, ops)


def _cost(trial: Trial) -> tuple[int, bool, float]:
    return ORDER.index(trial.check), trial.dtype != "float64", trial.seconds


@contextmanager
def _enlarged(engine: str) -> Iterator[None]:
    """Make an engine handle small arrays as it does large ones: see SIZES."""
    with ExitStack() as stack:
        for name in (name for name in SIZES if name.startswith(f"{engine}.")):
            stack.enter_context(mock.patch(name, SIZES[name]))
            for each in vars(sys.modules[name.rpartition(".")[0]]).values():
                if hasattr(each, "cache_clear"):  # what it remembers depends on the size
                    each.cache_clear()
                    stack.callback(each.cache_clear)
        yield


@contextmanager
def _planted(mutant: Mutant) -> Iterator[None]:
    """Replace the function's code object, so that all references to it run the mutant."""
    function: Any = inspect.unwrap(getattr(importlib.import_module(mutant.module), mutant.function))
    flags = __future__.annotations.compiler_flag
    module = compile(mutant.source, mutant.module, "exec", flags, dont_inherit=True)
    (code,) = (
        each
        for each in module.co_consts
        if isinstance(each, CodeType) and each.co_name == mutant.function
    )
    right, function.__code__ = function.__code__, code
    try:
        yield
    finally:
        function.__code__ = right


@contextmanager
def _recording(folder: str) -> Iterator[set[Where]]:
    """Collect the functions defined in a folder that are called inside."""
    called: set[CodeType] = set()
    reached: set[Where] = set()

    def record(frame: FrameType, event: str, argument: Any) -> None:
        called.add(frame.f_code)

    sys.setprofile(record)
    try:
        yield reached
    finally:
        sys.setprofile(None)
        reached |= {
            (code.co_filename, code.co_qualname)
            for code in called
            if code.co_filename.startswith(folder)
        }


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside after this many seconds."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"took more than {seconds:.0f} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
