"""The plan: equal stages are one, a changed value changes just what it can affect, mistakes get one line."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter

import pytest

from retort.cells import TEACHER_SEED
from retort.config import REPOSITORY, load, merge
from retort.errors import InputError
from retort.plan import Plan

METHODS = ["KD", "PD", "TinyBERT", "GLMD-vc", "GLMD"]


FEW = {
    "methods": METHODS,
    "pairs": ["T1-S1"],
    "columns": "all",
    "seeds": [1, 2],
    "variants": {"tables": [], "quirks": [], "seeds": [1]},
}
"""Of all that the smoke scale has, what can be counted by hand."""


def plan(overrides=None, scale="smoke"):
    return Plan(load(scale, (FEW if scale == "smoke" else {}) | (overrides or {})))


def chain(plan, method, seed=1, pair="T1-S1"):
    """A method's stages, first to last."""
    cell = next(c for c in plan.cells if (c.method, c.seed, c.pair) == (method, seed, pair))
    stage, found = cell.stages[0], []
    while stage is not None:
        found.insert(0, stage)
        stage = stage.init
    return found


def names(plan):
    """Each stage by a name that no value changes: who makes it and which it is."""
    found = {"teacher": plan.pretrained("T1").id, "tuned": plan.cells[0].stages[0].id}
    for method, seed in itertools.product(plan.config.methods, plan.config.seeds):
        for number, stage in enumerate(chain(plan, method, seed)):
            found[f"{method}{number}.{seed}"] = stage.id
    return found


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


# What a changed value changes

ALL = set(names(plan()))
TEACHER = {"teacher", "tuned"}
PRETRAINED = {f"{m}{n}.{s}" for m in METHODS[1:] for n in range(3) for s in (1, 2)} & ALL
DISTILLED_FIRST = {name for name in PRETRAINED if not name.startswith("PD")}
STUDENTS = ALL - TEACHER
TASK_STUDENTS = STUDENTS - {f"{m}0.{s}" for m in METHODS[1:] for s in (1, 2)}
GLMD = {name for name in ALL if name.startswith("GLMD") and not name.startswith("GLMD-vc")}


