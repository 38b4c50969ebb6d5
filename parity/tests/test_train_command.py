"""parity train and parity generate: what they print and keep, and what they refuse."""

from __future__ import annotations

import errno
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import threadpoolctl

from parity import engines
from parity.cli import main
from parity.tasks.training import Training
from parity.tasks.xor import Xor

TINY = "train text --preset tiny --eval-every 0"
PNG = b"\x89PNG\r\n\x1a\n"


def parity(command: str, **places: Any) -> int:
    """The command's exit status; places: what stands for {names} in it."""
    return main([word.format(**places) for word in shlex.split(command)])


def last_model(folder: Path) -> dict[str, bytes]:
    """The weights in the newest checkpoint of minigrad's."""
    path = max((folder / "minigrad").glob("step-*"))
    model = engines.load("minigrad").package.load(path)["model"]
    return {name: np.asarray(value).tobytes() for name, value in model.items()}


@pytest.mark.parametrize("engine", ["micrograd", "minigrad", "cudagrad", "torch"])
def test_every_engine_learns_xor(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity(f"train xor --engine {engine}") == 0

    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if "xor" in line] == [
        "0 xor 0 = 0.0000",
        "0 xor 1 = 1.0000",
        "1 xor 0 = 1.0000",
        "1 xor 1 = 0.0000",
    ]
    for step in (1, *range(500, 5001, 500)):
        assert f"│ {step} " in out


@pytest.mark.parametrize("seed", range(1, 6))
def test_xor_is_learnt_from_other_weights_too(seed: int, tmp_path: Path) -> None:
    assert parity(f"train xor --seed {seed} --out {{out}}", out=tmp_path) == 0

    metrics = json.loads((tmp_path / "metrics.json").read_text())["trainings"]["minigrad"][
        "metrics"
    ]
    assert metrics["largest error"] < 0.1


def test_several_engines_are_in_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("micrograd", "minigrad", "torch")
    command = f"train xor --engine {','.join(names)} --steps 20 --dtype float64 --out {{out}}"
    assert parity(command, out=tmp_path) == 0

    out = capsys.readouterr().out
    header, first = out.splitlines()[1], out.splitlines()[3]
    assert header.replace("┃", " ").split() == ["step", *names]
    step, *losses = first.replace("│", " ").split()
    assert step == "1"
    assert len(set(losses)) == 1
    for row in ("largest error", "ms per step, one thread each", "loss off torch's by"):
        assert out.count(row) == 1
    kept = json.loads((tmp_path / "metrics.json").read_text())
    assert list(kept["trainings"]) == list(names)
    for name, found in kept["trainings"].items():
        assert len(found["losses"]) == 20
        assert found["evaluations"] == [{"step": 20, **found["metrics"]}]
        deviation = found["largest deviation of the loss from torch's"]
        assert deviation is None if name == "torch" else deviation < 1e-13
        assert [p.name[:11] for p in (tmp_path / name).iterdir()] == ["step-000020"]
    assert (tmp_path / "curve.png").read_bytes().startswith(PNG)


def test_nothing_is_written_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parity("train xor --steps 5 --checkpoint-every 1") == 0

    assert list(tmp_path.iterdir()) == []
    assert "written" not in capsys.readouterr().out


