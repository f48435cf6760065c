"""Gates: a teacher that has not learned enough stops the run with one line that says what to do."""

from __future__ import annotations

import pytest
from small_tracks import config_of, overrides, track_section

from retort.config import load
from retort.errors import RetortError
from retort.evaluation.gates import check_gates, check_teachers
from retort.files import read_json, write_json
from retort.plan import Plan

TASKS = ["RTE", "CB"]


def plan_with(tmp_path, gates, zero_shot=60.0, tuned=90.0, tasks_per_job=8):
    overrides = {"papers": ["glmd"], "tasks": TASKS, "methods": ["KD"], "seeds": [1], "gates": gates}
    overrides["task_training"] = {"tasks_per_job": tasks_per_job}
    plan = Plan(load("smoke", overrides), tmp_path)
    metrics = {
        "RTE": [{"accuracy": zero_shot}, {"accuracy": tuned}, {"accuracy": tuned - 30}],
        "CB": [{"accuracy": zero_shot, "f1": zero_shot - 20}, {"accuracy": tuned, "f1": tuned}],
    }
    (teacher,) = (cell for cell in plan.cells if cell.role == "teacher")
    for stage in teacher.stages:
        found = {task: {"evaluations": [{"all": entry} for entry in metrics[task]]} for task in stage.tasks}
        write_json(plan.layout.stage(stage) / "metrics.json", found)
    return plan


@pytest.mark.parametrize("tasks_per_job", [1, 8])
def test_a_good_teacher_passes_and_its_scores_are_kept(tmp_path, tasks_per_job):
    gates = {"zero_shot": {"RTE": 60, "CB": 50}, "fine_tuned_average": 90}  # just reached is enough
    plan = plan_with(tmp_path, gates, tasks_per_job=tasks_per_job)
    check_gates(plan)
    assert read_json(plan.layout.root / "gates.json") == {
        "T1": {
            "zero_shot": {"RTE": 60.0, "CB": 50.0},
            "fine_tuned": {"RTE": 90.0, "CB": 90.0},
            "fine_tuned_average": 90.0,
            "missed": [],
        }
    }


def test_no_gates_no_judgement(tmp_path):
    plan = plan_with(tmp_path, {"zero_shot": {}, "fine_tuned_average": None}, zero_shot=1.0, tuned=2.0)
    check_gates(plan)
    assert (plan.layout.root / "gates.json").exists()


@pytest.mark.parametrize(
    ("gates", "words"),
    [
        ({"zero_shot": {"RTE": 61}}, "T1 scores 60.0 on RTE before fine-tuning, 61 are asked for."),
        ({"zero_shot": {"CB": 85.5}}, "T1 scores 50.0 on CB before fine-tuning, 85.5 are asked for."),
        ({"fine_tuned_average": 95}, "T1 averages 90.0 after fine-tuning, 95 are asked for."),
        (
            {"zero_shot": {"RTE": 61}, "fine_tuned_average": 95},
            "T1 scores 60.0 on RTE before fine-tuning, 61 are asked for; T1 averages 90.0",
        ),
    ],
)
def test_a_missed_gate_stops_the_run(tmp_path, gates, words):
    plan = plan_with(tmp_path, gates)
    with pytest.raises(RetortError) as error:
        check_gates(plan)
    message = str(error.value)
    assert words in message and message.startswith("teacher gates: T1 ") and "\n" not in message
    assert "give it more steps (pretraining.teacher.steps), or lower the gates" in message
    assert error.value.exit_code == 1
    assert not (plan.layout.root / "gates.json").exists()


def test_after_a_search_the_best_run_is_judged(tmp_path):
    search = {"learning_rates": [0.1, 0.2], "batch_sizes": [8]}
    overrides = {"papers": ["glmd"], "tasks": ["RTE"], "methods": ["KD"], "task_training": {"search": search}}
    plan = Plan(load("smoke", overrides | {"gates": {"fine_tuned_average": 80}}), tmp_path)
    (stage,) = plan.cells[0].stages
    runs = {"RTE@8-0.1": [50.0, 60.0], "RTE@8-0.2": [50.0, 80.0, 70.0]}
    found = {
        name: {"evaluations": [{"all": {"accuracy": score}} for score in scores]}
        for name, scores in runs.items()
    }
    write_json(plan.layout.stage(stage) / "metrics.json", found)
    check_gates(plan)
    report = read_json(plan.layout.root / "gates.json")["T1"]
    assert (report["zero_shot"], report["fine_tuned"]) == ({"RTE": 50}, {"RTE": 80})


