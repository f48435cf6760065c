"""Special tokens stand where each family's published models expect them."""

from __future__ import annotations

import numpy as np
import pytest

from retort.data.layouts import layout_of, specials_of
from retort.data.seq2seq.formats import TextPair
from retort.data.text_examples import encode_pairs
from retort.data.text_sets import batch_of_pairs
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError

FRAMES = {  # source, labels, decoder input; * is where words stand
    "bart": ("<s> * </s>", "<s> * </s>", "</s> <s> *"),
    "mbart": ("* </s> en_XX", "* </s> ro_RO", "ro_RO * </s>"),
    "mbart50": ("en_XX * </s>", "ro_RO * </s>", "</s> ro_RO *"),
    "t5": ("* </s>", "* </s>", "<pad> *"),
}


def tokenizer_of(family):
    return TextTokenizer.train(["one two three"], 90, specials_of(family, ("en", "ro")))


def ids(frame, tokenizer, words):
    return [i for part in frame.split() for i in (words if part == "*" else [tokenizer.id_of(part)])]


@pytest.mark.parametrize("family", FRAMES)
def test_sources_labels_and_decoder_inputs(family):
    tokenizer = tokenizer_of(family)
    layout = layout_of(family, tokenizer, "en", "ro")
    (example,) = encode_pairs([TextPair("k", "one", ("two three",))], tokenizer, layout, 16, 16)
    source, labels, read = FRAMES[family]
    batch = batch_of_pairs([example], layout)
    assert batch.tokens.tolist() == [ids(source, tokenizer, tokenizer.ids("one"))]
    assert batch.targets.tolist() == [ids(labels, tokenizer, tokenizer.ids("two three"))]
    assert batch.decoder_tokens.tolist() == [ids(read, tokenizer, tokenizer.ids("two three"))]
    assert tuple(batch.decoder_tokens[0, : len(layout.prompt)].tolist()) == layout.prompt


@pytest.mark.parametrize("family", FRAMES)
def test_truncation_keeps_what_stands_around_the_words(family):
    tokenizer = tokenizer_of(family)
    layout = layout_of(family, tokenizer, "en", "ro")
    long = " ".join(["one two"] * 20)
    (cut,) = encode_pairs([TextPair("k", long, (long,))], tokenizer, layout, 8, 7)
    assert (len(cut.source), len(cut.target)) == (8, 7)
    for row, (before, after) in ((cut.source, layout.source), (cut.target, layout.target)):
        assert tuple(row[: len(before)]) == before and tuple(row[len(row) - len(after) :]) == after
        inner = row[len(before) : len(row) - len(after)].tolist()
        assert inner == tokenizer.ids(long)[: len(inner)] and row.dtype == np.int32


@pytest.mark.parametrize("family", ["bart", "mbart", "mbart50"])
def test_the_decoder_reads_what_transformers_would_make_of_the_labels(family):
    """BART moves labels behind its start token, mBART the last label to the front."""
    import torch
    from transformers.models.bart.modeling_bart import shift_tokens_right as bart
    from transformers.models.mbart.modeling_mbart import shift_tokens_right as mbart

    tokenizer = tokenizer_of(family)
    layout = layout_of(family, tokenizer, "en", "ro")
    texts = [TextPair("a", "one", ("two three",)), TextPair("b", "one two", ("three",))]
    batch = batch_of_pairs(encode_pairs(texts, tokenizer, layout, 16, 16), layout)
    gold = batch.targets.masked_fill(~batch.valid, layout.pad)
    shifted = bart(gold, layout.pad, layout.start) if family == "bart" else mbart(gold, layout.pad)
    assert torch.equal(batch.decoder_tokens[batch.valid], shifted[batch.valid])


def test_labels_as_the_authors_tokenised_them_carry_the_source_language():
    tokenizer = tokenizer_of("mbart50")
    assert layout_of("mbart50", tokenizer).target[0] == (tokenizer.id_of("en_XX"),)


def test_wrong_families_and_languages_are_refused():
    with pytest.raises(InputError, match=r"no token '\[PAD\]'; give the files of the right model family"):
        layout_of("bert", tokenizer_of("bart"))
    with pytest.raises(InputError, match="language 'xx' is unknown; use one of en, ro"):
        layout_of("mbart", tokenizer_of("mbart"), "en", "xx")
    with pytest.raises(InputError, match="length 2 leaves no room for words; raise it"):
        encode_pairs(
            [TextPair("k", "a", ("b",))], tokenizer_of("bart"), layout_of("bart", tokenizer_of("bart")), 2, 8
        )


CAUSAL = {  # prompt, what follows it, padding
    "opt": ("</s> *", "* </s>", "<pad>"),
    "gpt_neox": ("*", "* <|endoftext|>", "<|padding|>"),
    "llama": ("<s> *", "* </s>", "<unk>"),
}


@pytest.mark.parametrize("family", CAUSAL)
def test_causal_models_have_one_sequence(family):
    tokenizer = tokenizer_of(family)
    layout = layout_of(family, tokenizer)
    prompt, response, pad = CAUSAL[family]
    assert ids(prompt, tokenizer, [77]) == [*layout.source[0], 77, *layout.source[1]]
    assert ids(response, tokenizer, [77]) == [*layout.target[0], 77, *layout.target[1]]
    assert layout.pad == tokenizer.id_of(pad) and layout.target[1] == (layout.end,)
    assert layout.causal and layout.start is None and layout.mask is None


def test_other_models_are_not_causal():
    families = ("bert", "bart", "mbart", "mbart50", "t5")
    assert not any(layout_of(family, tokenizer_of(family), "en", "ro").causal for family in families)
