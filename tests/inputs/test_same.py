"""What editors and systems do to good text changes nothing: the steps write the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from inputs.bench import Ended, convert, run

from retort.files import SEAL, read_json

MARK = b"\xef\xbb\xbf"
CORPUS, RTE, VOCABULARY = "data/corpus/a.txt", "data/superglue/RTE/train.jsonl", "data/vocab.txt"


def windows(content: bytes) -> bytes:
    """A byte-order mark first and CRLF at the ends of lines."""
    return MARK + content.replace(b"\n", b"\r\n")


def blank_lines(content: bytes) -> bytes:
    return content.replace(b"\n", b"\n \n\n")


def no_last_end(content: bytes) -> bytes:
    return content.removesuffix(b"\n")


def encoded() -> dict[str, bytes]:
    """All that the two steps make of the texts, but for the hashes of the raw files."""
    for step in ("prepare_data", "encode_text"):
        assert run(f"{step} --config run.yaml") == Ended(0, "")
    folder = Path("results/smoke/text")
    # The seal holds the hash of the summary, which holds those of the raw files.
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("summary.json", SEAL)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", [CORPUS, RTE, VOCABULARY])
@pytest.mark.parametrize("change", [windows, no_last_end], ids=lambda change: change.__name__)
def test_how_a_file_was_saved_changes_nothing(good, name, change):
    before = encoded()
    convert(name, change)(good.folder)
    assert encoded() == before


@pytest.mark.parametrize("name", [CORPUS, RTE])
def test_blank_lines_change_nothing(good, name):
    before = encoded()
    convert(name, blank_lines)(good.folder)
    assert encoded() == before


@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\x1e"], ids=ascii)
def test_only_a_line_feed_ends_a_line(good, sign, escaped):
    """Python's ``splitlines`` would cut a record and a document in two."""
    if not escaped and sign == "\x1e":
        pytest.skip("JSON has no control characters inside a text")
    path = good.folder / RTE
    first, *rest = path.read_text().split("\n")
    record = json.loads(first)
    record["premise"] = record["premise"].replace("cat", f"cat{sign}")
    path.write_bytes("\n".join([json.dumps(record, ensure_ascii=escaped), *rest]).encode())
    convert(CORPUS, lambda content: content.replace(b"cat", f"cat{sign}".encode()))(good.folder)
    encoded()
    (corpus,) = Path("results/smoke/text").glob("corpus.*")
    (task,) = Path("results/smoke/text").glob("RTE.*")
    assert read_json(corpus / "corpus" / "corpus.json")["documents"] == 60
    assert len(np.load(task / "train.npz")["label"]) == 3


def test_a_configuration_saved_by_windows_is_the_same(good):
    before = run("show_plan --config run.yaml")
    convert("run.yaml", windows)(good.folder)
    assert run("show_plan --config run.yaml") == before == Ended(0, "")


def test_unicode_means_what_it_says(good):
    """A key in another alphabet's look-alike letters is another key."""
    path = good.folder / "run.yaml"
    whole = yaml.safe_load(path.read_text())
    whole["s\u0435eds"] = whole.pop("seeds")
    path.write_text(yaml.safe_dump(whole, allow_unicode=True))
    ended = run("show_plan --config run.yaml")
    assert ended.code == 2 and "s\u0435eds: unknown key; did you mean 'seeds'?" in ended.error


def test_what_a_run_predicted_may_hold_any_sign(tmp_path):
    from retort.claims.tallies import read_predictions

    line = {"key": "ReCoRD/val/1/0", "prediction": "Ann\u2028Bea", "label": ["Ann\u2028Bea"], "scores": [1]}
    path = tmp_path / "predictions.jsonl"
    path.write_text(json.dumps(line, ensure_ascii=False) + "\n", encoding="utf-8")
    (found,) = read_predictions("ReCoRD", path)
    assert found.value == "Ann\u2028Bea"
