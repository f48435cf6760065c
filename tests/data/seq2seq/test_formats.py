"""Summaries and translations: what is read, what is written, what is said about malformed files."""

from __future__ import annotations

import json

import pytest

from retort.data.seq2seq.formats import TextPair, files_of, hub_pairs, read_pairs, write_pairs
from retort.data.seq2seq.tasks import TASKS, spec_of
from retort.errors import InputError


def jsonl(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_summaries_with_one_and_with_several_references(tmp_path):
    rows = (
        {"document": " A b.\u2028c ", "summary": "B"},
        {"document": "D", "summary": "E", "references": ["F", "E"]},
    )
    assert read_pairs("XSum", "val", jsonl(tmp_path / "v.jsonl", *rows)) == [
        TextPair("XSum/val/1", "A b.\u2028c", ("B",)),
        TextPair("XSum/val/2", "D", ("E", "F")),
    ]


def parallel(folder, source, target):
    paths = folder / "x.src", folder / "x.tgt"
    for path, text in zip(paths, (source, target), strict=True):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return paths


def test_translations_are_aligned_by_line(tmp_path):
    paths = parallel(tmp_path, "One.\u2028Still.\n\nTwo.\n", "Unu.\nX\nDoi.")
    assert read_pairs("WMT16-en-ro", "train", *paths) == [
        TextPair("WMT16-en-ro/train/1", "One.\u2028Still.", ("Unu.",)),
        TextPair("WMT16-en-ro/train/3", "Two.", ("Doi.",)),
    ]


@pytest.mark.parametrize("task", TASKS)
def test_what_is_written_is_read_again(task, tmp_path):
    several = ("Two.", "2.") if spec_of(task).kind == "summarisation" else ("Two.",)
    pairs = [TextPair(f"{task}/val/1", "One é.", ("Unu.",)), TextPair(f"{task}/val/2", "Z", several)]
    paths = write_pairs(task, "val", tmp_path, pairs)
    assert paths == files_of(task, "val", tmp_path) and read_pairs(task, "val", *paths) == pairs


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("a\nb\n", "c\n", r"x.tgt: 1 lines, but x.src has 2; align the files"),
        ("a\n\n", "c\nd\n", r"x.src:2: the line is empty; remove it from both files"),
        ("a\nb\n", "c\n \n", r"x.tgt:2: the line is empty"),
        ("a\n", b"\xff\n", r"x.tgt:1: not UTF-8"),
    ],
)
def test_malformed_translations_are_named(source, target, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_pairs("WMT16-en-ro", "val", *parallel(tmp_path, source, target))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"document": "A"}, r"v.jsonl:1: field 'summary' is missing"),
        ({"document": "", "summary": "B"}, r"v.jsonl:1: field 'document' is empty"),
        ({"document": "A", "summary": "B", "references": ["C"]}, r"'references' does not hold the summary"),
        ({"document": "A", "summary": "B", "references": []}, r"'references' must be a list of strings"),
        ({"document": "A", "summary": "B", "references": ["B", 3]}, r"'references.1' must be a string"),
    ],
)
def test_malformed_summaries_are_named(row, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_pairs("XSum", "val", jsonl(tmp_path / "v.jsonl", row))


def test_missing_and_empty_files_are_named(tmp_path):
    with pytest.raises(InputError, match=r"translation/en-ro/val.src: cannot be read"):
        read_pairs("WMT16-en-ro", "val", *files_of("WMT16-en-ro", "val", tmp_path))
    with pytest.raises(InputError, match="x.src: holds no pairs"):
        read_pairs("WMT16-en-ro", "train", *parallel(tmp_path, "\n", "\n"))
    with pytest.raises(
        InputError, match="task 'WMT' is no summarisation or translation set; use one of CNN-DM"
    ):
        spec_of("WMT")


def test_hub_rows_become_pairs():
    rows = [{"translation": {"en": "One.", "ro": "Unu."}}, {"translation": {"en": "", "ro": "X"}}]
    assert hub_pairs("WMT16-en-ro", "val", rows, "hub") == [TextPair("WMT16-en-ro/val/0", "One.", ("Unu.",))]
    articles = [{"article": "A.", "highlights": "B.\nC.", "id": 3}]
    assert hub_pairs("CNN-DM", "val", articles, "hub") == [TextPair("CNN-DM/val/0", "A.", ("B.\nC.",))]
    with pytest.raises(InputError, match="hub: column 'document' is missing; is it XSum"):
        hub_pairs("XSum", "val", articles, "hub")
    with pytest.raises(InputError, match="IWSLT17-en-fr: the hub has no repository of plain files"):
        hub_pairs("IWSLT17-en-fr", "val", rows, "hub")


@pytest.mark.real_data
@pytest.mark.parametrize("task", ["SciTLDR", "DialogSum", "WMT16-en-ro", "IWSLT17-en-fr", "Multi30k-en-de"])
def test_real_files(task, real_data):
    for split in ("train", "val"):
        paths = files_of(task, split, real_data)
        pairs = read_pairs(task, split, *paths)
        assert (
            len(pairs)
            == len({pair.key for pair in pairs})
            == paths[0].read_bytes().rstrip(b"\n").count(b"\n") + 1
        )
    assert (max(len(pair.references) for pair in pairs) > 1) == (task == "SciTLDR")
