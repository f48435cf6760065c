"""Families of a track's models: their kind, their name in tables, and configured models as architectures."""

from __future__ import annotations

from retort.config.messages import nearest
from retort.config.texts import TextPaper, Track
from retort.errors import InputError
from retort.models.hf.architecture import Kind, TextArchitecture

CAUSAL = "causal"
CAUSAL_KINDS = ("opt", "gpt_neox", "llama")
"""Kinds of models that recipes for causal models are for."""

FAMILIES: dict[str, tuple[Kind, str]] = {
    "bert": ("bert", "BERT"),
    "bart": ("bart", "BART"),
    "mbart": ("mbart", "mBART"),
    "mbart50": ("mbart", "mBART"),
    "t5": ("t5", "T5"),
    "opt": ("opt", "OPT"),
    "gpt_neox": ("gpt_neox", "Pythia"),
    "llama": ("llama", "LLaMA"),
}
"""Kind of models and what tables call them, by family."""

Models = tuple[str, ...]
"""Symbols: teacher, assistants, student."""


def text_architecture(symbol: str, track: Track) -> TextArchitecture:
    """A configured model as an architecture."""
    values = track.models[symbol].model_dump()
    values.pop("devices")
    return TextArchitecture(name=symbol, kind=FAMILIES[track.family][0], **values)


def architectures(paper: TextPaper) -> dict[str, dict[str, TextArchitecture]]:
    """The models of each track by symbol."""
    return {
        name: {symbol: text_architecture(symbol, track) for symbol in track.models}
        for name, track in paper.tracks.items()
    }


def models_of(pair: str, track: Track, place: str) -> Models:
    """The models of a configured pair, ``S``, ``T-S`` or ``T-A-S``, largest first.

    Args:
        place: of the track in the configuration.

    Raises:
        InputError: one of them is not there, or the first is no teacher.
    """
    named = tuple(pair.split("-"))
    models = named if len(named) > 1 else (track.teachers[0], *named)
    for symbol in models:
        if symbol not in track.models:
            raise InputError(f"{place}: no model {symbol!r}; {nearest(symbol, list(track.models))}")
    if models[0] not in track.teachers:
        raise InputError(f"{place}: {pair}: {models[0]} is none of teachers; add it, or name another")
    return models
