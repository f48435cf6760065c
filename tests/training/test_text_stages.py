"""Stages of BERT, BART, mBART and T5: what is published, that killed runs end with the same bytes."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
transformers = pytest.importorskip("transformers")

from retort.distill.binding import BoundObjective  # noqa: E402
from retort.distill.objective import Objective  # noqa: E402
from retort.errors import InputError  # noqa: E402
from retort.evaluation.decoding import Decoding  # noqa: E402
from retort.evaluation.validation_losses import validation_losses  # noqa: E402
from retort.files import SEAL, verify  # noqa: E402
from retort.models.checkpoint import load_tensors  # noqa: E402
from retort.quirks import rewrite  # noqa: E402
from retort.recipes.cka import METHODS  # noqa: E402
from retort.runs import Pretraining  # noqa: E402
from retort.training.loop import Trainer  # noqa: E402
from retort.training.pretraining import import_teacher, training_stream  # noqa: E402
from retort.training.setup import load_frozen, load_teachers, starting_family  # noqa: E402
from retort.training.tasks import TaskBatches  # noqa: E402

CPU = torch.device("cpu")
ROWS = {
    "BERT linear": ("pretraining", "task"),
    "BART linear C4": ("pretraining", "task"),
    "mBART CKA": ("pretraining", "task"),
    "T5 CKA": ("task",),
}
STAGES = [(name, number) for name, phases in ROWS.items() for number in range(len(phases))]
LENSES = {("BERT linear", 0), ("BART linear C4", 0), ("BART linear C4", 1)}


def of(text_workshop, name, number):
    """Stage ``number`` of a row, and its folder."""
    stage = text_workshop.stage(name, number)
    return stage, text_workshop.plan.layout.stage(stage)


def published(text_workshop, name, number):
    """The folders of a stage that hold a model: itself, or one a task."""
    stage, folder = of(text_workshop, name, number)
    return [folder] if stage.phase == "pretraining" else [folder / "tasks" / run for run in stage.runs]


# What is published


@pytest.mark.parametrize(("name", "number"), STAGES)
def test_a_stage_publishes_its_model_logs_and_card(text_workshop, name, number):
    generates = set() if name.startswith("BERT") else {"generation_config.json"}
    stage, _ = of(text_workshop, name, number)
    wanted = {
        "config.json",
        "model.safetensors",
        "log.jsonl",
        "distances.jsonl",
        "card.json",
        SEAL,
    } | generates
    wanted |= {"lenses.safetensors"} if (name, number) in LENSES else set()
    wanted |= {"predictions.jsonl", "metrics.json"} if stage.phase == "task" else set()
    for folder in published(text_workshop, name, number):
        assert {path.name for path in folder.iterdir()} == wanted
        verify(folder / "model.safetensors")
    assert not list(text_workshop.plan.layout.root.glob(".scratch/*"))


@pytest.mark.parametrize(("name", "number"), STAGES)
def test_any_program_loads_what_is_published(text_workshop, name, number):
    """By transformers' own classes; nothing is missing, nothing surplus, and no lens is in it."""
    stage, _ = of(text_workshop, name, number)
    for folder in published(text_workshop, name, number):
        config = transformers.AutoConfig.from_pretrained(folder)
        kind = getattr(transformers, config.architectures[0])
        module, info = kind.from_pretrained(folder, output_loading_info=True)
        assert not info["missing_keys"] and not info["unexpected_keys"]
        task = folder.name if stage.phase == "task" else None
        ours = load_frozen(stage, text_workshop.job(stage), task).module.state_dict()
        theirs = module.state_dict()
        assert ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)
        assert not [key for key in load_tensors(folder / "model.safetensors") if "lens" in key]
    if name == "BERT linear" and number == 1:
        classes = [
            transformers.AutoConfig.from_pretrained(f).num_labels for f in published(text_workshop, name, 1)
        ]
        assert classes == [1, 3, 2]  # STS-B, MNLI, RTE


