"""Model cards in the form of the Hugging Face hub: what a model is, how it was made, how to use it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from retort.data.glue.hub import REPOSITORY as GLUE
from retort.data.glue.tasks import SPECS as CLASSES
from retort.data.layouts import TextFamily
from retort.data.seq2seq.tasks import SPECS as PAIRS
from retort.papers import Kind, paper_of

_PIPELINES: Mapping[Kind, str] = {
    "classes": "text-classification",
    "summarisation": "summarization",
    "translation": "translation",
}
_METRICS = {
    **dict.fromkeys(("rouge1", "rouge2", "rougeL", "rougeLsum"), "rouge"),
    "bleu": "sacrebleu",
    "matthews": "matthews_correlation",
    "spearman": "spearmanr",
    "pearson": "pearsonr",
    "accuracy_mismatched": "accuracy",
}
"""What the hub calls metrics that it calls differently."""


@dataclass(frozen=True)
class Subject:
    """What a model is, beyond what its own files tell.

    Attributes:
        paper: that is reproduced; ``scale``: of the run.
        family: of models; ``student``, ``teacher``: symbols, the latter ``None`` for a teacher itself.
        teacher_from: name of the checkpoint that the teacher was taken from; ``None``: trained in the run.
        task: data set.
        method: as tables call it; ``citation``: of its publication.
        seed: of the training.
        source: most tokens of what it reads.
        data: where the texts came from: ``pocket`` (generated), ``folder`` or ``hub``.
    """

    paper: str
    scale: str
    family: TextFamily
    student: str
    teacher: str | None
    teacher_from: str | None
    task: str
    method: str
    citation: str
    seed: int
    source: int
    data: str

    @property
    def kind(self) -> Kind:
        """Of the task."""
        return paper_of(self.paper).task(self.task).kind

    @property
    def name(self) -> str:
        """For people and for the hub's index."""
        return f"{self.student} {self.method} {self.task}"


Scores = Mapping[str, Mapping[str, float]]
"""Metrics in percent by protocol."""


def card_text(subject: Subject, scores: Scores, card: Mapping[str, Any], sizes: Mapping[str, Any]) -> str:
    """README.md: front matter for the hub, text for people.

    Args:
        subject: what the model is.
        scores: of the run.
        card: its run card.
        sizes: more to say of the model by name, e.g. its parameters.
    """
    import jinja2

    made: Any = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown
    )
    text: str = made.get_template("README.md.j2").render(
        subject=subject,
        paper=paper_of(subject.paper),
        front=yaml.safe_dump(front_matter(subject, scores), sort_keys=False, allow_unicode=True),
        scores=scores,
        metrics=list(dict.fromkeys(metric for found in scores.values() for metric in found)),
        sizes=sizes,
        card=card,
        texts=_texts(subject),
        card_json=json.dumps(card, indent=2, sort_keys=True, ensure_ascii=False),
    )
    return text


def front_matter(subject: Subject, scores: Scores) -> dict[str, Any]:
    """What the hub reads of a model card."""
    named = {name: _METRICS.get(name, name) for found in scores.values() for name in found}
    dataset = _dataset(subject)
    found: dict[str, Any] = {
        "language": _languages(subject),
        "library_name": "transformers",
        "pipeline_tag": _PIPELINES[subject.kind],
        "tags": ["knowledge-distillation", subject.paper, "retort", *_tags(subject)],
    }
    if subject.teacher_from is not None:
        found["base_model"] = subject.teacher_from
    if dataset is not None:
        found["datasets"] = [dataset]
    found["metrics"] = list(dict.fromkeys(named.values()))
    results = [
        {"type": named[name], "name": f"{name} ({protocol})", "value": round(value, 4)}
        for protocol, values in scores.items()
        for name, value in values.items()
    ]
    index = {
        "task": {"type": _PIPELINES[subject.kind]},
        "dataset": {"name": _described(subject), "type": dataset or subject.task, "split": "validation"},
        "metrics": results,
    }
    found["model-index"] = [{"name": subject.name, "results": [index]}]
    return found


def _languages(subject: Subject) -> list[str]:
    pairs = PAIRS.get(subject.task)
    return ["en"] if pairs is None else list(dict.fromkeys(pairs.languages))


def _tags(subject: Subject) -> list[str]:
    return ["generated-data"] if subject.data == "pocket" else []


def _dataset(subject: Subject) -> str | None:
    """The hub's data set; generated texts and sets without a repository have none."""
    if subject.data == "pocket":
        return None
    if subject.task in CLASSES:
        return GLUE
    place = PAIRS[subject.task].hub
    return None if place is None else place.repository


def _described(subject: Subject) -> str:
    return f"{subject.task} (generated)" if subject.data == "pocket" else subject.task


def _texts(subject: Subject) -> int:
    """How many texts an example has."""
    return len(CLASSES[subject.task].texts) if subject.task in CLASSES else 1
