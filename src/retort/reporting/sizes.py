"""Exact parameter counts, from architectures that are never given memory."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from retort.config import Config
from retort.config.model import Model

if TYPE_CHECKING:
    from retort.models.glm import GLMConfig

BERT_COMMANDS = 2
"""Piece tokens that GLM adds to a BERT vocabulary."""


@functools.cache
def parameters(config: GLMConfig) -> int:
    """Number of parameters, word embeddings (tied with the output) counted once."""
    import torch

    from retort.models.glm import GLM

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in GLM(config).parameters())


def parameters_as_counted(config: GLMConfig) -> int:
    """Parameters as MobileBERT's publications count them: of the word table only the columns in use.

    The code of GLMKD stores the table as wide as the model and reads its first ``trigram`` columns.
    """
    unused = 0 if config.trigram is None else config.vocab * (config.width - config.trigram)
    return parameters(config) - unused


def parameters_of_stage(folder: Path) -> int | None:
    """Parameters of the model that a stage trained, compressed vocabulary and embedding variants included.

    Returns:
        ``None`` if the stage kept no model.
    """
    from retort.models.checkpoint import load_config

    found = sorted([*folder.glob("config.json"), *folder.glob("tasks/*/config.json")])
    return parameters(load_config(found[0].parent)) if found else None


def architecture(model: Model, vocabulary: int) -> GLMConfig:
    """A configured model as the network module wants it; its own vocabulary wins over the scale's."""
    from retort.models.glm import Bottleneck, GLMConfig

    value = model.model_dump(exclude={"vocab", "bottleneck", "devices"})
    inner = model.bottleneck
    return GLMConfig(
        **value,
        vocab=model.vocab or vocabulary,
        bottleneck=None if inner is None else Bottleneck(inner.width, inner.feed_forwards),
    )


def given_vocabulary(config: Config) -> int:
    """Rows of the word table for a vocabulary that is given, not trained: commands added, padded up."""
    rows, multiple = config.data.vocabulary.size + BERT_COMMANDS, config.data.vocabulary.multiple_of
    return -(-rows // multiple) * multiple


def variant(
    config: GLMConfig, compressed: int | None = None, embedding: str = "full", layers: int | None = None
) -> GLMConfig:
    """The same student with a smaller vocabulary, an embedding of half the width, or another depth."""
    half = config.width // 2
    return replace(
        config,
        vocab=compressed or config.vocab,
        factorised=half if embedding == "factorised" else config.factorised,
        trigram=half if embedding == "trigram" else config.trigram,
        layers=layers or config.layers,
    )