@pytest.mark.parametrize(("name", "number"), STAGES)
def test_a_run_goes_on_from_the_stage_before_and_trains(text_workshop, name, number):
    stage, _ = of(text_workshop, name, number)
    run = None if stage.phase == "pretraining" else next(iter(stage.runs))
    start = starting_family(stage, text_workshop.job(stage), run).module.state_dict()
    end = load_tensors(published(text_workshop, name, number)[0] / "model.safetensors")
    assert any(not torch.equal(start[key], value) for key, value in end.items())
    if stage.init is not None:
        before = load_tensors(text_workshop.plan.layout.stage(stage.init) / "model.safetensors")
        kept = [key for key in before if key in start]
        assert len(kept) > 10 and all(torch.equal(start[key], before[key]) for key in kept)


@pytest.mark.parametrize(
    ("name", "number", "saves", "at"),
    [("BERT linear", 0, {2}, 3), ("BART linear C4", 0, {1, 3}, 3), ("mBART CKA", 0, set(), 2),
     ("BERT linear", 1, {2, 4}, 5), ("BART linear C4", 1, {1}, 3), ("T5 CKA", 0, {2, 3}, 3)],
)  # fmt: skip
def test_a_killed_run_ends_with_the_same_bytes(
    text_workshop, newest_best, tmp_path, kill, killed, contents, name, number, saves, at
):
    """With dropout; some die right after a state was saved, some before any."""
    stage, folder = of(text_workshop, name, number)
    copy = text_workshop.without(stage, tmp_path)
    kill(saves, at)
    with pytest.raises(killed):
        copy.run(stage)
    assert not copy.plan.layout.stage(stage).exists()
    kill.off()
    assert contents(copy.run(stage)) == contents(folder)


# What is measured


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["BERT linear", "BART linear C4", "mBART CKA"])
def test_distances_on_the_corpus(text_workshop, name):
    stage, folder = of(text_workshop, name, 0)
    found, log = lines(folder / "distances.jsonl"), lines(folder / "log.jsonl")
    assert [entry["step"] for entry in found] == [entry["step"] for entry in log] == [1, 2, 3, 4]
    assert [entry["loss"] for entry in found] == [entry["loss"] for entry in log]
    stacks = ["hidden"] if name.startswith("BERT") else ["encoder", "hidden"]
    for entry in found:
        assert {f"{d}:{s}:{i}" for d in ("cka", "gram_mse") for s in stacks for i in (0, 1)} <= entry.keys()
        assert {"lm_loss", "kl:words"} <= entry.keys() and 0 <= entry["cka:hidden:1"] <= 1
    for entry in log:
        assert sum(entry["parts"].values()) == pytest.approx(entry["loss"], rel=1e-5)
        assert {part.partition("-")[2] for part in entry["parts"]} == {t.site for t in stage.objective.terms}


def test_distances_on_tasks(text_workshop):
    for folder, name in zip(published(text_workshop, "BERT linear", 1), ("mse", "kl", "kl"), strict=True):
        found = lines(folder / "distances.jsonl")
        assert {"class_loss", f"{name}:class", "cka:hidden:1"} <= found[-1].keys()
        assert found[-1]["step"] == 6 and "lm_loss" not in found[-1]
    (folder,) = published(text_workshop, "T5 CKA", 0)
    assert {"lm_loss", "kl:words", "cka:encoder:1"} <= lines(folder / "distances.jsonl")[-1].keys()


def evaluations(folder):
    return json.loads((folder / "metrics.json").read_text())["evaluations"]


@pytest.mark.parametrize(("name", "number"), [("BART linear C4", 1), ("mBART CKA", 1), ("T5 CKA", 0)])
def test_losses_of_texts_stand_beside_their_metrics(text_workshop, name, number):
    """The last evaluation is the published model's; again from its folder."""
    stage, _ = of(text_workshop, name, number)
    (run,), (folder,), job = (
        stage.runs.values(),
        published(text_workshop, name, number),
        text_workshop.job(stage),
    )
    student, (teacher,) = load_frozen(stage, job, run.task), load_teachers(stage, job, run.task)
    lesson = run.lesson(job.layout.text(stage.data), job.layout.text(run.text))
    found = validation_losses(student, teacher, [lesson.collate(lesson._dev)])
    assert evaluations(folder)[-1]["losses"] == pytest.approx(found, rel=1e-5)
    assert [set(entry["losses"]) for entry in evaluations(folder)] == [{"clm", "kl"}] * 3
    taught = evaluations(text_workshop.plan.layout.task_model(stage.teachers[0], run.task))
    assert [set(entry["losses"]) for entry in taught] == [{"clm"}] * 3
    assert taught[-1]["losses"]["clm"] < taught[0]["losses"]["clm"]


