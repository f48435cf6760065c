"""Tokenizers of encoders, encoder-decoders and causal models: text to ids and back, whatever the algorithm.

Pretrained ones are read from their published files. A trained one is cased and gives back what it
tokenised: words carry the space before them, and what is no known word falls into pieces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retort.data.subwords import learn_pieces
from retort.data.tokenizer import CLS, MASK, PAD, SEP, UNK
from retort.errors import InputError
from retort.files import read_json, write_json

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Engine

BERT_SPECIALS = (PAD, UNK, CLS, SEP, MASK)
BART_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
T5_SPECIALS = ("<pad>", "</s>", "<unk>")
OPT_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
NEOX_SPECIALS = ("<|endoftext|>", "<|padding|>")
LLAMA_SPECIALS = ("<unk>", "<s>", "</s>")

SPACE = "\u2581"
_FORMAT = "retort-text-1"
_LONGEST_WORD = 100


class TextTokenizer:
    """Text to ids and back. Special tokens written out in a text are text, never commands."""

    def __init__(self, engine: Engine, specials: Sequence[str]) -> None:
        """Wrap an engine of the ``tokenizers`` package.

        Args:
            engine: adds nothing at either end.
            specials: its special tokens, which :meth:`text` leaves out.

        Raises:
            InputError: a special token is not in its vocabulary.
        """
        self._engine = engine
        engine.encode_special_tokens = True  # as text
        self.specials = tuple(specials)
        self._special_ids = frozenset(self.id_of(token) for token in specials)

    @property
    def size(self) -> int:
        """Number of tokens, special ones included."""
        return int(self._engine.get_vocab_size())

    def id_of(self, token: str) -> int:
        """Id of one token.

        Raises:
            InputError: there is no such token.
        """
        found = self._engine.token_to_id(token)
        if found is None:
            raise InputError(f"tokenizer: no token {token!r}; give the files of the right model family")
        return int(found)

    def ids(self, text: str) -> list[int]:
        """Token ids of one text; nothing is added at either end."""
        return list(self._engine.encode(text, add_special_tokens=False).ids)

    def text(self, ids: Iterable[int]) -> str:
        """The text that token ids spell, without special tokens."""
        words = [index for index in ids if index not in self._special_ids]
        return str(self._engine.decode(words, skip_special_tokens=False)).strip()

    def engine(self) -> Engine:
        """A copy for programs that know the ``tokenizers`` package; it adds nothing at either end."""
        from tokenizers import Tokenizer as Engine

        return Engine.from_str(self._engine.to_str())

    def save(self, path: Path | str) -> None:
        """Write all of it as one JSON file."""
        write_json(
            path, {"format": _FORMAT, "specials": list(self.specials), "engine": self._engine.to_str()}
        )

    @classmethod
    def load(cls, path: Path | str) -> TextTokenizer:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the file is missing or something else.
        """
        from tokenizers import Tokenizer as Engine

        value: Any = read_json(path)
        if not isinstance(value, dict) or value.get("format") != _FORMAT:
            raise InputError(f"{path}: not a tokenizer file of this version; run the tokenizer step again")
        return cls(Engine.from_str(value["engine"]), value["specials"])

    @classmethod
    def from_vocab(cls, path: Path | str) -> TextTokenizer:
        """BERT's lower-casing WordPiece from its ``vocab.txt``.

        Raises:
            InputError: the file is missing or lacks BERT's special tokens.
        """
        vocabulary = [line.rstrip("\r\n") for line in _read(path).split("\n")]
        return cls(_word_piece({token: i for i, token in enumerate(vocabulary) if token}), BERT_SPECIALS)

    @classmethod
    def from_byte_pairs(
        cls, vocab: Path | str, merges: Path | str, specials: Sequence[str] = BART_SPECIALS
    ) -> TextTokenizer:
        """A byte-level byte-pair tokenizer (BART, GPT-2) from its ``vocab.json`` and ``merges.txt``.

        Raises:
            InputError: a file is missing, or the vocabulary lacks a special token.
        """
        from tokenizers import Tokenizer as Engine
        from tokenizers import decoders, models, pre_tokenizers

        lines = [line for line in _read(merges).split("\n") if line and not line.startswith("#version")]
        pairs = [(first, second) for first, _, second in (line.partition(" ") for line in lines)]
        engine = Engine(models.BPE(read_json(vocab), pairs))
        engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        engine.decoder = decoders.ByteLevel()
        return cls(engine, specials)

    @classmethod
    def from_file(cls, path: Path | str, specials: Sequence[str]) -> TextTokenizer:
        """Any tokenizer from the ``tokenizer.json`` of a model repository.

        Where only a SentencePiece model is published (T5 v1.1, mBART), transformers writes such a file:
        ``AutoTokenizer.from_pretrained(name).save_pretrained(folder)``.

        Raises:
            InputError: the file is missing or unreadable, or its vocabulary lacks a special token.
        """
        from tokenizers import Tokenizer as Engine

        text = _read(path)
        try:
            engine = Engine.from_str(text)
        except Exception as error:  # the package raises nothing more specific
            raise InputError(f"{path}: not a tokenizer file ({error}); download it again") from None
        engine.no_padding()
        engine.no_truncation()
        return cls(engine, specials)

    @classmethod
    def train(cls, texts: Iterable[str], size: int, specials: Sequence[str]) -> TextTokenizer:
        """Make a cased tokenizer of at most ``size`` tokens, the special ones first.

        When the budget allows, every word that occurs is one token, beside all single characters, which
        keep any text over the same characters encodable; otherwise words are split into learnt pieces.
        The result depends on word counts only.

        Args:
            texts: what to learn from.
            size: most tokens.
            specials: special tokens; ``<unk>`` joins them where none of them says so.

        Raises:
            InputError: no text at all, or the budget does not even hold the characters.
        """
        counts: Counter[str] = Counter()
        unknown = next((token for token in specials if "unk" in token.lower()), "<unk>")
        specials = tuple(dict.fromkeys((*specials, unknown)))
        splitter = _spaced()
        for text in texts:
            counts.update(word for word, _ in splitter.pre_tokenize_str(text))
        if not counts:
            raise InputError("tokenizer: the texts hold no word; give a corpus that is not empty")
        letters = sorted({letter for word in counts for letter in word} | {SPACE})
        characters = [*letters, *(f"##{letter}" for letter in letters)]
        budget = size - len(specials) - len(characters)
        if budget < 0:
            need = len(specials) + len(characters)
            raise InputError(f"tokenizer: size {size} is below {need}; raise it to at least that")
        words = [word for word, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
        words = [word for word in words if 1 < len(word) <= _LONGEST_WORD]
        if len(words) > budget:
            words = learn_pieces(counts, budget)
        vocabulary = {token: i for i, token in enumerate([*specials, *words, *characters])}
        return cls(_spaced_pieces(vocabulary, unknown), specials)


def _read(path: Path | str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; give the tokenizer files of the model") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8; download it again") from None


def _word_piece(vocabulary: dict[str, int]) -> Engine:
    from tokenizers import Tokenizer as Engine
    from tokenizers import decoders, models, normalizers, pre_tokenizers

    engine = Engine(models.WordPiece(vocabulary, unk_token=UNK, max_input_chars_per_word=_LONGEST_WORD))
    engine.normalizer = normalizers.BertNormalizer(
        clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True
    )
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    engine.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    return engine


def _spaced() -> Any:
    """Splits at line breaks, at spaces, which stay with the word behind them, and around punctuation."""
    from tokenizers import pre_tokenizers

    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always"),
            pre_tokenizers.Punctuation(),
        ]
    )


def _spaced_pieces(vocabulary: dict[str, int], unknown: str) -> Engine:
    from tokenizers import Tokenizer as Engine
    from tokenizers import decoders, models

    engine = Engine(models.WordPiece(vocabulary, unk_token=unknown, max_input_chars_per_word=_LONGEST_WORD))
    engine.pre_tokenizer = _spaced()
    spelled = [decoders.Replace("##", ""), decoders.Replace(SPACE, " "), decoders.Fuse()]
    lines = [decoders.Replace(" \n", "\n"), decoders.Replace("\n ", "\n")]
    engine.decoder = decoders.Sequence([*spelled, *lines])
    return engine
