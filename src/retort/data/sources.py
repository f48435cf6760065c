"""Where data comes from: a folder in the official layouts, or the Hugging Face hub.

Both end as the same files and the same manifest, so that nothing later knows the difference.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retort.config.sections import HubDataset
from retort.data.corpus import read_lines
from retort.data.superglue.formats import read_records
from retort.data.superglue.hub import CONFIGS, SPLITS, check_label_names, official_rows
from retort.data.superglue.instances import load_task, wsc_candidates
from retort.data.superglue.rows import read_rows
from retort.data.superglue.soundness import check_apart, check_labels, check_spans
from retort.data.superglue.tasks import TASKS, spec_of
from retort.errors import InputError
from retort.files import atomic_folder, atomic_path, sha256_of, write_json, write_lines

HUB_SUPERGLUE = "aps/super_glue"


@dataclass(frozen=True)
class HubCorpus:
    """A text corpus on the hub: repository, configuration, split, column of the text, pinned revision."""

    name: str
    config: str | None = None
    split: str = "train"
    column: str = "text"
    revision: str | None = None

    @classmethod
    def of(cls, named: HubDataset) -> HubCorpus:
        """The corpus that a configuration names."""
        return cls(named.name, named.subset, named.split, named.column, named.revision)


def open_folder(root: Path, out: Path, tasks: Sequence[str] = TASKS, corpus: bool = True) -> dict[str, Any]:
    """Check a folder in the official layouts and write the manifest for it.

    The layout is ``root/superglue/<Task>/{train,val}.jsonl`` and ``root/corpus/*.txt`` (UTF-8, one
    document per line). The files stay where they are. WSC files without ``candidates`` are copied to
    ``out`` with the noun phrases of :mod:`retort.data.superglue.candidates` added.

    Args:
        root: the folder.
        out: where ``manifest.json`` and derived files go.
        tasks: the tasks that must be there; other folders, AX-b and AX-g included, are ignored.
        corpus: whether the corpus must be there; otherwise it is left out.

    Returns:
        The manifest: ``corpus`` (paths), ``superglue`` (task -> split -> path), ``sha256`` (path -> hex).
        Paths are absolute, or relative to ``out`` for derived files.

    Raises:
        InputError: something is missing, any line of any file is malformed, or a file as a whole cannot be
            what it should be. Nothing is written then.
    """
    root, out = Path(root), Path(out)
    superglue = {
        task: {split: _checked(task, split, root) for split in SPLITS}
        for task in (spec_of(task).name for task in tasks)
    }
    for task, files in superglue.items():
        check_apart(files)
        for path in files.values():
            check_labels(task, path)
    for path in superglue.get("ReCoRD", {}).values():
        check_spans(path)
    texts = corpus_files(root / "corpus") if corpus else []
    if "WSC" in superglue:
        superglue["WSC"] = {split: _completed(split, path, out) for split, path in superglue["WSC"].items()}
    paths = texts + [path for splits in superglue.values() for path in splits.values()]
    manifest = {
        "corpus": texts,
        "superglue": superglue,
        "sha256": {path: sha256_of(out / path) for path in paths},
    }
    write_json(out / "manifest.json", manifest)
    return manifest


def fetch_hub(
    out: Path,
    corpora: Sequence[HubCorpus],
    superglue: str = HUB_SUPERGLUE,
    superglue_revision: str | None = None,
    tasks: Sequence[str] = TASKS,
) -> dict[str, Any]:
    """Download from the hub into the official layout under ``out/official``, then open that folder.

    Corpus rows become one line each (line breaks inside a document turn into spaces, empty rows go).

    Args:
        out: where everything is written.
        corpora: text corpora, one file each; none: tasks alone.
        superglue: repository with the eight tasks as configurations.
        superglue_revision: its commit or branch, ``None`` for the newest.
        tasks: the tasks to fetch.

    Returns:
        The manifest of :func:`open_folder`.

    Raises:
        InputError: a repository cannot be loaded or is not what it should be.
    """
    with atomic_folder(Path(out) / "official") as root:
        for task in tasks:
            for split, hub_split in SPLITS.items():
                rows = _hub_rows(task, superglue, superglue_revision, hub_split)
                lines = [json.dumps(row, ensure_ascii=False) for row in rows]
                write_lines(root / "superglue" / task / f"{split}.jsonl", lines)
        write_corpora(root, corpora)
    return open_folder(Path(out) / "official", out, tasks, corpus=bool(corpora))


def fetch_vocabulary(repository: str, out: Path) -> Path:
    """Copy the ``vocab.txt`` of a model repository on the hub to ``out/vocab.txt``.

    Raises:
        InputError: the repository cannot be reached or has no such file.
    """
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = huggingface_hub.hf_hub_download(repository, "vocab.txt")
    except (HfHubHTTPError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"data.hub.tokenizer: {repository} gives no vocab.txt ({reason})") from error
    target = Path(out) / "vocab.txt"
    with atomic_path(target) as temporary:
        shutil.copyfile(found, temporary)
    return target


def _checked(task: str, split: str, root: Path) -> str:
    """Path of a task's file after every line has been read."""
    path = (root / "superglue" / task / f"{split}.jsonl").absolute()
    load_task(task, path, "train" if split == "train" else "val")
    return str(path)


def _completed(split: str, path: str, out: Path) -> str:
    """Path of a WSC file, of a derived one where noun phrases have to be added."""
    records = read_records("WSC", path)
    if all(record.candidates is not None for record in records):
        return path
    derived = Path("superglue") / "WSC" / f"{split}.jsonl"
    lines = [
        json.dumps(
            row.as_dict() | {"candidates": [{"text": text} for text in wsc_candidates(record)]},
            ensure_ascii=False,
        )
        for row, record in zip(read_rows(path), records, strict=True)
    ]
    write_lines(out / derived, lines)
    return derived.as_posix()


def corpus_files(folder: Path) -> list[str]:
    """Absolute paths of the text files of a corpus, in order of their names.

    Raises:
        InputError: there is none, one holds no document, or a line is not UTF-8.
    """
    paths = sorted(folder.absolute().glob("*.txt"))
    left_out = sorted(path for path in folder.absolute().glob("*.txt.*") if not path.name.startswith("."))
    if left_out:
        raise InputError(f"{left_out[0]}: only *.txt files are read; unpack or rename it, or take it away")
    if not paths:
        raise InputError(f"{folder}: holds no .txt file; put the pre-training corpus there")
    for path in paths:
        if not sum(1 for _ in read_lines([path])):
            raise InputError(f"{path}: holds no document; remove the file or fill it")
    return [str(path) for path in paths]


def load_hub(name: str, config: str | None, split: str, revision: str | None) -> Any:
    """One split of a data set on the hub.

    Raises:
        InputError: it cannot be loaded.
    """
    import datasets

    try:
        return datasets.load_dataset(name, config, split=split, revision=revision)
    except (OSError, ValueError) as error:
        what = f"{name}/{config}" if config else name
        raise InputError(f"hub repository {what}, split {split}: {' '.join(str(error).split())}") from error


def _hub_rows(task: str, name: str, revision: str | None, hub_split: str) -> list[dict[str, Any]]:
    import datasets

    place = f"{name}/{CONFIGS[task]}/{hub_split}"
    rows = load_hub(name, CONFIGS[task], hub_split, revision)
    label = rows.features.get("label")
    if isinstance(label, datasets.ClassLabel):
        check_label_names(task, label.names, place)
    return official_rows(task, rows, place)


def write_corpora(root: Path, corpora: Sequence[HubCorpus]) -> None:
    """Write each corpus of the hub to a file of its own below ``root/corpus``, named in their order.

    Raises:
        InputError: one cannot be loaded or has no such column.
    """
    for number, corpus in enumerate(corpora):
        name = corpus.name.replace("/", "_")
        write_lines(root / "corpus" / f"{number:02d}_{name}.txt", hub_documents(corpus))


def hub_documents(corpus: HubCorpus) -> Iterator[str]:
    """The documents of a corpus on the hub, each on one line, without empty ones.

    Raises:
        InputError: it cannot be loaded or has no such column.
    """
    rows = load_hub(corpus.name, corpus.config, corpus.split, corpus.revision)
    if corpus.column not in rows.column_names:
        raise InputError(
            f"hub repository {corpus.name}: no column {corpus.column!r}, has {rows.column_names}"
        )
    for row in rows:
        document = " ".join(row[corpus.column].split("\n")).strip()
        if document:
            yield document
