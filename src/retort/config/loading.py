"""Reading a configuration: a scale's file, overlaid by what the user adds, checked as a whole."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from retort.config.checks import problems as contradictions
from retort.config.messages import explain, nearest
from retort.config.model import Config
from retort.config.overlay import merge, overlay
from retort.errors import InputError
from retort.files import read_text

REPOSITORY = Path(__file__).resolve().parents[3]
SCALES = REPOSITORY / "config" / "scales"
SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def scale_names(folder: Path = SCALES) -> list[str]:
    """Names of the scales there are, sorted."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(path_or_scale: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a scale by name, or a YAML file that names its scale, and overlay ``overrides``.

    Raises:
        InputError: no such scale or file, not YAML, or a configuration that does not hold (a line a problem).
    """
    name = str(path_or_scale)
    raw: Mapping[str, Any]
    if name in scale_names():
        raw, place = {"scale": name}, f"scale {name}"
    elif Path(name).is_file():
        raw, place = read_yaml(Path(name)), name
    else:
        raise InputError(f"{name}: neither a scale nor a file; {nearest(name, scale_names())}")
    return resolve(merge(raw, overrides or {}), place)


def resolve(raw: Mapping[str, Any], place: str = "configuration", folder: Path = SCALES) -> Config:
    """Overlay ``raw`` (for instance Snakemake's ``config``) on the file of the scale it names, and check all.

    Args:
        raw: at least ``{"scale": ...}``; any other key replaces the scale's value, see
            :func:`retort.config.overlay.overlay`.
        place: how messages call the source.
        folder: where the scale files are.

    Raises:
        InputError: with one line for each problem.
    """
    scale = raw.get("scale")
    if scale is None:
        raise InputError(f"{place}: scale: is missing; add one of {', '.join(scale_names(folder))}")
    if scale not in scale_names(folder):
        raise InputError(f"{place}: scale: no scale {scale!r}; {nearest(str(scale), scale_names(folder))}")
    # What names every key was resolved before; the scale's file may have other models and methods by now.
    base = raw if Config.model_fields.keys() <= raw.keys() else _scale(folder, str(scale))
    complete, problems = overlay(base, raw, schema(), f"scale {scale}")
    try:
        # By way of JSON, because pydantic's strict mode takes a JSON list, but no Python list, for a tuple.
        config = Config.model_validate_json(json.dumps(complete, default=str))
    except ValidationError as error:
        problems += explain(error.errors(include_url=False), schema(), complete)
    else:
        problems += contradictions(config)
        if not problems:
            return config
    raise InputError("\n".join(f"{place}: {problem}" for problem in problems))


def typed(value: Any) -> Any:
    """Numbers, truth values and null out of text: Snakemake reads ``--config seeds=[1]`` as ``["1"]``."""
    if isinstance(value, Mapping):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    if isinstance(value, str):
        try:
            read = json.loads(value)
        except ValueError:
            return value
        return value if isinstance(read, str | list | dict) else read
    return value


@functools.cache
def schema() -> dict[str, Any]:
    """The JSON schema of a complete configuration (``config/schema.yaml`` holds the same)."""
    return {"$schema": SCHEMA_DIALECT, **Config.model_json_schema()}


class _Loader(yaml.SafeLoader):
    """YAML without the silent loss of a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            problem = None
            if not isinstance(key, str | int | float | None):
                problem = "a key is no text"
            elif key in seen:
                problem = f"key {key!r} is written twice"
            if problem is not None:
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, Any]:
    """Keys and values of a YAML file.

    Raises:
        InputError: not readable, not YAML, a key that is written twice, a value inside itself, or no keys.
    """
    text = read_text(path, "name a file that there is")
    try:
        value = yaml.load(text, _Loader)
        json.dumps(value, default=str)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not valid YAML ({error.problem}); mend this line") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(f"{path}:{line}: not valid YAML ({error.reason}); mend this line") from None
    except (RecursionError, ValueError):
        raise InputError(
            f"{path}: not a configuration (a value holds itself or a wrong date); mend it"
        ) from None
    if not isinstance(value, dict):
        raise InputError(f"{path}: holds no keys; a configuration is 'key: value' lines")
    return value


def _scale(folder: Path, name: str) -> dict[str, Any]:
    """The values of a scale's file, laid over those of the scale that it ``extends``."""
    path = folder / f"{name}.yaml"
    values = read_yaml(path)
    base = values.pop("extends", None)
    if base is None:
        return values
    names = [other for other in scale_names(folder) if other != name]
    if base not in names:
        raise InputError(f"{path}: extends: no other scale {base!r}; {nearest(str(base), names)}")
    inherited = read_yaml(folder / f"{base}.yaml")
    if "extends" in inherited:
        raise InputError(f"{path}: extends: {base} extends another scale itself; name that one")
    merged, problems = overlay(inherited, values, schema(), f"scale {base}")
    if problems:
        raise InputError("\n".join(f"{path}: {problem}" for problem in problems))
    return merged
