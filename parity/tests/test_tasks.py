"""The training of a task: the same on every engine, and the same when it is interrupted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity import engines
from parity.tasks.checkpoints import PARTS, Checkpoints, difference
from parity.tasks.results import deviation
from parity.tasks.running import run
from parity.tasks.settings import OPTIMIZERS, Settings
from parity.tasks.task import Task
from parity.tasks.text import Text
from parity.tasks.tokenizers import Characters
from parity.tasks.training import DivergedError, Training
from parity.tasks.xor import Xor

ENGINES = ("micrograd", "minigrad", "cudagrad", "torch")
XOR = Settings(steps=8, batch_size=4, optimizer="SGD", lr=0.3, dtype="float64")
SIZES = {"n_layer": 1, "n_head": 2, "n_embd": 4, "block_size": 4, "dropout": 0.2}
LINES = "a bad cab fed a deaf bee; " * 6
ALL_AT_ONCE = Settings(
    6, 2, lr=1e-2, schedule="cosine", warmup=2, accumulate=2, clip=0.5, weight_decay=0.1
)


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> engines.Adapter:
    return engines.load(request.param)


class Quiet:
    """Watches a training and says nothing, unless it is to be interrupted after a step."""

    def __init__(self, last: int = 0) -> None:
        self.last, self.steps = last, 0
        self.seen: list[int] = []

    def stepped(self, step: int, trainings: Sequence[Training], units: int) -> None:
        self.seen.append(step)
        if step == self.last:
            raise KeyboardInterrupt

    def evaluated(self, step: int, trainings: Sequence[Training]) -> None:
        pass


def gpt(settings: Settings = ALL_AT_ONCE, text: str = LINES) -> Text:
    return Text(settings, SIZES, text, Characters.of(LINES))


def trained(engine: engines.Adapter, task: Task) -> Training:
    training = Training(engine, task)
    run([training], {}, Quiet())
    return training


def weights(training: Training) -> dict[str, bytes]:
    parameters = training.model.named_parameters()
    return {name: training.engine.numpy(each).tobytes() for name, each in parameters}


def test_every_engine_begins_with_the_same_weights(engine: engines.Adapter) -> None:
    task = gpt(replace(ALL_AT_ONCE, dtype="float64"))
    found = weights(Training(engine, task))

    assert found == weights(Training(engines.load("torch"), task))
    assert found != weights(Training(engine, gpt(replace(task.settings, seed=1))))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_losses_are_torchs(engine: engines.Adapter, optimizer: str) -> None:
    task = Xor(replace(XOR, optimizer=optimizer, schedule="linear", warmup=3, weight_decay=0.01))
    want = trained(engines.load("torch"), task).history.losses
    got = trained(engine, task).history.losses

    assert len(set(want)) == len(want) == 8
    assert got == pytest.approx(want, rel=1e-12, abs=0)


def test_the_gradients_of_several_batches_make_one_step(engine: engines.Adapter) -> None:
    """Of equally large batches the mean gradient is that of all of them in one."""

    class Halves(Xor):
        def batch(self, number: int) -> Sequence[Any]:
            rows = slice(0, 2) if number % 2 == 0 else slice(2, 4)
            return self.inputs[rows], self.answers[rows]

    whole = trained(engine, Xor(XOR)).history.losses

    halves = trained(engine, Halves(replace(XOR, accumulate=2))).history.losses
    assert halves == pytest.approx(whole, rel=1e-12)
    one_after_the_other = trained(engine, Halves(XOR)).history.losses
    assert one_after_the_other != pytest.approx(whole, rel=1e-2)


def test_every_step_has_batches_of_its_own() -> None:
    class Counting(Xor):
        def batch(self, number: int) -> Sequence[Any]:
            numbers.append(number)
            return super().batch(number)

    numbers: list[int] = []
    task = Counting(replace(XOR, steps=3, accumulate=2))
    trainings = [Training(engines.load(name), task) for name in ("minigrad", "micrograd")]
    run(trainings, {}, Quiet())

    assert numbers == [0, 1, 2, 3, 4, 5]


def test_gradients_are_clipped(engine: engines.Adapter) -> None:
    training = Training(engine, Xor(replace(XOR, clip=1e-3, lr=1.0)))
    before = flat(training)
    training.advance([training.task.batch(0)])

    assert np.linalg.norm(flat(training) - before) == pytest.approx(1e-3, rel=1e-2)


def flat(training: Training) -> Any:
    parameters = training.model.parameters()
    return np.concatenate([training.engine.numpy(each).ravel() for each in parameters])


def test_dropout_is_for_training_alone(engine: engines.Adapter) -> None:
    training, whole = (
        Training(engine, Text(ALL_AT_ONCE, {**SIZES, "dropout": p}, LINES, Characters.of(LINES)))
        for p in (0.5, 0.0)
    )

    assert training.evaluate() == training.evaluate() == pytest.approx(whole.evaluate())
    batches = [training.task.batch(0)]
    assert training.advance(batches) != pytest.approx(whole.advance(batches), rel=1e-6)


def test_the_deviation_is_the_largest_there_was() -> None:
    task = Xor(XOR)
    torch, other = (Training(engines.load(name), task) for name in ("torch", "minigrad"))
    torch.history.losses, other.history.losses = [3.0, 2.0, 1.0], [3.0, 1.75, 1.125]

    assert deviation(other, [torch, other]) == 0.25
    assert deviation(torch, [torch, other]) is None
    assert deviation(other, [other]) is None


def test_lr_rises_and_then_falls_to_a_tenth() -> None:
    settings = Settings(110, 1, warmup=10)
    for schedule in ("linear", "cosine"):
        factors = [replace(settings, schedule=schedule).factor(step) for step in range(110)]
        assert factors[:11] == pytest.approx([(i + 1) / 11 for i in range(10)] + [1.0])
        assert factors[10:] == sorted(factors[10:], reverse=True)
        assert factors[60] == pytest.approx(0.55)
        assert 0.1 < factors[-1] < 0.11
    assert [settings.factor(step) for step in (10, 50, 109)] == [1, 1, 1]
    assert replace(settings, schedule="cosine", steps=5).factor(4) == 5 / 11  # never beyond warmup


def test_lr_is_the_schedules(engine: engines.Adapter) -> None:
    training = Training(engine, Xor(replace(XOR, schedule="cosine", warmup=2)))
    for step in range(8):
        (group,) = training.optimizer.param_groups
        assert group["lr"] == pytest.approx(0.3 * training.task.settings.factor(step), rel=1e-12)
        training.advance([training.task.batch(step)])


@pytest.mark.parametrize("step", [1, 4])
def test_a_training_goes_on_as_if_it_had_not_been_interrupted(
    engine: engines.Adapter, tmp_path: Path, step: int
) -> None:
    """With dropout, accumulation, a schedule, clipping, and what AdamW remembers."""
    settings = replace(ALL_AT_ONCE, checkpoint_every=1)
    whole = trained(engine, gpt())
    checkpoints = {engine.name: Checkpoints(tmp_path, engine)}
    with pytest.raises(KeyboardInterrupt):
        run([Training(engine, gpt(settings))], checkpoints, Quiet(last=step))
    engine.package.manual_seed(99)  # the generator of another process

    state = checkpoints[engine.name].load()
    assert state is not None
    resumed = Training(engine, gpt(settings))
    resumed.load_state_dict(state)
    assert resumed.step == step
    watcher = Quiet()
    run([resumed], checkpoints, watcher)

    assert watcher.seen == list(range(step + 1, 7))
    assert weights(resumed) == weights(whole)
    assert resumed.history.losses == whole.history.losses
    assert resumed.metrics == whole.metrics


def test_engines_that_were_interrupted_at_different_steps_meet_again(tmp_path: Path) -> None:
    task = Xor(XOR)
    ahead, behind = (Training(engines.load(name), task) for name in ("minigrad", "micrograd"))
    for step in range(5):
        ahead.advance([task.batch(step)])
    for step in range(2):
        behind.advance([task.batch(step)])
    watcher = Quiet()
    run([ahead, behind], {}, watcher)

    assert watcher.seen == [3, 4, 5, 6, 7, 8]
    assert ahead.step == behind.step == 8
    assert ahead.history.losses == pytest.approx(behind.history.losses, rel=1e-12)


def test_evaluations_and_checkpoints_come_when_they_are_due(tmp_path: Path) -> None:
    engine = engines.load("minigrad")
    training = Training(engine, Xor(replace(XOR, eval_every=3, checkpoint_every=5)))
    store = Checkpoints(tmp_path / "new", engine)
    run([training], {"minigrad": store}, Quiet())

    assert list(training.history.metrics) == [3, 6, 8]
    assert [path.name for path in store.paths()] == [
        "step-000005.safetensors",
        "step-000008.safetensors",
    ]


def test_the_last_two_checkpoints_are_kept_and_leftovers_are_not(tmp_path: Path) -> None:
    engine = engines.load("minigrad")
    store = Checkpoints(tmp_path, engine)
    (tmp_path / ".step-000002.safetensors.0123").write_text("half a file")
    (tmp_path / "notes.txt").write_text("of the user")
    run([Training(engine, Xor(replace(XOR, checkpoint_every=1)))], {"minigrad": store}, Quiet())

    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["notes.txt", "step-000007.safetensors", "step-000008.safetensors"]


def state(step: int) -> dict[str, Any]:
    """As much of a checkpoint as its store looks at."""
    return dict.fromkeys(PARTS) | {"step": step}


def test_a_checkpoint_has_all_its_parts(tmp_path: Path) -> None:
    engine = engines.load("minigrad")
    assert Training(engine, Xor(XOR)).state_dict().keys() == PARTS
    store = Checkpoints(tmp_path, engine)
    lacking = state(1)
    del lacking["history"]
    store.save(lacking)
    with pytest.raises(ValueError, match="is damaged; no other is whole"):
        store.load()


def test_a_million_steps_are_in_order(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, engines.load("minigrad"))
    for step in (999_999, 1_000_000):
        store.save(state(step))

    assert store.load() == state(1_000_000)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_of_a_damaged_checkpoint_it_is_said_which_one_is_whole(
    engine: engines.Adapter, tmp_path: Path
) -> None:
    store = Checkpoints(tmp_path, engine)
    store.save(state(1))
    store.save(state(2))
    first, second = store.paths()

    damage(second)
    with pytest.raises(ValueError, match=f"{second.name} is damaged; {first.name} before it is wh"):
        store.load()
    damage(first)
    with pytest.raises(ValueError, match=f"{second.name} is damaged; no other is whole"):
        store.load()
    assert store.paths() == [first, second]
    second.unlink()
    first.unlink()
    assert store.load() is None


def unlike(state: Mapping[str, Any], task: Task) -> str:
    return difference(state, task, task.settings)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"lr": 0.5}, "lr 0.01, not 0.5"),
        ({"schedule": "constant"}, "schedule 'cosine', not 'constant'"),
        ({"seed": 3}, "seed 0, not 3"),
        ({"steps": 7}, "steps 6, not 7"),
        ({"eval_every": 7, "checkpoint_every": 1}, ""),
    ],
)
def test_other_settings_are_told(change: Mapping[str, Any], sentence: str) -> None:
    state = Training(engines.load("minigrad"), gpt()).state_dict()

    assert unlike(state, gpt(replace(ALL_AT_ONCE, **change))) == sentence


def test_another_task_and_other_data_are_told() -> None:
    state = Training(engines.load("minigrad"), gpt()).state_dict()

    assert unlike(state, Xor(XOR)) == "task 'text', not 'xor'"
    assert unlike(state, gpt(text=LINES[::-1])).startswith("data '")
    other = Text(ALL_AT_ONCE, {**SIZES, "n_embd": 8}, LINES, Characters.of(LINES))
    assert unlike(state, other) == "a different model"


def test_more_steps_are_the_same_training_if_lr_does_not_depend_on_them() -> None:
    state = Training(engines.load("minigrad"), Xor(XOR)).state_dict()

    assert unlike(state, Xor(replace(XOR, steps=9))) == ""


def test_numbers_that_are_none_stop_it_before_anything_changes(engine: engines.Adapter) -> None:
    training = Training(engine, Xor(XOR))
    inputs, answers = training.task.batch(0)
    training.advance([(inputs, answers)])
    before = weights(training)

    with pytest.raises(DivergedError, match="loss of step 2 is not finite"):
        training.advance([(inputs, answers * math.nan)])
    assert weights(training) == before
    assert (training.step, len(training.history.losses)) == (1, 1)


def test_a_metric_that_is_none_stops_it(engine: engines.Adapter) -> None:
    training = Training(engine, Xor(replace(XOR, steps=1, lr=math.inf)))

    with pytest.raises(DivergedError, match="largest error after step 1 is not finite"):
        run([training], {}, Quiet())


def test_weights_that_are_none_are_not_kept(engine: engines.Adapter, tmp_path: Path) -> None:
    """The loss of a step says nothing yet of what the step made of the weights."""
    training = Training(engine, Xor(replace(XOR, checkpoint_every=1, lr=math.inf)))

    with pytest.raises(DivergedError, match="not all finite after step 1"):
        run([training], {engine.name: Checkpoints(tmp_path, engine)}, Quiet())
    assert list(tmp_path.iterdir()) == []
