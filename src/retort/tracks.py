"""Models of the tracks of a paper on transformers models."""

from __future__ import annotations

from retort.config.texts import TextPaper, Track
from retort.models.hf.architecture import Kind, TextArchitecture


def text_architecture(symbol: str, track: Track) -> TextArchitecture:
    """The architecture that a symbol of a track stands for."""
    model = track.models[symbol]
    kind: Kind = "mbart" if track.family == "mbart50" else track.family
    return TextArchitecture(
        name=symbol,
        kind=kind,
        encoder_layers=model.encoder_layers,
        decoder_layers=model.decoder_layers,
        width=model.width,
        heads=model.heads,
        inner=model.inner,
        positions=model.positions,
        dropout=model.dropout,
        head_width=model.head_width,
        tied=model.tied,
        scaled_embedding=model.scaled_embedding,
    )


def architectures(paper: TextPaper) -> dict[str, dict[str, TextArchitecture]]:
    """All models of each track, by symbol."""
    return {
        name: {symbol: text_architecture(symbol, track) for symbol in track.models}
        for name, track in paper.tracks.items()
    }
