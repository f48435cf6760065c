"""What the sections of the papers on transformers models cannot see by themselves, a line a problem."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from retort.config.messages import nearest
from retort.config.model import Config
from retort.config.texts import TextPaper, Track
from retort.papers import PAPERS, Scoring

_NAME = re.compile(r"\w+")


def text_problems(config: Config) -> Iterator[str]:
    """Contradictions in the sections of the papers that are run."""
    for paper in config.papers:
        if paper == "glmd":
            continue
        section = getattr(config, paper)
        if section is None:
            yield f"{paper}: is null, but papers names it; give the section, or leave {paper} out of papers"
            continue
        yield from _sources(config, paper, section)
        yield from _repeated(f"{paper}.seeds", section.seeds)
        for name, track in section.tracks.items():
            place = f"{paper}.tracks.{name}"
            if not _NAME.fullmatch(name):
                yield f"{place}: {name!r} is no name of a track; write letters, digits and underscores"
            yield from _models(place, track)
            yield from _roles(place, track)
            yield from _tasks(place, paper, track)
            yield from _corpus(config, place, track)
    yield from _symbols(config)


def _sources(config: Config, paper: str, section: TextPaper) -> Iterator[str]:
    source = config.data.source
    if source == "pocket" and section.pocket is None:
        yield f"{paper}.pocket: is null, but data.source is 'pocket'; give the sizes"
    if source == "hub" and section.hub is None:
        yield f"{paper}.hub: is null, but data.source is 'hub'; give the names on the hub"
    if source == "hub" and section.hub is not None:
        for name, track in section.tracks.items():
            for code in track.languages:
                if code not in section.hub.multilingual:
                    yield (
                        f"{paper}.hub.multilingual: has no corpus of {code!r}, "
                        f"which {paper}.tracks.{name} reads; add one"
                    )


def _repeated(place: str, values: Sequence[object]) -> Iterator[str]:
    for value, times in Counter(values).items():
        if times > 1:
            yield f"{place}: {value!r} is listed twice; list it once"


def _models(place: str, track: Track) -> Iterator[str]:
    for symbol, model in track.models.items():
        here = f"{place}.models.{symbol}"
        if model.head_width is None and model.width % model.heads:
            yield f"{here}.heads: {model.heads} heads do not divide the width {model.width}; change one"
        if not model.encoder_layers:
            yield f"{here}.encoder_layers: is 0; give it one or more"
        if (track.family == "bert") == bool(model.decoder_layers):
            wanted = "none, write 0" if track.family == "bert" else "one or more"
            yield f"{here}.decoder_layers: is {model.decoder_layers}, but {track.family} models have {wanted}"


def _roles(place: str, track: Track) -> Iterator[str]:
    yield from _repeated(f"{place}.teachers", track.teachers)
    yield from _repeated(f"{place}.languages", track.languages)
    for name, students in (*track.methods.items(), *track.one_recipe.items()):
        yield from _repeated(f"{place}: students of {name}", students)
    for symbol in track.import_teacher:
        if symbol in track.models and symbol not in track.teachers:
            valid = ", ".join(track.teachers)
            yield f"{place}.import_teacher.{symbol}: is no teacher of this track; valid: {valid}"
    for name in track.gates:
        if name not in track.tasks:
            yield f"{place}.gates.{name}: no such task in this track; {nearest(name, list(track.tasks))}"


def _tasks(place: str, paper: str, track: Track) -> Iterator[str]:
    known = PAPERS[paper].tasks
    for name, task in track.tasks.items():
        here = f"{place}.tasks.{name}"
        if name not in known:
            yield f"{here}: no task of this paper; {nearest(name, list(known))}"
            continue
        yield from _kind(here, track, known[name], task.target is not None)
        lengths = {"source": task.source, "target": task.target or 0}
        if task.decoding is not None:
            lengths["decoding.max_length"] = task.decoding.max_length
        for key, length in lengths.items():
            yield from _too_long(f"{here}.{key}", length, track)


def _kind(here: str, track: Track, scoring: Scoring, written: bool) -> Iterator[str]:
    classes = scoring.kind == "classes"
    if classes != (track.family == "bert"):
        families = "bert" if classes else "bart, mbart, mbart50 and t5"
        yield f"{here}: is for models of {families}, this track has {track.family}; leave the task out"
    elif classes and written:
        yield f"{here}.target: is given, but its answers are classes; leave target and decoding out"
    elif not classes and not written:
        yield f"{here}.target: is missing, but its answers are texts; give target and decoding"


def _corpus(config: Config, place: str, track: Track) -> Iterator[str]:
    settings = track.pretraining
    if settings.teacher or settings.student:
        yield from _too_long(f"{place}.pretraining.length", settings.length, track)
    for role in ("teacher", "student"):
        run = getattr(settings, role)
        if run is not None and run.batch_size % run.micro_batch_size:
            near = math.gcd(run.batch_size, run.micro_batch_size)
            yield (
                f"{place}.pretraining.{role}.micro_batch_size: {run.micro_batch_size} does not divide "
                f"batch_size {run.batch_size}; use a divisor, e.g. {near}"
            )
    if settings.noise == ("infilling" if track.family == "bert" else "words"):
        valid = "words or none" if track.family == "bert" else "infilling or none"
        yield (
            f"{place}.pretraining.noise: {settings.noise} is not for {track.family} models; valid: {valid}"
        )
    if config.data.source == "pocket" and track.vocabulary.files:
        yield (
            f"{place}.vocabulary.files: are given, but data.source is 'pocket', which has its own words; "
            "set them to []"
        )


def _too_long(place: str, length: int, track: Track) -> Iterator[str]:
    """A length that some model has no positions for; T5's are relative."""
    if track.family == "t5":
        return
    symbol, model = min(track.models.items(), key=lambda item: item[1].positions)
    if length > model.positions:
        yield f"{place}: {length} tokens, but {symbol} has {model.positions} positions; lower it"


def _symbols(config: Config) -> Iterator[str]:
    """Tables, devices and costs know a model by its symbol alone."""
    found = dict.fromkeys(config.models, "models") if "glmd" in config.papers else {}
    for paper in config.papers:
        section = None if paper == "glmd" else getattr(config, paper)
        for name, track in () if section is None else section.tracks.items():
            place = f"{paper}.tracks.{name}.models"
            for symbol in track.models:
                if symbol in found:
                    yield f"{place}.{symbol}: {found[symbol]} has a model of this name, too; rename one"
                found.setdefault(symbol, place)
