"""Sizes of stored models are those of the architectures, whatever is stored beside the parameters."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retort.claims.places import numbers, tensors
from retort.models.hf.architecture import TextArchitecture, Vocabulary
from retort.models.hf.building import build, count_parameters
from retort.models.hf.folders import write_model

WORDS = Vocabulary(48, pad=1, bos=0, eos=2, start=2)
BOTH = TextArchitecture("a model", "bart", 2, 1, 16, 2, 32, 24)
CAUSAL = replace(BOTH, kind="opt", encoder_layers=0)
SIZES = {
    "bert": replace(BOTH, kind="bert", decoder_layers=0),
    "bart": BOTH,
    "mbart": replace(BOTH, kind="mbart"),
    "t5": replace(BOTH, kind="t5"),
    "t5, version 1.1": replace(BOTH, kind="t5", tied=False),
    "opt": CAUSAL,
    "opt-350m": replace(CAUSAL, word_width=8, normalised="after"),
    "pythia": replace(CAUSAL, kind="gpt_neox", tied=False),
    "llama": replace(CAUSAL, kind="llama", tied=False),
}


@pytest.mark.parametrize("name", SIZES)
def test_parameters_of_a_stored_model_are_those_of_its_architecture(name, tmp_path):
    """Stored as a task stage does it: copies of the best weights, one for each name."""
    module = build(SIZES[name], WORDS).module
    write_model(tmp_path, module, {key: tensor.clone() for key, tensor in module.state_dict().items()})
    assert numbers(tensors(tmp_path)) == count_parameters(SIZES[name], WORDS)


def test_parameters_of_a_stored_glm_are_those_of_its_configuration(tmp_path):
    from retort.models.checkpoint import save_glm
    from retort.models.glm import GLM, GLMConfig
    from retort.reporting.sizes import parameters

    config = GLMConfig(2, 16, 2, 60, 30, 0.0)
    save_glm(tmp_path, GLM(config))
    assert numbers(tensors(tmp_path)) == parameters(config)
