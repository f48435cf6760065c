"""How often each token occurs in the corpus, and the order in which a small vocabulary keeps tokens.

Source: GLMKD, distill/vocab_sort.py. Command tokens and label words come first whatever their
counts, so that they are kept at every size; all others follow by falling count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retort.data.corpus import EncodedCorpus
from retort.data.tokenizer import Tokenizer
from retort.errors import InputError
from retort.files import verify, write_lines

# Every label word of GLMKD's SuperGLUE patterns (pvp.py) that is one token of bert-base-uncased.
VERBALIZERS = (
    *("no", "yes", "maybe", "true", "false", "right", "wrong", "correct", "incorrect", "okay"),
    *("good", "bad", "great", "terrible", "2", "b"),
    *("world", "sports", "business", "tech", "society", "science", "health", "education"),
    *("computer", "entertainment", "relationship", "politics"),
)

_COLUMNS = "origin_no\tsort_id\ttoken\tnumber\tfrequency"
_CHUNK = 1 << 22  # tokens counted at once


@dataclass(frozen=True)
class Frequencies:
    """Counts of a corpus and the ranking they give.

    Attributes:
        counts: int64 [V]; occurrences by token id.
        order: int64 [V]; token ids by rank.
        reserved: how many ids at the top of ``order`` are kept at any size.
    """

    counts: np.ndarray
    order: np.ndarray
    reserved: int

    @property
    def ranks(self) -> np.ndarray:
        """int64 [V]: the rank of each token id."""
        ranks = np.empty_like(self.order)
        ranks[self.order] = np.arange(len(self.order))
        return ranks

    def write(self, path: Path | str, tokenizer: Tokenizer) -> None:
        """Write the table as tab-separated text in the layout of the file that GLMKD ships.

        Row r holds: the rank of token id r, then id, token, count and share of the token of rank r.
        """
        total = max(int(self.counts.sum()), 1)
        rows = zip(self.ranks.tolist(), self.order.tolist(), strict=True)
        lines = [_COLUMNS]
        for rank, index in rows:
            count = int(self.counts[index])
            token = tokenizer.vocabulary[index]
            lines.append(f"{rank}\t{index}\t{token}\t{count}\t{count / total:.3e}")
        write_lines(path, lines)

    @classmethod
    def read(cls, path: Path | str) -> Frequencies:
        """Read a table in that layout, ours or GLMKD's.

        The reserved block is not marked in it; it ends at the only place where counts rise.

        Raises:
            InputError: the file is missing, malformed or inconsistent.
            RetortError: it has been damaged.
        """
        verify(Path(path))
        table = _parse(path)
        order = table[:, 1]
        if not np.array_equal(np.sort(order), np.arange(len(order))):
            raise InputError(f"{path}: column sort_id is not a permutation of the ids; write the table again")
        counts = np.zeros(len(order), dtype=np.int64)
        counts[order] = table[:, 2]
        rises = np.flatnonzero(np.diff(table[:, 2]) > 0)
        if len(rises) != 1:
            raise InputError(f"{path}: counts rise {len(rises)} times, not once; write the table again")
        found = cls(counts, order, int(rises[0]) + 1)
        if not np.array_equal(found.ranks, table[:, 0]):
            raise InputError(f"{path}: columns origin_no and sort_id disagree; write the table again")
        return found


def count_corpus(corpus: EncodedCorpus, tokenizer: Tokenizer) -> Frequencies:
    """Count a corpus and rank the vocabulary, without reading the corpus into memory at once."""
    counts = np.zeros(tokenizer.size, dtype=np.int64)
    first = np.full(tokenizer.size, corpus.total_tokens, dtype=np.int64)
    for start in range(0, corpus.total_tokens, _CHUNK):
        chunk = corpus.tokens[start : start + _CHUNK]
        found, at, number = np.unique(chunk, return_index=True, return_counts=True)
        counts[found] += number
        first[found] = np.minimum(first[found], start + at)
    return rank(counts, first, reserved_ids(tokenizer))


def count_ids(sequences: Iterable[Iterable[int]], size: int) -> np.ndarray:
    """Occurrences by token id, int64 [size], of some token sequences (say, the texts of a task)."""
    counts = np.zeros(size, dtype=np.int64)
    for sequence in sequences:
        counts += np.bincount(np.fromiter(sequence, dtype=np.int64), minlength=size)
    return counts


def reserved_ids(tokenizer: Tokenizer, words: Iterable[str] = VERBALIZERS) -> frozenset[int]:
    """Ids that every vocabulary keeps: command tokens and the label words that are one token."""
    special = tokenizer.special
    commands = (special.pad, special.unk, special.cls, special.sep, special.mask, special.sop, special.eop)
    found = (tokenizer.find(word) for word in words)
    return frozenset(commands) | frozenset(index for index in found if index is not None)


def rank(counts: np.ndarray, first: np.ndarray, reserved: Iterable[int]) -> Frequencies:
    """Order ids: reserved ones, then the others; each group by falling count.

    Equal counts keep the order of first appearance in the corpus, ids that never occur their own.

    Args:
        counts: int64 [V], occurrences by id.
        first: int64 [V], place of the first occurrence, at least the largest place for absent ids.
        reserved: ids that go to the front.
    """
    free = np.ones(len(counts), dtype=bool)
    free[list(reserved)] = False
    order = np.lexsort((np.arange(len(counts)), first, -counts, free))
    return Frequencies(np.asarray(counts), order.astype(np.int64), int(len(counts) - free.sum()))


def _parse(path: Path | str) -> np.ndarray:
    """Columns rank, id and count, int64 [V, 3]."""
    try:
        lines = Path(path).read_text(encoding="utf-8").rstrip("\n").split("\n")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the frequency step first") from None
    if lines[0] != _COLUMNS:
        raise InputError(f"{path}:1: the header must be {_COLUMNS!r}; write the table again")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split("\t")
        try:
            place, index, _token, count, _share = fields
            rows.append((int(place), int(index), int(count)))
        except ValueError:
            raise InputError(
                f"{path}:{number}: expected five columns, numbers in 1, 2 and 4; mend it"
            ) from None
    if not rows:
        raise InputError(f"{path}: no rows; write the table again")
    return np.array(rows, dtype=np.int64)
