"""Whole steps of every method on the authors' tiny models: loss and the student's gradients."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from golden_models import (
    StoredBlocks,
    StoredSpans,
    StoredSurvivors,
    StoredSwap,
    batch_of,
    check_gradients,
    family,
    load_runs,
)

from retort.distill.binding import BoundObjective
from retort.distill.granularities import RowStructure
from retort.distill.layermaps import Pair
from retort.distill.lenses import Gram, Project
from retort.distill.schedules import Clock
from retort.recipes import glmd

FIT = {"fit_dense": "1-hidden-t0-0|student"}


@pytest.fixture(scope="module")
def models(golden):
    return np.load(golden / "glmd" / "golden_e2e_models.npz")


@pytest.fixture(scope="module")
def runs(golden):
    return load_runs(golden)


@dataclass(frozen=True)
class Layers:
    """What a random layer map drew."""

    pair: Pair

    def pairs(self, clock, student_layers, teacher_layers):
        return [self.pair]


@dataclass(frozen=True)
class Whole:
    """A stored step.

    Attributes:
        objective: or a function of the stored case, where that holds random draws.
        batch: which of the stored ones; ``teachers``: which models.
        lenses: the authors' trained layers and ours.
    """

    objective: object
    batch: str = "ft_single"
    teachers: tuple[str, ...] = ("t0",)
    clock: Clock = Clock(0, 100)
    lenses: dict[str, str] = field(default_factory=dict)


def theseus(case):
    return replace(
        glmd.THESEUS.steps[0].objective,
        edit=StoredBlocks(None, tuple(number is None for number in case["tn_layers_used"])),
    )


def diito(case):
    masks = tuple(case[n].tolist() for n in ("interchange_mask", "dual_interchange_mask"))
    return replace(glmd.DIITO.steps[0].objective, edit=StoredSwap(0.3, int(case["s_alignment_layer"]), masks))


def mgskd(case):
    draws = tuple(case["span_normal_draws"].tolist())
    return glmd.mgskd_features(StoredSpans(8, draws=draws), RowStructure(8))


def rail(case):
    objective = glmd.RAIL_KD.steps[1].objective
    width = len(case["extra.s_fit_dense.bias"])
    return objective.each(
        lambda term: replace(
            term,
            layers=term.layers and Layers(Pair((1, 2), RAIL_DREW)),
            via=tuple(replace(s, to=width) if isinstance(s, Project) else s for s in term.via),
        )
    )


def dgkd(case):
    kept = tuple(n for n in range(3) if f"teacher_loss/teacher_{n}_t{n}" in case["parts"])
    return replace(glmd.DGKD.chain.links[-1].objective, ensemble=StoredSurvivors(0.75, kept))


RAIL_DREW = (3, 5)
MINILMV2 = glmd.MINILMV2.steps[0].objective.each(lambda term: replace(term, via=(Gram(6),)))
MOBILEBERT = glmd.mobilebert_objective(1.0).in_phase("pretraining")
SID, ANNEALING = glmd.SID.steps[1].objective, glmd.ANNEALING_KD.steps[1].objective
CONTINUATION = glmd.CONTINUATION_KD.steps[1].objective
MARGIN_4 = glmd.continuation_objective(4.0).in_phase("task")
TINY_PT, TINY_FT, TINY_SOFT = (step.objective for step in glmd.TINYBERT.steps)
PT, FT, SOFT = (step.objective for step in glmd.GLMD_VC.steps)
BOTH_SIDES = {"s_fit_dense": "2-hidden-t0-2|student", "t_fit_dense_0": "2-hidden-t0-2|teacher"}
PER_LAYER = {
    **{f"s_fit_dense.{i}": f"1-hidden-t0-1|student{i + 1}" for i in range(2)},
    **{f"t_fit_dense_0.{i}": f"1-hidden-t0-1|teacher{i + 1}" for i in range(5)},
}
OF_EACH = {f"multi_teacher_model.fit_dense_{n}": f"2-hidden-t{n}-0|teacher" for n in range(2)}

STEPS = {
    "glmd_stage1_pt": Whole(PT, "pretrain"),
    "glmd_stage2_ft": Whole(FT),
    "glmd_stage2_ft_multi": Whole(FT, "ft_multi"),
    "kd_ft": Whole(glmd.KD.steps[0].objective),
    "kd_ft_multi": Whole(glmd.KD.steps[0].objective, "ft_multi"),
    "pd_ft": Whole(glmd.PD.steps[1].objective),
    "tinybert_pt": Whole(TINY_PT, "pretrain", ("t48",), lenses=FIT),
    "tinybert_ft1": Whole(TINY_FT, "ft_single", ("t48",), lenses=FIT),
    "tinybert_ft2": Whole(TINY_SOFT, "ft_single", ("t48",)),
    "minilmv2_pt": Whole(MINILMV2, "pretrain", ("t48",)),
    "minilm_pt": Whole(glmd.MINILM.steps[0].objective, "pretrain", ("t48",)),
    "distilbert_pt": Whole(glmd.DISTILBERT.steps[0].objective, "pretrain"),
    "pkd_ft": Whole(glmd.PKD.steps[0].objective),
    "rail_kd_ft": Whole(rail, lenses=BOTH_SIDES),
    "mgskd_ft1": Whole(mgskd),
    "mgskd_ft2": Whole(glmd.MGSKD.steps[2].objective),
    "diito_pt_seed6": Whole(diito, "pretrain"),
    **{f"sid_ft_stage{n}": Whole(SID, clock=Clock(30 * (n - 1), 100)) for n in (1, 2, 3, 4)},
    "alp_kd_ft": Whole(glmd.ALP_KD.steps[0].objective),
    "ckd_ft": Whole(glmd.CKD.steps[1].objective),
    "theseus_ft_seed1_iter0": Whole(theseus),
    "theseus_ft_seed2_iter0": Whole(theseus),
    "theseus_ft_seed4_iter66": Whole(theseus),
    "universal_kd_ft": Whole(glmd.UNIVERSAL_KD.steps[0].objective, lenses=PER_LAYER),
    **{f"annealing_kd_iter{n}": Whole(ANNEALING, clock=Clock(n, 100)) for n in (0, 99)},
    **{f"continuation_kd_iter{n}": Whole(CONTINUATION, clock=Clock(n, 100)) for n in (0, 99)},
    "continuation_kd_iter30_margin4": Whole(MARGIN_4, clock=Clock(30, 100)),
    "mobilebert_pt_stage1": Whole(MOBILEBERT, "pretrain"),
    "mobilebert_pt_stage3": Whole(MOBILEBERT, "pretrain", clock=Clock(60, 100)),
    "mobilebert_pt_stage4": Whole(MOBILEBERT, "pretrain", clock=Clock(99, 100)),
    "tmkd_pt": Whole(glmd.TMKD.steps[0].objective, "pretrain", ("t0", "t1")),
    "tmkd_ft": Whole(glmd.TMKD.steps[1].objective, "ft_single", ("t0", "t1")),
    "mt_bert_ft": Whole(glmd.MT_BERT.steps[0].objective, "ft_single", ("t0", "t48"), lenses=OF_EACH),
    "uncertainty_ft": Whole(0.5 * glmd.UNCERTAINTY.steps[0].objective, "ft_single", ("t0", "t1")),
    "rl_kd_avg_ft": Whole(glmd.RL_KD.steps[0].objective, "ft_single", ("t0", "t1")),
    "takd_ft": Whole(glmd.TAKD.chain.links[0].objective),
    "dgkd_ft": Whole(dgkd, "ft_single", ("t0", "t1", "t2")),
}
LEFT_OUT = {
    "lrc_bert_ft1": "with the gradient perturbation that the paper's runs did not use",
    "lrc_bert_ft2": "with the gradient perturbation that the paper's runs did not use",
    "theseus_two_teachers": "blocks of two teachers: the method has one",
}


def bind(models, case, step, dtype):
    """The objective, the batch and all models of a step, with the stored projections."""
    student = family(models, "student.w.", dtype)
    teachers = [family(models, f"teacher_{name}.w.", dtype) for name in step.teachers]
    for teacher in teachers:
        teacher.module.requires_grad_(requires_grad=False)
    objective = step.objective(case) if callable(step.objective) else step.objective
    bound = BoundObjective(objective, student.shape, [teacher.shape for teacher in teachers]).to(dtype)
    for theirs, ours in step.lenses.items():
        stored = {k: case[f"extra.{theirs}.{k}"] for k in ("weight", "bias") if f"extra.{theirs}.{k}" in case}
        bound.lenses[ours].load_state_dict({k: torch.from_numpy(v) for k, v in stored.items()})
    assert set(step.lenses.values()) == set(bound.lenses)
    return bound, batch_of(models, step.batch), student, teachers


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize(("tag", "dtype"), [("f64", torch.float64), ("f32", torch.float32)])
def test_whole_steps_equal_the_authors(models, runs, name, tag, dtype):
    case, step = runs[name], STEPS[name]
    bound, batch, student, teachers = bind(models, case, step, dtype)
    losses = bound.loss(batch, student, teachers, step.clock)
    # The authors' hard losses pass through single precision.
    exact = all(term.site != "hard" for term in bound.objective.terms)
    rtol = 2e-5 if tag == "f32" else 1e-9 if exact else 1e-6
    np.testing.assert_allclose(losses.total.detach(), case[f"loss_{tag}"], rtol=rtol)
    if dtype == torch.float64:
        losses.total.backward()
        check_gradients(student, case, rtol=1e-8 if exact else 1e-6)


def test_every_stored_case_is_covered_or_named(runs):
    others = {name for name in runs if name.startswith("hard_only")} | {"common"}
    assert set(runs) - others == set(STEPS) | set(LEFT_OUT)
