"""How gradients flow: accumulation, freeing, no_grad, and graphs that are long or wide."""

from __future__ import annotations

from typing import Never

import pytest

import micrograd
from micrograd import Value, nn, no_grad, ops, scalar
from micrograd.lists import unnest


def leaf(number: float = 2.0) -> Value:
    return Value(number, requires_grad=True)


def test_a_leaf_accumulates() -> None:
    x = leaf()
    (x * 3).backward()
    (x * 4).backward()

    assert x.grad == 7.0


def test_a_leaf_is_its_own_gradient() -> None:
    x = leaf()
    x.backward(5.0)

    assert x.grad == 5.0
    assert x.parents == ()


def test_gradient_scales() -> None:
    x = leaf()
    (x * x).backward(0.5)

    assert x.grad == 2.0


def test_only_leaves_keep_a_gradient() -> None:
    x = leaf()
    y = x * x
    (y * y).backward(retain_graph=True)

    assert x.grad == 32.0
    assert y.grad is None


def test_a_value_that_meets_itself_again() -> None:
    """y is swept after both that were made of it."""
    x = leaf()
    y = x * x
    ((y + 1) * y).backward()

    assert x.grad == (2 * 4 + 1) * 4


def test_a_graph_is_freed_as_it_is_swept() -> None:
    x = leaf()
    y = x * x
    z = y * y
    z.backward()

    assert y.parents is None
    for freed in (z, y, y + 1):
        with pytest.raises(RuntimeError, match="retain_graph=True"):
            freed.backward()
    assert x.grad == 32.0


def test_a_refused_backward_changes_nothing() -> None:
    x, y = leaf(), leaf()
    freed = x * x
    freed.backward()
    out = freed + y * y
    with pytest.raises(RuntimeError, match="freed"):
        out.backward()

    assert (x.grad, y.grad) == (4.0, None)
    assert out.parents


def test_retain_graph() -> None:
    x = leaf()
    y = x * x
    y.backward(retain_graph=True)
    y.backward()

    assert x.grad == 8.0


def test_backward_needs_something_that_requires_a_gradient() -> None:
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        (Value(1.0) + Value(2.0)).backward()


def test_constants_are_not_remembered() -> None:
    x = leaf()
    y = Value(2.0) * Value(3.0)
    z = scalar.dot((x, Value(1.0)), (Value(3.0), x))

    assert (y.parents, y.slopes, y.requires_grad) == ((), (), False)
    assert (z.parents, z.slopes) == ((x, x), (3.0, 1.0))


def test_no_grad() -> None:
    x = leaf()
    with no_grad():
        with no_grad():
            y = x * x
        z = x + x
    assert not y.requires_grad
    assert not z.requires_grad
    assert (x * x).requires_grad


@pytest.mark.parametrize(
    "op",
    [
        lambda x: ops.reshape(x, (4,)),
        lambda x: ops.squeeze(x),
        lambda x: ops.expand(x, (3, 2, 2)),
        lambda x: ops.getitem(x, 0),
        lambda x: ops.getitem(x, (0, 0)),
        lambda x: ops.split(x, 1),
        lambda x: ops.cat([x, x]),
        lambda x: ops.tril(x),
        lambda x: ops.max(x, dim=0)[0],
        lambda x: ops.dropout(x, training=False),
        lambda x: ops.embedding([0, 1], x),
        lambda x: ops.roll(x, 1),
        lambda x: ops.gather(x, 1, [[0], [1]]),
        lambda x: ops.sort(x)[0],
        lambda x: ops.max_pool2d([x], 2),
        lambda x: ops.einsum("ij->ji", x),
    ],
)
def test_no_grad_reaches_what_is_only_rearranged(op) -> None:
    x = micrograd.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    with no_grad():
        y = op(x)
    recorded = unnest(op(x))[0]

    assert [float(value) for value in unnest(y)[0]] == [float(value) for value in recorded]
    assert not any(value.requires_grad for value in unnest(y)[0])
    assert any(value.requires_grad for value in recorded)
    assert all(value.requires_grad for value in unnest(x)[0])


def test_leaves_made_inside_no_grad_require_a_gradient() -> None:
    with no_grad():
        layer = nn.Linear(2, 1)
        layer.load_state_dict({"weight": [[3.0, 4.0]], "bias": [5.0]})
        x = micrograd.tensor([1.0, 2.0], requires_grad=True)
    micrograd.backward(layer(x))

    assert micrograd.grad(x) == [3.0, 4.0]
    assert micrograd.grad(layer.weight) == [[1.0, 2.0]]


def test_no_grad_ends_with_an_error() -> Never:
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (leaf() + 1).requires_grad


def test_no_grad_decorates_even_what_calls_itself() -> None:
    @no_grad()
    def countdown(n: int) -> Value:
        return countdown(n - 1) if n else leaf() * 2

    assert not countdown(3).requires_grad
    assert (leaf() * 2).requires_grad


def test_detach() -> None:
    x = leaf()
    y = (x * x).detach()

    assert (y.data, y.requires_grad) == (4.0, False)
    (x * y).backward()
    assert x.grad == 4.0


def test_one_sweep_for_a_nested_list() -> None:
    x = micrograd.tensor([1.0, 2.0], requires_grad=True)
    shared = x[0] * x[1]
    micrograd.backward([[shared, x[0], shared], [x[1], 5.0, Value(1.0)]], [[1, 10, 2], [100, 7, 7]])

    assert micrograd.grad(x) == [3 * 2.0 + 10, 3 * 1.0 + 100]


def test_backward_of_a_nested_list_refuses() -> None:
    x = micrograd.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match=r"needs a gradient for a tensor of shape \(2,\)"):
        micrograd.backward(x)
    with pytest.raises(ValueError, match=r"gradient of shape \(3,\) for \(2,\)"):
        micrograd.backward(x, [1.0, 2.0, 3.0])
    with pytest.raises(RuntimeError, match="does not require a gradient"):
        micrograd.backward([1.0, Value(2.0)], [1.0, 1.0])


def test_a_long_chain() -> None:
    x = leaf(1.0)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward()

    assert x.grad == 100_001


def test_a_wide_fan() -> None:
    x = leaf()
    scalar.total([x * i for i in range(10_000)]).backward()

    assert x.grad == sum(range(10_000))


def test_a_long_chain_is_deallocated() -> None:
    """Freeing the last Value frees the one before it, and so on: it must not use up the stack."""
    y = leaf()
    for _ in range(1_000_000):
        y = -y
    del y
