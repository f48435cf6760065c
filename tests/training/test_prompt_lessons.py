"""What is told of a student's responses beside their scores."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")

from causal_models import model_of, prompts_of, setup  # noqa: E402

from retort.config import load  # noqa: E402
from retort.data.prompt_examples import save_prompts  # noqa: E402
from retort.evaluation.decoding import Sampling  # noqa: E402
from retort.models.hf.families import family_of  # noqa: E402
from retort.plan import Plan  # noqa: E402
from retort.recipes.atkd import SUPERVISED  # noqa: E402
from retort.runs import PromptRun  # noqa: E402
from retort.training.distribution import ALONE  # noqa: E402
from retort.training.prompt_lessons import PromptLesson  # noqa: E402

CPU = torch.device("cpu")


@pytest.fixture
def asked(tmp_path):
    """A lesson on one set of questions, its examples, and a student and a teacher."""
    tokenizer, layout = setup("opt")
    examples = [
        dataclasses.replace(example, key=f"dolly/{number}")
        for number, example in enumerate(prompts_of(tokenizer, layout), 1)
    ]
    tokenizer.save(tmp_path / "tokenizer.json")
    save_prompts(tmp_path, "dolly", examples)
    plan = Plan(load("smoke", {"papers": ["atkd"]}))
    (cell, *_) = (cell for cell in plan.cells if cell.method == SUPERVISED.name)
    (run,) = cell.stages[0].runs.values()
    assert isinstance(run, PromptRun)
    run = dataclasses.replace(run, train=("dolly",), sets=("dolly",), sampling=Sampling(6), family="opt")
    models = [family_of(model_of("opt", tokenizer, layout, seed)) for seed in (0, 1)]
    return PromptLesson(run, tmp_path, tmp_path), examples, models


def test_responses_are_as_unlikely_to_the_teacher_as_it_says(asked, tmp_path):
    lesson, examples, (student, teacher) = asked
    judged = lesson.judge(student, [teacher], CPU, ALONE)
    alone = lesson.judge(student, [], CPU, ALONE)
    assert set(judged.losses) - set(alone.losses) == {"kl", "dolly:teacher_nll"}
    said = lesson.rollouts(student, examples)
    total, words = 0.0, 0
    for example, ids in zip(examples, said, strict=True):
        whole = torch.tensor([[*example.prompt.tolist(), *ids]])
        with torch.no_grad():
            chances = teacher.module.eval()(input_ids=whole).logits[0].log_softmax(-1)
        places = np.arange(len(example.prompt), whole.shape[1])
        total -= float(chances[places - 1, whole[0, places]].sum())
        words += len(ids)
    assert judged.losses["dolly:teacher_nll"] == pytest.approx(total / words, rel=1e-5)
