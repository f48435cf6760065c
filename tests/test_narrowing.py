"""The smallest plan that holds a stage: of one paper, one track, its row, one student, one seed."""

from __future__ import annotations

import pytest

from retort.config import load
from retort.config.model import Config, as_text
from retort.narrowing import narrowed
from retort.plan import Plan
from retort.texts import paper_section

SCALES = {"cka": {"cka": {"seeds": [1, 7]}}, "atkd": {"atkd": {"seeds": [1, 7]}}}


@pytest.mark.parametrize("method", ["KD", "TAKD", "GLMD-vc no-task-words", "MT-BERT", "GLM"])
def test_the_smallest_plan_holds_the_very_stage_and_little_else(method):
    config = load("smoke")
    plan = Plan(config)
    cells = [cell for cell in plan.cells if cell.method.startswith(method)]
    stage = cells[-1].stages[0]
    small = Plan(narrowed(config, stage.id))
    assert small.stages[stage.id] == stage
    assert len(small.cells) < len(plan.cells) / 3
    teachers = {cell.pair for cell in small.cells if cell.role == "teacher"}
    assert teachers <= {"T1", "T2"} and len(teachers) <= 2  # gates train no others


@pytest.fixture(scope="module", params=SCALES)
def whole(request):
    """The smoke scale of everything, two seeds for one paper; that paper, and its plan."""
    config = load("smoke", {"papers": ["glmd", "cka", "atkd"]} | SCALES[request.param])
    return request.param, Plan(config)


def test_of_a_track_the_row_and_what_it_is_measured_by_are_left(whole):
    """Every cell; a rate in proportion to that of the track's first method keeps this method."""
    paper, plan = whole
    cells = [cell for cell in plan.cells if cell.paper == paper and cell.role != "teacher"]
    assert {cell.seed for cell in cells} == {1, 7}
    for cell in cells:
        (stage,) = cell.stages
        config = narrowed(plan.config, stage.id)
        assert Plan(config).stages[stage.id] == stage
        assert config.papers == (paper,) and paper_section(config, paper).seeds == (cell.seed,)
        (place,) = (
            name
            for name, track in paper_section(plan.config, paper).tracks.items()
            if cell.pair.rpartition("-")[2] in track.models
        )
        tracks = paper_section(config, paper).tracks
        assert all(tracks[other].languages for other in tracks.keys() - {place})
        rows = tracks[place].methods | tracks[place].variants
        assert cell.stages in [left.stages for left in Plan(config).cells]
        assert len(rows) <= 2 and all(len(students) == 1 for students in rows.values())
        assert len(tracks[place].teachers) == 1


def test_stages_that_rows_begin_with_are_found_too(whole):
    paper, plan = whole
    own = {stage.id for cell in plan.cells if cell.paper == paper for stage in cell.stages}
    before = {
        stage.init.id: stage.init
        for key, stage in plan.stages.items()
        if key in own and stage.init is not None
    }
    assert before
    for name, stage in before.items():
        small = Plan(narrowed(plan.config, name))
        assert small.stages[name] == stage and len(small.cells) <= 5


def test_what_is_left_can_be_read_again(whole):
    paper, plan = whole
    (stage,) = next(cell for cell in plan.cells if cell.paper == paper and cell.role == "student").stages
    config = narrowed(plan.config, stage.id)
    assert Config.model_validate_json(as_text(config)) == config


def test_an_imported_teacher_that_nobody_asks_is_no_contradiction():
    """A part stays where leaving it out would leave a section that does not hold."""
    config = load(
        "smoke",
        {"papers": ["glmd"], "import_teacher": {"T1": "one", "T2": "two"}, "pairs": ["T1-S1", "T2-S2"]},
    )
    stage = next(cell for cell in Plan(config).cells if cell.pair == "T1-S1").stages[0]
    small = narrowed(config, stage.id)
    assert stage.id in Plan(small).stages and load("smoke", small.model_dump(mode="json")) == small
