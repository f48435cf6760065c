"""From official files to what training reads, for one model family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from retort.data.corpus import EncodedCorpus, encode_corpus, read_lines
from retort.data.glue.formats import read_glue
from retort.data.layouts import TextFamily, layout_of, specials_of
from retort.data.seq2seq.formats import TextPair, read_pairs
from retort.data.seq2seq.tasks import spec_of
from retort.data.text_examples import encode_classes, encode_pairs, sample_of, save_texts
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError
from retort.files import atomic_folder, read_json, write_json


@dataclass(frozen=True)
class TextEncoding:
    """How one family's texts are encoded.

    Attributes:
        family: model family.
        vocabulary: files of its tokenizer (``vocab.txt``; ``vocab.json`` and ``merges.txt``;
            ``tokenizer.json``); none: one of at most ``size`` tokens is trained on all texts.
        glue: longest sequence by GLUE task.
        pairs: longest source and target by summarisation and translation set.
        train, dev, corpus: most examples of each set and most documents of each corpus; ``None``: all.
        source_labels: labels carry mBART's code of the source language, as the authors' En-Ro and En-Fr do.
    """

    family: TextFamily
    vocabulary: tuple[Path, ...]
    size: int
    glue: Mapping[str, int]
    pairs: Mapping[str, tuple[int, int]]
    train: int | None = None
    dev: int | None = None
    corpus: int | None = None
    source_labels: bool = False


def encode_texts(manifest_path: Path, out: Path, settings: TextEncoding) -> None:
    """Tokenise all: ``tokenizer.json``, ``corpus/<language>/``, ``tasks/``, ``summary.json``.

    The corpus is that of every language for mBART, else the English one.

    Raises:
        InputError: an empty corpus, a missing tokenizer file, or a length without room for words.
    """
    manifest: dict[str, Any] = read_json(manifest_path)
    multilingual = settings.family in ("mbart", "mbart50")
    corpora = {code: [path] for code, path in manifest["multilingual"].items()} if multilingual else {}
    if not multilingual and manifest["corpus"]:
        corpora = {"en": manifest["corpus"]}
    pairs = {task: _read(task, manifest["pairs"][task]) for task in settings.pairs}
    with atomic_folder(out) as temporary:
        tokenizer = _tokenizer(settings, corpora, pairs)
        tokenizer.save(temporary / "tokenizer.json")
        for code, paths in corpora.items():
            encode_corpus(paths, tokenizer, temporary / "corpus" / code, settings.corpus, read_lines)
        counts = {
            task: _encode_glue(task, manifest, tokenizer, settings, temporary) for task in settings.glue
        }
        counts |= {task: _encode_pairs(task, pairs[task], tokenizer, settings, temporary) for task in pairs}
        opened = {code: EncodedCorpus.open(temporary / "corpus" / code) for code in corpora}
        summary = {
            "family": settings.family,
            "vocabulary": tokenizer.size,
            "documents": {code: len(corpus) for code, corpus in opened.items()},
            "tokens": {code: corpus.total_tokens for code, corpus in opened.items()},
            "tasks": counts,
            "sha256": manifest["sha256"],
        }
        write_json(temporary / "summary.json", summary)


def _read(task: str, files: Mapping[str, list[str]]) -> dict[str, list[TextPair]]:
    return {split: read_pairs(task, split, *map(Path, paths)) for split, paths in files.items()}


def _tokenizer(
    settings: TextEncoding,
    corpora: Mapping[str, list[str]],
    pairs: Mapping[str, Mapping[str, list[TextPair]]],
) -> TextTokenizer:
    languages = dict.fromkeys([*corpora, *(code for task in pairs for code in spec_of(task).languages)])
    specials = specials_of(settings.family, tuple(languages))
    files = {path.suffix: path for path in settings.vocabulary}
    if not files:
        return TextTokenizer.train(_all_texts(corpora, pairs), settings.size, specials)
    if ".txt" in files and ".json" not in files:
        return TextTokenizer.from_vocab(files[".txt"])
    if ".txt" in files:
        return TextTokenizer.from_byte_pairs(files[".json"], files[".txt"], specials)
    if ".json" not in files:
        named = ", ".join(path.name for path in settings.vocabulary)
        raise InputError(f"tokenizer files {named}: not understood; give vocab.txt or tokenizer.json")
    return TextTokenizer.from_file(files[".json"], specials)


def _all_texts(
    corpora: Mapping[str, list[str]], pairs: Mapping[str, Mapping[str, list[TextPair]]]
) -> Iterable[str]:
    """All training texts; words of validation texts alone are none of a vocabulary's business."""
    told = (text for splits in pairs.values() for pair in splits["train"] for text in _both(pair))
    return chain((line for paths in corpora.values() for line in read_lines(paths)), told)


def _both(pair: TextPair) -> tuple[str, str]:
    return pair.source, pair.references[0]


def _most(settings: TextEncoding, split: str) -> int | None:
    return settings.train if split == "train" else settings.dev


def _encode_glue(
    task: str, manifest: dict[str, Any], tokenizer: TextTokenizer, settings: TextEncoding, out: Path
) -> dict[str, int]:
    """Encode all splits of a task; returns how many examples each has."""
    layout = layout_of(settings.family, tokenizer)
    counts = {}
    for split, path in manifest["glue"][task].items():
        chosen = sample_of(read_glue(task, split, path), _most(settings, split))
        examples = encode_classes(chosen, tokenizer, layout, settings.glue[task])
        save_texts(out / "tasks", f"{task}.{split}", examples)
        counts[split] = len(examples)
    return counts


def _encode_pairs(
    task: str,
    splits: Mapping[str, list[TextPair]],
    tokenizer: TextTokenizer,
    settings: TextEncoding,
    out: Path,
) -> dict[str, int]:
    """Encode both splits of a set; returns how many pairs each has."""
    source, target = spec_of(task).languages
    layout = layout_of(settings.family, tokenizer, source, source if settings.source_labels else target)
    counts = {}
    for split, pairs in splits.items():
        chosen = sample_of(pairs, _most(settings, split))
        examples = encode_pairs(chosen, tokenizer, layout, *settings.pairs[task])
        save_texts(out / "tasks", f"{task}.{split}", examples)
        counts[split] = len(examples)
    return counts
