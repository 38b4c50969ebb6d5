"""A file that is not what an option asks for is refused in words, not in Python's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parity.bench import rows
from parity.report import changes, mutation

READERS: dict[str, Callable[[Path], Any]] = {
    "is no report to compare with": lambda path: changes.read(path, 2),
    "holds no results of parity bench": rows.read,
    "holds no results of parity mutants": mutation.read,
}
FORM, JSON = "it is JSON of another form", "it is not JSON"


@pytest.mark.parametrize("otherwise", READERS)
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", JSON),
        (b"item ratio\nexp 0.7", JSON),
        (b"[" * 100_000, JSON),
        (b"PK\x03\x04\xff", "it is not UTF-8: there is the byte 0xff at 4"),
        (b"null", FORM),
        (b"3", FORM),
        (b'"results"', FORM),
        (b"[1, 2]", FORM),
    ],
)
def test_the_reason_is_told_in_words(
    otherwise: str, content: bytes, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)

    with pytest.raises(ValueError) as refused:  # noqa: PT011
        READERS[otherwise](file)
    assert str(refused.value) == f"{file} {otherwise}: {why}"


@pytest.mark.parametrize(
    ("otherwise", "value", "why"),
    [
        ("is no report to compare with", {}, "it has no 'schema'"),
        ("is no report to compare with", {"schema": 2}, "it has no 'created'"),
        ("is no report to compare with", {"schema": 1}, "its schema is 1, this compares 2"),
        ("holds no results of parity bench", {"rows": []}, "it has no 'schema'"),
        ("holds no results of parity bench", {"schema": 2, "rows": [{}]}, FORM),
        ("holds no results of parity mutants", [{"engine": "minigrad"}], "it has no 'passed'"),
        ("holds no results of parity mutants", {}, FORM),
    ],
)
def test_another_file_of_json_is_told_apart(
    otherwise: str, value: Any, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.json"
    file.write_text(json.dumps(value), encoding="utf-8")

    with pytest.raises(ValueError, match=f"a.json {otherwise}: {why}$"):
        READERS[otherwise](file)
