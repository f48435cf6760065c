"""Files: whole or not there, whatever happens while they are written."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort import files
from retort.errors import InputError, RetortError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_alone(tmp_path):
    target = tmp_path / "new" / "a.json"
    with files.atomic_path(target) as temporary:
        temporary.write_text("text")
        assert not target.exists()
        assert temporary.suffix == ".json" and temporary.parent == target.parent
    assert target.read_text() == "text"
    assert names(target.parent) == ["a.json"]


def test_an_exception_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ValueError, match="stop"), files.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise ValueError("stop")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    code = (
        "import sys, time; from retort.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as path:\n"
        "    path.write_text('half'); print('ready', flush=True); time.sleep(60)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None and writer.stdout.readline() == "ready\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert target.read_text() == "old"


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a.txt", "x")
        with files.atomic_folder(tmp_path / "folder"):
            pass
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o750


def test_a_folder_replaces_the_old_one_as_a_whole(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("x")
    with files.atomic_folder(target) as temporary:
        (temporary / "new").write_text("y")
        assert names(target) == ["old"]
    assert names(target) == ["new"]
    assert names(tmp_path) == ["model"]


def test_an_exception_leaves_the_old_folder(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "old").write_text("x")
    with pytest.raises(ValueError, match="stop"), files.atomic_folder(target) as temporary:
        (temporary / "new").write_text("y")
        raise ValueError("stop")
    assert names(target) == ["old"]
    assert names(tmp_path) == ["model"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(values)
def test_json_comes_back(tmp_path_factory, value):
    file = tmp_path_factory.mktemp("json") / "a.json"
    files.write_json(file, value)
    assert files.read_json(file) == value


def test_json_is_the_same_bytes_for_the_same_value(tmp_path):
    files.write_json(tmp_path / "a.json", {"b": 1, "a": [2]})
    files.write_json(tmp_path / "b.json", {"a": [2], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_bytes().endswith(b"}\n")


def test_nan_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"x": float("nan")})
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("text", "message"), [(None, "no such file"), ("", r":1: not JSON"), ('{"a": 1,\n}', r":2: not JSON")]
)
def test_unreadable_json_is_one_line(tmp_path, text, message):
    file = tmp_path / "a.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        files.read_json(file)
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)


def test_lines_end_with_a_line_feed_only(tmp_path):
    files.write_lines(tmp_path / "a.txt", iter(["one", "two\u2028three"]))
    assert (tmp_path / "a.txt").read_bytes() == "one\ntwo\u2028three\n".encode()


def test_hashes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert files.sha256_of(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert files.digest_of({"a": 1, "b": [2]}) == files.digest_of(json.loads('{"b": [2], "a": 1}'))
    assert files.digest_of({"a": 1}) != files.digest_of({"a": 2})
    assert len(files.digest_of({}, length=16)) == 16


def test_a_reader_never_sees_a_part(tmp_path):
    target = tmp_path / "a.txt"
    texts = ["a" * 100_000, "b" * 100_000]
    files.write_text(target, texts[0])
    code = (
        "import sys; from retort.files import write_text\n"
        "for turn in range(60):\n"
        "    write_text(sys.argv[1], 'ab'[turn % 2] * 100_000)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(target)])
    seen = set()
    deadline = time.monotonic() + 30
    while writer.poll() is None and time.monotonic() < deadline:
        seen.add(target.read_text())
    assert writer.wait() == 0
    assert seen <= set(texts)


# Litter, damage, dates


def killed_writer(target, kind):
    """A process that dies while it writes; what it leaves beside its target."""
    code = (
        f"import os, sys; from pathlib import Path; from retort.files import {kind}\n"
        f"with {kind}(sys.argv[1]) as path:\n"
        "    (path / 'part' if path.is_dir() else path).write_text('half'); os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, str(target)], check=False).returncode == -9
    return [name for name in names(target.parent) if name.startswith(".")]


@pytest.mark.parametrize("kind", ["atomic_path", "atomic_folder"])
def test_what_a_killed_writer_left_goes_with_the_next_one(tmp_path, kind):
    target = tmp_path / "a.txt"
    assert killed_writer(target, kind)
    with getattr(files, kind)(target) as temporary:
        (temporary / "whole" if temporary.is_dir() else temporary).write_text("x")
    assert names(tmp_path) == ["a.txt"]


def test_what_a_living_writer_or_one_of_another_file_makes_stays(tmp_path):
    with files.atomic_path(tmp_path / "a.txt") as first:
        (left,) = killed_writer(tmp_path / "b.txt", "atomic_path")[1:]
        files.write_text(tmp_path / "a.txt", "second")
        assert first.exists() and (tmp_path / left).exists()
        first.write_text("first")
    assert (tmp_path / "a.txt").read_text() == "first"


def test_a_folder_is_gone_as_a_whole(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    for name in ("a", "b"):
        files.write_text(folder / name, "x")
    monkeypatch.setattr(files.shutil, "rmtree", lambda path: (path / "a").unlink())  # and is killed then
    files.remove_folder(folder)
    assert not folder.exists() and len(names(tmp_path)) == 1
    files.remove_folder(folder)


def test_a_seal_tells_what_changed(tmp_path):
    for name in ("a", "b"):
        files.write_text(tmp_path / name, name)
    files.write_json(tmp_path / "c.json", {"x": 1})
    files.verify(tmp_path / "a")  # nothing to compare with
    files.seal(tmp_path)
    files.write_text(tmp_path / "later", "x")
    for name in ("a", "b", "later", "missing"):
        files.verify(tmp_path / name)
    assert files.read_json(tmp_path / "c.json") == {"x": 1}
    for name in ("b", "c.json"):
        (tmp_path / name).write_text('{"x": 2}')
    files.verify(tmp_path / "a")
    with pytest.raises(RetortError, match=r"/b: damaged, .*; remove .* and run the same command again"):
        files.verify(tmp_path / "b")
    with pytest.raises(RetortError, match="c.json: damaged"):
        files.read_json(tmp_path / "c.json")


def test_a_recorded_hash_is_that_of_the_seal_and_of_bytes_where_there_is_none(tmp_path, monkeypatch):
    for name in ("a", "b"):
        files.write_text(tmp_path / name, name)
    hashes = {name: files.sha256_of(tmp_path / name) for name in ("a", "b")}
    assert files.recorded_hash(tmp_path / "a") == hashes["a"]
    files.seal(tmp_path)
    files.write_text(tmp_path / "later", "x")
    (tmp_path / "b").write_text("damaged")
    read = []
    real = files.sha256_of
    monkeypatch.setattr(files, "sha256_of", lambda path: read.append(path.name) or real(path))
    assert {name: files.recorded_hash(tmp_path / name) for name in ("a", "b")} == hashes and read == []
    assert files.recorded_hash(tmp_path / "later") == real(tmp_path / "later") and read == ["later"]
    (tmp_path / files.SEAL).write_text("[]")
    with pytest.raises(RetortError, match=r"sha256.json: is no list of hashes; remove .* and run the same"):
        files.recorded_hash(tmp_path / "a")


def test_the_digest_of_json_is_that_of_its_file(tmp_path):
    value = {"b": [1.5, None], "a": "ä"}
    files.write_json(tmp_path / "a.json", value)
    assert files.json_digest(value) == files.sha256_of(tmp_path / "a.json")


def test_only_dates_in_the_future_are_changed(tmp_path):
    past, now = 1_000_000_000, time.time()
    for name, moment in {"old": past, "new": now + 1000, "newer": now + 5000}.items():
        files.write_text(tmp_path / name, "x")
        os.utime(tmp_path / name, (moment, moment))
    files.date_back([tmp_path / name for name in ("old", "new", "newer", "missing")])
    dates = {name: (tmp_path / name).stat().st_mtime for name in names(tmp_path)}
    assert dates["old"] == past and dates["new"] == dates["newer"] and now <= dates["new"] <= time.time()
