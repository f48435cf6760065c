"""One adapter between the features stored with the authors' losses and our objectives.

The files golden_<method>.npz hold, case by case, the tensors that the authors' wrapper tapped from
student and teacher, its own trainable layers, the loss that it made of them and the gradients.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from retort.distill.binding import BoundObjective, Seen
from retort.distill.objective import Objective
from retort.distill.schedules import Clock
from retort.models.features import CLASS, HARD, WORDS, Features, Shape, Site, Totals, WordLogits

TAPS = {
    "layernorm_output": ("hidden", 0),
    "attention_scores": ("scores", 1),
    "attention_probs": ("probs", 1),
    "mixed_query_layer": ("q", 1),
    "mixed_key_layer": ("k", 1),
    "mixed_value_layer": ("v", 1),
    "value_layer": ("v", 1),
}
"""Name and numbering of our sites: ``layers.i.<tap>`` is site (name, i + offset). Other taps keep their
name and are numbered from 1."""

LABELS_TELL_PADDING = (
    "--distill_only_mask_pad",
    "--distilbert_cos_mask_padding",
    "--distilbert_ce_mask_padding",
)
"""Options with which the authors take positions of label 0 for padding."""


START = Clock(0, 1)


@dataclass(frozen=True)
class Outcome:
    """A loss of ours with its gradients.

    Attributes:
        value: the loss; one per row where the authors kept the batch dimension.
        gradients: of the summed loss by stored name, e.g. ``s.logits`` or ``param.fit_dense.bias``.
    """

    value: Tensor
    gradients: dict[str, Tensor]


@dataclass(frozen=True)
class GoldenCase:
    """One stored case."""

    name: str
    arrays: Mapping[str, Any]
    common: Mapping[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        return self.arrays["options"]

    def run(
        self,
        objective: Objective,
        dtype: torch.dtype = torch.float64,
        lenses: Mapping[str, str] | None = None,
        clock: Clock = START,
        teachers: tuple[str, ...] = ("t",),
    ) -> Outcome:
        """Feed the stored features to ``objective``; edited terms read the same ones as the others.

        ``lenses`` maps the authors' layers to keys of ``BoundObjective.lenses``; it may be left
        out where there is one of each. ``teachers`` are the prefixes of the teachers' features.
        """
        inputs = self.inputs(teachers, dtype)
        seen = self.seen(inputs, teachers)
        bound = self.bind(objective, seen)
        self.fill(bound, inputs, lenses)
        rows = len(seen.student.valid)
        if self.options.get("keep_batch"):
            one = self.totals(seen.student, rows, 1)
            apart = [_row(seen, r) for r in range(rows)]
            value = torch.stack([bound.compare(part, part, clock, one).total for part in apart])
        else:
            value = bound.compare(seen, seen, clock, self.totals(seen.student, rows, rows)).total
        wanted = {n: t for n, t in inputs.items() if f"grad.{n}" in self.arrays}
        if not wanted:
            return Outcome(value.detach(), {})
        grads = torch.autograd.grad(value.sum(), list(wanted.values()), allow_unused=True)
        missing = [n for n, g in zip(wanted, grads, strict=True) if g is None]
        assert not missing, f"the objective does not read {missing}"
        return Outcome(value.detach(), dict(zip(wanted, grads, strict=True)))

    def check(self, objective: Objective, constant: bool = False, **settings: Any) -> None:
        """Loss and gradients in float64 and the loss in float32, at the tolerances of the data.

        ``constant``: the loss does not depend on the features, so that there are no gradients.
        """
        double = self.run(objective, torch.float64, **settings)
        np.testing.assert_allclose(double.value, self.arrays["loss_f64"], rtol=1e-9)
        assert bool(double.gradients) != constant, "gradients are stored for every loss that is not constant"
        for name, found in double.gradients.items():
            expected = self.arrays[f"grad.{name}"]
            np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-13, err_msg=name)
        single = self.run(objective, torch.float32, **settings)
        np.testing.assert_allclose(single.value, self.arrays["loss_f32"], rtol=2e-5, atol=1e-6)

    def inputs(self, teachers: tuple[str, ...], dtype: torch.dtype) -> dict[str, Tensor]:
        """The stored features and trainable parameters by name, as leaves."""
        sides = ("s", *teachers, "param")
        chosen = {n: v for n, v in self.arrays.items() if n.split(".")[0] in sides and v.dtype.kind == "f"}
        return {n: torch.tensor(v, dtype=dtype).requires_grad_() for n, v in chosen.items()}

    def seen(self, inputs: Mapping[str, Tensor], teachers: tuple[str, ...]) -> Seen:
        """The features of the student and of the teachers with these prefixes."""
        return Seen(self._features(inputs, "s"), tuple(self._features(inputs, name) for name in teachers))

    def bind(self, objective: Objective, seen: Seen) -> BoundObjective:
        """The objective for models of the stored shapes."""
        shapes = [self._shape(f"t{n}", features) for n, features in enumerate(seen.teachers)]
        return BoundObjective(objective, self._shape("s", seen.student), shapes)

    def _features(self, inputs: Mapping[str, Tensor], side: str) -> Features:
        values: dict[Site, Any] = {}
        chosen = {n.removeprefix(side + "."): t for n, t in inputs.items() if n.startswith(side + ".")}
        for name, tensor in chosen.items():
            values.update(_site(name, tensor, self._layers(side)))
        first = next(iter(inputs[name] for name in inputs if not name.startswith("param.")))
        rows = len(first)
        hard = self.arrays.get("hard_loss")
        if hard is not None and side == "s":
            values[HARD] = torch.as_tensor(hard, dtype=first.dtype).expand(rows).clone()
        valid, predicted = self._masks(values, rows)
        return Features(values, valid, predicted, torch.arange(rows))

    def _layers(self, side: str) -> int:
        """Depth of a side; teachers of one case are equally deep."""
        if side == "s":
            return self.options.get("student_layers", 3)
        layers = self.options.get("teacher_layers", 6)
        return layers[0] if isinstance(layers, list) else layers

    def _masks(self, values: Mapping[Site, Any], rows: int) -> tuple[Tensor, Tensor]:
        """Padding is where the position is 0 beyond the first column; some methods ask the labels instead."""
        if values.keys() <= {CLASS, HARD}:
            return torch.ones(rows, 1, dtype=torch.bool), torch.zeros(rows, 1, dtype=torch.bool)
        found = {"position_ids": self.arrays.get("s.position_ids"), **self.common, **self.arrays}
        if any(flag in self.options["cli"] for flag in LABELS_TELL_PADDING):
            valid = torch.tensor(found["labels"]) > 0
        else:
            valid = torch.tensor(found["position_ids"])[:, 0] > 0
            valid[:, 0] = True
        predicted = torch.tensor(found.get("logit_mask", found["loss_mask"])).flatten(0, -2).bool()
        return valid, predicted

    def _shape(self, side: str, features: Features) -> Shape:
        width, vocab = 0, 0
        for site, value in features.values.items():
            if site.name == "hidden":
                width = value.shape[-1]
            if site.name == "words":
                vocab = len(value.weight)
        return Shape(self._layers(side), width, self.options.get("heads", 4), vocab)

    def totals(self, features: Features, rows: int, share: int) -> Totals:
        """Of the whole batch, or of one row where each row's mean is its own."""
        part = share / rows
        valid, predicted = int(features.valid.sum() * part), int(features.predicted.sum() * part)
        return Totals(share, share, valid, predicted)

    def fill(
        self, bound: BoundObjective, inputs: Mapping[str, Tensor], lenses: Mapping[str, str] | None = None
    ) -> None:
        """Replace the lenses' parameters by the stored ones, as leaves."""
        stored = {n.removeprefix("param.") for n in inputs if n.startswith("param.")}
        theirs = {n.rpartition(".")[0] for n in stored}
        if lenses is None:
            assert len(bound.lenses) <= 1 and len(theirs) >= len(bound.lenses), "name the lenses"
            lenses = dict(zip(theirs, bound.lenses, strict=False))
        for their, our in lenses.items():
            module = bound.lenses[our]
            for name, parameter in list(module.named_parameters()):
                tensor = inputs[f"param.{their}.{name}"]
                assert tensor.shape == parameter.shape
                delattr(module, name)
                setattr(module, name, tensor)


