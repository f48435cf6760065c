"""Memory that does not suffice: one line that names the stage and what makes it smaller."""

from __future__ import annotations

import pytest
import torch
from fault_world import STEPS

from retort.errors import RetortError
from retort.training.loop import Trainer
from retort.training.memory import is_shortage, smaller

CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1 GiB "
    "is free. If reserved but unallocated memory is large try something for programmers"
)


def step_of(kind):
    return next(name for name, one in STEPS.items() if one.kind == kind)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "pretraining: alone",
            "lower pretraining.teacher.micro_batch_size (now 4) or pretraining.max_length (now 96)",
        ),
        ("pretraining: features", "lower pretraining.student.micro_batch_size (now "),
        (
            "task: classes",
            "lower task_training.micro_batch_size (now null: whole batches of up to 5) or "
            "task_training.max_length.RTE (now ",
        ),
    ],
)
@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError(CUDA), "(CUDA out of memory. Tried to allocate 2.00 GiB)"),
        (
            RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling x"),
            "(CUBLAS_STATUS_ALLOC_FAILED",
        ),
        (MemoryError(), "(MemoryError)"),
    ],
    ids=["CUDA", "cuBLAS", "Python"],
)
def test_a_shortage_names_the_stage_and_the_keys(forge, monkeypatch, kind, words, error, said):
    step = step_of(kind)
    forge.without(step)

    def forward(self, shares, kind):
        raise error

    monkeypatch.setattr(Trainer, "_forward", forward)
    with pytest.raises(RetortError) as caught:
        STEPS[step].work(forge.plan)
    message = str(caught.value)
    assert message.startswith(f"{step}: out of memory on cpu {said}") and words in message
    assert "\n" not in message and caught.value.exit_code == 1
    assert not list(forge.plan.layout.stage(forge.plan.stages[step]).glob("*"))


@pytest.mark.parametrize("kind", ["pretraining: features", "task: classes"])
def test_a_real_shortage_ends_with_one_line_and_the_state_before_it(forge, kind):
    """The third update asks torch for 16 GiB in a process that may have 2 more."""
    step = step_of(kind)
    forge.without(step)
    ended = forge.attempt(step, plot="asks for 16 GiB", limits={"RLIMIT_AS": 2 * 2**30})
    assert ended.code == 1 and "Traceback" not in ended.printed, ended.printed
    (line,) = (line for line in ended.printed.splitlines() if line.startswith("error: "))
    assert f"error: {step}: out of memory on cpu (DefaultCPUAllocator: " in line
    assert "17179869184 bytes" in line and "micro_batch_size" in line
    assert list(forge.live.rglob("state-000000002-*.pt"))
    ended = forge.attempt(step)
    assert ended.code == 0, ended.printed
    assert forge.differences() == []


def test_the_keys_exist(forge):
    """They can be given as they are written."""
    config = forge.plan.config.model_dump(mode="json")
    for stage in forge.plan.stages.values():
        for named in smaller(stage):
            value = config
            for part in named.partition(" ")[0].split("."):
                value = value[part]
            assert value is None or f"now {value})" in named


def test_other_errors_are_not_taken_for_it(forge, monkeypatch):
    assert not is_shortage(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not is_shortage(ValueError("out of memory"))
    step = step_of("pretraining: alone")
    forge.without(step)
    monkeypatch.setattr(Trainer, "_forward", lambda *arguments: torch.ones(2) @ torch.ones(3))
    with pytest.raises(RuntimeError, match="size"):
        STEPS[step].work(forge.plan)
