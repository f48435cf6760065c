"""As released beside one recipe: paired differences, and ranks only of what ran both ways."""

import pytest

from retort.recipes import cka_one_recipe
from retort.reporting.cka.one_recipe import ONE_RECIPE, comparisons, one_recipe


@pytest.fixture
def data(texts):
    return one_recipe(texts).data.set_index(["pair", "task", "method"])


def test_rows_are_called_as_the_plan_calls_them():
    assert all(method.name.endswith(ONE_RECIPE) for method in cka_one_recipe.METHODS)


def test_differences_are_paired_and_orders_compared(data):
    linear = data.loc["BART-BART_1x32", "XSum", "BART linear"]
    # As released 18, 20, 22; under one recipe 27, 29, 31: nine points in every seed.
    assert (linear["difference"], linear["difference_sd"], linear["n"]) == (9.0, 0.0, 3)
    ranks = data.loc["BART-BART_1x32", "XSum"][["released_rank", "one_recipe_rank"]]
    assert ranks.to_dict("index") == {
        "BART CKA": {"released_rank": 1, "one_recipe_rank": 3},
        "BART linear": {"released_rank": 3, "one_recipe_rank": 1},
        "BART none": {"released_rank": 2, "one_recipe_rank": 2},
    }


def test_what_ran_one_way_only_has_no_rank_and_no_difference(data):
    wide = data.loc["BART-BART_1x64", "XSum"]
    assert wide.loc["BART CKA", "released_n"] == 0 and wide.loc["BART CKA", "one_recipe"] == 25.0
    assert wide["difference"].notna().sum() == 1  # cosine alone ran both ways there
    assert wide["released_rank"].isna().all() and wide["one_recipe_rank"].isna().all()


def test_the_note_counts_orders_and_spans(texts):
    (note,) = [note for note in one_recipe(texts).notes if note.startswith("On ")]
    assert (
        note.startswith("On 0 of 2 students and data sets")
        and "10.0 points apart as released and 4.0" in note
    )


def test_a_score_leads_to_its_runs(texts):
    (line, *_) = one_recipe(texts).lines
    assert line.cells[4].link == "#run-bart-cka-one-recipe-bart-bart-1x32"


def test_without_such_runs_it_says_so(texts, tmp_path, monkeypatch):
    assert len(comparisons(texts)) == 4
    scores = texts.scores
    monkeypatch.setitem(texts.__dict__, "scores", scores[scores["role"] != "variant"])
    table = one_recipe(texts)
    assert table.lines == () and "variants of a track" in table.notes[0]
