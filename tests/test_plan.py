"""The plan: what there is, equal stages are one, mistakes get one line."""

from __future__ import annotations

import pytest
from small_plans import METHODS, chain, names, plan

from retort.cells import TEACHER_SEED
from retort.config import load, merge
from retort.errors import InputError

# What there is


def test_every_cell_once_and_teachers_first():
    found = plan()
    assert [(c.role, c.method, c.pair, c.seed) for c in found.cells] == [
        ("teacher", "GLM", "T1", TEACHER_SEED),
        *(("student", method, "T1-S1", seed) for method in METHODS for seed in (1, 2)),
    ]


def test_stages_come_after_what_they_need():
    seen = set()
    for name, stage in plan().stages.items():
        assert {parent.id for parent in stage.ancestors()} <= seen
        seen.add(name)


def test_the_methods_are_the_chains_of_the_paper():
    found = plan()
    phases = {method: [stage.phase for stage in chain(found, method)] for method in METHODS}
    assert phases == {
        "KD": ["task"],
        "PD": ["pretraining", "task"],
        "TinyBERT": ["pretraining", "task", "task"],
        "GLMD-vc": ["pretraining", "task", "task"],
        "GLMD": ["pretraining", "task", "task"],
    }
    for method in METHODS:
        for stage in chain(found, method):
            if stage.objective.needs_teacher:
                shown = found.pretrained("T1") if stage.phase == "pretraining" else found.cells[0].stages[0]
                assert stage.teachers == (shown,)
            else:
                assert stage.teachers == ()
            assert (stage.compression is not None) == (stage.mapped_by is not None) == (method == "GLMD")
    assert [stage.carry_lenses for stage in chain(found, "TinyBERT")] == [False, True, False]


def test_teachers_do_not_depend_on_the_seeds_of_students():
    assert plan({"seeds": [7]}).cells[0] == plan({"seeds": [1, 2]}).cells[0]


# Sharing


def test_methods_that_share_a_stage_share_its_id():
    found = plan()
    total = sum(len(chain(found, method, seed)) for method in METHODS for seed in (1, 2))
    students = [name for name, stage in found.stages.items() if stage.seed != TEACHER_SEED]
    assert total == 24 and len(students) == 24  # these five share nothing but their teacher
    shared = {teacher.id for stage in found.stages.values() for teacher in stage.teachers}
    assert shared == {found.pretrained("T1").id, found.cells[0].stages[0].id}


def two_teachers():
    """A second teacher of another size for the same student."""
    t2 = load("smoke").models["T1"].model_dump() | {"layers": 3}
    return {"models": {"T2": t2}, "pairs": ["T1-S1", "T2-S1"], "seeds": [1]}


def test_plain_pretraining_of_a_student_is_shared_by_its_pairs():
    found = plan(two_teachers())
    first, second = (chain(found, "PD", pair=pair) for pair in ("T1-S1", "T2-S1"))
    assert first[0].id == second[0].id and first[1].id != second[1].id
    assert chain(found, "TinyBERT", pair="T1-S1")[0].id != chain(found, "TinyBERT", pair="T2-S1")[0].id
    assert sum(stage.id == first[0].id for stage in found.stages.values()) == 1


def test_a_model_s_symbol_is_no_part_of_its_stages():
    renamed = {"models": {"X1": load("smoke").models["S1"].model_dump()}, "pairs": ["T1-X1"]}
    mine = [stage.digest for stage in chain(plan(renamed), "GLMD", pair="T1-X1")]
    assert mine == [stage.digest for stage in chain(plan(), "GLMD")]


def test_compressed_methods_share_one_map():
    found = plan()
    maps = {found.layout.vocabulary(s) for s in found.stages.values() if s.compression is not None}
    assert len(maps) == 1


# Code


def test_a_stage_s_code_is_that_of_its_phase_and_terms():
    found = plan()
    codes = {name: found.code(stage) for name, stage in found.stages.items()}
    by_method = {method: [codes[stage.id] for stage in chain(found, method)] for method in METHODS}
    assert by_method["GLMD"] == by_method["GLMD-vc"]
    assert len({*by_method["TinyBERT"], *by_method["GLMD"], *by_method["KD"]}) > 3
    assert codes[chain(found, "TinyBERT")[0].id] != codes[chain(found, "GLMD")[0].id]