def test_classes_have_no_losses(text_workshop):
    for folder in published(text_workshop, "BERT linear", 1):
        assert not any("losses" in entry for entry in evaluations(folder))


@pytest.mark.parametrize(("name", "number"), [(n, i) for n, i in STAGES if ROWS[n][i] == "task"])
def test_predictions_and_metrics_are_those_of_the_published_model(text_workshop, tmp_path, name, number):
    stage, _ = of(text_workshop, name, number)
    job = text_workshop.job(stage)
    for run, folder in zip(stage.runs.values(), published(text_workshop, name, number), strict=True):
        lesson = run.lesson(job.layout.text(stage.data), job.layout.text(run.text))
        student = load_frozen(stage, job, run.task)
        judged = lesson.judge(student, [], CPU, job.world)
        last = evaluations(folder)[-1]
        assert (judged.metrics, judged.select, judged.report) == (last["all"], last["select"], last["report"])
        assert set(judged.metrics) >= set(run.scoring.leading)
        judged.write(tmp_path / "again.jsonl")
        assert (tmp_path / "again.jsonl").read_bytes() == (folder / "predictions.jsonl").read_bytes()


# What is optimised


@pytest.mark.parametrize(("name", "number"), sorted(LENSES))
def test_lenses_have_their_own_rate_and_decay(text_workshop, tmp_path, monkeypatch, killed, name, number):
    stage, _ = of(text_workshop, name, number)
    seen = []

    def update(self, batches, epoch=0):
        seen.append(self)
        raise killed

    monkeypatch.setattr(Trainer, "update", update)
    with pytest.raises(killed):
        text_workshop.without(stage, tmp_path).run(stage)
    (optimiser,) = seen[0].optimisers
    lenses = {id(parameter) for parameter in seen[0].objective.parameters()}
    settings, found = seen[0].settings, {True: [], False: []}
    for group in optimiser.param_groups:
        (kind,) = {id(parameter) in lenses for parameter in group["params"]}  # none has both
        found[kind].append(group)
    assert sum(len(group["params"]) for group in found[True]) == len(lenses) > 0
    assert {group["peak"] for group in found[True]} == {settings.lenses.learning_rate}
    assert {group["weight_decay"] for group in found[True]} <= {settings.lenses.weight_decay, 0.0}
    assert {group["peak"] for group in found[False]} == {settings.learning_rate}
    times = 1 if name == "BERT linear" else 1e-4 / 3e-5  # as in the scripts
    assert settings.lenses.learning_rate == pytest.approx(times * settings.learning_rate)


# Micro-batches


def gradients(stage, job, run, objective, batches):
    """Of a global batch in double precision, without dropout; and the loss."""
    task = None if run is None else run.task
    student = starting_family(stage, job, None if run is None else run.task)
    teachers = load_teachers(stage, job, task)
    torch.manual_seed(5)
    bound = BoundObjective(objective, student.shape, [teacher.shape for teacher in teachers])
    for part in (student.module, *(teacher.module for teacher in teachers), bound):
        part.double()
    settings = stage.schooling.optimiser if run is None else run.optimiser
    trainer = Trainer(student, teachers, bound, dataclasses.replace(settings, clip_norm=None), 4)
    student.module.eval()
    found = []

    def keep():
        found.extend(p.grad.clone() for p in trainer.parameters if p.grad is not None)

    (optimiser,) = trainer.optimisers
    optimiser.step = keep
    return trainer.update(batches).loss, found


def batches_of(stage, job, run, micro):
    if run is None:
        settings = dataclasses.replace(stage.schooling, micro_batch_size=micro)
        return training_stream(stage, settings, job)(1)
    lesson = run.lesson(job.layout.text(stage.data), job.layout.text(run.text))
    settings = dataclasses.replace(run, micro_batch_size=micro)
    return TaskBatches(lesson.train, lesson.collate, settings, stage.seed)(0)


