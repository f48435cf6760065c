"""From official instruction files to what training reads, for one model family."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retort.data.corpus import EncodedCorpus, encode_corpus
from retort.data.instruction_sources import read_texts
from retort.data.instructions.formats import Instruction, read_instructions
from retort.data.instructions.sets import spec_of
from retort.data.instructions.templates import CHAT_END, QUESTION_END, prompt_body, question_body
from retort.data.layouts import TextFamily, layout_of, specials_of
from retort.data.prompt_examples import PromptFrame, encode_prompts, save_prompts
from retort.data.text_examples import sample_of
from retort.data.text_prepare import read_or_train
from retort.errors import InputError
from retort.files import atomic_folder, read_json, write_json

_BLANK = Instruction("", ".", ".", ())


@dataclass(frozen=True)
class InstructionEncoding:
    """How one family's instructions are encoded.

    Attributes:
        family: a causal model family.
        vocabulary: files of its tokenizer (``vocab.json`` and ``merges.txt``, or ``tokenizer.json``); none:
            one of at most ``size`` tokens is trained on corpus and training sets.
        frames: by set, the wording of its prompts and its lengths. The authors train with the template
            ``plain`` and evaluate with ``headers``.
        train, dev, corpus: most instructions of a training set, of another set, most documents; ``None``:
            all.
    """

    family: TextFamily
    vocabulary: tuple[Path, ...]
    size: int
    frames: Mapping[str, PromptFrame]
    train: int | None = None
    dev: int | None = None
    corpus: int | None = None


def encode_instructions(manifest_path: Path, out: Path, settings: InstructionEncoding) -> None:
    """Tokenise all: ``tokenizer.json``, ``corpus/en/`` if there is one, ``tasks/<set>.*``, ``summary.json``.

    Raises:
        InputError: a missing tokenizer file, no text to train one on, or a length without room.
    """
    manifest: dict[str, Any] = read_json(manifest_path)
    sets = {name: _read(name, manifest, settings) for name in settings.frames}
    specials = specials_of(settings.family)
    with atomic_folder(out) as temporary:
        texts = _texts(manifest["corpus"], sets, settings)
        tokenizer = read_or_train(settings.vocabulary, settings.size, specials, texts)
        layout = layout_of(settings.family, tokenizer)
        if not layout.causal:
            raise InputError(f"family {settings.family} is no causal model; use opt, gpt_neox or llama")
        tokenizer.save(temporary / "tokenizer.json")
        for name, instructions in sets.items():
            examples = encode_prompts(instructions, tokenizer, layout, settings.frames[name])
            save_prompts(temporary / "tasks", name, examples)
        summary = {
            "family": settings.family,
            "vocabulary": tokenizer.size,
            "sets": {name: len(instructions) for name, instructions in sets.items()},
            "sha256": manifest["sha256"],
        }
        if manifest["corpus"]:
            folder = temporary / "corpus" / "en"
            encode_corpus(manifest["corpus"], tokenizer, folder, settings.corpus, read_texts)
            corpus = EncodedCorpus.open(folder)
            summary |= {"documents": len(corpus), "tokens": corpus.total_tokens}
        write_json(temporary / "summary.json", summary)


def _read(name: str, manifest: Mapping[str, Any], settings: InstructionEncoding) -> list[Instruction]:
    most = settings.train if spec_of(name).role == "training" else settings.dev
    return sample_of(read_instructions(name, Path(manifest["instructions"][name])), most)


def _texts(
    corpus: list[str], sets: Mapping[str, list[Instruction]], settings: InstructionEncoding
) -> Iterator[str]:
    """What a tokenizer learns from: corpus, training sets, the wording of all prompts. Words of the other
    sets alone are none of a vocabulary's business."""
    yield from read_texts(corpus)
    for name, frame in settings.frames.items():
        training = spec_of(name).role == "training"
        for item in sets[name] if training else [_BLANK]:
            yield prompt_body(item, frame.template) + CHAT_END
            yield from item.responses
    yield question_body(_BLANK, 0) + QUESTION_END
