"""From folders and the hub to encoded texts: the same for all, nothing half-written, counts that are true."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import datasets
import pytest
from small_texts import encoded_words, make_corpora, make_part

from retort.data.corpus import EncodedCorpus
from retort.data.glue import hub as glue_hub
from retort.data.glue.tasks import TASKS, spec_of
from retort.data.layouts import layout_of
from retort.data.seq2seq.formats import read_pairs
from retort.data.sources import HubCorpus
from retort.data.text_examples import load_classes, load_pairs
from retort.data.text_prepare import TaskTexts, Words, encode_task_texts
from retort.data.text_sources import TextContents, fetch_texts, open_texts
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError
from retort.files import SEAL, sha256_of

PAIRS = ("CNN-DM", "WMT16-en-ro")
BERT = Words("bert", (), 1200)
MBART = Words("mbart50", (), 1600, ("en", "ro"))
ENGLISH_ROMANIAN = TaskTexts("mbart50", 40, 32)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    make_corpora(folder, languages=("en", "ro"))
    for task in TASKS:
        make_part(folder, task, 24, 12)
    for task in PAIRS:
        make_part(folder, task, 20, 10)
    return folder


def summary_of(folder):
    return json.loads((folder / "summary.json").read_text())


def encoded(raw, task, words, out, settings):
    """Encode a task for words; its folder and what its summary says."""
    encode_task_texts(task, raw / task / "manifest.json", words, out, settings)
    return out, summary_of(out)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_manifests_name_files_that_are_there(raw):
    found = {path.parent.name: json.loads(path.read_text()) for path in raw.glob("*/manifest.json")}
    assert set(found) == {"corpus", *TASKS, *PAIRS}
    for part, manifest in found.items():
        assert tuple(manifest["glue"]) == ((part,) if part in TASKS else ())
        assert tuple(manifest["pairs"]) == ((part,) if part in PAIRS else ())
        assert set(manifest["multilingual"]) == ({"en", "ro"} if part == "corpus" else set())
        files = 3 if part in ("corpus", "MNLI") else 4 if part == "WMT16-en-ro" else 2
        assert len(manifest["sha256"]) == files and all(Path(path).is_file() for path in manifest["sha256"])


def test_an_encoder_s_texts(raw, tmp_path):
    words = encoded_words(raw, tmp_path / "words", BERT)
    summary = summary_of(words)
    tokenizer = TextTokenizer.load(words / "tokenizer.json")
    corpus = EncodedCorpus.open(words / "corpus" / "en")
    assert summary["vocabulary"] == tokenizer.size == summary["words"]["size"]
    assert (summary["documents"], summary["tokens"]) == (60, corpus.total_tokens)
    special = {"pad": tokenizer.id_of("[PAD]"), "bos": None, "eos": None, "start": None}
    assert summary["words"] == {"size": tokenizer.size} | special
    line = (raw / "corpus" / "world" / "corpus" / "world.txt").read_text().split("\n")[7]
    assert tokenizer.text(corpus.document(7)) == line
    for task in TASKS:
        folder, counts = encoded(raw, task, words, tmp_path / task, TaskTexts("bert", 64, None))
        for split in spec_of(task).splits:
            examples = load_classes(folder, split)
            assert len(examples) == counts[split] == (24 if split == "train" else 12)
            assert all(e.key.startswith(f"{task}/{split}/") for e in examples)


def test_a_translator_s_texts(raw, tmp_path):
    words = encoded_words(raw, tmp_path / "words", MBART, PAIRS[1:])
    tokenizer = TextTokenizer.load(words / "tokenizer.json")
    assert sorted(path.name for path in (words / "corpus").iterdir()) == ["en", "ro"]
    assert summary_of(words)["documents"] == 60
    assert summary_of(words)["words"]["start"] == tokenizer.id_of("</s>")
    folder, counts = encoded(raw, "WMT16-en-ro", words, tmp_path / "task", ENGLISH_ROMANIAN)
    assert {split: counts[split] for split in ("train", "val")} == {"train": 20, "val": 10}
    manifest = json.loads((raw / "WMT16-en-ro" / "manifest.json").read_text())
    told = read_pairs("WMT16-en-ro", "train", *map(Path, manifest["pairs"]["WMT16-en-ro"]["train"]))
    for example, pair in zip(load_pairs(folder, "train"), told, strict=True):
        assert tokenizer.text(example.source) == pair.source and example.references == pair.references
        assert tokenizer.text(example.target) == pair.references[0]
        assert example.target[0] == tokenizer.id_of("ro_RO")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_tokenizer_knows_training_texts_and_no_validation_texts(tmp_path, split):
    make_corpora(tmp_path, 20)
    make_part(tmp_path, "WMT16-en-ro")
    for side in ("src", "tgt"):
        with (tmp_path / f"WMT16-en-ro/world/translation/en-ro/{split}.{side}").open("a") as file:
            file.write("xyzzy " * 50 + "\n")
    translation = TextContents((), ("WMT16-en-ro",), corpus=False)
    open_texts(tmp_path / "WMT16-en-ro" / "world", tmp_path / "WMT16-en-ro", translation)
    words = encoded_words(tmp_path, tmp_path / "words", dataclasses.replace(BERT, size=3000), PAIRS[1:])
    tokenizer = TextTokenizer.load(words / "tokenizer.json")
    found = tokenizer.ids("xyzzy")
    assert (len(found) == 1 and tokenizer.text(found) == "xyzzy") == (split == "train")


def test_limits_and_lengths(raw, tmp_path):
    few = Words("bart", (), 1200, documents=10)
    words = encoded_words(raw, tmp_path / "words", few, PAIRS[:1])
    assert summary_of(words)["documents"] == 10
    folder, counts = encoded(
        raw, "CNN-DM", words, tmp_path / "task", TaskTexts("bart", 16, 12, train=5, dev=4)
    )
    assert {split: counts[split] for split in ("train", "val")} == {"train": 5, "val": 4}
    examples = load_pairs(folder, "train")
    assert {len(e.source) for e in examples} == {16} and max(len(e.target) for e in examples) == 12
    layout = layout_of("bart", TextTokenizer.load(words / "tokenizer.json"))
    assert all(e.source[-1] == layout.end == e.target[-1] for e in examples)


def test_the_same_manifests_give_the_same_bytes(raw, tmp_path):
    for name in ("a", "b"):
        words = encoded_words(raw, tmp_path / name / "words", MBART, PAIRS[1:])
        encoded(raw, "WMT16-en-ro", words, tmp_path / name / "task", ENGLISH_ROMANIAN)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_summary_stands_for_every_byte(raw, tmp_path):
    words = encoded_words(raw, tmp_path / "words", MBART, PAIRS[1:])
    folder, summary = encoded(raw, "WMT16-en-ro", words, tmp_path / "task", ENGLISH_ROMANIAN)
    for place, said in ((words, summary_of(words)), (folder, summary)):
        files = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()}
        assert set(said["encoded"]) == files - {"summary.json", SEAL}
        assert all(sha256_of(place / name) == digest for name, digest in said["encoded"].items())


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_text("x\tx\n")])
def test_raw_files_that_changed_since_they_were_checked_are_told(tmp_path, change):
    manifest = make_part(tmp_path, "RTE")
    words = encode_nothing(tmp_path)
    change(tmp_path / "RTE" / "world" / "glue" / "RTE" / "dev.tsv")
    with pytest.raises(InputError, match=r"dev.tsv: is gone or changed since it was checked; remove"):
        encode_task_texts("RTE", manifest, words, tmp_path / "out", TaskTexts("bert", 64, None))
    assert not (tmp_path / "out").exists()


def encode_nothing(folder):
    """Words of a small corpus."""
    make_corpora(folder, 20)
    return encoded_words(folder, folder / "words", BERT)


def test_tokenizer_files_are_read(raw, tmp_path):
    trained = encoded_words(raw, tmp_path / "trained", BERT)
    engine = json.loads((trained / "tokenizer.json").read_text())["engine"]
    (tmp_path / "tokenizer.json").write_text(engine)
    read = encoded_words(raw, tmp_path / "read", Words("bert", (tmp_path / "tokenizer.json",), 0))
    short = TaskTexts("bert", 64, None)
    folders = (encoded(raw, "RTE", w, tmp_path / f"RTE.{w.name}", short)[0] for w in (read, trained))
    mine, theirs = (load_classes(folder, "val") for folder in folders)
    assert [e.tokens.tolist() for e in mine] == [e.tokens.tolist() for e in theirs]
    with pytest.raises(InputError, match="tokenizer files spiece.model: not understood; give vocab.txt or"):
        encoded_words(raw, tmp_path / "odd", Words("bert", (tmp_path / "spiece.model",), 0))
    assert not (tmp_path / "odd").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "glue/RTE/dev.tsv").unlink(), "RTE/dev.tsv: cannot be read"),
        (
            lambda root: (root / "glue/MNLI/dev_mismatched.tsv").write_text("x\n"),
            "dev_mismatched.tsv:1: column",
        ),
        (
            lambda root: (root / "summarization_cnn_dailymail/val.jsonl").write_text("{}\n"),
            "val.jsonl:1: field",
        ),
        (
            lambda root: (root / "translation/en-ro/val.tgt").write_text("a\n"),
            "val.tgt: 1 lines, but val.src",
        ),
        (lambda root: (root / "multilingual/ro.txt").write_text("\n"), "ro.txt: holds no document; fill it"),
        (lambda root: (root / "corpus/world.txt").unlink(), "corpus: holds no .txt file"),
    ],
)
def test_damaged_folders_are_named_and_nothing_is_written(damage, message, tmp_path):
    make_corpora(tmp_path, languages=("en", "ro"))
    for task in ("RTE", "MNLI", *PAIRS):
        make_part(tmp_path, task, 24, 12)
        shutil.copytree(tmp_path / task / "world", tmp_path / "world", dirs_exist_ok=True)
    shutil.copytree(tmp_path / "corpus" / "world", tmp_path / "world", dirs_exist_ok=True)
    damage(tmp_path / "world")
    with pytest.raises(InputError, match=message):
        open_texts(
            tmp_path / "world", tmp_path / "out", TextContents(("RTE", "MNLI"), PAIRS, True, ("en", "ro"))
        )
    assert not (tmp_path / "out").exists()


@pytest.fixture
def hub(monkeypatch):
    """A hub without network."""
    text = datasets.Value("string")
    names = datasets.ClassLabel(names=list(glue_hub.LABEL_NAMES["RTE"]))
    pair = {"translation": {"en": "One.", "ro": "Unu."}}
    store = {
        ("nyu-mll/glue", "rte"): (
            [{"sentence1": "A b.", "sentence2": "A.", "label": 1, "idx": 0}],
            datasets.Features(sentence1=text, sentence2=text, label=names, idx=datasets.Value("int32")),
        ),
        ("wmt/wmt16", "ro-en"): ([pair], datasets.Features(translation={"en": text, "ro": text})),
        ("some/corpus", None): ([{"text": "A document."}], datasets.Features(text=text)),
    }

    def load_dataset(name, config, split, revision):
        if (name, config) not in store or split not in ("train", "validation"):
            raise FileNotFoundError(f"no {name}")
        rows, features = store[name, config]
        return datasets.Dataset.from_list(rows, features=features)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return store


def test_the_hub_ends_as_a_folder(hub, tmp_path):
    contents = TextContents(("RTE",), ("WMT16-en-ro",), languages=("en",))
    corpus = HubCorpus("some/corpus")
    manifest = fetch_texts(tmp_path, contents, [corpus], {"en": corpus})
    root = tmp_path / "official"
    assert (root / "glue/RTE/dev.tsv").read_text().split("\n")[1] == "0\tA b.\tA.\tnot_entailment"
    assert (root / "translation/en-ro/train.tgt").read_text() == "Unu.\n"
    assert manifest == open_texts(root, tmp_path / "again", contents)
    with pytest.raises(InputError, match="hub repository nyu-mll/glue/sst2, split train: no nyu-mll/glue"):
        fetch_texts(tmp_path / "no", TextContents(("SST-2",)), [corpus])
    with pytest.raises(InputError, match="SciTLDR: the hub has no repository of plain files for it"):
        fetch_texts(tmp_path / "no", TextContents((), ("SciTLDR",)), [corpus])
    rows, features = hub["nyu-mll/glue", "rte"]
    features["label"] = datasets.ClassLabel(names=["not_entailment", "entailment"])
    with pytest.raises(InputError, match=r"nyu-mll/glue/rte/train: field 'label' has classes"):
        fetch_texts(tmp_path / "no", TextContents(("RTE",)), [corpus])


@pytest.mark.real_data
def test_a_real_folder(real_data, tmp_path):
    bert = real_data / "tokenizers" / "bert-base-uncased" / "vocab.txt"
    parts = {"corpus": TextContents(languages=()), "MRPC": TextContents(("MRPC",), corpus=False)}
    parts["WMT16-en-ro"] = TextContents((), ("WMT16-en-ro",), corpus=False)
    for part, contents in parts.items():
        open_texts(real_data, tmp_path / part, contents)
    words = encoded_words(tmp_path, tmp_path / "bert", Words("bert", (bert,), 0, documents=50))
    few = {"train": 200, "dev": 100}
    folder, _ = encoded(tmp_path, "MRPC", words, tmp_path / "bert-MRPC", TaskTexts("bert", 128, None, **few))
    (example, *_) = load_classes(folder, "val")
    assert example.tokens[0] == 101 and (example.tokens == 102).sum() == 2
    words = encoded_words(tmp_path, tmp_path / "t5", Words("t5", (), 4000, documents=50), ("WMT16-en-ro",))
    folder, _ = encoded(tmp_path, "WMT16-en-ro", words, tmp_path / "t5-ro", TaskTexts("t5", 48, 48, **few))
    tokenizer = TextTokenizer.load(words / "tokenizer.json")
    for pair in load_pairs(folder, "val")[:50]:
        assert tokenizer.text(pair.target) == pair.references[0]