def _site(name: str, tensor: Tensor, depth: int) -> dict[Site, Any]:
    if name == "loss_batch":
        return {HARD: tensor}
    if name == "logits_parallel" or (name == "logits" and tensor.dim() == 3):
        return {WORDS: WordLogits(tensor, torch.eye(tensor.shape[-1], dtype=tensor.dtype))}
    if name == "logits":
        return {CLASS: tensor}
    if name == "output":
        return {Site("hidden", depth): tensor}
    found = re.fullmatch(r"layers\.(\d+)\.(\w+)", name)
    assert found is not None, f"unknown tap {name}"
    if found[2] == "value_layer":  # already split into heads
        tensor = tensor.transpose(1, 2).flatten(2)
    site, offset = TAPS.get(found[2], (found[2], 1))
    return {Site(site, int(found[1]) + offset): tensor}


def _row(seen: Seen, row: int) -> Seen:
    return Seen(_one(seen.student, row), tuple(_one(features, row) for features in seen.teachers))


def _one(features: Features, row: int) -> Features:
    values: dict[Site, Any] = {}
    for site, value in features.values.items():
        if isinstance(value, WordLogits):
            values[site] = WordLogits(value.hidden[row : row + 1], value.weight, value.bias)
        else:
            values[site] = value[row : row + 1]
    one = slice(row, row + 1)
    return Features(values, features.valid[one], features.predicted[one], torch.zeros(1, dtype=torch.long))


def load_cases(path: Path) -> dict[str, GoldenCase]:
    """All cases of a golden_<method>.npz file, JSON parsed and shared inputs resolved."""
    with np.load(path, allow_pickle=False) as stored:
        alias = json.loads(str(stored["alias"])) if "alias" in stored.files else {}
        found: dict[str, dict[str, Any]] = {name: {} for name in json.loads(str(stored["cases"]))}
        found["common"] = {}
        for key in [*stored.files, *alias]:
            case, _, name = key.partition("/")
            if name:
                found[case][name] = _parsed(stored[alias.get(key, key)])
    common = found.pop("common")
    return {name: GoldenCase(name, arrays, common) for name, arrays in found.items()}


def _parsed(value: np.ndarray) -> Any:
    if value.dtype.kind != "U":
        return value
    try:
        return json.loads(str(value))
    except ValueError:
        return str(value)


@pytest.fixture(scope="session")
def golden_cases(golden: Path) -> Callable[[str], dict[str, GoldenCase]]:
    """Cases of a method by name: ``golden_cases("tinybert")["readme"]``."""
    loaded: dict[str, dict[str, GoldenCase]] = {}

    def load(method: str) -> dict[str, GoldenCase]:
        if method not in loaded:
            loaded[method] = load_cases(golden / "glmd" / f"golden_{method}.npz")
        return loaded[method]

    return load
