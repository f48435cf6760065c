"""How each model family frames its sequences: which special tokens stand where.

============ ============================ ======================== ====================
family       source                       labels                   decoder starts with
============ ============================ ======================== ====================
``bert``     ``[CLS] a [SEP] (b [SEP])``
``bart``     ``<s> x </s>``               ``<s> y </s>``           ``</s>``
``mbart``    ``x </s> source``            ``y </s> target``        ``target``
``mbart50``  ``source x </s>``            ``target y </s>``        ``</s>``
``t5``       ``x </s>``                   ``y </s>``               ``<pad>``
``opt``      ``</s> x``                   ``y </s>``
``gpt_neox`` ``x``                        ``y <|endoftext|>``
``llama``    ``<s> x``                    ``y </s>``
============ ============================ ======================== ====================

The last three are causal models: the source is a prompt, the labels are the response that follows it in the
same sequence. LLaMA has no token for padding; ``<unk>`` stands there. What is padding is told by length and
mask, never by the token, so that an end token is one wherever it stands.

``source`` and ``target`` are language codes such as ``en_XX``. The decoder reads the labels moved one to the
right behind its first token; mBART calls that moving the last token to the front, which is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retort.data.text_tokenizer import (
    BART_SPECIALS,
    BERT_SPECIALS,
    LLAMA_SPECIALS,
    NEOX_SPECIALS,
    OPT_SPECIALS,
    T5_SPECIALS,
    TextTokenizer,
)
from retort.errors import InputError

TextFamily = Literal["bert", "bart", "mbart", "mbart50", "t5", "opt", "gpt_neox", "llama"]

_SPECIALS: dict[TextFamily, tuple[str, ...]] = {
    "bert": BERT_SPECIALS,
    "t5": T5_SPECIALS,
    "opt": OPT_SPECIALS,
    "gpt_neox": NEOX_SPECIALS,
    "llama": LLAMA_SPECIALS,
}

LANGUAGE_CODES = {"en": "en_XX", "ro": "ro_RO", "fr": "fr_XX", "es": "es_XX", "de": "de_DE"}
"""Two-letter codes as mBART writes them."""


@dataclass(frozen=True)
class Layout:
    """Ids around the words of a sequence.

    Attributes:
        pad: fills up rows; ``mask``: stands for hidden words, ``None`` where the family has no such token.
        source, target: what comes before and after the words.
        start: the decoder's first token; ``None`` for encoders and causal models.
        end: the token whose generation ends a text; ``None`` for encoders.
    """

    pad: int
    mask: int | None
    source: tuple[tuple[int, ...], tuple[int, ...]]
    target: tuple[tuple[int, ...], tuple[int, ...]]
    start: int | None
    end: int | None

    @property
    def causal(self) -> bool:
        """Whether the layout is that of a causal model, which has one sequence and generates."""
        return self.start is None and self.end is not None

    @property
    def prompt(self) -> tuple[int, ...]:
        """What the decoder is given before it generates: its first token and what all labels begin with."""
        assert self.start is not None
        return (self.start, *self.target[0])


def specials_of(family: TextFamily, languages: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The special tokens of a family's tokenizer; for mBART with the codes of ``languages`` (two letters)."""
    if family in _SPECIALS:
        return _SPECIALS[family]
    codes = tuple(language_code(language) for language in languages) if family != "bart" else ()
    return (*BART_SPECIALS, *codes)


def language_code(language: str) -> str:
    """mBART's code of a language given by two letters.

    Raises:
        InputError: it is not one of :data:`LANGUAGE_CODES`.
    """
    if language not in LANGUAGE_CODES:
        raise InputError(f"language {language!r} is unknown; use one of {', '.join(LANGUAGE_CODES)}")
    return LANGUAGE_CODES[language]


def layout_of(family: TextFamily, tokenizer: TextTokenizer, source: str = "en", target: str = "en") -> Layout:
    """The layout of a family.

    Args:
        family: which one.
        tokenizer: knows the ids.
        source, target: languages by two letters, which only mBART marks. The authors' En-Ro and En-Fr scripts
            tokenise labels like sources, that is with ``target="en"`` (quirk: their labels carry ``en_XX``).

    Raises:
        InputError: the tokenizer lacks a token of the family.
    """
    ids = {token: tokenizer.id_of(token) for token in specials_of(family)}
    if family == "bert":
        around = ((ids["[CLS]"],), (ids["[SEP]"],))
        return Layout(ids["[PAD]"], ids["[MASK]"], around, around, None, None)
    if family == "gpt_neox":
        end = ids["<|endoftext|>"]
        return Layout(ids["<|padding|>"], None, ((), ()), ((), (end,)), None, end)
    end = ids["</s>"]
    if family == "llama":
        return Layout(ids["<unk>"], None, ((ids["<s>"],), ()), ((), (end,)), None, end)
    pad = ids["<pad>"]
    if family == "opt":
        return Layout(pad, None, ((end,), ()), ((), (end,)), None, end)
    if family == "t5":
        return Layout(pad, None, ((), (end,)), ((), (end,)), pad, end)
    mask = ids["<mask>"]
    if family == "bart":
        around = ((ids["<s>"],), (end,))
        return Layout(pad, mask, around, around, end, end)
    first, second = (tokenizer.id_of(language_code(language)) for language in (source, target))
    if family == "mbart":
        return Layout(pad, mask, ((), (end, first)), ((), (end, second)), second, end)
    return Layout(pad, mask, ((first,), (end,)), ((second,), (end,)), end, end)
