"""Writing the sentence tasks, documents and translations of a pocket world to disk."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retort.data.glue.formats import official_lines
from retort.data.glue.tasks import spec_of as glue_spec
from retort.data.pocket.documents import HAPPENED, summary_pairs, translation_pairs
from retort.data.pocket.glue import glue_set
from retort.data.pocket.lexicon import Lexicon, make_lexicon
from retort.data.pocket.second_language import SecondLanguage, make_language
from retort.data.pocket.text_corpus import text_documents
from retort.data.seq2seq.formats import TextPair, write_pairs
from retort.data.seq2seq.tasks import spec_of as pairs_spec
from retort.errors import InputError
from retort.files import atomic_folder, write_json, write_lines


@dataclass(frozen=True)
class PocketTexts:
    """How much is generated.

    Attributes:
        documents: corpus, one document a line; ``multilingual``: documents of each language.
        glue: training examples of each GLUE task; ``glue_dev``: validation examples of each split.
        pairs: training pairs of each summarisation and translation set; ``pairs_dev``: validation pairs.
    """

    documents: int
    multilingual: int
    glue: int
    glue_dev: int
    pairs: int
    pairs_dev: int


def generate_texts(
    seed: int, out: Path, sizes: PocketTexts, glue: Sequence[str], pairs: Sequence[str]
) -> None:
    """Write the texts of the world of ``seed`` to the folder ``out``, replacing an older one.

    Files: ``glue/<Task>/*.tsv``, ``summarization_*/{train,val}.jsonl`` and
    ``translation/*/{train,val}.{src,tgt}`` in the official layouts; ``corpus/world.txt``;
    ``multilingual/<language>.txt`` for every language of the translation sets; ``lexicon.json``. The words
    are those of :func:`retort.data.pocket.generate_world`.

    Args:
        seed: decides every byte. Each part has its own stream: other sizes and tasks leave it as it is.
        out: target folder.
        sizes: how much of each.
        glue: GLUE tasks.
        pairs: summarisation and translation sets.

    Raises:
        InputError: a size is not positive, or the world has no such set.
    """
    lexicon = make_lexicon(seed)
    languages = {
        pairs_spec(task).languages[1]: make_language(lexicon, pairs_spec(task).languages[1], seed)
        for task in pairs
        if pairs_spec(task).kind == "translation"
    }
    with atomic_folder(out) as folder:
        for task in glue:
            _write_glue(task, seed, lexicon, folder / "glue", sizes)
        for task in pairs:
            for split, size in (("train", sizes.pairs), ("val", sizes.pairs_dev)):
                rng = random.Random(f"pocket {task} {split} {seed}")
                language = languages.get(pairs_spec(task).languages[1])
                write_pairs(task, split, folder, _pairs(task, split, lexicon, language, rng, size))
        _write_corpora(seed, lexicon, languages, folder, sizes)
        write_json(folder / "lexicon.json", lexicon.table())


def _write_glue(task: str, seed: int, lexicon: Lexicon, folder: Path, sizes: PocketTexts) -> None:
    for split, file in glue_spec(task).splits.items():
        rng = random.Random(f"pocket {task} {split} {seed}")
        size = sizes.glue if split == "train" else sizes.glue_dev
        examples = glue_set(task, split, lexicon, rng, size)
        write_lines(folder / task / file, official_lines(task, examples))


def _pairs(
    task: str, split: str, lexicon: Lexicon, language: SecondLanguage | None, rng: random.Random, size: int
) -> list[TextPair]:
    if language is not None:
        return translation_pairs(task, split, lexicon, language, rng, size)
    if task not in HAPPENED:
        raise InputError(f"the pocket world has no {task}; it has {', '.join(HAPPENED)} and translations")
    return summary_pairs(task, split, lexicon, rng, size)


def _write_corpora(
    seed: int, lexicon: Lexicon, languages: dict[str, SecondLanguage], folder: Path, sizes: PocketTexts
) -> None:
    rng = random.Random(f"pocket text corpus {seed}")
    write_lines(folder / "corpus" / "world.txt", text_documents(lexicon, rng, sizes.documents))
    for code in ("en", *languages) if languages else ():
        rng = random.Random(f"pocket corpus {code} {seed}")
        documents = text_documents(lexicon, rng, sizes.multilingual)
        if code != "en":
            documents = [languages[code].translate(document) for document in documents]
        write_lines(folder / "multilingual" / f"{code}.txt", documents)
