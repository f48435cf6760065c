"""Families of a track's models: their kind, their name in tables, and configured models as architectures."""

from __future__ import annotations

from retort.config.texts import TextPaper, Track
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
