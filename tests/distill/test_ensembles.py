"""Several teachers, against losses and gradients that the authors' code made of stored features."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from golden_models import StoredSurvivors
from hypothesis import given
from hypothesis import strategies as st

from retort.distill.binding import BoundObjective, Seen
from retort.distill.distances import KL, MSE
from retort.distill.ensembles import (
    Ensemble,
    Mean,
    Policy,
    RouteByEntropy,
    SumOfSurvivors,
    constant_weights,
)
from retort.distill.layermaps import Uniform
from retort.distill.lenses import Project
from retort.distill.objective import match, soft, unweighted
from retort.distill.routing import hard_route, normalised_entropy, soft_route
from retort.distill.schedules import Clock
from retort.distill.selector import candidates
from retort.models.features import CLASS, HARD, Features, Shape, Site, Totals
from retort.recipes import glmd


@dataclass(frozen=True)
class SoftRoute(Ensemble):
    """The authors' option without hard selection, which no method of the tables uses."""

    def weights(self, student, teachers, clock, module):
        return soft_route(normalised_entropy(student[CLASS]), len(teachers))


def dgkd(*kept):
    return replace(glmd.DGKD.chain.links[-1].objective, ensemble=StoredSurvivors(0.75, kept))


def fit_student():
    """MT-BERT with the student projected to each teacher, and without the hard loss."""
    terms = glmd.MT_BERT.steps[0].objective
    hidden = unweighted(match("hidden", Uniform(), MSE(), (Project(),)))
    return replace(terms, terms=(terms.terms[0], *hidden.terms))


def halves(objective):
    """The command line of the authors' README, which no run used: soft and hard loss weigh half."""
    return 0.5 * objective


TWO, THREE = ("t0", "t1"), ("t0", "t1", "t2")
UNCERTAINTY = halves(glmd.UNCERTAINTY.steps[0].objective)
CASES = {
    "tmkd_pt": (glmd.TMKD.steps[0].objective, TWO),
    "tmkd_ft": (glmd.TMKD.steps[1].objective, TWO),
    "dgkd_seed0": (dgkd(2), THREE),
    "dgkd_seed1": (dgkd(0), THREE),
    "dgkd_seed2": (dgkd(2), THREE),
    "mt_bert_readme": (glmd.MT_BERT.steps[0].objective, TWO),
    "mt_bert_fit_student_wo_hard": (fit_student(), TWO),
    "uncertainty_hard_readme": (UNCERTAINTY, TWO),
    # Teachers are named by size: the authors' order 2:0:1 says that t1 is the smallest.
    "uncertainty_hard_3teachers": (UNCERTAINTY, ("t1", "t2", "t0")),
    "uncertainty_hard_bs_lt_teachers": (UNCERTAINTY, THREE),
    "uncertainty_soft": (replace(UNCERTAINTY, ensemble=SoftRoute()), TWO),
    "rl_kd_avg": (glmd.RL_KD.steps[0].objective, TWO),
}
LEFT_OUT = {
    "uncertainty_soft_inter_entropy": "feature losses weighted by entropy: no method of the paper",
    "uncertainty_pretrain_mask": "entropy of masked words in pretraining: no method of the paper",
}
OF_EACH_TEACHER = {
    f"multi_teacher_model.fit_dense_{number}": f"{{}}-hidden-t{number}-0|{{}}" for number in range(2)
}


def lenses(case):
    place = {"mt_bert_readme": ("2", "teacher"), "mt_bert_fit_student_wo_hard": ("1", "student")}.get(case)
    return {k: v.format(*place) for k, v in OF_EACH_TEACHER.items()} if place else {}


@pytest.mark.parametrize("case", CASES)
def test_losses_and_gradients_equal_the_authors(golden_cases, case):
    objective, teachers = CASES[case]
    golden_cases("multi_teacher")[case].check(objective, teachers=teachers, lenses=lenses(case))


def test_every_stored_case_is_covered_or_named(golden_cases):
    assert set(golden_cases("multi_teacher")) == {*CASES, *LEFT_OUT, "rl_kd_reward1"}


