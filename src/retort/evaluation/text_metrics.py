"""ROUGE of summaries, BLEU and chrF of translations, each as contributions of single examples.

A corpus-level score is a function of sums over examples: of F-measures for ROUGE, of n-gram counts for BLEU
and chrF. Keeping the contributions, a score on any resampled set of examples costs a sum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from retort.data.seq2seq.tasks import Kind
from retort.errors import InputError

_ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")


@dataclass(frozen=True)
class TextScores:
    """Scores of generated texts against their references.

    Attributes:
        kind: summarisation (ROUGE) or translation (BLEU, chrF).
        keys: of the examples.
        contributions: by metric, float64 [examples, statistics] whose rows add up.
        signatures: by metric, how exactly it was computed.
    """

    kind: Kind
    keys: tuple[str, ...]
    contributions: Mapping[str, np.ndarray]
    signatures: Mapping[str, str]

    @cached_property
    def metrics(self) -> dict[str, float]:
        """All metrics on all examples, in percent."""
        return self.on(np.arange(len(self.keys)))

    def on(self, chosen: Sequence[int] | np.ndarray) -> dict[str, float]:
        """All metrics on some examples, which may repeat, in percent.

        Args:
            chosen: indices of examples.
        """
        sums = {name: rows[np.asarray(chosen)].sum(axis=0) for name, rows in self.contributions.items()}
        if self.kind == "summarisation":
            return {name: 100.0 * float(total[0]) / len(chosen) for name, total in sums.items()}
        return {name: _corpus_score(name, total) for name, total in sums.items()}


def score_texts(
    kind: Kind,
    generated: Mapping[str, str],
    references: Mapping[str, Sequence[str]],
    *,
    stemmer: bool = True,
) -> TextScores:
    """Score generated texts.

    ROUGE (package ``rouge-score``): an example's best F-measure over its references, then the mean; for
    ``rougeLsum`` sentences are lines. BLEU and chrF (package ``sacrebleu``, its defaults: 13a tokenisation,
    cased, exponential smoothing) of the corpus. The authors use both through ``evaluate``.

    Args:
        kind: decides the metrics.
        generated: text by example key.
        references: right texts by example key.
        stemmer: whether ROUGE compares stems, as published numbers do. The authors ask for it where
            ``evaluate`` does not look for it.

    Raises:
        InputError: nothing to score, or examples of the two differ.
    """
    if not generated or generated.keys() != references.keys():
        odd = sorted(generated.keys() ^ references.keys())
        what = f"{odd[0]} is on one side only" if odd else "there are none"
        raise InputError(f"generated texts and references: {what}; generate a text for each example")
    keys = tuple(references)
    texts, right = [generated[key] for key in keys], [list(references[key]) for key in keys]
    if kind == "summarisation":
        contributions, signatures = _rouge(texts, right, stemmer)
    else:
        contributions, signatures = _overlaps(texts, right)
    return TextScores(kind, keys, contributions, signatures)


def _rouge(
    texts: list[str], references: list[list[str]], stemmer: bool
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    from importlib.metadata import version

    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(_ROUGE, use_stemmer=stemmer)
    found = {name: np.zeros((len(texts), 1)) for name in _ROUGE}
    for row, (text, right) in enumerate(zip(texts, references, strict=True)):
        scores = [scorer.score(reference, text) for reference in right]
        for name in _ROUGE:
            found[name][row] = max(score[name].fmeasure for score in scores)
    signature = f"stemmer:{'yes' if stemmer else 'no'}|references:best|version:{version('rouge-score')}"
    return found, dict.fromkeys(_ROUGE, signature)


def _overlaps(texts: list[str], references: list[list[str]]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Statistics by sentence; ``sacrebleu`` names the method private, but its version is pinned."""
    most = max(map(len, references))
    columns = [[right[n] if n < len(right) else None for right in references] for n in range(most)]
    found, signatures = {}, {}
    for name, metric in _metrics().items():
        rows = metric._extract_corpus_statistics(texts, columns)
        found[name] = np.array(rows, dtype=np.float64)
        signatures[name] = str(metric.get_signature())
    return found, signatures


def _corpus_score(name: str, total: np.ndarray) -> float:
    return float(_metrics()[name]._compute_score_from_stats([int(value) for value in total]).score)


def _metrics() -> dict[str, Any]:
    from sacrebleu.metrics import BLEU, CHRF

    return {"bleu": BLEU(), "chrf": CHRF()}
