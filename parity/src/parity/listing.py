"""parity engines and parity ops: list engines, and which ops they have."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.table import Table

from .families import families
from .usage import ENGINES, UNUSABLE, loaded, printed

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.command()
@AS_JSON
def engines(as_json: bool) -> None:
    """List the engines, their dtypes, device and number of ops."""
    from . import engines as registry
    from .environment import executor, version

    found: list[dict[str, Any]] = []
    for name in registry.names():
        try:
            engine = registry.load(name)
        except UNUSABLE as error:
            found.append({"engine": name, "missing": str(error)})
            continue
        entry = {"version": version(engine), "dtypes": engine.dtypes, "executor": executor(engine)}
        found.append({"engine": name, **entry, "ops": len(engine.ops)})
    if as_json:
        click.echo(json.dumps(found, indent=1))
        return
    table, notes = Table("engine", "version", "dtypes", "runs on", "ops"), []
    for each in found:
        if "missing" in each:
            notes.append(each["missing"])
            continue
        kind, _, detail = each["executor"].partition(": ")
        if detail:
            notes.append(f"{each['engine']}'s {kind}: {detail}")
        dtypes, count = ", ".join(each["dtypes"]), str(each["ops"])
        table.add_row(each["engine"], each["version"], dtypes, kind, count)
    printed(table)
    for note in notes:
        click.echo(note)


@click.command()
@ENGINES
@AS_JSON
def ops(engine: tuple[str, ...], as_json: bool) -> None:
    """List the ops, and which of them an engine lacks."""
    chosen, every = loaded(engine), families()
    lacking = {
        each.name: [op for members in every.values() for op in members if op not in each.ops]
        for each in chosen
    }
    if as_json:
        named = [{"family": family, "op": op} for family, own in every.items() for op in own]
        click.echo(json.dumps({"ops": named, "lacking": lacking}, indent=1))
        return
    table = Table("family", "ops")
    for family, members in every.items():
        table.add_row(family, " ".join(members))
    printed(table)
    for name, lacks in lacking.items():
        click.echo(f"{name} lacks {', '.join(lacks) or 'nothing'}")
