"""From official files to what one family of models reads: its words and corpora, and each task by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from retort.data.corpus import EncodedCorpus, encode_corpus, read_lines
from retort.data.glue.formats import read_glue
from retort.data.glue.tasks import SPECS as GLUE
from retort.data.layouts import TextFamily, layout_of, specials_of
from retort.data.manifests import read_manifest, summarise
from retort.data.seq2seq.formats import TextPair, read_pairs
from retort.data.seq2seq.tasks import spec_of
from retort.data.text_examples import encode_classes, encode_pairs, sample_of, save_texts
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError
from retort.files import atomic_folder


@dataclass(frozen=True)
class Words:
    """Where a family's tokens come from, and which corpora it reads.

    Attributes:
        family: of models.
        files: of its tokenizer (``vocab.txt``; ``vocab.json`` and ``merges.txt``; ``tokenizer.json``); none:
            one of at most ``size`` tokens is trained on all texts.
        languages: two-letter codes of the multilingual corpora that it reads; none: the English corpus.
        documents: most of each corpus; ``None``: all.
    """

    family: TextFamily
    files: tuple[Path, ...]
    size: int
    languages: tuple[str, ...] = ()
    documents: int | None = None


@dataclass(frozen=True)
class TaskTexts:
    """How a task is encoded.

    Attributes:
        family: of models.
        source, target: longest sequences; classes have no target.
        train, dev: most examples; ``None``: all.
    """

    family: TextFamily
    source: int
    target: int | None
    train: int | None = None
    dev: int | None = None


def encode_words(corpora: Path, pairs: Mapping[str, Path], out: Path, settings: Words) -> None:
    """Tokenise corpora: ``tokenizer.json``, ``corpus/<language>/``, ``summary.json``.

    Args:
        corpora: manifest of the corpora.
        pairs: manifest of each summarisation and translation set, whose training texts a trained tokenizer
            knows, too.
        out: folder to write.
        settings: of the family.

    Raises:
        InputError: a file that is gone or changed since it was checked, an empty corpus, or a missing
            tokenizer file.
    """
    manifest = read_manifest(corpora)
    named = manifest["multilingual"] if settings.languages else {"en": manifest["corpus"]}
    chosen = settings.languages or ("en",)
    paths = {code: [corpora.parent / path for path in _list(named[code])] for code in chosen}
    sets = {task: _training_pairs(task, path) for task, path in pairs.items()}
    with atomic_folder(out) as temporary:
        tokenizer = _tokenizer(settings, paths, sets)
        tokenizer.save(temporary / "tokenizer.json")
        for code, files in paths.items():
            encode_corpus(files, tokenizer, temporary / "corpus" / code, settings.documents, read_lines)
        opened = {code: EncodedCorpus.open(temporary / "corpus" / code) for code in paths}
        sizes = {
            "family": settings.family,
            "vocabulary": tokenizer.size,
            "words": words_of(settings.family, tokenizer),
            "documents": sum(len(corpus) for corpus in opened.values()),
            "tokens": sum(int(corpus.total_tokens) for corpus in opened.values()),
        }
        summarise(temporary, sizes, manifest)


def words_of(family: TextFamily, tokenizer: TextTokenizer) -> dict[str, int | None]:
    """Fields of :class:`retort.models.hf.architecture.Vocabulary`: what a model must know of its words."""
    layout = layout_of(family, tokenizer)
    several = family in ("mbart", "mbart50")
    bos = tokenizer.id_of("<s>") if family in ("bart", "mbart", "mbart50") else None
    return {
        "size": tokenizer.size,
        "pad": layout.pad,
        "bos": bos,
        "eos": layout.end,
        # mBART's decoders start with the code of the text's language.
        "start": None if several and layout.start != layout.end else layout.start,
    }


def encode_task_texts(task: str, manifest_path: Path, words: Path, out: Path, settings: TaskTexts) -> None:
    """Tokenise a task: ``<split>.npz`` and ``<split>.json`` for each split, ``summary.json``.

    Args:
        task: of GLUE, or a summarisation or translation set.
        manifest_path: of its raw data.
        words: folder with the tokenizer.
        out: folder to write.
        settings: lengths and limits.

    Raises:
        InputError: a file that is gone or changed since it was checked, or a length without room for words.
    """
    manifest = read_manifest(manifest_path)
    tokenizer = TextTokenizer.load(words / "tokenizer.json")
    encode = _classes if task in GLUE else _pairs
    with atomic_folder(out) as temporary:
        counts = encode(task, manifest, manifest_path.parent, tokenizer, settings, temporary)
        summarise(temporary, counts, manifest)


def _list(paths: Any) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)


def _training_pairs(task: str, manifest_path: Path) -> list[TextPair]:
    files = read_manifest(manifest_path)["pairs"][task]["train"]
    return read_pairs(task, "train", *(manifest_path.parent / path for path in files))


def _tokenizer(
    settings: Words,
    corpora: Mapping[str, Sequence[Path]],
    pairs: Mapping[str, Sequence[TextPair]],
) -> TextTokenizer:
    languages = dict.fromkeys([*corpora, *(code for task in pairs for code in spec_of(task).languages)])
    specials = specials_of(settings.family, tuple(languages))
    return read_or_train(settings.files, settings.size, specials, _all_texts(corpora, pairs))


def read_or_train(
    vocabulary: tuple[Path, ...], size: int, specials: tuple[str, ...], texts: Iterable[str]
) -> TextTokenizer:
    """The tokenizer that some files hold; without any, one of at most ``size`` tokens is trained on texts.

    Raises:
        InputError: a file is missing or not understood, or the texts do not do.
    """
    files = {path.suffix: path for path in vocabulary}
    if not files:
        return TextTokenizer.train(texts, size, specials)
    if ".txt" in files and ".json" not in files:
        return TextTokenizer.from_vocab(files[".txt"])
    if ".txt" in files:
        return TextTokenizer.from_byte_pairs(files[".json"], files[".txt"], specials)
    if ".json" not in files:
        named = ", ".join(path.name for path in vocabulary)
        raise InputError(f"tokenizer files {named}: not understood; give vocab.txt or tokenizer.json")
    return TextTokenizer.from_file(files[".json"], specials)


def _all_texts(
    corpora: Mapping[str, Sequence[Path]], pairs: Mapping[str, Sequence[TextPair]]
) -> Iterable[str]:
    """All training texts; words of validation texts alone are none of a vocabulary's business."""
    told = (text for listed in pairs.values() for pair in listed for text in _both(pair))
    return chain((line for paths in corpora.values() for line in read_lines(paths)), told)


