"""From folders and the hub to encoded texts: the same for all, nothing half-written, counts that are true."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest

from retort.data.corpus import EncodedCorpus
from retort.data.glue import hub as glue_hub
from retort.data.glue.tasks import TASKS, spec_of
from retort.data.layouts import layout_of
from retort.data.pocket.texts import PocketTexts, generate_texts
from retort.data.seq2seq.formats import read_pairs
from retort.data.sources import HubCorpus
from retort.data.text_examples import load_classes, load_pairs
from retort.data.text_prepare import TextEncoding, encode_texts
from retort.data.text_sources import TextContents, fetch_texts, open_texts
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError

PAIRS = ("CNN-DM", "WMT16-en-ro")
SIZES = PocketTexts(documents=60, multilingual=30, glue=24, glue_dev=12, pairs=20, pairs_dev=10)
CONTENTS = TextContents(TASKS, PAIRS, languages=("en", "ro"))
BERT = TextEncoding("bert", (), 1200, dict.fromkeys(TASKS, 64), {})
MBART = TextEncoding("mbart50", (), 1600, {}, {"WMT16-en-ro": (40, 32)})


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    generate_texts(1, folder / "world", SIZES, TASKS, PAIRS)
    open_texts(folder / "world", folder, CONTENTS)
    return folder


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_manifest_names_files_that_are_there(raw):
    manifest = json.loads((raw / "manifest.json").read_text())
    assert tuple(manifest["glue"]) == tuple(sorted(TASKS)) and set(manifest["pairs"]) == set(PAIRS)
    assert set(manifest["multilingual"]) == {"en", "ro"}
    assert all(Path(path).is_file() for path in manifest["sha256"])
    assert len(manifest["sha256"]) == 1 + 2 + 2 * 7 + 3 + 2 + 4


def test_an_encoder_s_texts(raw, tmp_path):
    encode_texts(raw / "manifest.json", tmp_path / "text", BERT)
    summary = json.loads((tmp_path / "text" / "summary.json").read_text())
    tokenizer = TextTokenizer.load(tmp_path / "text" / "tokenizer.json")
    corpus = EncodedCorpus.open(tmp_path / "text" / "corpus" / "en")
    assert summary["vocabulary"] == tokenizer.size
    assert (summary["documents"], summary["tokens"]) == ({"en": 60}, {"en": corpus.total_tokens})
    line = (raw / "world" / "corpus" / "world.txt").read_text().split("\n")[7]
    assert tokenizer.text(corpus.document(7)) == line
    for task, counts in summary["tasks"].items():
        assert counts == {split: 24 if split == "train" else 12 for split in spec_of(task).splits}
        for split in counts:
            examples = load_classes(tmp_path / "text" / "tasks", f"{task}.{split}")
            assert len(examples) == counts[split]
            assert all(e.key.startswith(f"{task}/{split}/") for e in examples)


def test_a_translator_s_texts(raw, tmp_path):
    encode_texts(raw / "manifest.json", tmp_path / "text", MBART)
    tokenizer = TextTokenizer.load(tmp_path / "text" / "tokenizer.json")
    assert sorted(path.name for path in (tmp_path / "text" / "corpus").iterdir()) == ["en", "ro"]
    manifest = json.loads((raw / "manifest.json").read_text())
    told = read_pairs("WMT16-en-ro", "train", *map(Path, manifest["pairs"]["WMT16-en-ro"]["train"]))
    for example, pair in zip(load_pairs(tmp_path / "text" / "tasks", "WMT16-en-ro.train"), told, strict=True):
        assert tokenizer.text(example.source) == pair.source and example.references == pair.references
        assert tokenizer.text(example.target) == pair.references[0]
        assert example.target[0] == tokenizer.id_of("ro_RO")


def test_labels_can_carry_the_code_that_the_authors_gave_them(raw, tmp_path):
    as_run = TextEncoding(**{**MBART.__dict__, "source_labels": True})
    encode_texts(raw / "manifest.json", tmp_path / "text", as_run)
    tokenizer = TextTokenizer.load(tmp_path / "text" / "tokenizer.json")
    for example in load_pairs(tmp_path / "text" / "tasks", "WMT16-en-ro.val"):
        assert example.target[0] == tokenizer.id_of("en_XX")


def test_limits_and_lengths(raw, tmp_path):
    few = TextEncoding("bart", (), 1200, {}, {"CNN-DM": (16, 12)}, train=5, dev=4, corpus=10)
    encode_texts(raw / "manifest.json", tmp_path / "text", few)
    summary = json.loads((tmp_path / "text" / "summary.json").read_text())
    assert summary["tasks"] == {"CNN-DM": {"train": 5, "val": 4}} and summary["documents"] == {"en": 10}
    examples = load_pairs(tmp_path / "text" / "tasks", "CNN-DM.train")
    assert {len(e.source) for e in examples} == {16} and max(len(e.target) for e in examples) == 12
    layout = layout_of("bart", TextTokenizer.load(tmp_path / "text" / "tokenizer.json"))
    assert all(e.source[-1] == layout.end == e.target[-1] for e in examples)


def test_the_same_manifest_gives_the_same_bytes(raw, tmp_path):
    for name in ("a", "b"):
        encode_texts(raw / "manifest.json", tmp_path / name, MBART)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_tokenizer_files_are_read(raw, tmp_path):
    encode_texts(raw / "manifest.json", tmp_path / "trained", BERT)
    engine = json.loads((tmp_path / "trained" / "tokenizer.json").read_text())["engine"]
    (tmp_path / "tokenizer.json").write_text(engine)
    given = TextEncoding("bert", (tmp_path / "tokenizer.json",), 0, {"RTE": 64}, {})
    encode_texts(raw / "manifest.json", tmp_path / "read", given)
    mine, theirs = (load_classes(tmp_path / name / "tasks", "RTE.val") for name in ("read", "trained"))
    assert [e.tokens.tolist() for e in mine] == [e.tokens.tolist() for e in theirs]
    odd = TextEncoding("bert", (tmp_path / "spiece.model",), 0, {}, {})
    with pytest.raises(InputError, match="tokenizer files spiece.model: not understood; give vocab.txt or"):
        encode_texts(raw / "manifest.json", tmp_path / "odd", odd)
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
    generate_texts(1, tmp_path / "world", SIZES, ("RTE", "MNLI"), PAIRS)
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
    contents = TextContents(("MRPC", "STS-B"), ("SciTLDR", "WMT16-en-ro"), corpus=False)
    open_texts(real_data, tmp_path, contents)
    bert = real_data / "tokenizers" / "bert-base-uncased" / "vocab.txt"
    settings = TextEncoding(
        "bert", (bert,), 0, {"MRPC": 128, "STS-B": 128}, {}, train=200, dev=100, corpus=50
    )
    encode_texts(tmp_path / "manifest.json", tmp_path / "bert", settings)
    (example, *_) = load_classes(tmp_path / "bert" / "tasks", "MRPC.val")
    assert example.tokens[0] == 101 and (example.tokens == 102).sum() == 2
    trained = TextEncoding("mbart", (), 4000, {}, {"WMT16-en-ro": (48, 48)}, train=200, dev=100)
    encode_texts(tmp_path / "manifest.json", tmp_path / "mbart", trained)
    tokenizer = TextTokenizer.load(tmp_path / "mbart" / "tokenizer.json")
    for pair in load_pairs(tmp_path / "mbart" / "tasks", "WMT16-en-ro.val")[:50]:
        assert tokenizer.text(pair.target) == pair.references[0]
