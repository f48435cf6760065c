"""Starting a transformers student from blocks of a teacher's tensors."""

from __future__ import annotations

import re
from typing import Any

import torch

from retort.models.hf.architecture import Slices
from retort.models.hf.families import family_of
from retort.models.truncation import copy_block

_LAYER = re.compile(r"\b(?:(encoder|decoder)\.)?(layer|layers|block)\.(\d+)\.")
"""Stack, list and number of a layer in a tensor's name. The one stack of GPT-NeoX and LLaMA has no name."""

_FUSED = ".query_key_value."
"""GPT-NeoX: queries, keys and values of a head lie together, head after head."""

_OF_ALL_LAYERS = "relative_attention_bias"
"""T5's first layers hold what all use."""


@torch.no_grad()
def truncate(student: Any, teacher: Any, slices: Slices) -> tuple[str, ...]:
    """Copy the leading block of every teacher tensor that a student's is said to start from.

    Attention heads of other sizes are cut where they happen to be: the block is a warm start, no more. Where
    queries, keys and values are one tensor, each of them is cut by itself, head by head.

    Args:
        student: changed in place; of the teacher's kind, but depth, widths, vocabulary and head may differ.
        teacher: any model of that kind.
        slices: which layers and tensors.

    Returns:
        Names of the tensors that stay as they were.
    """
    layers = _sources(student, teacher, slices)
    theirs = teacher.state_dict()
    left = []
    for name, own in student.state_dict().items():
        source = _source_of(name, layers, slices)
        if source is None or source not in theirs:
            left.append(name)
        elif _FUSED in name:
            copy_block(*(_by_head(tensor, of) for tensor, of in ((own, student), (theirs[source], teacher))))
        else:
            copy_block(own, theirs[source])
    return tuple(left)


def _by_head(tensor: Any, model: Any) -> Any:
    """A view [heads, 3, head width, ...] of a fused tensor."""
    heads = family_of(model).shape.heads
    return tensor.view(heads, 3, tensor.shape[0] // (3 * heads), *tensor.shape[1:])


def _sources(student: Any, teacher: Any, slices: Slices) -> dict[str | None, list[int | None]]:
    """Where the layers of each stack come from."""
    ours, other = family_of(student).shape, family_of(teacher).shape
    if not ours.encoder_layers:  # one stack, which BERT calls an encoder, OPT a decoder, others nothing
        return dict.fromkeys(("encoder", "decoder", None), slices.sources(ours.layers, other.layers))
    return {
        "encoder": slices.sources(ours.encoder_layers, other.encoder_layers),
        "decoder": slices.sources(ours.layers, other.layers),
    }


def _source_of(name: str, layers: dict[str | None, list[int | None]], slices: Slices) -> str | None:
    """The teacher's tensor that a student's starts from, if it does not stay random."""
    if any(re.search(pattern, name) for pattern in slices.random):
        return None
    found = _LAYER.search(name)
    if found is not None:
        layer = layers[found[1]][int(found[3])]
        if layer is None:
            return None
        if _OF_ALL_LAYERS not in name:
            name = f"{name[: found.start(3)]}{layer}{name[found.end(3) :]}"
    for pattern, instead in slices.taken:
        name = re.sub(pattern, instead, name)
    return name