@pytest.mark.parametrize(
    ("overrides", "changed"),
    [
        ({"device": "auto"}, set()),
        ({"gates": {"fine_tuned_average": 1}}, set()),
        ({"models": {"Z9": load("smoke").models["S1"].model_dump()}}, set()),
        ({"task_training": {"learning_rate": {"student": 0.5}}}, TASK_STUDENTS),
        ({"task_training": {"learning_rate": {"teacher": 0.5}}}, {"tuned"} | TASK_STUDENTS),
        ({"task_training": {"epochs": 9}}, {"tuned"} | TASK_STUDENTS),
        ({"pretraining": {"student": {"steps": 9}}}, PRETRAINED),
        ({"pretraining": {"teacher": {"steps": 9}}}, ALL - {"PD0.1", "PD0.2"}),
        ({"pretraining": {"masking": "paper"}}, ALL),
        ({"models": {"S1": {"layers": 1}}}, STUDENTS),
        ({"models": {"T1": {"layers": 3}}}, ALL - {"PD0.1", "PD0.2"}),
        ({"compression": {"multiple_of": 16}}, GLMD),
        ({"compression": {"reserved_targets": True}}, GLMD),
        ({"data": {"pocket": {"world_seed": 2}}}, ALL),
        ({"data": {"vocabulary": {"multiple_of": 64}}}, ALL),
        ({"precision": "bfloat16"}, ALL),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_a_value_changes_just_what_it_can_affect(overrides, changed):
    before, after = names(plan()), names(plan(overrides))
    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    ("overrides", "kept"),
    [
        ({"seeds": [1, 2, 3]}, ALL),
        ({"seeds": [2]}, {n for n in ALL if n[-1] != "1"}),
        ({"methods": ["KD"]}, None),
    ],
)
def test_more_or_fewer_cells_leave_the_others_as_they_are(overrides, kept):
    before, after = names(plan()), names(plan(overrides))
    common = before.keys() & after.keys()
    assert all(before[name] == after[name] for name in common)
    assert kept is None or common == kept


def test_scales_do_not_share_folders():
    assert plan().layout.root.name == "smoke" and plan(scale="pocket").layout.root.name == "pocket"


def test_ids_are_file_names():
    for name in plan(scale="paper").stages:
        assert len(name) < 100 and "/" not in name and " " not in name


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


# Groups, embeddings, imports, hyper-parameters


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


def hyper_parameters(tmp_path, text):
    path = tmp_path / "rates.csv"
    path.write_text(text)
    return {"task_training": {"hyper_parameters": str(path)}}


HEAD = "method,config,task,batch_size,learning_rate\n"


def test_a_table_of_hyper_parameters_overrides_both(tmp_path):
    rows = "TinyBERT,T1-S1,RTE,4,7e-6\nGLM (teacher),T1,CB,2,3e-5\nTinyBERT,T2-S2,RTE,1,1\n"
    found = plan(hyper_parameters(tmp_path, HEAD + rows))
    runs = {run.task: run for run in chain(found, "TinyBERT")[1].schooling}
    assert (runs["RTE"].batch_size, runs["RTE"].optimiser.learning_rate) == (4, 7e-6)
    assert (runs["CB"].batch_size, runs["CB"].optimiser.learning_rate) == (8, 1e-3)
    tuned = {run.task: run for run in found.cells[0].stages[0].schooling}
    assert (tuned["CB"].batch_size, tuned["CB"].optimiser.learning_rate) == (2, 3e-5)
    assert names(found)["KD0.1"] != names(plan())["KD0.1"]  # its teacher changed
    assert names(found)["PD0.1"] == names(plan())["PD0.1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            HEAD + "KD,T1-S1,RTE,4,1e-5\nKD,T1-S1,CB,few,1e-5\n",
            "rates.csv:3: batch_size 'few' and learning_rate '1e-5' are to be",
        ),
        (HEAD + "KD,T1-S1,RTE,4\n", "rates.csv:2: batch_size '4' and learning_rate None"),
        ("method,task\nKD,RTE\n", "rates.csv:1: column 'config' is missing; the columns are method, config"),
    ],
)
def test_a_malformed_table_is_named_with_its_line(tmp_path, text, message):
    with pytest.raises(InputError) as error:
        plan(hyper_parameters(tmp_path, text))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_missing_table_is_named():
    with pytest.raises(InputError, match="task_training.hyper_parameters: nowhere.csv is not a file"):
        plan({"task_training": {"hyper_parameters": "nowhere.csv"}})


# Search

GRID = {"learning_rates": [2e-5, 5e-6], "batch_sizes": [32, 16]}
SEARCH = {"task_training": {"search": GRID}}


def test_a_search_puts_its_points_into_the_stages_there_are():
    found, before = plan(SEARCH), plan()
    assert len(found.stages) == len(before.stages)
    grid = [(16, 5e-6), (16, 2e-5), (32, 5e-6), (32, 2e-5)]
    for new, old in zip(found.stages.values(), before.stages.values(), strict=True):
        assert (new.id == old.id) == (new.phase == "pretraining") and new.tasks == old.tasks
        points = [(run.task, run.batch_size, run.optimiser.learning_rate) for run in new.runs.values()]
        assert points == [(task, *point) for task in old.tasks for point in grid]


def test_the_order_of_a_search_is_no_part_of_its_stages():
    turned = {name: values[::-1] for name, values in GRID.items()}
    assert names(plan({"task_training": {"search": turned}})) == names(plan(SEARCH))


def test_a_search_of_one_point_is_that_point():
    one = {"search": {"learning_rates": [1e-3], "batch_sizes": [8]}}
    teachers = {"learning_rate": {"teacher": 1e-3}}
    assert names(plan({"task_training": one})) == names(plan({"task_training": teachers}))


