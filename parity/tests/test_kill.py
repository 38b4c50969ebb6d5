"""Kill -9 at any moment of a training: what --resume ends with is what would have been."""

from __future__ import annotations

import hashlib
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import minigrad

KILLS = 20
STEPS, EVERY = 400, 5
COMMAND = [sys.executable, "-c", "import sys; from parity.cli import main; sys.exit(main())"]
OPTIONS = f"""train text --engine minigrad --preset tiny --steps {STEPS} --checkpoint-every {EVERY}
    --accumulate 2 --dropout 0.1 --eval-every 200""".split()


def start(out: Path, *options: str) -> subprocess.Popen[str]:
    command = [*COMMAND, *OPTIONS, "--out", str(out), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out


def newest(out: Path) -> str:
    return max((path.name for path in (out / "minigrad").glob("step-*")), default="")


def wait_for_another(out: Path, process: subprocess.Popen[str]) -> None:
    """Until there is a checkpoint that is newer, or the training is over."""
    before = newest(out)
    while newest(out) == before and process.poll() is None:
        time.sleep(0.002)


def weights(out: Path) -> str:
    """The SHA-256 of all weights after the last step."""
    state = minigrad.load(out / "minigrad" / f"step-{STEPS:06}.safetensors")
    found = hashlib.sha256()
    for name, array in state["model"].items():
        found.update(name.encode() + array.tobytes())
    return found.hexdigest()


def test_a_training_that_is_killed_again_and_again_ends_with_the_same_bits(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    process = start(whole)
    wait_for_another(whole, process)
    started = time.monotonic()
    text = finish(process)
    between = (time.monotonic() - started) * EVERY / STEPS  # one checkpoint and the next
    rng = random.Random(0)

    reached = []
    for _ in range(KILLS):
        process = start(killed, "--resume")
        if rng.random() < 0.3:  # while it starts, or reads the checkpoint
            time.sleep(rng.uniform(0, 0.5))
        else:  # so that all kills together come before the last step, on any machine
            for _ in range(rng.randint(1, 2)):
                wait_for_another(killed, process)
            time.sleep(rng.uniform(0, between))
        process.kill()
        process.communicate()
        reached.append(newest(killed))
    resumed = finish(start(killed, "--resume"))

    assert len(set(reached)) > KILLS / 3, "the kills did not come while it trained"
    assert weights(killed) == weights(whole)
    assert (
        re.sub("ms per step.*", "", resumed).splitlines()[:-1]
        == (re.sub("ms per step.*", "", text).splitlines()[:-1])
    )
    assert sorted(path.name for path in (killed / "minigrad").iterdir()) == sorted(
        path.name for path in (whole / "minigrad").iterdir()
    ), "something half-written was left over"
