"""Rows of GLM with assistants whose method has steps before its links."""

from dataclasses import replace

from small_plans import plan

from retort.distill.objective import hard
from retort.recipes import pretrain
from retort.recipes.glmd import METHODS
from retort.students import last_stage

PAIR = "T1-S2-S1"


def test_every_model_of_a_chain_takes_the_steps_before_its_link():
    found = plan({"pairs": ["T1-S1"]})
    takd = next(method for method in METHODS if method.name == "TAKD")
    chain = replace(takd.chain, links=takd.chain.links[:2])
    first = pretrain(hard())
    method = replace(takd, chain=chain, steps=(first,), start="random")
    student = last_stage(found, method, PAIR, 1, found.groups[0])
    (assistant,) = student.teachers
    assert assistant.teachers == (found.fine_tuned("T1", found.groups[0]),)
    for stage, symbol in ((student, "S1"), (assistant, "S2")):
        assert (stage.architecture.name, stage.init.architecture.name) == (symbol, symbol)
        assert (stage.init.phase, stage.init.objective, stage.init.teachers) == (
            "pretraining",
            first.objective,
            (),
        )
    alone = last_stage(found, replace(method, steps=()), PAIR, 1, found.groups[0])
    assert alone.init is None and alone.teachers[0].init is None
