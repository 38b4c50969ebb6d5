"""The figures of a report, as plotly draws them."""

from __future__ import annotations

import itertools
from typing import Any, TypedDict

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ..bench.rows import Row
from . import data
from .matrix import by

Figure = dict[str, Any]  # as plotly describes one

# Distinguishable by the colour-blind, with a contrast of at least 3:1 to white and to black. Dashes
# and open markers mean float32.
COLOURS = ("#c26100", "#2f7fc1", "#00907f", "#c2348a", "#7a6fd0")
SYMBOLS = ("circle", "square", "diamond", "cross", "star")
TORCH = "#808080"
ENVELOPE = "rgba(128, 128, 128, 0.2)"
LOWEST = 1e-2  # where an error of zero is drawn on a logarithmic axis


class Line(TypedDict):
    """A contestant's times by size, which grow like elements ** exponent."""

    engine: str
    dtype: str
    elements: list[int]
    seconds: list[float]
    exponent: float


def trajectory(trainings: list[data.Training], engines: list[str]) -> Figure:
    """The losses of a run with torch's; below, the largest deviation from torch's so far, in eps.

    engines: all of the report's, so that each has the same colour in every figure.
    """
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.06)
    longest = max((training["loss"] for training in trainings), key=lambda loss: len(loss["torch"]))
    steps = list(range(1, len(longest["torch"]) + 1))
    torch_line = {"color": TORCH, "width": 7}
    figure.add_scatter(
        x=steps, y=longest["torch"], name="torch", line=torch_line, opacity=0.5, row=1, col=1
    )
    figure.add_scatter(
        x=steps,
        y=longest["limit"],
        name="round-off envelope",
        fill="tozeroy",
        fillcolor=ENVELOPE,
        line={"color": TORCH, "width": 1},
        row=2,
        col=1,
    )
    figure.add_scatter(
        x=steps,
        y=[on_log_axis(error) for error in longest["torch_error"]],
        name="torch float32",
        line={"color": TORCH, "width": 1.5, "dash": "dash"},
        row=2,
        col=1,
    )
    for training in trainings:
        name, colour, _ = style(training["engine"], training["dtype"], engines)
        width = max(1.0, 4.5 - 1.5 * engines.index(training["engine"]))
        dash = "solid" if training["dtype"] == "float64" else "dot"
        loss = training["loss"]
        deviation = list(itertools.accumulate(map(on_log_axis, loss["error"]), widest))
        for row, values in enumerate((loss["engine"], deviation), start=1):
            figure.add_scatter(
                x=steps,
                y=values,
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                # Losses that agree coincide: thinner lines on top leave all of them visible.
                line={"color": colour, "dash": dash, "width": width if row == 1 else 1.5},
                row=row,
                col=1,
            )
    figure.update_yaxes(title_text="loss", row=1, col=1)
    figure.update_yaxes(title_text="deviation (eps)", row=2, col=1, **LOGARITHMIC)
    figure.update_xaxes(title_text="step", row=2, col=1)
    return finished(figure, height=600)


def gradients(trainings: list[data.Training], engines: list[str]) -> Figure:
    """The error of every parameter's gradient in step 1, in eps, and the envelope."""
    figure = go.Figure()
    bands = trainings[0]["gradients"]
    names = [name.removeprefix("transformer.") for name in bands]
    figure.add_bar(
        x=[band["limit"] for band in bands.values()],
        y=names,
        orientation="h",
        name="round-off envelope",
        marker={"color": ENVELOPE, "line_width": 0},
    )
    marker = {"color": TORCH, "symbol": "line-ns-open", "size": 13, "line_width": 2}
    figure.add_scatter(
        x=[on_log_axis(band["torch_error"]) for band in bands.values()],
        y=names,
        name="torch float32",
        mode="markers",
        marker=marker,
    )
    for training in trainings:
        name, colour, symbol = style(training["engine"], training["dtype"], engines)
        figure.add_scatter(
            x=[on_log_axis(band["error"]) for band in training["gradients"].values()],
            y=names,
            name=name,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 9},
        )
    figure.update_xaxes(title_text="error (eps)", **LOGARITHMIC)
    figure.update_yaxes(autorange="reversed")
    return finished(figure, height=180 + 19 * len(names))


