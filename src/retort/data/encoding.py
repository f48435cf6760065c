"""Encoding any part of a plan's data."""

from __future__ import annotations

from pathlib import Path

from retort.config.texts import Instructions
from retort.data.instruction_encoding import PromptTexts, encode_prompt_sets, encode_prompt_words
from retort.data.prepare import encode_examples, encode_text
from retort.data.prompt_examples import PromptFrame
from retort.data.text_prepare import TaskTexts, Words, encode_task_texts, encode_words
from retort.plan import Plan
from retort.texts import (
    CORPUS,
    INSTRUCTIONS,
    paper_of_part,
    paper_section,
    raws_of_text,
    text_part,
    words_read,
)


def encode_part(plan: Plan, part: str) -> None:
    """Tokenise the corpus, the words of a track or a task; what it is made from is there.

    Raises:
        InputError: raw data are gone, changed or empty, or cannot be encoded.
    """
    paper, rest = paper_of_part(part)
    out = plan.layout.text(plan.text[part])
    if part == CORPUS:
        encode_text(plan.config, _manifest(plan, part), out)
    elif paper == "glmd":
        words = plan.layout.text(plan.text[CORPUS])
        encode_examples(plan.config, part, _manifest(plan, part), words, out)
    else:
        track, _, task = rest.partition("-")
        if task:
            _encode_task(plan, paper, track, task, out)
        else:
            _encode_words(plan, paper, track, out)


def _encode_words(plan: Plan, paper: str, name: str, out: Path) -> None:
    section = paper_section(plan.config, paper)
    track = section.tracks[name]
    corpora, *pairs = words_read(paper, track)
    root = Path(plan.config.data_root or "")
    settings = Words(
        track.family,
        tuple(root / file for file in track.vocabulary.files),
        track.vocabulary.size,
        track.languages,
        section.limits.corpus,
    )
    sets = {paper_of_part(part)[1]: _manifest(plan, part) for part in pairs}
    if track.instructions is None:
        encode_words(_manifest(plan, corpora), sets, out, settings)
    else:
        frames = _frames(track.instructions)
        encode_prompt_words(_manifest(plan, corpora), sets, frames, out, settings)


def _encode_task(plan: Plan, paper: str, name: str, task: str, out: Path) -> None:
    section = paper_section(plan.config, paper)
    track = section.tracks[name]
    limits = section.limits
    words = plan.layout.text(plan.text[text_part(paper, name)])
    raws = raws_of_text(plan.config, text_part(paper, name, task))
    if task == INSTRUCTIONS:
        assert track.instructions is not None
        prompts = PromptTexts(track.family, _frames(track.instructions), limits.train, limits.dev)
        sets = {paper_of_part(raw)[1]: _manifest(plan, raw) for raw in raws}
        encode_prompt_sets(sets, words, out, prompts)
    else:
        lengths = track.tasks[task]
        settings = TaskTexts(track.family, lengths.source, lengths.target, limits.train, limits.dev)
        encode_task_texts(task, _manifest(plan, raws[0]), words, out, settings)


def _frames(settings: Instructions) -> dict[str, PromptFrame]:
    """The wording of each set; those that models are judged by teach nobody where to end."""
    learned = PromptFrame(settings.template, settings.prompt, settings.length, settings.learn_end)
    asked = PromptFrame(settings.asked, settings.prompt, settings.length)
    return dict.fromkeys(settings.train, learned) | dict.fromkeys(settings.sets, asked)


def _manifest(plan: Plan, part: str) -> Path:
    return plan.layout.data(plan.data[part]) / "manifest.json"
