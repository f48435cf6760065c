"""Each part of the data has the name of what decides its bytes, and of nothing else."""

from __future__ import annotations

import pytest
from small_tracks import config_of, overrides, track_section

from retort.config import load
from retort.texts import (
    CORPUS,
    encoded_parts,
    paper_of_part,
    part_of,
    raw_names,
    raw_part,
    text_names,
    text_part,
)

TASKS = ["RTE", "CB"]
BASE = {"papers": ["glmd"], "tasks": TASKS, "task_training": {"max_length": {"RTE": 96, "CB": 96}}}
ALL = {CORPUS, *TASKS}


@pytest.mark.parametrize(
    ("change", "raw", "text"),
    [
        ({"data": {"pocket": {"world_seed": 2}}}, ALL, ALL),
        ({"data": {"pocket": {"documents": 100}}}, {CORPUS}, ALL),
        ({"data": {"pocket": {"train_size": 8}}}, set(TASKS), set(TASKS)),
        ({"data": {"limits": {"corpus": 100}}}, set(), ALL),
        ({"data": {"limits": {"dev": 4}}}, set(), set(TASKS)),
        ({"data": {"vocabulary": {"multiple_of": 64}}}, set(), ALL),
        ({"task_training": {"max_length": {"RTE": 80, "CB": 96}}}, set(), {"RTE"}),
        ({"task_training": {"epochs": 5}}, set(), set()),
        ({"tasks": ["RTE"]}, set(), set()),
        ({"tasks": ["CB", "RTE"]}, set(), set()),
        ({"data": {"source": "folder"}, "data_root": "x"}, ALL, ALL),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),  # sets have no order
)
def test_a_value_renames_just_what_it_decides(change, raw, text):
    before, after = load("smoke", BASE), load("smoke", BASE | change)
    for names, renamed in ((raw_names, raw), (text_names, text)):
        old, new = names(before), names(after)
        assert {part for part in old.keys() & new.keys() if old[part] != new[part]} == renamed
        assert all(part_of(name) == part for part, name in new.items()) and next(iter(new)) == CORPUS


# Parts of the papers on transformers models


def tracks():
    """Two tracks that share the English corpus and XSum, and one that reads two languages."""
    found = {
        "bart": track_section("BART", ["BART CKA"]),
        "t5": track_section("T5", ["T5 CKA"]),
        "mbart": track_section("mBART", ["mBART cosine"]),
        "bert": track_section("BERT", ["BERT none"]),
    }
    found["t5"]["tasks"] |= {"CNN-DM": found["t5"]["tasks"]["XSum"]}
    return overrides(**found)


RAW = {"cka-corpus", "cka-XSum", "cka-CNN-DM", "cka-WMT16-en-ro", "cka-RTE"}
WORDS = {"cka-bart", "cka-t5", "cka-mbart", "cka-bert"}
TEXTS = {"cka-bart-XSum", "cka-t5-XSum", "cka-t5-CNN-DM", "cka-mbart-WMT16-en-ro", "cka-bert-RTE"}
T5 = {"cka-t5", "cka-t5-XSum", "cka-t5-CNN-DM"}
OF_PAIRS = (WORDS | TEXTS) - {"cka-bert", "cka-bert-RTE"}


def test_the_parts_of_a_paper():
    config = config_of(tracks())
    assert set(raw_names(config)) == RAW and set(text_names(config)) == WORDS | TEXTS
    both = config_of(tracks() | {"papers": ["glmd", "cka"], "tasks": TASKS})
    assert set(raw_names(both)) == RAW | ALL and set(text_names(both)) == WORDS | TEXTS | ALL


