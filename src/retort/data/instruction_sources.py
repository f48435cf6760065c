"""Where instructions come from: a folder in the official layouts, or the hub.

The layout is ``instructions/<file of the set>`` (:mod:`retort.data.instructions.sets`), and for models that
are not imported ``corpus/*.txt`` (one document a line) or ``corpus/*.jsonl`` (a document with its line breaks
in field ``text`` of each line, as the Pile has them). The built-in world writes the same layout.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retort.data.corpus import read_lines
from retort.data.instructions.formats import file_of, read_instructions, write_instructions
from retort.data.instructions.hub import official_records
from retort.data.instructions.sets import spec_of
from retort.data.sources import HubCorpus, load_hub, write_corpora
from retort.data.superglue.rows import read_rows
from retort.errors import InputError
from retort.files import sha256_of, write_json


@dataclass(frozen=True)
class InstructionContents:
    """What of a folder or of the hub is used: sets by name, and whether the corpus is."""

    sets: tuple[str, ...]
    corpus: bool = True


def open_instructions(root: Path, out: Path, contents: InstructionContents) -> dict[str, Any]:
    """Check a folder in the official layout and write the manifest for it; its files stay where they are.

    Args:
        root: the folder.
        out: where the manifest goes.
        contents: what has to be there; anything else is ignored.

    Returns:
        The manifest: ``corpus`` (paths), ``instructions`` (set -> path), ``sha256`` (path -> hex). Paths are
        absolute.

    Raises:
        InputError: something is missing or any line of any file is malformed. Nothing is written then.
    """
    root = Path(root).absolute()
    sets = {name: str(file_of(name, root)) for name in contents.sets}
    for name, path in sets.items():
        read_instructions(name, Path(path))
    corpus = document_files(root / "corpus") if contents.corpus else []
    manifest = {
        "corpus": corpus,
        "instructions": sets,
        "sha256": {path: sha256_of(path) for path in [*corpus, *sets.values()]},
    }
    write_json(Path(out) / "manifest.json", manifest)
    return manifest


def instruction_files(root: Path, contents: InstructionContents) -> list[Path]:
    """The files of a folder that :func:`open_instructions` reads, as far as they are there."""
    folder = root / "corpus"
    corpus = sorted([*folder.glob("*.txt"), *folder.glob("*.jsonl")]) if contents.corpus else []
    return [path for path in (*(file_of(name, root) for name in contents.sets), *corpus) if path.exists()]


def fetch_instructions(
    out: Path, contents: InstructionContents, corpora: Sequence[HubCorpus] = ()
) -> dict[str, Any]:
    """Download from the hub into the official layout under ``out/official``, then open that folder.

    Args:
        out: where everything is written.
        contents: what to fetch.
        corpora: text corpora, one file each.

    Returns:
        The manifest of :func:`open_instructions`.

    Raises:
        InputError: a repository cannot be loaded or is not what it should be, or a set has none.
    """
    root = Path(out) / "official"
    for name in contents.sets:
        hub = spec_of(name).place_on_hub()
        parts = [(config, split) for config in hub.configs for split in hub.splits]
        rows = {part: load_hub(hub.repository, part[0], part[1], None) for part in parts}
        write_instructions(name, file_of(name, root), official_records(name, rows, hub.repository))
    write_corpora(root, corpora)
    return open_instructions(root, out, contents)


def document_files(folder: Path) -> list[str]:
    """Absolute paths of the corpus files of a folder, in order of their names.

    Raises:
        InputError: there is none, one holds no document, or a line is malformed.
    """
    paths = sorted(path for path in folder.absolute().glob("*") if path.suffix in (".txt", ".jsonl"))
    if not paths:
        raise InputError(f"{folder}: holds no .txt or .jsonl file; put the pre-training corpus there")
    for path in paths:
        if not sum(1 for _ in read_texts([path])):
            raise InputError(f"{path}: holds no document; remove the file or fill it")
    return [str(path) for path in paths]


def read_texts(paths: Iterable[Path | str]) -> Iterator[str]:
    """Yield the documents of corpus files, with their line breaks where the file has them.

    Raises:
        InputError: a file cannot be read or a line is malformed.
    """
    for path in map(Path, paths):
        if path.suffix == ".jsonl":
            documents = (row.text("text", blank=True).strip() for row in read_rows(path))
            yield from (document for document in documents if document)
        else:
            yield from read_lines([path])
