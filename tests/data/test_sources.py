"""Both providers end in the same files and the same manifest."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pytest

from retort.data.sources import HubCorpus, fetch_hub, fetch_vocabulary, open_folder
from retort.data.superglue import TASKS
from retort.data.superglue.instances import load_task
from retort.errors import InputError
from retort.files import read_json, sha256_of

PASSAGE = "Ann met Bob.\n@highlight\nAnn left"
OFFICIAL: dict[str, dict[str, Any]] = {
    "BoolQ": {"question": "is it so", "passage": "It is so.", "idx": 3, "label": True},
    "CB": {"premise": "She says it.", "hypothesis": "it", "label": "neutral", "idx": 3},
    "COPA": {
        "premise": "It fell.",
        "choice1": "It broke.",
        "choice2": "It flew.",
        "question": "effect",
        "label": 1,
        "idx": 3,
    },
    "MultiRC": {
        "idx": 3,
        "passage": {
            "text": "One. Two.",
            "questions": [
                {
                    "idx": 5,
                    "question": "How many?",
                    "answers": [{"idx": 8, "text": "2", "label": 1}, {"idx": 9, "text": "1", "label": 0}],
                },
                {"idx": 6, "question": "Which?", "answers": [{"idx": 10, "text": "One", "label": 1}]},
            ],
        },
    },
    "ReCoRD": {
        "idx": 3,
        "passage": {
            "text": PASSAGE,
            "entities": [{"start": 0, "end": 2}, {"start": 8, "end": 10}, {"start": 24, "end": 26}],
        },
        "qas": [
            {"idx": 1, "query": "@placeholder smiled", "answers": [{"start": 8, "end": 10, "text": "Bob"}]},
            {
                "idx": 2,
                "query": "off went @placeholder",
                "answers": [{"start": 0, "end": 2, "text": "Ann"}, {"start": 24, "end": 26, "text": "Ann"}],
            },
        ],
    },
    "RTE": {"premise": "A cat sat.", "hypothesis": "A cat.", "label": "entailment", "idx": 3},
    "WiC": {
        "word": "key",
        "sentence1": "The key.",
        "sentence2": "A key.",
        "start1": 4,
        "end1": 7,
        "start2": 2,
        "end2": 5,
        "label": False,
        "idx": 3,
    },
    "WSC": {
        "text": "Ann thanked Bea because she helped.",
        "target": {"span1_index": 2, "span1_text": "Bea", "span2_index": 4, "span2_text": "she"},
        "label": True,
        "idx": 3,
    },
}

FIRST_TEXT = {"BoolQ": "question", "MultiRC": "text", "ReCoRD": "query", "WiC": "sentence1", "WSC": "text"}


def of_training(task: str, record: dict[str, Any]) -> dict[str, Any]:
    """The record in other words: training has other examples than dev."""
    record = copy.deepcopy(record)
    places = {"MultiRC": [record.get("passage")], "ReCoRD": record.get("qas")}.get(task, [record])
    for place in places:
        place[FIRST_TEXT.get(task, "premise")] += " too"
    return record


BOOL = datasets.ClassLabel(names=["False", "True"])
TEXT, INT = datasets.Value("string"), datasets.Value("int32")
ENTAILMENT = datasets.ClassLabel(names=["entailment", "contradiction", "neutral"])
SPANS = [[("Ann", 0, 3), ("Bob", 8, 11), ("Ann", 24, 27)]]


def hub_rows() -> dict[str, tuple[list[dict[str, Any]], datasets.Features]]:
    """The official records as the hub stores them, with its column types."""

    def features(**columns: Any) -> datasets.Features:
        return datasets.Features(columns)

    def flat(task: str, label: int) -> dict[str, Any]:
        return OFFICIAL[task] | {"label": label}

    multirc = [
        {
            "paragraph": "One. Two.",
            "question": question["question"],
            "answer": answer["text"],
            "idx": {"paragraph": 3, "question": question["idx"], "answer": answer["idx"]},
            "label": answer["label"],
        }
        for question in OFFICIAL["MultiRC"]["passage"]["questions"]
        for answer in question["answers"]
    ]
    spans = [{"text": text, "start": start, "end": end} for text, start, end in SPANS[0]]
    record = [
        {
            "passage": PASSAGE,
            "query": query["query"],
            "entities": ["Ann", "Bob"],
            "entity_spans": spans,
            "answers": sorted({answer["text"] for answer in query["answers"]}),
            "idx": {"passage": 3, "query": query["idx"]},
        }
        for query in OFFICIAL["ReCoRD"]["qas"]
    ]
    wsc = {"text": OFFICIAL["WSC"]["text"], "label": 1, "idx": 3} | OFFICIAL["WSC"]["target"]
    span = {"text": TEXT, "start": INT, "end": INT}
    wic = dict.fromkeys(("start1", "start2", "end1", "end2"), INT)
    return {
        "boolq": ([flat("BoolQ", 1)], features(question=TEXT, passage=TEXT, idx=INT, label=BOOL)),
        "cb": ([flat("CB", 2)], features(premise=TEXT, hypothesis=TEXT, idx=INT, label=ENTAILMENT)),
        "copa": (
            [flat("COPA", 1)],
            features(
                premise=TEXT,
                choice1=TEXT,
                choice2=TEXT,
                question=TEXT,
                idx=INT,
                label=datasets.ClassLabel(names=["choice1", "choice2"]),
            ),
        ),
        "multirc": (
            multirc,
            features(
                paragraph=TEXT,
                question=TEXT,
                answer=TEXT,
                idx={"paragraph": INT, "question": INT, "answer": INT},
                label=BOOL,
            ),
        ),
        "record": (
            record,
            features(
                passage=TEXT,
                query=TEXT,
                entities=datasets.List(TEXT),
                entity_spans=datasets.List(span),
                answers=datasets.List(TEXT),
                idx={"passage": INT, "query": INT},
            ),
        ),
        "rte": (
            [flat("RTE", 0)],
            features(
                premise=TEXT,
                hypothesis=TEXT,
                idx=INT,
                label=datasets.ClassLabel(names=["entailment", "not_entailment"]),
            ),
        ),
        "wic": (
            [flat("WiC", 0)],
            features(word=TEXT, sentence1=TEXT, sentence2=TEXT, idx=INT, label=BOOL, **wic),
        ),
        "wsc": (
            [wsc],
            features(
                text=TEXT,
                span1_index=INT,
                span2_index=INT,
                span1_text=TEXT,
                span2_text=TEXT,
                idx=INT,
                label=BOOL,
            ),
        ),
    }


HUB_TEXT = {"boolq": "question", "multirc": "paragraph", "record": "query", "wic": "sentence1", "wsc": "text"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A hub without network: configuration -> (rows, features), and a corpus."""
    store: dict[str, Any] = hub_rows()
    store["texts"] = (
        [{"text": "One\nline."}, {"text": " \n"}, {"text": "Two."}],
        datasets.Features(text=TEXT),
    )

    def load_dataset(name: str, config: str | None, split: str, revision: str | None) -> datasets.Dataset:
        if name not in ("aps/super_glue", "some/corpus") or split not in ("train", "validation"):
            raise FileNotFoundError(f"no {name}\nat all")
        rows, features = store[config or "texts"]
        if split == "train" and config is not None:
            column = HUB_TEXT.get(config, "premise")
            rows = [row | ({column: row[column] + " too"} if column in row else {}) for row in rows]
        return datasets.Dataset.from_list(rows, features=features)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "raw"
    for task, record in OFFICIAL.items():
        for split, given in (("train", of_training(task, record)), ("val", record)):
            path = root / "superglue" / task / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(given) + "\n", encoding="utf-8")
    (root / "superglue" / "AX-b").mkdir()
    (root / "superglue" / "AX-b" / "AX-b.jsonl").write_text("no json", encoding="utf-8")
    (root / "corpus").mkdir()
    (root / "corpus" / "b.txt").write_text("A document.\u2028Still it.\n\nAnother.\n", encoding="utf-8")
    (root / "corpus" / "a.txt").write_text("First.\n", encoding="utf-8")
    return root


