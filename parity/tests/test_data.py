"""The data of the tasks: sales that are made up and read, MNIST's files, downloads."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import statistics
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from parity.cli import main
from parity.tasks.data import downloads, idx, sales, shop

Array = np.ndarray[Any, Any]

GOOD = "Elm Cola\tBEV-0062\t2024-02-29\t2024-02-29 08:00:00\t4\t3.25\tDrinks\tu1\t12.95\t7"


def sale(**changes: str) -> str:
    """A good line with other text in the columns that are named, _ for a space."""
    fields = dict(zip(sales.COLUMNS, GOOD.split("\t"), strict=True))
    fields |= {name.replace("_", " "): text for name, text in changes.items()}
    return "\t".join(fields.values())


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    """file(lines) is a file with these lines."""

    def write(*lines: str | bytes) -> Path:
        path = tmp_path / "sales.tsv"
        path.write_bytes(b"".join(x if isinstance(x, bytes) else f"{x}\n".encode() for x in lines))
        return path

    return write


# ---- sales


def test_the_shop_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in "abc")
    shop.write(first, 3000, seed=1)
    shop.write(again, 3000, seed=1)
    shop.write(other, 3000, seed=2)

    assert first.read_bytes() == again.read_bytes()
    assert first.read_bytes() != other.read_bytes()


def test_the_shop_sells_what_the_task_needs(tmp_path: Path) -> None:
    shop.write(tmp_path / "sales.tsv", 30_000)
    found = sales.read(tmp_path / "sales.tsv")

    assert len(found) + len(found.malformed) == 30_000
    assert 0 < len(found.malformed) < 30
    assert set(found.category) == set(shop.CATEGORIES)
    assert len(shop.CATEGORIES) == 16
    assert found.day.min() == 1
    assert found.day.max() == 366
    assert (np.diff(found.day) >= 0).all()
    noise = found.total / (found.quantity * found.unit_price) - 1
    assert 0.8 * shop.NOISE < noise.std() < 1.2 * shop.NOISE


def test_every_flaw_of_the_shop_is_malformed(file: Callable[..., Path]) -> None:
    flawed = ["\t".join(flaw(GOOD.split("\t"))) for flaw in shop.FLAWS]
    found = sales.read(file(sale(), *flawed))

    assert len(found) == 1
    assert len({each.reason for each in found.malformed}) == len(shop.FLAWS)


def test_reading_sales_takes_a_few_times_as_long_as_splitting_the_lines(tmp_path: Path) -> None:
    """So that a year of them is read in seconds; measured on one machine, one after the other."""
    path = tmp_path / "sales.tsv"
    shop.write(path, 20_000)

    def split() -> list[list[str]]:
        return [line.split("\t") for line in path.read_text().splitlines()]

    def seconds(function: Callable[[], object]) -> float:
        before = time.process_time()
        function()
        return time.process_time() - before

    rounds = [(seconds(lambda: sales.read(path)), seconds(split)) for _ in range(5)]
    assert statistics.median(reading / splitting for reading, splitting in rounds) < 10


def test_columns_are_read_in_file_order(file: Callable[..., Path]) -> None:
    found = sales.read(file(sale(), sale(quantity="0.5", category="Ünïcode", date="20231231")))

    assert found.quantity.tolist() == [4, 0.5]
    assert found.unit_price.tolist() == [3.25, 3.25]
    assert found.total.tolist() == [12.95, 12.95]
    assert found.day.tolist() == [60, 365]
    assert list(found.category) == ["Drinks", "Ünïcode"]
    assert found.skipped() == ""


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("\t".join(GOOD.split("\t")[:9]), "9 columns, not 10"),
        (GOOD + "\t", "11 columns, not 10"),
        ("", "1 column, not 10"),
        (sale(quantity="two"), "quantity 'two' is not a number"),
        (sale(quantity=""), "quantity '' is not a number"),
        (sale(quantity="-1"), "quantity '-1' is negative"),
        (sale(quantity="nan"), "quantity 'nan' is not finite"),
        (sale(unit_price="1e999"), "unit price '1e999' is not finite"),
        (sale(unit_price="3,25"), "unit price '3,25' is not a number"),
        (sale(total="-inf"), "total '-inf' is not finite"),
        (sale(date="2023-02-29"), "date '2023-02-29' is no day in ISO 8601"),
        (sale(date="29.02.2024"), "date '29.02.2024' is no day in ISO 8601"),
        (sale(date=""), "date '' is no day in ISO 8601"),
        (sale(category=" "), "the category is empty"),
        (sale(quantity="\x1b[2J" + "9" * 99 + "x"), r"quantity '\x1b[2J9999"),
    ],
)
def test_a_malformed_line_is_skipped_with_its_number_and_why(
    line: str, reason: str, file: Callable[..., Path]
) -> None:
    found = sales.read(file(sale(), line, sale()))

    assert len(found) == 2
    assert [each.line for each in found.malformed] == [2]
    assert found.malformed[0].reason.startswith(reason)
    assert len(found.malformed[0].reason) < 120
    assert found.skipped().startswith(f"skipped 1 of 3 lines:\n  line 2: {reason}")


def test_the_summary_shows_the_first_few(file: Callable[..., Path]) -> None:
    shown = sales.read(file(*["x"] * 10_000, sale())).skipped().splitlines()

    assert shown[0] == "skipped 10000 of 10001 lines:"
    assert shown[1:-1] == [f"  line {n}: 1 column, not 10" for n in range(1, sales.FEW + 1)]
    assert shown[-1] == f"  and {10_000 - sales.FEW} more"


def test_categories_in_no_known_encoding_stay_apart(file: Callable[..., Path]) -> None:
    latin = [sale(category=name).encode("latin-1") + b"\r\n" for name in ("Möbel", "Mäbel")]
    found = sales.read(file(b"\xef\xbb\xbf", *latin))

    assert len(set(found.category)) == len(found) == 2


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([b""], "it is empty"),
        (["header", "x\ty"], "line 1: 1 column, not 10; line 2: 2 columns, not 10"),
        ([bytes(range(256)) * 50], "line 1: 2 columns, not 10; line 2"),
    ],
)
def test_a_file_without_a_usable_sale_is_refused(
    content: list[Any], why: str, file: Callable[..., Path]
) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        sales.read(file(*content))

    assert len(str(caught.value).splitlines()) == 1


# ---- IDX


def packed(array: Array) -> bytes:
    """An array of bytes as an IDX file."""
    return struct.pack(f">I{array.ndim}I", 0x800 | array.ndim, *array.shape) + array.tobytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the property tests, whose examples share it."""
    return tmp_path_factory.mktemp("idx")


