"""What is written down of a run: losses now and then and, where words are parted, how."""

import copy
import json

import pytest
import torch
from causal_language import CausalFamily, prompts_and_answers, teacher_of

from retort.distill.binding import BoundObjective
from retort.distill.decoupled import uncertainty
from retort.distill.objective import Objective
from retort.distill.positions import TokenGroup
from retort.models.features import WORDS
from retort.recipes.atkd import ADAPTIVE, SUPERVISED, adaptive
from retort.runs import Optimiser
from retort.training.diary import Diary
from retort.training.loop import StepReport, Trainer

ADAM = Optimiser(1e-2, (0.9, 0.99), 1e-8, 0.01, 1.0, "linear", warmup=0.0, floor=0.1)


def report(step, parted):
    return StepReport(step, 2.0, {"0-words": 2.0}, 1.0, 1.0, 9, 0.5, parted)


def test_groups_are_means_over_the_updates_since_the_last_record():
    diary = Diary()
    for step, parted in enumerate([(3.0, 5.0, 0.25), (1.0, 1.0, 0.75), (4.0, 6.0, 0.5)], start=1):
        diary.count(report(step, parted))
        if step > 1:
            diary.note(report(step, parted))
    first, second = diary.log
    assert first["groups"] == {"easy": 2.0, "hard": 3.0, "easy_share": (3 / 8 + 1 / 2) / 2, "threshold": 0.5}
    assert second["groups"] == {"easy": 4.0, "hard": 6.0, "easy_share": 0.4, "threshold": 0.5}
    assert (diary.tokens, diary.seconds) == (27, 1.5)


def test_a_run_that_parts_no_words_says_nothing_of_groups():
    diary = Diary()
    diary.count(report(1, None))
    diary.note(report(1, None))
    assert diary.log == [{"step": 1, "loss": 2.0, "parts": {"0-words": 2.0}}]


def test_what_was_noted_survives_a_restart():
    diary = Diary()
    diary.count(report(1, (3.0, 5.0, 0.25)))
    again = Diary(**copy.deepcopy(vars(diary)))
    for one in (diary, again):
        one.count(report(2, (1.0, 1.0, 0.75)))
        one.note(report(2, (1.0, 1.0, 0.75)))
    assert json.dumps(diary.log) == json.dumps(again.log) and "groups" in diary.log[0]


def updated(objective: Objective, size: int) -> StepReport:
    """One update on a batch in micro-batches."""
    student, teacher = CausalFamily(8, 0), teacher_of()
    teacher.module.eval()
    bound = BoundObjective(objective, student.shape, [teacher.shape])
    trainer = Trainer(student, [teacher], bound, ADAM, total=3)
    return trainer.update(prompts_and_answers().split(size))


def by_hand(scope: str, size: int) -> tuple[int, int, float]:
    """Easy and hard words, and the mean over words of the least uncertainty of a hard one in its scope."""
    whole, teacher = prompts_and_answers(), teacher_of()
    scopes = {"batch": [whole], "micro_batch": whole.split(size), "sequence": whole.split(1)}[scope]
    easy, hard, thresholds = 0, 0, 0.0
    for batch in scopes:
        with torch.no_grad():
            logits = teacher.observe(batch, frozenset({WORDS}))[WORDS].dense()[batch.predicted]
        unsure = sorted(uncertainty(logits, batch.targets[batch.predicted]).tolist(), reverse=True)
        chosen = unsure[: -(-len(unsure) // 2)]
        easy, hard = easy + len(unsure) - len(chosen), hard + len(chosen)
        thresholds += len(unsure) * chosen[-1]
    return easy, hard, thresholds / (easy + hard)


@pytest.mark.parametrize("size", [1, 2, 100])
@pytest.mark.parametrize("scope", ["batch", "micro_batch", "sequence"])
def test_an_update_tells_how_its_words_were_parted(scope, size):
    found = updated(adaptive(TokenGroup(group="hard", share=0.5, scope=scope)), size).parted
    assert found == pytest.approx(by_hand(scope, size), rel=1e-6)


def test_the_same_whichever_group_is_trained_on():
    """Easy words alone, hard words alone, or both: words are parted alike."""
    step = ADAPTIVE[0].last.objective
    alone = [Objective((term,)) for term in step.terms]
    told = {updated(objective, 100).parted for objective in (step, *alone)}
    assert len(told) == 1 and None not in told


def test_an_objective_that_parts_no_words_tells_nothing():
    assert updated(SUPERVISED.last.objective, 2).parted is None
