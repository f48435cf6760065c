"""What the sections of the papers on transformers models cannot see by themselves, a line a problem."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence

from retort.config.messages import nearest
from retort.config.model import Config, has_section
from retort.config.texts import TextPaper, Track
from retort.data.instructions.sets import OFF_HUB
from retort.papers import PAPERS, Scoring

_NAME = re.compile(r"\w+")
_CAUSAL = ("opt", "gpt_neox", "llama")
_WITHOUT_TABLE = ("t5", "gpt_neox", "llama")
"""Families whose positions are relative or rotations: no text is too long for them."""


def text_problems(config: Config) -> Iterator[str]:
    """Contradictions in the sections of the papers that are run."""
    for paper in config.papers:
        if not has_section(paper):
            continue
        section = config.section(paper)
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


def off_hub(config: Config) -> tuple[str, ...]:
    """The data sets that the papers use and the hub does not have: they are read from a folder."""
    sections = [config.section(paper) for paper in config.papers if has_section(paper)]
    tracks = [track for section in sections if section is not None for track in section.tracks.values()]
    used = [track.instructions for track in tracks if track.instructions is not None]
    names = dict.fromkeys(name for settings in used for name in (*settings.train, *settings.sets))
    return tuple(filter(OFF_HUB.__contains__, names))


def _sources(config: Config, paper: str, section: TextPaper) -> Iterator[str]:
    source = config.data.source
    if source == "pocket" and section.pocket is None:
        yield f"{paper}.pocket: is null, but data.source is 'pocket'; give the sizes"
    if source == "pocket" and section.pocket is not None:
        yield from _unsized(paper, section)
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


def _unsized(paper: str, section: TextPaper) -> Iterator[str]:
    """Generated texts that a track reads, but that have no size."""
    kinds = {name: scoring.kind == "classes" for name, scoring in PAPERS[paper].tasks.items()}
    for name, track in section.tracks.items():
        needed = {"glue" if kinds[task] else "pairs" for task in track.tasks if task in kinds}
        needed |= {"multilingual"} if track.languages else set()
        needed |= {"instructions"} if track.instructions else set()
        for key in sorted(needed):
            if getattr(section.pocket, key) is None:
                yield f"{paper}.pocket.{key}: is null, but {paper}.tracks.{name} reads such texts; give it"


def _repeated(place: str, values: Sequence[object]) -> Iterator[str]:
    for value, times in Counter(values).items():
        if times > 1:
            yield f"{place}: {value!r} is listed twice; list it once"


def _models(place: str, track: Track) -> Iterator[str]:
    for symbol, model in track.models.items():
        here = f"{place}.models.{symbol}"
        if model.head_width is None and model.width % model.heads:
            yield f"{here}.heads: {model.heads} heads do not divide the width {model.width}; change one"
        stacks = {"encoder_layers": track.family not in _CAUSAL, "decoder_layers": track.family != "bert"}
        for key, needed in stacks.items():
            layers = getattr(model, key)
            if bool(layers) != needed:
                wanted = "one or more" if needed else "none, write 0"
                yield f"{here}.{key}: is {layers}, but {track.family} models have {wanted}"


def _roles(place: str, track: Track) -> Iterator[str]:
    yield from _repeated(f"{place}.teachers", track.teachers)
    yield from _repeated(f"{place}.languages", track.languages)
    for name, students in (*track.methods.items(), *track.variants.items()):
        yield from _repeated(f"{place}: students of {name}", students)
    for symbol in track.import_teacher:
        if symbol in track.models and symbol not in track.teachers and track.family not in _CAUSAL:
            valid = ", ".join(track.teachers)
            yield f"{place}.import_teacher.{symbol}: is no teacher of this track; valid: {valid}"
    judged = [*track.tasks, *(track.instructions.sets if track.instructions else ())]
    for name in track.gates:
        if name not in judged:
            yield f"{place}.gates.{name}: no such task in this track; {nearest(name, judged)}"


def _tasks(place: str, paper: str, track: Track) -> Iterator[str]:
    known = PAPERS[paper].tasks
    causal, told = track.family in _CAUSAL, track.instructions
    if causal != (told is not None):
        what = "are missing; give them" if causal else f"are not for {track.family} models; set them to null"
        yield f"{place}.instructions: {what}"
    elif told is not None:
        yield from _too_long(f"{place}.instructions.length", told.length, track)
    if causal == bool(track.tasks):
        what = (
            f"are not for {track.family} models; set them to {{}}" if causal else "are none; give one or more"
        )
        yield f"{place}.tasks: {what}"
        return
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
    special = "words" if track.family == "bert" else None if track.family in _CAUSAL else "infilling"
    if settings.noise not in (special, "none"):
        valid = "none" if special is None else f"{special} or none"
        yield (
            f"{place}.pretraining.noise: {settings.noise} is not for {track.family} models; valid: {valid}"
        )
    if config.data.source == "pocket" and track.vocabulary.files:
        yield (
            f"{place}.vocabulary.files: are given, but data.source is 'pocket', which has its own words; "
            "set them to []"
        )


def _too_long(place: str, length: int, track: Track) -> Iterator[str]:
    """A length that some model has no positions for."""
    if track.family in _WITHOUT_TABLE:
        return
    symbol, model = min(track.models.items(), key=lambda item: item[1].positions)
    if length > model.positions:
        yield f"{place}: {length} tokens, but {symbol} has {model.positions} positions; lower it"


def _symbols(config: Config) -> Iterator[str]:
    """Tables, devices and costs know a model by its symbol alone."""
    found = dict.fromkeys(config.models, "models") if config.reads_own else {}
    for paper in config.papers:
        section = config.section(paper)
        for name, track in () if section is None else section.tracks.items():
            place = f"{paper}.tracks.{name}.models"
            for symbol in track.models:
                if symbol in found:
                    yield f"{place}.{symbol}: {found[symbol]} has a model of this name, too; rename one"
                found.setdefault(symbol, place)
