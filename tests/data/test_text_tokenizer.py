"""Text to ids and back, for every kind of published tokenizer file and for trained ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer as Engine

from retort.data.text_tokenizer import (
    BART_SPECIALS,
    BERT_SPECIALS,
    NEOX_SPECIALS,
    OPT_SPECIALS,
    T5_SPECIALS,
    TextTokenizer,
)
from retort.errors import InputError

TEXTS = ["The cat sat. Is it the cat's?", "An apple fell;\nit broke.", "Acel măr a căzut."]


@pytest.fixture(scope="module")
def trained():
    return TextTokenizer.train(TEXTS, 200, BART_SPECIALS)


@pytest.mark.parametrize("text", [*TEXTS, "The cat fell", "it. it's", "The\n\ncat;\n\n\nsat"])
def test_a_trained_one_gives_texts_back(trained, text):
    assert trained.text(trained.ids(text)) == text


words = st.lists(st.text("abcăT'.;?", min_size=1), min_size=1, max_size=6).map(" ".join)


@given(words, st.integers(30, 60))
def test_any_text_over_known_characters_comes_back(text, size):
    tokenizer = TextTokenizer.train(["abcă T'.;? abc Tab ca"], size, T5_SPECIALS)
    assert tokenizer.size <= size
    ids = tokenizer.ids(text)
    assert tokenizer.text(ids) == text and tokenizer.id_of("<unk>") not in ids


def test_frequent_words_are_whole_and_the_result_depends_on_counts_alone(trained):
    assert len(trained.ids("The cat sat.")) == 4
    again = TextTokenizer.train(reversed(TEXTS), 200, BART_SPECIALS)
    assert [again.ids(text) for text in TEXTS] == [trained.ids(text) for text in TEXTS]
    pieces = TextTokenizer.train(TEXTS, 60, T5_SPECIALS)
    assert (
        pieces.size <= 60
        and len(pieces.ids("The cat sat.")) > 4
        and pieces.text(pieces.ids(TEXTS[0])) == TEXTS[0]
    )


def test_special_tokens_are_first_left_out_and_never_read_from_text(trained):
    assert [trained.id_of(token) for token in BART_SPECIALS] == [0, 1, 2, 3, 4]
    ids = trained.ids("The cat")
    assert trained.text([0, *ids, 2, 1, 1]) == "The cat"
    assert not {0, 1, 2, 4} & set(trained.ids("<s> the </s> <mask>"))


def test_families_without_a_token_for_the_unknown_get_one():
    """Another would be read as padding or as the end of the text."""
    tokenizer = TextTokenizer.train(TEXTS, 200, NEOX_SPECIALS)
    assert tokenizer.specials == (*NEOX_SPECIALS, "<unk>")
    assert tokenizer.ids("The \u0416")[1:] == [2] and tokenizer.text([0, *tokenizer.ids("The"), 1]) == "The"
    assert TextTokenizer.train(TEXTS, 200, OPT_SPECIALS).specials == OPT_SPECIALS


lines = st.lists(st.lists(st.text("ab.", min_size=1), max_size=3).map(" ".join), min_size=1, max_size=5)


@given(lines.map("\n".join))
def test_line_breaks_come_back(text):
    tokenizer = TextTokenizer.train(["a b . ab\n"], 30, T5_SPECIALS)
    assert tokenizer.text(tokenizer.ids(text)) == text.strip()


def test_it_survives_the_disk(trained, tmp_path):
    trained.save(tmp_path / "tokenizer.json")
    again = TextTokenizer.load(tmp_path / "tokenizer.json")
    assert (again.size, again.specials) == (trained.size, trained.specials)
    assert again.ids(TEXTS[2]) == trained.ids(TEXTS[2]) and again.text(again.ids(TEXTS[1])) == TEXTS[1]
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(InputError, match="other.json: not a tokenizer file of this version"):
        TextTokenizer.load(tmp_path / "other.json")


def test_too_small_and_empty_vocabularies_are_refused():
    with pytest.raises(InputError, match=r"tokenizer: size 10 is below \d+; raise it"):
        TextTokenizer.train(TEXTS, 10, T5_SPECIALS)
    with pytest.raises(InputError, match="the texts hold no word"):
        TextTokenizer.train([], 100, T5_SPECIALS)


def byte_pairs(folder):
    """A byte-level vocabulary in the order of BART's."""
    letters = [chr(c) for c in range(33, 127)] + ["Ġ", "Ċ", "Ã", "Ä", "¥", "ĥ"]
    tokens = ["<s>", "<pad>", "</s>", "<unk>", *letters, "th", "Ġth", "<mask>"]
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\nt h\nĠ th\n", encoding="utf-8")
    return TextTokenizer.from_byte_pairs(folder / "vocab.json", folder / "merges.txt")