def ratios(rows: list[Row], engines: list[str], rival: str) -> Figure:
    """The ratio of each engine's time to the rival's, with quartiles."""
    figure = go.Figure()
    ordered = list(dict.fromkeys(row.op or row.item for row in rows))
    present = [row for row in rows if row.engine in engines]
    groups = by(lambda row: (row.engine, row.dtype), present)
    for engine, dtype in sorted(
        groups, key=lambda key: (engines.index(key[0]), key[1] != "float64")
    ):
        own = groups[engine, dtype]
        name, colour, symbol = style(engine, dtype, engines)
        figure.add_scatter(
            x=[row.ratio for row in own],
            y=[row.op or row.item for row in own],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [row.high - row.ratio for row in own],
                "arrayminus": [row.ratio - row.low for row in own],
                "thickness": 1.5,
                "width": 0,
            },
            name=name,
            mode="markers",
            marker={"color": colour, "symbol": symbol, "size": 8},
        )
    figure.add_vline(x=1, line={"color": TORCH, "width": 2})
    figure.update_xaxes(title_text=f"times as long as {rival}", **LOGARITHMIC)
    figure.update_yaxes(categoryorder="array", categoryarray=ordered, autorange="reversed")
    return finished(figure, height=140 + 19 * len(ordered))


def growth(lines: list[Line], engines: list[str]) -> Figure:
    """Seconds by size, both on logarithmic axes."""
    figure = go.Figure()
    for line in lines:
        name, colour, symbol = style(line["engine"], line["dtype"], engines)
        width = 2 if line["engine"] in engines else 4
        dash = "solid" if line["dtype"] == "float64" else "dot"
        figure.add_scatter(
            x=line["elements"],
            y=line["seconds"],
            name=f"{name}: n^{line['exponent']:.2f}",
            mode="lines+markers",
            line={"color": colour, "width": width, "dash": dash},
            marker={"symbol": symbol, "size": 7},
        )
    figure.update_xaxes(title_text="size n", **LOGARITHMIC)
    figure.update_yaxes(title_text="seconds", **LOGARITHMIC)
    return finished(figure, height=420)


LOGARITHMIC: dict[str, Any] = {"type": "log", "exponentformat": "power", "dtick": 1}


def style(engine: str, dtype: str, engines: list[str]) -> tuple[str, str, str]:
    """The legend entry of a contestant in a dtype, its colour and its marker; rivals are grey."""
    colour, symbol = TORCH, "circle"
    if engine in engines:
        place = engines.index(engine) % len(COLOURS)
        colour, symbol = COLOURS[place], SYMBOLS[place]
    return f"{engine} {dtype}", colour, symbol if dtype == "float64" else f"{symbol}-open"


def on_log_axis(error: float | None) -> float | None:
    """An error as drawn on a logarithmic axis; None, which is not finite, leaves a gap."""
    return None if error is None else max(error, LOWEST)


def widest(so_far: float | None, error: float | None) -> float | None:
    """The larger error; None, and nothing to draw, once one was not finite."""
    return None if so_far is None or error is None else max(so_far, error)


def finished(figure: go.Figure, height: int) -> Figure:
    """The figure for JSON; page.js sets the remaining colours for a light or dark page."""
    figure.update_layout(
        template="none",
        height=height,
        margin={"l": 60, "r": 12, "t": 12, "b": 48},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        hovermode="closest",
        hoverlabel={"namelength": -1},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(automargin=True, zeroline=False)
    figure.update_yaxes(automargin=True, zeroline=False)
    described: Figure = figure.to_plotly_json()
    return described