def split_and_whole(text_workshop, name, number, objective, micro, task=None):
    stage, _ = of(text_workshop, name, number)
    job = text_workshop.job(stage)
    run = None if stage.phase == "pretraining" else stage.runs[task or next(iter(stage.runs))]
    found = []
    for size in (micro, 4):
        batches = batches_of(stage, job, run, size)
        assert len(batches) == -(-4 // size)
        found.append(gradients(stage, job, run, objective or stage.objective, batches))
    return found


@pytest.mark.parametrize("micro", [1, 3])
@pytest.mark.parametrize(
    ("name", "number", "task"),
    [("BERT linear", 0, None), ("BART linear C4", 0, None), ("BART linear C4", 1, None),
     *(("BERT linear", 1, task) for task in ("RTE", "STS-B", "MNLI"))],
)  # fmt: skip
def test_any_split_of_a_batch_gives_the_same_gradient(text_workshop, name, number, task, micro):
    (loss, split), (wanted, whole) = split_and_whole(text_workshop, name, number, None, micro, task)
    assert loss == pytest.approx(wanted, rel=1e-9) and len(split) == len(whole) > 10
    for mine, theirs in zip(split, whole, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize(("name", "number"), [("mBART CKA", 0), ("mBART CKA", 1), ("T5 CKA", 0)])
def test_cka_of_the_whole_batch_is_gathered_from_its_parts(text_workshop, name, number):
    """As switched by quirk ``cka-micro-batch``; as run, each part is compared by itself."""
    method = rewrite(next(m for m in METHODS if m.name == name), {"cka-micro-batch": "fixed"})
    objective = method.steps[number].objective
    (loss, split), (wanted, whole) = split_and_whole(text_workshop, name, number, objective, 2)
    assert loss == pytest.approx(wanted, rel=1e-9) and len(split) == len(whole) > 10
    for mine, theirs in zip(split, whole, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-10)
    (apart, _), (same, _) = split_and_whole(text_workshop, name, number, None, 2)
    assert same == pytest.approx(wanted, rel=1e-9) and apart != pytest.approx(wanted, rel=1e-4)


# Imported teachers


def imported(text_workshop, folder, tmp_path):
    """The BART teacher's stage as an import of a folder, and a job that writes elsewhere."""
    _, student = (text_workshop.stage("BART linear C4", number) for number in (0, 1))
    teacher = student.teachers[0].init
    stage = dataclasses.replace(teacher, objective=Objective(()), schooling=None, imported=str(folder))
    job = text_workshop.job(teacher)
    root = tmp_path / "elsewhere" / job.layout.root.name
    root.mkdir(parents=True)
    (root / "text").symlink_to((job.layout.root / "text").absolute())
    return teacher, stage, dataclasses.replace(job, layout=dataclasses.replace(job.layout, root=root))


def test_an_imported_teacher_is_the_folder_s_model(text_workshop, tmp_path):
    teacher = text_workshop.stage("BART linear C4", 1).teachers[0].init
    source = text_workshop.plan.layout.stage(teacher)
    _, stage, job = imported(text_workshop, source, tmp_path)
    import_teacher(stage, job)
    made = job.layout.stage(stage)
    assert (made / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert json.loads((made / "card.json").read_text())["stage"]["imported"] == str(source)
    assert (made / "distances.jsonl").read_text() == (made / "log.jsonl").read_text() == ""


def test_another_model_is_refused_and_nothing_is_written(text_workshop, tmp_path):
    other = published(text_workshop, "BART linear C4", 0)[0]  # the student, which is smaller
    _, stage, job = imported(text_workshop, other, tmp_path)
    with pytest.raises(InputError, match=r"is a bart of .*, BART a bart of .*; mend the model's"):
        import_teacher(stage, job)
    assert not job.layout.stage(stage).exists()


def test_stages_hold_the_track_s_settings(text_workshop):
    """What the tests above rest on."""
    assert isinstance(of(text_workshop, "BERT linear", 0)[0].schooling, Pretraining)
    (run,) = of(text_workshop, "T5 CKA", 0)[0].runs.values()
    assert run.decoding == Decoding(12) and (run.length, run.source, run.target) == (24, 24, 12)
