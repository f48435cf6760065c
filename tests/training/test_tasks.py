"""Task stages: killed anywhere they end with the same bytes; the best evaluation is kept."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from retort.data.store import load_examples
from retort.errors import RetortError
from retort.files import seal
from retort.models.checkpoint import load_glm, load_tensors, save_tensors
from retort.models.glm import GLM
from retort.texts import CORPUS
from retort.training import glm_lessons
from retort.training import tasks as module
from retort.training.setup import model_folder
from retort.training.tasks import TaskBatches, evaluation_steps, train_tasks

TASKS = ("RTE", "COPA", "ReCoRD", "WSC")


def settings_of(workshop, task="RTE", **changes):
    runs = workshop.stage("KD", 0).schooling
    return dataclasses.replace(next(run for run in runs if run.task == task), **changes)


def batches_of(workshop, settings, seed=1):
    """Batches of the workshop's examples of a task."""
    layout, data = workshop.plan.layout, workshop.plan.text
    lesson = settings.lesson(layout.text(data[CORPUS]), layout.text(settings.text))
    return TaskBatches(lesson.train, lesson.collate, settings, seed)


# Resuming


@pytest.mark.parametrize(
    ("method", "number"),
    [("KD", 0), ("TinyBERT", 1), ("TinyBERT", 2), ("GLMD", 1)],
    ids=["soft and hard, random start", "lenses carried on, teacher online", "soft", "compressed vocabulary"],
)
@pytest.mark.parametrize(
    ("saves", "at", "skip"),
    [({1, 2}, 3, 0), ({3, 4}, 5, 0), ({2}, 0, 2)],
    ids=["first task", "after an evaluation", "between tasks"],
)
def test_a_killed_run_ends_with_the_same_bytes(
    workshop, newest_best, tmp_path, kill, killed, contents, method, number, saves, at, skip
):
    stage = workshop.stage(method, number)
    undisturbed = contents(workshop.plan.layout.stage(stage))
    copy = workshop.without(stage, tmp_path)
    kill(saves, at, skip)
    with pytest.raises(killed):
        copy.run(stage)
    assert not copy.plan.layout.stage(stage).exists()
    (scratch,) = copy.plan.layout.root.glob(".scratch/*")
    finished = {path.name for path in scratch.glob("done/*")}
    assert finished == set(TASKS[:skip])
    kill.off()
    assert contents(copy.run(stage)) == undisturbed
    assert not scratch.exists()
    for task in TASKS:
        files = {name.split("/")[-1] for name in undisturbed if name.startswith(f"tasks/{task}/")}
        wanted = {"config.json", "model.safetensors", "predictions.jsonl", "log.jsonl", "metrics.json"}
        wanted.add("sha256.json")
        assert files == wanted | ({"lenses.safetensors"} if (method, number) == ("TinyBERT", 1) else set())


def test_what_is_compared_was_trained(workshop):
    """Not the model of the evaluation before the first update."""
    for method, number in (("TinyBERT", 1), ("TinyBERT", 2), ("GLMD", 1)):
        stage = workshop.stage(method, number)
        for task in TASKS:
            before, after = (
                model_folder(one, workshop.plan.layout, task) / "model.safetensors"
                for one in (stage.init, stage)
            )
            assert before.read_bytes() != after.read_bytes()


def test_a_damaged_state_costs_some_steps_but_changes_nothing(
    workshop, newest_best, tmp_path, kill, killed, contents, capsys
):
    stage = workshop.stage("KD", 0)
    copy = workshop.without(stage, tmp_path)
    kill({2, 3}, 4)
    with pytest.raises(killed):
        copy.run(stage)
    kill.off()
    newest = sorted(copy.plan.layout.root.glob(".scratch/**/state-*.pt"))[-1]
    newest.write_bytes(b"")
    assert contents(copy.run(stage)) == contents(workshop.plan.layout.stage(stage))
    assert "damaged" in capsys.readouterr().err


def test_finished_tasks_are_not_repeated(workshop, tmp_path, kill, killed, monkeypatch):
    stage = workshop.stage("KD", 0)
    copy = workshop.without(stage, tmp_path)
    kill(set(), 0, skip=3)
    with pytest.raises(killed):
        copy.run(stage)
    kill.off()
    trained = []
    real = module.TaskTraining.run
    monkeypatch.setattr(
        module.TaskTraining,
        "run",
        lambda self, scratch: (trained.append(self.settings.task), real(self, scratch))[1],
    )
    copy.run(stage)
    assert trained == ["WSC"]


