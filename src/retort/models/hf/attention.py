"""An attention that shows its scores."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retort.models.glm import MASKED_SCORE

_VISIBLE = "retort_visible"


def make_visible(module: Any) -> None:
    """Let attention show its scores, from now on.

    Fused attention returns nothing to look at, and transformers' eager attention only
    probabilities *after* dropout. So we register an attention of our own, which hands back masked
    scores where eager attention hands back probabilities.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    if module.config._attn_implementation != _VISIBLE:
        AttentionInterface.register(_VISIBLE, _visible_attention)
        AttentionMaskInterface.register(_VISIBLE, _full_mask)
        module.set_attn_implementation(_VISIBLE)


def _full_mask(*args: Any, **kwargs: Any) -> Tensor | None:
    """A bool mask, true where a query sees a key; ``None`` only where every query sees every key.

    The open signature is transformers': it passes what any of its mask functions may need.
    """
    from transformers.masking_utils import sdpa_mask

    return sdpa_mask(*args, **(kwargs | {"allow_is_causal_skip": False}))


def _visible_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    position_bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Attention written out: context [B, S, A, D] and masked scores [B, A, S, S]."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if position_bias is not None:  # T5's relative positions
        scores = scores + position_bias
    if attention_mask is not None:
        scores = torch.where(attention_mask, scores, scores.new_full((), MASKED_SCORE))
    probs = F.dropout(scores.softmax(dim=-1), dropout, module.training)
    return (probs @ value).transpose(1, 2).contiguous(), scores
