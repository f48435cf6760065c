"""The code of a stage is that of its own values: no kind of model, corpus or task reaches another's."""

from __future__ import annotations

import pytest

from retort import stage_code
from retort.config import load
from retort.fingerprint import OBSERVERS, CodeGraph
from retort.plan import Plan

PLAN = Plan(load("smoke"))
GLMS = {"retort.models.glm_builder", "retort.training.glm_lessons", "retort.training.glm_signals"}
TEXTS = {"retort.models.hf.builder", "retort.training.text_lessons"}
PROMPTS = {"retort.training.prompt_lessons"}


@pytest.fixture
def followed(root, monkeypatch):
    """The definitions that the code of a stage, or of what is stored of it, is made of."""
    graph = CodeGraph(root / "src" / "retort", "retort", OBSERVERS)
    roots: list[str] = []
    monkeypatch.setattr(stage_code, "fingerprint", lambda given, files=None: roots.extend(given))

    def of(ask, *arguments):
        roots.clear()
        ask(*arguments)
        return {f"{module}:{name}" for one in roots for module, name in graph.closure(one)}

    return of


def modules(nodes):
    return {node.partition(":")[0] for node in nodes}


@pytest.mark.parametrize(
    ("paper", "phase", "own", "others"),
    [
        ("glmd", "pretraining", GLMS - {"retort.training.glm_signals"}, TEXTS | PROMPTS),
        ("glmd", "task", GLMS, TEXTS | PROMPTS),
        ("cka", "pretraining", TEXTS, GLMS | PROMPTS),
        ("cka", "task", TEXTS, GLMS | PROMPTS),
        ("atkd", "task", PROMPTS | {"retort.models.hf.builder"}, GLMS | {"retort.training.text_lessons"}),
    ],
)
def test_a_stage_follows_the_code_of_its_own_kind(followed, paper, phase, own, others):
    made = {stage.id: stage for cell in PLAN.cells_of(paper) for stage in cell.stages}
    stages = list(made.values())
    stages += [parent for stage in stages for parent in stage.ancestors()]
    chosen = [stage for stage in stages if stage.phase == phase]
    assert chosen
    for stage in chosen[:3]:
        reached = modules(followed(stage_code.stage_code, stage, None))
        assert own <= reached and not reached & others


@pytest.mark.parametrize(
    ("paper", "store"),
    [
        ("glmd", "retort.training.glm_signals:store_clozes"),
        ("atkd", "retort.training.prompt_lessons:store_responses"),
    ],
)
def test_what_stores_signals_is_followed_by_the_signals_alone(followed, paper, store):
    readers = [stage for cell in PLAN.cells_of(paper) for stage in cell.stages if stage.told_by]
    student = readers[0]
    (teacher, *_) = student.told_by
    assert store in followed(stage_code.signals_code, teacher)
    assert store not in followed(stage_code.stage_code, teacher, None)
    assert store not in followed(stage_code.stage_code, student, None)
