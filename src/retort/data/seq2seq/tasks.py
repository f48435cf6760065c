"""What is fixed about each summarisation and translation set: files, languages, hub repository."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from retort.errors import InputError

Kind = Literal["summarisation", "translation"]


@dataclass(frozen=True)
class HubPlace:
    """Where the hub holds a set: repository, configuration, columns of source and target.

    Translation repositories hold a mapping of language to text in one column; ``columns`` are its keys.
    """

    repository: str
    config: str | None
    columns: tuple[str, str]


@dataclass(frozen=True)
class Seq2SeqSpec:
    """One set of text pairs.

    Attributes:
        name: how the configuration calls it.
        kind: decides the file format and the metrics.
        folder: where its files lie in a data folder: ``{train,val}.jsonl`` or ``{train,val}.{src,tgt}``.
        languages: of source and target, two-letter codes.
        hub: its place on the hub, ``None`` where there is no repository without a loading script.
    """

    name: str
    kind: Kind
    folder: str
    languages: tuple[str, str]
    hub: HubPlace | None

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics; the first selects the best checkpoint."""
        return (
            ("rouge2", "rouge1", "rougeL", "rougeLsum") if self.kind == "summarisation" else ("bleu", "chrf")
        )

    def place_on_hub(self) -> HubPlace:
        """Where the hub holds the set.

        Raises:
            InputError: nowhere.
        """
        if self.hub is None:
            raise InputError(
                f"task {self.name}: the hub has no repository of plain files for it; put the files into "
                f"{self.folder} of a data folder and use source: folder"
            )
        return self.hub


_ENGLISH = ("en", "en")

SPECS: dict[str, Seq2SeqSpec] = {
    spec.name: spec
    for spec in (
        Seq2SeqSpec(
            "CNN-DM",
            "summarisation",
            "summarization_cnn_dailymail",
            _ENGLISH,
            HubPlace("abisee/cnn_dailymail", "3.0.0", ("article", "highlights")),
        ),
        Seq2SeqSpec(
            "XSum",
            "summarisation",
            "summarization_xsum",
            _ENGLISH,
            HubPlace("EdinburghNLP/xsum", None, ("document", "summary")),
        ),
        Seq2SeqSpec("SciTLDR", "summarisation", "summarization", _ENGLISH, None),
        Seq2SeqSpec("DialogSum", "summarisation", "summarization_dialogsum", _ENGLISH, None),
        Seq2SeqSpec(
            "WMT16-en-ro",
            "translation",
            "translation/en-ro",
            ("en", "ro"),
            HubPlace("wmt/wmt16", "ro-en", ("en", "ro")),
        ),
        Seq2SeqSpec("IWSLT17-en-fr", "translation", "translation/en-fr", ("en", "fr"), None),
        Seq2SeqSpec("WMT13-en-es", "translation", "translation/en-es", ("en", "es"), None),
        Seq2SeqSpec("Multi30k-en-de", "translation", "translation/en-de", ("en", "de"), None),
    )
}
"""The paper's sets, and three more that are small."""

TASKS: tuple[str, ...] = tuple(SPECS)


def spec_of(task: str) -> Seq2SeqSpec:
    """The record of ``task``.

    Raises:
        InputError: the name is not one of :data:`TASKS`.
    """
    if task not in SPECS:
        raise InputError(
            f"task {task!r} is no summarisation or translation set; use one of {', '.join(TASKS)}"
        )
    return SPECS[task]
