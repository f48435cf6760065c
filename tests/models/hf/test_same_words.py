"""Word tables of other sizes in one family: what both have is compared, what no text has is left out."""

import pytest
import torch
from torch.nn import functional as F

pytest.importorskip("transformers")

from text_models import PAD, rows  # noqa: E402

from retort.data.text_batches import causal_batch  # noqa: E402
from retort.distill.binding import BoundObjective  # noqa: E402
from retort.distill.distances import KL  # noqa: E402
from retort.distill.objective import hard, words  # noqa: E402
from retort.distill.schedules import Clock  # noqa: E402
from retort.distill.words import word_distance  # noqa: E402
from retort.errors import InputError  # noqa: E402
from retort.models.features import HARD, WORDS  # noqa: E402
from retort.models.hf.architecture import TextArchitecture, Vocabulary  # noqa: E402
from retort.models.hf.base import same_words, shared_rows  # noqa: E402
from retort.models.hf.building import build  # noqa: E402

TOKENIZER = 40
"""Words of the tokenizer, which the test's texts are made of."""


def pythia(rows_of_table, width):
    torch.manual_seed(rows_of_table)
    size = TextArchitecture("p", "gpt_neox", 0, 1, width, 2, 32, 16, 0.0, tied=False)
    family = build(size, Vocabulary(rows_of_table, pad=1, bos=0, eos=0))
    with torch.no_grad():
        family.module.lm_head.weight.mul_(20)
    return family


@pytest.fixture
def batch():
    return causal_batch(rows(0, (9, 6, 8)), [2, 1, 3], PAD)


@pytest.mark.parametrize(("ours", "theirs"), [(48, 56), (56, 48)])
def test_only_rows_that_both_have_are_compared(batch, ours, theirs):
    student, teacher = same_words(pythia(ours, 16), [pythia(theirs, 24)], TOKENIZER)
    assert student.shape.vocab == teacher.shape.vocab == 48
    want = frozenset({WORDS})
    seen = [model.observe(batch, want)[WORDS] for model in (student, teacher)]
    found = word_distance(*seen, batch.valid, KL(1.0))
    mine, other = (m.module(**m.inputs(batch)).logits[batch.valid][:, :48] for m in (student, teacher))
    expected = F.kl_div(mine.log_softmax(-1), other.log_softmax(-1), log_target=True, reduction="none").sum(
        -1
    )
    torch.testing.assert_close(found, expected)
    found.mean().backward()
    assert student.module.lm_head.weight.grad[:48].any() and not student.module.lm_head.weight.grad[48:].any()


def test_the_loss_on_gold_words_keeps_the_tail_unlikely(batch):
    student, teacher = same_words(pythia(56, 16), [pythia(48, 24)], TOKENIZER)
    features = student.observe(batch, frozenset({HARD, WORDS}))
    logits = student.module(**student.inputs(batch)).logits
    whole = F.cross_entropy(logits[batch.predicted], batch.targets[batch.predicted])
    torch.testing.assert_close(features[HARD].mean(), whole)
    assert features[WORDS].weight.shape[0] == 48
    bound = BoundObjective(words(KL(1.0)) + hard(), student.shape, [teacher.shape])
    bound.loss(batch, student, [teacher], Clock(0, 1)).total.backward()
    assert student.module.lm_head.weight.grad[48:].any()


def test_nothing_is_copied_or_changed(batch):
    before = pythia(56, 16)
    (student, teacher) = same_words(before, [pythia(48, 24)], TOKENIZER)
    assert before.shape.vocab == 56 and student.module is before.module
    shown = student.observe(batch, frozenset({WORDS}))[WORDS].weight
    assert shown.data_ptr() == student.module.lm_head.weight.data_ptr() and shown.is_contiguous()
    assert teacher.observe(batch, frozenset({WORDS}))[WORDS].weight.shape[0] == 48


def test_tables_of_one_size_stay_whole():
    models = pythia(48, 16), pythia(48, 24)
    assert same_words(models[0], [models[1]], TOKENIZER) == list(models)
    assert all(model.rows is None for model in models)
    assert shared_rows([50304], 50277) == 50304


def test_a_bias_loses_its_tail_too(batch):
    from text_models import bart, batch_for

    family = bart(1, 16)
    family.module.final_logits_bias.normal_()
    whole = family.observe(batch_for(bart), frozenset({WORDS}))[WORDS].dense()
    shown = family.showing(33).observe(batch_for(bart), frozenset({WORDS}))[WORDS].dense()
    torch.testing.assert_close(shown, whole[..., :33])


@pytest.mark.parametrize("sizes", [[50304, 50432], [50432, 50304], [50304, 50304]])
def test_a_tokenizer_with_more_words_is_refused(sizes):
    assert shared_rows([50304, 50432], 50304) == 50304
    with pytest.raises(InputError) as error:
        shared_rows(sizes, 50305)
    message = str(error.value)
    assert "50305 words" in message and ", ".join(map(str, sizes)) in message and "\n" not in message
    assert "take models that know all its words" in message
