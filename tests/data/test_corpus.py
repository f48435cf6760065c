import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data.corpus import EncodedCorpus, encode_corpus, read_documents
from retort.data.tokenizer import Tokenizer
from retort.errors import InputError, RetortError

TOKENIZER = Tokenizer.train(["ka mu lo pi ta . ? \" '"], 200)


def test_documents_come_back_in_order(tmp_path):
    (tmp_path / "a.txt").write_text("ka mu\n\n  \nlo . \u201cpi\u201d\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("ta ka", encoding="utf-8")
    encode_corpus([tmp_path / "a.txt", tmp_path / "b.txt"], TOKENIZER, tmp_path / "enc")
    corpus = EncodedCorpus.open(tmp_path / "enc")
    texts = ["ka mu", 'lo . "pi"', "ta ka"]
    assert len(corpus) == 3
    assert [corpus.document(i).tolist() for i in range(3)] == [TOKENIZER.ids(t) for t in texts]
    assert corpus.total_tokens == sum(len(TOKENIZER.ids(t)) for t in texts) == len(corpus.tokens)
    assert corpus.tokens.dtype == np.int32


def test_most_stops_reading_early(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"ka\n\nmu lo\npi\nnot \xfc read\n")
    encode_corpus([tmp_path / "a.txt"], TOKENIZER, tmp_path / "enc", most=2)
    corpus = EncodedCorpus.open(tmp_path / "enc")
    assert [TOKENIZER.tokens(corpus.document(i)) for i in range(len(corpus))] == [["ka"], ["mu", "lo"]]


def test_lines_end_at_newline_only(tmp_path):
    (tmp_path / "a.txt").write_bytes("ka\u2028mu\u0085lo\x0cpi\r\nta\n".encode())
    assert list(read_documents([tmp_path / "a.txt"])) == ["ka\u2028mu\u0085lo\x0cpi", "ta"]


def test_tokens_are_mapped_not_loaded(tmp_path):
    (tmp_path / "a.txt").write_text("ka mu\n")
    encode_corpus([tmp_path / "a.txt"], TOKENIZER, tmp_path / "enc")
    corpus = EncodedCorpus.open(tmp_path / "enc")
    assert isinstance(corpus.tokens.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        corpus.document(0)[0] = 1


@given(st.lists(st.integers(1, 5), min_size=1, max_size=10))
def test_document_at_finds_the_owner_of_each_token(lengths):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    corpus = EncodedCorpus(np.arange(offsets[-1], dtype=np.int32), offsets)
    owners = [corpus.document_at(token) for token in range(corpus.total_tokens)]
    assert owners == [i for i, length in enumerate(lengths) for _ in range(length)]


@pytest.mark.parametrize("content", ["", "\n \n\t\n", "\u0007\n"])
def test_empty_corpus_is_refused_and_leaves_nothing(tmp_path, content):
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(InputError, match=r"a\.txt.*no document"):
        encode_corpus([tmp_path / "a.txt"], TOKENIZER, tmp_path / "enc")
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    with pytest.raises(InputError, match="no file given"):
        encode_corpus([], TOKENIZER, tmp_path / "enc")


def test_unreadable_files_are_named_with_their_line(tmp_path):
    with pytest.raises(InputError, match=r"gone.txt: cannot be read \(No such file"):
        encode_corpus([tmp_path / "gone.txt"], TOKENIZER, tmp_path / "enc")
    (tmp_path / "latin.txt").write_bytes(b"ka\nm\xfc\n")
    with pytest.raises(InputError, match=r"latin\.txt:2: not UTF-8"):
        encode_corpus([tmp_path / "latin.txt"], TOKENIZER, tmp_path / "enc")


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize("damage", ["cut", "tokens.bin", "offsets.npy", "corpus.json", "sizes"])
def test_damaged_corpora_are_refused(tmp_path, damage, sealed):
    (tmp_path / "a.txt").write_text("ka mu\nlo\n")
    encode_corpus([tmp_path / "a.txt"], TOKENIZER, tmp_path / "enc")
    tokens, sizes = tmp_path / "enc" / "tokens.bin", tmp_path / "enc" / "corpus.json"
    if damage == "cut":
        tokens.write_bytes(tokens.read_bytes()[:-4])
    elif damage == "sizes":
        sizes.write_text(json.dumps(json.loads(sizes.read_text()) | {"documents": 5}))
    else:
        (tmp_path / "enc" / damage).unlink()
    if not sealed:
        (tmp_path / "enc" / "sha256.json").unlink()
    told = (
        "damaged, it is not what was written" if sealed and damage in ("cut", "sizes") else "run the .*step"
    )
    with pytest.raises(RetortError, match=told):
        EncodedCorpus.open(tmp_path / "enc")
