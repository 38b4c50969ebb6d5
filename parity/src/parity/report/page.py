"""A report in files: index.html for people, report.json for machines, summary.md for comments."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jinja2
from plotly.offline import get_plotlyjs

from . import figures, trainings, verdict

Report = dict[str, Any]

COMMENT = 60_000  # characters; GitHub refuses a comment of more than 65536


def write(report: Report, directory: Path) -> list[Path]:
    """Write the three files into a directory, which exists; each appears whole or not at all."""
    texts = {
        "index.html": html(report),
        "report.json": json.dumps(report, indent=1, allow_nan=False) + "\n",
        "summary.md": markdown(report),
    }
    for name, text in texts.items():
        unfinished = directory / f".{name}.unfinished"
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, directory / name)
    return [directory / name for name in texts]


def html(report: Report) -> str:
    """The page: self-contained, everything that comes from the report escaped."""
    runs = []
    engines = [engine["name"] for engine in report["engines"]]
    for run in trainings.matrix(report):
        own = [t for t in report["trainings"] if t["run"] == run["name"]]
        drawn = [t for t in own if t["loss"]["engine"]]
        measured = [t for t in drawn if t["gradients"]]
        runs.append(
            run
            | {
                "trainings": own,
                "trajectory": figures.trajectory(drawn, engines) if drawn else None,
                "gradients": figures.gradients(measured, engines) if measured else None,
            }
        )
    return (
        templates()
        .get_template("index.html.j2")
        .render(
            report=report, runs=runs, verdict=verdict, trainings=trainings, plotly=get_plotlyjs()
        )
    )


def markdown(report: Report) -> str:
    """The summary, cut to what fits a comment."""
    template = templates().get_template("summary.md.j2")
    text = template.render(report=report, verdict=verdict, trainings=trainings)
    if len(text) <= COMMENT:
        return text
    return text[:COMMENT].rpartition("\n")[0] + "\n\n(cut: the rest is in report.json)\n"


def templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("parity", "report"),
        autoescape=lambda name: name == "index.html.j2",
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "eps": verdict.eps,
        "milliseconds": verdict.milliseconds,
        "shade": verdict.shade,
        "inline": inline,
    }
    return environment


def inline(text: str) -> str:
    """text as one line of code in a Markdown table: no mark in it may end the code or the cell."""
    flat = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{flat}`"
