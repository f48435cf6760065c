"""Prompts and responses as arrays: where a prompt ends, what is cut, what is a target."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Engine
from tokenizers import decoders, models, normalizers

from retort.data.instructions.formats import Instruction
from retort.data.instructions.templates import prompt_parts
from retort.data.layouts import layout_of, specials_of
from retort.data.prompt_examples import (
    PromptExample,
    PromptFrame,
    encode_prompts,
    load_prompts,
    save_prompts,
    with_responses,
)
from retort.data.text_sets import batch_of_prompts
from retort.data.text_tokenizer import LLAMA_SPECIALS, TextTokenizer
from retort.errors import InputError

WORDS = "one two three four five six seven eight nine ten"
FAMILIES = ("opt", "gpt_neox", "llama")
TEXTS = [f"Human:\n{WORDS} .\n\nAssistant:\n{WORDS}", "### Instruction Input Answer:"]
TOKENIZERS = {name: TextTokenizer.train(TEXTS, 200, specials_of(name)) for name in FAMILIES}
PLAIN = PromptFrame("plain", 40, 60)


def encode(family, frame=PLAIN, text="one two", response="three four", **rest):
    tokenizer = TOKENIZERS[family]
    layout = layout_of(family, tokenizer)
    item = Instruction("k", text, "", (response, "other"), rest.pop("answer", None), "g", **rest)
    (found,) = encode_prompts([item], tokenizer, layout, frame)
    return tokenizer, layout, found


FRAMES = {"opt": ("</s>", "</s>"), "gpt_neox": (None, "<|endoftext|>"), "llama": ("<s>", "</s>")}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("template", ["plain", "headers"])
def test_prompt_response_end(family, template):
    tokenizer, layout, found = encode(family, PromptFrame(template, 40, 60))
    begin, end = FRAMES[family]
    text = "".join(prompt_parts(Instruction("k", "one two", "", ()), template))
    before = [tokenizer.id_of(begin)] if begin else []
    assert found.prompt.tolist() == [*before, *tokenizer.ids(text)]
    assert found.response.tolist() == [*tokenizer.ids("three four"), tokenizer.id_of(end)]
    assert (found.key, found.references, found.answer, found.group) == (
        "k",
        ("three four", "other"),
        None,
        "g",
    )
    assert found.prompt.dtype == found.response.dtype == np.int32


@pytest.mark.parametrize("family", FAMILIES)
def test_every_word_of_the_response_is_a_target_and_no_other(family):
    """Also where the prompt begins with the end token and padding is no token of its own (OPT, quirks of
    finding either by its token)."""
    tokenizer, layout, short = encode(family)
    _, _, long = encode(family, response="one two three four five six")
    batch = batch_of_prompts([short, long], layout)
    for row, example in enumerate((short, long)):
        assert batch.targets[row][batch.predicted[row]].tolist() == example.response.tolist()
        first = int(batch.predicted[row].nonzero()[0])
        assert first == len(example.prompt) - 1
    assert batch.keys == ("k", "k") and batch.valid.sum() == len(short) + len(long)


@pytest.mark.parametrize(("targets", "more"), [(1, 1), (3, 3), (None, 10**6), (10**6, 10**6)])
def test_words_of_the_prompt_can_be_targets_as_in_the_authors_runs(targets, more):
    _, layout, found = encode("opt")
    batch = batch_of_prompts([found], layout, prompt_targets=targets)
    whole = [*found.prompt.tolist(), *found.response.tolist()]
    learned = min(len(whole) - 1, more + len(found.response))
    assert batch.targets[batch.predicted].tolist() == whole[-learned:]


def test_the_end_can_be_left_out():
    tokenizer, layout, found = encode("opt", PromptFrame("plain", 40, 60, learn_end=False))
    assert found.response.tolist() == tokenizer.ids("three four")


@pytest.mark.parametrize("longest", [14, 15, 16, 17, 30])
def test_a_response_that_is_cut_has_no_end(longest):
    tokenizer, layout, whole = encode("llama", response=WORDS)
    size = len(whole.prompt)
    _, _, found = encode("llama", PromptFrame("plain", size, size + longest - 13), response=WORDS)
    words = [*tokenizer.ids(WORDS), layout.end]
    assert found.response.tolist() == words[: longest - 13]
    assert (layout.end in found.response) == (longest - 13 >= len(words))


@given(st.integers(12, 40), st.integers(0, 30))
def test_prompts_that_are_too_long_keep_their_last_line(most, count):
    tokenizer, layout, found = encode(
        "opt", PromptFrame("plain", most, most + 5), text=" ".join(["two"] * count + ["one"])
    )
    end = tokenizer.ids("Human:\none\n\nAssistant:\n")[4:]
    assert len(found.prompt) <= most and found.prompt[-len(end) :].tolist() == end
    head = [layout.end, *tokenizer.ids("Human:\n")]
    inside = found.prompt[: -len(end)].tolist()
    asked = [*head, *tokenizer.ids(" ".join(["two"] * count + ["one "]))]
    assert inside == asked[: len(inside)] and len(inside) == min(len(asked), most - len(end))


@given(st.integers(6, 30))
def test_shots_go_first(most):
    shots = (("one?", "two"), ("three?", "four"))
    item = Instruction("k", "", "six?", ("five",), "five", "", shots)
    tokenizer, layout, _ = encode("gpt_neox")
    (found,) = encode_prompts([item], tokenizer, layout, PromptFrame("plain", most, 70))
    whole = [tokenizer.ids("".join(prompt_parts(item, "plain", count))) for count in (2, 1, 0)]
    assert [len(ids) for ids in whole] == [21, 13, 5]
    assert found.prompt.tolist() == next(ids for ids in whole if len(ids) <= most)
    assert found.response.tolist() == [tokenizer.id_of("\u2581five"), 0]


def test_lengths_without_room_are_refused():
    with pytest.raises(InputError, match="max_length 40 leaves no room behind prompts of 40; raise it"):
        encode("opt", PromptFrame("plain", 40, 40))
    with pytest.raises(InputError, match="max_prompt 6 leaves no room for words; raise it"):
        encode("opt", PromptFrame("plain", 6, 40))


def sentence_piece():
    """As LLaMA's tokenizer: a space stands before every text, none is taken for granted in the middle."""
    pieces = {"<unk>": 0, "<s>": 1, "</s>": 2, "\u2581": 3, "\n": 4, "\n\n": 5}
    for piece in [*"abcHumnAsit:", "\u2581a", "\u2581b", "\nb"]:
        pieces.setdefault(piece, len(pieces))
    merges = [("\u2581", "a"), ("\u2581", "b"), ("\n", "\n"), ("\n", "b")]
    engine = Engine(models.BPE(pieces, merges, unk_token="<unk>"))
    steps = [normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]
    engine.normalizer = normalizers.Sequence(steps)
    spelled = [decoders.Replace("\u2581", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    engine.decoder = decoders.Sequence(spelled)
    return TextTokenizer(engine, LLAMA_SPECIALS)


def test_a_response_goes_on_where_the_prompt_ends():
    """No space is put before it, and nothing of it is swallowed by the prompt's last token."""
    tokenizer = sentence_piece()
    layout = layout_of("llama", tokenizer)

    def encoded(response):
        (found,) = encode_prompts([Instruction("k", "a", "b", (response,))], tokenizer, layout, PLAIN)
        return found

    plain = encoded("a b")
    assert plain.response.tolist() == [tokenizer.id_of("a"), tokenizer.id_of("\u2581b"), 2]
    joined = encoded("b")  # "\nb" is a token, but a prompt ends in "\n"
    assert joined.prompt.tolist() == plain.prompt.tolist()
    assert tokenizer.text(joined.response) == "b" and joined.response[-1] == 2


rows = st.lists(st.integers(0, 50000), max_size=7).map(lambda row: np.array(row, np.int32))
entries = st.tuples(rows, rows, st.lists(st.text(), min_size=1, max_size=3), st.none() | st.text(), st.text())


@given(st.lists(entries, min_size=1, max_size=5))
def test_they_survive_the_disk(tmp_path_factory, drawn):
    examples = [PromptExample(f"k{n}", p, r, tuple(t), a, g) for n, (p, r, t, a, g) in enumerate(drawn)]
    folder = tmp_path_factory.mktemp("store")
    save_prompts(folder, "dolly", examples)
    for ours, theirs in zip(load_prompts(folder, "dolly"), examples, strict=True):
        assert (ours.key, ours.references, ours.answer, ours.group) == (
            theirs.key,
            theirs.references,
            theirs.answer,
            theirs.group,
        )
        for side in ("prompt", "response"):
            left, right = getattr(ours, side), getattr(theirs, side)
            assert left.dtype == right.dtype == np.int32 and np.array_equal(left, right)
    assert json.loads((folder / "dolly.json").read_text())["keys"] == [e.key for e in examples]


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputError, match="dolly.json: no such file"):
        load_prompts(tmp_path, "dolly")


def test_other_responses():
    _, layout, found = encode("opt")
    one, two = with_responses([found, found], [[9, 8, 2], [7]])
    assert one.response.tolist() == [9, 8, 2] and two.response.tolist() == [7]
    assert one.prompt is found.prompt and one.key == found.key and one.references == found.references
    one, two, none = with_responses([found] * 3, [[9, 2, 2], [7], []], drop_end=2)
    assert [e.response.tolist() for e in (one, two, none)] == [[9, 2], [7], []]
    with pytest.raises(ValueError, match="argument"):
        with_responses([found], [])


@pytest.mark.real_data
def test_a_real_byte_pair_vocabulary(real_data):
    """GPT-2's, which Pythia's and OPT's are made like, with the names of Pythia's special tokens."""
    folder = real_data / "tokenizers" / "gpt2"
    gpt2 = TextTokenizer.from_byte_pairs(folder / "vocab.json", folder / "merges.txt", ("<|endoftext|>",))
    layout = layout_of("gpt_neox", TOKENIZERS["gpt_neox"])
    item = Instruction("k", "Name a colour.", "", ("Blue, I'd say.",))
    (found,) = encode_prompts([item], gpt2, layout, PLAIN)
    assert gpt2.text(found.response[:-1]) == "Blue, I'd say."
    assert [*found.prompt, *found.response[:-1]] == gpt2.ids(
        "Human:\nName a colour. \n\nAssistant:\nBlue, I'd say."
    )
