"""x += y and the like, as torch has them: so weights are moved by hand, before optimizers."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

TENSORS = ("torch", "minigrad", "cudagrad")


@pytest.fixture(params=TENSORS)
def package(request: pytest.FixtureRequest) -> Any:
    return importlib.import_module(request.param)


def test_weights_are_moved_by_hand(package: Any) -> None:
    layer = package.nn.Linear(2, 1)
    before = {name: np.array(p.detach().tolist()) for name, p in layer.named_parameters()}
    layer(package.tensor([[1.0, 3.0]])).sum().backward()
    with package.no_grad():
        for parameter in layer.parameters():
            parameter -= 0.5 * parameter.grad

    moved = {name: np.array(p.detach().tolist()) for name, p in layer.named_parameters()}
    np.testing.assert_allclose(before["weight"] - moved["weight"], [[0.5, 1.5]], rtol=1e-6)
    np.testing.assert_allclose(before["bias"] - moved["bias"], [0.5], rtol=1e-6)
    assert all(p.requires_grad and p.is_leaf for p in layer.parameters())


def test_a_leaf_is_itself_under_all_its_names(package: Any) -> None:
    x = package.tensor([1.0, 4.0])
    other = x
    x += 1
    x *= package.tensor([2.0, 3.0])
    x -= 5
    x /= 2
    x **= 2

    assert x is other
    assert x.tolist() == [0.25, 25.0]


def test_where_a_gradient_is_recorded_a_leaf_stays(package: Any) -> None:
    w = package.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"in.place"):
        w += 1
    assert w.tolist() == [1.0, 2.0]

    y = w * 3
    y *= w
    y.sum().backward()
    assert w.grad.tolist() == [6.0, 12.0]


def test_what_was_computed_of_a_leaf_before_is_refused(package: Any) -> None:
    w = package.tensor([1.0, 2.0], requires_grad=True)
    square = (w * w).sum()
    with package.no_grad():
        w += 1
    with pytest.raises(RuntimeError):
        square.backward()


@pytest.mark.parametrize("name", TENSORS[1:])
def test_a_constant_keeps_what_backward_needs(name: str) -> None:
    """torch refuses here as well; our ops have the array that the product was made of."""
    package = importlib.import_module(name)
    w, c = package.tensor([1.0, 2.0], requires_grad=True), package.tensor([3.0, 4.0])
    product = (w * c).sum()
    c += 1
    product.backward()

    assert w.grad.tolist() == [3.0, 4.0]
    assert c.tolist() == [4.0, 5.0]


@pytest.mark.parametrize("name", TENSORS[1:])
def test_what_does_not_fit_is_refused(name: str) -> None:
    package = importlib.import_module(name)
    x = package.tensor([1, 2])
    with pytest.raises(ValueError, match=r"add in place: a tensor of shape \(2,\) cannot become"):
        x += package.tensor([[1, 2], [3, 4]])
    with pytest.raises(TypeError, match="div in place: a tensor of int64 cannot become float32"):
        x /= 2
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("name", TENSORS[1:])
def test_integers_get_no_gradient_by_assignment(name: str) -> None:
    package = importlib.import_module(name)
    x = package.tensor([1, 2])
    x.requires_grad = True
    with pytest.raises(TypeError, match="only floating tensors can require a gradient, not int64"):
        (x * 1.5).sum().backward()


@pytest.mark.parametrize("name", TENSORS[1:])
def test_a_gradient_of_another_shape_moves_nothing(name: str) -> None:
    package = importlib.import_module(name)
    x = package.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x.grad = package.tensor([1.0])
    with pytest.raises(ValueError, match=r"step: a gradient of shape \(1,\) and float32"):
        package.optim.SGD([x], lr=1.0).step()
    assert x.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(ValueError, match=r"backward: .grad of shape \(1,\) for shape \(3,\)"):
        (x * 2).sum().backward()
