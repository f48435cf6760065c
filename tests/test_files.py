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
from retort.errors import InputError


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
