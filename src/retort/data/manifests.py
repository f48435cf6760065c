"""What parts of the data say of themselves: manifests of raw files, summaries of encoded ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retort.errors import InputError
from retort.files import read_json, recorded_hash, seal, sha256_of, write_json

Manifest = dict[str, Any]


def read_manifest(path: Path) -> Manifest:
    """A manifest whose files still hold what they did when it was written.

    Raises:
        InputError: a file is gone or changed since it was checked.
    """
    manifest: Manifest = read_json(path)
    for name, digest in manifest["sha256"].items():
        file = path.parent / name
        if not file.is_file() or sha256_of(file) != digest:
            raise InputError(
                f"{file}: is gone or changed since it was checked; remove {path} and prepare the data again"
            )
    return manifest


def summarise(folder: Path, sizes: Manifest, manifest: Manifest) -> None:
    """Write ``summary.json``. It stands for the folder, so it says what the bytes of every file are."""
    encoded = {
        path.relative_to(folder).as_posix(): recorded_hash(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    write_json(folder / "summary.json", sizes | {"sha256": manifest["sha256"], "encoded": encoded})
    seal(folder)
