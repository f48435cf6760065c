"""The row of the table of malformed input, how its command is run, and ways to spoil a good folder."""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
Spoil = Callable[[Path], None]


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: what the user did.
        spoil: does it to the good folder.
        command: what is run then, in the good folder.
        words: what the one line says, among other things: place, what is wrong, remedy.
        code: exit code.
    """

    name: str
    spoil: Spoil
    command: str
    words: tuple[str, ...]
    code: int = 2


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    error: str


def run(command: str) -> Ended:
    """A script in this process as in its own: ``prepare_data --config run.yaml``."""
    name, *arguments = command.split()
    script = SCRIPTS / f"{name}.py"
    before, sys.argv = sys.argv, [f"scripts/{name}.py", *arguments]
    out, error = io.StringIO(), io.StringIO()
    code: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = before
    return Ended(code, error.getvalue())


def everything(folder: Path) -> dict[str, bytes | str]:
    """All files and links in a folder with what they hold; status files of jobs are logs and left out."""
    found: dict[str, bytes | str] = {}
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != ".progress"]
        for name in files:
            path = Path(place) / name
            found[str(path.relative_to(folder))] = (
                os.readlink(path) if path.is_symlink() else path.read_bytes()
            )
    return found


# Ways to spoil. Paths are relative to the good folder.


def nothing(folder: Path) -> None:
    """The input is good; the command is not."""


def write(name: str, content: str | bytes) -> Spoil:
    """Replace a file, or make it."""

    def spoil(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def convert(name: str, change: Callable[[bytes], bytes]) -> Spoil:
    """Change the bytes of a file."""

    def spoil(folder: Path) -> None:
        path = folder / name
        before = path.read_bytes()
        path.write_bytes(change(before))
        assert path.read_bytes() != before

    return spoil


def edit(name: str, old: str, new: str) -> Spoil:
    """Replace the first occurrence of a text."""
    return convert(name, lambda content: content.replace(old.encode(), new.encode(), 1))


def append(name: str, text: str) -> Spoil:
    """Add to the end of a file."""
    return convert(name, lambda content: content + text.encode())


def set_line(name: str, number: int, text: str | bytes) -> Spoil:
    """Replace a line, counted from 1."""

    def change(content: bytes) -> bytes:
        lines = content.split(b"\n")
        lines[number - 1] = text if isinstance(text, bytes) else text.encode()
        return b"\n".join(lines)

    return convert(name, change)


def remove(name: str) -> Spoil:
    """Delete a file or a folder."""

    def spoil(folder: Path) -> None:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return spoil


def folder_instead(name: str) -> Spoil:
    """A folder where a file should be."""

    def spoil(folder: Path) -> None:
        remove(name)(folder)
        (folder / name).mkdir()

    return spoil


def link_to_itself(name: str) -> Spoil:
    """What nobody can open, the superuser included."""

    def spoil(folder: Path) -> None:
        remove(name)(folder)
        (folder / name).symlink_to(Path(name).name)

    return spoil


def copy(name: str, new: str) -> Spoil:
    """Put a copy of a file in another's place."""
    return lambda folder: shutil.copyfile(folder / name, folder / new) and None


def both(*spoils: Spoil) -> Spoil:
    """One after the other."""

    def spoil(folder: Path) -> None:
        for each in spoils:
            each(folder)

    return spoil


def field(name: str, number: int, place: str, value: Any = ...) -> Spoil:
    """Set ``a.0.b`` of the JSON object in a line, or remove it; ``number`` 0: of the whole file."""

    def spoil(folder: Path) -> None:
        path = folder / name
        lines = path.read_text().split("\n") if number else [path.read_text()]
        whole = json.loads(lines[max(number, 1) - 1])
        _put(whole, place, value)
        lines[max(number, 1) - 1] = json.dumps(whole)
        path.write_text("\n".join(lines))

    return spoil


def setting(place: str, value: Any) -> Spoil:
    """Set a value of the configuration, ``a.b``."""

    def spoil(folder: Path) -> None:
        path = folder / "run.yaml"
        whole = yaml.safe_load(path.read_text())
        _put(whole, place, value)
        path.write_text(yaml.safe_dump(whole))

    return spoil


def _put(whole: Any, place: str, value: Any) -> None:
    *parents, last = (int(part) if part.isdecimal() else part for part in place.split("."))
    for part in parents:
        whole = whole[part] if isinstance(part, int) else whole.setdefault(part, {})
    if value is ...:
        del whole[last]
    else:
        whole[last] = value
