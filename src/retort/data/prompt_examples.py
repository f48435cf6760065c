"""Prompts and responses of causal models as arrays: framed, cut, on disk and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retort.data.instructions.formats import Instruction
from retort.data.instructions.templates import TemplateName, prompt_parts, response_text
from retort.data.layouts import Layout
from retort.data.text_examples import flat, rows_of, stored
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError
from retort.files import atomic_path, write_json


@dataclass(frozen=True)
class PromptExample:
    """A prompt with a response.

    Attributes:
        key: unique; signals and generated responses are filed under it.
        prompt: int32 [P], what a model is given, special tokens included.
        response: int32 [R], what it is to say, the end token included where that is learned.
        references: good responses, which generated ones are compared with.
        answer: what a right response says or starts with, ``None`` for open questions.
        group: sub-task or kind of question, empty where there is none.
    """

    key: str
    prompt: np.ndarray
    response: np.ndarray
    references: tuple[str, ...]
    answer: str | None
    group: str = ""

    def __len__(self) -> int:
        return len(self.prompt) + len(self.response)


@dataclass(frozen=True)
class PromptFrame:
    """How instructions become sequences.

    Attributes:
        template: the wording around them.
        max_prompt: most tokens of a prompt.
        max_length: most tokens of a prompt with its response.
        learn_end: whether the end token is a target (the authors pad with it and mask what is padding, so
            that their students never learn to stop).
    """

    template: TemplateName
    max_prompt: int
    max_length: int
    learn_end: bool = True


def encode_prompts(
    instructions: Iterable[Instruction], tokenizer: TextTokenizer, layout: Layout, frame: PromptFrame
) -> list[PromptExample]:
    """Frame instructions as ``prompt response end``.

    The length of a prompt is counted on the prompt itself. Prompts that are too long lose shots first, then
    words at the end of what is asked, never the template's last line. Responses are cut at the right; those
    that are cut have no end.

    Raises:
        InputError: a length leaves no room.
    """
    if frame.max_length <= frame.max_prompt:
        raise InputError(
            f"max_length {frame.max_length} leaves no room behind prompts of {frame.max_prompt}; raise it"
        )
    encoded = []
    for item in instructions:
        text, prompt = _prompt(item, tokenizer, layout, frame)
        words = continued(text, response_text(item), tokenizer)
        words += list(layout.target[1]) if frame.learn_end else []
        response = np.array(words[: frame.max_length - len(prompt)], dtype=np.int32)
        encoded.append(PromptExample(item.key, prompt, response, item.responses, item.answer, item.group))
    return encoded


def with_responses(
    examples: Sequence[PromptExample], responses: Sequence[Sequence[int]], *, drop_end: int | None = None
) -> list[PromptExample]:
    """The same prompts with other responses: rollouts of a student, generations of a teacher.

    Args:
        examples: whose prompts are kept.
        responses: ids for each example, up to and including the end token if there is one.
        drop_end: the end token where it is not to be learned.
    """
    found = []
    for example, response in zip(examples, responses, strict=True):
        ended = drop_end is not None and len(response) > 0 and response[-1] == drop_end
        kept = response[:-1] if ended else response
        found.append(replace(example, response=np.array(kept, dtype=np.int32)))
    return found


def save_prompts(folder: Path, name: str, examples: Sequence[PromptExample]) -> None:
    """Write ``<name>.npz`` (all rows end to end) and ``<name>.json`` (the rest) to ``folder``."""
    arrays = flat("prompt", [e.prompt for e in examples]) | flat("response", [e.response for e in examples])
    with atomic_path(folder / f"{name}.npz") as temporary:
        np.savez(temporary, allow_pickle=False, **arrays)
    head = {
        "keys": [e.key for e in examples],
        "references": [list(e.references) for e in examples],
        "answers": [e.answer for e in examples],
        "groups": [e.group for e in examples],
    }
    write_json(folder / f"{name}.json", head)


def load_prompts(folder: Path, name: str) -> list[PromptExample]:
    """Read what :func:`save_prompts` wrote.

    Raises:
        InputError: a file is missing.
    """
    head, arrays = stored(folder, name)
    columns = (
        *(head["keys"], rows_of(arrays, "prompt"), rows_of(arrays, "response")),
        *(map(tuple, head["references"]), head["answers"], head["groups"]),
    )
    return [PromptExample(*row) for row in zip(*columns, strict=True)]


def _prompt(
    item: Instruction, tokenizer: TextTokenizer, layout: Layout, frame: PromptFrame
) -> tuple[str, np.ndarray]:
    """A prompt's text, and its ids int32 [at most ``max_prompt``]."""
    before = list(layout.source[0])
    body, end, ids = "", "", []
    for shots in range(len(item.shots), -1, -1):
        body, end = prompt_parts(item, frame.template, shots)
        ids = tokenizer.ids(body + end)
        if len(before) + len(ids) <= frame.max_prompt:
            break
    excess = len(before) + len(ids) - frame.max_prompt
    if excess > 0:
        tail = continued(body, end, tokenizer)
        room = frame.max_prompt - len(before) - len(tail)
        if room < 1:
            raise InputError(f"max_prompt {frame.max_prompt} leaves no room for words; raise it")
        ids = [*ids[:room], *tail]
    return body + end, np.array([*before, *ids], dtype=np.int32)


def continued(text: str, more: str, tokenizer: TextTokenizer) -> list[int]:
    """Ids of ``more`` behind ``text``, as they are in the whole where its first tokens are those of ``text``.

    A tokenizer may mark the beginning of a text (SentencePiece puts a space there), which is no beginning
    here; or join what meets, which a model that is given ``text`` alone would never have read.
    """
    given, whole = tokenizer.ids(text), tokenizer.ids(text + more)
    return whole[len(given) :] if whole[: len(given)] == given else tokenizer.ids(more)
