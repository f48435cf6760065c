"""A tiny random judge as an ordinary transformers folder."""

from __future__ import annotations

from pathlib import Path

from causal_models import model_of

from retort.data.layouts import layout_of
from retort.data.text_tokenizer import LLAMA_SPECIALS, TextTokenizer
from retort.evaluation.judging import QUESTION
from retort.evaluation.ratings import RATING


def write_judge(folder: Path, room: int = 1024) -> Path:
    """Model and tokenizer."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = TextTokenizer.train([f"Human: Assistant: {QUESTION} {RATING}"] * 2, 220, LLAMA_SPECIALS)
    model_of("llama", tokenizer, layout_of("llama", tokenizer), room=room).save_pretrained(folder)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.engine(), unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    fast.save_pretrained(folder)
    return folder
