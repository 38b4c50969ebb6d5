"""keep_memory: what it asks of glibc, when, and that it undoes all of it."""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from minigrad import keep_memory, memory


class Library:
    """A C library that records what it is asked."""

    gnu_get_libc_version = True

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def mallopt(self, option: int, value: int) -> None:
        self.asked.append((option, value))

    def malloc_trim(self, pad: int) -> None:
        self.asked.append("trim")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Library:
    library = Library()
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.delenv("MINIGRAD_KEEP_MEMORY", raising=False)
    return library


def test_memory_is_kept_inside_and_given_back_after_the_outermost(library: Library) -> None:
    kept, usual = list(memory.KEPT.items()), list(memory.USUAL.items())
    with keep_memory():
        with keep_memory():
            assert library.asked == kept
        assert library.asked == kept

    assert library.asked == [*kept, *usual, "trim"]


def test_an_error_gives_it_back(library: Library) -> None:
    with pytest.raises(KeyError), keep_memory():
        raise KeyError

    assert library.asked[-1] == "trim"


def test_nothing_is_asked_where_that_is_not_wanted(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIGRAD_KEEP_MEMORY", "0")
    with keep_memory():
        pass

    assert library.asked == []


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    with keep_memory():
        entered = True

    assert entered


def test_this_process_may_do_it() -> None:
    with keep_memory():
        assert bytearray(1 << 20)[-1] == 0