@pytest.mark.parametrize("command", [f"{TINY} --steps 2", "train names --steps 2 --eval-every 1"])
def test_torch_is_imported_only_where_it_trains(command: str) -> None:
    code = (
        "import sys; from parity.cli import main; status = main(sys.argv[1:]);"
        "print(*(name for name in ('torch', 'numba', 'matplotlib', 'sklearn', 'parity.spec')"
        " if name in sys.modules), sep=','); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command.split()], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == ""
    assert "step 1 of 2: loss 3." in done.stderr
    assert "tokens/s" in done.stderr
    assert "left" in done.stderr


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("train xor --engine megagrad", "no engine 'megagrad'; there are micrograd, minigrad"),
        ("train xor --optimizer Adamm", "Invalid value for '--optimizer'"),
        ("train xor --lr 0", "Invalid value for '--lr'"),
        ("train xor --lr nan", "Invalid value for '--lr': nan is not a finite number"),
        ("train xor --clip inf", "Invalid value for '--clip': inf is not a finite number"),
        ("train text --dropout nan", "Invalid value for '--dropout': nan is not a finite number"),
        ("train moons --seed 4294967296", "Invalid value for '--seed': 4294967296 is not in"),
        ("train xor --batch-size 5", "a batch is the whole truth table: leave out --batch-size"),
        ("train xor --resume", "--resume needs --out, the folder to continue from"),
        ("train xor --out {tmp}/empty", "'{tmp}/empty' is a file"),
        ("train xor --out {tmp}/empty/below", "cannot write to {tmp}/empty/below: "),
        ("train xor --out {tmp}/out", "cannot write to {tmp}/out/minigrad: it is a file"),
        ("train text --data {tmp}/none", "{tmp}/none: No such file or directory"),
        ("train text --data {tmp}", "{tmp}: Is a directory"),
        ("train text --data {tmp}/empty", "{tmp}/empty is empty"),
        (
            "train text --data {tmp}/bytes",
            "cannot read {tmp}/bytes: it is not UTF-8: there is the byte 0xff at 2",
        ),
        ("train text --data {tmp}/short", "its last tenth, for validation, has 3 tokens, and a co"),
        ("train text --tokenizer bpe", "no tokenizer 'bpe'; there are char, byte, or a file that"),
        ("train text --tokenizer {tmp}/short", "cannot use the tokenizer {tmp}/short: "),
        ("train text --tokenizer {tmp}/bytes", "cannot use the tokenizer {tmp}/bytes: it is not U"),
        ("train text --tokenizer {tmp}/a.json", "cannot use the tokenizer {tmp}/a.json: it is not"),
        ("train text --tokenizer {tmp}/a.tiktoken", "a.tiktoken: line 1 is not a token in base64"),
        ("train text --data {tmp}/short --corpus python", "--data and --corpus exclude each other"),
        ("train names --data {tmp}/none", "{tmp}/none: "),
        ("train names --data {tmp}/one", "one name is too few"),
        ("train names --batch-size 2", "a batch is one name: --accumulate makes a step of several"),
        ("generate --checkpoint {tmp}/none --prompt a", "{tmp}/none does not exist"),
        ("generate --checkpoint {tmp} --prompt a", "there is no checkpoint in {tmp}"),
        ("generate --checkpoint {tmp}/short --prompt a", "{tmp}/short is not a checkpoint that an"),
        ("generate --checkpoint {tmp}/a.json", "{tmp}/a.json is damaged, or is not a file that"),
        ("generate --checkpoint {tmp}/b.json", "{tmp}/b.json is not a checkpoint of a training"),
        (
            "generate --checkpoint {tmp} --greedy --top-k 3",
            "--greedy does not sample: leave out -",
        ),
        ("generate --checkpoint {tmp} --engine x", "no engine 'x'; there are"),
        ("generate --checkpoint {tmp} --temperature inf", "--temperature': inf is not a finite n"),
        ("generate --checkpoint {tmp} --temperature 0", "Invalid value for '--temperature'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    command: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = {"empty": "", "short": "too short to be split", "one": "ada\n\n", "a.json": "{}"}
    for name, content in (files | {"a.tiktoken": "a"}).items():
        (tmp_path / name).write_text(content)
    engines.load("micrograd").package.save({"step": 1}, tmp_path / "b.json")
    (tmp_path / "bytes").write_bytes(b"ab\xffc")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "minigrad").write_text("where checkpoints would be")

    assert parity(command, tmp=tmp_path) == 2
    refused = capsys.readouterr()
    assert sentence.format(tmp=tmp_path) in refused.err
    assert refused.err.startswith("parity: ")
    assert refused.err.count("\n") == 1
    assert refused.out == ""


def test_a_missing_library_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    monkeypatch.setitem(sys.modules, "tokenizers", None)

    assert parity("train text --tokenizer {tmp}/tokenizer.json", tmp=tmp_path) == 2
    assert capsys.readouterr().err == (
        "parity: a vocabulary of your own needs the package tokenizers: pip install tokenizers\n"
    )


def test_a_training_is_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "train xor --steps 10 --out {tmp}"
    assert parity(command, tmp=tmp_path) == 0
    before = last_model(tmp_path)
    capsys.readouterr()

    assert parity(f"{command} --seed 1", tmp=tmp_path) == 2
    assert "step-000010.safetensors exists already" in capsys.readouterr().err
    assert parity(f"{command} --seed 1 --resume", tmp=tmp_path) == 2
    assert "is of another training: with seed 0, not 1" in capsys.readouterr().err
    assert parity("train xor --steps 5 --resume --out {tmp}", tmp=tmp_path) == 2
    assert "is at step 10 already, beyond --steps 5" in capsys.readouterr().err
    assert last_model(tmp_path) == before
    assert parity(f"{command} --resume", tmp=tmp_path) == 0  # all is done: it is shown again
    shown = capsys.readouterr()
    assert f"minigrad: on from step 10 of {tmp_path}/minigrad\n" in shown.err
    assert "1 xor 1" in shown.out
    assert last_model(tmp_path) == before


def test_the_results_of_another_engine_are_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parity("train xor --steps 3 --out {tmp}", tmp=tmp_path) == 0
    before = (tmp_path / "metrics.json").read_bytes()
    capsys.readouterr()

    command = "train xor --steps 3 --engine torch --out {tmp}"
    assert parity(command, tmp=tmp_path) == 2
    assert capsys.readouterr().err == (
        f"parity: {tmp_path}/metrics.json exists already: choose another --out\n"
    )
    assert parity(f"{command} --resume", tmp=tmp_path) == 2
    assert "holds the results of minigrad, which would be lost" in capsys.readouterr().err
    assert (tmp_path / "metrics.json").read_bytes() == before
    assert not (tmp_path / "torch").exists()

    both = "train xor --steps 3 --engine minigrad,torch --resume --out {tmp}"
    assert parity(both, tmp=tmp_path) == 0
    kept = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert list(kept["trainings"]) == ["minigrad", "torch"]


def test_a_training_does_not_go_on_from_another_engines_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parity("train xor --steps 10 --out {tmp}", tmp=tmp_path) == 0
    (tmp_path / "minigrad").rename(tmp_path / "cudagrad")
    capsys.readouterr()

    command = "train xor --steps 20 --engine cudagrad --resume --out {tmp}"
    assert parity(command, tmp=tmp_path) == 2
    assert capsys.readouterr().err == (
        f"parity: {tmp_path}/cudagrad is of another training: by minigrad\n"
    )


def test_a_file_that_is_no_checkpoint_is_not_gone_on_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "minigrad" / "step-000001.safetensors"
    path.parent.mkdir()
    engines.load("minigrad").package.save({"step": 1}, path)

    assert parity("train xor --resume --out {tmp}", tmp=tmp_path) == 2
    assert f"{path} is" in capsys.readouterr().err


def test_a_damaged_checkpoint_is_left_to_the_user(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "train xor --steps 10 --checkpoint-every 5 --out {tmp}"
    assert parity(command, tmp=tmp_path) == 0
    final = last_model(tmp_path)
    newest = tmp_path / "minigrad" / "step-000010.safetensors"
    os.truncate(newest, 100)
    capsys.readouterr()

    assert parity(f"{command} --resume", tmp=tmp_path) == 2
    assert capsys.readouterr().err == (
        f"parity: {newest} is damaged; step-000005.safetensors before it is whole: "
        "delete the damaged one to go on from there\n"
    )
    newest.unlink()
    assert parity(f"{command} --resume", tmp=tmp_path) == 0
    assert last_model(tmp_path) == final


def interrupted(monkeypatch: pytest.MonkeyPatch, error: BaseException, number: int) -> None:
    """Let the batch of this number be where it happens."""
    draw = Xor.batch

    def batch(self: Xor, n: int) -> Any:
        if n == number:
            raise error
        return draw(self, n)

    monkeypatch.setattr(Xor, "batch", batch)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (12, "the same command with --resume goes on from {tmp}/minigrad/step-000010.safetensors"),
        (3, "no checkpoint was written"),
    ],
)
def test_an_interrupted_training_says_how_to_go_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
    sentence: str,
) -> None:
    command = "train xor --steps 20 --checkpoint-every 5 --out {tmp}"
    with monkeypatch.context() as patch:
        interrupted(patch, KeyboardInterrupt(), number)
        assert parity(command, tmp=tmp_path / "out") == 130
    assert sentence.format(tmp=tmp_path / "out") in capsys.readouterr().err

    assert parity(f"{command} --resume", tmp=tmp_path / "out") == 0
    assert parity(command, tmp=tmp_path / "whole") == 0
    assert last_model(tmp_path / "out") == last_model(tmp_path / "whole")