def test_folder_manifest(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    manifest = open_folder(folder, out)
    assert manifest == read_json(out / "manifest.json")
    assert [Path(path).name for path in manifest["corpus"]] == ["a.txt", "b.txt"]
    assert tuple(manifest["superglue"]) == TASKS
    assert set(manifest["sha256"]) == {
        *manifest["corpus"],
        *(path for splits in manifest["superglue"].values() for path in splits.values()),
    }
    assert all(sha256_of(out / path) == digest for path, digest in manifest["sha256"].items())
    assert Path(manifest["superglue"]["RTE"]["train"]).is_relative_to(folder)


def test_wsc_gets_candidates_once(folder: Path, tmp_path: Path) -> None:
    first = open_folder(folder, tmp_path / "out")
    assert first["superglue"]["WSC"]["val"] == "superglue/WSC/val.jsonl"
    derived = tmp_path / "out" / first["superglue"]["WSC"]["val"]
    record = json.loads(derived.read_text(encoding="utf-8"))
    assert record == OFFICIAL["WSC"] | {"candidates": [{"text": "Ann"}]}
    original = folder / "superglue" / "WSC" / "val.jsonl"
    assert load_task("WSC", derived, "val")[0].candidates == load_task("WSC", original, "val")[0].candidates
    original.write_text(derived.read_text(encoding="utf-8"), encoding="utf-8")
    again = open_folder(folder, tmp_path / "again")
    assert again["superglue"]["WSC"]["val"] == str(original)
    assert not (tmp_path / "again" / "superglue" / "WSC" / "val.jsonl").exists()


def test_relative_root_and_fewer_tasks(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = open_folder(Path("raw"), Path("out"), tasks=["CB", "RTE"])
    assert list(manifest["superglue"]) == ["CB", "RTE"]
    assert all(Path(path).is_absolute() for path in manifest["sha256"])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "superglue/RTE/val.jsonl").unlink(), "RTE/val.jsonl: cannot be read"),
        (lambda root: (root / "superglue/CB/train.jsonl").write_text("{}\n"), "CB/train.jsonl:1: field"),
        (lambda root: (root / "corpus/a.txt").write_bytes(b"ok\n\xff\n"), "a.txt:2: not UTF-8"),
        (lambda root: (root / "corpus/a.txt").write_text("\n \n"), "a.txt: holds no document"),
        (lambda root: [path.unlink() for path in (root / "corpus").iterdir()], "corpus: holds no .txt file"),
    ],
)
def test_damaged_folder(folder: Path, tmp_path: Path, damage: Any, message: str) -> None:
    damage(folder)
    with pytest.raises(InputError, match=message):
        open_folder(folder, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_hub_gives_the_official_lines(hub: dict[str, Any], tmp_path: Path) -> None:
    manifest = fetch_hub(tmp_path, [HubCorpus("some/corpus")])
    for task in TASKS:
        for split, record in (("train", of_training(task, OFFICIAL[task])), ("val", OFFICIAL[task])):
            path = tmp_path / "official" / "superglue" / task / f"{split}.jsonl"
            assert json.loads(path.read_text(encoding="utf-8")) == record, task
    (corpus,) = manifest["corpus"]
    assert Path(corpus).read_text(encoding="utf-8") == "One line.\nTwo.\n"
    assert manifest == read_json(tmp_path / "manifest.json")


def test_hub_label_order_is_checked(hub: dict[str, Any], tmp_path: Path) -> None:
    rows, features = hub["rte"]
    features["label"] = datasets.ClassLabel(names=["not_entailment", "entailment"])
    with pytest.raises(InputError, match=r"aps/super_glue/rte/train: field 'label' has classes"):
        fetch_hub(tmp_path, [HubCorpus("some/corpus")], tasks=["RTE"])


def test_hub_spans_are_checked(hub: dict[str, Any], tmp_path: Path) -> None:
    hub["record"][0][0]["entity_spans"][0]["end"] = 2
    with pytest.raises(InputError, match=r"record/train: field 'entity_spans' 0:2 is not 'Ann'"):
        fetch_hub(tmp_path, [HubCorpus("some/corpus")], tasks=["ReCoRD"])


def test_hub_problems_are_one_line(hub: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"^hub repository other/repo/rte, split train: no other/repo at all$"
    ):
        fetch_hub(tmp_path, [HubCorpus("some/corpus")], superglue="other/repo", tasks=["RTE"])
    with pytest.raises(InputError, match="no column 'body', has"):
        fetch_hub(tmp_path, [HubCorpus("some/corpus", column="body")], tasks=["RTE"])
    hub["rte"] = hub["cb"]
    with pytest.raises(InputError, match="field 'label' has classes"):
        fetch_hub(tmp_path, [HubCorpus("some/corpus")], tasks=["RTE"])
    hub["rte"] = hub["texts"]
    with pytest.raises(InputError, match=r"aps/super_glue/rte/train: column 'premise' is missing"):
        fetch_hub(tmp_path, [HubCorpus("some/corpus")], tasks=["RTE"])


def test_hub_unlabelled_rows_are_refused(hub: dict[str, Any], tmp_path: Path) -> None:
    hub["rte"][0][0]["label"] = -1
    with pytest.raises(InputError, match="field 'label' is -1; only labelled splits"):
        fetch_hub(tmp_path, [HubCorpus("some/corpus")], tasks=["RTE"])


@pytest.mark.real_data
def test_real_folder(real_data: Path, tmp_path: Path) -> None:
    manifest = open_folder(real_data, tmp_path)
    assert tuple(manifest["superglue"]) == TASKS
    assert len(load_task("WSC", tmp_path / manifest["superglue"]["WSC"]["train"], "train")) > 100


def test_a_vocabulary_comes_from_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = tmp_path / "cache" / "vocab.txt"
    stored.parent.mkdir()
    stored.write_text("[PAD]\n[UNK]\n", encoding="utf-8")

    def download(repository: str, file: str) -> str:
        if repository != "some/model" or file != "vocab.txt":
            raise FileNotFoundError(f"no {repository}\nat all")
        return str(stored)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert fetch_vocabulary("some/model", tmp_path / "out").read_text("utf-8") == "[PAD]\n[UNK]\n"
    with pytest.raises(
        InputError, match="data.hub.tokenizer: other/model gives no vocab.txt .no other/model at"
    ):
        fetch_vocabulary("other/model", tmp_path / "none")
    assert not (tmp_path / "none").exists()
