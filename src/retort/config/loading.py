"""Reading a configuration: a scale's file, overlaid by what the user adds, checked as a whole."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from retort.config.messages import explain, nearest
from retort.config.model import Config, pair_models, teachers_of
from retort.config.text_checks import text_problems
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
        raw: at least ``{"scale": ...}``; any other key replaces the scale's value.
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
    complete = (
        dict(raw) if Config.model_fields.keys() <= raw.keys() else merge(_scale(folder, str(scale)), raw)
    )
    try:
        # By way of JSON, because pydantic's strict mode takes a JSON list, but no Python list, for a tuple.
        config = Config.model_validate_json(json.dumps(complete, default=str))
    except ValidationError as error:
        problems = explain(error.errors(include_url=False), schema(), complete)
    else:
        problems = _contradictions(config)
        if not problems:
            return config
    raise InputError("\n".join(f"{place}: {problem}" for problem in problems))


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Overlay ``override`` on ``base``: mappings key by key, anything else as a whole. Neither is changed."""
    merged = dict(base)
    for key, value in override.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


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
    return merge(inherited, values)


def _contradictions(config: Config) -> list[str]:
    """What each section alone cannot see."""
    return [
        *_repeated(config),
        *_missing_parts(config),
        *_unread(config),
        *_bad_models(config),
        *_bad_training(config),
        *text_problems(config),
    ]


def _repeated(config: Config) -> list[str]:
    lists = {key: getattr(config, key) for key in ("papers", "tasks", "methods", "pairs", "seeds")}
    lists |= {f"variants.{key}": values for key, values in config.variants.model_dump().items()}
    found = [
        f"{key}: {value!r} is listed twice; list it once"
        for key, values in lists.items()
        for value in values
        if values.count(value) > 1
    ]
    return list(dict.fromkeys(found))


def _missing_parts(config: Config) -> list[str]:
    found = []
    source = config.data.source
    if source == "folder" and config.data_root is None:
        found.append("data_root: is missing, but data.source is 'folder'; add --config data_root=<folder>")
    if source == "pocket" and config.data.pocket is None:
        found.append("data.pocket: is null, but data.source is 'pocket'; give the world's values")
    if source == "hub" and config.data.hub is None and config.reads_own:
        found.append("data.hub: is null, but data.source is 'hub'; give the names on the hub")
    for pair in config.pairs:
        symbols = pair_models(pair)
        if not symbols:
            found.append(f"pairs: {pair!r} is no pair; write T1-S1, T2-A1-S2 or (T1,T2)-S2")
        missing = [symbol for symbol in symbols if symbol not in config.models]
        found += [
            f"pairs: {pair!r} names {s!r}; {nearest(s, list(config.models))} (see models)" for s in missing
        ]
    unknown = [symbol for symbol in config.import_teacher if symbol not in config.models]
    found += [f"import_teacher.{s}: no such model; {nearest(s, list(config.models))}" for s in unknown]
    for name, table in _per_task_tables(config).items():
        absent = [task for task in config.tasks if task not in table]
        found += [f"task_training.{name}: has no value for {task}; add one" for task in absent]
    return found


def _unread(config: Config) -> list[str]:
    """What was meant, but would not be looked at."""
    found = []
    source = config.data.source
    if source != "folder" and config.data_root is not None:
        found.append(
            f"data_root: is given, but data.source is '{source}', which reads no folder; "
            "add --config data={source: folder}, or set data_root to null"
        )
    if source == "pocket" and config.data.vocabulary.vocab_txt is not None:
        found.append(
            "data.vocabulary.vocab_txt: is given, but data.source is 'pocket', which has its own words; "
            "set it to null"
        )
    used = {symbol for pair in config.pairs for symbol in pair_models(pair)}
    teachers = {symbol for pair in config.pairs for symbol in teachers_of(pair)}
    found += [
        f"import_teacher.{symbol}: no pair is taught by it; valid: {', '.join(sorted(teachers))}"
        for symbol in config.import_teacher
        if symbol in used - teachers
    ]
    return found


def _per_task_tables(config: Config) -> dict[str, Mapping[Any, float]]:
    training = config.task_training
    return {
        "epochs": training.epochs,
        "batch_size": training.batch_size,
        "max_length": training.max_length,
        "learning_rate.teacher": training.learning_rate.teacher,
        "learning_rate.student": training.learning_rate.student,
    }


def _bad_models(config: Config) -> list[str]:
    found = []
    for symbol, model in config.models.items():
        width = model.bottleneck.width if model.bottleneck else model.width
        if width % model.heads:
            found.append(
                f"models.{symbol}.heads: {model.heads} heads do not divide the width {width}; change one"
            )
    for symbol in dict.fromkeys(s for pair in config.pairs for s in pair_models(pair)):
        if symbol not in config.models:
            continue
        positions = config.models[symbol].positions
        longest = max(config.task_training.max_length.get(task, 0) for task in config.tasks)
        for name, length in (
            ("pretraining.max_length", config.pretraining.max_length),
            ("task_training.max_length", longest),
        ):
            if length > positions:
                found.append(
                    f"{name}: {length} tokens, but models.{symbol} has {positions} positions; lower it"
                )
    return found


def _bad_training(config: Config) -> list[str]:
    found = []
    for role in ("teacher", "student"):
        run = getattr(config.pretraining, role)
        if run.batch_size % run.micro_batch_size:
            near = math.gcd(run.batch_size, run.micro_batch_size)
            found.append(
                f"pretraining.{role}.micro_batch_size: {run.micro_batch_size} does not divide "
                f"batch_size {run.batch_size}; use a divisor, e.g. {near}"
            )
    return [*found, *_bad_search(config)]


def _bad_search(config: Config) -> list[str]:
    training = config.task_training
    if training.search is None:
        return []
    found = []
    if training.hyper_parameters is not None:
        found.append(
            "task_training.hyper_parameters: is given beside search, which tries all points; "
            "set one of the two to null"
        )
    for name, values in training.search.model_dump().items():
        repeated = dict.fromkeys(value for value in values if values.count(value) > 1)
        found += [f"task_training.search.{name}: {v!r} is listed twice; list it once" for v in repeated]
    return found
