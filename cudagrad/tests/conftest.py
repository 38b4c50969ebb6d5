"""What the spec and the tests marked `launches` launch must stand in cudagrad.compile's table.

pytest --engine cudagrad --write-launches cudagrad/tests writes the table anew instead; of a part of
these tests, as by --op or -k, it adds to the table.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from recording import recorded

from cudagrad import device
from cudagrad.compile import table
from cudagrad.compile.table import Launch


@pytest.fixture
def collector_off() -> Iterator[None]:
    """Memory that reference cycles of earlier tests hold is not freed while a test counts it."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-launches", action="store_true", help="write cudagrad's launches.txt")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "launches: what it launches must stand in the table")
    # Not as hooks of this file, which would see the tests of this folder, but not the spec's.
    config.pluginmanager.register(Watch(config))


class Watch:
    """Compares what is launched with the table, or keeps it to write it."""

    def __init__(self, config: pytest.Config) -> None:
        self.writes = config.getoption("write_launches", False)
        self.table = set(table.launches())
        self.seen: set[Launch] = set()
        given, names = config.option, ("keyword", "markexpr", "op", "layer", "optimizer", "run")
        everything = Path(__file__).parent in [Path(arg).resolve() for arg in config.args]
        partly = not everything or any(getattr(given, name, None) for name in names)
        self.kept = self.table if partly else set()
        if self.writes and getattr(given, "engine", None) != ["cudagrad"]:
            raise pytest.UsageError("--write-launches needs --engine cudagrad")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        of_spec = not isinstance(item, pytest.Function)
        if device.EXECUTOR != "emulator" or not (of_spec or item.get_closest_marker("launches")):
            return (yield)
        seen: set[Launch] = set()
        with recorded(seen):
            result = yield
        self.seen |= seen
        unknown = sorted(map(str, seen - self.table))
        assert self.writes or not unknown, (
            f"launched, but not in cudagrad.compile's table: {'; '.join(unknown)}; "
            "the same command with --write-launches adds it"
        )
        return result

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A process of xdist has ended: this one collects what was launched there."""
        output = getattr(node, "workeroutput", {})  # none of a process that has crashed
        self.seen.update(Launch(*launch) for launch in output.get("launches", ()))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput["launches"] = sorted(map(tuple, self.seen))
        elif self.writes and not session.testsfailed:
            table.write(self.kept | self.seen)
