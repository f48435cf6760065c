"""From a source to tokens: the same files whatever the source, nothing half-written, counts that are true."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from retort.config import load
from retort.data.corpus import EncodedCorpus
from retort.data.parts import prepare_paper, provide
from retort.data.prepare import encode_examples, encode_text
from retort.data.store import load_examples
from retort.data.tokenizer import Tokenizer
from retort.errors import InputError
from retort.files import SEAL, sha256_of
from retort.plan import Plan
from retort.texts import CORPUS, raw_names, text_names

SMALL = {"pocket": {"documents": 200, "train_size": 6, "dev_size": 4}}
TASKS = ["RTE", "COPA", "MultiRC"]


def config(**changes):
    return load("smoke", {"papers": ["glmd"], "tasks": TASKS, "data": SMALL} | changes)


PARTS = [CORPUS, *TASKS]


class Data:
    """Folders of raw data and of encoded text by part."""

    def __init__(self, settings, folder):
        layout = Plan(settings, folder).layout
        self.config = settings
        self.raw = {part: layout.data(name) for part, name in raw_names(settings).items()}
        self.text = {part: layout.text(name) for part, name in text_names(settings).items()}

    def manifest(self, part):
        return json.loads((self.raw[part] / "manifest.json").read_text())

    def summary(self, part):
        return json.loads((self.text[part] / "summary.json").read_text())

    def encode(self, settings, out, part=CORPUS):
        """Encode the raw data under other settings."""
        manifest = self.raw[part] / "manifest.json"
        if part == CORPUS:
            encode_text(settings, manifest, out)
        else:
            encode_examples(settings, part, manifest, self.text[CORPUS], out)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """All parts of a small world."""
    folder = tmp_path_factory.mktemp("data")
    prepare_paper(Plan(config(), folder), "glmd")
    return Data(config(), folder)


def test_a_manifest_names_files_that_are_there(data):
    for part in PARTS:
        manifest, raw = data.manifest(part), data.raw[part]
        named = [*manifest["corpus"], *(p for s in manifest["superglue"].values() for p in s.values())]
        assert named and all((raw / path).is_file() for path in named)
        assert manifest["sha256"].keys() == set(named)
        assert list(manifest["superglue"]) == [task for task in TASKS if task == part]
        assert bool(manifest["corpus"]) == ("vocab_txt" in manifest) == (part == CORPUS)


def test_a_summary_says_what_is_there(data):
    summary, text = data.summary(CORPUS), data.text[CORPUS]
    tokenizer, corpus = Tokenizer.load(text / "tokenizer.json"), EncodedCorpus.open(text / "corpus")
    assert summary["vocabulary"] == tokenizer.size <= summary["vocabulary_rows"] < tokenizer.size + 8
    assert summary["vocabulary_rows"] % 8 == 0
    assert (summary["documents"], summary["tokens"]) == (200, corpus.total_tokens) and len(corpus) == 200
    for task in TASKS:
        for split in ("train", "val"):
            assert len(load_examples(data.text[task], split)) == data.summary(task)[split]
    assert (data.summary("RTE")["train"], data.summary("RTE")["val"]) == (6, 4)
    assert data.summary("COPA")["train"] == 12  # mirrored in training


def test_a_summary_stands_for_every_byte(data):
    """What reads a folder waits for its summary, which has to differ whenever any file does."""
    for part in PARTS:
        summary, text = data.summary(part), data.text[part]
        files = {p.relative_to(text).as_posix(): sha256_of(p) for p in text.rglob("*") if p.is_file()}
        assert summary["encoded"] == {n: sha for n, sha in files.items() if n not in ("summary.json", SEAL)}
        assert summary["sha256"] == data.manifest(part)["sha256"]


def test_every_word_of_the_world_is_known(data):
    tokenizer = Tokenizer.load(data.text[CORPUS] / "tokenizer.json")
    assert not np.any(EncodedCorpus.open(data.text[CORPUS] / "corpus").tokens == tokenizer.special.unk)
    for task in TASKS:
        for example in load_examples(data.text[task], "val"):
            assert not any(np.any(row.tokens == tokenizer.special.unk) for row in example.candidates)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_same_configuration_gives_the_same_bytes(data, tmp_path):
    for part in PARTS:
        provide(config(), part, tmp_path / "raw" / part)
        assert contents(tmp_path / "raw" / part / "world") == contents(data.raw[part] / "world")
        data.encode(config(), tmp_path / "text" / part, part)
        assert contents(tmp_path / "text" / part) == contents(data.text[part])


def test_a_world_is_its_seed_s(data, tmp_path):
    provide(config(data={"pocket": SMALL["pocket"] | {"world_seed": 2}}), CORPUS, tmp_path)
    mine, theirs = (folder / "world/corpus/world.txt" for folder in (tmp_path, data.raw[CORPUS]))
    assert mine.read_bytes() != theirs.read_bytes()


def folder_config(root, **changes):
    return config(data={"source": "folder"} | changes, data_root=str(root))


@pytest.fixture
def root(data, tmp_path):
    """The world as a folder that someone else put there."""
    for part in PARTS:
        shutil.copytree(data.raw[part] / "world", tmp_path / "root", dirs_exist_ok=True)
    return tmp_path / "root"


def test_a_folder_and_the_world_it_came_from_are_the_same_to_all_that_follows(data, root, tmp_path):
    settings = folder_config(root, vocabulary={"vocab_txt": "vocab.txt"})
    prepare_paper(Plan(settings, tmp_path / "out"), "glmd")
    mine = Data(settings, tmp_path / "out")
    for part in PARTS:
        ours, theirs = contents(mine.text[part]), contents(data.text[part])
        summaries = [json.loads(each.pop(Path("summary.json"))) for each in (ours, theirs)]
        ours.pop(Path(SEAL)), theirs.pop(Path(SEAL))  # they hold the summaries' hashes
        assert ours == theirs and summaries[0]["encoded"] == summaries[1]["encoded"]
        assert sorted(summaries[0]["sha256"].values()) == sorted(summaries[1]["sha256"].values())
        assert not (mine.raw[part] / "world").exists()  # the folder's files stay where they are


def test_a_vocabulary_is_trained_where_none_is_given(root, tmp_path):
    settings = folder_config(root, vocabulary={"size": 1024})
    provide(settings, CORPUS, tmp_path / "raw")
    assert json.loads((tmp_path / "raw" / "manifest.json").read_text())["vocab_txt"] is None
    encode_text(settings, tmp_path / "raw" / "manifest.json", tmp_path / "text")
    assert 100 < Tokenizer.load(tmp_path / "text" / "tokenizer.json").size <= 1024


def test_limits_bound_what_is_used(data, tmp_path):
    settings = config(data=SMALL | {"limits": {"train": 4, "dev": 3, "corpus": 50}})
    counts = {}
    for part in PARTS:
        data.encode(settings, tmp_path / part, part)
        counts[part] = json.loads((tmp_path / part / "summary.json").read_text())
    assert counts[CORPUS]["documents"] == 50
    assert (counts["RTE"]["train"], counts["RTE"]["val"]) == (4, 3)
    assert counts["MultiRC"]["val"] == 3  # one question of three answers


def test_long_texts_are_shortened_to_the_task_s_length(data, tmp_path):
    for task in TASKS:
        data.encode(config(task_training={"max_length": 24}), tmp_path / task, task)
        rows = [row for e in load_examples(tmp_path / task, "train") for row in e.candidates]
        assert max(len(row) for row in rows) <= 24


def test_a_file_that_disappeared_is_named_and_no_text_left(data, tmp_path):
    manifest = data.manifest("MultiRC")
    gone = manifest["superglue"]["MultiRC"]["val"] = str(tmp_path / "gone.jsonl")
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    train = tmp_path / manifest["superglue"]["MultiRC"]["train"]
    with pytest.raises(InputError, match="gone.jsonl"):
        encode_examples(config(), "MultiRC", tmp_path / "manifest.json", data.text[CORPUS], tmp_path / "text")
    assert gone and train.is_file() and [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_an_empty_corpus_is_named_and_no_text_left(data, tmp_path):
    (tmp_path / "empty.txt").write_text("\n  \n")
    manifest = data.manifest(CORPUS) | {"corpus": [str(tmp_path / "empty.txt")]}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match="empty.txt.*: no document; give at least one line of text"):
        encode_text(config(), tmp_path / "manifest.json", tmp_path / "text")
    assert not (tmp_path / "text").exists()
