"""GLM against numbers of the authors' model.

Not covered: ``albert`` of glm_variants.npz (blocks that share their parameters), which no row of the
papers uses; 1-D positions, ``attention_scale`` and memories of glm_forward.npz, which the papers switch off.
"""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from retort.models.features import Patch, Recorder, Site
from retort.models.glm import GLM, MASKED_SCORE, Bottleneck, GLMConfig, prefix_mask

TINY = GLMConfig(layers=3, width=32, heads=4, vocab=97, positions=64, dropout=0.0)
VARIANTS = {
    "compress": GLMConfig(3, 32, 4, 97, 64, 0.0, factorised=16),
    "ibglm_teacher": GLMConfig(3, 32, 4, 97, 64, 0.0, trigram=8, bottleneck=Bottleneck(64, 1)),
    "ibglm_student": GLMConfig(3, 32, 4, 97, 64, 0.0, trigram=8, bottleneck=Bottleneck(16, 4)),
}
TOLERANCE = {torch.float64: {"rtol": 1e-9, "atol": 1e-12}, torch.float32: {"rtol": 2e-5, "atol": 1e-5}}
TAGS = [("f64", torch.float64), ("f32", torch.float32)]
EVERYTHING = frozenset(
    Site(name, i) for name in ("hidden", "scores", "probs", "q", "k", "v") for i in range(4)
)


@pytest.fixture(scope="module")
def forward(golden):
    return np.load(golden / "glmd" / "glm_forward.npz")


@pytest.fixture(scope="module")
def variants(golden):
    return np.load(golden / "glmd" / "glm_variants.npz")


def with_weights(config, stored, prefix, dtype):
    model = GLM(config)
    weights = {
        k.removeprefix(prefix): torch.from_numpy(stored[k]) for k in stored.files if k.startswith(prefix)
    }
    model.load_state_dict(weights)
    return model.to(dtype).eval()


def inputs(stored, prefix=""):
    return (torch.from_numpy(stored[f"{prefix}{name}"]) for name in ("input_ids", "position_ids", "sep"))


def logits(model, tokens, positions, mask, record=None):
    return model(tokens, positions, mask, record) @ model.word_embeddings.weight.T


@pytest.mark.parametrize(("tag", "dtype"), TAGS)
def test_every_feature_equals_the_authors(forward, tag, dtype):
    model = with_weights(TINY, forward, "w.", dtype)
    tokens, positions, sep = inputs(forward, "A.")
    record = Recorder(EVERYTHING)
    found = logits(model, tokens, positions, prefix_mask(sep, 12), record)

    def check(value, name):
        np.testing.assert_allclose(
            value.detach(), forward[f"A.{tag}.{name}"], **TOLERANCE[dtype], err_msg=name
        )

    check(found, "logits")
    check(record.values[Site("hidden", 3)], "final_hidden")
    check(torch.stack([record.values[Site("hidden", i)] for i in range(3)]), "layers.layernorm_output")
    for site, name in [
        ("scores", "attention_scores"),
        ("probs", "attention_probs"),
        ("q", "mixed_query_layer"),
        ("k", "mixed_key_layer"),
        ("v", "mixed_value_layer"),
    ]:
        check(torch.stack([record.values[Site(site, i)] for i in (1, 2, 3)]), f"layers.{name}")
    targets, chosen = torch.from_numpy(forward["A.targets"]), torch.from_numpy(forward["A.loss_mask"])
    losses = F.cross_entropy(found.flatten(0, 1).double(), targets.flatten(), reduction="none").view(4, 12)
    check(losses, "token_ce")
    check((losses * chosen).sum() / chosen.sum(), "lm_loss")


@pytest.mark.parametrize("config", [TINY, *VARIANTS.values()])
def test_the_residual_stream_is_what_layer_norms_see(config):
    torch.manual_seed(0)
    model = GLM(config).double()
    tokens, positions = torch.randint(97, (2, 5)), torch.arange(5).expand(2, 2, 5)
    mask = prefix_mask(torch.tensor([5, 3]), 5)
    record = Recorder(EVERYTHING | {Site("residual", i) for i in range(4)})
    model(tokens, positions, mask, record)
    norms = [
        *(block.input_layernorm for block in model.transformer.layers),
        model.transformer.final_layernorm,
    ]
    for layer, norm in enumerate(norms):
        seen = norm(record.values[Site("residual", layer)])
        assert torch.equal(seen, record.values[Site("hidden", layer)])
    assert not any(site.name == "residual" for site in _recorded(model, tokens, positions, mask))


