"""The one tokenizer of the GLM models: BERT's lower-casing WordPiece plus GLM's command tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retort.data.subwords import learn_pieces
from retort.errors import InputError
from retort.files import read_json, read_text, write_json

if TYPE_CHECKING:
    import tokenizers

PAD, UNK, CLS, SEP, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
SOP, EOP = "<|startofpiece|>", "<|endofpiece|>"
COMMANDS = (PAD, UNK, CLS, SEP, MASK, SOP, EOP)

_FORMAT = "retort-wordpiece-1"
_LONGEST_WORD = 100  # characters; a longer word is [UNK], as in BERT
_MOST_CASED = 0.05  # share of a vocabulary
_MOST_CHUNKS = 1 << 18  # remembered chunks; bounds the memory of one tokenizer to some 50 MB
_STRAIGHT = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-"})


@dataclass(frozen=True)
class Specials:
    """Ids of the command tokens. The end of a text is marked by ``pad`` (GLM: eos is pad)."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int
    sop: int
    eop: int

    @property
    def eos(self) -> int:
        """The id that ends a text: the same as ``pad``."""
        return self.pad


def normalise(text: str) -> str:
    """Straighten curly quotes and turn en dashes into hyphens (GLM: data_utils/corpora.py).

    Done to the pre-training corpus and to most task fields before they are tokenised.
    """
    return text.translate(_STRAIGHT)


