"""What a job starts from: its stage's parameters, its teacher, its device."""

from __future__ import annotations

import dataclasses
import json
import os

import pytest
import torch

from retort import devices
from retort.errors import InputError
from retort.files import SEAL
from retort.models.glm_architecture import Architecture
from retort.models.glm_builder import glm_config, vocabulary_rows
from retort.stages import SlicedCompression
from retort.texts import CORPUS
from retort.training import setup
from retort.training.setup import (
    autocast_dtype,
    choose_device,
    load_frozen,
    load_teachers,
    model_folder,
    prepare_process,
    scratch_folder,
    starting_family,
    vocabulary_map,
    weights_digest,
    write_log,
)
from retort.training.vocabularies import make_vocabulary


def parameters(model):
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def test_random_parameters_follow_the_seed_and_nothing_else(workshop):
    stage = workshop.stage("GLMD-vc", 0)
    job = workshop.job(stage)
    torch.manual_seed(1)
    first = parameters(starting_family(stage, job, None).module)
    torch.manual_seed(2)
    assert torch.equal(first, parameters(starting_family(stage, job, None).module))
    other = dataclasses.replace(stage, seed=2)
    assert not torch.equal(first, parameters(starting_family(other, job, None).module))


def test_a_stage_starts_from_the_result_of_the_one_before(workshop):
    stage = workshop.stage("TinyBERT", 1)
    model = starting_family(stage, workshop.job(stage), "RTE").module
    before = workshop.plan.layout.stage(stage.init) / "model.safetensors"
    from retort.models.checkpoint import load_tensors

    assert all(torch.equal(value, load_tensors(before)[name]) for name, value in model.state_dict().items())


def test_a_compressed_student_may_start_from_the_teachers_words(workshop):
    as_run = workshop.stage("GLMD", 0)
    stage = dataclasses.replace(as_run, compression=SlicedCompression(**vars(as_run.compression)))
    job = workshop.job(stage)
    make_vocabulary(stage, job)
    found, before = (starting_family(s, job, None).module.state_dict() for s in (stage, as_run))
    table = load_frozen(stage.mapped_by, job, None).module.word_embeddings.weight
    kept = vocabulary_map(stage, job).kept_ids
    words = found.pop("word_embeddings.weight")
    assert torch.equal(words, table[kept, : words.shape[1]])
    assert not torch.equal(words, before.pop("word_embeddings.weight"))
    assert all(torch.equal(value, before[name]) for name, value in found.items())


def test_task_models_are_found_task_by_task(workshop):
    stage, layout = workshop.stage("TinyBERT", 1), workshop.plan.layout
    assert model_folder(stage, layout, "RTE") == layout.stage(stage) / "tasks" / "RTE"
    assert model_folder(stage.init, layout, "RTE") == layout.stage(stage.init)


def test_another_architecture_than_the_start_s_is_refused(workshop):
    stage = workshop.stage("TinyBERT", 1)
    wider = dataclasses.replace(stage, architecture=dataclasses.replace(stage.architecture, dropout=0.9))
    with pytest.raises(InputError, match=r"/S1\.pre\..*: holds another architecture than S1; remove"):
        starting_family(wider, workshop.job(stage), "RTE")


def test_a_missing_start_is_named(workshop):
    stage = workshop.stage("TinyBERT", 1)
    lost = dataclasses.replace(stage, init=dataclasses.replace(stage.init, seed=99))
    with pytest.raises(InputError, match=r"\.s99\..*config.json: no such file; run the step that writes it"):
        starting_family(lost, workshop.job(stage), "RTE")


def test_a_teacher_is_frozen_and_in_evaluation_mode(workshop):
    stage = workshop.stage("KD", 0)
    (teacher,) = load_teachers(stage, workshop.job(stage), "RTE")
    again = load_frozen(stage.teachers[0], workshop.job(stage), "RTE")
    assert stage.teachers == (workshop.plan.cells[0].stages[0],)
    assert torch.equal(parameters(teacher.module), parameters(again.module))
    assert not teacher.module.training and not any(m.training for m in teacher.module.modules())
    assert not any(parameter.requires_grad for parameter in teacher.module.parameters())


