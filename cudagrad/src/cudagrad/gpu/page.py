"""What was found, as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

CHECKS = ("check", "outcome", "detail", "seconds")
FIGURES = (
    "case",
    "size",
    "precision",
    "contestant",
    "executor",
    "ms",
    "GB/s",
    "of copy",
    "TFLOP/s",
    "of peak",
    "× torch",
)


def written(report: dict[str, Any]) -> str:
    """The report of __main__, which is JSON, for readers."""
    found = report["environment"]
    lines = ["# cudagrad on this machine", "", f"{found['date']}; {found['device']}.", ""]
    if report["torch"]:
        lines += [f"torch ran on {report['torch']}.", ""]
    else:
        lines += ["torch is not there, so nothing is compared with it.", ""]
    rows = [(name, _plain(value)) for name, value in found.items() if name != "packages"]
    rows += list(found["packages"].items())
    lines += [*_table(("environment", ""), rows), "", "## Checks", ""]
    checks = [
        (c["name"], c["outcome"], c["detail"], f"{c['seconds']:.1f}") for c in report["checks"]
    ]
    lines += [*_table(CHECKS, checks), "", "## Figures", ""]
    lines += [
        f"Sizes: {report['scale']}. Each time is a median of interleaved rounds. Of copy: of the "
        "bandwidth that a copy of as many bytes reached here; of peak: of the speed that a large "
        "matrix product reached in that precision. × torch: how many times as fast as torch. A "
        "figure that no machine could reach is refused, and says so instead.",
        "",
    ]
    if found["executor"] != "gpu":
        lines += ["The emulator's figures say nothing about a GPU.", ""]
    figures = [_row(figure) for figure in report["figures"]]
    lines += _table(FIGURES, figures)
    ceilings = report["ceilings"]
    if ceilings:
        lines += ["", "## Ceilings", "", *_table(("what", "reached", "by"), _reached(ceilings))]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    return ", ".join(value.values()) if isinstance(value, dict) else str(value)


def _row(figure: dict[str, Any]) -> tuple[str, ...]:
    names = tuple(str(figure[name]) for name in ("case", "size", "precision", "contestant"))
    if figure["refused"]:
        return (*names, figure["executor"], f"refused: {figure['refused']}", *["-"] * 5)
    return (
        *names,
        figure["executor"],
        f"{figure['milliseconds']:.4g}",
        _scaled(figure["bandwidth"], 1e9),
        _share(figure["of_copy"]),
        _scaled(figure["speed"], 1e12),
        _share(figure["of_peak"]),
        _share(figure["ratio"]),
    )


def _reached(ceilings: dict[str, dict[Any, Any]]) -> list[tuple[str, str, str]]:
    by = ceilings["reached_by"]
    rows = [
        (f"copy that moves {int(size):,} bytes", f"{speed / 1e9:.4g} GB/s", by[size])
        for size, speed in ceilings["bandwidths"].items()
    ]
    return rows + [
        (f"matrix product in {precision}", f"{speed / 1e12:.4g} TFLOP/s", by[precision])
        for precision, speed in ceilings["peaks"].items()
    ]


def _scaled(value: float | None, unit: float) -> str:
    return "-" if value is None else f"{value / unit:.4g}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    clean = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *clean)]
