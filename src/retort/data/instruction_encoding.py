"""From official instruction files to what one family of causal models reads: its words, and its prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from retort.data.corpus import EncodedCorpus, encode_corpus
from retort.data.instruction_sources import read_texts
from retort.data.instructions.formats import Instruction, read_instructions
from retort.data.instructions.sets import spec_of
from retort.data.instructions.templates import prompt_parts
from retort.data.layouts import TextFamily, layout_of, specials_of
from retort.data.manifests import read_manifest, summarise
from retort.data.prompt_examples import PromptFrame, encode_prompts, save_prompts
from retort.data.text_examples import sample_of
from retort.data.text_prepare import Words, read_or_train, words_of
from retort.data.text_tokenizer import TextTokenizer
from retort.files import atomic_folder

_BLANK = Instruction("", ".", ".", ())
_ASKED = Instruction("", ".", ".", (), shots=((".", "."),))


@dataclass(frozen=True)
class PromptTexts:
    """How a family's instructions are encoded.

    Attributes:
        family: of causal models.
        frames: by set, the wording of its prompts and its lengths. The authors train with the template
            ``plain`` and evaluate with ``headers``.
        train, dev: most instructions of a training set, and of another set; ``None``: all.
    """

    family: TextFamily
    frames: Mapping[str, PromptFrame]
    train: int | None = None
    dev: int | None = None


def encode_prompt_words(
    corpus: Path, training: Mapping[str, Path], frames: Mapping[str, PromptFrame], out: Path, settings: Words
) -> None:
    """Tokenise a corpus: ``tokenizer.json``, ``corpus/en/``, ``summary.json``.

    Args:
        corpus: its manifest.
        training: manifest of each training set, which a trained tokenizer knows, too.
        frames: by set, the wording of its prompts, which it knows, too.
        out: folder to write.
        settings: of the family.

    Raises:
        InputError: a file that is gone or changed since it was checked, an empty corpus, or a missing
            tokenizer file.
    """
    manifest = read_manifest(corpus)
    paths = [corpus.parent / path for path in manifest["corpus"]]
    sets = {name: _read(name, path, None) for name, path in training.items()}
    with atomic_folder(out) as temporary:
        specials = specials_of(settings.family)
        texts = _texts(paths, sets, frames)
        tokenizer = read_or_train(settings.files, settings.size, specials, texts)
        tokenizer.save(temporary / "tokenizer.json")
        encode_corpus(paths, tokenizer, temporary / "corpus" / "en", settings.documents, read_texts)
        encoded = EncodedCorpus.open(temporary / "corpus" / "en")
        sizes = {
            "family": settings.family,
            "vocabulary": tokenizer.size,
            "words": words_of(settings.family, tokenizer),
            "documents": len(encoded),
            "tokens": int(encoded.total_tokens),
        }
        summarise(temporary, sizes, manifest)


def encode_prompt_sets(manifests: Mapping[str, Path], words: Path, out: Path, settings: PromptTexts) -> None:
    """Tokenise instruction sets: ``<set>.npz`` and ``<set>.json`` for each, ``summary.json``.

    Args:
        manifests: of the raw data of each set.
        words: folder with the tokenizer.
        out: folder to write.
        settings: wording, lengths and limits.

    Raises:
        InputError: a file that is gone or changed since it was checked, or a length without room.
    """
    tokenizer = TextTokenizer.load(words / "tokenizer.json")
    layout = layout_of(settings.family, tokenizer)
    counts: dict[str, int] = {}
    hashes: dict[str, str] = {}
    with atomic_folder(out) as temporary:
        for name, path in manifests.items():
            most = settings.train if spec_of(name).role == "training" else settings.dev
            examples = encode_prompts(_read(name, path, most), tokenizer, layout, settings.frames[name])
            save_prompts(temporary, name, examples)
            counts[name] = len(examples)
            hashes |= read_manifest(path)["sha256"]
        summarise(temporary, {"sets": counts}, {"sha256": hashes})


def _read(name: str, manifest_path: Path, most: int | None) -> list[Instruction]:
    path = manifest_path.parent / read_manifest(manifest_path)["instructions"][name]
    return sample_of(read_instructions(name, path), most)


def _texts(
    corpus: Sequence[Path], sets: Mapping[str, list[Instruction]], frames: Mapping[str, PromptFrame]
) -> Iterator[str]:
    """What a tokenizer learns from: corpus, training sets, the wording of all prompts. Words of the other
    sets alone are none of a vocabulary's business."""
    yield from read_texts(corpus)
    for name, frame in frames.items():
        for item in sets.get(name, [_BLANK]):
            yield "".join(prompt_parts(item, frame.template))
            yield from item.responses
    yield "".join(prompt_parts(_ASKED, "plain"))