@dataclass(frozen=True)
class StoredActions(Policy):
    """Uniform numbers from the authors' run instead of the clock's."""

    drawn: tuple = ()

    def uniforms(self, clock, turn, like):
        return torch.tensor(self.drawn[turn], dtype=torch.float64)


class PolicyRun:
    """Three consecutive steps of RL-KD on stored features."""

    teachers = ("t0", "t1", "t2")

    def __init__(self, case, dtype):
        self.dtype = dtype
        self.steps = [self._step(case, number) for number in range(3)]
        draws = tuple(tuple(map(tuple, draw)) for draw in case.arrays["rand_draws"].tolist())
        objective = replace(glmd.RL_KD.steps[1].objective, ensemble=StoredActions(0.5, 2, draws))
        shapes = [Shape(6, 32, 4, 0)] * 3
        self.bound = BoundObjective(objective, Shape(3, 32, 4, 0), shapes).to(dtype)
        theirs = {k: v for k, v in case.arrays.items() if k.startswith("param.multi_teacher_model.agent_")}
        self._fill({k.split(".agent_")[1]: torch.tensor(v) for k, v in theirs.items()})

    def _step(self, case, number):
        prefix = f"step{number}."
        arrays = {k.removeprefix(prefix): v for k, v in case.arrays.items() if k.startswith(prefix)}
        return replace(case, arrays={**arrays, "options": case.options})

    def _fill(self, theirs):
        """Their policy has no room for a second candidate; ours never sees one."""
        policy = self.bound.policy
        with torch.no_grad():
            policy.of_scores.weight.copy_(theirs["mt_soft.weight"])
            policy.of_scores.bias.copy_(theirs["mt_soft.bias"])
            state = theirs["semantic_mt_loss.weight"]
            policy.of_state.weight[:, :32] = state[:, :32].to(self.dtype)
            policy.of_state.weight[:, 64:] = state[:, 32:].to(self.dtype)
            policy.of_state.bias.copy_(theirs["semantic_mt_loss.bias"])

    def run(self, number):
        """Loss and gradients of a step: by the student's scores and by the policy's parameters."""
        step = self.steps[number]
        inputs = step.inputs(self.teachers, self.dtype)
        seen = step.seen(inputs, self.teachers)
        total = self.bound.compare(seen, None, Clock(number, 3), step.totals(seen.student, 3, 3)).total
        self.bound.zero_grad()
        total.backward()
        return total.item(), inputs["s.logits"].grad


@pytest.mark.parametrize(
    ("tag", "dtype", "rtol"), [("f64", torch.float64, 1e-9), ("f32", torch.float32, 2e-5)]
)
def test_policy_equals_the_authors(golden_cases, tag, dtype, rtol):
    case = golden_cases("multi_teacher")["rl_kd_reward1"]
    run = PolicyRun(case, dtype)
    for number in range(3):
        value, gradient = run.run(number)
        np.testing.assert_allclose(value, case.arrays[f"loss_{tag}"][number], rtol=1e-6)
        expected = run.steps[number].arrays
        np.testing.assert_allclose(gradient, expected["grad.s.logits"], rtol=max(rtol, 1e-8), atol=1e-8)
        if number:
            check_policy_gradients(run.bound.policy, expected)


def check_policy_gradients(policy, expected):
    theirs = {k.split(".agent_")[1]: v for k, v in expected.items() if ".agent_" in k}
    close = {"rtol": 1e-5, "atol": 1e-7}  # the reward passes through single precision
    np.testing.assert_allclose(policy.of_scores.weight.grad, theirs["mt_soft.weight"], **close)
    np.testing.assert_allclose(policy.of_state.bias.grad, theirs["semantic_mt_loss.bias"], **close)
    state = policy.of_state.weight.grad
    np.testing.assert_allclose(
        torch.cat((state[:, :32], state[:, 64:]), 1), theirs["semantic_mt_loss.weight"], **close
    )
    assert not state[:, 32:64].any()


