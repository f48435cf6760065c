"""Instruction sets of the pocket world, under the names and in the files of the official ones.

============ ===========================================================================================
set          what it holds
============ ===========================================================================================
alpaca_gpt4  all skills, and pairs of skills (training)
dolly        all skills
self_inst    skills with an input, which have one good response but for ``reason``
vicuna       skills with many good responses
koala        pairs of skills that training never puts together
wizardlm     the longest lists
mmlu         four words with letters, of which one is of the class that is asked for
bbh          sums, kinds, truth and opinions in one word
drop         who of two persons did something, or what somebody says of it
============ ===========================================================================================

Open questions have several references where several responses are good.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path

from retort.data.instructions.formats import Record, file_of, write_instructions
from retort.data.instructions.sets import spec_of
from retort.data.pocket.corpus import COMMON_HEAD_SHARE
from retort.data.pocket.lexicon import Lexicon, Sampler, make_lexicon
from retort.data.pocket.skills import (
    LEAST,
    LISTS,
    MOST,
    OPEN,
    QUESTION_TASKS,
    SKILLS,
    Draft,
    both,
    echo,
    fact,
    header,
    question,
    questions,
)
from retort.data.pocket.tasks import spread
from retort.data.pocket.text_corpus import text_documents
from retort.errors import InputError
from retort.files import atomic_folder, write_json, write_lines

HEAD_SHARE = 0.9
"""Share of heads among the content words: instructions are in common words."""

PAIR_SHARE = 0.2
"""Share of pairs of skills in the training set."""

HARD = {"quiz": 3.0, "report": 2.0}
"""Skills that training has more of than of the others, which weigh 1."""

REFERENCES = 4
"""Good responses that are written down where there are several."""

DOCUMENTS = {"text": 0.2, "fact": 0.2, "echo": 0.2, "questions": 0.4}
"""Kind of corpus document -> share."""

PAIRED = ("add", "kind", "replace", "name", "describe")
"""Skills that instructions put together."""

_WITH_INPUT = ("repeat", "reverse", "count", "sort", "reason", "replace", "judge", "rate", "report")


@dataclass(frozen=True)
class PocketInstructions:
    """How much is generated.

    Attributes:
        documents: corpus documents.
        train: instructions of the training set; ``dev``: of each set to evaluate on (shots not counted).
    """

    documents: int
    train: int
    dev: int


def trained_pairs() -> tuple[tuple[str, str], ...]:
    """Pairs of skills that training puts together."""
    return tuple(pair for pair in permutations(PAIRED, 2) if pair not in new_pairs())


def new_pairs() -> tuple[tuple[str, str], ...]:
    """Pairs of skills that it does not: each skill and the next one."""
    return tuple(zip(PAIRED, PAIRED[1:] + PAIRED[:1], strict=True))


def drafts(name: str, s: Sampler, size: int) -> list[tuple[str, Draft]]:
    """``size`` instructions of a set with their skills, evenly spread.

    Raises:
        InputError: ``size`` is not positive, or the world has no such set.
    """
    if size < 1:
        raise InputError(f"{name}: cannot draw {size} instructions; ask for at least one")
    if name == "alpaca_gpt4":
        weights = dict.fromkeys(SKILLS, 1.0) | HARD
        unit = (1 - PAIR_SHARE) / sum(weights.values())
        shares: dict[tuple[str, ...], float] = {(skill,): unit * weight for skill, weight in weights.items()}
        shares |= {pair: PAIR_SHARE / len(trained_pairs()) for pair in trained_pairs()}
    else:
        shares = dict.fromkeys(_skills_of(name), 1.0)
    least = MOST if name == "wizardlm" else LEAST
    return [_draft(s, skills, least) for skills in spread(shares, size, s.rng)]


def _skills_of(name: str) -> tuple[tuple[str, ...], ...]:
    alone = {"dolly": tuple(SKILLS), "self_inst": _WITH_INPUT, "vicuna": OPEN, "wizardlm": LISTS}
    if name == "koala":
        return new_pairs()
    if name not in alone:
        offered = ", ".join(["alpaca_gpt4", *alone, "koala", *QUESTION_TASKS])
        raise InputError(f"the pocket world has no {name}; it has {offered}")
    return tuple((skill,) for skill in alone[name])


def _draft(s: Sampler, skills: tuple[str, ...], least: int) -> tuple[str, Draft]:
    if len(skills) == 2:
        return "+".join(skills), both(s, *skills)
    (skill,) = skills
    return skill, SKILLS[skill](s, least, MOST)


def open_records(name: str, lexicon: Lexicon, rng: random.Random, size: int) -> list[Record]:
    """Official records of a set of instructions, some with ``references`` and ``answer``."""
    s = Sampler(lexicon, rng, HEAD_SHARE, exceptions=COMMON_HEAD_SHARE)
    spec = spec_of(name)
    records = []
    for number, (skill, draft) in enumerate(drafts(name, s, size)):
        responses = list(dict.fromkeys(draft.response(s) for _ in range(REFERENCES)))
        record: Record = {"instruction": draft.instruction, "input": draft.input, "output": responses[0]}
        record |= {field: number if kind == "integer" else skill for field, kind in spec.fields.items()}
        if spec.role == "generation":
            record |= {"references": responses} if len(responses) > 1 else {}
            record |= {"answer": draft.answer} if draft.answer else {}
        records.append(record)
    return records


def question_records(name: str, lexicon: Lexicon, rng: random.Random, size: int) -> list[Record]:
    """Official records of a few-shot set, the shots of each sub-task first.

    Raises:
        InputError: ``size`` is not positive.
    """
    if size < 1:
        raise InputError(f"{name}: cannot draw {size} questions; ask for at least one")
    s, spec = Sampler(lexicon, rng, HEAD_SHARE, exceptions=COMMON_HEAD_SHARE), spec_of(name)
    shots = [task for task in QUESTION_TASKS[name] for _ in range(spec.shots)]
    records = []
    for task in [*shots, *spread(dict.fromkeys(QUESTION_TASKS[name], 1.0), size, rng)]:
        asked, answer = question(s, task)
        above = {"header": header(task)} if "header" in spec.fields else {}
        records.append({"task": task, **above, "question": asked, "answer": answer})
    return records


def instruction_documents(lexicon: Lexicon, rng: random.Random, size: int) -> list[str]:
    """Corpus documents: those of the sentence tasks, what things are like, words twice, questions.

    Raises:
        InputError: ``size`` is not positive.
    """
    if size < 1:
        raise InputError(f"cannot write a corpus of {size} documents; ask for at least one")
    s = Sampler(lexicon, rng, HEAD_SHARE, exceptions=COMMON_HEAD_SHARE)
    kinds = spread(DOCUMENTS, size, rng)
    texts = iter(text_documents(lexicon, rng, max(1, kinds.count("text"))))
    plain = {"fact": fact, "echo": echo, "questions": questions}
    return [plain[kind](s) if kind in plain else next(texts) for kind in kinds]


def generate_instructions(
    seed: int, out: Path, sizes: PocketInstructions, sets: tuple[str, ...], *, corpus: bool = True
) -> None:
    """Write the sets of the world of ``seed`` to the folder ``out``, replacing an older one.

    Files: ``instructions/*`` in the official layouts; ``corpus/world.jsonl``, a document with its line breaks
    in field ``text`` of each line; ``lexicon.json``.

    Args:
        seed: decides every byte. Each part has its own stream: other sizes and sets leave it as it is.
        out: target folder.
        sizes: how much of each.
        sets: names of official sets.
        corpus: whether there is one.

    Raises:
        InputError: a size is not positive, or the world has no such set.
    """
    lexicon = make_lexicon(seed)
    with atomic_folder(out) as folder:
        for name in sets:
            rng = random.Random(f"pocket {name} {seed}")
            spec = spec_of(name)
            make = question_records if spec.role == "understanding" else open_records
            size = sizes.train if spec.role == "training" else sizes.dev
            write_instructions(name, file_of(name, folder), make(name, lexicon, rng, size))
        if corpus:
            rng = random.Random(f"pocket instruction corpus {seed}")
            documents = instruction_documents(lexicon, rng, sizes.documents)
            lines = [json.dumps({"text": document}) for document in documents]
            write_lines(folder / "corpus" / "world.jsonl", lines)
        write_json(folder / "lexicon.json", lexicon.table())
