"""What is fixed about each GLUE task: its files and columns, its classes and its metrics."""

from __future__ import annotations

from dataclasses import dataclass

from retort.errors import InputError

_SPLITS = {"train": "train.tsv", "val": "dev.tsv"}
_MNLI_SPLITS = {"train": "train.tsv", "val": "dev_matched.tsv", "val_mismatched": "dev_mismatched.tsv"}


@dataclass(frozen=True)
class GlueSpec:
    """One GLUE task.

    Attributes:
        name: official name, which is also the name of its folder.
        header: columns of its files, in order; names are given to CoLA's, whose files have no header line.
        texts: columns of the first and, for pairs, of the second sentence.
        label: column of the label.
        labels: the classes in logit order, as the files spell them; empty for a regression.
        metrics: names of the official metrics; the first selects the best checkpoint.
        splits: our name of a split -> its file.
        range: least and greatest score of a regression.
    """

    name: str
    header: tuple[str, ...]
    texts: tuple[str, ...]
    label: str
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    splits: dict[str, str]
    range: tuple[float, float] | None = None

    @property
    def headerless(self) -> bool:
        """Whether the first line of a file is an example already."""
        return self.name == "CoLA"


def _columns(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


_ENTAILMENT = ("entailment", "not_entailment")
_PARSES = "sentence1_binary_parse,sentence2_binary_parse,sentence1_parse,sentence2_parse"
_MNLI = f"index,promptID,pairID,genre,{_PARSES},sentence1,sentence2,label1,gold_label"
_STSB = "index,genre,filename,year,old_index,source1,source2,sentence1,sentence2,score"
_PAIR = ("sentence1", "sentence2")
_ACCURACY = ("accuracy",)

SPECS: dict[str, GlueSpec] = {
    spec.name: spec
    for spec in (
        GlueSpec(
            "CoLA",
            _columns("source,label,mark,sentence"),
            ("sentence",),
            "label",
            ("0", "1"),
            ("matthews",),
            _SPLITS,
        ),
        GlueSpec("SST-2", ("sentence", "label"), ("sentence",), "label", ("0", "1"), _ACCURACY, _SPLITS),
        GlueSpec(
            "MRPC",
            _columns("Quality,#1 ID,#2 ID,#1 String,#2 String"),
            ("#1 String", "#2 String"),
            "Quality",
            ("0", "1"),
            ("f1", "accuracy"),
            _SPLITS,
        ),
        GlueSpec(
            "QQP",
            _columns("id,qid1,qid2,question1,question2,is_duplicate"),
            ("question1", "question2"),
            "is_duplicate",
            ("0", "1"),
            ("f1", "accuracy"),
            _SPLITS,
        ),
        GlueSpec("STS-B", _columns(_STSB), _PAIR, "score", (), ("spearman", "pearson"), _SPLITS, (0.0, 5.0)),
        GlueSpec(
            "MNLI",
            _columns(_MNLI),
            _PAIR,
            "gold_label",
            ("entailment", "neutral", "contradiction"),
            ("accuracy", "accuracy_mismatched"),
            _MNLI_SPLITS,
        ),
        GlueSpec(
            "QNLI",
            ("index", "question", "sentence", "label"),
            ("question", "sentence"),
            "label",
            _ENTAILMENT,
            _ACCURACY,
            _SPLITS,
        ),
        GlueSpec("RTE", ("index", *_PAIR, "label"), _PAIR, "label", _ENTAILMENT, _ACCURACY, _SPLITS),
    )
}
"""The eight tasks of the paper (GLUE without WNLI). The first metric of each is that of the paper's scripts:
Matthews correlation for CoLA, F1 for MRPC and QQP, Spearman for STS-B, accuracy (MNLI: matched) elsewhere."""

TASKS: tuple[str, ...] = tuple(SPECS)


def spec_of(task: str) -> GlueSpec:
    """The record of ``task``.

    Raises:
        InputError: the name is not one of :data:`TASKS` (names are case-sensitive).
    """
    if task not in SPECS:
        raise InputError(f"task {task!r} is not a GLUE task; use one of {', '.join(TASKS)}")
    return SPECS[task]
