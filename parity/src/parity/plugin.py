"""The pytest plugin: pytest --engine minigrad turns every check of an engine into a test item.

The items run in addition to the test files that are named; if none is named, they run alone.
Without --engine the plugin does nothing and imports nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # these import torch, which is slow
    from .checks import Item, Result
    from .checks.runs import RunResult
    from .engines import Adapter
    from .spec.run import Run

KINDS = ("op", "layer", "optimizer", "run")
engines_key = pytest.StashKey[list["Adapter"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("parity", "judging engines against torch")
    group.addoption("--engine", action="append", default=[], help="judge this engine (repeatable)")
    for kind in KINDS:
        text = f"only this {kind} (repeatable)"
        group.addoption(f"--{kind}", action="append", default=[], help=text)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[engines_key] = engines = []
    wanted = config.getoption("engine")
    for kind in KINDS:
        if config.getoption(kind) and not wanted:
            raise pytest.UsageError(f"--{kind} needs an --engine to judge")
    if not wanted:
        return
    from .cli import needed
    from .engines import load
    from .usage import UNUSABLE, unknown

    try:
        engines += [load(name) for name in dict.fromkeys(wanted)]
    except UNUSABLE as error:
        raise pytest.UsageError(str(error)) from error
    try:
        from .spec import LAYERS, MODELS, OPS, OPTIMIZERS, SCHEDULERS
        from .spec.runs import RUNS
    except ModuleNotFoundError as error:
        raise pytest.UsageError(needed(error)) from error
    known = {
        "op": [op.name for op in OPS],
        "layer": [part.name for part in (*LAYERS, *MODELS)],
        "optimizer": [part.name for part in (*OPTIMIZERS, *SCHEDULERS)],
        "run": [run.name for run in RUNS],
    }
    for kind, names in known.items():
        for name in config.getoption(kind):
            if name not in names:
                raise pytest.UsageError(unknown(kind, name, names))
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []  # no path was named: run the spec, not every test in this directory


def pytest_report_header(config: pytest.Config) -> list[str]:
    if not config.stash[engines_key]:
        return []
    from .environment import executor, installed, version

    judges = ("threegrad-parity", "torch", "numpy")
    return [
        *(
            f"engine: {engine.name} {version(engine)} on {executor(engine)}"
            for engine in config.stash[engines_key]
        ),
        f"judged by: {', '.join(f'{name} {installed(name)}' for name in judges)}",
    ]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Add the spec to the session's items, so that -k, -n and other options apply to it."""
    report = yield
    if isinstance(collector, pytest.Session) and report.passed:
        report.result += [
            Spec.from_parent(collector, name=engine.name, nodeid=engine.name, engine=engine)
            for engine in collector.config.stash[engines_key]
        ]
    return report


class Spec(pytest.Collector):
    """Every run and every check of one engine, in the order of the spec."""

    def __init__(self, *, engine: Adapter, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine = engine

    def collect(self) -> Iterator[pytest.Item]:
        """Runs come first: they are the longest, and parallel workers should not end with one."""
        from .checks import cases
        from .spec.runs import RUNS

        *parts, runs = (self.config.getoption(kind) for kind in KINDS)
        names = [name for part in parts for name in part]
        every = not names and not runs
        for run in RUNS:
            for dtype in self.engine.dtypes if every or run.name in runs else ():
                name = f"{run.name}::run::{dtype}"
                yield RunItem.from_parent(self, name=name, engine=self.engine, run=run, dtype=dtype)
        for item in () if runs and not names else cases(self.engine, names or None):
            name = f"{item.case.id}::{item.check}::{item.dtype}"
            yield CheckItem.from_parent(self, name=name, engine=self.engine, item=item)


class SpecItem(pytest.Item):
    """An item of the spec; a failure is shown as the judge's message, without a traceback."""

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, FailedCheckError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, None, str]:
        return self.nodeid.partition("::")[0], None, self.nodeid


class RunItem(SpecItem):
    """One training run on one engine, in one dtype."""

    def __init__(self, *, engine: Adapter, run: Run, dtype: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine, self.run, self.dtype = engine, run, dtype

    def runtest(self) -> None:
        from .report import watched

        (result,) = watched.train(self.engine, self.run, [self.dtype], silent)
        outcome(result)


class CheckItem(SpecItem):
    """One check of one case on one engine, in one dtype."""

    def __init__(self, *, engine: Adapter, item: Item, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.engine, self.item = engine, item

    def runtest(self) -> None:
        from .checks import run

        item = self.item
        result = run(self.engine, item.op, item.case, item.check, item.dtype)
        self.user_properties += [("error", result.error), ("torch_error", result.torch_error)]
        outcome(result)


def outcome(result: Result | RunResult) -> None:
    """Skip or fail the test item as the result says, with the engine's traceback if it raised."""
    if result.status == "skipped":
        pytest.skip(result.message)
    if result.status == "failed":
        raise FailedCheckError("\n".join(filter(None, (result.traceback, result.failure))))


class FailedCheckError(AssertionError):
    """A check or a run failed."""


@contextmanager
def silent(title: str, total: int) -> Iterator[Callable[[], object]]:
    """A stage without a progress bar."""
    yield lambda: None