# Mistakes


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            {"methods": ["KD", "GLMDD"]},
            "methods: no recipe for 'GLMDD'; did you mean 'GLMD'?",
        ),
        (
            {"quirks": {"soft-los-t2": "fixed"}},
            "quirks.soft-los-t2: no such quirk; did you mean 'soft-loss-t2'?",
        ),
        ({"quirks": {"cb-selection": "fixed"}}, "quirks.cb-selection: no switch 'fixed'; it has as_run"),
        (
            {"pairs": ["T1-S1", "T1-T1-S1"]},
            "pairs: T1-T1-S1: no method runs on these models; most need one teacher and one student, e.g.",
        ),
        (
            {"pairs": ["(T1,T1)-S1"]},
            "pairs: none of the methods runs on (T1,T1)-S1; most need one teacher and one student, e.g.",
        ),
    ],
)
def test_a_mistake_gets_one_line(overrides, message):
    with pytest.raises(InputError) as error:
        _ = plan(overrides).stages
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_an_unknown_stage_is_told_where_to_look():
    with pytest.raises(
        InputError, match="stage 'S1.pre.x.s1.0' is not in this plan; 'make plan' lists those"
    ):
        plan().stage("S1.pre.x.s1.0")


def test_an_unknown_model_is_named_with_those_there_are():
    with pytest.raises(InputError, match="models: no 'T7'; there are T1, T2, A1, A2, S1, "):
        plan().architecture("T7")


def test_quirks_rewrite_what_they_concern():
    before, after = names(plan()), names(plan({"quirks": {"soft-loss-t2": "as_published"}}))
    assert {name for name in before if before[name] != after[name]} == {"KD0.1", "KD0.2"}
    assert names(plan({"quirks": {"soft-loss-t2": "as_run"}})) == before


# Devices


def test_a_job_takes_the_devices_that_its_largest_model_needs():
    found = plan({"models": {"T1": {"devices": 4}, "S1": {"devices": 2}}})
    assert found.devices(found.pretrained("T1")) == 4
    assert found.devices(found.cells[0].stages[0]) == 4
    student = chain(found, "TinyBERT")
    assert all(stage.teachers for stage in student) and {found.devices(stage) for stage in student} == {4}
    alone = plan({"models": {"S1": {"devices": 2}}})
    assert {alone.devices(stage) for stage in chain(alone, "TinyBERT")} == {2}
    assert alone.devices(alone.pretrained("T1")) == 1


def test_an_imported_teacher_takes_one_device():
    found = plan({"models": {"T1": {"devices": 4}}, "import_teacher": {"T1": "checkpoints/glm"}})
    assert found.devices(found.pretrained("T1")) == 1


def test_the_number_of_devices_is_no_part_of_a_stage():
    one, several = plan(), plan({"models": {"T1": {"devices": 8}, "S1": {"devices": 2}}})
    assert names(one) == names(several)
    for name, stage in one.stages.items():
        assert one.code(stage) == several.code(several.stage(name))


# Groups, imports


def test_tasks_are_packed_into_jobs():
    found = plan({"task_training": {"tasks_per_job": 3}, "methods": ["TinyBERT"], "seeds": [1]})
    assert [len(group) for group in found.groups] == [3, 3, 2]
    for cell in found.cells:
        assert [stage.tasks for stage in cell.stages] == list(found.groups)
    student = found.cells[-1]
    assert len({stage.init.init.id for stage in student.stages}) == 1  # one pretraining for all groups
    for stage, tuned in zip(student.stages, found.cells[0].stages, strict=True):
        assert stage.teachers == (tuned,) and stage.init.tasks == stage.tasks


def test_an_imported_teacher_is_not_trained():
    found = plan({"import_teacher": {"T1": "checkpoints/glm"}})
    stage = found.pretrained("T1")
    assert stage.imported == "checkpoints/glm" and stage.schooling is None
    assert found.cells[0].stages[0].init == stage
    steps = merge(plan().config.model_dump(mode="json"), {"import_teacher": {"T1": "checkpoints/glm"}})
    longer = merge(steps, {"pretraining": {"teacher": {"steps": 99}}})
    assert plan(longer).pretrained("T1").id == stage.id
