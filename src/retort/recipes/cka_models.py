"""Teachers and students of the CKA paper: sizes as its released scripts set them.

``resources/paper/cka/student_architectures.csv`` has the parameters that these sizes come to.
"""

from __future__ import annotations

from dataclasses import dataclass

from retort.models.hf.architecture import TextArchitecture, Vocabulary

BART_WORDS = Vocabulary(50264, pad=1, bos=0, eos=2, start=2)
"""Of the teachers for CNN/DailyMail and XSum; bart-large itself has a row more."""
BART_LARGE_WORDS = Vocabulary(50265, pad=1, bos=0, eos=2, start=2)
MBART_WORDS = Vocabulary(250027, pad=1, bos=0, eos=2)
MBART50_WORDS = Vocabulary(250054, pad=1, bos=0, eos=2)
T5_WORDS = Vocabulary(32128, pad=0, eos=1, start=0)
BERT_WORDS = Vocabulary(30522, pad=0)


@dataclass(frozen=True)
class Model:
    """A size with the vocabulary that it had.

    Attributes:
        role: ``teacher``, ``student``, or ``reference``: a published model of comparable size.
    """

    architecture: TextArchitecture
    vocabulary: Vocabulary
    role: str


def _bart(
    name: str, layers: int, width: int, inner: int = 4096, heads: int = 16, role: str = "student",
    words: Vocabulary = BART_WORDS,
) -> Model:  # fmt: skip
    """Default: heads and feed-forwards of bart-large, at any width."""
    return Model(TextArchitecture(name, "bart", layers, layers, width, heads, inner), words, role)


def _mbart(
    name: str, layers: tuple[int, int], width: int, words: Vocabulary = MBART50_WORDS, role: str = "student"
) -> Model:
    """Feed-forwards four times the width; only teachers scale their embeddings (quirk ``mbart-scale``)."""
    size = TextArchitecture(name, "mbart", *layers, width, 16, 4 * width, scaled_embedding=role == "teacher")
    return Model(size, words, role)


def _t5(name: str, layers: int, width: int, heads: int, inner: int, role: str) -> Model:
    size = TextArchitecture(name, "t5", layers, layers, width, heads, inner, head_width=64, tied=False)
    return Model(size, T5_WORDS, role)


def _bert(name: str, layers: int, width: int, heads: int, inner: int = 3072, role: str = "student") -> Model:
    return Model(TextArchitecture(name, "bert", layers, 0, width, heads, inner, 512), BERT_WORDS, role)


MODELS = (
    _bart("facebook/bart-large (cnn,xsum)", 12, 1024, role="teacher"),
    _bart("facebook/bart-large", 12, 1024, role="teacher", words=BART_LARGE_WORDS),
    _bart("facebook/bart-base", 6, 768, 3072, 12, "reference", BART_LARGE_WORDS),
    _bart("3x512", 3, 512),
    _bart("3x640", 3, 640),
    _bart("3x768", 3, 768),
    _bart("6x512 (ffn4096)", 6, 512),
    _bart("6x768 (ffn4096)", 6, 768),
    _bart("6x1024 (ffn4096)", 6, 1024),
    _bart("6x768 (ffn3072)", 6, 768, 3072, 12),
    _bart("6x1024 cosine/SFT-like", 6, 1024),
    _bart("1x1024 cosine", 1, 1024),
    _bart("2x1024 cosine", 2, 1024),
    _bart("3x1024 cosine", 3, 1024),
    _bart("12x640", 12, 640),
    _bart("12x768 (ffn3072)", 12, 768, 3072, 12),
    _mbart("mbart-large-50-many-to-many-mmt", (12, 12), 1024, role="teacher"),
    _mbart("mbart-large-en-ro (mBART-25 vocab 250027)", (12, 12), 1024, MBART_WORDS, "teacher"),
    _mbart("6x384", (6, 6), 384),
    _mbart("6x512", (6, 6), 512),
    _mbart("12x512", (12, 12), 512),
    _mbart("12x640", (12, 12), 640),
    _mbart("12x768", (12, 12), 768),
    _mbart("12x896", (12, 12), 896),
    _mbart("12-3x768", (12, 3), 768),
    _mbart("1x1024 cosine", (1, 1), 1024, MBART_WORDS),
    _mbart("2x1024 cosine", (2, 2), 1024, MBART_WORDS),
    _t5("t5-v1_1-large", 24, 1024, 16, 2816, "teacher"),
    _t5("t5 12x1024 (every 2nd layer of t5-large-lm-adapt)", 12, 1024, 16, 2816, "student"),
    _t5("t5-v1_1-base", 12, 768, 12, 2048, "reference"),
    _t5("t5 6x768 (every 2nd layer of t5-v1_1-base)", 6, 768, 12, 2048, "student"),
    _bert("bert-base-uncased", 12, 768, 12, role="teacher"),
    _bert("3x768", 3, 768, 3),
    _bert("4x512", 4, 512, 4, 1536),
    _bert("6x384", 6, 384, 6, 1536),
    _bert("6x512", 6, 512, 8),
    _bert("6x768", 6, 768, 6),
    _bert("8x512", 8, 512, 8),
    _bert("12x384", 12, 384, 12, 1536),
    _bert("12x512", 12, 512, 16),
    _bert("12x516", 12, 516, 12),
    _bert("16x640", 16, 640, 16),
)
