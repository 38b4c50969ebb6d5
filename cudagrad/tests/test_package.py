"""That cudagrad needs no GPU and little else, is ours, and does what its documentation shows."""

from __future__ import annotations

import doctest
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import cudagrad

STEP_WITHOUT_GPU_OR_TORCH = """
import sys


class Ban:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "scipy", "micrograd", "minigrad", "parity"}:
            raise ImportError(f"cudagrad imported {name}")


sys.meta_path.insert(0, Ban())
import cudagrad

x = cudagrad.tensor([1.0, 2.0], requires_grad=True)
cudagrad.ops.softmax(x, dim=0).backward([1.0, 0.0])
print(cudagrad.device.EXECUTOR, x.grad.shape)
"""


def test_it_runs_without_a_gpu_and_says_so() -> None:
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", STEP_WITHOUT_GPU_OR_TORCH],
        check=True,
        capture_output=True,
        env=environment,
        text=True,
    )

    assert done.stdout == "emulator (2,)\n"


def test_the_executor_is_described_in_one_line() -> None:
    assert cudagrad.device.EXECUTOR in ("gpu", "emulator", "checker")
    assert len(cudagrad.device.describe().splitlines()) == 1


def test_it_is_this_projects_cudagrad() -> None:
    assert set(metadata.packages_distributions()["cudagrad"]) == {"threegrad-cudagrad"}


def test_the_examples_of_the_package_and_its_readme_run() -> None:
    readme = Path(__file__).parent.parent / "README.md"

    assert doctest.testmod(cudagrad).failed == 0
    assert doctest.testmod(cudagrad).attempted > 0
    assert doctest.testfile(str(readme), module_relative=False).failed == 0
