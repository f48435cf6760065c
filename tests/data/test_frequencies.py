import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data import frequencies
from retort.data.corpus import EncodedCorpus
from retort.data.frequencies import VERBALIZERS, Frequencies, count_corpus, count_ids, rank, reserved_ids
from retort.data.tokenizer import Tokenizer
from retort.errors import InputError


@pytest.fixture(scope="module")
def toy(golden):
    return np.load(golden / "glmd" / "vocab_map.npz")


def toy_ranking(toy):
    """The authors' toy case, with a corpus in which the ids first appear in their order."""
    counts = {int(k): v for k, v in json.loads(str(toy["counts_json_in_corpus_order"])).items()}
    tokenizer = Tokenizer(json.loads(str(toy["tokens"])))
    text = list(counts) + [index for index, count in reversed(counts.items()) for _ in range(count - 1)]
    corpus = EncodedCorpus(np.array(text, dtype=np.int32), np.array([0, len(text)]))
    return count_corpus(corpus, tokenizer), tokenizer


def test_ranking_equals_the_authors(toy):
    found, tokenizer = toy_ranking(toy)
    assert sorted(reserved_ids(tokenizer)) == toy["saved_ids"].tolist()
    assert found.order.tolist() == toy["sort_id"].tolist()
    assert found.ranks.tolist() == toy["origin_no"].tolist()
    assert found.counts[found.order].tolist() == toy["count_of_sort_id"].tolist()
    assert found.reserved == len(toy["saved_ids"])


def test_table_equals_the_authors_byte_for_byte(toy, tmp_path):
    found, tokenizer = toy_ranking(toy)
    found.write(tmp_path / "f.tsv", tokenizer)
    assert (tmp_path / "f.tsv").read_text() == str(toy["tsv"])
    again = Frequencies.read(tmp_path / "f.tsv")
    assert again.order.tolist() == found.order.tolist()
    assert again.counts.tolist() == found.counts.tolist()
    assert again.reserved == found.reserved


def test_chunked_counting_changes_nothing(toy, monkeypatch):
    whole, _ = toy_ranking(toy)
    monkeypatch.setattr(frequencies, "_CHUNK", 7)
    chunked, _ = toy_ranking(toy)
    assert chunked.order.tolist() == whole.order.tolist()


def test_shipped_table_has_the_recorded_facts(real_data, golden, tmp_path):
    facts = json.loads((golden / "glmd" / "vocab_file_facts.json").read_text())
    path = real_data / "frequencies" / "bert-base-uncased.wikibook.tsv"
    found = Frequencies.read(path)
    assert len(found.order) == facts["rows"]
    assert found.counts.sum() == facts["total_tokens"]
    assert (found.counts == 0).sum() == facts["zero_count_ids"]
    assert found.reserved == facts["n_always_kept"]
    for name, coverage in facts["coverage"].items():
        kept = found.order[: int(name.split("->")[1])]
        assert found.counts[kept].sum() / found.counts.sum() == pytest.approx(coverage, abs=1e-12)
    tokenizer = Tokenizer.from_vocab(real_data / "tokenizers" / "bert-base-uncased" / "vocab.txt")
    assert reserved_ids(tokenizer) == {row[0] for row in facts["always_kept"]}
    found.write(tmp_path / "again.tsv", tokenizer)
    assert (tmp_path / "again.tsv").read_bytes() == path.read_bytes()


def test_verbalizers_are_the_recorded_words(golden):
    facts = json.loads((golden / "glmd" / "vocab_file_facts.json").read_text())
    words = {word for _, word, _ in facts["always_kept"] if word[0] not in "[<"}
    assert set(VERBALIZERS) == words
    assert len(VERBALIZERS) == len(words) == 28


def test_missing_words_are_skipped():
    tokenizer = Tokenizer.train(["ka yes mu"], 100)
    special = tokenizer.special
    want = {special.pad, special.unk, special.cls, special.sep, special.mask, special.sop, special.eop}
    # b and 2 are no letters here, yes is a word
    assert reserved_ids(tokenizer) == want | {tokenizer.find("yes")}


@given(st.lists(st.integers(0, 5), min_size=3, max_size=20), st.data())
def test_reserved_first_then_falling_counts(counts, data):
    reserved = data.draw(st.sets(st.integers(0, len(counts) - 1)))
    first = data.draw(st.permutations(range(len(counts))))
    found = rank(np.array(counts), np.array(first), reserved)
    assert sorted(found.order.tolist()) == list(range(len(counts)))
    assert set(found.order[: found.reserved].tolist()) == reserved
    for block in (found.order[: found.reserved], found.order[found.reserved :]):
        keys = [(-counts[i], first[i]) for i in block]
        assert keys == sorted(keys)
    assert found.order[found.ranks].tolist() == list(range(len(counts)))


def test_texts_are_counted_by_token():
    assert count_ids([[2, 2, 3], [2]], 4).tolist() == [0, 0, 3, 1]


HEADER = "origin_no\tsort_id\ttoken\tnumber\tfrequency\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ":1: the header"),
        (HEADER, "no rows"),
        (HEADER + "0\t0\ta\t1\n", ":2: expected five columns"),
        (HEADER + "0\t0\ta\tx\t1\n", ":2: expected five columns"),
        (HEADER + "0\t0\ta\t0\t0\n1\t0\tb\t1\t1\n", "not a permutation"),
        (HEADER + "0\t0\ta\t2\t.6\n1\t1\tb\t1\t.3\n", "rise 0 times"),
        (HEADER + "1\t0\ta\t0\t0\n0\t1\tb\t1\t1\n", "disagree"),
    ],
)
def test_malformed_tables_are_refused(tmp_path, text, message):
    (tmp_path / "f.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        Frequencies.read(tmp_path / "f.tsv")


def test_missing_table_is_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        Frequencies.read(tmp_path / "f.tsv")
