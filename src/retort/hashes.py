"""SHA-256 of files that may be large, remembered: only what has another size or time is read again.

A copied or touched file is then known for the same bytes, whatever its size, and looking costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from retort.files import read_json, sha256_of, write_json


def remembered_hashes(paths: Iterable[Path | str], memory: Path) -> dict[str, str]:
    """Hex SHA-256 of each file.

    Args:
        paths: existing files.
        memory: a JSON file (path -> size, time in nanoseconds, hash); made, and kept up to date, as needed.
    """
    paths = list(paths)
    known: dict[str, list[int | str]] = read_json(memory) if memory.is_file() else {}
    fresh = dict(known)
    for path in map(Path, paths):
        stat = path.stat()
        seen = [stat.st_size, stat.st_mtime_ns]
        if fresh.get(str(path), [])[:2] != seen:
            fresh[str(path)] = [*seen, sha256_of(path)]
    if fresh != known:
        write_json(memory, fresh)
    return {str(path): str(fresh[str(path)][2]) for path in paths}
