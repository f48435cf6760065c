"""Tracks of causal models: teachers that stop early, and assistants between teacher and student."""

import json
from fractions import Fraction

import pytest

from retort.config import load
from retort.config.model import Config
from retort.errors import InputError
from retort.plan import Plan
from retort.recipes import Step
from retort.recipes.atkd import ASSISTED, EARLY_STOPPED, ORIGINAL, SUPERVISED

TEACHER, ASSISTANT, STUDENT = "OPT_2x16", "OPT_1x16", "OPT_1x8"
CHAIN = f"{TEACHER}-{ASSISTANT}-{STUDENT}"


def plan_of(methods=None, **changes):
    """The smoke scale's track with some methods and other changes."""
    methods = methods or {EARLY_STOPPED.name: [STUDENT], ASSISTED.name: [CHAIN], SUPERVISED.name: [STUDENT]}
    track = {"teachers": [TEACHER], "methods": methods} | changes
    settings = load("smoke").model_dump(mode="json")
    settings["atkd"]["tracks"]["opt"] |= track
    return Plan(Config.model_validate_json(json.dumps(settings | {"papers": ["atkd"]})))


def training(epochs):
    found = load("smoke").atkd.tracks["opt"].task_training.model_dump(mode="json")
    return {"task_training": found | {"epochs": {"teacher": epochs, "student": 1}}}


def result(plan, method):
    (cell,) = (cell for cell in plan.cells if cell.method == method.name)
    return cell, cell.stages[0]


@pytest.mark.parametrize(("epochs", "stopped"), [(2, 1), (3, 1), (4, 2), (6, 2), (7, 3)])
def test_a_teacher_that_stops_early_is_the_same_but_for_its_epochs(epochs, stopped):
    plan = plan_of(**training(epochs))
    _, early = result(plan, EARLY_STOPPED)
    _, plain = result(plan, SUPERVISED)
    (teacher,), (whole,) = early.teachers, plain.teachers
    assert (teacher.schooling[0].epochs, whole.schooling[0].epochs) == (stopped, epochs)
    assert teacher.init == whole.init and teacher.objective == whole.objective and teacher.id != whole.id
    assert teacher.schooling[0].optimiser == whole.schooling[0].optimiser
    assert early.init == plain.init and early.schooling == plain.schooling and early.id != plain.id


def test_a_teacher_of_one_epoch_cannot_stop_early():
    with pytest.raises(InputError, match=r"epochs.teacher: is 1, of which 1/3 is to be taken; give two or"):
        _ = plan_of(**training(1)).cells
    assert plan_of({SUPERVISED.name: [STUDENT]}, **training(1)).cells


def test_an_assistant_is_taught_by_the_teacher_and_teaches_the_student():
    plan = plan_of()
    cell, student = result(plan, ASSISTED)
    _, plain = result(plan, SUPERVISED)
    assert cell.pair == CHAIN
    (assistant,) = student.teachers
    assert [stage.architecture.name for stage in (student, assistant)] == [STUDENT, ASSISTANT]
    assert assistant.teachers == plain.teachers and student.init == plain.init
    assert assistant.objective == student.objective == plain.objective
    assert assistant.seed == student.seed == plain.seed and assistant.schooling == student.schooling
    for stage, symbol in ((student, STUDENT), (assistant, ASSISTANT)):
        assert (stage.init.architecture.name, stage.init.phase) == (symbol, "pretraining")
        assert stage.init.objective == ORIGINAL.objective and stage.init.teachers == ()


def test_an_imported_assistant_begins_with_its_checkpoint():
    _, student = result(plan_of(import_teacher={ASSISTANT: "given"}), ASSISTED)
    (assistant,) = student.teachers
    assert (assistant.init.imported, student.init.imported) == ("given", None)


@pytest.mark.parametrize(
    ("method", "pair", "message"),
    [
        (ASSISTED, f"{TEACHER}-{STUDENT}", f"{TEACHER}-{STUDENT}: needs 3 models; write T-A-S, from the lar"),
        (ASSISTED, STUDENT, "needs 3 models; write T-A-S"),
        (ASSISTED, f"{ASSISTANT}-{TEACHER}-{STUDENT}", f"{ASSISTANT} is none of teachers; add it"),
        (ASSISTED, f"{TEACHER}-OPT_1x61-{STUDENT}", "no model 'OPT_1x61'; did you mean 'OPT_1x16'"),
        (SUPERVISED, CHAIN, "Supervised KD on .*: needs 2 models; write T-S"),
    ],
)
def test_pairs_that_do_not_fit_are_refused(method, pair, message):
    with pytest.raises(InputError, match=message):
        _ = plan_of({method.name: [pair]}).cells


def test_teachers_that_stop_at_once_or_late_are_no_value():
    for share in (Fraction(0), Fraction(3, 2)):
        with pytest.raises(ValueError, match="teacher_share is more than 0 and at most 1"):
            Step("task", SUPERVISED.last.objective, teacher_share=share)
