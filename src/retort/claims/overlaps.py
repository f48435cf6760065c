"""Scores of generated texts on any resample: functions of sums over examples, as the official ones are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from retort.errors import InputError

if TYPE_CHECKING:
    import numpy as np

_ORDERS = 4
"""Longest n-grams of BLEU."""


def pair_scores(
    metric: str, texts: Sequence[str], references: Sequence[Sequence[str]]
) -> Callable[[np.ndarray], np.ndarray]:
    """Weights [draws, examples] -> a metric of :mod:`retort.evaluation.text_metrics` [draws], in percent.

    One metric costs a fraction of all of them, and in this form a thousand draws cost as much as one.

    Raises:
        InputError: a metric that is no score of a task here.
    """
    if metric == "rouge2":
        return _rouge2(texts, references)
    if metric == "bleu":
        return _bleu(texts, references)
    raise InputError(f"no resamples of the metric {metric!r}; there are those of rouge2 and bleu")


def _rouge2(texts: Sequence[str], references: Sequence[Sequence[str]]) -> Callable[[np.ndarray], np.ndarray]:
    """The best F-measure over an example's references, then the mean; stems are compared."""
    import numpy as np
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rouge2"], use_stemmer=True)
    best = np.array(
        [
            max(scorer.score(reference, text)["rouge2"].fmeasure for reference in right)
            for text, right in zip(texts, references, strict=True)
        ]
    )
    return lambda weights: 100 * (weights @ best) / weights.sum(-1)


def _bleu(texts: Sequence[str], references: Sequence[Sequence[str]]) -> Callable[[np.ndarray], np.ndarray]:
    """Of the corpus, as ``sacrebleu`` has it by default, whose statistics by sentence are summed.

    Where an order has no match, half a match counts, the next time a quarter (exponential smoothing).
    """
    import numpy as np
    from sacrebleu.metrics import BLEU

    most = max(map(len, references))
    columns = [[right[n] if n < len(right) else None for right in references] for n in range(most)]
    bleu: Any = BLEU()  # the method is named private, but the version is pinned
    rows = np.array(bleu._extract_corpus_statistics(list(texts), columns), dtype=float)

    def scores(weights: np.ndarray) -> np.ndarray:
        sums = weights @ rows
        ours, theirs = sums[:, 0], sums[:, 1]
        right, said = sums[:, 2 : 2 + _ORDERS], sums[:, 2 + _ORDERS :]
        none = (right == 0) & (said > 0)
        smoothed = np.where(none, 0.5 ** none.cumsum(1), right)
        with np.errstate(divide="ignore", invalid="ignore"):
            precision = np.exp(np.log(smoothed / said).mean(1))
            brevity = np.minimum(1.0, np.exp(1 - theirs / ours))
        # Nothing right at all, or no text as long as the longest n-grams, is 0.
        return np.where((right.sum(1) == 0) | (said == 0).any(1), 0.0, 100 * precision * brevity)

    return scores
