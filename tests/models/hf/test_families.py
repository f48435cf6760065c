"""Which adapter a model gets."""

import subprocess
import sys

import pytest

transformers = pytest.importorskip("transformers")

from text_models import bart, batch_for, bert, mbart, opt, t5  # noqa: E402

from retort.models.features import WORDS  # noqa: E402
from retort.models.hf.families import CausalFamily, OPTFamily, SeqToSeqFamily, T5Family, family_of  # noqa: E402


def test_models_find_their_family():
    assert isinstance(family_of(t5(1, 16).module), T5Family)
    assert type(family_of(mbart(1, 16).module)) is SeqToSeqFamily
    assert type(family_of(opt(1, 16).module)) is OPTFamily
    other = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=9))
    with pytest.raises(ValueError, match="no adapter for 'gpt2'; there are some for bart, bert, gpt_neox"):
        family_of(other)


def test_families_know_their_models():
    with pytest.raises(ValueError, match="CausalFamily knows gpt_neox, llama, not 'bert'"):
        CausalFamily(bert(1, 16).module)
    with pytest.raises(ValueError, match="needs a batch with decoder_tokens"):
        bart(1, 16).observe(batch_for(opt), frozenset({WORDS}))


def test_importing_the_adapters_does_not_import_transformers():
    code = (
        "import sys, retort.models.hf.folders, retort.training.loop; assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
