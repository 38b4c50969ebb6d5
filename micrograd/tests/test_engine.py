"""How gradients flow: accumulation, freeing, no_grad, and graphs that are long or wide."""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any, Never

import pytest

import micrograd
from micrograd import Value, collector_paused, draw, nn, no_grad, node, ops, rowwise, scalar
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


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x * x,
        lambda x: sum([x * x, x * x]),
        lambda x: rowwise.dots([x, x], [x, x], 1, 1)[0],
    ],
    ids=["node", "terms", "group"],
)
@pytest.mark.parametrize("preset", [0.0, 1.0])
def test_a_gradient_set_on_what_is_no_leaf_counts_for_nothing(make, preset) -> None:
    for path in (lambda y: y, lambda y: y * 1.0):
        x, y = leaf(), leaf()
        fresh = make(y)
        path(fresh).backward()
        z = make(x)
        z.grad = preset
        path(z).backward()

        assert x.grad == y.grad
        assert z.grad is None


def test_a_value_that_meets_itself_again() -> None:
    """y is swept only after both Values that were made of it."""
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


@pytest.mark.parametrize(
    "op",
    [
        lambda freed, y: freed + y * y,
        lambda freed, y: y + freed,  # y is met first
        lambda freed, y: (y * y) * (y + freed),
        lambda freed, y: ops.matmul([[y, y * y]], [[freed], [y]])[0][0],
    ],
)
def test_a_refused_backward_changes_nothing(op) -> None:
    x, y = leaf(), leaf()
    freed = x * x
    freed.backward()
    out = op(freed, y)
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


def test_what_gets_no_gradient_may_not_require_one() -> None:
    x, w, ones = [[0.2, 0.7]], [leaf(1.0), leaf(2.0)], [1.0, 1.0]
    classes, shares = [1], [[0.5, 1.0]]

    for op, name, given in (
        (ops.cross_entropy, "weight", {"target": classes}),
        (ops.cross_entropy, "weight", {"target": shares}),
        (ops.nll_loss, "weight", {"target": classes}),
        (ops.binary_cross_entropy, "weight", {"target": shares}),
        (ops.binary_cross_entropy_with_logits, "weight", {"target": shares}),
        (ops.binary_cross_entropy_with_logits, "pos_weight", {"target": shares}),
        (ops.batch_norm, "running_mean", {"running_var": ones}),
        (ops.batch_norm, "running_var", {"running_mean": ones}),
    ):
        with pytest.raises(TypeError, match=f"^{op.__name__}: {name} has no gradient"):
            op(x, **given, **{name: w})
        op(x, **given, **{name: ones})


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


@pytest.mark.parametrize("swept", [True, False])
def test_a_chain_of_a_million(swept) -> None:
    """Freeing the last Value frees the one before it, and so on: it must not use up the stack."""
    x = y = leaf()
    for _ in range(1_000_000):
        y = -y
    if swept:
        y.backward()
    del y

    assert x.grad == (1.0 if swept else None)


def test_a_product_that_only_one_factor_moves_is_added_as_it_is() -> None:
    x, product = leaf(), leaf(3.0) * Value(5.0)
    out = x + product

    assert (out.parents, out.slopes) == ((x, product), (1.0, 1.0))