# A slow machine makes no test fail.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
shapes = st.tuples(*[st.integers(1, 5)] * 3)
pictures = shapes.flatmap(lambda shape: arrays.arrays(np.uint8, shape))


@unhurried
@given(pictures, st.booleans())
def test_what_was_packed_is_read(folder: Path, array: Array, zipped: bool) -> None:
    path = folder / "images"
    path.write_bytes(gzip.compress(packed(array)) if zipped else packed(array))

    assert np.array_equal(idx.images(path), array)


@unhurried
@given(pictures, st.booleans(), st.data())
def test_a_file_cut_anywhere_is_refused(
    folder: Path, array: Array, zipped: bool, data: st.DataObject
) -> None:
    content = gzip.compress(packed(array)) if zipped else packed(array)
    cut = data.draw(st.integers(0, len(content) - 1))
    path = folder / "cut"
    path.write_bytes(content[:cut])

    with pytest.raises(ValueError, match=r"cut is (truncated|no IDX file)"):
        idx.images(path)


@unhurried
@given(pictures, st.binary(min_size=1))
def test_more_than_the_header_says_is_refused(folder: Path, array: Array, more: bytes) -> None:
    path = folder / "long"
    path.write_bytes(packed(array) + more)

    with pytest.raises(ValueError, match="long is too long"):
        idx.images(path)


@unhurried
@given(st.binary())
def test_any_bytes_are_refused_or_an_array(folder: Path, content: bytes) -> None:
    path = folder / "any"
    path.write_bytes(content)
    try:
        found = idx.labels(path)
    except ValueError:
        return
    assert packed(found) == content


