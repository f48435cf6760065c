"""One configuration laid over another: what the user adds over the file of a scale."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from retort.config.messages import Schema, child_of, nearest, variants_of


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Overlay ``override`` on ``base``: mappings key by key, anything else as a whole. Neither is changed."""
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def overlay(
    base: Mapping[str, Any], override: Mapping[str, Any], schema: Schema, source: str
) -> tuple[dict[str, Any], list[str]]:
    """The same, where null removes an entry of a mapping with names of the user's: tracks, models, tasks.

    A key of the configuration itself is not removed: null is its value, if it may be null at all.

    Args:
        base: a configuration, or part of one; ``override``: what is laid over it.
        schema: JSON schema of the configuration.
        source: how messages call the base.

    Returns:
        The merged configuration, and a line for each null that has nothing to remove.
    """
    work = _Overlay(schema, source)
    return work.merged(base, override, schema, ""), work.problems


@dataclass
class _Overlay:
    schema: Schema
    source: str
    problems: list[str] = field(default_factory=list)

    def merged(
        self, base: Mapping[str, Any], override: Mapping[str, Any], node: Schema, place: str
    ) -> dict[str, Any]:
        found = dict(base)
        for key, value in override.items():
            here = f"{place}{key}"
            if value is None and self._removable(node, key):
                if key not in found:
                    self.problems.append(self._nothing(here, list(map(str, base))))
                found.pop(key, None)
            elif isinstance(value, Mapping):
                old = found.get(key)
                inside = child_of(node, key, self.schema) or {}
                found[key] = self.merged(old if isinstance(old, Mapping) else {}, value, inside, f"{here}.")
            else:
                found[key] = value
        return found

    def _removable(self, node: Schema, key: str) -> bool:
        """Whether a key is the user's own name for something that cannot be null."""
        of_user = any(
            isinstance(variant.get("additionalProperties"), dict)
            for variant in variants_of(node, self.schema)
        )
        value = child_of(node, key, self.schema) or {}
        return of_user and all(variant.get("type") != "null" for variant in variants_of(value, self.schema))

    def _nothing(self, place: str, names: list[str]) -> str:
        remedy = nearest(place.rpartition(".")[2], names) if names else "it has none there"
        return f"{place}: null removes what {self.source} has, which is nothing; {remedy}"
