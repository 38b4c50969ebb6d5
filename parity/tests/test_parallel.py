"""Training in two processes is training in one: through pipes here, through MPI where it is."""

from __future__ import annotations

import _ctypes
import ctypes
import json
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
import pytest

from parity import engines
from parity.bench.parallel import TURNS
from parity.cli import main
from parity.engines import Adapter
from parity.tasks import gradients
from parity.tasks.names import Names
from parity.tasks.parallel import ALONE, cuda_aware, share
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

    def __init__(self, rank: int, other: Connection, takes_gpu: bool = False) -> None:
        self.rank, self.other, self.takes_gpu = rank, other, takes_gpu
        self.sums_of_tensors = 0

    def sum(self, array: Any) -> None:
        memory = array
        if not isinstance(array, np.ndarray):  # a tensor of the emulator, whose memory is shared
            memory, self.sums_of_tensors = np.from_dlpack(array), self.sums_of_tensors + 1
        mine, theirs = memory.copy(), self._exchanged(memory)
        memory[...] = mine + theirs if self.rank == 0 else theirs + mine

    def gather(self, value: Any) -> list[Any]:
        theirs = self._exchanged(value)
        return [value, theirs] if self.rank == 0 else [theirs, value]

    def meet(self) -> None:
        self._exchanged(None)

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
        "way": training.door.way,
        "sums on the GPU": getattr(world, "sums_of_tensors", 0),
    }


def second(engine: str, task: str, other: Connection, on_gpu: bool) -> None:
    gradients.lies_on_gpu = lambda engine: on_gpu
    other.send(outcome(engine, task, Pair(1, other, on_gpu)))


def pair(engine: str, task: str, on_gpu: bool = False) -> list[dict[str, Any]]:
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=second, args=(engine, task, theirs, on_gpu), daemon=True)
    process.start()
    first = outcome(engine, task, Pair(0, ours, on_gpu))
    found = [first, ours.recv()]
    process.join()
    return found


WAYS = [
    *((engine, False) for engine in ("micrograd", "minigrad", "cudagrad", "torch")),
    ("cudagrad", True),
]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("engine", "on_gpu"), WAYS)
def test_two_processes_train_as_one(
    engine: str, on_gpu: bool, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Task = TASKS[task]()
    alone = Training(engines.load(engine), made)
    count = made.settings.accumulate
    for step in range(made.settings.steps):
        alone.advance([made.batch(step * count + i) for i in range(count)])

    monkeypatch.setattr(gradients, "lies_on_gpu", lambda engine: on_gpu)
    first, other = pair(engine, task, on_gpu)
    assert first["way"] == other["way"] == ("MPI, on the GPUs" if on_gpu else "MPI")
    assert first["sums on the GPU"] == other["sums on the GPU"] == on_gpu * made.settings.steps
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

    def __init__(self, rank: int, size: int, takes_gpu: bool = False) -> None:
        self.rank, self.size, self.takes_gpu = rank, size, takes_gpu

    def sum(self, array: Any) -> None: ...

    def gather(self, value: Any) -> list[Any]:
        return [value] * self.size

    def meet(self) -> None: ...

    def abort(self, status: int) -> NoReturn:
        raise SystemExit(status)


class Nccl(ModuleType):
    """What of nccl4py is used, for GPUs that hold NumPy arrays; all processes have the same."""

    SUM = "sum"

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuses: str = "") -> None:
        super().__init__("nccl.core")
        self.refuses, self.Communicator = refuses, self
        package = ModuleType("nccl")
        package.__spec__ = ModuleSpec("nccl", None)
        monkeypatch.setitem(sys.modules, "nccl", package)
        monkeypatch.setitem(sys.modules, "nccl.core", self)

    def get_unique_id(self) -> str:
        return "known to all"

    def init(self, size: int, rank: int, known_to_all: str) -> Nccl:
        if self.refuses:
            raise RuntimeError(self.refuses)
        assert known_to_all == "known to all"
        self.size = size
        return self

    def allreduce(self, source: Array, to: Array, op: str) -> None:
        assert op == self.SUM
        to[...] = source * self.size