def test_a_run_that_dies_while_publishing_publishes_all_or_nothing(
    workshop, newest_best, tmp_path, monkeypatch, killed, contents
):
    stage = workshop.stage("KD", 0)
    copy = workshop.without(stage, tmp_path)
    real = module.link_tree
    calls = []

    def link_tree(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise killed
        return real(*arguments)

    monkeypatch.setattr(module, "link_tree", link_tree)
    with pytest.raises(killed):
        copy.run(stage)
    assert not (copy.plan.layout.stage(stage) / "tasks").exists()
    assert not (copy.plan.layout.stage(stage) / "metrics.json").exists()
    monkeypatch.undo()
    assert contents(copy.run(stage)) == contents(workshop.plan.layout.stage(stage))


def test_each_task_s_result_is_independent_of_its_company(workshop, newest_best, tmp_path, contents):
    stage = workshop.stage("TinyBERT", 1)
    alone = dataclasses.replace(stage, schooling=(stage.schooling[2],))
    copy = workshop.without(stage, tmp_path)
    train_tasks(alone, copy.job(alone))
    task = alone.schooling[0].task
    mine = contents(copy.plan.layout.stage(alone) / "tasks" / task)
    assert mine == contents(workshop.plan.layout.stage(stage) / "tasks" / task)


# What stops a run


def test_a_loss_that_is_not_finite_stops_the_run_and_publishes_nothing(workshop, tmp_path):
    stage = workshop.stage("KD", 0)
    copy = workshop.without(stage, tmp_path)
    signals = copy.plan.layout.signals(stage.teachers[0]) / "COPA.safetensors"
    _poison(signals)
    with pytest.raises(RetortError) as error:
        copy.run(stage)
    message = str(error.value)
    assert "\n" not in message and error.value.exit_code == 1
    assert "the loss is not finite (term 0-class; examples COPA/train/" in message
    step = int(message.removeprefix("update ").partition(":")[0])
    settings = next(run for run in stage.schooling if run.task == "COPA")
    (batch,) = batches_of(copy, settings, stage.seed)(step)
    assert copy.examples("COPA")[0].key in batch.keys and all(key in message for key in batch.keys)
    assert not copy.plan.layout.stage(stage).exists()


def _poison(signals):
    """Make the class scores of the first example infinite."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(signals, "pt") as stored:
        metadata, tensors = stored.metadata(), {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    tensors["scores"][0] = float("inf")
    save_file(tensors, signals, metadata)
    seal(signals.parent)


def test_a_diverged_start_is_named_by_example(workshop, tmp_path):
    stage = workshop.stage("TinyBERT", 2)
    copy = workshop.without(stage, tmp_path)
    start = copy.plan.layout.task_model(stage.init, "RTE") / "model.safetensors"
    tensors = load_tensors(start)
    tensors["word_embeddings.weight"].fill_(3e38)  # finite, but a sum of two is not
    save_tensors(start, tensors)
    seal(start.parent)
    with pytest.raises(RetortError, match="example RTE/val/.*: a score is NaN; the model has diverged"):
        copy.run(stage)


# Batches


@pytest.mark.parametrize("batch_size", [1, 3, 4, 100])
def test_an_epoch_covers_every_example_once(workshop, batch_size):
    examples = workshop.examples("RTE")
    batches = batches_of(workshop, settings_of(workshop, epochs=3, batch_size=batch_size))
    assert batches.total == 3 * batches.per_epoch == 3 * -(-len(examples) // batch_size)
    orders = []
    for epoch in range(3):
        steps = range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch)
        keys = [key for step in steps for batch in batches(step) for key in batch.keys]
        assert Counter(keys) == Counter(example.key for example in examples)
        assert {batches.epoch(step) for step in steps} == {epoch}
        orders.append(tuple(keys))
    assert len(set(orders)) == 3


def test_a_batch_depends_on_its_number_alone(workshop):
    used = batches_of(workshop, settings_of(workshop, "ReCoRD", epochs=3))
    for step in (5, 0, 5, 2, used.total - 1, 1):
        (batch,) = used(step)
        (again,) = batches_of(workshop, settings_of(workshop, "ReCoRD", epochs=3))(step)
        assert batch.keys == again.keys and torch.equal(batch.tokens, again.tokens)


def test_orders_differ_by_seed(workshop):
    orders = {
        tuple(
            k for s in range(3) for b in batches_of(workshop, settings_of(workshop), seed)(s) for k in b.keys
        )
        for seed in (1, 2)
    }
    assert len(orders) == 2


@pytest.mark.parametrize("task", TASKS)
def test_micro_batches_are_the_batch_in_parts(workshop, task):
    (whole,) = batches_of(workshop, settings_of(workshop, task))(0)
    parts = batches_of(workshop, settings_of(workshop, task, micro_batch_size=3))(0)
    assert [len(part.keys) for part in parts] == [3, 1]
    assert sum((part.keys for part in parts), ()) == whole.keys
    assert torch.equal(torch.cat([part.tokens for part in parts]), whole.tokens)
    assert {part.totals for part in parts} == {whole.totals}
    assert whole.choices.mean_over_tokens == (task == "WSC")


def test_padding_to_a_fixed_length(workshop):
    (batch,) = batches_of(workshop, settings_of(workshop, padding="fixed", max_length=90))(0)
    assert batch.tokens.shape[1] == 90 and int(batch.valid.sum(1).max()) < 90
    (batch,) = batches_of(workshop, settings_of(workshop))(0)
    assert batch.tokens.shape[1] == int(batch.valid.sum(1).max())


@pytest.mark.parametrize(
    ("evaluations", "steps"),
    [(1, {6}), (2, {3, 6}), (3, {2, 4, 6}), ("per_epoch", {3, 6}), (50, set(range(7)))],
)
def test_evaluations_are_evenly_spaced_and_one_ends_the_run(workshop, evaluations, steps):
    settings = settings_of(workshop, epochs=2, batch_size=4, evaluations=evaluations)
    batches = batches_of(workshop, settings)
    assert batches.total == 6
    assert evaluation_steps(batches, settings) == steps


# Evaluation and selection


@pytest.fixture
def scored(workshop, tmp_path, monkeypatch):
    """Run KD on RTE with made-up accuracies; where its results lie, and the weights at each evaluation."""

    def run(accuracies):
        stage = workshop.stage("KD", 0)
        stage = dataclasses.replace(stage, schooling=(stage.schooling[0],))
        real, weights = glm_lessons.evaluate, []

        def evaluate(family, *arguments):
            found = real(family, *arguments)
            weights.append({name: value.clone() for name, value in family.module.state_dict().items()})
            return dataclasses.replace(found, metrics={"accuracy": accuracies[len(weights) - 1]})

        monkeypatch.setattr(glm_lessons, "evaluate", evaluate)
        layout = workshop.without(workshop.stage("KD", 0), tmp_path).plan.layout
        train_tasks(stage, dataclasses.replace(workshop.job(stage), layout=layout))
        return layout.stage(stage) / "tasks" / "RTE", weights

    return run


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [([90, 50, 60], 0), ([10, 80, 60], 1), ([10, 20, 60], 2), ([50, 70, 70], 1), ([50, 50, 50], 0)],
    ids=["before training", "in the middle", "at the end", "the first of equals", "all equal"],
)
def test_the_best_evaluation_is_kept(scored, accuracies, best):
    folder, weights = scored(accuracies)
    published = load_tensors(folder / "model.safetensors")
    matching = [
        number
        for number, found in enumerate(weights)
        if all(torch.equal(published[n], v) for n, v in found.items())
    ]
    assert matching == [best]
    evaluations = json.loads((folder / "metrics.json").read_text())["evaluations"]
    assert [entry["step"] for entry in evaluations] == [0, 3, 6]
    assert [entry["all"]["accuracy"] for entry in evaluations] == accuracies


def test_predictions_are_those_of_the_published_model(workshop):
    from retort.evaluation.predictions import evaluate
    from retort.models.glm_family import GLMFamily

    stage = workshop.stage("GLMD-vc", 2)
    for task in TASKS:
        folder = workshop.plan.layout.stage(stage) / "tasks" / task
        dev = load_examples(workshop.plan.layout.text(stage.text(task)), "val")
        found = evaluate(GLMFamily(load_glm(folder)), task, dev, torch.device("cpu"), task == "WSC")
        lines = [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
        assert [line["key"] for line in lines] == [example.key for example in dev]
        assert [line["prediction"] for line in lines] == [p.value for p in found.predictions]
        for line, scores in zip(lines, found.scores, strict=True):
            assert line["scores"] == pytest.approx(scores, abs=1e-5)
        evaluations = json.loads((folder / "metrics.json").read_text())["evaluations"]
        assert found.metrics in [entry["all"] for entry in evaluations]


@pytest.mark.parametrize(("method", "number"), [("TinyBERT", 1), ("TinyBERT", 2), ("GLMD", 1)])
def test_an_exported_student_holds_its_own_tensors_only(workshop, method, number):
    for task in TASKS:
        folder = workshop.plan.layout.stage(workshop.stage(method, number)) / "tasks" / task
        tensors = load_tensors(folder / "model.safetensors")
        assert tensors.keys() == GLM(load_glm(folder).config).state_dict().keys()


def test_lenses_go_on_from_the_stage_before(workshop, tmp_path, monkeypatch):
    stage = workshop.stage("TinyBERT", 1)
    before = load_tensors(workshop.plan.layout.stage(stage.init) / "lenses.safetensors")
    copy = workshop.without(stage, tmp_path)
    started = []
    real = module.TaskTraining.run

    def run(self, scratch):
        started.append({name: value.clone() for name, value in self.trainer.objective.state_dict().items()})
        real(self, scratch)

    monkeypatch.setattr(module.TaskTraining, "run", run)
    copy.run(stage)
    assert len(started) == len(TASKS)
    for lenses in started:
        assert lenses.keys() == before.keys() and all(torch.equal(lenses[n], before[n]) for n in before)


def test_metrics_of_all_tasks_lie_beside_the_models(workshop):
    folder = workshop.plan.layout.stage(workshop.stage("GLMD", 2))
    metrics = json.loads((folder / "metrics.json").read_text())
    assert set(metrics) == set(TASKS)
    for task, found in metrics.items():
        assert found == json.loads((folder / "tasks" / task / "metrics.json").read_text())
        card = json.loads((folder / "tasks" / task / "card.json").read_text())
        assert card["stage"]["task"] == task and card["results"]["evaluations"] == 3
        assert any(Path(name).parent.name.startswith(f"{task}.") for name in card["inputs"])
