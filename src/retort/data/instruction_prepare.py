"""From official instruction files to what a causal model family reads: its words, and each set by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retort.data.corpus import EncodedCorpus, encode_corpus
from retort.data.instruction_sources import read_texts
from retort.data.instructions.formats import Instruction, read_instructions
from retort.data.instructions.sets import spec_of
from retort.data.instructions.templates import TEMPLATES, prompt_parts
from retort.data.layouts import TextFamily, layout_of, specials_of
from retort.data.prompt_examples import PromptFrame, encode_prompts, save_prompts
from retort.data.text_examples import sample_of
from retort.data.text_tokenizer import TextTokenizer, read_or_train
from retort.errors import InputError
from retort.files import atomic_folder, read_json, write_json

_BLANK = Instruction("", ".", ".", ())


@dataclass(frozen=True)
class InstructionWords:
    """Where a family's tokens come from, and how much of the corpus is read.

    Attributes:
        family: a causal model family.
        files: of its tokenizer (``vocab.json`` and ``merges.txt``, or ``tokenizer.json``); none: one of at
            most ``size`` tokens is trained on corpus and training sets.
        documents: most of the corpus; ``None``: all.
    """

    family: TextFamily
    files: tuple[Path, ...]
    size: int
    documents: int | None = None


def encode_instruction_words(manifest_path: Path, out: Path, settings: InstructionWords) -> None:
    """Make or read the tokenizer and tokenise the corpus, if there is one.

    Writes ``tokenizer.json``, ``corpus/en/``, ``summary.json``.

    Args:
        manifest_path: of the corpus and the training sets; other sets in it are not read.
        out: folder to write.
        settings: of the family.

    Raises:
        InputError: a missing tokenizer file, no text to train one on, or a family that is no causal model.
    """
    manifest: dict[str, Any] = read_json(manifest_path)
    with atomic_folder(out) as temporary:
        texts = _texts(manifest_path.parent, manifest)
        tokenizer = read_or_train(settings.files, settings.size, specials_of(settings.family), texts)
        if not layout_of(settings.family, tokenizer).causal:
            raise InputError(f"family {settings.family} is no causal model; use opt, gpt_neox or llama")
        tokenizer.save(temporary / "tokenizer.json")
        summary = {"family": settings.family, "vocabulary": tokenizer.size, "sha256": manifest["sha256"]}
        if manifest["corpus"]:
            files = [manifest_path.parent / path for path in manifest["corpus"]]
            encode_corpus(files, tokenizer, temporary / "corpus" / "en", settings.documents, read_texts)
            corpus = EncodedCorpus.open(temporary / "corpus" / "en")
            summary |= {"documents": len(corpus), "tokens": corpus.total_tokens}
        write_json(temporary / "summary.json", summary)


def encode_instruction_set(
    name: str,
    manifest_path: Path,
    words: Path,
    out: Path,
    family: TextFamily,
    frame: PromptFrame,
    most: int | None = None,
) -> None:
    """Tokenise a set: ``train.npz`` and ``train.json`` (``val.*`` of sets to evaluate on), ``summary.json``.

    Args:
        name: of the set.
        manifest_path: of its raw data.
        words: folder with the tokenizer.
        out: folder to write.
        family: of models.
        frame: wording and lengths of prompts. The authors train with the template ``plain`` and evaluate with
            ``headers`` and, few-shot questions, ``bare``.
        most: instructions, a seeded choice; ``None``: all.

    Raises:
        InputError: a malformed file, or a length without room for words.
    """
    manifest: dict[str, Any] = read_json(manifest_path)
    tokenizer = TextTokenizer.load(words / "tokenizer.json")
    path = manifest_path.parent / manifest["instructions"][name]
    chosen = sample_of(read_instructions(name, path), most)
    examples = encode_prompts(chosen, tokenizer, layout_of(family, tokenizer), frame)
    split = "train" if spec_of(name).role == "training" else "val"
    with atomic_folder(out) as temporary:
        save_prompts(temporary, split, examples)
        write_json(temporary / "summary.json", {split: len(examples), "sha256": manifest["sha256"]})


def _texts(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """What a tokenizer learns from: corpus, training sets, the wording of all prompts. Words of the other
    sets alone are none of a vocabulary's business."""
    yield from read_texts(folder / path for path in manifest["corpus"])
    for template in TEMPLATES:
        yield "".join(prompt_parts(_BLANK, template))
    for name, path in manifest["instructions"].items():
        if spec_of(name).role == "training":
            for item in read_instructions(name, folder / path):
                yield "".join(prompt_parts(item, "plain"))
                yield from item.responses
