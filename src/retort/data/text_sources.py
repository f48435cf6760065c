"""Where sentence tasks, summaries and translations come from: a folder in the official layouts, or the hub.

The layout is ``glue/<Task>/*.tsv``, ``summarization*/{train,val}.jsonl``,
``translation/<pair>/{train,val}.{src,tgt}``, ``corpus/*.txt`` and ``multilingual/<language>.txt``. The
built-in world writes the same layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retort.data.corpus import read_lines
from retort.data.glue import hub as glue_hub
from retort.data.glue.formats import official_lines, read_glue
from retort.data.glue.tasks import spec_of as glue_spec
from retort.data.seq2seq.formats import files_of, hub_pairs, read_pairs, write_pairs
from retort.data.seq2seq.tasks import spec_of as pairs_spec
from retort.data.sources import HubCorpus, corpus_files, hub_documents, load_hub, write_corpora
from retort.errors import InputError
from retort.files import sha256_of, write_json, write_lines

_HUB_SPLITS = {"train": "train", "val": "validation"}


@dataclass(frozen=True)
class TextContents:
    """What of a folder or of the hub is used.

    Attributes:
        glue: GLUE tasks; ``pairs``: summarisation and translation sets.
        corpus: whether the corpus is; ``languages``: two-letter codes of the multilingual corpus.
    """

    glue: tuple[str, ...] = ()
    pairs: tuple[str, ...] = ()
    corpus: bool = True
    languages: tuple[str, ...] = ()


def open_texts(root: Path, out: Path, contents: TextContents) -> dict[str, Any]:
    """Check a folder in the official layouts and write the manifest for it; its files stay where they are.

    Args:
        root: the folder.
        out: where the manifest goes.
        contents: what has to be there; anything else is ignored.

    Returns:
        The manifest: ``corpus`` (paths), ``multilingual`` (language -> path), ``glue`` (task -> split ->
        path), ``pairs`` (task -> split -> paths), ``sha256`` (path -> hex). Paths are absolute.

    Raises:
        InputError: something is missing or any line of any file is malformed.
    """
    root = Path(root).absolute()
    glue = {task: _checked_glue(task, root) for task in contents.glue}
    pairs = {task: _checked_pairs(task, root) for task in contents.pairs}
    corpus = corpus_files(root / "corpus") if contents.corpus else []
    multilingual = {code: _checked_language(code, root) for code in contents.languages}
    paths = [*corpus, *multilingual.values(), *(p for splits in glue.values() for p in splits.values())]
    paths += [path for splits in pairs.values() for files in splits.values() for path in files]
    manifest = {
        "corpus": corpus,
        "multilingual": multilingual,
        "glue": glue,
        "pairs": pairs,
        "sha256": {path: sha256_of(path) for path in paths},
    }
    write_json(Path(out) / "manifest.json", manifest)
    return manifest


def text_files(root: Path, contents: TextContents) -> list[Path]:
    """The files of a folder that :func:`open_texts` reads, as far as they are there."""
    glue = [root / "glue" / task / file for task in contents.glue for file in glue_spec(task).splits.values()]
    pairs = [path for task in contents.pairs for split in _HUB_SPLITS for path in files_of(task, split, root)]
    corpus = sorted((root / "corpus").glob("*.txt")) if contents.corpus else []
    named = [*glue, *pairs, *corpus, *(root / "multilingual" / f"{code}.txt" for code in contents.languages)]
    return [path for path in named if path.exists()]


def fetch_texts(
    out: Path,
    contents: TextContents,
    corpora: Sequence[HubCorpus] = (),
    multilingual: Mapping[str, HubCorpus] | None = None,
) -> dict[str, Any]:
    """Download from the hub into the official layout under ``out/official``, then open that folder.

    Args:
        out: where everything is written.
        contents: what to fetch; languages are the keys of ``multilingual``.
        corpora: text corpora, one file each.
        multilingual: one corpus a language.

    Returns:
        The manifest of :func:`open_texts`.

    Raises:
        InputError: a repository cannot be loaded or is not what it should be, or a set has none.
    """
    root = Path(out) / "official"
    for task in contents.glue:
        for split, hub_split in glue_hub.hub_splits(task).items():
            examples = _hub_glue(task, split, hub_split)
            path = root / "glue" / task / glue_spec(task).splits[split]
            write_lines(path, official_lines(task, examples))
    for task in contents.pairs:
        for split, hub_split in _HUB_SPLITS.items():
            write_pairs(task, split, root, _hub_pairs(task, split, hub_split))
    write_corpora(root, corpora)
    for code, corpus in (multilingual or {}).items():
        write_lines(root / "multilingual" / f"{code}.txt", hub_documents(corpus))
    return open_texts(root, out, contents)


def _hub_glue(task: str, split: str, hub_split: str) -> list[Any]:
    import datasets

    config = glue_hub.CONFIGS[task]
    place = f"{glue_hub.REPOSITORY}/{config}/{hub_split}"
    rows = load_hub(glue_hub.REPOSITORY, config, hub_split, None)
    label = rows.features.get("label")
    if isinstance(label, datasets.ClassLabel):
        glue_hub.check_label_names(task, label.names, place)
    return glue_hub.hub_examples(task, split, rows, place)


def _hub_pairs(task: str, split: str, hub_split: str) -> list[Any]:
    hub = pairs_spec(task).place_on_hub()
    rows = load_hub(hub.repository, hub.config, hub_split, None)
    return hub_pairs(task, split, rows, f"{hub.repository}/{hub_split}")


def _checked_glue(task: str, root: Path) -> dict[str, str]:
    paths = {split: root / "glue" / task / file for split, file in glue_spec(task).splits.items()}
    for split, path in paths.items():
        read_glue(task, split, path)
    return {split: str(path) for split, path in paths.items()}


def _checked_pairs(task: str, root: Path) -> dict[str, list[str]]:
    paths = {split: files_of(task, split, root) for split in _HUB_SPLITS}
    for split, files in paths.items():
        read_pairs(task, split, *files)
    return {split: [str(path) for path in files] for split, files in paths.items()}


def _checked_language(code: str, root: Path) -> str:
    path = root / "multilingual" / f"{code}.txt"
    if not any(True for _ in read_lines([path])):
        raise InputError(f"{path}: holds no document; fill it with text in that language")
    return str(path)