def test_dot_products_made_together_are_swept_one_by_one() -> None:
    x = micrograd.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    w = micrograd.tensor([[5.0, 6.0], [7.0, 8.0], [9.0, 10.0]], requires_grad=True)
    y = ops.linear(x, w)
    y[0][1].backward()
    assert (micrograd.grad(x), micrograd.grad(w)) == (
        [[7.0, 8.0], [0.0, 0.0]],
        [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0]],
    )
    y[1][2].backward()

    assert micrograd.grad(x) == [[7.0, 8.0], [9.0, 10.0]]
    assert micrograd.grad(w) == [[0.0, 0.0], [1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(RuntimeError, match="freed"):
        y[1][2].backward()


def test_dot_products_of_what_partly_requires_a_gradient() -> None:
    x = leaf()
    [out] = rowwise.dots([x * 1, Value(2.0)], [Value(3.0), x], 1, 1)
    out.backward()

    assert x.grad == 3.0 + 2.0
    assert not rowwise.dots([Value(1.0)], [Value(2.0)], 1, 1)[0].requires_grad
    with no_grad():
        assert not rowwise.dots([x], [x], 1, 1)[0].requires_grad


def test_values_of_every_kind_in_a_row() -> None:
    """Members of a group, leaves, nodes, and two nodes that share one tuple of parents."""
    parents = x, y = leaf(2.0), leaf(3.0)
    p, q = rowwise.adds([x, y], [y, y])
    twins = [node(0.0, parents, slopes) for slopes in ((1.0, 10.0), (100.0, 1000.0))]
    assert twins[0].parents is twins[1].parents
    scalar.total([p, x, x * y, q, y, *twins, p, q]).backward()

    assert (x.grad, y.grad) == (2 + 1 + 3.0 + 101, 2 + 2.0 + 4 + 1 + 1010)


def test_a_sweep_that_finds_a_freed_value_leaves_no_gradient() -> None:
    x, y = leaf(2.0), leaf(3.0)
    freed = x * x
    freed.backward()
    x.grad = None
    row = [y, *rowwise.adds([x, y], [y, x]), freed]
    with pytest.raises(RuntimeError, match="freed"):
        scalar.total(row).backward()

    assert [value.grad for value in (x, *row)] == [None] * 5


COPIES = {
    "where": lambda x: ops.where([[True, False], [False, True]], x, 0.0),
    "maximum": lambda x: ops.maximum(x, [0.0, 0.0]),
    "leaky_relu": ops.leaky_relu,
    "elu": ops.elu,
    "softplus": lambda x: ops.softplus(x, threshold=0.5),
    "max": lambda x: ops.max(x, 0)[0],
    "min": lambda x: ops.min(x, 1)[0],
    "cumsum": lambda x: ops.cumsum(x, 0),
    "repeat": lambda x: ops.repeat(x, (1, 2)),
    "cat": lambda x: ops.cat([x, [[9.0, 9.0]]]),
    "stack": lambda x: ops.stack([x, x]),
    "flip": lambda x: ops.flip(x, 0),
    "roll": lambda x: ops.roll(x, 1),
    "roll along a dim": lambda x: ops.roll(x, 1, 0),
    "getitem": lambda x: ops.getitem(x, [0, 0, 1]),
    "getitem of a mask": lambda x: ops.getitem(x, [True, False]),
    "index_select": lambda x: ops.index_select(x, 0, [1]),
    "gather": lambda x: ops.gather(x, 1, [[0], [1]]),
    "scatter": lambda x: ops.scatter(x, 1, [[0]], value=9.0),
    "scatter of a src": lambda x: ops.scatter([[9.0, 9.0]], 1, [[0]], x),
    "scatter_add": lambda x: ops.scatter_add(x, 1, [[0]], [[9.0]]),
    "take_along_dim": lambda x: ops.take_along_dim(x, [0, 3]),
    "topk": lambda x: ops.topk(x, 1)[0],
    "sort": lambda x: ops.sort(x)[0],
    "embedding": lambda x: ops.embedding([1, 1, 0], x),
    "max_pool2d": lambda x: ops.max_pool2d([x], 2),
    "pad": lambda x: ops.pad(x, (1, 0)),
}


@pytest.mark.parametrize("op", COPIES.values(), ids=COPIES)
def test_what_was_copied_does_not_change_with_the_leaf(op) -> None:
    x = micrograd.tensor([[1.0, 4.0], [3.0, 2.0]], requires_grad=True)
    copied = op(x)
    before = micrograd.tolist(copied)
    for value in unnest(x)[0]:
        value.data += 100.0

    assert micrograd.tolist(copied) == before
    ops.sum(copied).backward()
    assert any(value.grad for value in unnest(x)[0])


@pytest.mark.parametrize(
    "op",
    [
        ops.contiguous,
        lambda x: ops.reshape(x, 4),
        lambda x: ops.transpose(x, 0, 1),
        lambda x: ops.expand(x, (3, 2, 2)),
        lambda x: ops.narrow(x, 0, 1, 1),
        lambda x: ops.split(x, 1)[1],
        lambda x: ops.getitem(x, (slice(None), 0)),
    ],
)
def test_a_view_changes_with_the_leaf(op) -> None:
    x = micrograd.tensor([[1.0, 4.0], [3.0, 2.0]], requires_grad=True)
    view = op(x)
    for value in unnest(x)[0]:
        value.data = 5.0

    assert {value.data for value in unnest(view)[0]} == {5.0}


def test_a_factor_that_was_freed_is_noticed() -> None:
    x = leaf()
    y = x * x
    y.backward()
    [out] = rowwise.dots([y], [x], 1, 1)
    with pytest.raises(RuntimeError, match="freed"):
        out.backward()

    assert x.grad == 4.0


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was_after_a_pause(enabled) -> Never:
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with collector_paused():
            with collector_paused():
                assert not gc.isenabled()
            assert not gc.isenabled()
        assert gc.isenabled() == enabled
        with pytest.raises(KeyError), collector_paused():
            raise KeyError
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if before else gc.disable)()


def test_draw() -> None:
    x = leaf(2.0)
    y = x * x + 1

    assert draw(y).splitlines() == [
        "digraph {",
        "  rankdir=LR; node [shape=box]",
        '  v0 [label="2" shape=ellipse]',
        '  v1 [label="4"]',
        '  v0 -> v1 [label="2"]',
        '  v0 -> v1 [label="2"]',
        '  v2 [label="5"]',
        '  v1 -> v2 [label="1"]',
        "}",
    ]


def test_a_fast_product_is_drawn_as_any_other() -> None:
    xs, ys = [leaf(2.0), Value(3.0), leaf(4.0)], [leaf(5.0), leaf(6.0), Value(7.0)]
    [fast] = rowwise.dots(xs, ys, 1, 1)

    assert draw(fast) == draw(scalar.dot(xs, ys))
    assert draw(fast).count("->") == 4
    fast.backward()
    with pytest.raises(RuntimeError, match="freed"):
        draw(fast)


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_is_a_leaf_of_its_own(copied: Any) -> None:
    x = leaf(2.0)
    x.grad = 1.0
    y = x * 1.0
    other = copied(x)
    before = other.grad
    (y * 3.0 + other * 5.0).backward()

    assert (x.grad, before) == (4.0, 1.0 if copied is copy.deepcopy else None)
    assert other.grad == 5.0 + (before or 0.0)
    assert other.index > y.index


def test_what_an_op_made_is_not_copied() -> None:
    [made] = ops.matmul([[1.0, 2.0]], [leaf(3.0), leaf(4.0)])
    for each in (made, made * 2.0, leaf(1.0) + leaf(2.0)):
        for copied in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="only leaves"):
                copied(each)
    assert copy.copy(made.detach()).data == 11.0
