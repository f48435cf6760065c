"""Writing the sentence tasks, documents and translations of a pocket world to disk, each part by itself.

Every part has its own stream of the world's seed: other sizes and other parts leave it as it is. The words
are those of :func:`retort.data.pocket.world.generate_corpus`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

from retort.data.glue.formats import official_lines
from retort.data.glue.tasks import SPECS as GLUE
from retort.data.pocket.documents import HAPPENED, summary_pairs, translation_pairs
from retort.data.pocket.glue import glue_set
from retort.data.pocket.lexicon import Lexicon, make_lexicon
from retort.data.pocket.second_language import make_language
from retort.data.pocket.text_corpus import text_documents
from retort.data.seq2seq.formats import TextPair, write_pairs
from retort.data.seq2seq.tasks import spec_of as pairs_spec
from retort.errors import InputError
from retort.files import atomic_folder, write_lines


def generate_text_task(seed: int, out: Path, task: str, train: int, dev: int) -> None:
    """Write a set to the folder ``out``, replacing an older one, in the official layout.

    That is ``glue/<Task>/*.tsv``, ``summarization_*/{train,val}.jsonl`` or
    ``translation/*/{train,val}.{src,tgt}``.

    Args:
        seed: decides every byte.
        out: target folder.
        task: of GLUE, or a summarisation or translation set.
        train, dev: examples of each split.

    Raises:
        InputError: the world has no such set.
    """
    lexicon = make_lexicon(seed)
    with atomic_folder(out) as folder:
        if task in GLUE:
            _write_glue(task, seed, lexicon, folder / "glue", train, dev)
        else:
            for split, size in (("train", train), ("val", dev)):
                rng = random.Random(f"pocket {task} {split} {seed}")
                write_pairs(task, split, folder, _pairs(task, split, lexicon, seed, rng, size))


def generate_text_corpora(
    seed: int, out: Path, documents: int, multilingual: int, languages: Sequence[str]
) -> None:
    """Write ``corpus/world.txt`` and ``multilingual/<language>.txt``, one document a line.

    Args:
        seed: decides every byte.
        out: target folder.
        documents: of the English corpus; ``multilingual``: of each language.
        languages: two-letter codes.

    Raises:
        InputError: the world has no such language.
    """
    lexicon = make_lexicon(seed)
    with atomic_folder(out) as folder:
        rng = random.Random(f"pocket text corpus {seed}")
        write_lines(folder / "corpus" / "world.txt", text_documents(lexicon, rng, documents))
        for code in languages:
            rng = random.Random(f"pocket corpus {code} {seed}")
            texts = text_documents(lexicon, rng, multilingual)
            if code != "en":
                language = make_language(lexicon, code, seed)
                texts = [language.translate(text) for text in texts]
            write_lines(folder / "multilingual" / f"{code}.txt", texts)


def _write_glue(task: str, seed: int, lexicon: Lexicon, folder: Path, train: int, dev: int) -> None:
    for split, file in GLUE[task].splits.items():
        rng = random.Random(f"pocket {task} {split} {seed}")
        examples = glue_set(task, split, lexicon, rng, train if split == "train" else dev)
        write_lines(folder / task / file, official_lines(task, examples))


def _pairs(
    task: str, split: str, lexicon: Lexicon, seed: int, rng: random.Random, size: int
) -> list[TextPair]:
    spec = pairs_spec(task)
    if spec.kind == "translation":
        language = make_language(lexicon, spec.languages[1], seed)
        return translation_pairs(task, split, lexicon, language, rng, size)
    if task not in HAPPENED:
        raise InputError(f"the pocket world has no {task}; it has {', '.join(HAPPENED)} and translations")
    return summary_pairs(task, split, lexicon, rng, size)
