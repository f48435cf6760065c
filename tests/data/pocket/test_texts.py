"""The texts of a world as files: official layouts, the same bytes for the same seed, parts independent."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys

import pytest

from retort.data.glue.formats import read_glue
from retort.data.glue.tasks import TASKS, spec_of
from retort.data.pocket.lexicon import make_lexicon
from retort.data.pocket.texts import PocketTexts, generate_texts
from retort.data.seq2seq.formats import files_of, read_pairs
from retort.errors import InputError
from retort.files import read_json, sha256_of

SIZES = PocketTexts(documents=50, multilingual=30, glue=24, glue_dev=12, pairs=20, pairs_dev=10)
PAIRS = ("CNN-DM", "XSum", "WMT16-en-ro", "IWSLT17-en-fr", "WMT13-en-es")


def digests(folder):
    return {p.relative_to(folder).as_posix(): sha256_of(p) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    out = tmp_path_factory.mktemp("texts") / "world"
    generate_texts(5, out, SIZES, TASKS, PAIRS)
    return out


def test_files_are_in_the_official_layouts(world):
    for task in TASKS:
        for split, file in spec_of(task).splits.items():
            examples = read_glue(task, split, world / "glue" / task / file)
            assert len(examples) == (24 if split == "train" else 12)
    for task in PAIRS:
        for split, size in (("train", 20), ("val", 10)):
            assert len(read_pairs(task, split, *files_of(task, split, world))) == size
    corpora = {path.name: path.read_text().count("\n") for path in world.glob("*/*.txt")}
    assert corpora == {"world.txt": 50, "en.txt": 30, "ro.txt": 30, "fr.txt": 30, "es.txt": 30}
    assert read_json(world / "lexicon.json") == make_lexicon(5).table()


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed(world, tmp_path):
    code = (
        "import sys, pathlib; from retort.data.pocket.texts import PocketTexts, generate_texts;"
        f"generate_texts(5, pathlib.Path(sys.argv[1]), {SIZES!r}, {TASKS!r}, {PAIRS!r})"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], check=True, env=environment)
    assert digests(tmp_path / "w") == digests(world)


def test_parts_do_not_disturb_each_other(world, tmp_path):
    generate_texts(
        5, tmp_path / "w", dataclasses.replace(SIZES, documents=60, pairs=21), TASKS[:3], PAIRS[1:3]
    )
    mine, theirs = digests(tmp_path / "w"), digests(world)
    changed = {name for name in mine if mine[name] != theirs[name]}
    assert changed == {"corpus/world.txt", "summarization_xsum/train.jsonl"} | {
        f"translation/en-ro/train.{side}" for side in ("src", "tgt")
    }
    generate_texts(6, tmp_path / "other", SIZES, TASKS, PAIRS)
    assert not set(digests(tmp_path / "other").items()) & set(theirs.items())


def test_a_world_without_translations_has_no_multilingual_corpus(tmp_path):
    generate_texts(5, tmp_path / "w", SIZES, (), ("XSum",))
    assert not (tmp_path / "w" / "multilingual").exists() and not (tmp_path / "w" / "glue").exists()


def test_what_the_world_lacks_and_empty_parts_are_refused(tmp_path):
    with pytest.raises(InputError, match="the pocket world has no SciTLDR; it has CNN-DM, XSum and transl"):
        generate_texts(5, tmp_path / "w", SIZES, (), ("SciTLDR",))
    for name in ("documents", "glue", "glue_dev", "pairs", "pairs_dev", "multilingual"):
        with pytest.raises(InputError, match="at least one"):
            generate_texts(5, tmp_path / "w", dataclasses.replace(SIZES, **{name: 0}), TASKS, PAIRS)
    assert not any(tmp_path.iterdir())