def test_the_paper_s_search_costs_runs_but_no_stage():
    chosen, searched = plan(scale="paper"), Plan(load(REPOSITORY / "config" / "paper-search.yaml"))
    assert len(searched.stages) == len(chosen.stages)
    runs = [sum(len(stage.runs) for stage in each.stages.values()) for each in (chosen, searched)]
    assert runs[1] == 6 * runs[0] > 0
    pretrained = [
        {s.id for s in each.stages.values() if s.phase == "pretraining"} for each in (chosen, searched)
    ]
    assert pretrained[0] == pretrained[1] and searched.layout == chosen.layout
    points = {
        (run.batch_size, run.optimiser.learning_rate)
        for stage in searched.stages.values()
        for run in stage.runs.values()
    }
    assert points == {(size, rate) for size in (16, 32) for rate in (5e-6, 1e-5, 2e-5)}


# Scales


@pytest.mark.parametrize("scale", ["smoke", "pocket", "paper"])
def test_every_scale_has_a_plan(scale):
    found = plan(scale=scale)
    assert len(found.stages) > 10
    for name, stage in found.stages.items():
        assert found.stage(name) is stage and len(found.code(stage)) == 16


def test_the_real_scale_has_a_plan_once_it_has_a_folder(tmp_path):
    assert len(plan({"data_root": str(tmp_path)}, "real").stages) > 10


def test_the_paper_scale_has_the_published_hyper_parameters():
    found = plan(scale="paper")
    stages = [stage for stage in found.stages.values() if stage.phase == "task"]
    assert found.schooling.rates and {run.batch_size for stage in stages for run in stage.schooling} > {16}


def test_the_paper_scale_can_be_planned_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plan(scale="paper").schooling.rates


def test_attention_is_compared_with_as_many_heads():
    """340M -> 66M: such methods' students have the teacher's 16 heads, the others their own 12."""
    found = plan(scale="paper")
    heads = {
        method: {stage.architecture.heads for stage in chain(found, method, 1234, "T2-S2")}
        for method in ("TinyBERT", "GLMD")
    }
    assert heads == {"TinyBERT": {16}, "GLMD": {12}}
    odd = {"models": {"S1": {"heads": 4, "width": 12}, "T1": {"heads": 8}}}
    with pytest.raises(InputError, match="T1's 8 heads do not divide S1's width 12; change models.S1"):
        _ = plan(odd).stages


def test_embeddings_of_half_the_width():
    from dataclasses import replace

    from retort.recipes.glmd import PD
    from retort.students import architecture, student_architecture

    found = plan()
    base = architecture("S1", found.config.models["S1"])
    for kind in ("factorised", "trigram"):
        student = student_architecture(found, replace(PD, embedding=kind), "T1-S1", "S1")
        assert getattr(student, kind) == base.width // 2 and replace(student, **{kind: None}) == base


def test_planning_does_each_thing_about_once(monkeypatch):
    """Work is counted rather than timed: digests by stage, fingerprints by kind of stage."""
    from retort import fingerprint, stages

    counts = Counter()

    def counted(owner, name):
        real = getattr(owner, name)

        def call(*arguments):
            counts[name] += 1
            return real(*arguments)

        monkeypatch.setattr(owner, name, call)

    counted(stages, "digest_of")
    counted(fingerprint.CodeGraph, "_hash")
    fingerprint._graph.cache_clear()
    found = Plan(load(REPOSITORY / "config" / "paper-search.yaml"))
    codes = {found.code(stage) for stage in found.stages.values()}
    assert len(found.stages) > 3000 > 100 > len(codes)
    # Methods that share a stage make it each; groups of tasks, teachers and their students do not.
    assert counts["digest_of"] < 1.15 * len(found.stages)
    assert counts["_hash"] < 1.5 * len(codes)


def test_planning_imports_no_torch():
    script = (
        "import sys; from retort.config import load; from retort.plan import Plan; p = Plan(load('paper'));"
        "[p.code(s) for s in p.stages.values()]; slow = {'torch', 'transformers', 'pandas', 'scipy'};"
        "sys.exit(' '.join(slow & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
