"""Hugging Face models behind the narrow interface: encoders, encoder-decoders, causal models.

Sites, by family (layer numbers as in :class:`retort.models.features.Site`):

=============== ============================ ==============================================
site            BERT, BART, mBART, T5        OPT, GPT-NeoX (Pythia), LLaMA
=============== ============================ ==============================================
``hidden`` 0    embeddings after their       embeddings as they enter the first block
                LayerNorm (T5 has none)
``hidden`` l    output of block l            output of block l, *not* normalised
``hidden`` L    output of the last block     output of the final norm (OPT-350M, which
                (mBART, T5: of the final     has none: of the last block)
                norm)
=============== ============================ ==============================================

``scores`` and ``probs`` are those of self-attention. Of an encoder-decoder all sites are the
decoder's, but for ``encoder`` 0..L_e, its encoder's hidden states.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor

from retort.data.text_batches import TextBatch
from retort.models.features import Shape, Site, WordLogits, moved_right
from retort.models.hf.base import HFFamily
from retort.models.hf.body import layers_of, run_body


class EncoderFamily(HFFamily):
    """BERT with a masked-language-model or a classification head."""

    model_types = frozenset({"bert"})

    @property
    def _classifies(self) -> bool:
        return self.module.get_output_embeddings() is None

    def inputs(self, batch: TextBatch) -> dict[str, Tensor]:
        """Sentence pairs also have segments."""
        pair = {} if batch.segments is None else {"token_type_ids": batch.segments}
        return super().inputs(batch) | pair

    def words(self, out: Any) -> WordLogits:
        """BERT transforms its states before the output projection."""
        if self._classifies:
            raise ValueError(f"{type(self.module).__name__} has no site 'words'")
        head = self.module.cls.predictions
        return WordLogits(head.transform(out.last_hidden_state), head.decoder.weight, head.decoder.bias)

    def classes(self, out: Any) -> Tensor:
        """From the pooled first token."""
        if not self._classifies:
            return super().classes(out)
        return self.module.classifier(self.module.dropout(out.pooler_output))


class CausalFamily(HFFamily):
    """Decoder-only models."""

    model_types = frozenset({"gpt_neox", "llama"})


class OPTFamily(CausalFamily):
    """OPT, of which one size has words narrower than its states (OPT-350M)."""

    model_types = frozenset({"opt"})

    def run(self, batch: TextBatch, *, hidden: bool, scores: bool) -> Any:
        """The last hidden state is what the projection to the words' width gets.

        transformers puts what the projection gives in its place.
        """
        projection = self.module.model.decoder.project_out
        if projection is None or not hidden:
            return super().run(batch, hidden=hidden, scores=scores)
        given: list[Tensor] = []
        watch = projection.register_forward_pre_hook(lambda _, arguments: given.append(arguments[0]))
        try:
            out = super().run(batch, hidden=hidden, scores=scores)
        finally:
            watch.remove()
        (last,) = given
        out.hidden_states = (*out.hidden_states[:-1], last)
        return out


class Stacks(NamedTuple):
    """Outputs of an encoder-decoder's two stacks."""

    encoder: Any
    decoder: Any


class SeqToSeqFamily(HFFamily):
    """Encoder-decoders, seen from their decoder."""

    model_types = frozenset({"bart", "mbart"})

    @property
    def shape(self) -> Shape:
        """Of the decoder."""
        config = self.module.config
        heads, layers = config.decoder_attention_heads, config.decoder_layers
        return Shape(layers, config.d_model, heads, self.vocab, config.encoder_layers)

    def inputs(self, batch: TextBatch) -> dict[str, Tensor]:
        """The decoder reads the gold text, shifted (teacher forcing).

        It sees all that it reads: the last word, too, which it gets when there is nothing left to predict.
        """
        if batch.decoder_tokens is None:
            raise ValueError(f"{type(self).__name__} needs a batch with decoder_tokens")
        return super().inputs(batch) | {
            "decoder_input_ids": batch.decoder_tokens,
            "decoder_attention_mask": (batch.valid | moved_right(batch.valid)).long(),
        }

    def run(self, batch: TextBatch, *, hidden: bool, scores: bool) -> Stacks:
        """Both stacks' outputs; the head, which some models hold to be part of the body, does not run."""
        given = self.inputs(batch)
        source = {name: given[name] for name in ("input_ids", "attention_mask")}
        encoder = run_body(self.module.get_encoder(), source, hidden=hidden, scores=False)
        read = {
            "input_ids": given["decoder_input_ids"],
            "attention_mask": given["decoder_attention_mask"],
            "encoder_hidden_states": encoder.last_hidden_state,
            "encoder_attention_mask": given["attention_mask"],
        }
        return Stacks(encoder, run_body(self.module.get_decoder(), read, hidden=hidden, scores=scores))

    def words(self, out: Stacks) -> WordLogits:
        """The bias is a buffer beside the projection."""
        bias = self.module.final_logits_bias[0]
        return WordLogits(out.decoder.last_hidden_state, self.module.lm_head.weight, bias)

    def _read(self, out: Stacks, site: Site) -> Tensor:
        depth = self.shape.encoder_layers
        if site.name == "encoder" and 0 <= site.layer <= depth:
            return layers_of(out.encoder, "hidden_states", depth + 1)[site.layer]
        return super()._read(out.decoder, site)


class T5Family(SeqToSeqFamily):
    """T5: positions are relative, nothing has a bias, and version 1.0 scales what enters its tied head."""

    model_types = frozenset({"t5"})

    @property
    def shape(self) -> Shape:
        """Of the decoder."""
        config = self.module.config
        layers = config.num_decoder_layers
        return Shape(layers, config.d_model, config.num_heads, self.vocab, config.num_layers)

    def words(self, out: Stacks) -> WordLogits:
        """Version 1.0 multiplies states by d_model ** -0.5, version 1.1 has a head of its own instead."""
        config, states = self.module.config, out.decoder.last_hidden_state
        if config.scale_decoder_outputs:
            states = states * config.d_model**-0.5
        return WordLogits(states, self.module.lm_head.weight)


FAMILIES: tuple[type[HFFamily], ...] = (EncoderFamily, CausalFamily, OPTFamily, SeqToSeqFamily, T5Family)


def family_of(module: Any) -> HFFamily:
    """A transformers model behind the interface.

    Raises:
        ValueError: no adapter knows its kind.
    """
    kind = module.config.model_type
    for family in FAMILIES:
        if kind in family.model_types:
            return family(module)
    known = sorted(set().union(*(family.model_types for family in FAMILIES)))
    raise ValueError(f"no adapter for {kind!r}; there are some for {', '.join(known)}")
