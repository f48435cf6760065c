"""Validation errors as one line each: the key's full place, what was given, what is expected."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic_core import ErrorDetails

EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list, e.g. [a, b]",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
}
"""pydantic's error types in words."""

Schema = dict[str, Any]


def nearest(word: str, valid: Sequence[str]) -> str:
    """Remedy for a misspelt word: the nearest valid one, or all of them."""
    by_lower = {name.lower(): name for name in valid}
    close = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=0.6)
    if close:
        return f"did you mean '{by_lower[close[0]]}'?"
    return "valid: " + ", ".join(valid)


def explain(errors: Sequence[ErrorDetails], schema: Schema, given: Any) -> list[str]:
    """One line for each thing that is wrong, in the order of the configuration.

    Args:
        errors: of a pydantic validation (``ValidationError.errors()``).
        schema: JSON schema of the validated model; it knows the valid keys at each place.
        given: the value that was validated, as it was written.
    """
    grouped: dict[tuple[str, str], list[str]] = {}
    for error in errors:
        if error["type"] == "too_short" and error["input"]:
            continue  # pydantic counts only valid entries; the invalid ones have their own line
        place, inside = _place(_written(error["loc"], given), schema)
        kind = error["type"]
        if kind == "extra_forbidden":
            line = _unknown_key(str(error["loc"][-1]), inside, schema)
            grouped[(place, line)] = []
        elif error["loc"][-1:] == ("[key]",):
            word = str(error["loc"][-2])
            grouped[(place, f"unknown key; {nearest(word, _key_names(inside, schema))}")] = []
        elif kind == "missing":
            grouped[(place, "is missing; add it (the scale files explain every key)")] = []
        else:
            text = f"given {_shown(error['input'])}, expected"
            grouped.setdefault((place, text), []).append(_expected(error, inside, schema))
    return [
        f"{place}: {text} {' or '.join(dict.fromkeys(wanted))}".rstrip()
        for (place, text), wanted in grouped.items()
    ]


def _expected(error: ErrorDetails, holder: Schema, schema: Schema) -> str:
    """What would have been right, in words."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "literal_error":
        return ("one of " if " or " in context["expected"] else "") + context["expected"]
    if kind == "dict_type" and (here := child_of(holder, error["loc"][-1], schema)):
        types = {variant.get("type") for variant in variants_of(here, schema)}
        return "a number, or a number for each task" if types & {"integer", "number"} else EXPECTED[kind]
    if kind == "too_short":
        return f"{context['min_length']} or more entries"
    message = error["msg"]
    for start, instead in (("Input should be ", "a value "), ("String should ", "text that should ")):
        if message.startswith(start):
            message = instead + message.removeprefix(start)
    return EXPECTED.get(kind, message)


def _written(loc: tuple[str | int, ...], given: Any) -> tuple[str | int, ...]:
    """The part of a location that the user wrote: one number for all tasks has no keys of its own."""
    for position, part in enumerate(loc):
        if isinstance(given, dict):
            if part not in given:
                return loc
            given = given[part]
        elif isinstance(given, list):
            if not isinstance(part, int) or part >= len(given):
                return loc
            given = given[part]
        else:
            return loc[:position]
    return loc


def _shown(value: Any) -> str:
    """A given value, short."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def variants_of(node: Schema, schema: Schema) -> Iterator[Schema]:
    """A schema node with references followed and unions opened."""
    if "$ref" in node:
        yield from variants_of(schema["$defs"][node["$ref"].rsplit("/", 1)[1]], schema)
    elif "anyOf" in node:
        for option in node["anyOf"]:
            yield from variants_of(option, schema)
    else:
        yield node


def child_of(node: Schema, part: str | int, schema: Schema) -> Schema | None:
    """The schema of ``node[part]``, or ``None`` where there is no such place."""
    for variant in variants_of(node, schema):
        if isinstance(part, int):
            if "prefixItems" in variant and part < len(variant["prefixItems"]):
                return variant["prefixItems"][part]
            if "items" in variant:
                return variant["items"]
        elif part in variant.get("properties", {}):
            return variant["properties"][part]
        elif isinstance(variant.get("additionalProperties"), dict):
            return variant["additionalProperties"]
    return None


def _place(loc: tuple[str | int, ...], schema: Schema) -> tuple[str, Schema]:
    """Dotted place of an error and the schema of the section that holds it.

    pydantic appends the names of union members to a location; they are no keys and are left out.
    """
    text, node, holder = "", schema, schema
    for position, part in enumerate(loc):
        child = child_of(node, part, schema)
        last = position == len(loc) - 1
        if child is None and (not last or not _is_section(node, schema)):
            break
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
        holder, node = node, child if child is not None else {}
    return text.lstrip(".") or "configuration", holder


def _is_section(node: Schema, schema: Schema) -> bool:
    return any("properties" in variant for variant in variants_of(node, schema))


def _keys(node: Schema, schema: Schema) -> list[str]:
    return [key for variant in variants_of(node, schema) for key in variant.get("properties", {})]


def _key_names(node: Schema, schema: Schema) -> list[str]:
    """Names a mapping's keys may have, where they come from a fixed set."""
    names = (variant.get("propertyNames", {}) for variant in variants_of(node, schema))
    return [word for name in names for word in name.get("enum", [])]


def _unknown_key(word: str, holder: Schema, schema: Schema) -> str:
    """Remedy for a key that does not exist: the same key in another section, or the nearest neighbour."""
    elsewhere = [dotted for dotted in _dotted(schema, schema) if dotted.rsplit(".", 1)[-1] == word]
    if elsewhere:
        return f"unknown key here; did you mean '{elsewhere[0]}'?"
    return f"unknown key; {nearest(word, _keys(holder, schema))}"


def _dotted(node: Schema, schema: Schema, prefix: str = "") -> Iterator[str]:
    """Every dotted key below a node (mappings with free keys are not entered)."""
    for variant in variants_of(node, schema):
        for key, child in variant.get("properties", {}).items():
            yield prefix + key
            yield from _dotted(child, schema, f"{prefix}{key}.")
