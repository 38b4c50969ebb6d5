"""parity train moons, sales and digits: that they learn, and refuse what they cannot learn from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from parity.cli import main
from parity.tasks.data import downloads, shop


def metrics(out: Path) -> dict[str, dict[str, float]]:
    """Of each engine, from what a training has written."""
    engines = json.loads((out / "metrics.json").read_text(encoding="utf-8"))["trainings"]
    return {name: engine["metrics"] for name, engine in engines.items()}


@pytest.fixture(scope="module")
def sold(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sales") / "sales.tsv"
    shop.write(path, 20_000)
    return path


def test_moons_are_told_apart_without_a_mistake(tmp_path: Path) -> None:
    assert main(f"train moons --engine minigrad,torch --out {tmp_path}".split()) == 0
    assert metrics(tmp_path) == {name: {"test accuracy": 1} for name in ("minigrad", "torch")}


def test_sales_are_predicted_ten_times_better_than_by_their_mean(
    sold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = f"--optimizer adam,SGD --batch-size 64 --data {sold} --out {tmp_path}"

    assert main(f"train sales --engine minigrad {options}".split()) == 0
    found = metrics(tmp_path)
    assert list(found) == ["minigrad Adam", "minigrad SGD"]
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        "minigrad-Adam",
        "minigrad-SGD",
    }
    for each in found.values():
        assert each["test MAE"] < each["test MAE of the mean"] / 10
    said = capsys.readouterr()
    assert re.search(r"^skipped \d of 20000 lines:\n  line \d+: ", said.err)
    # The loss and the MAE, each after each of five epochs.
    assert [len(re.findall(rf"^│ {epoch} +│", said.out, re.M)) for epoch in range(7)] == [
        *(0, 2, 2, 2, 2, 2, 0)
    ]


def test_an_epoch_is_told_by_the_mean_of_its_losses(
    sold: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = f"--steps 12 --batch-size 2000 --data {sold} --out {tmp_path}"

    assert main(f"train sales {options}".split()) == 0
    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert found["epoch"] == 8
    losses = found["trainings"]["minigrad"]["losses"]
    rows = re.findall(r"^│ ([\d.]+) +│ +([\d.]+) │", capsys.readouterr().out, re.M)
    means = {"1": sum(losses[:8]) / 8, "1.5": sum(losses[8:]) / 4}
    assert {epoch: float(loss) for epoch, loss in rows} == pytest.approx(means, rel=1e-5)


def test_digits_are_read(tmp_path: Path) -> None:
    options = f"--steps 600 --out {tmp_path}"

    assert main(f"train digits --engine minigrad,torch {options}".split()) == 0
    assert all(each["test accuracy"] > 0.96 for each in metrics(tmp_path).values())


@pytest.mark.parametrize("task", ["moons", "sales", "digits"])
def test_every_engine_starts_alike(task: str, sold: Path, tmp_path: Path) -> None:
    data = f"--data {sold}" if task == "sales" else ""
    options = f"--steps 2 --batch-size 2 --dtype float64 --out {tmp_path} {data}"

    assert main(f"train {task} --engine minigrad,cudagrad,torch {options}".split()) == 0
    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))["trainings"]
    losses = [engine["losses"] for engine in found.values()]
    assert losses[0] == pytest.approx(losses[2], rel=1e-12)
    assert losses[1] == pytest.approx(losses[2], rel=1e-12)


@pytest.mark.parametrize(
    ("options", "content", "sentence"),
    [
        ("", None, "name a file with --data; parity data sales can write one"),
        ("--data {tmp}/none", None, "{tmp}/none: No such file or directory"),
        ("--data {tmp}", None, "{tmp}: Is a directory"),
        ("--data {file}", b"", "{file} has no usable sale: it is empty"),
        (
            "--data {file}",
            b"a\tb\tc\td\te\tf\tg\th\ti\n",
            "{file} has no usable sale: line 1: 9",
        ),
        ("--data {file}", bytes(range(256)) * 9, "{file} has no usable sale: line 1: 2"),
        (
            "--data {file}",
            b"n\tc\t2024-01-01\tt\t1\t2.0\tcat\tu\t2\t1",
            "one sale is too few: one is needed for training, one for the test",
        ),
        ("--optimizer Adamant --data {file}", b"", "Invalid value for '--optimizer': 'Adamant' is"),
        ("--engine megagrad --data {sold}", None, "no engine 'megagrad'; there are micrograd"),
    ],
)
def test_sales_that_cannot_be_learnt_from_are_refused(
    options: str,
    content: bytes | None,
    sentence: str,
    sold: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places: dict[str, Any] = {"tmp": tmp_path, "file": tmp_path / "file", "sold": sold}
    if content is not None:
        places["file"].write_bytes(content)

    assert main(["train", "sales", *options.format(**places).split()]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"parity: {sentence.format(**places)}")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--data {tmp}/none", "{tmp}/none is no folder; MNIST's four files are expected there"),
        ("--data {tmp}", "{tmp} has neither train-images-idx3-ubyte nor train-images-idx3-ubyte.g"),
        ("--download", "cannot download text from "),
    ],
)
def test_digits_that_are_not_there_are_refused(
    options: str,
    sentence: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nowhere = downloads.Source("text", (f"file://{tmp_path}/none",), 1, "")
    monkeypatch.setitem(downloads.SETS, "mnist", (nowhere,))
    monkeypatch.setenv("PARITY_CACHE", str(tmp_path))

    assert main(["train", "digits", *options.format(tmp=tmp_path).split()]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"parity: {sentence.format(tmp=tmp_path)}")
    assert said.count("\n") == 1
