"""What users may do wrong, and what two of them do at once: named, not answered with a number."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import numpy as np
import pytest


@pytest.fixture(params=["minigrad", "cudagrad"])
def package(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


def leaf(package: Any, *numbers: float) -> Any:
    return package.tensor(list(numbers), requires_grad=True)


@pytest.mark.parametrize("shape", [(), (2,), (2, 2), (3,)])
def test_an_op_without_its_pullback_is_no_pair(package: Any, shape: tuple[int, ...]) -> None:
    @package.op
    def forgetful(x):
        return x

    with pytest.raises(TypeError, match="forgetful: an op returns its value and its pullback"):
        forgetful(package.ops.ones(shape))


def test_a_second_value_is_no_pullback(package: Any) -> None:
    @package.op
    def twice(x):
        return x, x

    with pytest.raises(TypeError, match="twice: an op returns its value and its pullback"):
        twice(leaf(package, 1.0))


def test_an_op_without_a_gradient_has_not_been_freed(package: Any) -> None:
    @package.op
    def constant(x):
        return x, None

    with pytest.raises(RuntimeError, match="through constant, which returned None for a pullback"):
        constant(leaf(package, 1.0)).backward()


def test_threads_leave_no_grad_in_any_order(package: Any) -> None:
    x, entered, left, recorded = leaf(package, 1.0), threading.Event(), threading.Event(), []

    def other() -> None:
        recorded.append((x * 2).requires_grad)  # no_grad() is of the first thread alone
        with package.no_grad():
            entered.set()
            left.wait(60)
            recorded.append((x * 2).requires_grad)

    thread = threading.Thread(target=other)
    with package.no_grad():
        thread.start()
        entered.wait(60)
    left.set()
    thread.join()

    assert recorded == [True, False]
    assert (x * 2).requires_grad


def test_what_was_computed_of_weights_of_before_is_refused(package: Any) -> None:
    layer = package.nn.Linear(1, 1)
    for overwrite in (
        lambda: layer.load_state_dict({"weight": [[5.0]], "bias": [0.0]}),
        lambda: package.nn.init.constant_(layer.weight, 5.0),
        lambda: package.nn.init.uniform_(layer.weight),
    ):
        square = (layer.weight * layer.weight).sum()
        overwrite()
        with pytest.raises(RuntimeError, match="through mul, an input of which has been overwrit"):
            square.backward()


@pytest.mark.parametrize(
    ("numbers", "dtype"),
    [
        ([np.float64(1 / 3)], "float64"),
        ([1.0, np.float64(1 / 3)], "float64"),
        ([[1, 2], [1, np.float64(1 / 3)]], "float64"),
        ([np.ones(2), np.ones(2)], "float64"),
        ([np.float32(1), np.float64(1 / 3)], "float64"),
        ([np.array(1.0, ">f8")], "float64"),
        ([np.float32(1), 1.0], "float32"),
        ([np.int64(1), 1.0], "float32"),
        ([[1.0], [2]], "float32"),
    ],
)
def test_a_list_keeps_the_digits_of_what_is_in_it(package: Any, numbers: Any, dtype: str) -> None:
    """As torch.tensor does."""
    made = package.tensor(numbers)
    assert made.dtype == dtype
    assert made.tolist() == np.asarray(numbers, dtype).tolist()


def test_a_list_keeps_the_digits_of_tensors_in_it(package: Any) -> None:
    within = [package.tensor(np.float64(1 / 3)), 1.0]
    assert package.tensor(within).tolist() == [1 / 3, 1.0]
