"""The shapes a graph can take, and what becomes of it: the same on every engine as on torch."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from parity.engines import Adapter

CHAIN = 100_000
FAN_OUT = 10_000

pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning")


def leaf(engine: Adapter, numbers: Any, requires_grad: bool = True) -> Any:
    """A leaf of one number or of many; a single number has operators in every engine."""
    return engine.tensor(np.array(numbers, np.float64), requires_grad=requires_grad)


def grad(engine: Adapter, tensor: Any) -> Any:
    """The gradient of a leaf as plain numbers, None if there is none."""
    found = engine.grad(tensor)
    return None if found is None else found.tolist()


def backward_alone(engine: Adapter, tensor: Any) -> None:
    """backward() without a gradient: a method of tensors, in micrograd a function of lists."""
    if isinstance(tensor, list):
        engine.package.backward(tensor)
    else:
        tensor.backward()


def test_diamond(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    left, right = x * 3.0, x + 1.0
    (left * right).backward()

    assert grad(engine, x) == 15.0


def test_diamonds_on_diamonds_are_swept_once_each(engine: Adapter) -> None:
    x = leaf(engine, 1.0)
    y = x
    for _ in range(60):  # 2 to the power 60 paths
        y = y + y
    y.backward()

    assert grad(engine, x) == 2.0**60


def test_a_leaf_made_after_the_graph_it_joins(engine: Adapter) -> None:
    x = leaf(engine, 3.0)
    y = x * x
    late = leaf(engine, 5.0)
    (late * y).backward()

    assert (grad(engine, x), grad(engine, late)) == (30.0, 9.0)


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x: x + x, 2.0),
        (lambda x: x - x, 0.0),
        (lambda x: x * x, 6.0),
        (lambda x: x / x, 0.0),
        (lambda x: x * x * x, 27.0),
    ],
    ids=["x + x", "x - x", "x * x", "x / x", "x * x * x"],
)
def test_the_same_tensor_twice(engine: Adapter, function: Any, slope: float) -> None:
    x = leaf(engine, 3.0)
    function(x).backward()

    assert grad(engine, x) == slope


def test_a_leaf_shared_by_two_graphs(engine: Adapter) -> None:
    x, y = leaf(engine, 3.0), leaf(engine, 5.0)
    first, second = x * y, x * x * y
    first.backward()
    second.backward()

    assert (grad(engine, x), grad(engine, y)) == (5.0 + 30.0, 3.0 + 9.0)


def test_equal_numbers_are_not_one_tensor(engine: Adapter) -> None:
    x, y = leaf(engine, 2.0), leaf(engine, 2.0)
    one, same = leaf(engine, 3.0, requires_grad=False), leaf(engine, 3.0, requires_grad=False)
    (x * one + y * same * y).backward()

    assert (grad(engine, x), grad(engine, y)) == (3.0, 12.0)
    assert (grad(engine, one), grad(engine, same)) == (None, None)


def test_one_weight_in_two_places(engine: Adapter) -> None:
    """A weight that embeds ids and, tied, makes logits: a gradient from either use."""
    weight = leaf(engine, [[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25]])
    ids = engine.tensor(np.array([2, 0]))
    features = engine.call("embedding", ids, weight)
    logits = engine.call("linear", features, weight)  # (2, 3)
    cotangent = np.array([[1.0, 2.0, -1.0], [0.5, -3.0, 4.0]])
    engine.backward(logits, cotangent)

    w = engine.numpy(weight)
    wanted = cotangent.T @ w[[2, 0]]
    wanted[[2, 0]] += cotangent @ w
    np.testing.assert_allclose(engine.grad(weight), wanted, rtol=1e-15)


def test_numbers_on_either_side(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    (((1.0 + x) - (5 - x)) * (3 * x) / (6.0 / x) + 2.0**x - x**3 + -x).backward()

    # x³ - 2x² + 2ˣ - x³ - x
    assert grad(engine, x) == pytest.approx(-4 * 2.0 + 4.0 * np.log(2.0) - 1.0, rel=1e-14)


def test_branch_without_gradient(engine: Adapter) -> None:
    x, constant = leaf(engine, 2.0), leaf(engine, 5.0, requires_grad=False)
    unused = x * 100.0
    (x * (constant * constant)).backward()

    assert (grad(engine, x), grad(engine, constant)) == (25.0, None)
    assert unused.requires_grad
    assert not (constant * constant).requires_grad


def test_only_leaves_keep_a_gradient(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    between = x * x
    (between * 3.0).backward()

    assert (grad(engine, x), grad(engine, between)) == (12.0, None)


def test_backward_of_a_leaf(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    x.backward()

    assert grad(engine, x) == 1.0


def test_backward_twice_is_refused(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    y = x * x
    y.backward()

    with pytest.raises(RuntimeError):
        y.backward()
    assert grad(engine, x) == 4.0


def test_backward_twice_with_retain_graph(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()

    assert grad(engine, x) == 8.0
    with pytest.raises(RuntimeError):
        y.backward()


def test_a_leaf_serves_again_after_backward(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    (x * x).backward()
    (x * x * x).backward()

    assert grad(engine, x) == 4.0 + 12.0


def test_a_tensor_keeps_its_value_after_backward_but_not_its_graph(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    y = x * x
    y.backward()
    again = y * 3.0

    assert float(again.detach()) == 12.0
    with pytest.raises(RuntimeError):
        again.backward()
    assert grad(engine, x) == 4.0


def test_two_losses_on_one_trunk(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    trunk = x * x
    first, second = trunk * 3.0, trunk * trunk
    first.backward(retain_graph=True)
    second.backward()

    assert grad(engine, x) == 12.0 + 32.0


def test_a_second_loss_on_a_freed_trunk_is_refused(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    trunk = x * x
    first, second = trunk * 3.0, trunk * trunk
    first.backward()

    with pytest.raises(RuntimeError):
        second.backward()


def test_gradients_accumulate_until_zero_grad(engine: Adapter) -> None:
    x = leaf(engine, [2.0, -1.0])
    optimizer = engine.package.optim.SGD([x], lr=0.5)
    for times in (1.0, 2.0):
        engine.backward(engine.call("mul", x, x), np.array([1.0, 3.0]))
        assert grad(engine, x) == [4.0 * times, -6.0 * times]
    optimizer.zero_grad()

    assert grad(engine, x) is None


def test_gradients_of_two_leaves_are_two_arrays(engine: Adapter) -> None:
    x, y = leaf(engine, [1.0, 2.0]), leaf(engine, [3.0, 4.0])
    engine.backward(engine.call("add", x, y), np.array([1.0, 1.0]))
    engine.backward(engine.call("mul", x, 2.0), np.array([1.0, 1.0]))

    assert (grad(engine, x), grad(engine, y)) == ([3.0, 3.0], [1.0, 1.0])


def test_backward_needs_a_gradient_for_many_numbers(engine: Adapter) -> None:
    y = engine.call("mul", leaf(engine, [1.0, 2.0]), 2.0)

    with pytest.raises(RuntimeError):
        backward_alone(engine, y)


@pytest.mark.parametrize("shape", [(), (3,), (1, 2)])
def test_a_gradient_of_another_shape_is_refused(engine: Adapter, shape: tuple[int, ...]) -> None:
    y = engine.call("mul", leaf(engine, [1.0, 2.0]), 2.0)

    with pytest.raises((ValueError, RuntimeError)):  # RuntimeError is torch's
        engine.backward(y, np.ones(shape))


def test_backward_of_what_needs_no_gradient_is_refused(engine: Adapter) -> None:
    y = leaf(engine, 2.0, requires_grad=False) * 3.0

    with pytest.raises(RuntimeError):
        y.backward()


def test_no_grad(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    with engine.package.no_grad():
        inside = x * x
        with engine.package.no_grad():
            pass
        still_inside = x * x
    outside = x * x

    assert [y.requires_grad for y in (inside, still_inside, outside)] == [False, False, True]


def test_no_grad_ends_with_an_exception(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    with pytest.raises(KeyError), engine.package.no_grad():
        raise KeyError

    assert (x * x).requires_grad


def test_no_grad_as_a_decorator(engine: Adapter) -> None:
    x = leaf(engine, 2.0)
    square = engine.package.no_grad()(lambda: x * x)

    assert not square().requires_grad
    assert not square().requires_grad
    assert (x * x).requires_grad


def test_detach(engine: Adapter) -> None:
    x = leaf(engine, 3.0)
    cut = (x * x).detach()
    (cut * x).backward()

    assert not cut.requires_grad
    assert float(cut) == 9.0
    assert grad(engine, x) == 9.0


@pytest.mark.parametrize("engine", ["minigrad", "cudagrad", "torch"], indirect=True)
def test_assignment_into_a_tensor_is_refused(engine: Adapter) -> None:
    x = leaf(engine, [2.0, 3.0])

    with pytest.raises((TypeError, RuntimeError)):  # RuntimeError is torch's
        x[0] = 1.0
    assert engine.numpy(x).tolist() == [2.0, 3.0]


@pytest.mark.parametrize("engine", ["micrograd"], indirect=True)
def test_assignment_into_a_list_changes_what_is_computed_from_then_on(engine: Adapter) -> None:
    """Its nodes are the numbers, not the list: a graph keeps those it was built from."""
    x = leaf(engine, [2.0, 3.0])
    y = engine.call("mul", x, x)
    first, other = x[0], leaf(engine, 5.0)
    x[0] = other
    z = engine.call("mul", x, x)
    engine.backward(y, np.array([1.0, 1.0]))
    engine.backward(z, np.array([1.0, 1.0]))

    assert (engine.numpy(y).tolist(), engine.numpy(z).tolist()) == ([4.0, 9.0], [25.0, 9.0])
    assert (grad(engine, first), grad(engine, other)) == (4.0, 10.0)
    assert grad(engine, x) == [10.0, 12.0]


def test_several_outputs_in_one_graph(engine: Adapter) -> None:
    x = leaf(engine, [[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]])
    first, second = engine.call("split", x, 1)
    left, middle, right = engine.call("unbind", x, 1)
    a = engine.call("sum", engine.call("mul", first, second))
    b = engine.call("sum", engine.call("mul", engine.call("mul", left, right), middle))
    (a + b).backward()

    np.testing.assert_array_equal(
        engine.grad(x),
        [[4.0 + 15.0, 2.0 + 3.0, 6.0 + 5.0], [1.0 + 12.0, 5.0 + 24.0, 3.0 + 8.0]],
    )


def test_an_output_that_nobody_uses(engine: Adapter) -> None:
    x = leaf(engine, [1.0, 5.0, 3.0])
    _, middle, _ = engine.call("split", x, 1)
    engine.call("sum", engine.call("mul", middle, middle)).backward()

    assert grad(engine, x) == [0.0, 10.0, 0.0]


def test_values_and_their_indices_in_one_graph(engine: Adapter) -> None:
    x = leaf(engine, [[1.0, 5.0, 3.0], [4.0, 2.0, 6.0]])
    largest, places = engine.call("max", x, 1)  # [5, 6] at [1, 2]
    top, order = engine.call("topk", x, 2, 1)  # [[5, 3], [6, 4]]
    a = engine.call("sum", engine.call("mul", largest, largest))
    b = engine.call("sum", engine.call("mul", top, engine.call("gather", x, 1, order)))
    (a + b).backward()

    assert (engine.numpy(places).tolist(), engine.numpy(order).tolist()) == (
        [1, 2],
        [[1, 2], [2, 0]],
    )
    assert grad(engine, x) == [[0.0, 20.0, 6.0], [8.0, 0.0, 24.0]]


def test_one_loss_twice(engine: Adapter) -> None:
    x = leaf(engine, 3.0)
    loss = x * x
    engine.call("sum", engine.call("stack", [loss, loss])).backward()

    assert grad(engine, x) == 12.0


def test_a_chain_of_many_ops(engine: Adapter) -> None:
    x = leaf(engine, 1.0)
    y = x
    for _ in range(CHAIN):
        y = y + x
    y.backward()

    assert grad(engine, x) == CHAIN + 1


def test_a_chain_of_many_ops_that_nobody_sweeps(engine: Adapter) -> None:
    y = leaf(engine, 1.0)
    for _ in range(CHAIN):
        y = y + 1.0

    assert float(y.detach()) == CHAIN + 1
    del y  # one by one, and not by a recursion that the C stack would not survive


def test_fan_out(engine: Adapter) -> None:
    x = leaf(engine, 1.0)
    branches = [x * float(i) for i in range(FAN_OUT)]
    engine.call("sum", engine.call("stack", branches)).backward()

    assert grad(engine, x) == FAN_OUT * (FAN_OUT - 1) / 2


@pytest.fixture
def without_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive(engine: Adapter) -> int:
    node = type(leaf(engine, 1.0))
    return sum(type(thing) is node for thing in gc.get_objects())


@pytest.mark.usefixtures("without_gc")
@pytest.mark.parametrize("swept", [True, False], ids=["swept", "not swept"])
def test_no_reference_cycles(engine: Adapter, swept: bool) -> None:
    before = alive(engine)
    x, weight = leaf(engine, [[1.0, 2.0, 3.0]]), leaf(engine, [[0.5, -1.0, 2.0], [1.0, 1.5, 0.0]])
    logits = engine.call("linear", engine.call("gelu", x), weight)
    normal = engine.call("layer_norm", logits, (2,))
    parts = engine.call("split", engine.call("softmax", normal, dim=1), 1, dim=1)
    loss = engine.call("sum", engine.call("mul", parts[0], parts[1]))
    if swept:
        loss.backward()
    during = alive(engine)
    del x, weight, logits, normal, parts, loss

    assert during > before
    assert alive(engine) == before
