"""Hugging Face models behind the narrow interface: encoders, encoder-decoders, causal models.

Sites, by family (layer numbers as in :class:`retort.models.features.Site`):

=============== ============================ ==============================================
site            BERT, BART, mBART, T5        OPT, GPT-NeoX (Pythia), LLaMA
=============== ============================ ==============================================
``hidden`` 0    embeddings after their       embeddings as they enter the first block
                LayerNorm (T5 has none)
``hidden`` l    output of block l            output of block l, *not* normalised
``hidden`` L    output of the last block     output of the final norm
                (mBART, T5: of the final
                norm)
=============== ============================ ==============================================

``scores`` and ``probs`` are those of self-attention. Of an encoder-decoder all sites are the
decoder's, but for ``encoder`` 0..L_e, its encoder's hidden states.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor
from torch.nn import functional as F

from retort.data.text_batches import TextBatch
from retort.models.features import (
    CLASS,
    HARD,
    UNCHANGED,
    WORDS,
    Features,
    Patch,
    Shape,
    Site,
    WordLogits,
    moved_right,
)
from retort.models.hf.attention import make_visible
from retort.models.hf.body import layers_of, run_body
from retort.models.losses import language_model_loss, wide


class HFFamily:
    """What the families share; a subclass says where its tensors lie.

    Attributes:
        model_types: ``config.model_type`` of the models whose heads are known to be handled.
    """

    model_types: frozenset[str] = frozenset()

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
        """Keyword arguments of the whole model."""
        return {"input_ids": batch.tokens, "attention_mask": batch.attended.long()}

    def run(self, batch: TextBatch, *, hidden: bool, scores: bool) -> Any:
        """The body's output."""
        return run_body(self.module.base_model, self.inputs(batch), hidden=hidden, scores=scores)

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
            make_visible(self.module)
        out = self.run(batch, hidden=bool(names & {"hidden", "encoder"}), scores=scores)
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
                else class_loss(values[CLASS], labels)
            )
        return Features(values, batch.valid, batch.predicted, batch.example_of_row, batch.attended)

    def _read(self, out: Any, site: Site) -> Tensor:
        depth = self.shape.layers
        if site.name == "hidden" and 0 <= site.layer <= depth:
            return layers_of(out, "hidden_states", depth + 1)[site.layer]
        if site.name in ("scores", "probs") and 1 <= site.layer <= depth:
            scores = layers_of(out, "attentions", depth)[site.layer - 1]
            return scores if site.name == "scores" else scores.softmax(dim=-1)
        raise ValueError(f"{type(self).__name__} has no site {site}")


def class_loss(scores: Tensor, labels: Tensor) -> Tensor:
    """[B]: cross-entropy of gold classes; of gold numbers the squared error of a single score."""
    if labels.is_floating_point():
        return (wide(scores)[:, 0] - labels).square()
    return F.cross_entropy(wide(scores), labels, reduction="none")


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

    model_types = frozenset({"opt", "gpt_neox", "llama"})


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
        return Shape(layers, config.d_model, heads, config.vocab_size, config.encoder_layers)

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
        return Shape(layers, config.d_model, config.num_heads, config.vocab_size, config.num_layers)

    def words(self, out: Stacks) -> WordLogits:
        """Version 1.0 multiplies states by d_model ** -0.5, version 1.1 has a head of its own instead."""
        config, states = self.module.config, out.decoder.last_hidden_state
        if config.scale_decoder_outputs:
            states = states * config.d_model**-0.5
        return WordLogits(states, self.module.lm_head.weight)


FAMILIES: tuple[type[HFFamily], ...] = (EncoderFamily, CausalFamily, SeqToSeqFamily, T5Family)


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
