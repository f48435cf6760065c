"""Hashes are remembered by size and time, and true."""

from __future__ import annotations

import os

from retort import hashes
from retort.files import sha256_of


def test_a_file_is_read_again_only_when_size_or_time_changed(tmp_path, monkeypatch):
    read = []
    monkeypatch.setattr(hashes, "sha256_of", lambda path: read.append(path.name) or sha256_of(path))
    files, memory = [tmp_path / name for name in "ab"], tmp_path / "memory.json"
    for file in files:
        file.write_text(file.name)
    first = hashes.remembered_hashes(files, memory)
    assert first == {str(file): sha256_of(file) for file in files} and read == ["a", "b"]
    assert hashes.remembered_hashes(iter(files), memory) == first and read == ["a", "b"]
    os.utime(files[0], ns=(1, 1))
    assert hashes.remembered_hashes(files, memory) == first and read == ["a", "b", "a"]
    files[1].write_text("another")
    second = hashes.remembered_hashes(files, memory)
    assert read == ["a", "b", "a", "b"] and second[str(files[0])] == first[str(files[0])]
    assert second[str(files[1])] == sha256_of(files[1]) != first[str(files[1])]


def test_nothing_is_written_for_no_files(tmp_path):
    assert hashes.remembered_hashes([], tmp_path / "memory.json") == {} and not list(tmp_path.iterdir())