LABELS = np.arange(4, dtype=np.uint8)
IMAGES = np.arange(4 * 28 * 28).reshape(4, 28, 28).astype(np.uint8)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (packed(IMAGES), "is no IDX file of labels: it begins with 0x00000803, not 0x00000801"),
        (b"<html>", "is no IDX file of labels: it begins with 0x3c68746d"),
        (b"", "is no IDX file of labels: it begins with 0x, not"),
        (packed(LABELS)[:6], "is truncated: it ends too early"),
        (packed(LABELS)[:-1], r"is truncated: 3 bytes of labels, where its header says 4 = 4"),
        (packed(LABELS) + b"x", r"is too long: 5 bytes of labels"),
        (struct.pack(">II", 0x801, 2**32 - 1), "is truncated: 0 bytes of labels"),
        (packed(LABELS[:0]), "holds no labels"),
        (packed(LABELS + 8), "holds the label 11; digits are 0 to 9"),
        (gzip.compress(packed(LABELS), mtime=0)[:-9], "is truncated: it ends too early"),
        (gzip.compress(packed(LABELS), mtime=0)[:-1], "is truncated: it ends too early"),
        (gzip.compress(packed(LABELS), mtime=0)[:-6] + b"xxxxxx", "is damaged: CRC check failed"),
        (b"\x1f\x8b" + bytes(30), "is damaged: Unknown compression method"),
        (
            gzip.compress(packed(LABELS), mtime=0)[:10] + b"\xff" * 30,
            "is damaged: .*invalid block type",
        ),
    ],
)
def test_a_wrong_idx_file_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "labels"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=sentence) as caught:
        idx.labels(path)
    assert str(caught.value).startswith(str(path))


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """MNIST's four files, with four images each, two of them in gzip."""
    for images, labels in (idx.TRAIN, idx.TEST):
        (tmp_path / images).write_bytes(packed(IMAGES))
        (tmp_path / f"{labels}.gz").write_bytes(gzip.compress(packed(LABELS)))
    return tmp_path


def test_the_four_files_are_found(mnist: Path) -> None:
    train_images, train_labels, test_images, test_labels = idx.mnist(mnist)

    assert np.array_equal(train_images, IMAGES)
    assert np.array_equal(test_images, IMAGES)
    assert np.array_equal(train_labels, LABELS)
    assert np.array_equal(test_labels, LABELS)


def test_files_that_do_not_belong_together_are_refused(mnist: Path) -> None:
    (mnist / idx.TEST[0]).write_bytes(packed(IMAGES[:, 1:]))
    with pytest.raises(ValueError, match="two sizes: 28×28 for training, 27×28 for testing"):
        idx.mnist(mnist)

    (mnist / idx.TRAIN[0]).write_bytes(packed(IMAGES[1:]))
    with pytest.raises(ValueError, match=r"3 images, but .* holds 4 labels"):
        idx.mnist(mnist)

    (mnist / idx.TRAIN[0]).unlink()
    with pytest.raises(FileNotFoundError, match="has neither train-images-idx3-ubyte nor train-"):
        idx.mnist(mnist)
    with pytest.raises(FileNotFoundError, match="is no folder; MNIST's four files"):
        idx.mnist(mnist / "none")


# ---- downloads


class Server(http.server.ThreadingHTTPServer):
    """Answers each path with its bytes in files, or with 404; counts what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path[1:])
        content = self.server.files.get(self.path[1:])
        if content is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(max(len(content), len(TEXT))))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Nothing on the terminal."""