class Tokenizer:
    """Text to ids: literal command tokens first, then BERT basic tokenisation and WordPiece.

    Ids are positions in ``vocabulary``. Source: GLM, data_utils/tokenization.py.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        """Build from the full list of tokens in id order.

        Raises:
            InputError: a token occurs twice, or a command token is missing.
        """
        self.vocabulary = tuple(vocabulary)
        self._id_of = {token: index for index, token in enumerate(self.vocabulary)}
        if len(self._id_of) != len(self.vocabulary):
            twice = next(t for t, n in Counter(self.vocabulary).items() if n > 1)
            raise InputError(f"vocabulary: {twice!r} occurs twice; remove one of them")
        for command in COMMANDS:
            if command not in self._id_of:
                raise InputError(f"vocabulary: {command} is missing; add it as a token of its own")
        self.special = Specials(*(self._id_of[command] for command in COMMANDS))
        self._engine = _engine(self._id_of)
        self._chunks: dict[str, list[int]] = {}

    @property
    def size(self) -> int:
        """Number of real tokens, command tokens included."""
        return len(self.vocabulary)

    def padded_size(self, multiple: int) -> int:
        """``size`` rounded up to a multiple (rows of an embedding table)."""
        return -(-self.size // multiple) * multiple

    def ids(self, text: str) -> list[int]:
        """Token ids of one text; nothing is added at either end.

        No token crosses a space, so each distinct chunk between spaces is tokenised only once;
        on text with repeating words this is several times faster than the engine alone.
        """
        ids: list[int] = []
        chunks = self._chunks
        for chunk in text.split(" "):
            known = chunks.get(chunk)
            ids += self._chunk(chunk) if known is None else known
        return ids

    def _chunk(self, chunk: str) -> list[int]:
        if len(self._chunks) >= _MOST_CHUNKS:
            self._chunks.clear()
        ids = self._chunks[chunk] = self._engine.encode(chunk, add_special_tokens=False).ids
        return ids

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The token strings of ids."""
        return [self.vocabulary[index] for index in ids]

    def find(self, word: str) -> int | None:
        """Id of a word that is one token (stripped, lower-cased), or ``None``.

        This is how verbalizers are looked up (GLMKD: data_utils/tokenization.py, TokenToId).
        """
        return self._id_of.get(word.strip().lower())

    def save(self, path: Path | str) -> None:
        """Write the vocabulary as one JSON file."""
        write_json(path, {"format": _FORMAT, "vocabulary": list(self.vocabulary)})

    @classmethod
    def load(cls, path: Path | str) -> Tokenizer:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the file is missing or something else.
        """
        value: Any = read_json(path)
        right = isinstance(value, dict) and value.get("format") == _FORMAT
        if not right or not isinstance(value.get("vocabulary"), list):
            raise InputError(f"{path}: not a tokenizer file of this version; run the tokenizer step again")
        return cls(value["vocabulary"])

    @classmethod
    def from_vocab(cls, path: Path | str) -> Tokenizer:
        """Read a BERT ``vocab.txt`` and append GLM's two piece tokens (ids 30522 and 30523 there).

        Raises:
            InputError: the file is missing, lacks BERT's special tokens or has a line that is no new token.
        """
        text = read_text(path, "give the vocab.txt of a BERT tokenizer")
        vocabulary = [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")]
        first_at: dict[str, int] = {}
        for number, token in enumerate(vocabulary, start=1):
            if not token:
                raise InputError(f"{path}:{number}: is blank; remove the line")
            if token in first_at:
                raise InputError(f"{path}:{number}: {token!r} is in line {first_at[token]}, too; remove one")
            first_at[token] = number
        _check_lower_case(vocabulary, path)
        vocabulary += [token for token in (SOP, EOP) if token not in vocabulary]
        try:
            return cls(vocabulary)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    @classmethod
    def train(cls, texts: Iterable[str], vocab_size: int) -> Tokenizer:
        """Make a vocabulary of at most ``vocab_size`` tokens, command tokens included.

        When the budget allows, every word that occurs is one token, beside all single characters
        (``a`` and ``##a``) that keep any text over the same characters encodable. Otherwise the
        words are split into learnt pieces. The result depends on word counts only.

        Raises:
            InputError: no text at all, or the budget does not even hold the characters.
        """
        counts = _word_counts(texts)
        if not counts:
            raise InputError("tokenizer: the texts hold no word; give a corpus that is not empty")
        characters = _characters(counts)
        budget = vocab_size - len(COMMANDS) - len(characters)
        if budget < 0:
            need = len(characters) + len(COMMANDS)
            raise InputError(f"tokenizer: vocab_size {vocab_size} is below {need}; raise it to at least that")
        words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
        words = [word for word in words if 1 < len(word) <= _LONGEST_WORD]
        if len(words) > budget:
            words = learn_pieces(counts, budget)
        return cls([PAD, UNK, CLS, SEP, MASK, *words, *characters, SOP, EOP])


def _check_lower_case(vocabulary: list[str], path: Path | str) -> None:
    """Texts are lower-cased: of a cased vocabulary every capitalised word would be lost, silently."""
    cased = [token for token in vocabulary if token != token.lower() and token[0] != "["]
    if len(cased) > _MOST_CASED * len(vocabulary):
        raise InputError(
            f"{path}: {len(cased)} tokens have capital letters, e.g. {cased[0]!r}, which no text has here; "
            "give an uncased vocabulary"
        )


def _engine(id_of: dict[str, int]) -> tokenizers.Tokenizer:
    from tokenizers import AddedToken, models
    from tokenizers import Tokenizer as Engine

    normalizer, splitter = _basic()
    engine = Engine(models.WordPiece(id_of, unk_token=UNK, max_input_chars_per_word=_LONGEST_WORD))
    engine.normalizer = normalizer
    engine.pre_tokenizer = splitter
    # normalized=False: the literal token is looked for in the raw text, before lower-casing.
    engine.add_special_tokens([AddedToken(c, normalized=False, special=True) for c in COMMANDS])
    return engine


def _basic() -> tuple[Any, Any]:
    from tokenizers import normalizers, pre_tokenizers

    normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True
    )
    return normalizer, pre_tokenizers.BertPreTokenizer()


def _word_counts(texts: Iterable[str]) -> Counter[str]:
    normalizer, splitter = _basic()
    counts: Counter[str] = Counter()
    cache: Counter[str] = Counter()
    # Counting space-separated chunks first means each distinct chunk is normalised only once.
    for text in texts:
        for command in COMMANDS:
            if command in text:
                text = text.replace(command, " ")
        cache.update(text.split(" "))
    for chunk, count in cache.items():
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(chunk)):
            counts[word] += count
    return counts


def _characters(counts: Counter[str]) -> list[str]:
    """Every character as a word of its own, then as an inner piece unless it always stands alone."""
    normalizer, splitter = _basic()
    letters = sorted({letter for word in counts for letter in word})
    inner = [c for c in letters if len(splitter.pre_tokenize_str(normalizer.normalize_str(f"a{c}a"))) == 1]
    return letters + [f"##{letter}" for letter in inner]
