"""Checked access to the fields of JSON lines: every problem names the file, the line and the field.

Lines end at ``\\n`` only: some texts hold U+2028, which ``str.splitlines`` would take for a line end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retort.errors import InputError
from retort.files import decoded


class Row:
    """One JSON object with checked access to its fields; ``place`` is ``path:line``."""

    def __init__(self, place: str, value: Any, prefix: str = "") -> None:
        self.place = place
        self._prefix = prefix
        if not isinstance(value, dict):
            what = f"field '{prefix}'" if prefix else "the line"
            raise InputError(f"{place}: {what} must be a JSON object, not {_kind(value)}")
        self._value = value

    def _path(self, name: str) -> str:
        return f"{self._prefix}.{name}" if self._prefix else name

    def fail(self, name: str, problem: str) -> InputError:
        """The error to raise about field ``name``."""
        return InputError(f"{self.place}: field '{self._path(name)}' {problem}")

    @property
    def number(self) -> int:
        """Number of the line, from 1."""
        return int(self.place.rsplit(":", 1)[1])

    def as_dict(self) -> dict[str, Any]:
        """A copy of the object as it was read."""
        return dict(self._value)

    def has(self, name: str) -> bool:
        """Whether the field is there."""
        return name in self._value

    def _get(self, name: str) -> Any:
        if name not in self._value:
            raise self.fail(name, "is missing; use the official labelled file")
        return self._value[name]

    def text(self, name: str, *, blank: bool = False) -> str:
        """A string; empty ones only where ``blank`` allows them."""
        value = self._get(name)
        if not isinstance(value, str):
            raise self.fail(name, f"must be a string, not {_kind(value)}")
        if not blank and not value.strip():
            raise self.fail(name, "is empty")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise self.fail(name, "holds half of a surrogate pair, which is no character")
        return value

    def integer(self, name: str, minimum: int = 0) -> int:
        """An integer (``true`` is none) of at least ``minimum``."""
        value = self._get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.fail(name, f"must be an integer, not {_kind(value)}")
        if value < minimum:
            raise self.fail(name, f"is {value}, below {minimum}")
        return value

    def boolean(self, name: str) -> bool:
        """A JSON ``true`` or ``false``."""
        value = self._get(name)
        if not isinstance(value, bool):
            raise self.fail(name, f"must be true or false, not {_kind(value)} {value!r:.40}")
        return value

    def binary(self, name: str) -> int:
        """The integer 0 or 1."""
        value = self.integer(name)
        if value > 1:
            raise self.fail(name, f"is {value}, not 0 or 1")
        return value

    def one_of(self, name: str, allowed: tuple[str, ...]) -> str:
        """One of the ``allowed`` strings."""
        value = self.text(name)
        if value not in allowed:
            raise self.fail(name, f"is {value!r:.60}, not one of {', '.join(allowed)}")
        return value

    def child(self, name: str) -> Row:
        """A nested object."""
        return Row(self.place, self._get(name), self._path(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of at least one string, none of them empty."""
        value = self._get(name)
        if not isinstance(value, list) or not value:
            raise self.fail(name, f"must be a list of strings, not {_kind(value)} {value!r:.40}")
        items = Row(self.place, dict(zip(map(str, range(len(value))), value, strict=True)), self._path(name))
        return tuple(items.text(str(number)) for number in range(len(value)))

    def children(self, name: str, minimum: int = 1) -> list[Row]:
        """A list of at least ``minimum`` objects."""
        value = self._get(name)
        if not isinstance(value, list):
            raise self.fail(name, f"must be a list, not {_kind(value)}")
        if len(value) < minimum:
            raise self.fail(name, f"has {len(value)} entries, fewer than {minimum}")
        return [Row(self.place, item, f"{self._path(name)}[{number}]") for number, item in enumerate(value)]


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def read_rows(path: Path | str) -> Iterator[Row]:
    """Yield the JSON object of every non-blank line of a UTF-8 file.

    Raises:
        InputError: no such file, not UTF-8, not JSON, or a line that is no object or has a key twice.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the data folder") from None
    for number, line in enumerate(content.split(b"\n"), 1):
        place = f"{path}:{number}"
        text = decoded(line, path, number)
        if not text.strip():
            continue
        try:
            value = json.loads(text, object_pairs_hook=_once)
        except json.JSONDecodeError as error:
            raise InputError(f"{place}: not JSON ({error.msg}, column {error.colno}); mend it") from None
        except RecursionError:
            raise InputError(f"{place}: not JSON of this task (nested too deep); mend it") from None
        except _Twice as error:
            raise InputError(f"{place}: field '{error}' is written twice; keep one") from None
        yield Row(place, value)


class _Twice(Exception):
    """A key that an object has twice; Python would keep the last."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return found
