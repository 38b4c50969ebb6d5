"""Training in two processes is training in one: through pipes here, through MPI where it is."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from parity import engines
from parity.cli import main
from parity.tasks.names import Names
from parity.tasks.parallel import share
from parity.tasks.settings import Settings
from parity.tasks.task import Array, Task
from parity.tasks.text import Text
from parity.tasks.tokenizers import Characters
from parity.tasks.training import DivergedError, Training
from parity.tasks.xor import Xor

LINES = "a bad cab fed a deaf bee; " * 6
SIZES = {"n_layer": 1, "n_head": 2, "n_embd": 4, "block_size": 4}
STEPS = Settings(
    5, 3, "Adam", 1e-2, accumulate=2, clip=0.5, schedule="cosine", warmup=2, dtype="float64"
)
TASKS = {
    "rows that cannot be halved": lambda: Text(STEPS, SIZES, LINES, Characters.of(LINES)),
    "one row a batch": lambda: Names(replace(STEPS, batch_size=1), ["ada", "lin", "bo", "grace"]),
    "a process without rows": lambda: Names(
        replace(STEPS, batch_size=1, accumulate=1), ["ada", "lin", "bo"]
    ),
}


class Pair:
    """Two processes, joined by a pipe."""

    size = 2

    def __init__(self, rank: int, other: Connection) -> None:
        self.rank, self.other = rank, other

    def sum(self, array: Array) -> Array:
        mine, theirs = array.copy(), self._exchanged(array)
        return mine + theirs if self.rank == 0 else theirs + mine

    def gather(self, value: Any) -> list[Any]:
        theirs = self._exchanged(value)
        return [value, theirs] if self.rank == 0 else [theirs, value]

    def abort(self, status: int) -> NoReturn:
        raise SystemExit(status)

    def _exchanged(self, value: Any) -> Any:
        # Not send(): torch has taught it to share a tensor's memory, which ends with the process.
        self.other.send_bytes(pickle.dumps(value))
        return pickle.loads(self.other.recv_bytes())


def outcome(engine: str, task: str, world: Any) -> dict[str, Any]:
    """What a process of the world has after all steps."""
    made: Task = TASKS[task]()
    training = Training(engines.load(engine), made, world=world)
    settings = made.settings
    for step in range(settings.steps):
        first = step * settings.accumulate
        training.advance([made.batch(first + i) for i in range(settings.accumulate)])
    weights = training.model.state_dict()
    return {
        "losses": training.history.losses,
        "weights": {name: np.asarray(value) for name, value in weights.items()},
        "random states": len(training.state_dict()["random"]),
    }


def second(engine: str, task: str, other: Connection) -> None:
    other.send(outcome(engine, task, Pair(1, other)))


def pair(engine: str, task: str) -> list[dict[str, Any]]:
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=second, args=(engine, task, theirs), daemon=True)
    process.start()
    first = outcome(engine, task, Pair(0, ours))
    found = [first, ours.recv()]
    process.join()
    return found


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("engine", ["micrograd", "minigrad", "cudagrad", "torch"])
def test_two_processes_train_as_one(engine: str, task: str) -> None:
    made: Task = TASKS[task]()
    alone = Training(engines.load(engine), made)
    count = made.settings.accumulate
    for step in range(made.settings.steps):
        alone.advance([made.batch(step * count + i) for i in range(count)])

    first, other = pair(engine, task)
    assert first["losses"] == other["losses"]
    assert first["losses"] == pytest.approx(alone.history.losses, rel=1e-12)
    assert first["random states"] == 2
    for name, value in alone.model.state_dict().items():
        assert np.array_equal(first["weights"][name], other["weights"][name])
        assert first["weights"][name] == pytest.approx(np.asarray(value), rel=1e-9, abs=1e-12)


def test_every_row_is_somebodys() -> None:
    batch = [np.arange(5), np.arange(5) * 2]
    for number in range(3):
        found = [share(batch, number, Rank(rank, 3)) for rank in range(3)]
        rows = [row for (inputs, _), _ in found for row in inputs.tolist()]
        assert sorted(rows) == [0, 1, 2, 3, 4]
        assert sum(part for _, part in found) == pytest.approx(1)
        for (inputs, answers), part in found:
            assert np.array_equal(inputs * 2, answers)
            assert part == len(inputs) / 5


class Rank:
    """One of so many processes, of which there is no other."""

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size

    def sum(self, array: Array) -> Array:
        return array

    def gather(self, value: Any) -> list[Any]:
        return [value] * self.size

    def abort(self, status: int) -> NoReturn:
        raise SystemExit(status)


def test_what_is_not_finite_in_another_process_stops_this_one() -> None:
    class Elsewhere(Rank):
        def sum(self, array: Array) -> Array:
            return array + np.nan

    task = Xor(Settings(steps=2, batch_size=4, optimizer="SGD", lr=0.3))
    training = Training(engines.load("minigrad"), task, world=Elsewhere(0, 2))
    with pytest.raises(DivergedError, match="the loss of step 1 is not finite"):
        training.advance([task.batch(0)])


def test_another_number_of_processes_does_not_go_on() -> None:
    task = Xor(Settings(steps=2, batch_size=4, optimizer="SGD", lr=0.3))
    state = Training(engines.load("minigrad"), task, world=Rank(0, 3)).state_dict()

    with pytest.raises(ValueError, match="by 3 processes does not go on with 1"):
        Training(engines.load("minigrad"), task).load_state_dict(state)


def test_without_mpi4py_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setitem(sys.modules, "mpi4py", None)

    assert main(["train", "xor", "--steps", "1"]) == 2
    said = capsys.readouterr().err
    assert said == "parity: parity needs the package mpi4py: pip install mpi4py\n"


MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent)]))
mpi = pytest.mark.skipif(
    MPIEXEC is None or find_spec("mpi4py") is None,
    reason="MPI is not installed: tox -e mpi installs it",
)


def run(count: int, *arguments: Any) -> subprocess.CompletedProcess[str]:
    """parity, in so many processes."""
    code = "import sys; from parity.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [str(MPIEXEC), "-n", str(count), sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def losses(out: Path) -> dict[str, Sequence[float]]:
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["trainings"]
    return {name: each["losses"] for name, each in found.items()}


@mpi
def test_mpi_trains_as_one_process_does(tmp_path: Path) -> None:
    command = "train text --preset tiny --engine micrograd,minigrad,torch --steps 20 --out"
    assert main([*command.split(), str(tmp_path / "one")]) == 0
    done = run(2, *command.split(), tmp_path / "two")

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ms per step") == 1
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, found in one.items():
        assert found == pytest.approx(two[name], rel=1e-12)


@mpi
def test_mpi_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    command = "train text --preset tiny --dropout 0.1 --checkpoint-every 5 --schedule constant"
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    for options in (
        ("--steps", 10, "--out", whole),
        ("--steps", 5, "--out", halves),
        ("--steps", 10, "--out", halves, "--resume"),
    ):
        done = run(2, *command.split(), *options)
        assert done.returncode == 0, done.stderr

    assert losses(whole) == losses(halves)
    done = run(3, *command.split(), "--steps", 10, "--out", whole, "--resume")
    assert done.returncode == 2
    assert "by 2 processes does not go on with 3" in done.stderr


@mpi
def test_mpi_ends_all_processes_where_one_cannot_go_on(tmp_path: Path) -> None:
    done = run(2, "train", "xor", "--lr", "1e200", "--out", tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("is not finite") == 1

    done = run(2, "train", "text", "--data", tmp_path / "none")
    assert done.returncode == 2
    assert "No such file" in done.stderr
    assert "Traceback" not in done.stderr
