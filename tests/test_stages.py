import os
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest

from retort.corpora import Corpus
from retort.distill.distances import KL
from retort.distill.objective import Objective, Term, hard, words
from retort.models.glm_architecture import Architecture, Leading
from retort.runs import ClozeRun, Optimiser, Pretraining
from retort.stages import Compression, Stage, Truncation, task_of, to_json

OPTIMISER = Optimiser(1e-4, (0.9, 0.98), 1e-6, 0.1, 1.0, "cosine", 0.05, 0.05)
SCHOOLING = Pretraining(OPTIMISER, Corpus("windows", 64, "paper"), 10, 8, 4)
SMALL = Architecture("S1", 2, 16, 2, 64, 0.1, 0.02)
LARGE = replace(SMALL, name="T1", layers=4)
TEACHER = Stage("pretraining", LARGE, hard(), SCHOOLING, "d4t4", 1)
STUDENT = Stage("pretraining", SMALL, words(KL(15.0)), SCHOOLING, "d4t4", 1, teachers=(TEACHER,))
RUN = ClozeRun("RTE", "RTE.0", OPTIMISER, 2, 8, None, "longest", "per_epoch", 64)
TUNED = Stage("task", SMALL, hard(), (RUN, replace(RUN, task="CB")), "d4t4", 1, init=STUDENT)


def test_ids_are_readable_and_stable():
    assert TEACHER.id == f"T1.pre.hard.s1.{TEACHER.digest}"
    assert TUNED.id == f"S1.task.hard.s1.{TUNED.digest}"
    assert STUDENT.id.startswith("S1.pre.words.s1.")
    assert Stage("pretraining", LARGE, hard(), SCHOOLING, "d4t4", 1).id == TEACHER.id


def test_ids_do_not_depend_on_the_process():
    code = (
        "from retort.models.glm_architecture import *; from retort.corpora import *; "
        "from retort.runs import *; from retort.stages import *; from retort.distill.objective import hard\n"
        "o = Optimiser(1e-4, (0.9, 0.98), 1e-6, 0.1, 1.0, 'cosine', 0.05, 0.05)\n"
        "s = Pretraining(o, Corpus('windows', 64, 'paper'), 10, 8, 4)\n"
        "print(Stage('pretraining', Architecture('T1', 4, 16, 2, 64, 0.1, 0.02), hard(), s, 'd4t4', 1).id)"
    )
    for seed in ("1", "2"):
        made = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert made.stdout.strip() == TEACHER.id


def test_names_of_sizes_are_not_part_of_the_identity():
    renamed = replace(TEACHER, architecture=replace(LARGE, name="other"))
    assert renamed.digest == TEACHER.digest
    assert replace(STUDENT, teachers=(renamed,)).id == STUDENT.id


CHANGES = {
    "architecture": {"architecture": replace(SMALL, width=32)},
    "objective": {"objective": words(KL(1.0))},
    "weight": {"objective": words(KL(15.0), weight=0.5)},
    "distance": {"objective": Objective((Term("words", KL(15.0, squared=False), mask="valid"),))},
    "length": {"schooling": replace(SCHOOLING, steps=11)},
    "optimiser": {"schooling": replace(SCHOOLING, optimiser=replace(OPTIMISER, eps=1e-8))},
    "data": {"data": "other"},
    "seed": {"seed": 2},
    "teacher": {"teachers": (replace(TEACHER, seed=2),)},
    "teachers": {"teachers": (TEACHER, replace(TEACHER, seed=2))},
    "truncated": {"truncated": Truncation(TEACHER, Leading())},
    "init": {"init": TEACHER},
    "compression": {"compression": Compression()},
    "lenses": {"carry_lenses": True},
    "precision": {"precision": "bfloat16"},
}


@pytest.mark.parametrize("what", CHANGES)
def test_everything_else_is(what):
    assert replace(STUDENT, **CHANGES[what]).digest != STUDENT.digest


def test_ancestors_count_through_their_digests():
    older = replace(TUNED, init=replace(STUDENT, teachers=(replace(TEACHER, data="other"),)))
    assert older.digest != TUNED.digest
    assert to_json(TUNED)["init"] == STUDENT.digest


def test_different_kinds_with_equal_fields_differ():
    @dataclass(frozen=True)
    class One:
        x: int = 1

    @dataclass(frozen=True)
    class Two:
        x: int = 1

    one, two = to_json(One()), to_json(Two())
    assert one != two and one["x"] == two["x"] == 1


def test_ancestors_come_without_repeats():
    assert replace(STUDENT, init=TEACHER, mapped_by=TEACHER).ancestors() == [TEACHER]
    assert TUNED.ancestors() == [STUDENT] and TEACHER.ancestors() == []
    second = replace(TEACHER, seed=2)
    cut = replace(STUDENT, teachers=(second, TEACHER), truncated=Truncation(TEACHER, Leading()))
    assert cut.ancestors() == [TEACHER, second]


def test_how_a_start_is_cut_is_part_of_the_identity():
    cut = replace(STUDENT, truncated=Truncation(TEACHER, Leading()))
    assert replace(STUDENT, truncated=Truncation(TEACHER, Leading(fused=False))).digest != cut.digest
    other = replace(STUDENT, truncated=Truncation(replace(TEACHER, data="other"), Leading()))
    assert len({cut.digest, other.digest, STUDENT.digest}) == 3


def test_the_order_of_teachers_is_part_of_the_identity():
    second = replace(TEACHER, seed=2)
    first, turned = (replace(STUDENT, teachers=pair) for pair in ((TEACHER, second), (second, TEACHER)))
    assert first.digest != turned.digest


def test_tasks_of_a_stage():
    assert TUNED.tasks == ("RTE", "CB")
    assert TEACHER.tasks == () == replace(TEACHER, schooling=None).tasks
    imported = replace(TEACHER, objective=Objective(()), schooling=None, imported="somewhere")
    assert imported.id.startswith("T1.pre.import.s1.")


def test_runs_bear_the_name_of_their_task_and_of_their_point_where_there_are_several():
    assert TUNED.runs == {"RTE": RUN, "CB": replace(RUN, task="CB")} and TEACHER.runs == {}
    large, fast = replace(RUN, batch_size=16), replace(RUN, optimiser=replace(OPTIMISER, learning_rate=2e-5))
    searched = replace(TUNED, schooling=(RUN, large, fast, replace(RUN, task="CB")))
    assert searched.runs == {
        "RTE@8-0.0001": RUN,
        "RTE@16-0.0001": large,
        "RTE@8-2e-05": fast,
        "CB": replace(RUN, task="CB"),
    }
    assert searched.tasks == ("RTE", "CB")
    assert [task_of(name) for name in searched.runs] == ["RTE", "RTE", "RTE", "CB"]


@pytest.mark.parametrize("value", [{1, 2}, b"x", object(), lambda: 1])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(TypeError, match="a stage cannot hold"):
        to_json(replace(TEACHER, data=value))