def students(plan):
    """The last stages of a method whose teacher is the one that is judged."""
    (cell,) = (cell for cell in plan.cells if cell.role == "student")
    return cell.stages


def test_a_student_does_not_learn_from_a_teacher_that_missed_a_gate(tmp_path):
    gates = {"zero_shot": {"RTE": 61}, "fine_tuned_average": 95}
    (student,) = students(plan := plan_with(tmp_path, gates))
    with pytest.raises(RetortError, match=r"^teacher gates: T1 scores 60.0 on RTE .*; T1 averages 90.0"):
        check_teachers(plan, student)
    check_teachers(plan, plan.cells[0].stages[0])  # the teacher itself has no teacher


def test_a_student_judges_by_what_it_waits_for(tmp_path):
    """Its teacher on its own tasks: others may not be finished."""
    gates = {"zero_shot": {"RTE": 61}, "fine_tuned_average": 95}
    plan = plan_with(tmp_path, gates, tasks_per_job=1)
    on_rte, on_cb = students(plan)
    (plan.layout.stage(on_rte.teachers[0]) / "metrics.json").rename(tmp_path / "unfinished")
    check_teachers(plan, on_cb)  # the average would need RTE
    (tmp_path / "unfinished").rename(plan.layout.stage(on_rte.teachers[0]) / "metrics.json")
    with pytest.raises(RetortError, match=r"T1 scores 60.0 on RTE .*, 61 are asked for\. The"):
        check_teachers(plan, on_rte)
    with pytest.raises(RetortError, match="T1 averages 90.0 after fine-tuning, 95 are asked for"):
        check_gates(plan)


def test_assistants_are_not_gated(tmp_path):
    overrides = {
        "papers": ["glmd"],
        "tasks": TASKS,
        "methods": ["TAKD"],
        "gates": {"fine_tuned_average": 100},
    }
    plan = Plan(load("smoke", overrides), tmp_path)
    (student,) = students(plan)
    (assistant,) = student.teachers
    assert assistant.id not in {stage.id for stage in plan.cells[0].stages}
    check_teachers(plan, student)  # reads nothing


# Teachers of several papers


def two_papers(tmp_path, gates, scores, glmd=50.0):
    """GLMD's teacher and two of CKA's; ``scores`` by teacher and task: evaluations."""
    tracks = {
        "bert": track_section("BERT", [], gates=gates.get("BERT", {})),
        "bart": track_section("BART", ["BART none"], gates=gates.get("BART", {})),
    }
    tracks["bert"]["methods"] = {"BERT CKA": ["BERT_1"]}
    tracks["bert"]["tasks"] |= {"STS-B": {"source": 24}}
    made = overrides(**tracks) | {
        "papers": ["glmd", "cka"],
        "tasks": ["RTE"],
        "methods": ["KD"],
        "seeds": [1],
    }
    made["gates"] = {"zero_shot": {"RTE": gates["T1"]}} if "T1" in gates else {}
    plan = Plan(config_of(made), tmp_path)
    scores = {"T1": {"RTE": [{"accuracy": glmd}]}} | scores
    for cell in plan.cells:
        if cell.role == "teacher":
            entries = {task: [{"all": e} for e in found] for task, found in scores[cell.pair].items()}
            metrics = {task: {"evaluations": found} for task, found in entries.items()}
            write_json(plan.layout.stage(cell.stages[0]) / "metrics.json", metrics)
    return plan


