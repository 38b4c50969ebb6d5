"""Build the four wheels and run each one's README example in an environment of its own.

python .ci/wheels.py DIR
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("micrograd", "minigrad", "cudagrad", "parity")


def run(*command: object, cwd: Path = ROOT) -> str:
    return subprocess.run(
        list(map(str, command)), cwd=cwd, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def main(folder: Path) -> None:
    for package in PACKAGES:
        wheels = folder / package / "wheel"
        run(sys.executable, "-m", "build", "--wheel", "--outdir", wheels, ROOT / package)
        (wheel,) = wheels.glob("*.whl")
        home = folder / package / "venv"
        venv.create(home, with_pip=True, clear=True)
        python = home / "bin" / "python"
        options = "--quiet", "--no-compile", "-c", ROOT / "constraints.txt"
        run(python, "-m", "pip", "install", *options, wheel)
        # From an empty folder, so that only what the wheel installed can be imported.
        empty = folder / package / "empty"
        empty.mkdir(exist_ok=True)
        run(python, "-m", "doctest", ROOT / package / "README.md", cwd=empty)
        installed = run(python, "-m", "pip", "list", "--format", "freeze").split()
        others = [name for name in installed if not name.startswith(("pip==", "setuptools=="))]
        print(f"{wheel.name}: README example runs beside {', '.join(others)}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
