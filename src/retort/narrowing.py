"""A configuration with as little as possible beside one stage of its plan.

Each part is left out, or reduced to one entry, wherever the very stage is still planned then. What a stage
does depend on (the other tasks of a track, the method that its rate is in proportion to) stays by itself.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from retort.config.checks import problems
from retort.config.model import Config
from retort.errors import InputError
from retort.plan import Plan
from retort.recipes.registry import RECIPES
from retort.texts import paper_section, text_papers

Smaller = Callable[[Config], Iterator[Config]]
Rows = dict[str, tuple[str, ...]]


def narrowed(config: Config, name: str) -> Config:
    """The configuration with as little as possible beside one stage, which it still plans.

    Gates look at all teachers of a configuration; those that the stage does not need are not to be trained.

    Args:
        config: any that plans the stage.
        name: id of the stage.
    """
    for part in _PARTS:
        config = _least(config, name, part)
    for paper in text_papers(config):
        for track in paper_section(config, paper).tracks:
            for of_track in (_rows, _students, _teachers):
                config = _least(config, name, functools.partial(of_track, paper, track))
    return _least(config, name, _seeds)


def _least(config: Config, name: str, part: Smaller) -> Config:
    """The first of the smaller configurations that still plans the stage, or the configuration itself."""
    return next((smaller for smaller in part(config) if _has(smaller, name)), config)


def _has(config: Config, name: str) -> bool:
    if problems(config):
        return False
    try:
        return name in Plan(config).stages
    except InputError:  # nothing is left to run
        return False


def _one_of(key: str) -> Smaller:
    """One entry of a list alone."""

    def smaller(config: Config) -> Iterator[Config]:
        for value in getattr(config, key):
            yield config.model_copy(update={key: (value,)})

    return smaller


def _variants(key: str) -> Smaller:
    """None of a list of variants, or one."""

    def smaller(config: Config) -> Iterator[Config]:
        for values in ((), *((value,) for value in getattr(config.variants, key))):
            variants = config.variants.model_copy(update={key: values})
            yield config.model_copy(update={"variants": variants})

    return smaller


def _no_recipes(config: Config) -> Iterator[Config]:
    yield config.model_copy(update={"recipes": None})


def _seeds(config: Config) -> Iterator[Config]:
    """One training seed for everything."""
    sections = {paper: paper_section(config, paper) for paper in text_papers(config)}
    known = [config.seeds, config.variants.seeds, *(section.seeds for section in sections.values())]
    for seed in dict.fromkeys(seed for seeds in known for seed in seeds):
        one = {"seeds": (seed,)}
        texts = {paper: section.model_copy(update=one) for paper, section in sections.items()}
        variants = config.variants.model_copy(update=one)
        yield config.model_copy(update=one | texts | {"variants": variants})


# Papers on transformers models


def _tracks(config: Config) -> Iterator[Config]:
    """One track alone, or beside those whose languages the paper's corpora have for all."""
    for paper in text_papers(config):
        tracks = paper_section(config, paper).tracks
        several = {name: track for name, track in tracks.items() if track.languages}
        for beside in ({}, several):
            for name, track in tracks.items():
                yield _with_tracks(config, paper, beside | {name: track})


def _rows(paper: str, name: str, config: Config) -> Iterator[Config]:
    """One row of a track, if need be beside the first of its methods, on one student."""
    track = paper_section(config, paper).tracks[name]
    order = [method.name for method in RECIPES[paper].methods]
    first = min(track.methods, key=order.index)
    reference = {first: track.methods[first][:1]}
    for method, students in track.methods.items():
        yield _changed(config, paper, name, methods={method: students}, variants={})
        yield _changed(config, paper, name, methods=reference | {method: students}, variants={})
    for method, students in track.variants.items():
        yield _changed(config, paper, name, methods=reference, variants={method: students})


def _students(paper: str, name: str, config: Config) -> Iterator[Config]:
    """One student of each row."""
    track = paper_section(config, paper).tracks[name]
    tables = track.methods, track.variants
    for student in dict.fromkeys(one for table in tables for row in table.values() for one in row):
        methods, variants = ({key: _only(student, row) for key, row in table.items()} for table in tables)
        yield _changed(config, paper, name, methods=methods, variants=variants)


def _teachers(paper: str, name: str, config: Config) -> Iterator[Config]:
    """One teacher of a track alone."""
    for symbol in paper_section(config, paper).tracks[name].teachers:
        yield _changed(config, paper, name, teachers=(symbol,))


def _only(student: str, row: tuple[str, ...]) -> tuple[str, ...]:
    return (student,) if student in row else row[:1]


def _changed(config: Config, paper: str, name: str, **values: Rows | tuple[str, ...]) -> Config:
    """The configuration with other values for fields of a track."""
    tracks = paper_section(config, paper).tracks
    return _with_tracks(config, paper, tracks | {name: tracks[name].model_copy(update=values)})


def _with_tracks(config: Config, paper: str, tracks: Mapping[str, Any]) -> Config:
    section = paper_section(config, paper).model_copy(update={"tracks": tracks})
    return config.model_copy(update={paper: section})


_PARTS: tuple[Smaller, ...] = (
    _one_of("papers"),
    _no_recipes,
    _variants("tables"),
    _variants("quirks"),
    _one_of("methods"),
    _one_of("pairs"),
    _tracks,
)