SCORES = {
    "BERT": {
        "RTE": [{"accuracy": 40.0}, {"accuracy": 75.0}, {"accuracy": 70.0}],
        "STS-B": [{"spearman": -20.0, "pearson": 90.0}, {"spearman": 30.0, "pearson": -10.0}],
    },
    "BART": {"XSum": [{"rouge2": 5.0, "rouge1": 80.0}, {"rouge2": 60.0, "rouge1": 61.0}]},
}
"""The first metric leads."""


def test_teachers_of_tracks_are_judged_by_their_own_gates(tmp_path):
    plan = two_papers(tmp_path, {"BERT": {"RTE": 75, "STS-B": 30}, "BART": {"XSum": 60}}, SCORES)
    check_gates(plan)
    found = read_json(plan.layout.root / "gates.json")
    assert set(found) == {"T1", "BERT", "BART"} and not any(report["missed"] for report in found.values())
    assert found["BERT"]["zero_shot"] == {"RTE": 40, "STS-B": -20}
    assert found["BERT"]["fine_tuned"] == {"RTE": 75, "STS-B": 30}
    assert found["BART"]["fine_tuned"] == {"XSum": 60} and found["T1"]["fine_tuned"] == {"RTE": 50}


@pytest.mark.parametrize(
    ("gates", "line"),
    [
        ({"BERT": {"RTE": 76}}, "BERT scores 75.0 on RTE after fine-tuning, 76 are asked for"),
        ({"BERT": {"STS-B": 31}}, "BERT scores 30.0 on STS-B after fine-tuning, 31 are asked for"),
        ({"BART": {"XSum": 61}}, "BART scores 60.0 on XSum after fine-tuning, 61 are asked for"),
    ],
)
def test_a_track_s_missed_gate_names_the_teacher_and_its_keys(tmp_path, gates, line):
    plan = two_papers(tmp_path, gates, SCORES)
    with pytest.raises(RetortError) as error:
        check_gates(plan)
    assert f"teacher gates: {line}. The teacher" in str(error.value)
    assert "(pretraining.teacher.steps or task_training.epochs.teacher of its track)" in str(error.value)


def test_one_paper_s_rte_is_not_the_other_s(tmp_path):
    plan = two_papers(tmp_path, {"T1": 60}, SCORES, glmd=60.0)  # BERT's has 40 before it is trained
    check_gates(plan)
    plan = two_papers(tmp_path, {"T1": 60, "BERT": {"RTE": 70}}, SCORES, glmd=59.0)
    with pytest.raises(RetortError, match=r"gates: T1 scores 59.0 on RTE before fine-tuning, 60 are asked"):
        check_gates(plan)


def test_a_track_s_student_waits_for_its_own_teacher_alone(tmp_path):
    plan = two_papers(tmp_path, {"BERT": {"RTE": 76}}, SCORES)
    student = {cell.method: cell.stages[0] for cell in plan.cells}
    (plan.layout.stage(student["GLM"]) / "metrics.json").unlink()
    with pytest.raises(RetortError, match="BERT scores 75.0 on RTE"):
        check_teachers(plan, student["BERT CKA"])
    check_teachers(plan, student["BART none"])


def test_prompts_are_gated_by_set(tmp_path):
    config = load("smoke", {"papers": ["atkd"]})
    track = config.atkd.tracks["opt"]
    (first, *_), (name, *_) = track.teachers, track.instructions.sets
    gates = {"papers": ["atkd"], "atkd": {"tracks": {"opt": {"gates": {name: 70}}}}}
    plan = Plan(load("smoke", gates), tmp_path)
    for score, passes in ((70.0, True), (69.0, False)):
        for cell in plan.cells:
            sets = dict.fromkeys(plan.config.atkd.tracks["opt"].instructions.sets, 90.0) | {name: score}
            for stage in cell.stages if cell.role == "teacher" else ():
                found = {run: {"evaluations": [{"all": sets}]} for run in stage.runs}
                write_json(plan.layout.stage(stage) / "metrics.json", found)
        if passes:
            check_gates(plan)
            assert read_json(plan.layout.root / "gates.json")[first]["fine_tuned"][name] == 70
        else:
            with pytest.raises(RetortError, match=f"{first} scores 69.0 on {name} after fine-tuning, 70 are"):
                check_gates(plan)
