"""A task record as the running text of its cloze pattern, with the right answer in place.

Written from the published patterns, independently of the code that builds model inputs, so that the
corpus shows models exactly the strings that fine-tuning will use.
"""

from __future__ import annotations

from typing import Any

from retort.errors import InputError

MASK = "[MASK]"
_PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~ "

CB_ANSWERS = {"entailment": "yes", "contradiction": "no", "neutral": "maybe"}
RTE_ANSWERS = {"entailment": "yes", "not_entailment": "no"}


def yes_no(label: bool | int) -> str:
    """The answer word of a two-way label."""
    return "yes" if label else "no"


def stripped(text: str) -> str:
    """``text`` without its final punctuation."""
    return text.rstrip(_PUNCTUATION)


def wsc_referent(record: dict[str, Any]) -> str:
    """What the pronoun of a WSC record refers to; there are two nouns, so a wrong span names the other."""
    return record["target"]["span1_text"] if record["label"] else record["candidates"][0]["text"]


def cloze_parts(task: str, record: dict[str, Any], answer: int = 0) -> tuple[str, str]:
    """The pattern of one record with ``[MASK]`` in it, and the text that belongs there.

    Patterns: COPA 0, RTE 0, CB 3, BoolQ 4, WiC 1, MultiRC 0, WSC 2 and ReCoRD 0 of GLM's
    ``tasks/superglue/pvp.py``, which are the ones the published scores come from.

    Args:
        task: official task name.
        record: one record in the official layout; of MultiRC and ReCoRD the first question is taken.
        answer: which candidate answer of a MultiRC question to ask about.

    Raises:
        InputError: unknown task.
    """
    r = record
    if task == "BoolQ":
        return f"Based on the following passage {r['question']}? {MASK}. {r['passage']}", yes_no(r["label"])
    if task == "CB":
        return f"{stripped(r['hypothesis'])}? {MASK}. {r['premise']}", CB_ANSWERS[r["label"]]
    if task == "COPA":
        first, second = (stripped(r[f"choice{number}"]) for number in (1, 2))
        joiner = " because" if r["question"] == "cause" else ", so"
        text = f'"{first}" or "{second}"? {stripped(r["premise"])}{joiner} {MASK}.'
        return text, (first, second)[r["label"]]
    if task == "MultiRC":
        question = r["passage"]["questions"][0]
        asked = question["answers"][answer]
        text = f"{stripped(r['passage']['text'])}. Question: {stripped(question['question'])}?"
        return f"{text} Is it {asked['text']}? {MASK}.", yes_no(asked["label"])
    if task == "ReCoRD":
        query = r["qas"][0]
        filled = query["query"].replace("@placeholder", MASK)
        return f"{r['passage']['text']} {filled}", query["answers"][0]["text"]
    if task == "RTE":
        return f'"{stripped(r["hypothesis"])}" ? {MASK}, "{r["premise"]}"', RTE_ANSWERS[r["label"]]
    if task == "WiC":
        question = f"Does {r['word']} have the same meaning in both sentences? {MASK}"
        return f"{r['sentence1']} {r['sentence2']} {question}", yes_no(r["label"])
    if task == "WSC":
        words = r["text"].split()
        pronoun = r["target"]["span2_text"]
        words[r["target"]["span2_index"]] = f"*{pronoun}*"
        question = f"Question: In the passage above, what does the pronoun '*{pronoun}*' refer to?"
        return f"{' '.join(words)} {question} Answer: {MASK}.", wsc_referent(r)
    raise InputError(f"{task}: no such task; choose an official SuperGLUE task name")


def cloze_text(task: str, record: dict[str, Any], answer: int = 0) -> str:
    """The pattern of one record with its answer filled in, lower case: how the corpus words it."""
    text, filler = cloze_parts(task, record, answer)
    return text.replace(MASK, filler).lower()
