"""BERT: classifiers, and heads that it does not have."""

import pytest
import torch
from torch.nn import functional as F

pytest.importorskip("transformers")

from text_models import PAD, bert, rows  # noqa: E402

from retort.data.text_batches import class_batch  # noqa: E402
from retort.models.features import CLASS, HARD, WORDS  # noqa: E402


def test_classifiers_give_class_scores():
    family = bert(2, 16, head="BertForSequenceClassification")
    family.module.eval()
    batch = class_batch(rows(0, (6, 4, 5)), [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1], [0] * 5], [0, 2, 1], PAD)
    seen = family.observe(batch, frozenset({CLASS, HARD}))
    own = family.module(**family.inputs(batch)).logits
    torch.testing.assert_close(seen[CLASS], own)
    torch.testing.assert_close(seen[HARD], F.cross_entropy(own, batch.labels, reduction="none"))


def test_scores_are_regressed_on():
    family = bert(2, 16, head="BertForSequenceClassification")
    family.module.eval()
    batch = class_batch(rows(0, (6, 4)), None, [0.5, 4.0], PAD)
    seen = family.observe(batch, frozenset({CLASS, HARD}))
    assert batch.segments is None and seen[CLASS].shape == (2, 3)
    torch.testing.assert_close(seen[HARD], (seen[CLASS][:, 0] - batch.labels) ** 2)


def test_a_bert_has_one_head():
    batch = class_batch(rows(0, (6, 4)), None, [0, 1], PAD)
    with pytest.raises(ValueError, match="BertForMaskedLM has no site 'class'"):
        bert(1, 16).observe(batch, frozenset({CLASS}))
    with pytest.raises(ValueError, match="BertForSequenceClassification has no site 'words'"):
        bert(1, 16, head="BertForSequenceClassification").observe(batch, frozenset({WORDS}))
