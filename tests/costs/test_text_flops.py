"""Transformers models' parameters, operations and activations against those of the models themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from flop_counts import counted

pytest.importorskip("transformers")

from retort.costs.flops import FUSED_BACKWARD  # noqa: E402
from retort.costs.memory import resident  # noqa: E402
from retort.costs.text_flops import (  # noqa: E402
    attention,
    backward,
    block_parameters,
    blocks,
    forward,
    layers,
    output_width,
    parameters,
    two_stacks,
    update,
)
from retort.costs.text_memory import activation_bytes, held_bytes, weights_bytes  # noqa: E402
from retort.data.text_batches import causal_batch, seq2seq_batch, whole_batch  # noqa: E402
from retort.models.hf.architecture import TextArchitecture, Vocabulary  # noqa: E402
from retort.models.hf.attention import make_visible  # noqa: E402
from retort.models.hf.building import build, count_parameters  # noqa: E402
from retort.recipes import atkd_models, cka_models  # noqa: E402
from retort.runs import Muon, Optimiser  # noqa: E402
from retort.training.optimisers import build as build_optimisers  # noqa: E402

WORDS = Vocabulary(104, pad=1, bos=0, eos=2, start=2)
ADAMW = Optimiser(1e-3, (0.9, 0.99), 1e-8, 0.0, 1.0, "constant", 0.0, 1.0)
ROWS, LENGTH, SOURCE = 6, 24, 20


def size(kind, layers=3, **more):
    stacks = {"bert": (layers, 0)} | dict.fromkeys(("bart", "mbart", "t5"), (2, layers))
    return TextArchitecture(kind, kind, *stacks.get(kind, (0, layers)), 32, 4, 80, 64, 0.0, **more)


KINDS = {
    "bert": size("bert"),
    "bart": size("bart"),
    "mbart": size("mbart"),
    "t5": size("t5", tied=False, head_width=16),
    "t5-tied": size("t5"),
    "opt": size("opt"),
    "opt-350m": size("opt", word_width=16, normalised="after"),
    "pythia": size("gpt_neox", tied=False),
    "llama": size("llama", tied=False),
}


def batch(model):
    def rows(length):
        return torch.randint(4, 100, (ROWS, length)).tolist()

    if model.kind == "bert":
        return whole_batch(rows(LENGTH), 1)
    if two_stacks(model):
        return seq2seq_batch(rows(SOURCE), rows(LENGTH), 1, 2)
    return causal_batch(rows(LENGTH), [1] * ROWS, 1)


def source(model):
    return SOURCE if two_stacks(model) else 0


def runner(model):
    """A model's forward pass up to its output projection."""
    torch.manual_seed(0)
    family, data = build(model, WORDS), batch(model)
    family.module.train()
    return family, lambda: family.words(family.run(data, hidden=False, scores=False)).hidden


@pytest.mark.parametrize("kind", KINDS)
def test_forward_and_backward_are_exact(kind):
    model = KINDS[kind]
    _, run = runner(model)
    there = counted(run)
    assert forward(model, ROWS, LENGTH, source=source(model)).flops == there
    back = counted(lambda: run().sum().backward()) - there
    # written out, attention costs twice its forward pass; fused, it is multiplied out once more
    seen, fused = (backward(model, ROWS, LENGTH, shown, source=source(model)).flops for shown in (1, 0))
    assert seen == back
    products = layers(model) * attention(model, ROWS, LENGTH, LENGTH)
    if two_stacks(model):
        products += layers(model) * attention(model, ROWS, LENGTH, SOURCE)
        products += model.encoder_layers * attention(model, ROWS, SOURCE, SOURCE)
    assert fused - seen == pytest.approx((FUSED_BACKWARD - 2) * products)


def test_a_gradient_that_ends_early_saves_blocks():
    model = KINDS["llama"]
    whole, short = (backward(model, ROWS, LENGTH, 1, depth).flops for depth in (None, 1))
    assert whole - short == 2 * 2 * blocks(model, ROWS, LENGTH).flops


@pytest.mark.parametrize(
    "model", [*cka_models.MODELS, *atkd_models.MODELS], ids=lambda m: m.architecture.name
)
def test_parameters_are_exact(model):
    counted_there = count_parameters(model.architecture, model.vocabulary)
    assert parameters(model.architecture, model.vocabulary.size) == counted_there


@pytest.mark.parametrize("kind", KINDS)
def test_muon_is_exact(kind):
    settings = replace(ADAMW, muon=Muon(0.02, 0.9, 5, 0.0))
    named = list(build(KINDS[kind], WORDS).module.named_parameters())
    for _, parameter in named:
        parameter.grad = torch.ones_like(parameter)
    optimisers = build_optimisers(settings, named)
    found = counted(lambda: [optimiser.step() for optimiser in optimisers])
    assert update(KINDS[kind], WORDS.size, settings).flops == found


def test_what_is_updated_and_multiplied():
    model = KINDS["opt-350m"]
    assert output_width(model) == 16 and output_width(KINDS["opt"]) == 32
    assert update(model, 104, ADAMW).elements == 10 * parameters(model, 104)
    assert update(model, 104, ADAMW).flops == 0
    assert weights_bytes(model, 104) == 4 * parameters(model, 104)


def saved(model, visible=False):
    """Bytes of all that a forward pass keeps, parameters apart."""
    family, run = runner(model)
    if visible:
        make_visible(family.module)
    own = {parameter.untyped_storage().data_ptr() for parameter in family.module.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage, tensor  # alive, so that its place is not used again
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        run()
    return sum(storage.nbytes() for storage, _ in kept.values())


@pytest.mark.parametrize("visible", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_activations_are_those_that_torch_keeps(kind, visible):
    shallow = KINDS[kind]
    deep = replace(shallow, **{"encoder_layers" if kind == "bert" else "decoder_layers": 5})
    expected, found = (
        [of(model) for model in (shallow, deep)]
        for of in (
            lambda model: saved(model, visible),
            lambda model: activation_bytes(model, ROWS, LENGTH, float(visible), source(model)),
        )
    )
    # Each block within a twentieth, and so the whole.
    assert found[1] - found[0] == pytest.approx(expected[1] - expected[0], rel=0.06)
    assert found == pytest.approx(expected, rel=0.06)


def test_dropout_is_remembered():
    plain, dropped = KINDS["opt"], replace(KINDS["opt"], dropout=0.1)
    found = activation_bytes(dropped, ROWS, LENGTH) - activation_bytes(plain, ROWS, LENGTH)
    assert found == pytest.approx(saved(dropped) - saved(plain), rel=0.06)


@pytest.mark.parametrize("kind", ["llama", "bart"])
def test_a_device_holds_a_share_and_what_is_gathered(kind):
    model = KINDS[kind]
    held = held_bytes(model, 104)
    cross = two_stacks(model)
    block = 4 * block_parameters(model, cross)
    around = held.all - 3 * block - (2 * 4 * block_parameters(model) if cross else 0)
    assert held.whole == around + 2 * block and held.all == weights_bytes(model, 104)
    assert resident(held, [held], 1, half=False) == 5 * held.all
    assert resident(held, [held], 4, half=True) == 5 * held.all / 4 + held.all / 2 + 3 * held.whole