TEXT = b"To be, or not to be"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    """A server that has the only file of the set "shakespeare"; its first mirror never has it."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        server.files["there"] = TEXT
        urls = (server.url("gone"), server.url("there"))
        source = downloads.Source("text", urls, len(TEXT), hashlib.sha256(TEXT).hexdigest())
        monkeypatch.setitem(downloads.SETS, "shakespeare", (source,))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.setenv("PARITY_CACHE", str(tmp_path / "cache"))
        yield server
        server.shutdown()
        thread.join()


def test_a_file_is_downloaded_once(server: Server, tmp_path: Path) -> None:
    (path,) = downloads.fetch("shakespeare")

    assert path == tmp_path / "cache" / "text"
    assert path.read_bytes() == TEXT
    assert server.asked == ["gone", "there"]
    assert downloads.fetch("shakespeare") == (path,)
    assert server.asked == ["gone", "there"]
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_file_in_the_cache_is_downloaded_again(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(TEXT[:-1] + b"?")
    downloads.fetch("shakespeare", tmp_path)

    assert path.read_bytes() == TEXT


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (TEXT[:-1] + b"?", "its SHA-256 is wrong"),
        (TEXT[:-1], f"{len(TEXT) - 1} bytes instead of {len(TEXT)}"),
        (TEXT + b"!", f"more than {len(TEXT)} bytes"),
        (None, "Not Found"),
    ],
)
def test_a_wrong_download_leaves_nothing_behind(
    server: Server, answer: bytes | None, why: str, tmp_path: Path
) -> None:
    if answer is None:
        del server.files["there"]
    else:
        server.files["there"] = answer

    with pytest.raises(ConnectionError, match=rf"cannot download text from .*\({why}.*--data"):
        downloads.fetch("shakespeare", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_one_sentence_says_what_to_do(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server() as closed:
        url = closed.url("text")  # nothing listens there any more
    source = downloads.Source("text", (url,), 1, "")
    monkeypatch.setitem(downloads.SETS, "mnist", (source,))

    assert main(["data", "mnist"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"parity: cannot download text from {url} (")
    assert said.endswith("fetch it by other means, and say where it is with --data\n")
    assert "Connection refused" in said


def test_what_is_downloaded_is_known() -> None:
    for name, sources in downloads.SETS.items():
        assert sources, name
        for source in sources:
            assert all(url.startswith("https://") for url in source.urls)
            assert len(source.sha256) == 64
    assert {source.file for source in downloads.MNIST} == {
        f"{name}.gz" for name in (*idx.TRAIN, *idx.TEST)
    }
    with pytest.raises(ValueError, match="no data 'cifar'; there are shakespeare, mnist"):
        downloads.fetch("cifar")


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"PARITY_CACHE": "/chosen", "XDG_CACHE_HOME": "/cache"}, "/chosen"),
        ({"XDG_CACHE_HOME": "/cache"}, "/cache/threegrad"),
        ({"XDG_CACHE_HOME": "relative"}, "/home/someone/.cache/threegrad"),
        ({}, "/home/someone/.cache/threegrad"),
    ],
)
def test_the_cache_is_where_caches_are(
    environment: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PARITY_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert downloads.cache() == Path(folder)


# ---- the commands


def test_the_command_writes_sales(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sales.tsv"

    assert main(["data", "sales", "--out", str(path), "--rows", "100"]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert len(path.read_text(encoding="utf-8").splitlines()) == 100


def test_the_command_downloads(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "shakespeare"]) == 0
    assert Path(capsys.readouterr().out.strip()).read_bytes() == TEXT


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("sales", "Missing option '--out'."),
        ("sales --out {tmp}", "Invalid value for '--out': File '{tmp}' is a directory."),
        ("sales --out {tmp}/none/sales.tsv", "{tmp}/none/sales.tsv: No such file or directory"),
        ("sales --out {tmp}/file/sales.tsv", "{tmp}/file/sales.tsv: Not a directory"),
        ("sales --out {tmp}/sales.tsv --rows 0", "Invalid value for '--rows'"),
        ("sales --out {tmp}/sales.tsv --seed -1", "Invalid value for '--seed'"),
        ("mnist --out {tmp}/file", "Invalid value for '--out': Directory '{tmp}/file' is a file."),
        ("mnist --out {tmp}/file/in", "{tmp}/file/in: Not a directory"),
        ("cifar", "no command 'cifar'; there are mnist, sales, shakespeare"),
    ],
)
def test_bad_usage_gets_one_sentence(
    command: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()

    assert main(["data", *command.format(tmp=tmp_path).split()]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"parity: {sentence.format(tmp=tmp_path)}")
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
