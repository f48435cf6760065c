"""From a source to tokens: the same files whatever the source, nothing half-written, counts that are true."""

from __future__ import annotations

import json

import numpy as np
import pytest

from retort.config import load
from retort.data.corpus import EncodedCorpus
from retort.data.prepare import encode, provide
from retort.data.store import load_examples
from retort.data.tokenizer import Tokenizer
from retort.errors import InputError

SMALL = {"pocket": {"documents": 200, "train_size": 6, "dev_size": 4}}
TASKS = ["RTE", "COPA", "MultiRC"]


def config(**changes):
    return load("smoke", {"tasks": TASKS, "data": SMALL} | changes)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """The data step of a small world."""
    folder = tmp_path_factory.mktemp("raw")
    provide(config(), folder)
    return folder


@pytest.fixture(scope="module")
def text(raw):
    """The text step on it."""
    folder = raw.parent / "text"
    encode(config(), raw / "manifest.json", folder)
    return folder


def test_the_manifest_names_files_that_are_there(raw):
    manifest = json.loads((raw / "manifest.json").read_text())
    assert list(manifest["superglue"]) == sorted(TASKS)
    named = [*manifest["corpus"], *(p for splits in manifest["superglue"].values() for p in splits.values())]
    assert named and all((raw / path).is_file() for path in [*named, manifest["vocab_txt"]])
    assert manifest["sha256"].keys() == set(named)


def test_the_summary_says_what_is_there(raw, text):
    summary = json.loads((text / "summary.json").read_text())
    tokenizer = Tokenizer.load(text / "tokenizer.json")
    corpus = EncodedCorpus.open(text / "corpus")
    assert summary["vocabulary"] == tokenizer.size <= summary["vocabulary_rows"] < tokenizer.size + 8
    assert summary["vocabulary_rows"] % 8 == 0
    assert (summary["documents"], summary["tokens"]) == (len(corpus), corpus.total_tokens) and len(
        corpus
    ) == 200
    for task, counts in summary["tasks"].items():
        for split, count in counts.items():
            assert len(load_examples(text / "tasks", f"{task}.{split}")) == count
    assert summary["tasks"]["RTE"] == {"train": 6, "val": 4}
    assert summary["tasks"]["COPA"] == {"train": 12, "val": 4}  # mirrored in training
    assert summary["sha256"] == json.loads((raw / "manifest.json").read_text())["sha256"]


def test_every_word_of_the_world_is_known(text):
    tokenizer = Tokenizer.load(text / "tokenizer.json")
    assert not np.any(EncodedCorpus.open(text / "corpus").tokens == tokenizer.special.unk)
    for task in TASKS:
        for example in load_examples(text / "tasks", f"{task}.val"):
            assert not any(np.any(row.tokens == tokenizer.special.unk) for row in example.candidates)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_configuration_gives_the_same_bytes(raw, text, tmp_path):
    provide(config(), tmp_path / "raw")
    assert contents(tmp_path / "raw" / "world") == contents(raw / "world")
    encode(config(), raw / "manifest.json", tmp_path / "text")
    assert contents(tmp_path / "text") == contents(text)


def test_a_world_is_its_seed_s(raw, tmp_path):
    provide(config(data={"pocket": SMALL["pocket"] | {"world_seed": 2}}), tmp_path)
    assert (tmp_path / "world/corpus/world.txt").read_bytes() != (raw / "world/corpus/world.txt").read_bytes()


def folder_config(root, **data):
    return config(data={"source": "folder"} | data, data_root=str(root))


def test_a_folder_and_the_world_it_came_from_are_the_same_to_all_that_follows(raw, text, tmp_path):
    settings = folder_config(raw / "world", vocabulary={"vocab_txt": "vocab.txt"})
    provide(settings, tmp_path / "raw")
    encode(settings, tmp_path / "raw" / "manifest.json", tmp_path / "text")
    mine, theirs = contents(tmp_path / "text"), contents(text)
    assert mine == theirs
    assert not (tmp_path / "raw" / "world").exists()  # the folder's files stay where they are


def test_a_vocabulary_is_trained_where_none_is_given(raw, tmp_path):
    settings = folder_config(raw / "world", vocabulary={"size": 1024})
    provide(settings, tmp_path / "raw")
    assert json.loads((tmp_path / "raw" / "manifest.json").read_text())["vocab_txt"] is None
    encode(settings, tmp_path / "raw" / "manifest.json", tmp_path / "text")
    assert 100 < Tokenizer.load(tmp_path / "text" / "tokenizer.json").size <= 1024


def test_limits_bound_what_is_used(raw, tmp_path):
    encode(
        config(data=SMALL | {"limits": {"train": 4, "dev": 3, "corpus": 50}}),
        raw / "manifest.json",
        tmp_path / "t",
    )
    summary = json.loads((tmp_path / "t" / "summary.json").read_text())
    assert summary["documents"] == 50 and summary["tasks"]["RTE"] == {"train": 4, "val": 3}
    assert summary["tasks"]["MultiRC"]["val"] == 3  # one question of three answers


def test_long_texts_are_shortened_to_the_task_s_length(raw, tmp_path):
    encode(config(task_training={"max_length": 24}), raw / "manifest.json", tmp_path / "t")
    for task in TASKS:
        rows = [row for e in load_examples(tmp_path / "t" / "tasks", f"{task}.train") for row in e.candidates]
        assert max(len(row) for row in rows) <= 24


def test_a_file_that_disappeared_is_named_and_no_text_left(raw, tmp_path):
    manifest = json.loads((raw / "manifest.json").read_text())
    gone = manifest["superglue"]["MultiRC"]["val"] = str(tmp_path / "gone.jsonl")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="gone.jsonl"):
        encode(config(), tmp_path / "manifest.json", tmp_path / "text")
    assert gone and [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_an_empty_corpus_is_named_and_no_text_left(raw, tmp_path):
    (tmp_path / "empty.txt").write_text("\n  \n")
    manifest = json.loads((raw / "manifest.json").read_text()) | {"corpus": [str(tmp_path / "empty.txt")]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="empty.txt.*: no document; give at least one line of text"):
        encode(config(), tmp_path / "manifest.json", tmp_path / "text")
    assert not (tmp_path / "text").exists()
