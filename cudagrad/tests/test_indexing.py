"""x[index] against NumPy, which torch follows but for ints beside index arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from recording import recorded

import cudagrad
from cudagrad import ops
from cudagrad.compile.table import Launch

X = np.arange(3 * 5 * 4 * 2, dtype=np.float64).reshape(3, 5, 4, 2)
MASK = X[:, :, 0, 0] % 3 == 0

INDICES: list[Any] = [
    1,
    (-1, slice(None), 2),
    (slice(1, None), slice(None, None, 2), slice(5, 2)),
    (Ellipsis, 0),
    (None, 1, Ellipsis, None, slice(0, 3, 2)),
    [2, 0, 2],
    (slice(None), [[0, -1], [3, 3]]),
    ([0, 1], slice(None), [2, 3]),
    (slice(None), [0, 1], [2, 3]),
    (slice(None), [[0], [4]], [2, 3], slice(None, None, 2)),
    ([0, 1], None, [2, 3]),
    (slice(None), np.array([4, 0], np.int32), Ellipsis),
    MASK,
    (MASK, slice(None), 1),
    (slice(1, 2), [True, False, True, True, False]),
    (slice(None), slice(None), [True, False, True, False], [1, 0]),
    True,
    False,
    np.True_,
    np.False_,
    (np.zeros((3, 5), bool),),
    [],
]


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_values_and_gradients_are_numpys(index: Any) -> None:
    x = cudagrad.tensor(X, requires_grad=True)
    taken = x[index]
    expected = X[index]
    dout = np.random.default_rng(0).standard_normal(expected.shape)
    taken.backward(dout)
    dx = np.zeros_like(X)
    np.add.at(dx, index, dout)

    assert taken.shape == expected.shape
    assert taken.tolist() == expected.tolist()
    np.testing.assert_allclose(x.grad.numpy(), dx, rtol=1e-15)


@pytest.mark.parametrize(
    ("index", "puts"), [(MASK, True), (slice(1, 3), False), ([2, 0, 2], False)]
)
def test_the_gradient_of_a_mask_is_put_where_it_belongs(index: Any, puts: bool) -> None:
    """Not looked for by each element among all positions, as that of other indices is."""
    taken = cudagrad.tensor(X, requires_grad=True)[index]
    seen: set[Launch] = set()
    with recorded(seen):
        taken.backward(np.ones(taken.shape))
    names = {launch.kernel.partition("(")[0] for launch in seen}

    assert ("gather.put_along" in names) == puts
    assert ("gather.add_at" in names) == (isinstance(index, list))


def test_an_int_selects_before_index_arrays_meet() -> None:
    x = cudagrad.tensor(X)

    assert x[1, :, [0, 3]].shape == (5, 2, 2)
    assert X[1, :, [0, 3]].shape == (2, 5, 2)
    assert x[cudagrad.tensor(1), :, [0, 3]].shape == (5, 2, 2)


@pytest.mark.parametrize(
    ("index", "error", "words"),
    [
        (3, IndexError, r"3 is out of range for dim 0 of shape \(3, 5"),
        ([0, 3], IndexError, r"out of range for dim 0 of shape \(3, 5"),
        ([-4], IndexError, r"out of range for dim 0 of shape \(3, 5"),
        ((0, 0, 0, 0, 0), IndexError, r"5 indices for shape \(3, 5, 4, 2\)"),
        ((Ellipsis, Ellipsis), IndexError, "more than one Ellipsis, for shape"),
        (np.zeros((3, 4), bool), IndexError, r"mask of shape \(3, 4\) for dims \(3, 5\) of shape"),
        (([0, 1], [0, 1, 2]), IndexError, r"\(2,\) and \(3,\) do not broadcast"),
        (slice(None, None, -1), ValueError, "positive step"),
        ("a", TypeError, "str is not an index"),
        ([0.5], TypeError, "must be integers or bool"),
    ],
)
def test_bad_indices_are_refused(index: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cudagrad.tensor(X)[index]


def test_ids_and_targets_are_checked_before_they_reach_memory() -> None:
    weight = cudagrad.tensor(np.zeros((4, 2)))
    for wrong in (-1, 4, 2**40):
        with pytest.raises(IndexError, match=r"out of range \[0, 3\]"):
            ops.embedding(np.array([0, wrong]), weight)
        with pytest.raises(IndexError, match=r"out of range \[0, 1\]"):
            ops.cross_entropy(weight, np.array([0, 1, 0, wrong]))
