"""Likelihoods are those of the definition, whatever the batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from causal_models import FAMILIES, model_of, prompts_of, setup

from retort.data.prompt_examples import with_responses
from retort.evaluation.likelihood import response_nll
from retort.models.hf.families import family_of

CPU = torch.device("cpu")


def asked(family):
    tokenizer, layout = setup(family)
    prompts = prompts_of(tokenizer, layout)
    rng = np.random.default_rng(1)
    said = [rng.integers(3, tokenizer.size, size).tolist() for size in (1, 4, 2, 0, 3)]
    return layout, family_of(model_of(family, tokenizer, layout)), with_responses(prompts, said)


def log_chances(family, example):
    """[R, V], one sequence at a time."""
    ids = torch.tensor([[*example.prompt.tolist(), *example.response.tolist()]])
    with torch.no_grad():
        logits = family.module.eval()(input_ids=ids).logits[0]
    return logits[len(example.prompt) - 1 : -1].log_softmax(-1)


@pytest.mark.parametrize("name", FAMILIES)
def test_likelihoods(name):
    layout, family, examples = asked(name)
    right = np.zeros((len(examples), 2))
    for row, example in enumerate(examples):
        chances = log_chances(family, example)
        said = torch.tensor(example.response.tolist(), dtype=torch.int64)
        right[row] = -float(chances.gather(1, said[:, None]).sum()), len(said)
    family.module.train()
    for rows in (1, 2, 32):
        found = response_nll(family, examples, layout, CPU, rows_at_once=rows)
        assert found == pytest.approx(right, rel=1e-4, abs=1e-5)
    assert family.module.training and found[3].tolist() == [0, 0]