def test_a_full_disk_costs_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "train xor --steps 20 --checkpoint-every 5 --out {tmp}"
    folder = tmp_path / "out" / "minigrad"
    fsync = os.fsync

    def full(descriptor: int) -> None:
        if any(folder.glob(".step-000010*")):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        assert parity(command, tmp=tmp_path / "out") == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"parity: {folder}/step-000010.safetensors: No space left on device; "
        f"--resume, once that is mended, goes on from {folder}/step-000005.safetensors"
    )
    assert [path.name for path in folder.iterdir()] == ["step-000005.safetensors"]
    assert parity(f"{command} --resume", tmp=tmp_path / "out") == 0
    assert parity(command, tmp=tmp_path / "whole") == 0
    assert last_model(tmp_path / "out") == last_model(tmp_path / "whole")


@pytest.mark.parametrize(
    ("error", "why"),
    [(MemoryError(), ""), (MemoryError("Unable to allocate 9 TiB"), ": Unable to allocate 9 TiB")],
)
def test_too_little_memory_costs_no_checkpoint(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    why: str,
) -> None:
    interrupted(monkeypatch, error, 12)
    assert parity("train xor --steps 20 --checkpoint-every 5 --out {tmp}", tmp=tmp_path) == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"parity: there is not enough memory{why}; --resume, once that is mended, goes on from "
        f"{tmp_path}/minigrad/step-000010.safetensors"
    )