@pytest.fixture
def a_gpu(monkeypatch: pytest.MonkeyPatch) -> Adapter:
    """An engine whose gradients lie on one."""
    monkeypatch.setattr(gradients, "lies_on_gpu", lambda engine: True)
    monkeypatch.setitem(sys.modules, "nccl", None)
    return engines.load("cudagrad")


def test_nccl_is_the_first_choice_for_a_gpu(
    a_gpu: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    Nccl(monkeypatch)
    door = gradients.door(a_gpu, Rank(0, 3, takes_gpu=True))
    numbers = np.arange(3.0)
    door.sum(numbers)

    assert (door.way, door.on_gpu) == ("NCCL, on the GPUs", True)
    assert numbers.tolist() == [0, 3, 6]


def test_without_nccl_an_mpi_that_takes_a_gpus_memory_is_next(a_gpu: Adapter) -> None:
    door = gradients.door(a_gpu, Rank(0, 2, takes_gpu=True))

    assert (door.way, door.on_gpu) == ("MPI, on the GPUs", True)


def test_else_gradients_go_through_the_host_and_it_is_said_why(a_gpu: Adapter) -> None:
    door = gradients.door(a_gpu, Rank(0, 2))

    assert not door.on_gpu
    assert door.way == (
        "MPI, through the host: there is no nccl4py, and this MPI does not take a GPU's memory"
    )


def test_all_processes_choose_what_all_of_them_have(
    a_gpu: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mixed(Rank):
        def gather(self, value: Any) -> list[Any]:
            return [value, False]

    Nccl(monkeypatch)

    assert not gradients.door(a_gpu, Mixed(0, 2, takes_gpu=True)).on_gpu


def test_a_single_process_asks_nobody(a_gpu: Adapter, monkeypatch: pytest.MonkeyPatch) -> None:
    Nccl(monkeypatch, refuses="it was not to be asked")

    assert not gradients.door(a_gpu, ALONE).on_gpu


def test_where_nccl_refuses_one_sentence_says_what_to_do(
    a_gpu: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    Nccl(monkeypatch, refuses="Duplicate GPU detected")
    with pytest.raises(OSError, match=r"join 2 processes \(Duplicate GPU detected\): give"):
        gradients.door(a_gpu, Rank(0, 2))


def test_what_is_not_finite_in_another_process_stops_this_one() -> None:
    class Elsewhere(Rank):
        def sum(self, array: Any) -> None:
            array += np.nan

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
    assert "minigrad: 2 processes, summed by MPI\n" in done.stderr
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert one.keys() == two.keys()
    for name, found in one.items():
        assert found == pytest.approx(two[name], rel=1e-12)


@mpi
def test_an_mpi_is_asked_whether_it_takes_a_gpus_memory() -> None:
    """That of the package index, which knows of no GPU, has the answer, and it is no."""
    from mpi4py import MPI

    assert hasattr(ctypes.CDLL(MPI.__file__), "MPIX_Query_cuda_support")
    assert not cuda_aware(MPI.__file__)


def test_an_mpi_that_cannot_say_so_takes_no_gpus_memory(tmp_path: Path) -> None:
    assert not cuda_aware(str(tmp_path / "none"))
    assert not cuda_aware(_ctypes.__file__)


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

    assert done.stderr.count("minigrad: on from step 5 of ") == 1
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


@mpi
def test_weak_scaling_is_of_one_process_beside_several() -> None:
    done = run(2, "bench", "parallel", "--preset", "tiny", "--pairs", 2)

    assert done.returncode == 0, done.stderr
    rows = [line.split("│") for line in done.stdout.splitlines() if "minigrad" in line]
    assert [row[2].strip() for row in rows] == list(TURNS)
    assert rows[0][4].strip() == "1.00 [1.00, 1.00]"
    assert all(float(row[3]) > 0 for row in rows)


def test_weak_scaling_takes_several_processes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "parallel"]) == 2
    assert "needs several processes: mpiexec -n 2 parity bench parallel" in (
        capsys.readouterr().err
    )
