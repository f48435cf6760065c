"""Generation: deterministic, batched without a trace, told everything explicitly."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
transformers = pytest.importorskip("transformers")

from retort.data.layouts import layout_of, specials_of  # noqa: E402
from retort.data.seq2seq.formats import TextPair  # noqa: E402
from retort.data.text_examples import encode_pairs  # noqa: E402
from retort.data.text_tokenizer import TextTokenizer  # noqa: E402
from retort.errors import InputError  # noqa: E402
from retort.evaluation.decoding import RELEASED, Decoding  # noqa: E402
from retort.evaluation.generation import generate  # noqa: E402

WORDS = ["a", "b", "c", "d", "e", "f", "g", "h"]
CPU = torch.device("cpu")


def setup(family):
    tokenizer = TextTokenizer.train([" ".join(WORDS)], 60, specials_of(family, ("en", "ro")))
    return tokenizer, layout_of(family, tokenizer, "en", "ro")


def model_of(family, tokenizer, layout, seed=0):
    torch.manual_seed(seed)
    common = {
        "vocab_size": tokenizer.size,
        "d_model": 16,
        "pad_token_id": layout.pad,
        "eos_token_id": layout.end,
    }
    if family == "t5":
        sizes = {"num_layers": 1, "num_decoder_layers": 1, "num_heads": 2, "d_kv": 8, "d_ff": 32}
        config = transformers.T5Config(**common, **sizes, decoder_start_token_id=layout.start)
        return transformers.T5ForConditionalGeneration(config)
    kind = "Bart" if family == "bart" else "MBart"
    sizes = {
        f"{side}_{name}": n
        for side in ("encoder", "decoder")
        for name, n in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))
    }
    config = getattr(transformers, f"{kind}Config")(
        **common, **sizes, max_position_embeddings=40, init_std=1.0, decoder_start_token_id=layout.start
    )
    return getattr(transformers, f"{kind}ForConditionalGeneration")(config)


def examples_of(tokenizer, layout, count=5):
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(WORDS, 1 + n % 5)) for n in range(count)]
    return encode_pairs([TextPair(f"k{n}", t, (t,)) for n, t in enumerate(texts)], tokenizer, layout, 32, 32)


def greedy(model, example, layout, longest):
    """The definition of greedy search, without cache or padding."""
    ids = list(layout.prompt)
    source = torch.tensor([example.source.tolist()])
    while len(ids) < longest:
        logits = model(input_ids=source, decoder_input_ids=torch.tensor([ids])).logits[0, -1]
        ids.append(int(logits.argmax()))
        if ids[-1] == layout.end:
            break
    return ids


@pytest.mark.parametrize("family", ["bart", "mbart", "mbart50", "t5"])
def test_greedy_search_is_what_it_says_whatever_the_batches(family):
    tokenizer, layout = setup(family)
    model = model_of(family, tokenizer, layout).eval()
    examples = examples_of(tokenizer, layout)
    with torch.no_grad():
        naive = {e.key: tokenizer.text(greedy(model, e, layout, 9)) for e in examples}
    assert len(set(naive.values())) > 1
    for rows in (2, 128):
        found = generate(model, examples, layout, tokenizer, Decoding(9), device=CPU, rows_at_once=rows)
        assert found == naive and list(found) == [e.key for e in examples]


def test_nothing_is_taken_from_the_model_s_own_settings():
    tokenizer, layout = setup("bart")
    model = model_of("bart", tokenizer, layout)
    examples = examples_of(tokenizer, layout)
    before = generate(model, examples, layout, tokenizer, Decoding(12), device=CPU)
    own = transformers.GenerationConfig(
        num_beams=4, min_length=9, no_repeat_ngram_size=1, forced_bos_token_id=9, forced_eos_token_id=8,
        length_penalty=3.0, max_length=3, suppress_tokens=[10, 11, 12], repetition_penalty=9.0,
    )  # fmt: skip
    model.generation_config = own
    assert generate(model, examples, layout, tokenizer, Decoding(12), device=CPU) == before
    assert model.generation_config is own and model.training


def test_the_decoder_s_first_token_counts():
    tokenizer, layout = setup("t5")
    model = model_of("t5", tokenizer, layout)
    examples = examples_of(tokenizer, layout)

    def longest(most):
        found = generate(model, examples, layout, tokenizer, Decoding(most), device=CPU)
        return max(len(tokenizer.ids(text)) for text in found.values())

    assert longest(6) == 5 < longest(20) <= 19


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_beam_search_is_that_of_transformers_one_text_at_a_time(family):
    tokenizer, layout = setup(family)
    model = model_of(family, tokenizer, layout, seed=3).eval()
    examples = examples_of(tokenizer, layout)
    settings = Decoding(12, beams=3, min_length=5, length_penalty=2.0, no_repeat_ngram=2, early_stopping=True)
    found = generate(model, examples, layout, tokenizer, settings, device=CPU)
    for example in examples:
        (ids,) = model.generate(
            input_ids=torch.tensor([example.source.tolist()]),
            decoder_input_ids=torch.tensor([layout.prompt]),
            num_beams=3, max_length=12, min_length=5, length_penalty=2.0, no_repeat_ngram_size=2,
            early_stopping=True, do_sample=False, forced_eos_token_id=None,
        )  # fmt: skip
        assert found[example.key] == tokenizer.text(ids.tolist())
    assert found != generate(model, examples, layout, tokenizer, Decoding(12), device=CPU)


def test_a_length_that_holds_no_word_is_refused():
    tokenizer, layout = setup("mbart50")
    with pytest.raises(InputError, match="max_length 2 leaves no room for a word; raise it"):
        generate(None, [], layout, tokenizer, Decoding(2), device=CPU)


def test_the_authors_settings():
    assert RELEASED["translation"] == Decoding(127, beams=5, early_stopping=True)
