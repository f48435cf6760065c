"""A finished task run as a folder that any program which knows transformers can load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retort.data.glue.tasks import spec_of as glue_spec
from retort.data.layouts import Layout, layout_of
from retort.data.seq2seq.tasks import spec_of as pairs_spec
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError
from retort.evaluation.decoding import Decoding
from retort.evaluation.selection import selected
from retort.exports.cards import Subject, card_text
from retort.exports.tokenizers import fast_tokenizer
from retort.files import read_json, verify
from retort.models.hf.folders import CARD, load_family, save_student
from retort.papers import paper_of
from retort.runcard import read_card

_WEIGHTS = "model.safetensors"


def export_run(run: Path, words: Path, subject: Subject, decoding: Decoding | None, out: Path) -> None:
    """Write model, tokenizer, generation settings and model card.

    Args:
        run: folder of the run: ``config.json``, ``model.safetensors``, ``metrics.json``, ``card.json``.
        words: folder of the encoded texts whose ``tokenizer.json`` the model knows.
        subject: what it is.
        decoding: how it writes; ``None``: it classifies.
        out: folder to write; an earlier export in its place is replaced.

    Raises:
        InputError: files are missing, or ``out`` is something else than an export.
    """
    if out.exists() and not (out / CARD).is_file():
        raise InputError(f"{out}: is there already and no exported model; name another folder")
    card = read_card(run / CARD)
    scoring = paper_of(subject.paper).task(subject.task)
    scores = {
        protocol: {metric: found[metric] for metric in scoring.metrics if metric in found}
        for protocol, found in selected(scoring, read_json(run / "metrics.json")["evaluations"]).items()
    }
    tokenizer = TextTokenizer.load(words / "tokenizer.json")
    layout = _layout(subject, tokenizer)
    verify(run / _WEIGHTS)
    module = _module(run, subject)
    if decoding is not None:
        module.generation_config = generation_settings(decoding, layout)
    sizes = {"parameters": f"{sum(p.numel() for p in module.parameters()):,}", "words": f"{tokenizer.size:,}"}
    readme = card_text(subject, scores, card, sizes)
    words_of_model = fast_tokenizer(tokenizer, subject.family, layout, subject.source)
    save_student(out, module, words_of_model, card, readme=readme)


def generation_settings(decoding: Decoding, layout: Layout) -> Any:
    """The search as transformers' ``GenerationConfig``: what the decoder is given becomes what is forced."""
    from transformers import GenerationConfig

    forced = layout.target[0]
    options: dict[str, Any] = {"num_beams": decoding.beams}
    if decoding.beams > 1:  # without beams these say nothing, and transformers refuses to save them
        options |= {"length_penalty": decoding.length_penalty, "early_stopping": decoding.early_stopping}
    return GenerationConfig(
        max_length=decoding.max_length,
        min_length=decoding.min_length,
        no_repeat_ngram_size=decoding.no_repeat_ngram,
        do_sample=False,
        pad_token_id=layout.pad,
        eos_token_id=layout.end,
        decoder_start_token_id=layout.start,
        forced_bos_token_id=forced[0] if forced else None,
        **options,
    )


def _layout(subject: Subject, tokenizer: TextTokenizer) -> Layout:
    languages = () if subject.kind == "classes" else pairs_spec(subject.task).languages
    return layout_of(subject.family, tokenizer, *languages)


def _module(run: Path, subject: Subject) -> Any:
    """The model, and what its classes are called."""
    if subject.kind != "classes":
        return load_family(run).module
    labels = glue_spec(subject.task).labels
    module = load_family(run, max(1, len(labels))).module
    module.config.problem_type = "single_label_classification" if labels else "regression"
    if labels:
        module.config.id2label = dict(enumerate(labels))
        module.config.label2id = {label: index for index, label in enumerate(labels)}
    return module