def test_byte_pairs(tmp_path):
    tokenizer = byte_pairs(tmp_path)
    ids = tokenizer.ids("this is the #1\nthing")
    assert tokenizer.text(ids) == "this is the #1\nthing"
    assert ids.count(tokenizer.id_of("Ġth")) == 1 and ids[0] == tokenizer.id_of("th")
    assert tokenizer.id_of("</s>") == 2 and tokenizer.specials == BART_SPECIALS


def test_files_of_any_tokenizer(trained, tmp_path):
    trained.save(tmp_path / "ours.json")
    (tmp_path / "tokenizer.json").write_text(json.loads((tmp_path / "ours.json").read_text())["engine"])
    found = TextTokenizer.from_file(tmp_path / "tokenizer.json", BART_SPECIALS)
    assert found.ids(TEXTS[0]) == trained.ids(TEXTS[0])
    engine = Engine.from_file(str(tmp_path / "tokenizer.json"))
    engine.add_special_tokens(["</s>"])
    engine.save(str(tmp_path / "tokenizer.json"))
    assert engine.encode("The </s>", add_special_tokens=False).ids[-1] == 2
    found = TextTokenizer.from_file(tmp_path / "tokenizer.json", BART_SPECIALS)
    assert found.ids("The") == found.ids("The </s>")[:1] and 2 not in found.ids("The </s>")
    with pytest.raises(InputError, match=r"no token '\[PAD\]'; give the files of the right model family"):
        TextTokenizer.from_file(tmp_path / "tokenizer.json", BERT_SPECIALS)
    (tmp_path / "broken.json").write_text("{}")
    with pytest.raises(InputError, match="broken.json: not a tokenizer file"):
        TextTokenizer.from_file(tmp_path / "broken.json", BART_SPECIALS)
    with pytest.raises(InputError, match="none.json: no such file"):
        TextTokenizer.from_file(tmp_path / "none.json", BART_SPECIALS)


def test_a_bert_vocabulary(tmp_path):
    (tmp_path / "vocab.txt").write_text(
        "\n".join([*BERT_SPECIALS, "the", "cat", "##s", ".", "'", "s"]) + "\n"
    )
    tokenizer = TextTokenizer.from_vocab(tmp_path / "vocab.txt")
    assert tokenizer.ids("The càts.") == [5, 6, 7, 8] and tokenizer.size == 11
    assert tokenizer.text([2, 5, 6, 7, 8, 3, 0]) == "the cats."


@pytest.mark.real_data
def test_real_vocabularies(real_data):
    folder = real_data / "tokenizers"
    bert = TextTokenizer.from_vocab(folder / "bert-base-uncased" / "vocab.txt")
    assert bert.size == 30522 and bert.id_of("[CLS]") == 101
    assert bert.ids("Hello, world! Naïve re-tokenisation") == [
        *(7592, 1010, 2088, 999, 15743, 2128, 1011, 19204, 6648)
    ]
    gpt2 = TextTokenizer.from_byte_pairs(
        folder / "gpt2" / "vocab.json", folder / "gpt2" / "merges.txt", ("<|endoftext|>",)
    )
    text = "Hello world, naïve café\n\n  3.14"
    assert gpt2.text(gpt2.ids(text)) == text
    assert gpt2.ids("Hello world") == [15496, 995]
