"""Transformers models from values: architecture, vocabulary, head."""

from __future__ import annotations

from typing import Any

import torch

from retort.models.hf.architecture import TextArchitecture, Vocabulary
from retort.models.hf.families import HFFamily, family_of


def build(architecture: TextArchitecture, vocabulary: Vocabulary, classes: int | None = None) -> HFFamily:
    """A model with random parameters behind the interface.

    Args:
        architecture, vocabulary: its size.
        classes: classify texts into so many classes (1: score them) instead of predicting words.

    Raises:
        ValueError: a classifier of another kind than BERT.
    """
    models = classes_of_models(classes is not None)
    if architecture.kind not in models:
        raise ValueError(f"{architecture.name}: a {architecture.kind} does not classify here, only a bert")
    config = config_of(architecture, vocabulary)
    if classes is not None:
        config.num_labels = classes
    module = models[architecture.kind](config)
    if architecture.kind == "t5" and not architecture.tied:
        untie(module)
    return family_of(module)


def classes_of_models(classify: bool) -> dict[str, Any]:
    """By kind, the transformers classes of models that classify texts, or of those that predict words."""
    import transformers

    if classify:
        return {"bert": transformers.BertForSequenceClassification}
    return {
        "bert": transformers.BertForMaskedLM,
        "bart": transformers.BartForConditionalGeneration,
        "mbart": transformers.MBartForConditionalGeneration,
        "t5": transformers.T5ForConditionalGeneration,
        "opt": transformers.OPTForCausalLM,
        "gpt_neox": transformers.GPTNeoXForCausalLM,
        "llama": transformers.LlamaForCausalLM,
    }


def config_of(architecture: TextArchitecture, vocabulary: Vocabulary) -> Any:
    """The transformers configuration of a model."""
    made = {
        "bert": _bert,
        "bart": _bart,
        "mbart": _bart,
        "t5": _t5,
        "opt": _opt,
        "gpt_neox": _gpt_neox,
        "llama": _llama,
    }
    return made[architecture.kind](architecture, vocabulary)


def count_parameters(architecture: TextArchitecture, vocabulary: Vocabulary) -> int:
    """Parameters of the model that predicts words, shared ones once; nothing is allocated."""
    with torch.device("meta"):
        module = build(architecture, vocabulary).module
    return sum(parameter.numel() for parameter in module.parameters())


def untie(module: Any) -> None:
    """Give a T5 a head of its own, drawn as transformers draws it; its states are not scaled then.

    transformers 5 ties every T5 it builds, also those of version 1.1, which it leaves untied only where a
    checkpoint holds two different tables.
    """
    table = module.shared.weight
    head = torch.nn.Parameter(torch.empty_like(table))
    if head.device.type != "meta":
        torch.nn.init.normal_(head, std=module.config.initializer_factor)
    module.lm_head.weight = head
    module.config.scale_decoder_outputs = False
    del module.all_tied_weights_keys["lm_head.weight"]


def has_own_head(module: Any) -> bool:
    """Whether a model is a T5 whose head is not its word table."""
    return module.config.model_type == "t5" and module.lm_head.weight is not module.shared.weight


def _bert(architecture: TextArchitecture, vocabulary: Vocabulary) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=vocabulary.size,
        hidden_size=architecture.width,
        num_hidden_layers=architecture.encoder_layers,
        num_attention_heads=architecture.heads,
        intermediate_size=architecture.inner,
        max_position_embeddings=architecture.positions,
        hidden_dropout_prob=architecture.dropout,
        attention_probs_dropout_prob=architecture.dropout,
        initializer_range=architecture.init_std,
        pad_token_id=vocabulary.pad,
    )


def _bart(architecture: TextArchitecture, vocabulary: Vocabulary) -> Any:
    from transformers import BartConfig, MBartConfig

    return {"bart": BartConfig, "mbart": MBartConfig}[architecture.kind](
        vocab_size=vocabulary.size,
        d_model=architecture.width,
        encoder_layers=architecture.encoder_layers,
        decoder_layers=architecture.decoder_layers,
        encoder_attention_heads=architecture.heads,
        decoder_attention_heads=architecture.heads,
        encoder_ffn_dim=architecture.inner,
        decoder_ffn_dim=architecture.inner,
        max_position_embeddings=architecture.positions,
        dropout=architecture.dropout,
        init_std=architecture.init_std,
        scale_embedding=architecture.scaled_embedding,
        pad_token_id=vocabulary.pad,
        bos_token_id=vocabulary.bos,
        eos_token_id=vocabulary.eos,
        forced_eos_token_id=vocabulary.eos,
        decoder_start_token_id=vocabulary.start,
    )


def _t5(architecture: TextArchitecture, vocabulary: Vocabulary) -> Any:
    from transformers import T5Config

    share = architecture.width // architecture.heads
    config: Any = T5Config  # its own signature hides what it takes from its base class
    return config(
        vocab_size=vocabulary.size,
        d_model=architecture.width,
        d_kv=share if architecture.head_width is None else architecture.head_width,
        d_ff=architecture.inner,
        num_layers=architecture.encoder_layers,
        num_decoder_layers=architecture.decoder_layers,
        num_heads=architecture.heads,
        dropout_rate=architecture.dropout,
        feed_forward_proj="relu" if architecture.tied else "gated-gelu",
        tie_word_embeddings=architecture.tied,
        pad_token_id=vocabulary.pad,
        eos_token_id=vocabulary.eos,
        decoder_start_token_id=vocabulary.start,
    )


def _opt(architecture: TextArchitecture, vocabulary: Vocabulary) -> Any:
    from transformers import OPTConfig

    return OPTConfig(
        **_causal(architecture, vocabulary),
        ffn_dim=architecture.inner,
        word_embed_proj_dim=architecture.word_width,
        do_layer_norm_before=architecture.normalised == "before",
        dropout=architecture.dropout,
        init_std=architecture.init_std,
    )


def _gpt_neox(architecture: TextArchitecture, vocabulary: Vocabulary) -> Any:
    from transformers import GPTNeoXConfig

    return GPTNeoXConfig(
        **_causal(architecture, vocabulary),
        intermediate_size=architecture.inner,
        hidden_dropout=architecture.dropout,
        initializer_range=architecture.init_std,
    )


def _llama(architecture: TextArchitecture, vocabulary: Vocabulary) -> Any:
    from transformers import LlamaConfig

    return LlamaConfig(
        **_causal(architecture, vocabulary),
        intermediate_size=architecture.inner,
        attention_dropout=architecture.dropout,
        initializer_range=architecture.init_std,
    )


def _causal(architecture: TextArchitecture, vocabulary: Vocabulary) -> dict[str, Any]:
    """What configurations of all causal models call alike."""
    return {
        "vocab_size": vocabulary.size,
        "hidden_size": architecture.width,
        "num_hidden_layers": architecture.decoder_layers,
        "num_attention_heads": architecture.heads,
        "max_position_embeddings": architecture.positions,
        "tie_word_embeddings": architecture.tied,
        "pad_token_id": vocabulary.pad,
        "bos_token_id": vocabulary.bos,
        "eos_token_id": vocabulary.eos,
    }
