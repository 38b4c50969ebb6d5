"""The rivals: judged and timed like our engines, where they are installed; known where not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from parity import checks, engines, spec
from parity.bench import ops as bench
from parity.bench.rows import BOTH, FORWARD
from parity.checks.determinism import digests
from parity.engines import Adapter
from parity.threads import pinned

NAMES = tuple(name for name in engines.RIVALS if name != "torch")
each_rival = pytest.mark.parametrize("name", NAMES)
MATRIX = np.array([[1.5, -2.0, 0.25], [4.0, 0.5, -1.0]])


@pytest.fixture
def rival(name: str) -> Adapter:
    return installed(name)


def installed(name: str) -> Adapter:
    pytest.importorskip(name, reason=f'{name} is not installed: pip install "./parity[rivals]"')
    try:
        return engines.load(name)
    except RuntimeError as error:  # tinygrad, without a compiler
        pytest.skip(str(error))


@pytest.fixture
def fresh_load() -> Iterator[None]:
    engines.load.cache_clear()
    yield
    engines.load.cache_clear()


@each_rival
@pytest.mark.usefixtures("fresh_load")
def test_a_rival_that_is_missing_is_one_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"parity.engines.{name}", raising=False)
    monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(ModuleNotFoundError) as caught:
        engines.load(name)

    assert str(caught.value) == f"engine {name} needs the package {name}: pip install {name}"


def test_nobody_waits_for_a_rival_who_did_not_ask_for_it() -> None:
    code = (
        "import sys, parity.cli, parity.plugin, parity.bench.ops, parity.report.collect\n"
        "from parity import engines\n"
        "engines.names(), engines.load('torch')\n"
        f"print({{*sys.modules}} & {{*{NAMES}}})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )

    assert done.stdout.strip() == "set()"


def test_a_compiler_that_is_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tinygrad", reason='pip install "./parity[rivals]"')
    from parity.engines.tinygrad import Tinygrad

    monkeypatch.setenv("CC", "no-such-clang")

    with pytest.raises(
        RuntimeError, match="compiles with no-such-clang, which is not installed: inst"
    ):
        Tinygrad()


@each_rival
@pytest.mark.parametrize("case", ["mul[3]", "matmul[4]", "var[3]", "softmax[1]", "layer_norm[0]"])
def test_a_rival_is_judged(rival: Adapter, case: str) -> None:
    op = spec.BY_NAME[case.partition("[")[0]]
    (one,) = (each for each in op.cases if each.id == case)

    for check, dtype in (("forward", "float32"), ("backward", "float64")):
        result = checks.run(rival, op, one, check, dtype)
        assert result.status == "passed", result.message


@each_rival
def test_what_a_rival_lacks_is_named(rival: Adapter, name: str) -> None:
    op = spec.BY_NAME["adaptive_avg_pool2d"]
    lacking = checks.run(rival, op, op.cases[0], "forward", "float64")

    assert lacking.status == "failed"
    assert f"{name} has no op 'adaptive_avg_pool2d'" in lacking.message
    with pytest.raises(NotImplementedError, match=f"{name}: softmax has no argument 'dtype'"):
        rival.call("softmax", rival.tensor(MATRIX), -1, dtype=float)


ARRAYS = {
    "transposed": MATRIX.T,
    "backwards": MATRIX[::-1, ::-1],
    "float32": MATRIX.astype(np.float32),
    "0-d": np.array(2.5),
    "empty": np.zeros((3, 0)),
    "int64": np.array([[1, 2], [3, -4]]),
    "bool": np.array([True, False]),
}


@each_rival
def test_any_array_comes_back_as_it_went_in(rival: Adapter) -> None:
    for array in ARRAYS.values():
        given = array.copy()
        tensor = rival.tensor(given)
        given[...] = 0
        back = rival.numpy(tensor)

        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array, strict=True)
        back[...] = 0
        np.testing.assert_array_equal(rival.numpy(tensor), array)


@each_rival
def test_gradients_accumulate_on_the_leaves_that_need_one(rival: Adapter) -> None:
    x, c = rival.tensor(MATRIX, requires_grad=True), rival.tensor(MATRIX + 1)
    dout = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    assert rival.grad(x) is None
    for times in (1, 2):
        rival.backward(rival.call("mul", x, c), dout)
        np.testing.assert_array_equal(rival.grad(x), times * dout * (MATRIX + 1))
    assert rival.grad(c) is None
    gradient = rival.grad(x)
    assert gradient is not None
    gradient[:] = 0.0
    np.testing.assert_array_equal(rival.grad(x), 2 * dout * (MATRIX + 1))


@pytest.mark.parametrize("name", ["jax", "tinygrad"])
def test_gradients_meet_where_paths_do(rival: Adapter) -> None:
    x = rival.tensor(MATRIX, requires_grad=True)
    left, right = rival.call("split", x, [1, 2], 1)
    y = rival.call("add", rival.call("mul", right, right), rival.call("mul", left, right))

    rival.backward(y, np.ones((2, 2)))

    a, b = MATRIX[:, :1], MATRIX[:, 1:]
    want = np.concatenate([b.sum(axis=1, keepdims=True), 2 * b + a], axis=1)
    np.testing.assert_allclose(rival.grad(x), want, rtol=1e-15)


@each_rival
def test_numbers_that_are_equal_but_not_alike_are_kept_apart(rival: Adapter) -> None:
    counts = rival.tensor(np.array([1, 2]))

    assert rival.numpy(rival.call("mul", counts, 2)).dtype.kind == "i"
    assert rival.numpy(rival.call("mul", counts, 2.0)).dtype.kind == "f"
    assert rival.numpy(rival.call("mul", counts, 2)).dtype.kind == "i"


@pytest.mark.parametrize("name", ["jax", "tinygrad"])
def test_a_view_of_slices(rival: Adapter) -> None:
    x = rival.tensor(MATRIX, requires_grad=True)
    for where in ((Ellipsis, slice(None, None, 2)), (slice(1, 2), 0), 1):
        np.testing.assert_array_equal(rival.numpy(rival.call("getitem", x, where)), MATRIX[where])
    twice = rival.call("getitem", x, (rival.tensor(np.array([1, 1, 0])),))

    rival.backward(twice, np.array([[1.0] * 3, [2.0] * 3, [4.0] * 3]))

    np.testing.assert_array_equal(rival.grad(x), [[4.0] * 3, [3.0] * 3])


def test_jax_finds_where_a_mask_is_true() -> None:
    jax = installed("jax")
    x = jax.tensor(MATRIX, requires_grad=True)
    kept = jax.call("getitem", x, jax.tensor(MATRIX > 0))

    jax.backward(kept, np.array([1.0, 2.0, 3.0, 4.0]))

    np.testing.assert_array_equal(jax.numpy(kept), MATRIX[MATRIX > 0])
    np.testing.assert_array_equal(jax.grad(x), [[1.0, 0.0, 2.0], [3.0, 4.0, 0.0]])


def test_jax_keeps_what_others_have_set() -> None:
    rival = installed("jax")
    from jax import numpy as jnp

    assert rival.numpy(rival.call("exp", rival.tensor(MATRIX))).dtype == np.float64
    assert jnp.zeros(1).dtype == np.float32


# What the README says of rivals: op, case, check, dtype, and between which eps the error is.
DEVIATIONS = [
    ("jax", "abs[6]", "backward", "float64", 1e15, 1e16),
    ("jax", "clamp[12]", "backward", "float64", 1e15, 1e16),
    ("tinygrad", "tanh[5]", "forward", "float32", 1e5, 2e5),
    ("tinygrad", "erf[0]", "forward", "float64", 1e8, 1e9),
    ("tinygrad", "gelu[0]", "forward", "float64", 1e8, 1e9),
]


@pytest.mark.parametrize(("name", "case", "check", "dtype", "low", "high"), DEVIATIONS)
def test_a_deviation_is_told(
    rival: Adapter, case: str, check: str, dtype: str, low: float, high: float
) -> None:
    op = spec.BY_NAME[case.partition("[")[0]]
    (one,) = (each for each in op.cases if each.id == case)
    result = checks.run(rival, op, one, check, dtype)

    assert result.status == "failed"
    assert result.error is not None
    assert low < result.error < high


def test_what_is_no_number_in_jax_is_told() -> None:
    rival, op = installed("jax"), spec.BY_NAME["std"]
    (equal,) = (case for case in op.cases if case.why == "the slope at 0 is 0")
    result = checks.run(rival, op, equal, "backward", "float64")

    assert result.status == "failed"
    assert "is nan, should be 0.0" in result.message


@each_rival
def test_a_rival_gives_the_same_bits(rival: Adapter, name: str) -> None:
    found = digests(rival, ["softmax"])

    assert len(found) > 20
    assert found == digests(rival, ["softmax"])


@each_rival
def test_a_rival_is_timed(rival: Adapter, name: str) -> None:
    minigrad = engines.load("minigrad")
    rows = bench.measure([minigrad], ["softmax"], "small", [name], threads=1, pairs=2)
    found = [row for row in rows if row.against == name]

    assert {(row.engine, row.against, row.phase) for row in found} == {
        ("minigrad", name, FORWARD),
        ("minigrad", name, BOTH),
    }
    assert all(row.ratio > 0 and row.apart is not None and row.apart < 100 for row in found)


def test_threads_of_its_own_are_as_many_as_the_others() -> None:
    class Busy:
        name, threads = "busy", 3

    with (
        pytest.raises(ValueError, match="busy has started with 3 threads, not 1: set OMP_NUM"),
        pinned(1, [Busy()]),  # type: ignore[list-item]
    ):
        pass
