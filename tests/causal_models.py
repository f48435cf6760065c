"""Tiny causal models of every family, and prompts for them."""

from __future__ import annotations

import os

import numpy as np
import torch

from retort.data.layouts import layout_of, specials_of
from retort.data.prompt_examples import PromptExample
from retort.data.text_tokenizer import TextTokenizer

os.environ.setdefault("HF_HUB_OFFLINE", "1")

WORDS = "one two three four five six seven eight nine ten"
FAMILIES = ("opt", "gpt_neox", "llama")


def setup(family):
    """A tokenizer and its layout."""
    tokenizer = TextTokenizer.train([f"{WORDS} 1 2\n:"], 90, specials_of(family))
    return tokenizer, layout_of(family, tokenizer)


def model_of(family, tokenizer, layout, seed=0, room=64):
    """A random model whose words differ from step to step."""
    import transformers

    torch.manual_seed(seed)
    common = {
        "vocab_size": tokenizer.size,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": room,
        "pad_token_id": layout.pad,
        "eos_token_id": layout.end,
    }
    if family == "opt":
        config = transformers.OPTConfig(
            **common, ffn_dim=32, word_embed_proj_dim=16, init_std=0.6, dropout=0.3, bos_token_id=layout.end
        )
        return transformers.OPTForCausalLM(config)
    if family == "gpt_neox":
        config = transformers.GPTNeoXConfig(
            **common, intermediate_size=32, initializer_range=0.6, hidden_dropout=0.3
        )
        return transformers.GPTNeoXForCausalLM(config)
    config = transformers.LlamaConfig(**common, intermediate_size=32, initializer_range=0.6)
    return transformers.LlamaForCausalLM(config)


def prompts_of(tokenizer, layout, count=5, seed=0):
    """Prompts of different lengths with a response each."""
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        words = rng.choice(WORDS.split(), 1 + number * 2 % 7)
        said = str(rng.choice(WORDS.split()))
        prompt = np.array([*layout.source[0], *tokenizer.ids(" ".join(words))], np.int32)
        response = np.array([*tokenizer.ids(said), layout.end], np.int32)
        found.append(PromptExample(f"set/{number}", prompt, response, (said,), None))
    return found
