"""Between a run card and what is here: a line for each thing that differs."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retort.revision import revision
from retort.runcard import package_versions

Card = Mapping[str, Any]

_SHOWN = 40
"""Characters of a value in a message: commits and names whole, hashes not."""


def sources(card: Card, code: str) -> list[str]:
    """Of commit, changes to it, code of the stage, Python and packages: those that are not as on the card."""
    here = revision()
    names = ("commit", "changes to the commit", "code of this stage", "Python")
    then = (card["git_commit"], card["git_changes"], card["code"], card["python"])
    now = (here.commit, here.changes, code, platform.python_version())
    code_lines = entries(dict(zip(names, then, strict=True)), dict(zip(names, now, strict=True)))
    return [*code_lines, *entries(card["packages"], package_versions())]


def results(then: Card, now: Card) -> list[str]:
    """Scores that are not exactly equal, and by how much."""
    scores = [found.get("best") or {"last loss": found["last_loss"]} for found in (then, now)]
    lines = []
    for name in dict.fromkeys(name for found in scores for name in found):
        old, new = (found.get(name) for found in scores)
        if old != new:
            by = "" if old is None or new is None else f" ({new - old:+.4g})"
            lines.append(f"{name}: {old} on the card, {new} here{by}")
    return lines


def inputs(then: Card, now: Card) -> list[str]:
    """Files that a run read and that are not those of the card: data, earlier models."""
    return entries(_named_inputs(then), _named_inputs(now))


def _named_inputs(card: Card) -> dict[str, str]:
    """Digests of what a run read, by names below the folder of its results, wherever that lies."""
    found = {}
    for path, digest in card["inputs"].items():
        parts = Path(path).parts
        start = max((place for place, part in enumerate(parts) if part in ("stages", "text")), default=0)
        found["/".join(parts[start:])] = digest
    return found


def entries(then: Card, now: Card) -> list[str]:
    """Entries that differ, a line each."""
    return [
        f"{name}: {_value(then, name)} on the card, {_value(now, name)} here"
        for name in dict.fromkeys((*then, *now))
        if then.get(name) != now.get(name)
    ]


def _value(values: Card, name: str) -> str:
    return "none" if values.get(name) is None else str(values[name])[:_SHOWN]
