"""Check cudagrad on this machine and measure it beside torch; write gpu.json and gpu.md.

python -m cudagrad.gpu --out DIR [--scale full|small|mini] [--only PART ...]

Exits with 1 if a check fails, and with 2 for wrong input.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import device
from . import page, spec
from .cases import SCALES
from .ceilings import Ceilings
from .environment import environment
from .measuring import Figure, figures

SUMMARY = (__doc__ or "").partition("\n")[0]
PARTS = ("spec", "shapes", "sanitizer", "figures")
LARGEST = {"full": 1 << 20, "small": 65_537, "mini": 33}  # dims of the shapes that are checked
LONGEST = {"full": 2**31 - 1, "small": 65_537, "mini": 33}  # an array's elements; see arrays.empty
SIDES = {"full": 8192, "small": 256, "mini": 32}  # matrices whose product is the peak
SECONDS = {"full": 0.2, "small": 0.05, "mini": 0.001}  # for each contestant in each case


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    if device.EXECUTOR == "compiler":
        print(f"cudagrad.gpu: nothing can run: {device.describe()}", file=sys.stderr)
        return 2
    try:
        options.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        print(f"cudagrad.gpu: --out: {error}", file=sys.stderr)
        return 2
    scale = options.scale or ("full" if device.EXECUTOR == "gpu" else "small")
    parts = options.only or PARTS
    print(device.describe(), flush=True)
    report = made(scale, parts)
    (options.out / "gpu.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (options.out / "gpu.md").write_text(page.written(report), encoding="utf-8")
    failed = [check["name"] for check in report["checks"] if check["outcome"] == "failed"]
    print(f"failed: {', '.join(failed)}" if failed else "all checks that ran passed")
    print(f"written: {options.out / 'gpu.json'} and {options.out / 'gpu.md'}")
    return 1 if failed else 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("python -m cudagrad.gpu", description=SUMMARY)
    add = made.add_argument
    add("--out", type=Path, required=True, metavar="DIR", help="where to write to")
    add("--scale", choices=SCALES, help="sizes; full on a GPU, else small")
    add("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    return made


def made(scale: str, parts: Sequence[str]) -> dict[str, Any]:
    """All that is asked for, as JSON has it; each part is printed when it is done."""
    checks = []
    for check in _checks(scale, parts):
        print(f"{check.name}: {check.outcome}; {check.detail}", flush=True)
        checks.append(asdict(check))
    torch = _torch() if "figures" in parts else None
    ceilings = Ceilings(torch, SECONDS[scale], SIDES[scale])
    found: list[Figure] = []
    if "figures" in parts:
        for some in figures(SCALES[scale], torch, SECONDS[scale], ceilings):
            for figure in some:
                print(_line(figure), flush=True)
            found += some
    return {
        "environment": environment(),
        "scale": scale,
        "torch": torch.device if torch is not None else "",
        "checks": checks,
        "figures": [asdict(figure) for figure in found],
        "ceilings": _reached(ceilings) if found else {},
    }


def _reached(ceilings: Ceilings) -> dict[str, Any]:
    return {
        "bandwidths": ceilings.bandwidths,
        "peaks": ceilings.peaks,
        "reached_by": ceilings.reached_by,
    }


def _checks(scale: str, parts: Sequence[str]) -> Iterator[spec.Check]:
    if "shapes" in parts:
        yield from spec.shapes(LARGEST[scale])
        yield spec.longest(LONGEST[scale])
    if "spec" in parts:
        yield spec.parity(whole=scale == "full")
    if "sanitizer" in parts:
        yield from spec.sanitized()


def _torch() -> Any:
    """The contestant, or None where torch is not installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    return importlib.import_module("cudagrad.gpu.rivals").Torch()


def _line(figure: Figure) -> str:
    what = f"{figure.case} ({figure.size}, {figure.precision}), {figure.contestant}"
    if figure.refused:
        return f"{what}: refused: {figure.refused}"
    beside = "" if figure.ratio is None else f", {figure.ratio:.2f} times as fast as torch"
    return f"{what} on {figure.executor}: {figure.milliseconds:.4g} ms{beside}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
