import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data import tokenizer as module
from retort.data.tokenizer import COMMANDS, EOP, SOP, Tokenizer, normalise
from retort.errors import InputError

WORDS = ["kamu", "lopi", "kamu", "kamu", "tari", "lopi", "a", ".", "?", "kamuna"]
TEXTS = [" ".join(WORDS), "kamu lopi .", "yes"]
SMALL = Tokenizer.train(TEXTS, 200)


@pytest.fixture(scope="module")
def bert(real_data):
    return Tokenizer.from_vocab(real_data / "tokenizers" / "bert-base-uncased" / "vocab.txt")


def test_bert_vocabulary_has_the_ids_of_glm(bert):
    special = bert.special
    assert (special.pad, special.unk, special.cls, special.sep, special.mask) == (0, 100, 101, 102, 103)
    assert (special.sop, special.eop, special.eos) == (30522, 30523, 0)
    assert bert.size == 30524
    assert bert.padded_size(128) == 30592
    assert [bert.find(w) for w in (" Yes", "no", "maybe", "true", "false")] == [2748, 2053, 2672, 2995, 6270]
    assert bert.find("unaffable") is None


def test_bert_tokenizer_equals_the_authors(bert, golden):
    probes = json.loads((golden / "glmd" / "superglue_pvp.json").read_text())["tokenizer"]
    assert len(probes) > 10
    for probe in probes:
        assert bert.ids(probe["text"]) == probe["ids"]
        assert bert.tokens(probe["ids"]) == probe["tokens"]


def test_words_longer_than_a_hundred_letters_are_unknown(bert):
    assert bert.ids("a" * 100) != [bert.special.unk]
    assert bert.ids("a" * 101) == [bert.special.unk]


def test_every_word_becomes_a_token_when_the_budget_allows():
    for word in set(WORDS) | {"yes"}:
        assert SMALL.tokens(SMALL.ids(word)) == [word]
    assert SMALL.vocabulary[:7] == ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "kamu", "lopi")
    assert SMALL.vocabulary[-2:] == (SOP, EOP)
    assert SMALL.size <= 200
    assert "##." not in SMALL.vocabulary  # punctuation is always a word of its own


@given(st.text(alphabet="kamulopitrnyes.? ", max_size=40))
def test_any_text_over_known_characters_can_be_encoded(text):
    ids = SMALL.ids(text)
    assert SMALL.special.unk not in ids
    joined = "".join(token.removeprefix("##") for token in SMALL.tokens(ids))
    assert joined == text.replace(" ", "")


@given(st.text(max_size=60))
def test_chunks_between_spaces_give_what_the_whole_text_gives(text):
    whole = SMALL._engine.encode(text, add_special_tokens=False).ids
    assert SMALL.ids(text) == whole
    assert SMALL.ids(text) == whole  # and from memory


def test_remembered_chunks_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "_MOST_CHUNKS", 3)
    fresh = Tokenizer(SMALL.vocabulary)
    for text in TEXTS * 2:
        assert fresh.ids(text) == SMALL.ids(text)
        assert len(fresh._chunks) <= 3


@given(st.lists(st.sampled_from([*COMMANDS, "kamu", "lopi"]), max_size=8))
def test_literal_command_tokens_are_split_first(parts):
    assert SMALL.ids("".join(f"{p} " for p in parts)) == [SMALL.vocabulary.index(p) for p in parts]


def test_command_tokens_inside_words_and_in_the_wrong_case():
    special = SMALL.special
    assert SMALL.ids("kamu[MASK].") == [SMALL.find("kamu"), special.mask, SMALL.find(".")]
    assert special.mask not in SMALL.ids("[mask]")


def test_small_budget_learns_pieces_and_stays_within_it():
    texts = [f"{a}{b}ing {a}{b}ed" for a in string.ascii_lowercase for b in "aeiou"]
    trained = Tokenizer.train(texts, 100)
    assert trained.size == 100
    assert "##ing" in trained.vocabulary
    assert all(trained.special.unk not in trained.ids(text) for text in texts)


@pytest.mark.parametrize("vocab_size", [60, 200])
def test_training_depends_on_counts_only(vocab_size):
    assert (
        Tokenizer.train(TEXTS[::-1], vocab_size).vocabulary == Tokenizer.train(TEXTS, vocab_size).vocabulary
    )


def test_training_strips_command_tokens():
    trained = Tokenizer.train(["kamu [MASK] lopi"], 100)
    assert "[" not in trained.vocabulary
    assert "mask" not in trained.vocabulary


def test_training_refuses_no_text_and_too_small_a_budget():
    with pytest.raises(InputError, match="no word"):
        Tokenizer.train(["", "  "], 100)
    with pytest.raises(InputError, match="vocab_size 10 is below"):
        Tokenizer.train(TEXTS, 10)


def test_save_and_load(tmp_path):
    SMALL.save(tmp_path / "tokenizer.json")
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.vocabulary == SMALL.vocabulary
    assert loaded.ids(TEXTS[0]) == SMALL.ids(TEXTS[0])


@pytest.mark.parametrize("text", ["{}", "[]", '{"format": "retort-wordpiece-1"}'])
def test_load_refuses_other_files(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(InputError, match="not a tokenizer file"):
        Tokenizer.load(tmp_path / "t.json")


def test_bad_vocabularies_name_the_file(tmp_path):
    path = tmp_path / "vocab.txt"
    with pytest.raises(InputError, match="no such file"):
        Tokenizer.from_vocab(path)
    path.write_text("[PAD]\n[UNK]\n")
    with pytest.raises(InputError, match=r"vocab\.txt: .*\[CLS\] is missing"):
        Tokenizer.from_vocab(path)
    path.write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nx\nx\n")
    with pytest.raises(InputError, match=r"vocab.txt:7: 'x' is in line 6, too; remove one"):
        Tokenizer.from_vocab(path)


def test_normalise_straightens_quotes_and_dashes():
    assert normalise("\u201ca\u201d \u2018b\u2019 c\u2013d e\u2014f") == "\"a\" 'b' c-d e\u2014f"
