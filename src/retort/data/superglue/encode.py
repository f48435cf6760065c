"""Filled patterns to token arrays: truncation and the GLM layout of a cloze question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from retort.data.examples import ClozeExample, GLMExample
from retort.data.superglue.instances import RawExample
from retort.data.superglue.patterns import MASK, Filled, Part, fill
from retort.data.superglue.tasks import Split, spec_of
from retort.data.tokenizer import Specials, Tokenizer
from retort.errors import InputError

_CACHED_TEXTS = 4096


def encode_task(
    task: str, raw_examples: Sequence[RawExample], tokenizer: Tokenizer, max_length: int, split: Split
) -> list[ClozeExample]:
    """Encode the examples of one task and split.

    Args:
        task: official task name.
        raw_examples: what :func:`retort.data.superglue.instances.load_task` gave.
        tokenizer: text to ids.
        max_length: tokens a sequence may have, part B included.
        split: the split the examples were loaded for; it is part of every key.

    Returns:
        One cloze example per raw example, in the same order, unpadded.

    Raises:
        InputError: a sequence that cannot be shortened to ``max_length``; an answer word of the task
            that is not in the vocabulary; examples of another task or split.
    """
    verbalizers = verbalizer_ids(task, tokenizer)
    ids = lru_cache(_CACHED_TEXTS)(lambda text: tuple(tokenizer.ids(text)))
    encoded = []
    for raw in raw_examples:
        if not raw.key.startswith(f"{task}/{split}/"):
            raise InputError(f"{raw.place}: example {raw.key} is not from {task}/{split}")
        filled = fill(task, raw)
        _check_blank(filled, ids, tokenizer.special, raw)
        try:
            candidates = _candidates(filled, ids, tokenizer.special, max_length, verbalizers is not None)
        except _DoesNotFit as error:
            raise InputError(
                f"{raw.place}: example {raw.key} needs {error} tokens even after shortening, "
                f"more than max_length {max_length}; raise max_length"
            ) from None
        encoded.append(ClozeExample(raw.key, candidates, raw.label, verbalizers, dict(raw.meta)))
    return encoded


def verbalizer_ids(task: str, tokenizer: Tokenizer) -> tuple[int, ...] | None:
    """Token ids of the task's answer words in class order, ``None`` for a multi-token head.

    Raises:
        InputError: a word is not one token of the vocabulary.
    """
    spec = spec_of(task)
    if spec.head == "multi":
        return None
    found = []
    for word in spec.verbalizers:
        token = tokenizer.find(word)
        if token is None:
            raise InputError(
                f"task {task}: answer word {word!r} is not in the vocabulary; add it to the file "
                "(data.vocabulary.vocab_txt); one that is trained needs it in the corpus, or a larger "
                "data.vocabulary.size"
            )
        found.append(token)
    return tuple(found)


def cloze_sequence(context: Sequence[int], answer: Sequence[int] | None, special: Specials) -> GLMExample:
    """Lay out one cloze question.

    Part A is ``[CLS] context [PAD]`` (the padding token ends the context and stays visible); part B is
    ``[sop] answer``, with targets ``answer [eop]``, or a lone ``[sop]`` when ``answer`` is ``None``, to be
    compared on the classes' answer words (its target stays the padding id). Part B sits at the position
    of the first ``[MASK]`` and counts block positions from 1 (aitsc/GLMKD tasks/data_utils.py).

    Args:
        context: ids of the filled pattern; holds the mask id.
        answer: ids of the answer text.
        special: ids of the command tokens.
    """
    part_a = [special.cls, *context, special.pad]
    targets_b = [special.pad] if answer is None else [*answer, special.eop]
    part_b = [special.sop, *(answer or ())]
    sep, extra = len(part_a), len(part_b)
    at = part_a.index(special.mask)
    positions = np.zeros((2, sep + extra), dtype=np.int32)
    positions[0, :sep] = np.arange(sep)
    positions[0, sep:] = at
    positions[1, sep:] = np.arange(1, extra + 1)
    predicted = np.zeros(sep + extra, dtype=bool)
    predicted[sep:] = True
    return GLMExample(
        tokens=np.array(part_a + part_b, dtype=np.int32),
        positions=positions,
        sep=sep,
        targets=np.array([0] * sep + targets_b, dtype=np.int32),
        predicted=predicted,
    )


def _check_blank(
    filled: Filled, ids: Callable[[str], tuple[int, ...]], special: Specials, raw: RawExample
) -> None:
    """The answer is asked for at the first blank, so a text may not spell one."""
    for part in (*filled.first, *filled.second):
        if part is not MASK and special.mask in ids(part.text):
            raise InputError(f"{raw.place}: a text holds the token [MASK]; write it another way, e.g. (MASK)")


class _DoesNotFit(Exception):
    """Nothing shortenable is left; the argument is the length reached."""


def _candidates(
    filled: Filled,
    ids: Callable[[str], tuple[int, ...]],
    special: Specials,
    max_length: int,
    single: bool,
) -> tuple[GLMExample, ...]:
    def pieces(parts: tuple[Part, ...]) -> list[tuple[int, ...]]:
        return [(special.mask,) if part is MASK else ids(part.text) for part in parts]

    parts, tokens = (filled.first, filled.second), (pieces(filled.first), pieces(filled.second))
    answers: list[tuple[int, ...] | None] = [None] if single else [ids(text) for text in filled.answers]
    sequences = []
    for answer in answers:
        room = max_length - 2 - (1 if answer is None else len(answer) + 1)
        context = _shortened(parts, tokens, room, max_length)
        sequences.append(cloze_sequence(context, answer, special))
    return tuple(sequences)


def _shortened(
    parts: tuple[tuple[Part, ...], tuple[Part, ...]],
    tokens: tuple[list[tuple[int, ...]], list[tuple[int, ...]]],
    room: int,
    max_length: int,
) -> list[int]:
    """Join the pieces, at most ``room`` ids.

    One token at a time goes from the end of the last non-empty shortenable piece of the side with more
    shortenable tokens; on a tie, of the second side.
    """
    excess = sum(len(piece) for side in tokens for piece in side) - room
    kept = [[len(piece) for piece in side] for side in tokens]
    spare = [
        [length if part.shortenable else 0 for part, length in zip(side, lengths, strict=True)]
        for side, lengths in zip(parts, kept, strict=True)
    ]
    for done in range(max(excess, 0)):
        side = 0 if sum(spare[0]) > sum(spare[1]) else 1
        last = max((number for number, length in enumerate(spare[side]) if length), default=None)
        if last is None:
            raise _DoesNotFit(max_length + excess - done)
        spare[side][last] -= 1
        kept[side][last] -= 1
    return [
        token
        for side, lengths in zip(tokens, kept, strict=True)
        for piece, length in zip(side, lengths, strict=True)
        for token in piece[:length]
    ]
