"""Every method through the real entry: what it leaves behind, and that a killed run leaves the same."""

from __future__ import annotations

import json

import pytest
import torch

from retort.models.checkpoint import load_config, load_tensors
from retort.models.glm import GLM
from retort.recipes import glmd

# What is exported

LENSES = {
    "TinyBERT": {0: {"lenses.1-hidden-t0-0|student"}, 1: {"lenses.1-hidden-t0-0|student"}},
    "MGSKD": {0: {"lenses.1-hidden-t0-0|student"}},
    "RAIL-KD": {1: {f"lenses.2-hidden-t0-2|{side}" for side in ("student", "teacher")}},
    "Universal-KD": {
        0: {f"lenses.1-hidden-t0-1|{layer}" for layer in ("student1", *(f"teacher{i}" for i in (1, 2, 3)))}
    },
    "LRC-BERT": {1: {"lenses.0-hidden-t0-0|student"}, 2: {"lenses.0-hidden-t0-0|student"}},
    "MT-BERT": {0: {f"lenses.2-hidden-t{number}-0|teacher" for number in (0, 1)}},
    "RL-KD": {1: {"policy", "policy.of_state", "policy.of_scores"}},
}
"""Modules with parameters (or memory) beside the student by method and step; the other steps own none."""


def chain(world, method):
    """The stages of a method, first to last."""
    (cell,) = (c for c in world.plan.cells if c.method == method)
    found, stage = [], cell.stages[0]
    while stage is not None:
        found.insert(0, stage)
        stage = stage.init
    return found


def folder_of(world, stage):
    """Where a stage's model lies, of its only task if it has any."""
    folder = world.plan.layout.stage(stage)
    return folder / "tasks" / "COPA" if stage.tasks else folder


@pytest.mark.parametrize("method", [method.name for method in glmd.METHODS])
def test_an_exported_student_holds_its_own_tensors_only(every_method, method):
    for number, stage in enumerate(chain(every_method, method)):
        folder = folder_of(every_method, stage)
        config = load_config(folder)
        tensors = load_tensors(folder / "model.safetensors")
        expected = GLM(config).state_dict()
        assert {name: t.shape for name, t in tensors.items()} == {n: t.shape for n, t in expected.items()}
        assert (config.layers, config.width) == (stage.architecture.layers, stage.architecture.width)
        wanted = LENSES.get(method, {}).get(number, set())
        lenses = folder / "lenses.safetensors"
        assert lenses.exists() == bool(wanted)
        if wanted:
            assert {name.rpartition(".")[0] for name in load_tensors(lenses)} == wanted


def test_every_method_was_run(every_method):
    assert {cell.method for cell in every_method.plan.cells} == {m.name for m in glmd.METHODS} | {"GLM"}
    assert all(every_method.plan.layout.stage(stage).exists() for stage in every_method.plan.stages.values())


# Resuming inside each phase of the methods that change over time

PRETRAINING_STEPS, TASK_STEPS, PER_EPOCH = 8, 10, 5
CASES = [
    ("SID", 1, 2, "first layer"),
    ("SID", 1, 4, "on the way to the second layer"),
    ("SID", 1, 5, "second layer"),
    ("SID", 1, 8, "scores"),
    ("MobileBERT", 0, 1, "first layer"),
    ("MobileBERT", 0, 4, "second layer"),
    ("MobileBERT", 0, 6, "language model"),
    ("Theseus", 0, 3, "teacher blocks"),
    ("Theseus", 0, 8, "student blocks alone"),
    ("RAIL-KD", 1, 3, "inside the first epoch"),
    ("RAIL-KD", 1, 5, "between epochs"),
    ("RAIL-KD", 1, 7, "inside the second epoch"),
    ("RL-KD", 1, 1, "the first memory"),
    ("RL-KD", 1, 5, "between epochs"),
    ("RL-KD", 1, 8, "later"),
    ("DIITO", 0, 3, "anywhere"),
    ("DGKD", 0, 4, "anywhere"),
    ("Annealing-KD", 1, 4, "anywhere"),
    ("Continuation-KD", 1, 5, "both losses"),
    ("Continuation-KD", 1, 8, "hard loss alone"),
    ("MGSKD", 1, 4, "random spans"),
    ("LRC-BERT", 1, 4, "a new lens beside a model that goes on"),
    ("LRC-BERT", 2, 4, "a lens carried on"),
]


@pytest.mark.parametrize(
    ("method", "number", "step", "phase"), CASES, ids=[f"{m}-{s}-{p}" for m, _, s, p in CASES]
)
def test_a_run_killed_inside_a_phase_ends_with_the_same_bytes(
    every_method, newest_best, tmp_path, kill, killed, contents, method, number, step, phase
):
    """The state of so many updates is saved; the process dies in the update after the next."""
    stage = chain(every_method, method)[number]
    assert stage.architecture.dropout > 0
    undisturbed = contents(every_method.plan.layout.stage(stage))
    copy = every_method.without(stage, tmp_path)
    total = TASK_STEPS if stage.tasks else PRETRAINING_STEPS
    torch.manual_seed(step)  # whatever ran before in this process
    kill({step}, min(step + 1, total - 1))
    with pytest.raises(killed):
        copy.run(stage)
    (state,) = copy.plan.layout.root.glob(".scratch/**/state-*.pt")
    assert int(state.name.split("-")[1]) == step
    kill.off()
    found = contents(copy.run(stage))
    assert found.keys() == undisturbed.keys()
    assert [name for name in found if found[name] != undisturbed[name]] == []


def test_what_is_compared_was_trained(every_method):
    """Not the model of the evaluation before the first update."""
    for method, number, *_ in CASES:
        stage = chain(every_method, method)[number]
        if stage.init is not None:
            before, after = (folder_of(every_method, s) / "model.safetensors" for s in (stage.init, stage))
            assert before.read_bytes() != after.read_bytes()


def test_the_cases_above_lie_in_the_phases_that_they_name(every_method):
    """Terms by step in the logs of the undisturbed runs, and the lengths that the steps are counted in."""

    def logged(method, number):
        stage = chain(every_method, method)[number]
        lines = (folder_of(every_method, stage) / "log.jsonl").read_text().splitlines()
        return {entry["step"]: set(entry["parts"]) for entry in map(json.loads, lines)}

    assert list(logged("MobileBERT", 0)) == list(range(1, PRETRAINING_STEPS + 1))
    assert ["2-hard" in parts for parts in logged("MobileBERT", 0).values()] == [False] * 5 + [True] * 3
    assert logged("SID", 1) == {PER_EPOCH: {"0-scores", "1-hidden"}, TASK_STEPS: {"2-class"}}
    assert logged("Continuation-KD", 1) == {PER_EPOCH: {"0-hard", "1-class"}, TASK_STEPS: {"0-hard"}}
    assert "ensemble" in logged("RL-KD", 1)[PER_EPOCH]
