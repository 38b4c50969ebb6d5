"""The tasks text and names: what their batches, losses and tokens are."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity import corpus, engines
from parity.tasks import tokenizers
from parity.tasks.language import mean_loss
from parity.tasks.names import Names, listed
from parity.tasks.presets import PRESETS
from parity.tasks.settings import Settings
from parity.tasks.text import Text
from parity.tasks.tokenizers import Bytes, Characters, Pairs, chosen
from parity.tasks.training import Training

SETTINGS = Settings(steps=10, batch_size=3)
SIZES = {"n_layer": 1, "n_head": 2, "n_embd": 4, "block_size": 8}
TEXT = "".join(chr(ord("a") + i * i % 26) for i in range(400))
NAMES = Settings(steps=1, batch_size=1)


def text(settings: Settings = SETTINGS, written: str = TEXT, context: int = 8) -> Text:
    sizes = {**SIZES, "block_size": context}
    return Text(settings, sizes, written, Characters.of(written))


def test_a_batch_is_windows_of_the_training_part_and_what_follows() -> None:
    task = text()
    seen = set()
    for number in range(40):
        inputs, targets = task.batch(number)
        assert inputs.shape == targets.shape == (3, 8)
        assert (inputs[:, 1:] == targets[:, :-1]).all()
        for row, last in zip(inputs, targets[:, -1], strict=True):
            window = task.tokenizer.decode([*row, last])
            assert window in TEXT[:360]
            seen.add(window)
    assert len(seen) > 20
    assert (task.batch(7)[0] == text().batch(7)[0]).all()
    assert (task.batch(7)[0] != task.batch(8)[0]).any()
    assert (task.batch(7)[0] != text(Settings(10, 3, seed=1)).batch(7)[0]).any()


def test_every_window_of_the_training_part_is_drawn() -> None:
    task = text(written="".join(chr(300 + i) for i in range(90)))  # 81 for training
    found = [task.batch(number) for number in range(500)]

    assert {int(inputs[i, 0]) for inputs, _ in found for i in range(3)} == set(range(81 - 8))


def test_validation_looks_at_windows_all_over_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    task = text(written=TEXT * 5)
    looked_at: list[Any] = []

    def record(engine: Any, model: Any, batches: Any) -> float:
        looked_at.extend(row for inputs, _ in batches for row in inputs)
        return 1.0

    monkeypatch.setattr("parity.tasks.text.mean_loss", record)
    assert task.evaluate(engines.load("minigrad"), None) == {"validation loss": 1.0}
    written = task.tokenizer.decode(task.validation.tolist())
    assert len(looked_at) == -(-(len(task.validation) - 8) // 8) == 24
    assert task.tokenizer.decode(looked_at[0]) == written[:8]
    assert task.tokenizer.decode(looked_at[-1]) == written[-9:-1]


def test_a_text_that_fills_one_context_is_enough_and_a_shorter_one_is_too_short() -> None:
    assert len(text(written=TEXT[:90], context=8).validation) == 9
    with pytest.raises(ValueError, match="its last tenth, for validation, has 9 tokens"):
        text(written=TEXT[:90], context=9)


def test_the_mean_loss_is_that_of_all_tokens() -> None:
    """Of batches of unequal size the mean of their means is another number."""
    engine = engines.load("minigrad")
    model = Training(engine, text()).model
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 14, (rows, 9)) for rows in (1, 5))
    pairs = [(ids[:, :-1], ids[:, 1:]) for ids in (a, b)]
    together = np.concatenate((a, b))
    whole = mean_loss(engine, model, [(together[:, :-1], together[:, 1:])])

    assert mean_loss(engine, model, pairs) == pytest.approx(whole, rel=1e-6)
    assert np.mean([mean_loss(engine, model, [pair]) for pair in pairs]) != pytest.approx(
        whole, rel=1e-6
    )


def test_an_untrained_model_knows_nothing_but_how_many_tokens_there_are() -> None:
    task = text()
    training = Training(engines.load("minigrad"), task)

    assert training.evaluate()["validation loss"] == pytest.approx(
        math.log(task.tokenizer.size), rel=0.01
    )


def test_first_weights_are_gpt_2s() -> None:
    shapes = {"ln.weight": (500,), "ln.bias": (500,), "wte.weight": (500, 400)}
    found = text().initial({**shapes, "h.0.mlp.c_proj.weight": (500, 400)})

    assert (found["ln.weight"] == 1).all()
    assert (found["ln.bias"] == 0).all()
    assert found["wte.weight"].std() == pytest.approx(0.02, rel=0.01)
    assert found["h.0.mlp.c_proj.weight"].std() == pytest.approx(0.02 / math.sqrt(2), rel=0.01)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_a_model_for_the_text_that_comes_with_python(preset: str) -> None:
    chosen = PRESETS[preset]
    task = Text(chosen.settings, chosen.sizes, corpus.text(), Characters.of(corpus.text()))
    package = engines.load("minigrad").package

    assert task.units(task.batch(0)) == chosen.settings.batch_size * chosen.sizes["block_size"]
    assert package.gpt.GPTConfig(**task.config).vocab_size == len(corpus.ALPHABET)


def test_a_name_is_a_batch_from_its_beginning_to_its_end() -> None:
    names = ["ada", "bo", "cyd", "bartholomew-alexander", "eve"]
    task = Names(NAMES, names)
    assert len(task.validation) == 1
    decode: Callable[[Any], str] = task.tokenizer.decode
    found = set()
    for number in range(4):  # an epoch
        inputs, targets = task.batch(number)
        assert inputs.shape == targets.shape
        assert inputs.shape[0] == 1
        whole = decode([*inputs[0], targets[0, -1]])
        assert decode(targets[0].tolist()) == whole[1:]
        found.add(whole)
        assert task.units((inputs, targets)) == len(whole) - 1
    ((inputs, targets),) = task.validation
    found.add(decode([*inputs[0], targets[0, -1]]))
    assert found == {"\nada\n", "\nbo\n", "\ncyd\n", "\nbartholomew-alex", "\neve\n"}


def test_the_names_that_come_along_are_names() -> None:
    names = listed(None)

    assert len(names) == len(set(names)) > 300
    assert set("".join(names)) == set("abcdefghijklmnopqrstuvwxyz")
    assert max(map(len, names)) < 15


def test_a_file_of_names_has_one_a_line_and_nothing_else_divides_it(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_bytes("\N{ZERO WIDTH NO-BREAK SPACE}Ada\r\nLi\N{LINE SEPARATOR}n\n\n Bo \n".encode())

    assert listed(path) == ["Ada", "Li\N{LINE SEPARATOR}n", "Bo"]


def test_characters_and_bytes_come_back() -> None:
    for tokenizer in (Characters.of("ça va, 世界\n"), Bytes()):
        for again in (tokenizer, tokenizers.again(tokenizers.state(tokenizer))):
            ids = again.encode("世界, ça\n")
            assert max(ids) < again.size
            assert again.decode(ids) == "世界, ça\n"
            assert again.size == tokenizer.size
    assert Bytes().decode(Bytes().encode("ç")[:1]) == "\ufffd"
    with pytest.raises(ValueError, match="the character 'x' is not in the vocabulary: 'ab'"):
        Characters("ab").encode("abx")


@pytest.fixture(scope="module")
def trained() -> Any:
    """A byte pair encoding that the library has learnt, of some 300 tokens."""
    library = pytest.importorskip("tokenizers", reason="the parity environment of tox has it")
    found = library.ByteLevelBPETokenizer()
    found.train_from_iterator([corpus.text()], vocab_size=300, show_progress=False)
    return found


SENTENCE = "The import statement, naïvely: “a=1”.\n\tif x:"


def test_a_tokenizer_json_is_used_as_it_is(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    trained.save(str(path))
    tokenizer = chosen(str(path), "")

    assert tokenizer.size == 300
    assert tokenizer.encode(SENTENCE) == trained.encode(SENTENCE).ids
    assert tokenizer.decode(tokenizer.encode(SENTENCE)) == SENTENCE
    again = tokenizers.again(tokenizers.state(tokenizer))
    assert again.encode(SENTENCE) == tokenizer.encode(SENTENCE)


def words(vocabulary: dict[str, int], path: Path) -> str:
    """The file of a tokenizer that knows these words alone."""
    library = pytest.importorskip("tokenizers", reason="the parity environment of tox has it")
    tokenizer = library.Tokenizer(library.models.WordLevel(vocabulary, unk_token="?"))
    tokenizer.pre_tokenizer = library.pre_tokenizers.Whitespace()
    tokenizer.save(str(path))
    return str(path)


def test_a_vocabulary_may_have_gaps(tmp_path: Path) -> None:
    tokenizer = chosen(words({"a": 7, "b": 2}, tmp_path / "tokenizer.json"), "")

    assert tokenizer.encode("b a") == [2, 7]
    assert tokenizer.size == 8  # more than the largest id


def test_a_vocabulary_without_the_texts_words_is_refused(tmp_path: Path) -> None:
    tokenizer = chosen(words({"a": 0}, tmp_path / "tokenizer.json"), "")
    with pytest.raises(ValueError, match=r"the tokenizer cannot read the text: .*UNK"):
        tokenizer.encode("a c")
    with pytest.raises(ValueError, match=r"tokenizer\.json: it has no tokens"):
        chosen(words({}, tmp_path / "tokenizer.json"), "")


def test_merges_split_words_as_the_tokenizer_that_they_are_from(
    trained: Any, tmp_path: Path
) -> None:
    trained.save_model(str(tmp_path))
    merges = chosen(str(tmp_path / "merges.txt"), "")
    want = trained.encode(SENTENCE).tokens

    ids = merges.encode(SENTENCE)
    assert len(ids) == len(want) < len(SENTENCE.encode())
    assert [merges.decode([i]) for i in ids] == [
        trained.decode([i]) for i in trained.encode(SENTENCE).ids
    ]
    assert merges.decode(ids) == SENTENCE
    assert ids[0] == ord("T") - ord("!")  # bytes come first, those that can be seen before others


def test_ranks_of_tiktoken_are_the_same_as_merges(trained: Any, tmp_path: Path) -> None:
    trained.save_model(str(tmp_path))
    merges = chosen(str(tmp_path / "merges.txt"), "")
    assert isinstance(merges, Pairs)
    byte = {symbol: value for value, symbol in tokenizers.symbols().items()}
    vocabulary = merges.tokenizer.get_vocab()
    path = tmp_path / "ranks.tiktoken"
    with path.open("wb") as file:
        for token, rank in vocabulary.items():
            coded = base64.b64encode(bytes(byte[symbol] for symbol in token))
            file.write(coded + b" %d\n" % rank)

    ranks = chosen(str(path), "")
    assert ranks.encode(SENTENCE) == merges.encode(SENTENCE)
    assert ranks.decode(ranks.encode(SENTENCE)) == SENTENCE


def test_bytes_are_written_as_the_library_writes_them() -> None:
    library = pytest.importorskip("tokenizers", reason="the parity environment of tox has it")
    symbols = tokenizers.symbols()

    assert sorted(symbols.values()) == sorted(library.pre_tokenizers.ByteLevel.alphabet())
    assert (symbols[ord("a")], symbols[ord(" ")], symbols[ord("\n")]) == ("a", "Ġ", "Ċ")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("merges.txt", "#version: 0.2\na b\nc\n", "the line 'c' is not two tokens"),
        ("merges.txt", "#version: 0.2\n", "it is not two tokens"),
        ("merges.txt", "a 世\n", "世"),
        ("x.tiktoken", "YQ== 0\nYg== x\n", "line 2 is not a token in base64 and a rank"),
        ("x.tiktoken", "YQ== 0\n", "it lacks 255 bytes"),
        ("tokenizer.json", "{", "it is not of the form of a tokenizer.json"),
    ],
)
def test_files_that_are_no_vocabulary_are_refused(
    tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    pytest.importorskip("tokenizers", reason="the parity environment of tox has it")
    (tmp_path / name).write_text(content, encoding="utf-8")

    with pytest.raises(ValueError, match=f"cannot use the tokenizer .*{name}: .*{sentence}"):
        chosen(str(tmp_path / name), "")


def test_a_token_that_no_merge_makes_is_refused(tmp_path: Path) -> None:
    lines = [base64.b64encode(bytes([byte])) + b" %d" % byte for byte in range(256)]
    lines.append(base64.b64encode(b"abcd") + b" 256")
    (tmp_path / "x.tiktoken").write_bytes(b"\n".join(lines))

    with pytest.raises(ValueError, match="the token b'abcd' cannot be merged from earlier ones"):
        chosen(str(tmp_path / "x.tiktoken"), "")
