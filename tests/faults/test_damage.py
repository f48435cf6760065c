"""Files that changed after they were written: noticed, named, never read as if nothing had happened."""

from __future__ import annotations

import signal
from pathlib import Path
from random import Random

import pytest
import torch
from fault_world import STEPS

from retort.errors import RetortError
from retort.texts import CORPUS
from retort.training.checkpoints import Scratch

REGIONS = (0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.9, 0.99, 1.0)
"""Places in a file: its header, its middle, its tail."""


def flip(path: Path, place: float) -> None:
    """Change one bit; the file that others share stays as it is."""
    data = bytearray(path.read_bytes())
    at = min(len(data) - 1, int(place * len(data)))
    data[at] ^= 1 << Random(f"{path.name}/{place}").randrange(8)
    replace(path, bytes(data))


def cut(path: Path, place: float) -> None:
    """Keep only what is before a place."""
    replace(path, path.read_bytes()[: min(int(place * path.stat().st_size), path.stat().st_size - 1)])


def replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


# Training states


def states(folder: Path) -> list[Path]:
    return sorted(folder.rglob("state-*.pt"))


@pytest.mark.parametrize("place", REGIONS)
@pytest.mark.parametrize("damage", [flip, cut])
def test_a_damaged_state_anywhere_is_passed_over_and_removed(tmp_path, capsys, damage, place):
    scratch = Scratch(tmp_path)
    for step in (1, 2):
        scratch.save(step, {"student": {"w": torch.arange(300.0) + step}, "step": step})
    newest = states(tmp_path)[-1]
    damage(newest, place)
    step, found = scratch.load()
    assert step == found["step"] == 1
    assert f"{newest}: damaged, going back to the state before it" in capsys.readouterr().err
    assert not newest.exists()


@pytest.mark.parametrize("kind", ["pretraining: features", "task: features"], ids=["pretraining", "tasks"])
@pytest.mark.parametrize("number", [1, 2], ids=["the newest", "both"])
def test_a_run_with_damaged_states_ends_with_the_same_bytes(forge, kind, number):
    step = next(name for name, one in STEPS.items() if one.kind == kind)
    forge.without(step)
    assert forge.attempt(step, plot="dies in the last update").code == -signal.SIGKILL
    left = states(forge.live)
    assert len(left) == 2
    for path, damage in zip(left[-number:], (flip, cut), strict=False):
        damage(path, 0.7)
    ended = forge.attempt(step)
    assert ended.code == 0, ended.printed
    assert ended.printed.count("damaged, going back to the state before it") == number
    assert ended.printed.count("no sound state is left, starting afresh") == (number == 2)
    assert forge.differences() == []


def test_states_of_a_fresh_start_are_kept_although_the_damaged_ones_were_further(tmp_path):
    scratch = Scratch(tmp_path)
    for step in (8, 9):
        scratch.save(step, {"step": step})
    for path in states(tmp_path):
        cut(path, 0.5)
    assert scratch.load() is None
    for step in (1, 2, 3):
        scratch.save(step, {"step": step})
    assert scratch.load()[0] == 3 and len(states(tmp_path)) == 2


# What steps read from each other


def stage(plan, kind):
    """The first stage of a kind."""
    return plan.stages[next(name for name, one in STEPS.items() if one.kind == kind)]


def step_of(kind):
    return kind if kind in STEPS else next(name for name, one in STEPS.items() if one.kind == kind)


def raw(plan, part):
    """The folder that a part of the data was generated in."""
    return plan.layout.data(plan.data[part]) / "world"


def text(plan, part):
    """The folder of an encoded part of the data."""
    return plan.layout.text(plan.text[part])


WORDS = "pretraining: words, compressed vocabulary"
READ = {
    "raw text": (lambda p: next((raw(p, CORPUS) / "corpus").glob("*.txt")), "text corpus"),
    "raw task": (lambda p: raw(p, "RTE") / "superglue" / "RTE" / "train.jsonl", "text RTE"),
    "summary": (lambda p: text(p, CORPUS) / "summary.json", "pretraining: alone"),
    "tokenizer": (lambda p: text(p, CORPUS) / "tokenizer.json", "pretraining: alone"),
    "tokens": (lambda p: text(p, CORPUS) / "corpus" / "tokens.bin", "pretraining: alone"),
    "offsets": (lambda p: text(p, CORPUS) / "corpus" / "offsets.npy", "pretraining: alone"),
    "frequencies": (lambda p: text(p, CORPUS) / "frequencies.tsv", "vocabulary map"),
    "arrays": (lambda p: text(p, "RTE") / "train.npz", "task: alone"),
    "keys and labels": (lambda p: text(p, "RTE") / "val.json", "task: alone"),
    "teacher": (lambda p: p.layout.stage(stage(p, WORDS).teachers[0]) / "model.safetensors", WORDS),
    "its shape": (lambda p: p.layout.stage(stage(p, WORDS).teachers[0]) / "config.json", WORDS),
    "map": (lambda p: p.layout.vocabulary(stage(p, WORDS)), WORDS),
    "lenses": (
        lambda p: p.layout.stage(stage(p, "task: features").init) / "lenses.safetensors",
        "task: features",
    ),
    "signals": (
        lambda p: p.layout.signals(stage(p, "task: classes").teachers[0]) / "RTE.safetensors",
        "task: classes",
    ),
    "metrics": (lambda p: p.layout.stage(stage(p, "task: classes")) / "metrics.json", "scores"),
}
"""Where a file lies, and the first step that reads it."""


@pytest.mark.parametrize("place", [0.0, 0.02, 0.5, 0.98, 1.0])
@pytest.mark.parametrize("damage", [flip, cut])
@pytest.mark.parametrize("file", READ)
def test_a_damaged_file_stops_the_step_that_reads_it(forge, file, damage, place):
    find, kind = READ[file]
    step = step_of(kind)
    forge.without(step)
    path = find(forge.plan)
    damage(path, place)
    with pytest.raises(RetortError) as error:
        STEPS[step].work(forge.plan)
    message = str(error.value)
    assert "\n" not in message and str(path) in message
    assert "remove" in message and ("run the same command again" in message or "prepare the data" in message)
    assert not any(made.exists() for made in STEPS[step].leaves(forge.plan) if made.is_file())


def test_a_seal_that_is_damaged_is_told_too(forge):
    step = step_of("task: classes")
    forge.without(step)
    seal = forge.plan.layout.text(forge.plan.text["RTE"]) / "sha256.json"
    cut(seal, 0.5)
    with pytest.raises(RetortError, match=r"sha256.json:\d+: not JSON .*; mend or remove the file"):
        STEPS[step].work(forge.plan)


def test_removing_the_damaged_folder_and_running_again_mends_it(forge):
    """As the message says."""
    step = step_of("vocabulary map")
    forge.without(step)
    assert forge.attempt(step).code == 0
    flip(forge.plan.layout.vocabulary(stage(forge.plan, WORDS)), 0.5)
    forge.plan.layout.vocabulary(stage(forge.plan, WORDS)).unlink()
    assert forge.attempt(step).code == 0
    assert forge.differences() == []
