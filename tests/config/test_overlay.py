"""What is laid over a scale: mappings are merged, null takes away what has a name of the user's own."""

from __future__ import annotations

import pytest

from retort.config import load, read_yaml, resolve, typed
from retort.config.loading import SCALES, schema
from retort.config.overlay import merge, overlay
from retort.errors import InputError

BOTH = {"papers": ["glmd", "cka"]}


def changed(**values):
    """The pocket scale with other values for its second paper."""
    return load("pocket", BOTH | {"cka": values})


def test_null_takes_a_track_away():
    whole, without = load("pocket", BOTH), changed(tracks={"t5": None})
    assert list(without.cka.tracks) == [name for name in whole.cka.tracks if name != "t5"]
    assert all(without.cka.tracks[name] == whole.cka.tracks[name] for name in without.cka.tracks)
    assert without.model_dump(exclude={"cka": {"tracks"}}) == whole.model_dump(exclude={"cka": {"tracks"}})


@pytest.mark.parametrize("key", ["methods", "tasks", "gates", "variants"])
def test_null_takes_an_entry_of_a_track_away(key):
    track = load("pocket", BOTH).cka.tracks["bert"]
    before = getattr(track, key)
    assert before
    name = list(before)[-1]
    # A data set that is gone cannot be gated.
    gone = {key: {name: None}} | ({"gates": {name: None}} if key == "tasks" and name in track.gates else {})
    after = changed(tracks={"bert": gone}).cka.tracks["bert"]
    assert getattr(after, key) == {other: value for other, value in before.items() if other != name}
    assert list(after.tasks) == [task for task in track.tasks if key != "tasks" or task != name]


def test_null_as_snakemake_gives_it():
    """``--config 'cka={tracks: {t5: null}}'`` arrives as text."""
    given = typed({"scale": "pocket", "cka": {"tracks": {"t5": "null"}}})
    assert "t5" not in resolve(given).cka.tracks


def test_a_key_of_the_configuration_may_be_null_and_stays():
    whole = load("pocket", BOTH)
    training = changed(tracks={"bert": {"task_training": {"micro_batch_size": None}}})
    assert training.cka.tracks["bert"].task_training.micro_batch_size is None
    assert load("pocket", {"gates": {"fine_tuned_average": None}}).gates.fine_tuned_average is None
    assert list(training.cka.tracks) == list(whole.cka.tracks)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cka": {"tracks": {"t6": None}}}, "cka.tracks.t6: null removes what scale pocket has, which is"),
        ({"cka": {"tracks": {"barts": None}}}, "did you mean 'bart'?"),
        (
            {"cka": {"tracks": {"bert": {"tasks": {"RTEE": None}}}}},
            "cka.tracks.bert.tasks.RTEE: null removes",
        ),
        ({"cka": {"tracks": {"mine": {"tasks": {"RTE": None}}}}}, "cka.tracks.mine.tasks.RTE: null removes"),
        ({"import_teacher": {"T1": None}}, "import_teacher.T1: null removes .* it has none there"),
        ({"device": None}, "device: given null, expected"),
        ({"data": {"pocket": {"documents": None}}}, "data.pocket.documents: given null, expected"),
    ],
)
def test_a_null_that_has_nothing_to_remove_is_told(values, message):
    with pytest.raises(InputError, match=message):
        load("pocket", BOTH | values)


def test_a_file_that_names_every_key_is_a_base_of_its_own():
    """As with ``--configfile``: Snakemake has laid one over the other before we see them."""
    complete = read_yaml(SCALES / "pocket.yaml") | {"recipes": None}
    given = merge(complete, BOTH | {"cka": {"tracks": {"t5": None}}})
    assert resolve(given) == changed(tracks={"t5": None})


def test_a_scale_takes_away_what_it_inherits(tmp_path):
    (tmp_path / "base.yaml").write_text(
        (SCALES / "pocket.yaml").read_text().replace("scale: pocket", "scale: base")
    )
    (tmp_path / "less.yaml").write_text("scale: less\nextends: base\ncka: {tracks: {t5: null}}\n")
    assert "t5" not in resolve({"scale": "less"}, folder=tmp_path).cka.tracks
    (tmp_path / "less.yaml").write_text("scale: less\nextends: base\ncka: {tracks: {t6: null}}\n")
    with pytest.raises(InputError, match=r"less.yaml: cka.tracks.t6: null removes what scale base has"):
        resolve({"scale": "less"}, folder=tmp_path)


def test_neither_side_is_changed():
    base, over = (
        {"models": {"T1": {"width": 8}, "S1": {"width": 4}}},
        {"models": {"S1": None, "T1": {"heads": 2}}},
    )
    found, problems = overlay(base, over, schema(), "a scale")
    assert (found, problems) == ({"models": {"T1": {"width": 8, "heads": 2}}}, [])
    assert base == {"models": {"T1": {"width": 8}, "S1": {"width": 4}}} and over["models"]["S1"] is None
