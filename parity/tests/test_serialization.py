"""What is saved comes back as it was, in every engine and torch; or says that it cannot."""

from __future__ import annotations

import errno
import itertools
import math
import os
import random
import stat
import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parity import engines

STATE = {
    "numbers": [0, -3, 2**200, 1.5, -0.0, 5e-324, math.inf, -math.inf, math.nan, True, None],
    "nested": {"tuple": (1, (2.0, ()), [(3,), []]), "empty": {}, "": "é\n\"'\\"},
    "by number": {0: {"step": 1}, -1: [], 10**30: "big"},
    "marked": {"$tuple": [1], "$dict": {1: 2}, "$tensor": "x"},
    1: "beside a str",
}


@pytest.fixture
def path(package: Any, tmp_path: Path) -> Iterator[Path]:
    """Where a test may save, beside which it must leave nothing."""
    file = tmp_path / f"state{package.serialization.SUFFIX}"
    yield file
    assert set(tmp_path.iterdir()) <= {file}


def same(a: Any, b: Any) -> bool:
    """Equal in value and type throughout; floats to the bit, but for what kind of NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return same(list(a), list(b)) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(itertools.starmap(same, zip(a, b, strict=True)))
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b) or (math.isnan(a) and math.isnan(b))
    return bool(a == b)


def kind(state: Any) -> str:
    return type(state).__name__


@pytest.mark.parametrize("state", [STATE, [], (), None, 3, "text", math.nan], ids=kind)
def test_all_but_tensors_comes_back_as_it_was(package: Any, path: Path, state: Any) -> None:
    package.save(state, path)

    assert same(package.load(path), state)
    assert same(package.load(str(path)), state)


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
KEYS = st.text() | st.integers() | st.just("$tuple")
STATES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=50, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(state=STATES)
def test_any_state_comes_back_as_it_was(package: Any, path: Path, state: Any) -> None:
    package.save(state, path)

    assert same(package.load(path), state)


def test_a_subclass_comes_back_as_what_it_is_a_kind_of(package: Any, path: Path) -> None:
    number = IntEnum("Number", ["ONE"])
    package.save([number.ONE, np.float64(0.1), np.float32(0.5), np.int64(3), np.bool_(True)], path)

    assert same(package.load(path), [1, 0.1, 0.5, 3, True])


@pytest.mark.parametrize("requires_grad", [False, True])
@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, -math.inf, math.nan], [-0.0, 1e-310, 3.0]]),
        np.arange(6.0).reshape(2, 3).T,
        np.arange(6.0)[::-2],
        np.array(2.5),
        np.zeros(0),
    ],
    ids=["2 by 3", "transposed", "reversed", "0-d", "empty"],
)
def test_tensors_come_back_as_numbers(
    engine: engines.Adapter, path: Path, array: np.ndarray, requires_grad: bool
) -> None:
    tensor = engine.tensor(array, requires_grad)
    engine.package.save({"model": {"weight": tensor}, "again": [tensor, array]}, path)

    state = engine.package.load(path)

    for got in (state["model"]["weight"], *state["again"]):
        assert np.asarray(got).shape == array.shape
        assert np.asarray(got, np.float64).tobytes() == array.tobytes()


def test_a_name_with_a_dot_is_not_a_name_below_another(package: Any, path: Path) -> None:
    state = {"a.b": np.array([1.0]), "a": {"b": np.array([2.0]), "b'": np.array([3.0])}}
    state |= {"__metadata__": np.array([4.0]), "": {"": np.array([5.0])}, "sha256": np.array([6.0])}
    state = {"a.b'": np.array([7.0]), **state}
    package.save(state, path)

    got = package.load(path)

    numbers = [got["a.b"], got["a"]["b"], got["a"]["b'"], got["__metadata__"], got[""][""]]
    assert [float(number[0]) for number in [*numbers, got["sha256"]]] == [1, 2, 3, 4, 5, 6]
    assert float(got["a.b'"][0]) == 7


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"model": [1, {"x": {1, 2}}]}, r"model\.1\.x .*: set"),
        ({3: (object(),)}, r"3\.0 .*: object"),
        ({"f": len}, r"f .*: builtin_function"),
        (1j, "state .*: complex"),
        (b"bytes", "state .*: bytes"),
        ({"a": {2.0: 1}}, r"a has the key 2\.0, not a str or int"),
        ({None: 1}, "state has the key None, not a str or int"),
    ],
    ids=["set", "object", "function", "complex", "bytes", "float key", "None key"],
)
def test_what_cannot_be_saved_is_named_by_its_path(
    package: Any, path: Path, state: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=f"^save: {message}"):
        package.save(state, path)
    assert not path.exists()


@pytest.mark.parametrize("array", [np.array([1j]), np.array([object()])], ids=["complex", "object"])
def test_arrays_of_what_is_no_number_are_refused(
    package: Any, path: Path, array: np.ndarray
) -> None:
    with pytest.raises(TypeError, match=r"^save: a\.b"):
        package.save({"a": {"b": array}}, path)


def small(engine: engines.Adapter, path: Path) -> bytes:
    """A file of a small state, in which there are numbers and tensors."""
    tensor = engine.tensor(np.array([[1.0, 2.0], [3.0, 4.0]]))
    engine.package.save({"model": {"weight": tensor}, "step": 3, "tuple": (1.5, "x")}, path)
    return path.read_bytes()


def is_refused(engine: engines.Adapter, path: Path, data: bytes) -> bool:
    """Whether load says in one sentence that the file is damaged."""
    path.write_bytes(data)
    try:
        engine.package.load(path)
    except ValueError as error:
        text = str(error)
        return str(path) in text and "damaged" in text and "\n" not in text
    return False


def test_a_file_that_ends_early_is_refused(engine: engines.Adapter, path: Path) -> None:
    data = small(engine, path)

    assert [n for n in range(len(data)) if not is_refused(engine, path, data[:n])] == []


def test_a_file_with_a_changed_byte_is_refused(engine: engines.Adapter, path: Path) -> None:
    data, draw = small(engine, path), random.Random(0)
    unnoticed = []
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= draw.randint(1, 255)
        if not is_refused(engine, path, bytes(changed)):
            unnoticed.append(place)

    assert unnoticed == []


def test_a_file_with_more_or_other_bytes_is_refused(engine: engines.Adapter, path: Path) -> None:
    data = small(engine, path)

    for other in (data + b"\0", data + data, b"\0" + data, b"{}", os.urandom(1000)):
        assert is_refused(engine, path, other)


OURS = pytest.mark.parametrize("engine", ["micrograd", "minigrad", "cudagrad"], indirect=True)


@OURS
def test_a_missing_folder_is_named(engine: engines.Adapter, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        engine.package.save("state", tmp_path / "none" / "file")
    assert caught.value.filename == str(tmp_path / "none")


@OURS
def test_a_module_is_saved_by_its_state(engine: engines.Adapter, path: Path) -> None:
    with pytest.raises(TypeError, match=r"Linear: save its state_dict\(\)"):
        engine.package.save({"model": engine.package.nn.Linear(1, 1)}, path)


def test_a_missing_file_is_a_file_not_found(package: Any, path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=path.name):
        package.load(path)


def full(*arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupted(*arguments: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("old", ["old", None])
@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize(("fault", "error"), [(full, OSError), (interrupted, KeyboardInterrupt)])
def test_a_write_that_fails_leaves_what_was_there(
    package: Any,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: str,
    fault: Callable[..., None],
    error: type[BaseException],
    old: str | None,
) -> None:
    if old:
        package.save(old, path)
    with monkeypatch.context() as patch:
        patch.setattr(os, function, fault)
        with pytest.raises(error):
            package.save("new", path)

    assert path.exists() == bool(old)
    assert not old or package.load(path) == old


def test_a_state_that_cannot_be_saved_leaves_what_was_there(package: Any, path: Path) -> None:
    package.save("old", path)

    with pytest.raises(TypeError):
        package.save({"new": {1}}, path)

    assert package.load(path) == "old"


def test_a_new_file_takes_the_place_of_the_old(package: Any, path: Path) -> None:
    package.save(["old"] * 100, path)
    package.save("new", path)

    assert package.load(path) == "new"


def test_nothing_is_written_before_it_is_on_the_disk(
    package: Any, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file has its name only after its bytes, and its folder only after the name."""
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(
            os, name, lambda *args, name=name, real=real: (calls.append(name), real(*args))[1]
        )

    package.save("state", path)

    assert calls == ["fsync", "replace", "fsync"]


def test_a_link_goes_on_linking(package: Any, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    package.save("state", tmp_path / "link")

    assert (tmp_path / "link").is_symlink()
    assert package.load(tmp_path / "file") == "state"


def test_what_is_no_file_is_not_replaced_by_one(package: Any, path: Path) -> None:
    os.mkfifo(path)  # root could replace /dev/null as well
    with pytest.raises(FileExistsError, match="Not a file that can be replaced"):
        package.save("state", path)

    assert path.is_fifo()
    assert list(path.parent.iterdir()) == [path]


def test_others_may_read_the_file_as_any_other(package: Any, path: Path) -> None:
    before = os.umask(0o027)
    try:
        package.save("state", path)
    finally:
        os.umask(before)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_folder_that_is_not_there_is_an_error_of_the_system(package: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        package.save("state", tmp_path / "none" / "file")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError):
        package.save("state", tmp_path / "file" / "file")
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        package.save("state", tmp_path / "folder")
    assert {file.name for file in tmp_path.iterdir()} == {"file", "folder"}
