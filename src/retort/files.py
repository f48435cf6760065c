"""Writing files so that nothing half-written is ever seen under its final name."""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retort.errors import InputError


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it into place when the block succeeds.

    The temporary file keeps the suffix of ``path``, because several writers choose their
    format by it. On any exception it is removed and ``path`` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Like :func:`atomic_path` for a folder: an older ``path`` is replaced as a whole."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically: sorted keys, two spaces, one final newline, NaN refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_text(path: Path | str, missing: str = "run the step that writes it first") -> str:
    """The text of a file, see :func:`decoded`.

    Args:
        path: of the file.
        missing: what to do where there is none.

    Raises:
        InputError: the file is missing, cannot be read or is no UTF-8 text.
    """
    try:
        return decoded(Path(path).read_bytes(), path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {missing}") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); name a readable file") from None


def decoded(content: bytes, path: Path | str, line: int = 1) -> str:
    """UTF-8 text from the bytes of a file; the byte-order mark that Windows puts first is dropped.

    Args:
        content: the file, or one line of it.
        path: for messages.
        line: number of the (first) line of ``content``.

    Raises:
        InputError: packed, no UTF-8, or NUL characters, which no text has.
    """
    if line == 1:
        content = content.removeprefix(codecs.BOM_UTF8)
        if content.startswith((b"\x1f\x8b", b"PK\x03\x04")):
            raise InputError(f"{path}: is packed (gzip or zip); unpack it")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line += content.count(b"\n", 0, error.start)
        raise InputError(f"{path}:{line}: not UTF-8; convert the file to UTF-8") from None
    if "\0" in text:
        line += text.count("\n", 0, text.index("\0"))
        raise InputError(f"{path}:{line}: holds NUL characters; save the file as plain UTF-8 text")
    return text


def read_json(path: Path | str) -> Any:
    """Read JSON.

    Raises:
        InputError: the file is missing, cannot be read or is not JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON ({error.msg}); mend or remove the file") from None


def write_lines(path: Path | str, lines: Iterator[str] | list[str]) -> None:
    """Write text lines atomically, each ended by ``\\n``."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as stream:
        for line in lines:
            stream.write(line + "\n")


def sha256_of(path: Path | str) -> str:
    """Hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of(value: Any, length: int = 10) -> str:
    """First ``length`` hex digits of the SHA-256 of ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