def test_policy_resumes_with_the_same_bits(golden_cases):
    case = golden_cases("multi_teacher")["rl_kd_reward1"]
    whole, resumed = PolicyRun(case, torch.float32), PolicyRun(case, torch.float32)
    whole.run(0)
    whole.run(1)
    resumed.bound.load_state_dict(whole.bound.state_dict())
    for mine, other in zip(whole.run(2), resumed.run(2), strict=True):
        assert torch.equal(torch.as_tensor(mine), torch.as_tensor(other))
    assert all(isinstance(value, torch.Tensor) for value in whole.bound.state_dict().values())


def test_policy_draws_other_actions_each_time():
    policy, like = Policy(0.5), torch.zeros(4, 2)
    first = policy.uniforms(Clock(0, 9), 0, like)
    assert torch.equal(first, policy.uniforms(Clock(0, 9), 0, like))
    for clock, turn in ((Clock(0, 9), 1), (Clock(1, 9), 0), (Clock(0, 9, seed=1), 0)):
        assert not torch.equal(first, policy.uniforms(clock, turn, like))


def test_encoders_run_but_teach_nothing():
    shape = Shape(2, 4, 2, 7)
    bound = BoundObjective(glmd.RL_KD.steps[1].objective, shape, [shape] * 3)
    assert bound.teacher_sites(Clock(0, 1), 0) == {Site("hidden", 2)}
    assert bound.teacher_sites(Clock(0, 1), 1) == {HARD, CLASS}


def test_candidates_are_laid_out_by_example():
    rows = torch.arange(6.0)[:, None]
    laid = candidates(rows, torch.tensor([0, 0, 0, 1, 2, 2]), 2)
    assert laid[..., 0].tolist() == [[0, 1], [3, 0], [4, 5]]


@given(st.integers(1, 5), st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_routes_give_each_example_one_share(teachers, uncertainty):
    values = torch.tensor(uncertainty, dtype=torch.float64)
    soft_weights = soft_route(values, teachers)
    torch.testing.assert_close(soft_weights.sum(0), torch.ones_like(values))
    if len(values) >= teachers:
        routed = hard_route(values, teachers)
        assert torch.equal(routed.sum(0), torch.ones_like(values))
        assert routed.sum(1).max() - routed.sum(1).min() <= 1
        means = [values[row.bool()].mean() for row in routed]
        assert all(less >= sure - 1e-12 for less, sure in zip(means, means[1:], strict=False))


def test_survivors_are_drawn_from_the_clock():
    ensemble = SumOfSurvivors(0.75)
    drawn = [ensemble.survivors(4, Clock(step, 400)) for step in range(400)]
    assert drawn == [ensemble.survivors(4, Clock(step, 400)) for step in range(400)]
    assert np.mean(drawn) == pytest.approx(0.75, abs=0.03)


def seen_of(scores, *teachers):
    def features(values):
        rows = len(values)
        ones = torch.ones(rows, 1, dtype=torch.bool)
        return Features({CLASS: values}, ones, ones, torch.arange(rows))

    return Seen(features(scores), tuple(features(values) for values in teachers))


def test_teachers_out_of_the_step_leave_only_the_hard_loss():
    scores = torch.randn(3, 2, dtype=torch.float64)
    seen = seen_of(scores, torch.randn(3, 2, dtype=torch.float64))
    objective = replace(soft(KL()).in_phase("task"), ensemble=StoredSurvivors(0.5, ()))
    shape = Shape(1, 4, 1, 7)
    bound = BoundObjective(objective, shape, [shape])
    assert bound.compare(seen, None, Clock(0, 1), Totals(3, 3, 3, 3)).total == 0


def test_mean_is_exact_in_double_precision():
    seen = seen_of(torch.zeros(2, 2))
    assert torch.equal(
        Mean().weights(seen.student, [seen.student] * 3, Clock(0, 1), None),
        constant_weights([1 / 3] * 3, seen.student),
    )
    assert float(Mean().weights(seen.student, [seen.student] * 3, Clock(0, 1), None)[0, 0]) == 1 / 3


def test_routing_needs_the_students_scores():
    assert RouteByEntropy().student_sites(3) == {CLASS}
