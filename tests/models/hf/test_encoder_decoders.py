"""BART, mBART and T5: both stacks' states, and where a decoder reads a word."""

import pytest
import torch

pytest.importorskip("transformers")

from text_models import TWO_STACKS, VOCAB, batch_for, opt, pair  # noqa: E402

from retort.models.features import Shape, Site, moved_right  # noqa: E402


@pytest.mark.parametrize("build", TWO_STACKS)
def test_encoder_states_of_an_encoder_decoder(build):
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    assert family.shape == Shape(2, 16, 2, VOCAB, encoder_layers=3)
    seen = family.observe(batch, frozenset({Site("encoder", 0), Site("encoder", 3), Site("hidden", 2)}))
    own = family.module.get_encoder()(batch.tokens, batch.attended.long()).last_hidden_state
    torch.testing.assert_close(seen[Site("encoder", 3)], own)
    assert seen[Site("encoder", 0)].shape == (4, 9, 16) and torch.equal(seen.attended, batch.attended)
    with pytest.raises(ValueError, match="no site"):
        family.observe(batch, frozenset({Site("encoder", 4)}))
    with pytest.raises(ValueError, match="no site"):
        opt(1, 16).observe(batch_for(opt), frozenset({Site("encoder", 0)}))


@pytest.mark.parametrize("build", TWO_STACKS)
def test_decoder_states_are_those_of_the_whole_model_wherever_a_word_is_read(build):
    """The authors mask nothing in the decoder; one position after the last word a word is still read."""
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    inputs = family.inputs(batch)
    del inputs["decoder_attention_mask"]
    out = family.module(**inputs, output_hidden_states=True)
    depth = family.shape.layers
    seen = family.observe(batch, frozenset(Site("hidden", i) for i in range(depth + 1)))
    read = batch.valid | moved_right(batch.valid)
    assert not torch.equal(read, batch.valid)
    for layer in range(depth + 1):
        whole = out.decoder_hidden_states[layer]
        torch.testing.assert_close(seen[Site("hidden", layer)][read], whole[read], rtol=1e-4, atol=1e-5)
