"""Writing files so that nothing half-written is ever seen under its final name, and damage is noticed."""

from __future__ import annotations

import codecs
import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from retort.errors import InputError, RetortError, disk_refusal

SEAL = "sha256.json"
"""Beside published files: the hash of each, as it was when the folder was made."""


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it into place when the block succeeds.

    The temporary file keeps the suffix of ``path``, because several writers choose their
    format by it. On any exception it is removed and ``path`` stays as it was.

    Raises:
        RetortError: the disk is full, read-only or refuses in another way.
    """
    path = Path(path)
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = _prefix(path.stem, path.suffix, path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            os.chmod(temporary, 0o666 & ~_umask())
            _sync(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path | str) -> Iterator[Path]:
    """Like :func:`atomic_path` for a folder: an older ``path`` is replaced as a whole.

    The older one is moved away before the new one gets its name, so that whoever is killed in between
    leaves no folder rather than half of one.
    """
    path = Path(path)
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = _prefix(path.name, "", path.parent)
        temporary, old = (Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix)) for _ in range(2))
        try:
            yield temporary
            os.chmod(temporary, 0o777 & ~_umask())
            for inside in temporary.rglob("*"):
                if inside.is_file():
                    _sync(inside)
            if path.exists():
                os.replace(path, old)
            os.replace(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)


def remove_folder(path: Path) -> None:
    """Remove a folder as a whole: whoever is killed meanwhile leaves nothing of it under its name."""
    prefix = _prefix(path.name, "", path.parent)
    if path.exists():
        away = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix))
        os.replace(path, away)
        shutil.rmtree(away)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the disk said about writing ``path``, in one line."""
    try:
        yield
    except Exception as error:
        refusal = disk_refusal(error, path.parent)
        if refusal is None:
            raise
        said, remedy = refusal
        raise RetortError(
            f"{path}: cannot be written ({said}); nothing is left half-written; {remedy} and run again"
        ) from error


def _prefix(stem: str, suffix: str, folder: Path) -> str:
    """Of temporary names: what is written, by whom. What a writer that was killed left is removed first."""
    host = re.sub(r"\W", "_", socket.gethostname())
    ours = f".{stem}-{host}-"
    for left in folder.glob(f"{glob.escape(ours)}*{glob.escape(suffix)}"):
        writer = re.fullmatch(rf"{re.escape(ours)}(\d+)-\w{{8}}{re.escape(suffix)}", left.name)
        if writer is not None and not _alive(int(writer[1])):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink(missing_ok=True)
    return f"{ours}{os.getpid()}-"


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def _sync(path: Path) -> None:
    """Have the bytes on the disk before the name, or a power failure may leave the name alone."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def date_back(paths: Iterable[Path]) -> None:
    """Give what is dated in the future, because the clock was set back since, the present time, all the same.

    Snakemake throws away what a step made from such a file, as it would be older than its input.
    """
    now = time.time()
    for path in paths:
        if path.exists() and path.stat().st_mtime > now:
            os.utime(path, (now, now))


def seal(folder: Path) -> None:
    """Write the hashes of a folder's files to ``sha256.json`` in it; folders inside have their own.

    Run cards, which hold times, are written after it: so the same work leaves the same seal.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != SEAL)
    write_json(folder / SEAL, {path.name: sha256_of(path) for path in files})


def verify(path: Path) -> None:
    """Compare a published file with the hash that was taken when it was made (about 1 s a GB).

    A file that no seal beside it lists, from elsewhere, passes; so does a missing one: its reader tells.

    Raises:
        RetortError: its bytes have changed since.
    """
    wanted = _sealed(path)
    if wanted is not None and path.exists() and wanted != sha256_of(path):
        raise RetortError(
            f"{path}: damaged, it is not what was written (see {SEAL} beside it); remove {path.parent} and "
            "run the same command again: the step that makes it runs anew"
        )


def recorded_hash(path: Path) -> str:
    """Hex SHA-256 of an existing file: the one its seal holds, else that of its bytes.

    What is sealed is not read: it stands for what was written, and whoever loads the file compares
    (:func:`verify`).

    Raises:
        RetortError: the seal is damaged.
    """
    return _sealed(path) or sha256_of(path)


def _sealed(path: Path) -> str | None:
    """The hash of a file in the seal beside it; ``None``: it is not listed there, or there is no seal."""
    record = path.parent / SEAL
    if not record.exists():
        return None
    known = read_json(record)
    if not isinstance(known, dict):
        raise RetortError(
            f"{record}: is no list of hashes; remove {path.parent} and run the same command again"
        )
    return known.get(path.name)


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically: sorted keys, two spaces, one final newline, NaN refused."""
    write_text(path, _json_text(value))


def json_digest(value: Any) -> str:
    """Hex SHA-256 of the file that :func:`write_json` makes of a value."""
    return hashlib.sha256(_json_text(value).encode()).hexdigest()


def _json_text(value: Any) -> str:
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n"


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
        RetortError: it is one that we published and has been damaged since.
    """
    path = Path(path)
    if path.name != SEAL:
        verify(path)
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
