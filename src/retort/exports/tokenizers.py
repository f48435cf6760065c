"""Tokenizers as transformers reads them."""

from __future__ import annotations

from typing import Any

from retort.data.layouts import Layout, TextFamily
from retort.data.text_tokenizer import TextTokenizer

_COMMON = {"pad_token": "<pad>", "unk_token": "<unk>", "eos_token": "</s>"}
_BART = {**_COMMON, "bos_token": "<s>", "mask_token": "<mask>"}
_BERT = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
_NAMES: dict[TextFamily, dict[str, str]] = {
    "bert": {**_BERT, "cls_token": "[CLS]", "sep_token": "[SEP]"},
    "bart": _BART,
    "mbart": _BART,
    "mbart50": _BART,
    "t5": _COMMON,
}
"""What transformers calls their special tokens."""


def fast_tokenizer(tokenizer: TextTokenizer, family: TextFamily, layout: Layout, longest: int) -> Any:
    """A transformers tokenizer that frames texts as sources of a model family.

    Called on a text it gives the ids that models were trained on; with ``truncation=True`` not more than
    ``longest``. Special tokens written out in a text stay text.

    Args:
        tokenizer: text to ids.
        family, layout: what stands around the words.
        longest: most tokens of a source.

    Returns:
        A ``PreTrainedTokenizerFast``; its ``save_pretrained`` writes what ``AutoTokenizer`` loads.
    """
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    engine = tokenizer.engine()
    before, after = ([engine.id_to_token(index) for index in side] for side in layout.source)
    single, pair = [*before, "$A", *after], None
    if family == "bert":
        pair = [*single, "$B:1", *(f"{token}:1" for token in after)]
    around = list(dict.fromkeys(zip((*before, *after), (*layout.source[0], *layout.source[1]), strict=True)))
    engine.post_processor = TemplateProcessing(single=single, pair=pair, special_tokens=around)
    names = _NAMES[family]
    options: Any = {
        **names,
        # Language codes. What a model reads beside ids: the others know no segments.
        "extra_special_tokens": [token for token in tokenizer.specials if token not in names.values()],
        "model_input_names": ["input_ids", "attention_mask"],
        "model_max_length": longest,
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": True,
    }
    return PreTrainedTokenizerFast(tokenizer_object=engine, **options)
