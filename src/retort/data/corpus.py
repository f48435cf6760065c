"""The pre-training corpus as token ids on disk: written once, read through a memory map."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from retort.data.tokenizer import normalise
from retort.errors import InputError
from retort.files import atomic_folder, decoded, read_json, seal, verify, write_json


class Ids(Protocol):
    """What encoding a corpus needs of a tokenizer."""

    @property
    def size(self) -> int:
        """Number of tokens."""
        ...

    def ids(self, text: str) -> list[int]:
        """Token ids of one text."""
        ...


def read_documents(paths: Iterable[Path | str]) -> Iterator[str]:
    """Yield the documents of :func:`read_lines` with straight quotes, as GLM reads them.

    Raises:
        InputError: a file is missing or a line is not UTF-8.
    """
    return map(normalise, read_lines(paths))


def read_lines(paths: Iterable[Path | str]) -> Iterator[str]:
    """Yield the documents of plain-text files: one per line, blank lines skipped.

    Lines end at ``\\n`` only; other line-separator characters are text.

    Raises:
        InputError: a file is missing or cannot be read, or a line is no UTF-8 text.
    """
    for path in paths:
        try:
            stream = Path(path).open("rb")  # noqa: SIM115 - closed below; only opening may fail this way
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}); name an existing text file"
            ) from None
        with stream:
            for number, line in enumerate(stream, start=1):
                text = decoded(line, path, number).strip()
                if text:
                    yield text


def encode_corpus(
    paths: Sequence[Path | str],
    tokenizer: Ids,
    folder: Path | str,
    most: int | None = None,
    read: Callable[[Iterable[Path | str]], Iterator[str]] = read_documents,
) -> None:
    """Tokenise text files into ``folder`` without ever holding the corpus in memory.

    Writes ``tokens.bin`` (int32, all documents end to end, no command tokens added),
    ``offsets.npy`` (int64 [documents + 1]) and ``corpus.json`` (sizes). A document without a
    single token is left out. ``most`` documents are read, ``None`` for all; ``read`` says how.

    Raises:
        InputError: a file cannot be read, or there is no document in any of them.
    """
    offsets = array("q", [0])
    with atomic_folder(folder) as temporary:
        with (temporary / "tokens.bin").open("wb") as stream:
            for document in islice(read(paths), most):
                ids = tokenizer.ids(document)
                if ids:
                    stream.write(array("i", ids).tobytes())
                    offsets.append(offsets[-1] + len(ids))
        if len(offsets) == 1:
            named = ", ".join(str(path) for path in paths) or "no file given"
            raise InputError(f"corpus ({named}): no document; give at least one line of text")
        np.save(temporary / "offsets.npy", np.frombuffer(offsets, dtype=np.int64))
        sizes = {"documents": len(offsets) - 1, "tokens": offsets[-1], "vocabulary": tokenizer.size}
        write_json(temporary / "corpus.json", sizes)
        seal(temporary)


class EncodedCorpus:
    """Read access to an encoded corpus; opening costs nothing, documents are views of the file."""

    def __init__(self, tokens: np.ndarray, offsets: np.ndarray) -> None:
        """Wrap arrays: ``tokens`` int32 [T], ``offsets`` int64 [documents + 1] from 0 to T."""
        self.tokens = tokens
        self.offsets = offsets

    @classmethod
    def open(cls, folder: Path | str) -> EncodedCorpus:
        """Open what :func:`encode_corpus` wrote.

        Raises:
            InputError: a file is missing, or its size contradicts ``corpus.json``.
            RetortError: a file has been damaged.
        """
        folder = Path(folder)
        sizes = read_json(folder / "corpus.json")
        for name in ("offsets.npy", "tokens.bin"):
            verify(folder / name)
        try:
            offsets = np.load(folder / "offsets.npy")
            tokens = np.memmap(folder / "tokens.bin", dtype=np.int32, mode="r")
        except (OSError, ValueError, EOFError):
            raise InputError(f"{folder}: incomplete corpus; run the corpus step again") from None
        found = {"documents": len(offsets) - 1, "tokens": len(tokens)}
        if any(sizes.get(name) != value for name, value in found.items()) or offsets[-1] != len(tokens):
            raise InputError(f"{folder}: files disagree about the corpus size; run the corpus step again")
        return cls(np.asarray(tokens), offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def total_tokens(self) -> int:
        """Number of tokens of all documents."""
        return len(self.tokens)

    def document(self, index: int) -> np.ndarray:
        """Token ids of one document, int32 [length], read-only."""
        return self.tokens[self.offsets[index] : self.offsets[index + 1]]

    def document_at(self, token: int) -> int:
        """Index of the document that holds the corpus's ``token``-th token."""
        return int(np.searchsorted(self.offsets, token, side="right")) - 1