def test_a_loss_that_is_no_number_stops_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = "train xor --lr 1.5 --steps 5000 --eval-every 0 --checkpoint-every 1 --out {tmp}"
    assert parity(command, tmp=tmp_path) == 1

    message = capsys.readouterr().err.splitlines()[-1]
    step = int(message.split("step ")[1].split()[0])
    assert message.startswith(f"parity: minigrad: the loss of step {step} is not finite; ")
    newest = tmp_path / "minigrad" / f"step-{step - 1:06}.safetensors"
    assert message.endswith(f"the last checkpoint before it is {newest}")
    kept = engines.load("minigrad").package.load(newest)
    assert np.isfinite([*map(np.sum, kept["model"].values())]).all()


def test_one_seed_writes_the_same_on_every_engine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parity(f"{TINY} --steps 20 --engine minigrad,torch --out {{tmp}}", tmp=tmp_path) == 0
    capsys.readouterr()

    def written(options: str, checkpoint: str = "minigrad") -> str:
        command = f"generate --checkpoint {{tmp}}/{checkpoint} --prompt 'if ' --tokens 30 {options}"
        assert parity(command, tmp=tmp_path) == 0
        return capsys.readouterr().out

    drawn = written("--seed 1 --top-k 20 --top-p 0.9 --temperature 0.8")
    assert drawn.startswith("if ")
    assert len(drawn) == len("if ") + 30 + 1
    for engine in ("micrograd", "cudagrad", "torch"):
        same = written(f"--seed 1 --top-k 20 --top-p 0.9 --temperature 0.8 --engine {engine}")
        assert same == drawn
    assert written("--seed 2 --top-k 20 --top-p 0.9 --temperature 0.8") != drawn
    assert written("") != written("")
    assert written("--greedy") == written("--greedy", checkpoint="torch")
    assert written("--greedy") == written("--greedy", checkpoint="minigrad/step-000020.safetensors")

    assert parity("generate --checkpoint {tmp} --prompt a", tmp=tmp_path) == 2
    assert "several engines trained in" in capsys.readouterr().err
    assert parity("generate --checkpoint {tmp} --engine torch --prompt a", tmp=tmp_path) == 0
    capsys.readouterr()
    assert parity("generate --checkpoint {tmp}/torch --prompt Ah", tmp=tmp_path) == 2
    assert "the character 'A' is not in the vocabulary: ' ()" in capsys.readouterr().err
    assert parity("generate --checkpoint {tmp}/torch", tmp=tmp_path) == 2
    assert "give one with --prompt" in capsys.readouterr().err


def test_xor_writes_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert parity("train xor --steps 1 --engine micrograd --out {tmp}", tmp=tmp_path) == 0
    capsys.readouterr()

    assert parity("generate --checkpoint {tmp} --prompt a", tmp=tmp_path) == 2
    assert "is of the task xor, which writes no text" in capsys.readouterr().err


def test_a_name_ends_where_the_model_ends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert parity("train names --steps 150 --out {tmp}", tmp=tmp_path) == 0
    *_, written = capsys.readouterr().out.split("└")
    names = written.split("\n\n")[1].splitlines()
    assert len(names) == 20
    assert all(len(name) <= 15 for name in names)

    assert parity("generate --checkpoint {tmp} --prompt jo --seed 0", tmp=tmp_path) == 0
    (name,) = capsys.readouterr().out.splitlines()
    assert name.startswith("jo")
    assert len(name) < 40


def test_engines_that_are_compared_have_one_thread_each(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Threads of one library would look for work, and take the processor, in another's turn."""
    threads: dict[str, set[int]] = {}
    advance = Training.advance

    def watched(self: Training, batches: Any) -> None:
        pools = threadpoolctl.threadpool_info()
        threads.setdefault(self.engine.name, set()).update(p["num_threads"] for p in pools)
        advance(self, batches)

    monkeypatch.setattr(Training, "advance", watched)
    with threadpoolctl.threadpool_limits(2):
        assert parity("train xor --engine minigrad --steps 2") == 0
        assert threads == {"minigrad": {2}}
        assert "ms per step, one" not in capsys.readouterr().out
        threads.clear()
        assert parity("train xor --engine minigrad,torch --steps 2") == 0
        assert threads == {"minigrad": {1}, "torch": {1}}
        assert all(pool["num_threads"] == 2 for pool in threadpoolctl.threadpool_info())
