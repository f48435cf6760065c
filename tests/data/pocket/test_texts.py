"""The texts of a world as files: official layouts, the same bytes for the same seed, parts independent."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from retort.data.glue.formats import read_glue
from retort.data.glue.tasks import TASKS, spec_of
from retort.data.pocket.texts import generate_text_corpora, generate_text_task
from retort.data.seq2seq.formats import files_of, read_pairs
from retort.errors import InputError
from retort.files import sha256_of

PAIRS = ("CNN-DM", "XSum", "WMT16-en-ro", "IWSLT17-en-fr", "WMT13-en-es")
LANGUAGES = ("en", "ro", "fr", "es")


def digests(folder):
    return {p.relative_to(folder).as_posix(): sha256_of(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def generate(out, seed=5, tasks=(*TASKS, *PAIRS), pairs=20, languages=LANGUAGES, documents=50):
    """Every part in a folder of its own."""
    for task in tasks:
        sizes = (24, 12) if task in TASKS else (pairs, 10)
        generate_text_task(seed, out / task, task, *sizes)
    generate_text_corpora(seed, out / "corpora", documents, 30, languages)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    out = tmp_path_factory.mktemp("texts") / "world"
    generate(out)
    return out


def test_files_are_in_the_official_layouts(world):
    for task in TASKS:
        for split, file in spec_of(task).splits.items():
            examples = read_glue(task, split, world / task / "glue" / task / file)
            assert len(examples) == (24 if split == "train" else 12)
    for task in PAIRS:
        for split, size in (("train", 20), ("val", 10)):
            assert len(read_pairs(task, split, *files_of(task, split, world / task))) == size
    corpora = {path.name: path.read_text().count("\n") for path in world.glob("corpora/*/*.txt")}
    assert corpora == {"world.txt": 50, "en.txt": 30, "ro.txt": 30, "fr.txt": 30, "es.txt": 30}


def test_parts_hold_nothing_but_their_own(world):
    for task in TASKS:
        assert {name.split("/")[1] for name in digests(world / task)} == {task}
    for task in PAIRS:
        files = {path for split in ("train", "val") for path in files_of(task, split, world / task)}
        assert {world / task / name for name in digests(world / task)} == files
    assert {name.split("/")[0] for name in digests(world / "corpora")} == {"corpus", "multilingual"}


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed(world, tmp_path):
    code = (
        "import sys, pathlib\n"
        "from retort.data.pocket.texts import generate_text_corpora, generate_text_task\n"
        "out = pathlib.Path(sys.argv[1])\n"
        f"for task in {(*TASKS, *PAIRS)!r}:\n"
        f"    generate_text_task(5, out / task, task, *((24, 12) if task in {TASKS!r} else (20, 10)))\n"
        f"generate_text_corpora(5, out / 'corpora', 50, 30, {LANGUAGES!r})"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], check=True, env=environment)
    assert digests(tmp_path / "w") == digests(world)


def test_other_sizes_and_parts_leave_a_part_as_it_is(world, tmp_path):
    tasks = (*TASKS[:3], *PAIRS[1:3])
    generate(tmp_path / "w", tasks=tasks, pairs=21, languages=("ro", "en"), documents=60)
    mine, theirs = digests(tmp_path / "w"), digests(world)
    changed = {name for name in mine if mine[name] != theirs[name]}
    assert changed == {"corpora/corpus/world.txt", "XSum/summarization_xsum/train.jsonl"} | {
        f"WMT16-en-ro/translation/en-ro/train.{side}" for side in ("src", "tgt")
    }
    generate(tmp_path / "other", seed=6)
    assert not set(digests(tmp_path / "other").items()) & set(theirs.items())


def test_a_world_without_languages_has_no_multilingual_corpus(tmp_path):
    generate_text_corpora(5, tmp_path / "w", 20, 30, ())
    assert list(digests(tmp_path / "w")) == ["corpus/world.txt"]


def test_what_the_world_lacks_and_empty_parts_are_refused(tmp_path):
    with pytest.raises(InputError, match="the pocket world has no SciTLDR; it has CNN-DM, XSum and transl"):
        generate_text_task(5, tmp_path / "w", "SciTLDR", 20, 10)
    for task in ("RTE", "XSum", "WMT16-en-ro"):
        for sizes in ((0, 10), (20, 0)):
            with pytest.raises(InputError, match="at least one"):
                generate_text_task(5, tmp_path / "w", task, *sizes)
    for documents, multilingual in ((0, 30), (50, 0)):
        with pytest.raises(InputError, match="at least one"):
            generate_text_corpora(5, tmp_path / "w", documents, multilingual, LANGUAGES)
    assert not any(tmp_path.iterdir())
