"""The authors' tiny models and batches, and the losses that their code made of whole steps on them."""

import json
from dataclasses import dataclass

import numpy as np
import torch

from retort.data.batches import Choices, GLMBatch
from retort.distill.edits import ReplaceBlocks, SwapTokens
from retort.distill.ensembles import SumOfSurvivors
from retort.distill.granularities import TokenStructure, partition
from retort.distill.layermaps import Pair
from retort.models.features import Totals
from retort.models.glm import GLM, GLMConfig
from retort.models.glm_family import GLMFamily

QKV = "transformer.layers.1.attention.query_key_value.weight"


def load_runs(golden):
    """Stored values of each case of golden_e2e.npz by name, JSON parsed."""
    with np.load(golden / "glmd" / "golden_e2e.npz") as stored:
        found = {name: {} for name in json.loads(str(stored["cases"]))}
        for key in stored.files:
            case, _, name = key.partition("/")
            if case in found:
                value = stored[key]
                found[case][name] = json.loads(str(value)) if value.dtype.kind == "U" else value
    return found


def family(stored, prefix, dtype=torch.float64):
    """A stored model, ready to run: every one has four heads and no dropout."""
    weights = {
        k.removeprefix(prefix): torch.from_numpy(stored[k]) for k in stored.files if k.startswith(prefix)
    }
    vocab, width = weights["word_embeddings.weight"].shape
    positions = len(weights["transformer.position_embeddings.weight"]) - 1
    layers = 1 + max(int(k.split(".")[2]) for k in weights if ".layers." in k)
    model = GLM(GLMConfig(layers, width, 4, vocab, positions, 0.0))
    model.load_state_dict(weights)
    return GLMFamily(model.to(dtype).eval())


def batch_of(stored, kind, mean_over_tokens=False):
    """The stored ``pretrain``, ``ft_single`` or ``ft_multi`` batch."""
    names = {"pretrain": ("tokens", "position_ids", "sep", "labels", "loss_mask")}
    keys = names.get(kind, ("text", "position", "mask", "target", "logit_mask"))
    tokens, positions, sep, targets, predicted = (torch.from_numpy(stored[f"{kind}.{k}"]) for k in keys)
    length = tokens.shape[-1]
    tokens, positions = tokens.view(-1, length), positions.view(-1, 2, length)
    sep, predicted = sep.flatten(), predicted.view(-1, length).bool()
    valid = positions[:, 0] > 0
    valid[:, 0] = True
    rows, choices, examples = len(tokens), None, len(tokens)
    if kind != "pretrain":
        label = torch.from_numpy(stored[f"{kind}.label"])
        examples = len(label)
        verbalizers = targets[0] if kind == "ft_single" else None
        row = torch.arange(rows).view(examples, -1)
        wide = row if verbalizers is None else row.expand(-1, len(verbalizers))
        choices = Choices(row, torch.ones_like(wide, dtype=torch.bool), label, verbalizers, mean_over_tokens)
    if kind == "ft_single":
        targets = torch.zeros_like(tokens)
    totals = Totals(rows, examples, int(valid.sum()), int(predicted.sum()))
    of_row = torch.arange(examples).repeat_interleave(rows // examples)
    keys = tuple(str(i) for i in range(examples))
    targets = targets.reshape(rows, length)
    return GLMBatch(tokens, targets, positions, sep, predicted, valid, of_row, keys, totals, choices)


def check_gradients(student, case, rtol):
    """The student's gradients: their norms, and one of them entirely."""
    gradients = {name: p.grad for name, p in student.module.named_parameters() if p.grad is not None}
    stored = {k.removeprefix("origin_model."): v for k, v in case["grad_norms"].items()}
    norms = {
        name: norm
        for name, norm in stored.items()
        if norm is not None and name in dict(student.module.named_parameters())
    }
    assert gradients.keys() == norms.keys()
    for name, norm in norms.items():
        np.testing.assert_allclose(gradients[name].norm(), norm, rtol=rtol, atol=1e-9, err_msg=name)
    if QKV in gradients:
        np.testing.assert_allclose(gradients[QKV], case[f"grad.{QKV}"], rtol=1e-5, atol=1e-7)


@dataclass(frozen=True)
class StoredSpans(TokenStructure):
    """Spans from the normal numbers that the authors' run drew."""

    draws: tuple[float, ...] = ()

    def span_lengths(self, length, clock):
        return partition(length, [abs(draw) for draw in self.draws])


@dataclass(frozen=True)
class StoredBlocks(ReplaceBlocks):
    """The student blocks that the authors' run kept."""

    stays: tuple[bool, ...] = ()

    def kept(self, clock, blocks):
        return list(self.stays)


@dataclass(frozen=True)
class StoredSwap(SwapTokens):
    """The layer and the positions that the authors' run drew."""

    layer: int = 0
    masks: tuple = ()

    def sources(self, clock, student, teacher):
        return Pair((self.layer,), (2 * self.layer - 1, 2 * self.layer))

    def spans(self, clock, lengths, longest):
        where, dual = (torch.tensor(mask) for mask in self.masks)
        source = torch.arange(longest).repeat(len(lengths), 1)
        source[where] = dual.nonzero()[:, 1]
        return where, source


@dataclass(frozen=True)
class StoredSurvivors(SumOfSurvivors):
    """The teachers that took part in the authors' run."""

    kept: tuple[int, ...] = ()

    def survivors(self, teachers, clock):
        return [number in self.kept for number in range(teachers)]
