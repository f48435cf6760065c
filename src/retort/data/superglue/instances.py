"""From official records to the examples that are trained on and scored.

The rules are those of the GLMD authors (aitsc/GLMKD tasks/superglue/dataset.py): which texts have
their punctuation normalised, which examples are mirrored, sampled, dropped or split.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retort.data.superglue.candidates import noun_phrases
from retort.data.superglue.formats import read_records
from retort.data.superglue.records import (
    BoolQRecord,
    CopaRecord,
    EntailmentRecord,
    MultiRCRecord,
    ReCoRDRecord,
    WiCRecord,
    WSCRecord,
)
from retort.data.superglue.tasks import Split, spec_of
from retort.data.tokenizer import normalise
from retort.errors import InputError

NEGATIVES = 9
"""Wrong candidates per training example of ReCoRD and WSC (ten candidates in all)."""

_SHUFFLE_SEED = 42


@dataclass(frozen=True)
class RawExample:
    """One question to the model, before any pattern or tokenizer.

    Attributes:
        key: ``task/split/idx...``, unique in its file.
        place: ``path:line`` of the record it comes from, for error messages.
        fields: the named texts the task's pattern uses.
        candidates: the answer texts (multi-token heads), else empty.
        label: class index, or index of the right candidate. WSC: 0 in training (span 1 is the first
            candidate), and the class (1 = the pronoun refers to span 1) in validation. ReCoRD
            validation: the first right candidate, 0 if the passage marks none; its metrics compare texts.
        meta: official ``idx`` and what the metrics need.
    """

    key: str
    place: str
    fields: Mapping[str, str]
    label: int
    candidates: tuple[str, ...] = ()
    meta: dict[str, Any] = field(default_factory=dict)


def load_task(task: str, path: Path | str, split: Split) -> list[RawExample]:
    """Read one official file and apply the authors' rules for the split.

    Args:
        task: official task name.
        path: labelled JSON-lines file.
        split: ``train`` mirrors COPA, samples ReCoRD's negatives (one example per right answer), and
            keeps only WSC's true examples, in chunks of nine wrong candidates.

    Returns:
        Examples in the authors' order.

    Raises:
        InputError: malformed file, or two examples with the same key.
    """
    spec_of(task)
    if split not in ("train", "val"):
        raise InputError(f"split {split!r} is neither 'train' nor 'val'")
    records = read_records(task, path)
    examples = _EXPAND[task](f"{task}/{split}", records, split == "train")
    places: dict[str, str] = {}
    for example in examples:
        if example.key in places:
            raise InputError(f"{example.place}: field 'idx' repeats {example.key}; indices must be unique")
        places[example.key] = example.place
    if not examples:
        raise InputError(f"{path}: gives no {split} examples (WSC trains on true examples only)")
    return examples


def _only(
    prefix: str, record: BoolQRecord | EntailmentRecord | WiCRecord, fields: Mapping[str, str], label: int
) -> RawExample:
    """The only example that a record gives."""
    return RawExample(f"{prefix}/{record.idx}", record.place, fields, label, meta={"idx": record.idx})


def _boolq(prefix: str, records: list[BoolQRecord], train: bool) -> list[RawExample]:
    def fields(record: BoolQRecord) -> dict[str, str]:
        return {"passage": normalise(record.passage), "question": normalise(record.question)}

    return [_only(prefix, record, fields(record), int(record.label)) for record in records]


def _entailment(labels: tuple[str, ...]) -> Callable[[str, list[Any], bool], list[RawExample]]:
    def fields(record: EntailmentRecord) -> dict[str, str]:
        return {"premise": normalise(record.premise), "hypothesis": normalise(record.hypothesis)}

    def expand(prefix: str, records: list[EntailmentRecord], train: bool) -> list[RawExample]:
        return [_only(prefix, record, fields(record), labels.index(record.label)) for record in records]

    return expand


def _copa(prefix: str, records: list[CopaRecord], train: bool) -> list[RawExample]:
    def example(record: CopaRecord, mirrored: bool) -> RawExample:
        first, second = reversed(record.choices) if mirrored else record.choices
        return RawExample(
            f"{prefix}/{record.idx}" + ("/mirrored" if mirrored else ""),
            record.place,
            {"premise": record.premise, "choice1": first, "choice2": second, "question": record.question},
            1 - record.label if mirrored else record.label,
            meta={"idx": record.idx},
        )

    examples = [example(record, False) for record in records]
    return examples + [example(record, True) for record in records] if train else examples


def _multirc(prefix: str, records: list[MultiRCRecord], train: bool) -> list[RawExample]:
    return [
        RawExample(
            f"{prefix}/{record.idx}/{question.idx}/{answer.idx}",
            record.place,
            {
                "passage": normalise(record.passage),
                "question": normalise(question.text),
                "answer": normalise(answer.text),
            },
            answer.label,
            meta={
                "idx": record.idx,
                "question_idx": question.idx,
                "answer_idx": answer.idx,
                "question": f"{record.idx}/{question.idx}",
            },
        )
        for record in records
        for question in record.questions
        for answer in question.answers
    ]


def _record(prefix: str, records: list[ReCoRDRecord], train: bool) -> list[RawExample]:
    shuffler = random.Random(_SHUFFLE_SEED)
    examples = []
    for record in records:
        text = normalise(record.passage)
        entities = sorted({text[start : end + 1] for start, end in record.entities})
        passage = text.replace("@highlight\n", "- ")
        for query in record.queries:
            # The authors pass the answers through a set, so their order depends on Python's hash seed;
            # here it is the order of first appearance.
            answers = list(dict.fromkeys(normalise(answer) for answer in query.answers))
            key = f"{prefix}/{record.idx}/{query.idx}"
            fields = {"passage": passage, "query": normalise(query.text)}
            meta = {"idx": query.idx, "passage_idx": record.idx}
            if not train:
                label = next((number for number, entity in enumerate(entities) if entity in answers), 0)
                meta_all = meta | {"candidates": entities, "answers": answers}
                examples.append(RawExample(key, record.place, fields, label, tuple(entities), meta_all))
                continue
            for number, answer in enumerate(answers):
                wrong = [entity for entity in entities if entity not in answers]
                if len(wrong) > NEGATIVES:
                    shuffler.shuffle(wrong)
                    wrong = wrong[:NEGATIVES]
                candidates = (answer, *wrong)
                meta_one = meta | {"candidates": list(candidates), "answers": [answer]}
                examples.append(RawExample(f"{key}/{number}", record.place, fields, 0, candidates, meta_one))
    return examples


def _wic(prefix: str, records: list[WiCRecord], train: bool) -> list[RawExample]:
    def fields(record: WiCRecord) -> dict[str, str]:
        sentences = {"sentence1": normalise(record.sentence1), "sentence2": normalise(record.sentence2)}
        return sentences | {"word": record.word}

    return [_only(prefix, record, fields(record), int(record.label)) for record in records]


def _wsc(prefix: str, records: list[WSCRecord], train: bool) -> list[RawExample]:
    examples = []
    for record in records:
        if train and not record.label:
            continue
        fields = {"text": _marked(record), "pronoun": record.span2_text}
        chunks = _chunks(wsc_candidates(record)) if train else [wsc_candidates(record)]
        for number, chunk in enumerate(chunks):
            key = f"{prefix}/{record.idx}" + (f"/{number}" if len(chunks) > 1 else "")
            label = 0 if train else int(record.label)
            candidates = (record.span1_text, *chunk)
            examples.append(
                RawExample(key, record.place, fields, label, candidates, meta={"idx": record.idx})
            )
    return examples


def wsc_candidates(record: WSCRecord) -> list[str]:
    """The wrong candidates of a WSC record, each once: its own, or noun phrases of its text."""
    if record.candidates is None:
        return noun_phrases(record.text, exclude=record.span1_text)
    return list(dict.fromkeys(record.candidates))


def _chunks(candidates: list[str]) -> list[list[str]]:
    """Pieces of nine; a short last piece is filled up from the start of the list."""
    if len(candidates) <= NEGATIVES:
        return [candidates]
    pieces = [candidates[start : start + NEGATIVES] for start in range(0, len(candidates), NEGATIVES)]
    pieces[-1] = pieces[-1] + candidates[: NEGATIVES - len(pieces[-1])]
    return pieces


def _marked(record: WSCRecord) -> str:
    """The text with the pronoun between asterisks; off-by-one word indices are repaired."""
    words = normalise(record.text).split()
    pronoun, index = record.span2_text, record.span2_index
    here = next(
        (index + step for step in (0, -1, 1) if _word_at(words, index + step) == pronoun),
        index,
    )
    word = _word_at(words, here)
    if word != pronoun and word.startswith(pronoun):
        words[here : here + 1] = [pronoun, word[len(pronoun) :]]
    if _word_at(words, here) != pronoun:
        raise InputError(
            f"{record.place}: field 'target.span2_index' points at {word!r:.40}, not at {pronoun!r:.40}"
        )
    words[here] = f"*{pronoun}*"
    return " ".join(words)


def _word_at(words: list[str], index: int) -> str:
    return words[index] if 0 <= index < len(words) else ""


_EXPAND: dict[str, Callable[[str, list[Any], bool], list[RawExample]]] = {
    "BoolQ": _boolq,
    "CB": _entailment(spec_of("CB").labels),
    "COPA": _copa,
    "MultiRC": _multirc,
    "ReCoRD": _record,
    "RTE": _entailment(spec_of("RTE").labels),
    "WiC": _wic,
    "WSC": _wsc,
}
