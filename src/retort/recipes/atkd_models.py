"""The three families of the ATKD paper: OPT, Pythia (GPT-NeoX) and LLaMA, every size of their ladders.

``resources/paper/atkd/model_sizes.csv`` has the parameters that these sizes come to, as published. Which of
them the paper paired is known from secondary sources only; the others serve as teachers of growing size.
"""

from __future__ import annotations

from retort.models.hf.architecture import TextArchitecture, Vocabulary
from retort.recipes.cka_models import Model

OPT_WORDS = Vocabulary(50272, pad=1, bos=2, eos=2)
PYTHIA_WORDS = Vocabulary(50304, pad=1, bos=0, eos=0)
"""Of all sizes up to 2.8 billion parameters. The tokenizer has 50277 words."""
PYTHIA_LARGE_WORDS = Vocabulary(50432, pad=1, bos=0, eos=0)
LLAMA_WORDS = Vocabulary(32000, pad=0, bos=1, eos=2)
"""LLaMA has no word for padding: the unknown word, which no text has, takes its place."""


def _opt(size: str, layers: int, width: int, heads: int, role: str) -> Model:
    inner = 4 * width
    return Model(
        TextArchitecture(f"OPT-{size}", "opt", 0, layers, width, heads, inner, 2048), OPT_WORDS, role
    )


def _pythia(
    size: str, layers: int, width: int, heads: int, role: str, words: Vocabulary = PYTHIA_WORDS
) -> Model:
    name, inner = f"Pythia-{size}", 4 * width
    shape = TextArchitecture(name, "gpt_neox", 0, layers, width, heads, inner, 2048, dropout=0.0, tied=False)
    return Model(shape, words, role)


def _llama(size: str, layers: int, width: int, heads: int, inner: int, role: str) -> Model:
    name = f"LLaMA-{size}"
    shape = TextArchitecture(name, "llama", 0, layers, width, heads, inner, 2048, dropout=0.0, tied=False)
    return Model(shape, LLAMA_WORDS, role)


_OPT_350M = TextArchitecture(
    "OPT-350M", "opt", 0, 24, 1024, 16, 4096, 2048, word_width=512, normalised="after"
)

MODELS = (
    _opt("125M", 12, 768, 12, "student"),
    Model(_OPT_350M, OPT_WORDS, "ladder"),
    _opt("1.3B", 24, 2048, 32, "ladder"),
    _opt("2.7B", 32, 2560, 32, "ladder"),
    _opt("6.7B", 32, 4096, 32, "teacher"),
    _pythia("70M", 6, 512, 8, "ladder"),
    _pythia("160M", 12, 768, 12, "ladder"),
    _pythia("410M", 24, 1024, 16, "student"),
    _pythia("1B", 16, 2048, 8, "ladder"),
    _pythia("1.4B", 24, 2048, 16, "ladder"),
    _pythia("2.8B", 32, 2560, 32, "teacher"),
    _pythia("6.9B", 32, 4096, 32, "ladder", PYTHIA_LARGE_WORDS),
    _llama("68M", 2, 768, 12, 3072, "student"),
    _llama("7B", 32, 4096, 32, 11008, "teacher"),
    _llama("13B", 40, 5120, 40, 13824, "ladder"),
)
