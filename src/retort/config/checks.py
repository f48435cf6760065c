"""What contradicts itself in a configuration, although every section holds by itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from retort.config.messages import nearest
from retort.config.model import Config, pair_models, teachers_of
from retort.config.text_checks import off_hub, text_problems


def problems(config: Config) -> list[str]:
    """One line for each contradiction between sections, none of which sees it alone."""
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
    if source != "folder" and config.data_root is not None and not (source == "hub" and off_hub(config)):
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
