"""The interface through which an engine is driven, the same for every one of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity import engines
from parity.engines import Adapter
from parity.spec import OPS

each_engine = pytest.mark.parametrize("name", [*engines.OURS, "torch"])
MATRIX = np.array([[1.5, -2.0, 0.25], [4.0, 0.5, -1.0]])


@pytest.fixture
def engine(name: str) -> Adapter:
    return engines.load(name)


@pytest.fixture
def fresh_load() -> Iterator[None]:
    engines.load.cache_clear()
    yield
    engines.load.cache_clear()


def test_our_engines_are_known_in_order_of_difficulty() -> None:
    assert engines.names()[:4] == ("micrograd", "minigrad", "cudagrad", "torch")


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no engine 'nograd'; there are micrograd, minigrad"):
        engines.load("nograd")


@pytest.mark.usefixtures("fresh_load")
def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "parity.engines.minigrad", raising=False)
    monkeypatch.setitem(sys.modules, "minigrad", None)

    with pytest.raises(ModuleNotFoundError) as caught:
        engines.load("minigrad")

    sentence = (
        "engine minigrad needs the package minigrad: pip install ./minigrad, in this project's root"
    )
    assert str(caught.value) == sentence


def install(directory: Path, module: str, source: str) -> None:
    """A third party's distribution, with one engine called other."""
    (directory / f"{module}.py").write_text(source)
    info = directory / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[parity.engines]\nother = {module}:Other\n")


@pytest.mark.usefixtures("fresh_load")
def test_a_third_party_joins_by_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        tmp_path,
        "third_party",
        "from parity.engines.torch import Torch\nclass Other(Torch):\n    name = 'other'\n",
    )
    monkeypatch.syspath_prepend(tmp_path)

    assert "other" in engines.names()
    assert engines.load("other").name == "other"


@pytest.mark.usefixtures("fresh_load")
def test_an_incomplete_adapter_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "unfinished", "class Other:\n    name = ops = dtypes = package = None\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(TypeError, match="engine other has no tensor, call, numpy, grad, backward"):
        engines.load("other")


@each_engine
def test_an_engine_says_what_it_is(engine: Adapter, name: str) -> None:
    assert engine.name == name
    assert list(engine.ops) == [op.name for op in OPS]
    assert engine.dtypes[0] == "float64"
    for part in ("nn", "optim", "gpt", "no_grad", "manual_seed"):
        assert hasattr(engine.package, part)


ARRAYS = {
    "contiguous": MATRIX,
    "Fortran order": np.asfortranarray(MATRIX),
    "transposed": MATRIX.T,
    "strided": np.arange(24.0).reshape(4, 6)[::2, ::3],
    "backwards": MATRIX[::-1, ::-1],
    "stretched": np.broadcast_to(np.array([1.0, 2.0]), (3, 2)),
    "0-d": np.array(2.5),
    "empty": np.zeros(0),
    "rows without elements": np.zeros((3, 0)),
    "int64": np.array([[1, 2], [3, -4]]),
    "0-d int": np.array(7),
    "bool": np.array([True, False]),
}


@each_engine
@pytest.mark.parametrize("layout", ARRAYS)
def test_any_array_comes_back_as_it_went_in(engine: Adapter, layout: str) -> None:
    array = ARRAYS[layout]

    back = engine.numpy(engine.tensor(array))

    assert back.shape == array.shape
    assert back.dtype == array.dtype
    np.testing.assert_array_equal(back, array)


@each_engine
def test_a_tensor_is_a_copy_and_so_is_its_array(engine: Adapter) -> None:
    array = MATRIX.copy()
    tensor = engine.tensor(array)
    array[:] = 0.0
    engine.numpy(tensor)[:] = 1.0

    np.testing.assert_array_equal(engine.numpy(tensor), MATRIX)


@each_engine
def test_integers_come_back_as_int64(engine: Adapter) -> None:
    assert engine.numpy(engine.tensor(np.array([1, 2], np.int32))).dtype == np.int64


@each_engine
def test_each_dtype_is_kept(engine: Adapter) -> None:
    for dtype in engine.dtypes:
        x = engine.tensor(MATRIX.astype(dtype), requires_grad=True)
        y = engine.call("tanh", x)
        engine.backward(y, np.ones((2, 3), dtype))
        gradient = engine.grad(x)

        assert engine.numpy(y).dtype == dtype
        assert gradient is not None
        assert gradient.dtype == dtype


def test_nested_lists_refuse_what_they_cannot_say() -> None:
    with pytest.raises(ValueError, match=r"nested lists cannot have shape \(0, 3\)"):
        engines.load("micrograd").tensor(np.zeros((0, 3)))


@each_engine
def test_gradients_accumulate_on_the_leaves_that_need_one(engine: Adapter) -> None:
    x, c = engine.tensor(MATRIX, requires_grad=True), engine.tensor(MATRIX)
    dout = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])

    assert engine.grad(x) is None
    for times in (1, 2):
        engine.backward(engine.call("mul", x, c), dout)
        np.testing.assert_array_equal(engine.grad(x), times * dout * MATRIX)
    assert engine.grad(c) is None


