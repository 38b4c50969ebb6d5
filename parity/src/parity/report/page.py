"""Write a report: index.html for people, report.json and junit.xml for machines, summary.md for
comments on a pull request."""

from __future__ import annotations

import base64
import functools
import json
import zlib
from pathlib import Path

import jinja2
from markupsafe import Markup
from plotly.offline import get_plotlyjs
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from .. import files
from ..bench.rows import LARGEST, Row
from . import (
    changes,
    data,
    figures,
    junit,
    ledger,
    matrix,
    mutation,
    speed,
    trainings,
    verdict,
    words,
)
from .data import Report

COMMENT = 60_000  # characters; GitHub's limit for a comment is 65536


class Run(trainings.Row):
    """A run as the page shows it."""

    trainings: list[data.Training]
    trajectory: figures.Figure | None
    gradients: figures.Figure | None


def write(report: Report, directory: Path) -> list[Path]:
    """Write the four files, each atomically; the directory is made if it is missing."""
    texts = {
        "index.html": html(report),
        "report.json": json.dumps(report, separators=(",", ":"), allow_nan=False) + "\n",
        "summary.md": markdown(report),
        "junit.xml": junit.xml(report),
    }
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        files.replace(directory / name, [text.encode("utf-8")])
    return [directory / name for name in texts]


def html(report: Report) -> str:
    """The self-contained page; everything from the report is escaped."""
    environment = templates()
    op_rows, part_rows = matrix.ops(report), matrix.parts(report)
    pace = speed.lines(report)
    rendered = {
        "report": report,
        "runs": runs(report),
        "op_rows": op_rows,
        "part_rows": part_rows,
        "families": list(dict.fromkeys(row["family"] for row in (*op_rows, *part_rows))),
        "pace": pace,
        "pace_figures": speed.drawn(report, pace),
        "growth": ledger.growth(report),
        "largest": LARGEST,
        "pages": {name: packed(text) for name, text in pages(report, environment, pace).items()},
        "plotly": packed(get_plotlyjs()),
    }
    return environment.get_template("index.html.j2").render(rendered)


def runs(report: Report) -> list[Run]:
    """Every run with its trainings and figures."""
    engines = [engine["name"] for engine in report["engines"]]
    found: list[Run] = []
    for run in trainings.matrix(report):
        own = [t for t in report["trainings"] if t["run"] == run["name"]]
        drawn = [t for t in own if t["loss"]["engine"]]
        measured = [t for t in drawn if t["gradients"]]
        found.append(
            {
                **run,
                "trainings": own,
                "trajectory": figures.trajectory(drawn, engines) if drawn else None,
                "gradients": figures.gradients(measured, engines) if measured else None,
            }
        )
    return found


def pages(report: Report, environment: jinja2.Environment, pace: list[Row]) -> dict[str, str]:
    """The HTML page of every op and part, by name."""
    template = environment.get_template("op.html.j2")
    entries: dict[str, data.Op | data.Part] = {op["name"]: op for op in report["ops"]}
    entries |= {part["name"]: part for part in report["parts"]}
    rows = [*matrix.ops(report), *matrix.parts(report)]
    by_case = matrix.by(lambda result: result["case"], report["results"])
    by_op = matrix.by(lambda line: line.op, pace)
    costs = matrix.by(lambda entry: entry["op"], ledger.entries(report, "ops"))
    faults = matrix.by(lambda fault: fault["op"], report["faults"])
    found = {}
    for row, before, after in zip(rows, [None, *rows], [*rows[1:], None], strict=False):
        found[row["name"]] = template.render(
            entry=entries[row["name"]],
            row=row,
            before=before and before["name"],
            after=after and after["name"],
            engines=report["engines"],
            by_case=by_case,
            pace=[line for line in by_op[row["name"]] if line.kind == "ops"],
            costs=costs[row["name"]],
            faults=faults[row["name"]],
            mutants=mutation.of_op(report, row["name"]),
        )
    return found


def packed(text: str) -> str:
    """Compress text, to keep the page small; page.js unpacks what is looked at."""
    return base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")


def markdown(report: Report) -> str:
    """The summary, cut to the size of a comment."""
    text = templates().get_template("summary.md.j2").render(report=report)
    if len(text) <= COMMENT:
        return text
    return text[:COMMENT].rpartition("\n")[0] + "\n\n(cut: the rest is in report.json)\n"


def templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("parity.report"),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals |= {
        "changes": changes,
        "ledger": ledger,
        "matrix": matrix,
        "mutation": mutation,
        "speed": speed,
        "trainings": trainings,
        "verdict": verdict,
        "words": words,
        "code_styles": code_styles,
    }
    environment.filters |= {
        "eps": words.eps,
        "loss": words.loss,
        "milliseconds": words.milliseconds,
        "duration": words.duration,
        "times": words.times,
        "part": words.part,
        "percent": words.percent,
        "case_anchor": words.case_anchor,
        "highlight": highlighted,
        "inline": inline,
    }
    return environment


@functools.cache  # a function called by several ops is shown with each of them
def highlighted(text: str) -> Markup:
    """Python code in HTML, escaped by the highlighter."""
    return Markup(highlight(text, PythonLexer(), HtmlFormatter()))


def code_styles() -> Markup:
    """The CSS of highlighted code, for light and dark pages."""
    light, dark = (
        HtmlFormatter(style=style).get_style_defs(".code") for style in ("default", "github-dark")
    )
    return Markup(f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n")


def inline(text: str) -> str:
    """text as inline code in a Markdown table, without characters that end the code or the cell."""
    flat = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{flat}`"
