"""Hugging Face models behind the narrow interface: encoders, encoder-decoders, causal models.

Sites, by family (layer numbers as in :class:`retort.models.features.Site`):

=============== ============================ ==============================================
site            BERT, BART, mBART            OPT, GPT-NeoX (Pythia), LLaMA
=============== ============================ ==============================================
``hidden`` 0    embeddings after their       embeddings as they enter the first block
                LayerNorm
``hidden`` l    output of block l            output of block l, *not* normalised
``hidden`` L    output of the last block     output of the final norm
                (mBART: of the final norm)
=============== ============================ ==============================================

``scores`` and ``probs`` are those of self-attention. Of an encoder-decoder all sites are the
decoder's, but for ``encoder`` 0..L_e, its encoder's hidden states.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from retort.data.text_batches import TextBatch
from retort.models.features import CLASS, HARD, UNCHANGED, WORDS, Features, Patch, Shape, Site, WordLogits
from retort.models.glm import MASKED_SCORE
from retort.models.losses import language_model_loss, wide

_INPUTS = frozenset(
    {"input_ids", "attention_mask", "token_type_ids", "decoder_input_ids", "decoder_attention_mask"}
)
_VISIBLE = "retort_visible"


def run_body(body: nn.Module, inputs: Mapping[str, Tensor], *, hidden: bool, scores: bool) -> Any:
    """The one call of a transformers model.

    ``forward`` of transformers 5 swallows unknown keywords, so that a misspelt or removed one
    changes nothing and says nothing: only inputs of a fixed list that this model's signature
    names are passed on.

    Raises:
        TypeError: an input is not on the list, or this model does not take it.
    """
    known = _INPUTS & inspect.signature(body.forward).parameters.keys()
    surplus = sorted(inputs.keys() - known)
    if surplus:
        raise TypeError(f"{type(body).__name__} takes no {surplus[0]!r}; it takes {', '.join(sorted(known))}")
    return body(
        **inputs, use_cache=False, return_dict=True, output_hidden_states=hidden, output_attentions=scores
    )


def layers_of(out: Any, name: str, expected: int) -> tuple[Tensor, ...]:
    """Per-layer tensors of an output, which transformers leaves out silently where it cannot give them.

    Raises:
        RuntimeError: not exactly ``expected`` tensors came back.
    """
    found = out.get(name) or ()
    if len(found) != expected or any(tensor is None for tensor in found):
        raise RuntimeError(f"asked for {expected} {name}, the model gave {len(found)}")
    return tuple(found)


class HFFamily:
    """What the three families share; a subclass says where its tensors lie.

    Attributes:
        model_types: ``config.model_type`` of the models whose heads are known to be handled.
        prefix: of the output's fields for the recorded stack.
    """

    model_types: frozenset[str] = frozenset()
    prefix = ""

    def __init__(self, module: Any) -> None:
        if module.config.model_type not in self.model_types:
            offered = ", ".join(sorted(self.model_types))
            raise ValueError(f"{type(self).__name__} knows {offered}, not {module.config.model_type!r}")
        self._module = module

    @property
    def module(self) -> Any:
        """The model itself."""
        return self._module

    def blocks(self) -> list[Any]:
        """None: blocks of these models are not exchanged."""
        return []

    def stand_ins(self) -> None:
        """None: the vocabulary is whole."""
        return

    @property
    def shape(self) -> Shape:
        """Depth, width, heads and vocabulary of the recorded stack."""
        config = self.module.config
        return Shape(
            config.num_hidden_layers, config.hidden_size, config.num_attention_heads, config.vocab_size
        )

    def inputs(self, batch: TextBatch) -> dict[str, Tensor]:
        """Keyword arguments of the body."""
        return {"input_ids": batch.tokens, "attention_mask": batch.attended.long()}

    def words(self, out: Any) -> WordLogits:
        """Word logits from the body's output."""
        head = self.module.get_output_embeddings()
        return WordLogits(out.last_hidden_state, head.weight, head.bias)

    def classes(self, out: Any) -> Tensor:
        """Class scores [B, C] from the body's output."""
        raise ValueError(f"{type(self.module).__name__} has no site 'class'")

    def observe(self, batch: TextBatch, want: frozenset[Site], patch: Patch = UNCHANGED) -> Features:
        """Run the model once and return the tensors at ``want``.

        Raises:
            ValueError: a patch; these models run as they are.
        """
        if patch != UNCHANGED:
            raise ValueError(f"{type(self).__name__} cannot change a forward pass: edits are for GLM")
        names = {site.name for site in want}
        scores = bool(names & {"scores", "probs"})
        if scores:
            _make_visible(self.module)
        hidden = bool(names & {"hidden", "encoder"})
        out = run_body(self.module.base_model, self.inputs(batch), hidden=hidden, scores=scores)
        values: dict[Site, Any] = {site: self._read(out, site) for site in want - {WORDS, CLASS, HARD}}
        labels = batch.labels
        if WORDS in want or (HARD in want and labels is None):
            values[WORDS] = self.words(out)
        if CLASS in want or (HARD in want and labels is not None):
            values[CLASS] = self.classes(out)
        if HARD in want:
            values[HARD] = (
                language_model_loss(values[WORDS], batch)
                if labels is None
                else F.cross_entropy(wide(values[CLASS]), labels, reduction="none")
            )
        return Features(values, batch.valid, batch.predicted, batch.example_of_row)

    def _read(self, out: Any, site: Site) -> Tensor:
        depth = self.shape.layers
        if site.name == "hidden" and 0 <= site.layer <= depth:
            return layers_of(out, f"{self.prefix}hidden_states", depth + 1)[site.layer]
        if site.name in ("scores", "probs") and 1 <= site.layer <= depth:
            scores = layers_of(out, f"{self.prefix}attentions", depth)[site.layer - 1]
            return scores if site.name == "scores" else scores.softmax(dim=-1)
        raise ValueError(f"{type(self).__name__} has no site {site}")