def _recorded(model, tokens, positions, mask):
    record = Recorder(EVERYTHING)
    model(tokens, positions, mask, record)
    return record.values


def test_a_patched_residual_stream_goes_on_changed():
    torch.manual_seed(0)
    model = GLM(TINY).double().eval()
    tokens, positions = torch.randint(97, (2, 5)), torch.arange(5).expand(2, 2, 5)
    mask = prefix_mask(torch.tensor([5, 5]), 5)
    sites = frozenset(Site("residual", i) for i in range(4))
    whole = Recorder(sites)
    expected = model(tokens, positions, mask, whole)
    kept = whole.values[Site("residual", 2)]
    patch = Patch(residual={2: lambda own: kept, 3: lambda own: own + 1})
    changed = Recorder(sites, patch)
    found = model(torch.zeros_like(tokens), positions, mask, changed)
    assert torch.equal(changed.values[Site("residual", 3)], whole.values[Site("residual", 3)] + 1)
    torch.testing.assert_close(found, expected)  # a LayerNorm does not see the shift


def test_gradients_equal_the_authors(forward):
    model = with_weights(TINY, forward, "w.", torch.float64)
    tokens, positions, sep = inputs(forward, "A.")
    where = torch.from_numpy(forward["A.loss_mask"]).bool()
    found = logits(model, tokens, positions, prefix_mask(sep, 12))
    F.cross_entropy(found[where], torch.from_numpy(forward["A.targets"])[where]).backward()
    assert sum(k.startswith("grad64.") for k in forward.files) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        expected = forward[f"grad64.{name}"]
        # Some of the gradients were stored in single precision.
        rtol, atol = (1e-8, 1e-13) if expected.dtype == np.float64 else (1e-6, 1e-9)
        np.testing.assert_allclose(parameter.grad, expected, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.parametrize(("tag", "dtype"), TAGS)
def test_one_length_for_all_and_a_mask_by_hand_equal_the_authors(forward, tag, dtype):
    model = with_weights(TINY, forward, "w.", dtype)
    tokens, positions, _ = inputs(forward, "A.")
    same = prefix_mask(torch.from_numpy(forward["B.sep_scalar"]).expand(4), 12)
    by_hand = torch.from_numpy(forward["C.mask4d"]).bool()
    for case, mask in (("B", same), ("C", by_hand)):
        found = logits(model, tokens, positions, mask).detach()
        np.testing.assert_allclose(found, forward[f"{case}.{tag}.logits"], **TOLERANCE[dtype])


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_equal_the_authors(variants, name):
    model = with_weights(VARIANTS[name], variants, f"{name}.w.", torch.float64)
    assert sum(p.numel() for p in model.parameters()) == variants[f"{name}.n_params"]
    tokens, positions, sep = inputs(variants)
    record = Recorder(EVERYTHING)
    found = logits(model, tokens, positions, prefix_mask(sep, 11), record).detach()
    np.testing.assert_allclose(found, variants[f"{name}.f64.logits"], rtol=1e-9, atol=1e-12)
    for site, first, tap in (("hidden", 0, "layernorm_output"), ("scores", 1, "attention_scores")):
        seen = torch.stack([record.values[Site(site, i + first)] for i in range(3)]).detach()
        np.testing.assert_allclose(seen, variants[f"{name}.f64.layers.{tap}"], rtol=1e-9, atol=1e-12)
    final = record.values[Site("hidden", 3)].detach()
    np.testing.assert_allclose(final, variants[f"{name}.f64.final_hidden"], rtol=1e-9, atol=1e-12)


INITIALISED = {
    "L12_H128": GLMConfig(12, 128, 8, 1000, 128),
    "L4_H256": GLMConfig(4, 256, 8, 1000, 128),
    "L4_H256_albert64": GLMConfig(4, 256, 8, 1000, 128, factorised=64),
    "L4_H256_ib512": GLMConfig(4, 256, 8, 1000, 128, trigram=64, bottleneck=Bottleneck(512, 2)),
}


@pytest.mark.parametrize("name", INITIALISED)
def test_initial_parameters_follow_the_authors(golden, name):
    stored = json.loads((golden / "glmd" / "glm_init_stats.json").read_text())[name]
    config = INITIALISED[name]
    torch.manual_seed(0)
    own = dict(GLM(config).named_parameters())
    for key, expected in stored.items():
        parameter = own[key]
        if "word_embeddings" not in key:
            assert list(parameter.shape) == expected["shape"], key
        if expected["std"] == 0:
            assert (parameter == expected["mean"]).all(), key
        elif math.prod(expected["shape"]) >= 10_000:
            assert parameter.std().item() == pytest.approx(expected["std"], rel=0.03), key
            assert abs(parameter.mean().item()) < 4 * expected["std"] / math.sqrt(parameter.numel()), key
    if "albert" not in name:
        assert own.keys() == stored.keys()


def test_state_dict_is_that_of_the_public_checkpoints():
    shapes = {k: tuple(v.shape) for k, v in GLM(GLMConfig(1, 8, 2, 11, positions=5)).state_dict().items()}
    block = "transformer.layers.0."
    assert shapes == {
        "word_embeddings.weight": (11, 8),
        "transformer.position_embeddings.weight": (6, 8),
        "transformer.block_position_embeddings.weight": (6, 8),
        f"{block}input_layernorm.weight": (8,),
        f"{block}input_layernorm.bias": (8,),
        f"{block}attention.query_key_value.weight": (24, 8),
        f"{block}attention.query_key_value.bias": (24,),
        f"{block}attention.dense.weight": (8, 8),
        f"{block}attention.dense.bias": (8,),
        f"{block}post_attention_layernorm.weight": (8,),
        f"{block}post_attention_layernorm.bias": (8,),
        f"{block}mlp.dense_h_to_4h.weight": (32, 8),
        f"{block}mlp.dense_h_to_4h.bias": (32,),
        f"{block}mlp.dense_4h_to_h.weight": (8, 32),
        f"{block}mlp.dense_4h_to_h.bias": (8,),
        "transformer.final_layernorm.weight": (8,),
        "transformer.final_layernorm.bias": (8,),
    }


SIZES = {
    "T1": (GLMConfig(12, 768, 12, 30592), 109_338_624),
    "T2": (GLMConfig(24, 1024, 16, 30592), 334_688_256),
    "A1": (GLMConfig(18, 896, 14, 30592), 201_949_440),
    "S1": (GLMConfig(6, 384, 12, 30592), 22_788_864),
    "S2": (GLMConfig(6, 768, 12, 30592), 66_811_392),
    "S1 half vocabulary": (GLMConfig(6, 384, 12, 15360), 16_939_776),
    "S2 half vocabulary": (GLMConfig(6, 768, 12, 15360), 55_113_216),
    "S1 factorised": (GLMConfig(6, 384, 12, 30592, factorised=192), 17_063_232),
    "S1 factorised, half vocabulary": (GLMConfig(6, 384, 12, 15360, factorised=192), 14_138_688),
    "S_MB": (GLMConfig(24, 512, 4, 30592, trigram=128, bottleneck=Bottleneck(128, 4)), 37_371_392),
    "T_MB": (GLMConfig(24, 512, 4, 30592, trigram=128, bottleneck=Bottleneck(1024, 1)), 306_174_464),
}


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts_of_the_papers_models(name):
    config, expected = SIZES[name]
    with torch.device("meta"):
        model = GLM(config)
    assert sum(p.numel() for p in model.parameters()) == expected


@pytest.mark.parametrize(
    ("config", "billions"),
    [
        (GLMConfig(36, 2048, 32, 50304, positions=1024), 1.92),
        (GLMConfig(48, 4096, 64, 50304, positions=1024), 9.88),
    ],
)
def test_large_models_exist_on_the_meta_device(config, billions):
    with torch.device("meta"):
        model = GLM(config)
    assert sum(p.numel() for p in model.parameters()) / 1e9 == pytest.approx(billions, abs=0.005)


def random_inputs(seed, rows=3, length=11):
    g = torch.Generator().manual_seed(seed)
    tokens = torch.randint(0, 97, (rows, length), generator=g)
    positions = torch.randint(0, 65, (rows, 2, length), generator=g)
    return tokens, positions, torch.randint(1, length, (rows,), generator=g)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**31), config=st.sampled_from([TINY, *VARIANTS.values()]))
