"""Tiny random transformers models of every kind behind the interface, and batches for them; no download."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers

from retort.data.text_batches import causal_batch, masked_batch, seq2seq_batch
from retort.models.hf.families import CausalFamily, EncoderFamily, OPTFamily, SeqToSeqFamily, T5Family

VOCAB, PAD = 40, 1


def bert(layers, width, dropout=0.0, head="BertForMaskedLM"):
    config = transformers.BertConfig(
        vocab_size=VOCAB,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=24,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pad_token_id=PAD,
        num_labels=3,
    )
    return EncoderFamily(getattr(transformers, head)(config))


def bart(layers, width, dropout=0.0, kind="Bart"):
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=VOCAB,
        d_model=width,
        encoder_layers=layers + 1,
        decoder_layers=layers,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        max_position_embeddings=24,
        dropout=dropout,
        attention_dropout=dropout,
        pad_token_id=PAD,
    )
    return SeqToSeqFamily(getattr(transformers, f"{kind}ForConditionalGeneration")(config))


def opt(layers, width, dropout=0.0, words=None, before=True):
    config = transformers.OPTConfig(
        **causal(layers, width, dropout),
        word_embed_proj_dim=words or width,
        do_layer_norm_before=before,
        ffn_dim=2 * width,
        max_position_embeddings=24,
        dropout=dropout,
        pad_token_id=PAD,
    )
    return OPTFamily(transformers.OPTForCausalLM(config))


def llama(layers, width, dropout=0.0):
    shape = causal(layers, width, dropout, heads=4) | {"num_key_value_heads": 2}
    config = transformers.LlamaConfig(**shape, intermediate_size=2 * width)
    return CausalFamily(transformers.LlamaForCausalLM(config))


def pythia(layers, width, dropout=0.0):
    shape = causal(layers, width, dropout)
    config = transformers.GPTNeoXConfig(**shape, intermediate_size=2 * width, hidden_dropout=dropout)
    return CausalFamily(transformers.GPTNeoXForCausalLM(config))


def causal(layers, width, dropout, heads=2):
    """What configurations of causal models call alike."""
    return {
        "vocab_size": VOCAB,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "attention_dropout": dropout,
    }


def mbart(layers, width, dropout=0.0):
    return bart(layers, width, dropout, kind="MBart")


def t5(layers, width, dropout=0.0, tied=False):
    config = transformers.T5Config(
        vocab_size=VOCAB,
        d_model=width,
        d_kv=width // 2,
        d_ff=2 * width,
        num_layers=layers + 1,
        num_decoder_layers=layers,
        num_heads=2,
        dropout_rate=dropout,
        feed_forward_proj="relu" if tied else "gated-gelu",
        tie_word_embeddings=tied,
        pad_token_id=PAD,
        decoder_start_token_id=PAD,
    )
    return T5Family(transformers.T5ForConditionalGeneration(config))


def t5_tied(layers, width, dropout=0.0):
    """Version 1.0, which scales its states before the word table."""
    return t5(layers, width, dropout, tied=True)


def opt_350m(layers, width, dropout=0.0):
    """With words narrower than states, and norms after what they norm."""
    return opt(layers, width, dropout, words=width // 2, before=False)


def rows(seed, lengths):
    g = torch.Generator().manual_seed(seed)
    return [torch.randint(4, VOCAB, (n,), generator=g).tolist() for n in lengths]


def batch_for(build):
    texts = rows(0, (9, 6, 8, 5))
    if build is bert:
        chosen = [[i % 3 == 1 for i in range(len(row))] for row in texts]
        masked = [
            [3 if c else w for w, c in zip(r, cs, strict=True)] for r, cs in zip(texts, chosen, strict=True)
        ]
        return masked_batch(masked, texts, chosen, PAD)
    if build in TWO_STACKS:
        return seq2seq_batch(texts, rows(1, (4, 7, 6, 5)), PAD, start=2)
    return causal_batch(texts, [2, 1, 3, 2], PAD)


TWO_STACKS = [bart, mbart, t5, t5_tied]
CAUSAL = [opt, opt_350m, llama, pythia]
ALL = [bert, *TWO_STACKS, *CAUSAL]
THREE = [bert, bart, t5, opt]


def pair(build, dropout=0.0):
    torch.manual_seed(0)
    teacher = build(4, 24)
    teacher.module.eval().requires_grad_(False)
    with torch.no_grad():  # far enough from uniform that there is something to learn
        for parameter in teacher.module.parameters():
            if parameter.dim() > 1:
                parameter.mul_(5)
    return build(2, 16, dropout), teacher


def own_forward(family, batch):
    """Logits of the model's own forward."""
    inputs = family.inputs(batch)
    return family.module(**inputs).logits