def test_compressed_students_share_one_map(workshop):
    stages = [workshop.stage("GLMD", number) for number in range(3)]
    assert len({workshop.plan.layout.vocabulary(stage) for stage in stages}) == 1
    vocabulary = vocabulary_map(stages[0], workshop.job(stages[0]))
    rows = vocabulary_rows(workshop.plan.layout.text(workshop.plan.text[CORPUS]))
    assert vocabulary.size < rows == len(vocabulary.substitute)
    assert (
        len(starting_family(stages[0], workshop.job(stages[0]), None).module.word_embeddings.weight)
        == vocabulary.size
    )
    assert vocabulary_map(workshop.stage("KD", 0), workshop.job(stages[0])) is None


def test_an_architecture_becomes_a_model_configuration():
    architecture = Architecture("S9", 3, 32, 4, 96, 0.1, 0.05, factorised=16, bottleneck=(8, 2))
    config = glm_config(architecture, 700)
    assert (config.layers, config.width, config.heads, config.vocab, config.positions) == (3, 32, 4, 700, 96)
    assert (config.dropout, config.init_std, config.factorised, config.trigram) == (0.1, 0.05, 16, None)
    assert (config.bottleneck.width, config.bottleneck.feed_forwards) == (8, 2)


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="torch sees no GPU here; set device to auto or cpu"):
            choose_device("cuda")


@pytest.mark.parametrize("works", [True, False])
def test_a_gpu_is_claimed_before_cuda_is_asked_and_given_back_where_it_does_not_work(
    monkeypatch, tmp_path, works
):
    monkeypatch.setattr(devices, "FOLDER", tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "all that there is")
    monkeypatch.setattr(setup, "visible", lambda: ("GPU-7", "GPU-8"))
    monkeypatch.setattr(torch.backends.cuda, "is_built", lambda: True)
    seen = []
    monkeypatch.setattr(
        torch.cuda, "is_available", lambda: seen.append(os.environ["CUDA_VISIBLE_DEVICES"]) or works
    )
    assert choose_device("cpu").type == "cpu" and not seen
    assert choose_device("auto", 2).type == ("cuda" if works else "cpu")
    assert seen == ["GPU-7"] and len(devices._users(tmp_path, "GPU-7")) == works


def test_precision():
    assert autocast_dtype("float32") is None and autocast_dtype("bfloat16") is torch.bfloat16


def test_equal_weights_have_one_digest():
    first, second = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    second.load_state_dict(first.state_dict())
    assert weights_digest(first.state_dict()) == weights_digest(second.state_dict())
    with torch.no_grad():
        second.bias[1] = torch.nextafter(second.bias[1], torch.tensor(9.0))
    assert weights_digest(first.state_dict()) != weights_digest(second.state_dict())
    norm = torch.nn.BatchNorm1d(2)  # its counter has no dimensions
    assert weights_digest(norm.state_dict()) != weights_digest(norm.half().state_dict())


def test_denormal_numbers_are_flushed():
    prepare_process(1)
    tiny = torch.tensor([1e-38])
    assert (tiny * 1e-3).item() == 0.0
    assert torch.get_num_threads() == 1


def test_logs_are_json_lines(tmp_path):
    write_log(tmp_path / "log.jsonl", [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}])
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["loss"] for line in lines] == [0.5, 0.25]
    assert lines[0] == '{"loss": 0.5, "step": 1}'


def test_a_training_state_is_named_after_the_signals_that_it_learns_from(workshop, tmp_path):
    stage = next(s for s in workshop.plan.stages.values() if s.told_by)
    copy = workshop.without(stage, tmp_path)
    job = copy.job(stage)
    before = scratch_folder(stage, job)
    seal = copy.plan.layout.signals(stage.told_by[0]) / SEAL
    assert seal.is_file() and scratch_folder(stage, job) == before
    content = seal.read_text()
    seal.unlink()
    seal.write_text(content + "\n")
    assert scratch_folder(stage, job) != before