def test_nothing_sees_what_it_must_not(seed, config):
    """Part A sees no word of part B, and no position of part B sees a later one."""
    torch.manual_seed(0)
    model = GLM(config).double().eval()
    tokens, positions, sep = random_inputs(seed)
    length = tokens.shape[1]
    before = model(tokens, positions, prefix_mask(sep, length))
    cut = int(torch.randint(int(sep.max()), length, (), generator=torch.Generator().manual_seed(seed)))
    changed = tokens.clone()
    changed[:, cut:] = (changed[:, cut:] + 1) % 97
    after = model(changed, positions, prefix_mask(sep, length))
    torch.testing.assert_close(after[:, :cut], before[:, :cut], rtol=0, atol=1e-12)
    assert not torch.allclose(after[:, cut:], before[:, cut:])


def test_part_a_sees_all_of_itself():
    model = GLM(TINY).double().eval()
    tokens, positions, _ = random_inputs(0)
    mask = prefix_mask(torch.tensor([6, 6, 6]), 11)
    changed = tokens.clone()
    changed[:, 5] = (changed[:, 5] + 1) % 97
    difference = (model(changed, positions, mask) - model(tokens, positions, mask)).abs().amax(-1)
    assert (difference > 0).all()


def test_prefix_mask_by_hand():
    expected = [[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]
    assert prefix_mask(torch.tensor([2]), 4)[0, 0].int().tolist() == expected


@pytest.mark.parametrize("config", [TINY, *VARIANTS.values()])
def test_fused_attention_equals_the_written_out_one(config):
    model = GLM(config).double()
    tokens, positions, sep = random_inputs(1)
    mask = prefix_mask(sep, 11)
    found = []
    for record in (None, Recorder(EVERYTHING)):
        model.zero_grad()
        out = model(tokens, positions, mask, record)
        out.square().sum().backward()
        found.append((out.detach(), [p.grad for p in model.parameters()]))
    torch.testing.assert_close(found[0], found[1])


def test_only_wanted_sites_are_kept():
    record = Recorder(frozenset({Site("hidden", 1), Site("probs", 2)}))
    tokens, positions, sep = random_inputs(2)
    GLM(TINY)(tokens, positions, prefix_mask(sep, 11), record)
    assert record.values.keys() == {Site("hidden", 1), Site("probs", 2)}


def test_masked_scores_are_the_same_constant_in_any_model():
    tokens, positions, sep = random_inputs(3)
    mask = prefix_mask(sep, 11)
    record = Recorder(frozenset({Site("scores", 1)}))
    GLM(TINY)(tokens, positions, mask, record)
    scores = record.values[Site("scores", 1)]
    assert (scores[~mask.expand_as(scores)] == MASKED_SCORE).all()
    assert (scores[mask.expand_as(scores)].abs() < 100).all()


def test_dropout_acts_in_training_alone():
    model = GLM(GLMConfig(2, 16, 2, 30, 20, dropout=0.5))
    tokens, positions, sep = (
        torch.randint(0, 30, (2, 8)),
        torch.randint(0, 20, (2, 2, 8)),
        torch.tensor([3, 4]),
    )
    mask = prefix_mask(sep, 8)
    assert not torch.equal(model(tokens, positions, mask), model(tokens, positions, mask))
    model.eval()
    assert torch.equal(model(tokens, positions, mask), model(tokens, positions, mask))


@pytest.mark.parametrize("config", [TINY, *VARIANTS.values()])
def test_configuration_survives_json(config):
    assert GLMConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_importing_glm_does_not_import_transformers():
    code = (
        "import sys, retort.models.glm_family, retort.models.checkpoint, retort.distill.binding\n"
        "assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