@each_engine
def test_the_gradient_handed_out_is_a_copy(engine: Adapter) -> None:
    x = engine.tensor(MATRIX, requires_grad=True)
    engine.backward(engine.call("neg", x), np.ones((2, 3)))
    gradient = engine.grad(x)
    assert gradient is not None
    gradient[:] = 0.0

    np.testing.assert_array_equal(engine.grad(x), -np.ones((2, 3)))


CALLS: dict[str, tuple[Any, Any]] = {
    "a scalar second": (lambda c, x: c("add", x, 2.5), MATRIX + 2.5),
    "a scalar first": (lambda c, x: c("sub", 2.5, x), 2.5 - MATRIX),
    "a scalar choice": (
        lambda c, x: c("where", np.array([[True], [False]]), x, 1.0),
        np.where([[True], [False]], MATRIX, 1.0),
    ),
    "a shape": (lambda c, x: c("reshape", x, (3, 2)), MATRIX.reshape(3, 2)),
    "two dims": (lambda c, x: c("sum", x, dim=(0, 1), keepdim=True), MATRIX.sum(keepdims=True)),
    "a list of tensors": (lambda c, x: c("cat", [x, x], dim=0), np.concatenate([MATRIX, MATRIX])),
    "an int": (lambda c, x: c("getitem", x, 1), MATRIX[1]),
    "a slice": (lambda c, x: c("getitem", x, slice(0, 1)), MATRIX[:1]),
    "a new dim": (lambda c, x: c("getitem", x, (Ellipsis, None, 2)), MATRIX[..., None, 2]),
    "a list": (lambda c, x: c("getitem", x, [1, 0, 1]), MATRIX[[1, 0, 1]]),
    "an integer tensor": (
        lambda c, x: c("getitem", x, (slice(None), np.array([2, 0]))),
        MATRIX[:, [2, 0]],
    ),
    "two integer tensors": (
        lambda c, x: c("getitem", x, (np.array([[0], [1]]), np.array([2, 0]))),
        MATRIX[[[0], [1]], [2, 0]],
    ),
    "a boolean tensor": (
        lambda c, x: c("getitem", x, np.array([[True, False, True], [False, True, False]])),
        MATRIX[[[True, False, True], [False, True, False]]],
    ),
}


@each_engine
@pytest.mark.parametrize("how", CALLS)
def test_calls_take_what_torch_takes(engine: Adapter, how: str) -> None:
    call, want = CALLS[how]

    def on_tensors(op: str, *args: Any, **kwargs: Any) -> Any:
        return engine.call(op, *map(given, args), **kwargs)

    def given(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(given, value))
        return engine.tensor(value) if isinstance(value, np.ndarray) else value

    np.testing.assert_array_equal(engine.numpy(call(on_tensors, engine.tensor(MATRIX))), want)


@each_engine
def test_several_outputs_are_a_tuple(engine: Adapter) -> None:
    x = engine.tensor(MATRIX)
    pair = engine.call("max", x, dim=1)
    pieces = engine.call("split", x, 5)

    assert isinstance(pair, tuple)
    np.testing.assert_array_equal(engine.numpy(pair[0]), [1.5, 4.0])
    np.testing.assert_array_equal(engine.numpy(pair[1]), [0, 0])
    assert type(pieces) is tuple
    assert len(pieces) == 1


@each_engine
def test_an_op_that_an_engine_does_not_have_is_named(engine: Adapter, name: str) -> None:
    with pytest.raises(NotImplementedError, match=f"{name} has no op 'conv9d'"):
        engine.call("conv9d", engine.tensor(MATRIX))


@pytest.mark.parametrize("name", engines.OURS)  # of arguments torch has more than the spec
def test_an_argument_that_an_engine_does_not_have_is_named(engine: Adapter, name: str) -> None:
    x = engine.tensor(MATRIX)

    with pytest.raises(NotImplementedError, match=f"{name}: softmax has no argument 'axis'"):
        engine.call("softmax", x, axis=1)
    with pytest.raises(NotImplementedError, match=f"{name}: dropout has 3 positional arguments"):
        engine.call("dropout", x, 0.5, True, False)


@pytest.mark.parametrize("op", ["scatter", "scatter_add"])
@pytest.mark.parametrize("name", engines.OURS)
def test_what_of_src_has_no_index_gets_no_gradient(name: str, op: str) -> None:
    # No case of the spec: torch gives such a gradient the shape of the index, and refuses it.
    engine = engines.load(name)
    x = engine.tensor(np.zeros((2, 3)), requires_grad=True)
    src = engine.tensor(np.ones((3, 2)), requires_grad=True)
    output = engine.call(op, x, 1, engine.tensor(np.array([[2], [0]])), src)

    engine.backward(output, np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))

    found = engine.grad(src)
    assert found is not None
    assert found.tolist() == [[3.0, 0.0], [4.0, 0.0], [0.0, 0.0]]
