"""Values that Snakemake reads as text get the type that was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.config import load, resolve, typed
from retort.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-2.5", -2.5),
        ("1e-5", 1e-5),
        ("true", True),
        ("null", None),
        ("KD", "KD"),
        ("", ""),
        ("no", "no"),
    ],
)
def test_leaves_are_typed(text, value):
    assert typed({"a": [text, {"b": text}]}) == {"a": [value, {"b": value}]}


@given(st.recursive(st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False), st.lists))
def test_what_has_a_type_keeps_it(value):
    assert typed(value) == value


def test_text_that_looks_like_a_list_stays_text():
    assert typed(['["a"]', "{}", '"a"']) == ['["a"]', "{}", '"a"']


def test_a_command_line_gives_the_configuration_that_was_meant():
    """``--config scale=smoke seeds=[1] task_training={epochs: 2} gates={fine_tuned_average: null}``."""
    given = {
        "scale": "smoke",
        "seeds": ["1"],
        "task_training": {"epochs": "2"},
        "gates": {"fine_tuned_average": "null"},
    }
    meant = load("smoke", {"seeds": [1], "task_training": {"epochs": 2}})
    assert resolve(typed(given)) == meant


def write_scales(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)


def test_a_scale_that_extends_another_changes_what_it_names():
    small, full = load("pocket"), load("pocket-full")
    changed = {"scale", "pairs", "columns", "seeds", "variants"}
    others = {
        paper: {"seeds": True, "tracks": {name: {"methods": True, "variants": True} for name in tracks}}
        for paper, tracks in (("cka", small.cka.tracks), ("atkd", small.atkd.tracks))
    }
    left_out = dict.fromkeys(changed, True) | others
    assert small.model_dump(exclude=left_out) == full.model_dump(exclude=left_out)
    assert len(full.seeds) >= 3 and full.columns == "all"
    for few, many in ((small.cka, full.cka), (small.atkd, full.atkd)):
        for name, track in few.tracks.items():
            for mine, all_of_them in (
                (track.methods, many.tracks[name].methods),
                (track.variants, many.tracks[name].variants),
            ):
                assert all(set(students) <= set(all_of_them[row]) for row, students in mine.items())


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("nowhere", "one.yaml: extends: no other scale 'nowhere'"),
        ("one", "one.yaml: extends: no other scale 'one'"),
        ("two", "one.yaml: extends: two extends another scale itself"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path, base, message):
    write_scales(
        tmp_path,
        one=f"scale: one\nextends: {base}\n",
        two="scale: two\nextends: three\n",
        three="scale: three\n",
    )
    with pytest.raises(InputError, match=message):
        resolve({"scale": "one"}, folder=tmp_path)
