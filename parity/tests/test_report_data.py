"""The types of a report in data.py are those that schema.json documents for other readers."""

from __future__ import annotations

import copy
import json
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

import pytest

import parity.report
from parity.report import data

Schema = dict[str, Any]

SCHEMA: Schema = json.loads((Path(parity.report.__file__).parent / "schema.json").read_text())
NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
ANYTHING = dict[str, Any]  # a document of parity.bench, which has a schema of its own


def differences(hint: Any, schema: Schema, place: str = "report") -> Iterator[str]:
    """Where a type allows something else than a schema; a schema {} leaves it open."""
    if reference := schema.get("$ref"):
        schema = SCHEMA["$defs"][reference.rpartition("/")[2]]
    parts = get_args(hint) if get_origin(hint) in (types.UnionType, Literal) else (hint,)
    if get_origin(hint) is Literal:
        if set(parts) != set(schema.get("enum", ())):
            yield f"{place}: {parts}, not {schema.get('enum')}"
        return
    if schema and set(map(kind, parts)) != kinds(schema):
        yield f"{place}: {hint}, not {sorted(kinds(schema))}"
        return
    for part in parts:
        if get_origin(part) is list:
            yield from differences(get_args(part)[0], schema["items"], f"{place}[]")
        elif is_typeddict(part):
            yield from missing(part, schema, place)
            known = schema.get("properties", {})
            for key, inner in get_type_hints(part).items():
                yield from differences(inner, known.get(key, {}), f"{place}.{key}")
        elif get_origin(part) is dict and part != ANYTHING:
            inner = get_args(part)[1]
            yield from differences(inner, schema["additionalProperties"], f"{place}[name]")


def missing(entry: Any, schema: Schema, place: str) -> Iterator[str]:
    """The keys that only one of an entry's type and its schema has."""
    named = [schema["required"]]
    if schema.get("additionalProperties") is False:
        named.append(schema["properties"])
    for keys in named:
        for key in entry.__required_keys__ ^ set(keys):
            yield f"{place}.{key}: in one of the two alone"


def kind(hint: Any) -> str:
    """What JSON calls a type."""
    if get_origin(hint) is list:
        return "array"
    return NAMES.get(hint, "object")


def kinds(schema: Schema) -> set[str]:
    if "const" in schema:
        return {NAMES[type(schema["const"])]}
    found = schema["type"]
    return {found} if isinstance(found, str) else set(found)


def test_the_types_are_those_of_the_schema() -> None:
    assert list(differences(data.Report, SCHEMA)) == []


def test_every_type_is_in_the_report() -> None:
    """Otherwise the comparison would not see it."""
    seen: list[Any] = []
    waiting: list[Any] = [data.Report]
    while waiting:
        hint = waiting.pop()
        if hint not in seen:
            seen.append(hint)
            waiting += get_type_hints(hint).values() if is_typeddict(hint) else get_args(hint)

    assert {each for each in vars(data).values() if is_typeddict(each)} <= set(
        filter(is_typeddict, seen)
    )


def removed(schema: Schema) -> None:
    result = schema["properties"]["results"]["items"]
    result["required"].remove("used")
    del result["properties"]["used"]


def added(schema: Schema) -> None:
    schema["properties"]["selection"]["required"].append("layers")


def retyped(schema: Schema) -> None:
    schema["properties"]["results"]["items"]["properties"]["message"]["type"] = "number"


def never_null(schema: Schema) -> None:
    schema["properties"]["selection"]["properties"]["steps"]["type"] = "integer"


def restated(schema: Schema) -> None:
    schema["$defs"]["status"]["enum"].append("flaky")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (removed, "report.results[].used"),
        (added, "report.selection.layers"),
        (retyped, "report.results[].message"),
        (never_null, "report.selection.steps"),
        (restated, "report.results[].status"),
    ],
)
def test_a_difference_is_found(
    change: Callable[[Schema], None], place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = copy.deepcopy(SCHEMA)
    change(schema)
    monkeypatch.setitem(SCHEMA, "$defs", schema["$defs"])

    assert place in {found.partition(":")[0] for found in differences(data.Report, schema)}