@pytest.mark.parametrize(
    ("place", "value", "raw", "text"),
    [
        ("data.pocket.world_seed", 2, RAW, WORDS | TEXTS),
        ("data.pocket.documents", 100, set(), set()),  # GLMD's
        ("cka.pocket.documents", 50, {"cka-corpus"}, WORDS | TEXTS),
        ("cka.pocket.multilingual", 50, {"cka-corpus"}, WORDS | TEXTS),
        ("cka.pocket.glue.train", 20, {"cka-RTE"}, {"cka-bert-RTE"}),
        ("cka.pocket.pairs.dev", 20, RAW - {"cka-corpus", "cka-RTE"}, OF_PAIRS),
        ("cka.limits.corpus", 10, set(), WORDS | TEXTS),
        ("cka.limits.dev", 3, set(), TEXTS),
        ("cka.tracks.t5.vocabulary.size", 200, set(), T5),
        ("cka.tracks.t5.tasks.XSum.source", 30, set(), {"cka-t5-XSum"}),
        ("cka.tracks.t5.tasks.XSum.target", 10, set(), {"cka-t5-XSum"}),
        ("cka.tracks.t5.tasks.XSum.decoding.beams", 3, set(), set()),
        ("cka.tracks.t5.pretraining.length", 10, set(), set()),
        ("cka.tracks.t5.task_training.batch_size", 2, set(), set()),
        ("cka.tracks.t5.gates.XSum", 50, set(), set()),
        ("cka.tracks.mbart.languages", ["en", "ro", "fr"], {"cka-corpus"}, WORDS | TEXTS),
        ("cka.seeds", [7], set(), set()),
        ("precision", "bfloat16", set(), set()),
    ],
)
def test_a_value_renames_just_the_parts_it_decides(place, value, raw, text):
    changed = tracks()
    inner = changed
    for key in place.split(".")[:-1]:
        inner = inner.setdefault(key, {})
    inner[place.split(".")[-1]] = value
    before, after = config_of(tracks()), config_of(changed)
    for names, renamed in ((raw_names, raw), (text_names, text)):
        old, new = names(before), names(after)
        assert old.keys() == new.keys()
        assert {part for part in old if old[part] != new[part]} == renamed


def test_another_track_leaves_the_parts_of_a_track_as_they_are():
    whole, alone = tracks(), tracks()
    alone["cka"]["tracks"] = {"bart": alone["cka"]["tracks"]["bart"]}
    old, new = (config_of(each) for each in (whole, alone))
    kept = text_names(new)
    # Languages of other tracks are in the corpora's folder.
    assert (
        set(kept) == {"cka-bart", "cka-bart-XSum"}
        and raw_names(new)["cka-XSum"] == raw_names(old)["cka-XSum"]
    )
    del whole["cka"]["tracks"]["mbart"]
    assert kept.items() <= text_names(config_of(whole)).items()


def test_names_of_parts_hold_dashes_and_come_apart_again():
    config = config_of(tracks() | {"papers": ["glmd", "cka"], "tasks": TASKS})
    assert paper_of_part("cka-WMT16-en-ro") == ("cka", "WMT16-en-ro") and paper_of_part("RTE") == (
        "glmd",
        "RTE",
    )
    parts = encoded_parts(config)
    assert parts["cka-mbart-WMT16-en-ro"].raws == ("cka-WMT16-en-ro",)
    assert parts["cka-t5-CNN-DM"].raws == ("cka-CNN-DM",)
    assert parts["RTE"].raws == ("RTE",) and parts["RTE"].words == CORPUS
    for part, folder in (*raw_names(config).items(), *text_names(config).items()):
        assert part_of(folder) == part
    for part, made in parts.items():
        if made.track is None:
            assert made.paper == "glmd" and part == (made.task or CORPUS)
            continue
        (name,) = (name for name, one in config.cka.tracks.items() if one is made.track)
        assert part == text_part(made.paper, name, made.task) and made.words == text_part("cka", name)
        if made.task is not None:
            assert made.raws == (raw_part(made.paper, made.task),)
    assert parts.keys() == text_names(config).keys() == WORDS | TEXTS | ALL


def test_words_are_made_from_the_corpora_and_the_training_texts_of_the_track_s_sets():
    parts = encoded_parts(config_of(tracks()))
    assert {name: parts[name].raws for name in WORDS} == {
        "cka-bart": ("cka-corpus", "cka-XSum"),
        "cka-t5": ("cka-corpus", "cka-CNN-DM", "cka-XSum"),
        "cka-mbart": ("cka-corpus", "cka-WMT16-en-ro"),
        "cka-bert": ("cka-corpus",),
    }
