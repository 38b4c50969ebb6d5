"""Tokenizers: by characters, by bytes, or with a BPE vocabulary of the user's."""

from __future__ import annotations

import base64
import binascii
import functools
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from .. import files


class Tokenizer(Protocol):
    """Converts between text and token ids."""

    kind: str  # identifies it in a checkpoint

    @property
    def size(self) -> int:
        """The number of tokens in the vocabulary."""
        ...

    def encode(self, text: str) -> Sequence[int]:
        """The ids of a text; raises ValueError if there is no token for some of it."""
        ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def vocabulary(self) -> str:
        """All that is needed to restore it."""
        ...


class Characters:
    """One token per character of a vocabulary."""

    kind = "char"

    def __init__(self, vocabulary: str) -> None:
        self.characters = vocabulary
        self.ids = {character: i for i, character in enumerate(vocabulary)}

    @classmethod
    def of(cls, text: str) -> Characters:
        """The characters of a text, in the order of their code points."""
        return cls("".join(sorted(set(text))))

    @property
    def size(self) -> int:
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        try:
            return [self.ids[character] for character in text]
        except KeyError as error:
            raise ValueError(
                f"the character {error.args[0]!r} is not in the vocabulary: "
                f"{shortened(self.characters)}"
            ) from None

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.characters[i] for i in ids)

    def vocabulary(self) -> str:
        return self.characters


class Bytes:
    """One token per byte of UTF-8, for any text."""

    kind = "byte"
    size = 256

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(ids).decode(errors="replace")

    def vocabulary(self) -> str:
        return ""


class Pairs:
    """Byte pair encoding, by the library tokenizers; text: the content of a tokenizer.json.

    Raises ValueError if text is something else or has no tokens, ModuleNotFoundError if the library
    is missing.
    """

    kind = "bpe"

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self.tokenizer = library().Tokenizer.from_str(text)
        except ModuleNotFoundError:
            raise
        except Exception as error:  # the library raises nothing more exact
            raise ValueError(f"it is not of the form of a tokenizer.json: {error}") from error
        if not self.tokenizer.get_vocab_size():
            raise ValueError("it has no tokens")

    @property
    def size(self) -> int:
        largest: int = max(self.tokenizer.get_vocab().values())  # the ids may have gaps
        return largest + 1

    def encode(self, text: str) -> list[int]:
        try:
            ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        except Exception as error:  # the library raises nothing more exact
            raise ValueError(f"the tokenizer cannot read the text: {error}") from error
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def vocabulary(self) -> str:
        return self.text


def chosen(name: str, text: str) -> Tokenizer:
    """A tokenizer by name: char for the characters of this text, byte, or a file.

    The file is a tokenizer.json of the library tokenizers, a byte-level merges.txt such as GPT-2's,
    or a *.tiktoken file of base64 tokens and ranks. The last two do not say how to split words,
    which is then done as in GPT-2. Raises ValueError or OSError for any other file.
    """
    if name == "char":
        return Characters.of(text)
    if name == "byte":
        return Bytes()
    path = Path(name)
    if not path.exists():
        raise ValueError(f"no tokenizer {name!r}; there are char, byte, or a file that exists")
    content = path.read_bytes()
    try:
        if path.suffix == ".json":
            return Pairs(files.utf8(content))
        if path.suffix == ".tiktoken":
            return Pairs(byte_level(*of_ranks(ranks(content))))
        return Pairs(byte_level(*of_merges(files.utf8(content))))
    except ValueError as error:
        raise ValueError(f"cannot use the tokenizer {path}: {error}") from error


def again(state: Mapping[str, str]) -> Tokenizer:
    """The tokenizer that a checkpoint describes; see state."""
    match state["kind"]:
        case "char":
            return Characters(state["vocabulary"])
        case "byte":
            return Bytes()
    return Pairs(state["vocabulary"])


def state(tokenizer: Tokenizer) -> dict[str, str]:
    """The description of a tokenizer in a checkpoint."""
    return {"kind": tokenizer.kind, "vocabulary": tokenizer.vocabulary()}


Vocabulary = dict[str, int]
Merges = list[tuple[str, str]]


def of_merges(text: str) -> tuple[Vocabulary, Merges]:
    """The vocabulary and merges of a merges.txt: first the bytes, then the merged tokens."""
    lines = [line.split(" ") for line in text.splitlines() if line and not line.startswith("#")]
    strange = [line for line in lines if len(line) != 2]
    if strange or not lines:
        found = f"the line {' '.join(strange[0])!r}" if strange else "it"
        raise ValueError(f"{found} is not two tokens to be merged")
    merges = [(left, right) for left, right in lines]
    tokens = [*symbols().values(), *(left + right for left, right in merges)]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}, merges


def ranks(content: bytes) -> dict[bytes, int]:
    """The tokens of a tiktoken file; each line has a token in base64 and its rank, or id."""
    found = {}
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            token, rank = line.split()
            found[base64.b64decode(token, validate=True)] = int(rank)
        except (ValueError, binascii.Error):
            raise ValueError(f"line {number} is not a token in base64 and a rank") from None
    lacking = 256 - sum(len(token) == 1 for token in found)
    if lacking or sorted(found.values()) != list(range(len(found))):
        raise ValueError(f"it lacks {lacking} bytes, or ranks do not count from 0")
    return found


def of_ranks(ranks: Mapping[bytes, int]) -> tuple[Vocabulary, Merges]:
    """The vocabulary and merges for tiktoken's ranks.

    A token's own merge is found by applying all earlier merges to its bytes: two parts remain.
    """
    symbol = symbols()

    def said(token: bytes) -> str:
        return "".join(symbol[byte] for byte in token)

    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) == 1:
            continue
        parts = [bytes([byte]) for byte in token]
        while len(parts) > 2:
            joined = [ranks.get(left + right, rank) for left, right in itertools.pairwise(parts)]
            at = min(range(len(joined)), key=joined.__getitem__)
            if joined[at] >= rank:
                raise ValueError(f"the token {token!r} cannot be merged from earlier ones")
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        merges.append((said(parts[0]), said(parts[1])))
    return {said(token): rank for token, rank in ranks.items()}, merges


def byte_level(vocabulary: Vocabulary, merges: Merges) -> str:
    """The tokenizer.json for a vocabulary and merges, splitting words as in GPT-2."""
    try:
        tokenizers = library()
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, merges))
    except ModuleNotFoundError:
        raise
    except Exception as error:  # the library raises nothing more exact
        raise ValueError(str(error)) from error
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    text: str = tokenizer.to_str()
    return text


@functools.cache
def symbols() -> dict[int, str]:
    """The character for each byte in byte-level vocabularies, as in GPT-2 (Radford et al. 2019).

    A byte that is printable in Latin-1 stands for itself; the others get characters from 256 on.
    """
    visible = [byte for byte in range(256) if chr(byte).isprintable() and not chr(byte).isspace()]
    hidden = [byte for byte in range(256) if byte not in visible]
    return {byte: chr(byte) for byte in visible} | {b: chr(256 + i) for i, b in enumerate(hidden)}


def shortened(text: str) -> str:
    return repr(text) if len(text) <= 100 else f"{text[:100]!r}…"


def library() -> Any:
    """The package tokenizers, which only BPE needs."""
    try:
        import tokenizers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a vocabulary of your own needs the package tokenizers: pip install tokenizers",
            name="tokenizers",
        ) from error
    return tokenizers
