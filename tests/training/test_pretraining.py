"""Pretraining stages: killed anywhere they end with the same bytes; what is wrong stops them unpublished."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from retort.errors import InputError, RetortError
from retort.files import SEAL, seal
from retort.models.checkpoint import load_glm, load_tensors, save_tensors
from retort.models.glm import GLM
from retort.plan import Plan
from retort.training import diary, finished, pretraining
from retort.training.checkpoints import Scratch
from retort.training.pretraining import import_teacher, pretrain

STAGES = [("TinyBERT", 0), ("GLMD", 0)]
"""With dropout and Muon; the first has a lens, the second a vocabulary map."""


@pytest.mark.parametrize(("method", "number"), STAGES)
@pytest.mark.parametrize(
    ("saves", "at"), [({1}, 1), ({2, 5}, 7), (set(), 3)], ids=["after one", "between saves", "never saved"]
)
def test_a_killed_run_ends_with_the_same_bytes(
    workshop, tmp_path, kill, killed, contents, method, number, saves, at
):
    stage = workshop.stage(method, number)
    undisturbed = contents(workshop.plan.layout.stage(stage))
    copy = workshop.without(stage, tmp_path)
    kill(saves, at)
    with pytest.raises(killed):
        copy.run(stage)
    assert not copy.plan.layout.stage(stage).exists()
    kill.off()
    assert contents(copy.run(stage)) == undisturbed
    assert {"model.safetensors", "log.jsonl", "distances.jsonl"} <= undisturbed.keys()
    assert ("lenses.safetensors" in undisturbed) == (method == "TinyBERT")
    assert not list(copy.plan.layout.root.glob(".scratch/*"))


def test_a_damaged_state_costs_some_steps_but_changes_nothing(
    workshop, tmp_path, kill, killed, contents, capsys
):
    stage = workshop.stage("TinyBERT", 0)
    copy = workshop.without(stage, tmp_path)
    kill({3, 5}, 6)
    with pytest.raises(killed):
        copy.run(stage)
    kill.off()
    newest = sorted(copy.plan.layout.root.glob(".scratch/**/state-*.pt"))[-1]
    assert "000000005" in newest.name
    newest.write_bytes(newest.read_bytes()[:-1])
    assert contents(copy.run(stage)) == contents(workshop.plan.layout.stage(stage))
    assert f"{newest}: damaged" in capsys.readouterr().err


def test_a_state_from_before_the_teacher_changed_is_not_used(workshop, tmp_path, kill, killed, contents):
    stage = workshop.stage("GLMD-vc", 0)
    copy = workshop.without(stage, tmp_path / "killed")
    kill({5}, 6)
    with pytest.raises(killed):
        copy.run(stage)
    kill.off()
    fresh = workshop.without(stage, tmp_path / "fresh")
    for each in (copy, fresh):
        path = each.plan.layout.stage(stage.teachers[0]) / "model.safetensors"
        tensors = load_tensors(path)
        tensors["word_embeddings.weight"] *= 2
        save_tensors(path, tensors)
        seal(path.parent)
    assert contents(copy.run(stage)) == contents(fresh.run(stage))


def test_dropout_is_part_of_what_is_repeated(workshop, tmp_path, kill, killed, contents):
    """The bytes above would be equal without any dropout, too: here another generator state changes them."""
    stage = workshop.stage("GLMD", 0)
    copy = workshop.without(stage, tmp_path)
    kill({4}, 5)
    with pytest.raises(killed):
        copy.run(stage)
    kill.off()
    (path,) = copy.plan.layout.root.glob(".scratch/**/state-*.pt")
    scratch = Scratch(path.parent)
    step, state = scratch.load()
    scratch.remove()
    scratch.save(step, state | {"random": {"cpu": torch.get_rng_state()}})
    assert contents(copy.run(stage)) != contents(workshop.plan.layout.stage(stage))


def test_a_run_card_adds_up_over_restarts(workshop, tmp_path, kill, killed):
    stage = workshop.stage("TinyBERT", 0)
    copy = workshop.without(stage, tmp_path)
    kill({4}, 4)
    with pytest.raises(killed):
        copy.run(stage)
    kill.off()
    again = json.loads((copy.run(stage) / "card.json").read_text())
    once = json.loads((workshop.plan.layout.stage(stage) / "card.json").read_text())
    assert again["tokens"] == once["tokens"] > 0 and again["steps"] == once["steps"] == 8
    assert again["stage"] == once["stage"] and again["stage"]["seed"] == 1
    halves = [found["processor_seconds"] for found in (again, once)]
    assert min(halves) > 0.5 * max(halves) > 0  # both processes count
    assert again["results"] == once["results"]
    inputs = {path.rsplit("/", 2)[-2] for path in once["inputs"]}
    assert workshop.plan.pretrained("T1").id in inputs


def test_a_loss_that_is_not_finite_stops_the_run_and_publishes_nothing(workshop, tmp_path):
    stage = workshop.stage("GLMD-vc", 0)
    copy = workshop.without(stage, tmp_path)
    teacher = copy.plan.layout.stage(stage.teachers[0]) / "model.safetensors"
    tensors = load_tensors(teacher)
    tensors["word_embeddings.weight"][:] = 3e38  # finite, but a sum of two is not
    save_tensors(teacher, tensors)
    seal(teacher.parent)
    with pytest.raises(
        RetortError, match=r"^update 0: the loss is not finite \(term 0-words; examples corpus/\d+ \(sample "
    ) as e:
        copy.run(stage)
    assert "\n" not in str(e.value) and "nothing was published" in str(e.value)
    assert not copy.plan.layout.stage(stage).exists()


def test_a_run_that_dies_while_publishing_publishes_all_or_nothing(
    workshop, tmp_path, monkeypatch, killed, contents
):
    stage = workshop.stage("TinyBERT", 0)
    copy = workshop.without(stage, tmp_path)

    real = finished._link

    def link(source, target):
        if source.name == "model.safetensors":
            raise killed
        real(source, target)

    monkeypatch.setattr(finished, "_link", link)
    with pytest.raises(killed):
        copy.run(stage)
    left = {path.name for path in copy.plan.layout.stage(stage).iterdir()}
    assert left == {"config.json", "log.jsonl", "distances.jsonl", "lenses.safetensors", "card.json", SEAL}


@pytest.mark.parametrize(("method", "number"), STAGES)
def test_an_exported_student_holds_its_own_tensors_only(workshop, method, number):
    folder = workshop.plan.layout.stage(workshop.stage(method, number))
    model = load_glm(folder)  # refuses surplus keys
    tensors = load_tensors(folder / "model.safetensors")
    assert tensors.keys() == GLM(model.config).state_dict().keys()
    assert not [name for name in tensors if "lens" in name]


def test_a_compressed_student_has_the_rows_of_its_map(workshop):
    whole, half = (
        load_glm(workshop.plan.layout.stage(workshop.stage(method, 0))).config.vocab
        for method in ("GLMD-vc", "GLMD")
    )
    assert half < 0.52 * whole


def test_the_log_holds_loss_and_terms(workshop):
    stage = workshop.stage("TinyBERT", 0)
    folder = workshop.plan.layout.stage(stage)
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == list(range(1, 9))
    for entry in log:
        assert set(entry["parts"]) == {"0-scores", "1-hidden"}
        assert sum(entry["parts"].values()) == pytest.approx(entry["loss"], rel=1e-5)
    distances = [json.loads(line) for line in (folder / "distances.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in distances] == list(range(1, 9))
    assert all(entry["loss"] == logged["loss"] for entry, logged in zip(distances, log, strict=True))
    assert {"lm_loss", "kl:words", "gram_kl:hidden:0", "cka:v:2", "kl:scores:1"} <= distances[0].keys()


def test_distances_stand_beside_the_mean_loss_since_the_last_ones(
    workshop, tmp_path, monkeypatch, kill, killed
):
    stage = workshop.stage("TinyBERT", 0)
    log = [json.loads(line) for line in (workshop.plan.layout.stage(stage) / "log.jsonl").open()]
    copy = workshop.without(stage, tmp_path)
    kill({4}, 5)  # in the middle of what the second mean is over
    monkeypatch.setattr(diary, "PROBES", 3)
    with pytest.raises(killed):
        copy.run(stage)
    kill.off()
    monkeypatch.setattr(diary, "PROBES", 3)
    found = [json.loads(line) for line in (copy.run(stage) / "distances.jsonl").open()]
    assert [entry["step"] for entry in found] == [3, 6, 8]
    losses = [entry["loss"] for entry in log]
    for entry, part in zip(found, (losses[:3], losses[3:6], losses[6:]), strict=True):
        assert entry["loss"] == pytest.approx(sum(part) / len(part))


@pytest.mark.parametrize(("method", "number"), STAGES)
def test_measuring_distances_changes_nothing(workshop, tmp_path, monkeypatch, method, number):
    stage = workshop.stage(method, number)
    copy = workshop.without(stage, tmp_path)
    monkeypatch.setattr(pretraining, "shapes_compare", lambda *shapes: False)
    made = copy.run(stage)
    assert not (made / "distances.jsonl").read_text()
    model = (made / "model.safetensors").read_bytes()
    assert model == (workshop.plan.layout.stage(stage) / "model.safetensors").read_bytes()


def test_logs_have_about_as_many_lines_however_long_the_run():
    for steps in (1, 7, 100, 101, 30_000):
        logged = [step for step in range(1, steps + 1) if diary.due_of(step, steps, 100)]
        assert len(logged) == min(steps, 100) and logged[-1] == steps


@pytest.fixture
def imported(workshop, tmp_path):
    """A plan whose teacher is the finished one of the workshop, imported from its folder."""

    def make(folder):
        config = workshop.plan.config.model_copy(update={"import_teacher": {"T1": str(folder)}})
        plan = Plan(config, workshop.plan.layout.root.parent)
        stage = plan.pretrained("T1")
        job = dataclasses.replace(workshop.job(workshop.plan.pretrained("T1")), layout=plan.layout)
        return stage, dataclasses.replace(job, layout=_elsewhere(job.layout, tmp_path))

    return make


def _elsewhere(layout, folder):
    """A layout that reads text where it is and writes stages elsewhere."""
    root = folder / layout.root.name
    root.mkdir()
    (root / "text").symlink_to((layout.root / "text").absolute())
    return dataclasses.replace(layout, root=root)


def test_an_imported_teacher_is_the_checkpoint(workshop, imported):
    source = workshop.plan.layout.stage(workshop.plan.pretrained("T1"))
    stage, job = imported(source)
    import_teacher(stage, job)
    made = job.layout.stage(stage)
    assert (made / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert (made / "log.jsonl").read_text() == ""
    assert json.loads((made / "card.json").read_text())["stage"]["imported"] == str(source)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("transformer.final_layernorm.bias"), "lacks 1 key(s), first 'transformer.final"),
        (
            lambda t: t.update({"lenses.0.weight": torch.zeros(2)}),
            "has surplus 1 key(s), first 'lenses.0.weight'",
        ),
        (
            lambda t: t.update({"word_embeddings.weight": t["word_embeddings.weight"][:-8].clone()}),
            "'word_embeddings.weight' has shape",
        ),
    ],
    ids=["a key missing", "a key too many", "another vocabulary"],
)
def test_a_checkpoint_that_does_not_fit_is_refused(workshop, imported, tmp_path, change, message):
    tensors = load_tensors(workshop.plan.layout.stage(workshop.plan.pretrained("T1")) / "model.safetensors")
    change(tensors)
    save_tensors(tmp_path / "given" / "model.safetensors", tensors)
    stage, job = imported(tmp_path / "given")
    with pytest.raises(InputError) as error:
        import_teacher(stage, job)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert not job.layout.stage(stage).exists()


def test_pretraining_is_a_function_of_its_stage(workshop, tmp_path, contents):
    stage = workshop.stage("GLMD-vc", 0)
    copy = workshop.without(stage, tmp_path)
    torch.manual_seed(77)
    pretrain(stage, copy.job(stage))
    assert contents(copy.plan.layout.stage(stage)) == contents(workshop.plan.layout.stage(stage))