def _both(pair: TextPair) -> tuple[str, str]:
    return pair.source, pair.references[0]


def _most(settings: TaskTexts, split: str) -> int | None:
    return settings.train if split == "train" else settings.dev


def _classes(
    task: str,
    manifest: dict[str, Any],
    folder: Path,
    tokenizer: TextTokenizer,
    settings: TaskTexts,
    out: Path,
) -> dict[str, int]:
    """Encode all splits of a GLUE task; returns how many examples each has."""
    layout = layout_of(settings.family, tokenizer)
    counts = {}
    for split, path in manifest["glue"][task].items():
        chosen = sample_of(read_glue(task, split, folder / path), _most(settings, split))
        examples = encode_classes(chosen, tokenizer, layout, settings.source)
        save_texts(out, split, examples)
        counts[split] = len(examples)
    return counts


def _pairs(
    task: str,
    manifest: dict[str, Any],
    folder: Path,
    tokenizer: TextTokenizer,
    settings: TaskTexts,
    out: Path,
) -> dict[str, int]:
    """Encode both splits of a set; returns how many pairs each has."""
    assert settings.target is not None
    source, target = spec_of(task).languages
    layout = layout_of(settings.family, tokenizer, source, target)
    counts = {}
    for split, paths in manifest["pairs"][task].items():
        pairs = read_pairs(task, split, *(folder / path for path in paths))
        examples = encode_pairs(
            sample_of(pairs, _most(settings, split)), tokenizer, layout, settings.source, settings.target
        )
        save_texts(out, split, examples)
        counts[split] = len(examples)
    return counts
