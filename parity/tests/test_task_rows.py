"""The tasks whose data is rows: what they draw, how they scale it, and what they measure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from parity import engines
from parity.tasks import initial
from parity.tasks.batches import Epochs
from parity.tasks.commands import SALES
from parity.tasks.data import idx
from parity.tasks.data.sales import Sales
from parity.tasks.digits import Digits
from parity.tasks.moons import Moons
from parity.tasks.sales import EPOCHS, SalesTotals, defaults, features
from parity.tasks.settings import Settings

Array = np.ndarray[Any, Any]

SETTINGS = Settings(steps=1, batch_size=4)


def sold(**columns: Any) -> Sales:
    """Ten sales of two categories, with other columns where they are given."""
    rng = np.random.default_rng(3)
    quantity, unit_price = rng.integers(1, 9, 10).astype(float), rng.uniform(1, 9, 10)
    default = Sales(
        quantity, unit_price, quantity * unit_price, rng.permutation(10) + 1.0, ["B", "A"] * 5
    )
    return replace(default, **columns)


# ---- batches and first weights


def test_an_epoch_has_every_row_once() -> None:
    epochs = Epochs((np.arange(10), np.arange(10) * 2), 4, seed=0)
    batches = [epochs.batch(number) for number in range(6)]

    assert len(epochs) == 3
    assert [len(rows) for rows, _ in batches] == [4, 4, 2] * 2
    orders = [np.concatenate([rows for rows, _ in batches[i : i + 3]]).tolist() for i in (0, 3)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0] != orders[1] != list(range(10))
    assert all((answers == 2 * rows).all() for rows, answers in batches)


def test_a_batch_depends_on_seed_and_number_alone() -> None:
    def drawn(seed: int, numbers: list[int]) -> dict[int, list[int]]:
        epochs = Epochs((np.arange(50),), 5, seed)
        return {number: epochs.batch(number)[0].tolist() for number in numbers}

    assert drawn(1, [0, 10, 25, 3]) == drawn(1, [3, 25, 0, 10])
    assert drawn(1, [7]) != drawn(2, [7])


def test_first_weights_have_the_bounds_of_torch() -> None:
    layers = torch.nn.Sequential(torch.nn.Linear(300, 40), torch.nn.Conv2d(3, 50, 5))
    shapes = {name: tuple(p.shape) for name, p in layers.named_parameters()}
    drawn = initial.uniform(shapes, seed=0)

    assert {name: array.shape for name, array in drawn.items()} == shapes
    for name, bound in (("0", 1 / math.sqrt(300)), ("1", 1 / math.sqrt(75))):
        for kind in ("weight", "bias"):
            largest = abs(drawn[f"{name}.{kind}"]).max()
            assert 0.85 * bound < largest < bound
            assert 0.85 * bound < layers.get_parameter(f"{name}.{kind}").abs().max() < bound
    assert abs(drawn["0.weight"].mean()) < 0.01 / math.sqrt(300)


# ---- sales


def test_features_are_scaled_by_the_training_part_alone() -> None:
    before = features(sold(), 6)
    sales = sold()
    changed = np.where(np.arange(10) < 6, sales.quantity, 1e6)
    after = features(replace(sales, quantity=changed), 6)

    assert before.shape == (10, 5)
    assert np.array_equal(before[:6], after[:6])
    assert np.allclose(before[:6, :3].mean(axis=0), 0)
    assert np.allclose(before[:6, :3].std(axis=0), 1)


def test_categories_have_a_column_each() -> None:
    found = features(sold(), 6)[:, 3:]

    assert np.array_equal(found, [[0, 1], [1, 0]] * 5)


def test_a_category_of_the_test_alone_has_no_column() -> None:
    found = features(sold(category=["A", "B"] * 4 + ["C", "A"]), 8)[:, 3:]

    assert found.shape == (10, 2)
    assert np.array_equal(found[-2:], [[0, 0], [1, 0]])


def test_what_never_changes_is_scaled_to_zero() -> None:
    assert (features(sold(day=np.full(10, 7.0)), 8)[:, 2] == 0).all()


def test_the_test_is_the_end_of_the_file() -> None:
    task = SalesTotals(SETTINGS, sold(total=np.arange(10.0)))

    assert task.test[1].ravel().tolist() == [8, 9]
    seen = np.concatenate([task.batch(number)[1] for number in range(len(task.epochs))])
    assert np.allclose(np.sort(seen.ravel()), (np.arange(8) - 3.5) / np.arange(8).std())


def test_an_epoch_ends_with_an_evaluation() -> None:
    sales = Sales(*[np.ones(1000)] * 4, ["A"] * 1000)
    chosen = replace(SALES, optimizer="SGD", accumulate=2)
    settings = defaults(sales, chosen)

    assert settings.eval_every * chosen.accumulate == len(SalesTotals(settings, sales).epochs) == 4
    assert settings.steps == EPOCHS * settings.eval_every
    assert settings.lr > defaults(sales, SALES).lr


def test_the_error_is_in_units_of_the_file(torch_engine: engines.Adapter) -> None:
    """A model that always says 0, in standard units, predicts the mean of the training part."""
    task = SalesTotals(SETTINGS, sold(total=np.arange(10.0)))

    assert task.evaluate(torch_engine, lambda x: x[:, :1] * 0) == {
        "test MAE": 5.0,
        "test MAE of the mean": 5.0,
    }
    one = task.evaluate(torch_engine, lambda x: x[:, :1] * 0 + 1)
    assert one["test MAE"] == pytest.approx(5 - np.arange(8).std())


def test_one_sale_is_too_few() -> None:
    one = Sales(*[np.ones(1)] * 4, ["A"])
    with pytest.raises(ValueError, match="one sale is too few"):
        SalesTotals(SETTINGS, one)
    two = Sales(*[np.ones(2)] * 4, ["A", "B"])
    assert len(SalesTotals(SETTINGS, two).test[0]) == 1


# ---- moons and digits


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("task", [Moons, Digits])
def test_inputs_have_the_dtype_and_answers_are_classes(task: Any, dtype: str) -> None:
    drawn = task(replace(SETTINGS, dtype=dtype))
    inputs, classes = drawn.batch(0)

    assert inputs.dtype == dtype
    assert classes.dtype == np.int64
    assert drawn.units(drawn.batch(0)) == 4


def test_moons_are_others_for_another_seed() -> None:
    assert Moons(SETTINGS).fingerprint() == Moons(SETTINGS).fingerprint()
    assert Moons(SETTINGS).fingerprint() != Moons(replace(SETTINGS, seed=1)).fingerprint()


def test_bundled_digits_are_split_alike_for_every_seed() -> None:
    one, other = Digits(SETTINGS), Digits(replace(SETTINGS, seed=1))

    assert np.array_equal(one.test[0], other.test[0])
    assert not np.array_equal(one.batch(0)[0], other.batch(0)[0])
    seen = [one.batch(number) for number in range(len(one.epochs))]
    images = np.concatenate([one.inputs(one.test[0]), *(images for images, _ in seen)])
    assert len(images) == 1797
    assert np.allclose(np.sort(images.sum(axis=(1, 2, 3))), np.sort(load_digits().data.sum(1) / 16))
    assert images.max() == 1


def test_the_models_are_those_of_the_task(torch_engine: engines.Adapter) -> None:
    task = Digits(SETTINGS)
    images, classes = (torch_engine.tensor(array) for array in task.batch(0))
    model = task.model(torch_engine.package)

    assert model(images).shape == (4, 10)
    assert task.loss(torch_engine, model, (images, classes)).shape == ()
    assert 0 <= task.evaluate(torch_engine, model)["test accuracy"] < 0.5


@pytest.fixture
def mnist(tmp_path: Path) -> Callable[[int, int], Path]:
    """mnist(28, 28) is a folder of MNIST's four files, with images of this size."""

    def write(height: int, width: int) -> Path:
        rng = np.random.default_rng(0)
        for images, labels in (idx.TRAIN, idx.TEST):
            header = b"\0\0\x08\x03" + np.array([6, height, width], ">u4").tobytes()
            pixels = rng.integers(0, 256, 6 * height * width, np.uint8)
            (tmp_path / images).write_bytes(header + pixels.tobytes())
            (tmp_path / labels).write_bytes(b"\0\0\x08\x01\0\0\0\x06" + bytes(range(6)))
        return tmp_path

    return write


def test_mnist_is_read_from_its_files(
    mnist: Callable[[int, int], Path], torch_engine: engines.Adapter
) -> None:
    task = Digits(SETTINGS, mnist(28, 28))
    images, classes = task.batch(0)

    assert images.shape == (4, 1, 28, 28)
    assert 0.9 < images.max() <= 1
    assert set(classes) < set(range(6))
    assert task.model(torch_engine.package)(torch_engine.tensor(images)).shape == (4, 10)
    assert task.evaluate(torch_engine, task.model(torch_engine.package))


@pytest.mark.parametrize(("height", "width"), [(28, 24), (30, 30)])
def test_images_that_do_not_fit_the_model_are_refused(
    height: int, width: int, mnist: Callable[[int, int], Path]
) -> None:
    with pytest.raises(ValueError, match=f"are {height}×{width}: .*a multiple of 4"):
        Digits(SETTINGS, mnist(height, width))
