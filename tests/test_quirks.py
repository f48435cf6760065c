from dataclasses import replace

import pytest
import torch

from retort.distill.binding import BoundObjective, Seen
from retort.distill.distances import KL, MSE, SoftCrossEntropy
from retort.distill.edits import SwapTokens
from retort.distill.ensembles import InverseTeacherLoss
from retort.distill.layermaps import Uniform
from retort.distill.objective import Objective, hard, match, soft, words
from retort.distill.schedules import Clock
from retort.errors import InputError
from retort.models.features import Features, Shape, Site, Totals
from retort.quirks import LEDGER, rewrite
from retort.recipes import glmd

OBJECTIVE = (
    words(KL(15.0))
    + soft(SoftCrossEntropy(10.0)).in_phase("task")
    + hard()
    + match("scores", Uniform(), MSE())
)


def test_ids_are_unique_and_every_entry_says_why():
    assert len({quirk.id for quirk in LEDGER}) == len(LEDGER)
    for quirk in LEDGER:
        assert all((quirk.where, quirk.evidence, quirk.effect)), quirk.id
        assert "as_run" not in quirk.switches, f"{quirk.id}: as_run is what the recipe says"


def test_as_run_changes_nothing():
    assert rewrite(OBJECTIVE, {}) == OBJECTIVE
    assert rewrite(OBJECTIVE, {quirk.id: "as_run" for quirk in LEDGER}) == OBJECTIVE


def test_masked_means():
    fixed = rewrite(OBJECTIVE, {"masked-means": "fixed"})
    assert fixed == Objective(tuple(replace(term, norm="valid") for term in OBJECTIVE.terms))


def test_rewriting_keeps_edits_and_ensembles():
    objective = replace(OBJECTIVE, edit=SwapTokens(0.3), ensemble=InverseTeacherLoss())
    fixed = rewrite(objective, {"masked-means": "fixed", "soft-loss-t2": "fixed"})
    assert (fixed.edit, fixed.ensemble) == (objective.edit, objective.ensemble)
    assert fixed.terms == rewrite(OBJECTIVE, {"masked-means": "fixed", "soft-loss-t2": "fixed"}).terms


def test_soft_losses_get_their_temperature_squared():
    fixed = rewrite(OBJECTIVE, {"soft-loss-t2": "fixed"})
    assert fixed.terms[1].by == SoftCrossEntropy(10.0, squared=True)
    assert [t for i, t in enumerate(fixed.terms) if i != 1] == [
        t for i, t in enumerate(OBJECTIVE.terms) if i != 1
    ]


def test_minilm_compares_the_probabilities_themselves():
    objective = glmd.MINILM.steps[0].objective
    fixed = rewrite(objective, {"minilm-softmax": "fixed"})
    shape, where = Shape(1, 8, 2, 7), torch.ones(1, 3, dtype=torch.bool)
    ours, theirs = (torch.randn(1, 2, 3, 3, dtype=torch.float64).softmax(-1) for _ in range(2))
    values = torch.zeros(1, 3, 8, dtype=torch.float64)

    def seen(probs):
        return Features(
            {Site("probs", 1): probs, Site("v", 1): values}, where, where, torch.zeros(1, dtype=torch.int64)
        )

    features = Seen(seen(ours), (seen(theirs),))
    found = (
        BoundObjective(fixed, shape, [shape]).compare(features, None, Clock(0, 1), Totals(1, 1, 3, 3)).total
    )
    torch.testing.assert_close(found, (theirs * (theirs / ours).log()).sum(-1).mean())
    as_run = (
        BoundObjective(objective, shape, [shape])
        .compare(features, None, Clock(0, 1), Totals(1, 1, 3, 3))
        .total
    )
    assert as_run < found / 3


def test_a_switch_keeps_ensemble_and_edit():
    for objective in (glmd.MT_BERT.steps[0].objective, glmd.DIITO.steps[0].objective):
        fixed = rewrite(objective, {"masked-means": "fixed"})
        assert (fixed.ensemble, fixed.edit) == (objective.ensemble, objective.edit)


def test_switches_combine_in_any_order():
    both = {"masked-means": "fixed", "soft-loss-t2": "fixed"}
    one_by_one = OBJECTIVE
    for name, switch in both.items():
        one_by_one = rewrite(one_by_one, {name: switch})
    assert rewrite(OBJECTIVE, dict(reversed(both.items()))) == rewrite(OBJECTIVE, both) == one_by_one


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"no-such": "fixed"}, "quirks.no-such: no such quirk; use one of cb-selection"),
        ({"masked-means": "broken"}, "quirks.masked-means: no switch 'broken'; it has as_run, fixed"),
        ({"cb-selection": "fixed"}, "quirks.cb-selection: no switch 'fixed'; it has as_run"),
    ],
)
def test_unknown_choices_are_named(chosen, message):
    with pytest.raises(InputError, match=message):
        rewrite(OBJECTIVE, chosen)
