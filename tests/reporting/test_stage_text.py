import pytest

from retort.config import load
from retort.plan import Plan
from retort.reporting.stage_text import TERM_COLUMNS, expression, parents, schooling, stage_facts, terms
from retort.stages import to_json


@pytest.mark.parametrize(
    "value, text",
    [
        (2.0, "2"),
        (0.3333, "0.3333"),
        (None, "none"),
        ([0.9, 0.98], "[0.9, 0.98]"),
        ({"is": "Last"}, "Last"),
        ({"is": "KL", "temperature": 10.0, "squared": True}, "KL(temperature=10, squared)"),
        ({"is": "Project", "bias": False, "to": "student", "size": None}, "Project(to=student)"),
        ({"is": "Joint", "of": {"is": "Uniform", "start": 0}}, "Joint(of=Uniform(start=0))"),
        ({"width": 32}, "(width=32)"),
    ],
)
def test_values_read_like_calls(value, text):
    assert expression(value) == text


def test_a_term_says_what_is_compared_where_and_with_what_weight():
    term = {
        "site": "hidden", "by": {"is": "MSE"}, "layers": {"is": "Last"}, "mask": "valid", "norm": "all",
        "via": [{"is": "FirstToken", "side": "both"}, {"is": "Attend"}], "weight": 0.5,
        "above": {"is": "Steps", "number": 10}, "edited": True, "weighted": True,
    }  # fmt: skip
    ((weight, distance, site, layers, lenses, positions),) = terms({"terms": [term]})
    assert (weight, distance, site, layers) == ("0.5", "MSE", "hidden", "Last")
    assert lenses == "FirstToken(side=both) → Attend"
    assert positions == "valid, mean over all; rows above Steps(number=10); in the edited pass"


def test_words_chosen_by_uncertainty_read_like_a_call():
    group = {
        "is": "TokenGroup",
        "group": "hard",
        "of": "predicted",
        "share": 0.5,
        "first": False,
        "last": True,
    }
    term = {"site": "words", "by": {"is": "KL"}, "layers": None, "mask": group, "norm": "valid", "via": [],
            "weight": 0.8}  # fmt: skip
    ((*_, positions),) = terms({"terms": [term]})
    assert positions == "TokenGroup(group=hard, of=predicted, share=0.5, last), mean over these"


def test_every_stage_of_a_scale_can_be_put_in_words():
    """Whatever the recipes hold: no term without weight, distance and site, every parent named."""
    plan = Plan(load("smoke"))
    digests = {stage.id.rpartition(".")[2] for stage in plan.stages.values()}
    for stage in plan.stages.values():
        card = to_json(stage)
        for term in terms(card["objective"]):
            assert len(term) == len(TERM_COLUMNS)
            assert all(term[:3])
        assert dict(stage_facts(card))["Seed"] == str(stage.seed)
        found = {digest for _, digest in parents(card)}
        assert found <= digests
        assert found >= set(card["teachers"])


def test_length_and_optimiser_are_those_of_the_cards_own_task():
    optimiser = {"learning_rate": 0.001, "schedule": "linear", "warmup": 0.1, "muon": None}
    runs = [
        {"task": t, "epochs": n, "batch_size": 16, "optimiser": optimiser} for t, n in (("CB", 3), ("RTE", 7))
    ]
    assert schooling({"task": "RTE", "schooling": runs}) == (
        "7 epochs in batches of 16; AdamW, peak 0.001, linear, warm-up 0.1"
    )
    assert schooling({}) == ""