class EncoderFamily(HFFamily):
    """BERT with a masked-language-model or a classification head."""

    model_types = frozenset({"bert"})

    def inputs(self, batch: TextBatch) -> dict[str, Tensor]:
        """Sentence pairs also have segments."""
        pair = {} if batch.segments is None else {"token_type_ids": batch.segments}
        return super().inputs(batch) | pair

    def words(self, out: Any) -> WordLogits:
        """BERT transforms its states before the output projection."""
        head = self.module.cls.predictions
        return WordLogits(head.transform(out.last_hidden_state), head.decoder.weight, head.decoder.bias)

    def classes(self, out: Any) -> Tensor:
        """From the pooled first token."""
        return self.module.classifier(self.module.dropout(out.pooler_output))


class CausalFamily(HFFamily):
    """Decoder-only models."""

    model_types = frozenset({"opt", "gpt_neox", "llama"})


class SeqToSeqFamily(HFFamily):
    """Encoder-decoders, seen from their decoder."""

    model_types = frozenset({"bart", "mbart"})
    prefix = "decoder_"

    @property
    def shape(self) -> Shape:
        """Of the decoder."""
        config = self.module.config
        return Shape(config.decoder_layers, config.d_model, config.decoder_attention_heads, config.vocab_size)

    def inputs(self, batch: TextBatch) -> dict[str, Tensor]:
        """The decoder reads the gold text, shifted (teacher forcing)."""
        if batch.decoder_tokens is None:
            raise ValueError(f"{type(self).__name__} needs a batch with decoder_tokens")
        return super().inputs(batch) | {
            "decoder_input_ids": batch.decoder_tokens,
            "decoder_attention_mask": batch.valid.long(),
        }

    def words(self, out: Any) -> WordLogits:
        """The bias is a buffer beside the projection."""
        return WordLogits(out.last_hidden_state, self.module.lm_head.weight, self.module.final_logits_bias[0])

    def _read(self, out: Any, site: Site) -> Tensor:
        depth = self.module.config.encoder_layers
        if site.name == "encoder" and 0 <= site.layer <= depth:
            return layers_of(out, "encoder_hidden_states", depth + 1)[site.layer]
        return super()._read(out, site)


def _make_visible(module: Any) -> None:
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
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Attention written out: context [B, S, A, D] and masked scores [B, A, S, S]."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = torch.where(attention_mask, scores, scores.new_full((), MASKED_SCORE))
    probs = F.dropout(scores.softmax(dim=-1), dropout, module.training)
    return (probs @ value).transpose(1, 2).contiguous(), scores
