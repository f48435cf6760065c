"""Small tracks of a paper on transformers models, with what models and their tasks need, and no more."""

import functools
import json
import tempfile
from pathlib import Path

import yaml

from retort.config.loading import SCALES, read_yaml, resolve
from retort.config.texts import Decoding, TextModel, TextPaper, TextTask, Track


def text_model(family, layers, width):
    return TextModel(
        encoder_layers=layers,
        decoder_layers=0 if family == "bert" else layers,
        width=width,
        heads=2,
        inner=2 * width,
        positions=40,
        dropout=0.0,
    )


def decoding(max_length, beams=1):
    return Decoding.model_construct(
        beams=beams, max_length=max_length, min_length=0, length_penalty=1.0, no_repeat_ngram=0,
        early_stopping=False,
    )  # fmt: skip


def text_task(source, target=None, beams=1):
    search = None if target is None else decoding(target, beams)
    return TextTask.model_construct(source=source, target=target, decoding=search)


def track(family, sizes, tasks, **more):
    """``sizes``: layers and width by symbol, the teacher first."""
    models = {symbol: text_model(family, *size) for symbol, size in sizes.items()}
    return Track.model_construct(
        family=family,
        models=models,
        teachers=tuple(sizes)[:1],
        tasks=tasks,
        **({"import_teacher": {}} | more),
    )


def paper(**tracks):
    return TextPaper.model_construct(tracks=tracks)


# Whole configurations: sections as a file spells them

ADAM = {
    "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01, "clip_norm": 1.0, "schedule": "linear",
    "warmup": 0.0, "floor": 0.0,
}  # fmt: skip
CORPUS_RUN = {
    "steps": 4,
    "batch_size": 4,
    "micro_batch_size": 2,
    "optimiser": ADAM | {"learning_rate": 2e-3, "decay_share": 1.0, "muon": None},
}
GREEDY = {
    "beams": 1, "max_length": 12, "min_length": 0, "length_penalty": 1.0, "no_repeat_ngram": 0,
    "early_stopping": False,
}  # fmt: skip
POCKET = {
    "documents": 40,
    "multilingual": 20,
    "glue": {"train": 10, "dev": 6},
    "pairs": {"train": 8, "dev": 4},
}
STUDENTS = {"BERT": ["BERT_1"], "BART": ["BART_1"], "mBART": ["mBART_1"], "T5": ["T5_1"]}
TASKS = {"BERT": "RTE", "BART": "XSum", "mBART": "WMT16-en-ro", "T5": "XSum"}
FAMILIES = {"BERT": "bert", "BART": "bart", "mBART": "mbart", "T5": "t5"}


def model_section(label, layers, width):
    """A model of a family."""
    return {
        "encoder_layers": layers, "decoder_layers": 0 if label == "BERT" else layers, "width": width,
        "heads": 2, "inner": 2 * width, "positions": 40, "dropout": 0.1,
    }  # fmt: skip


def track_section(label, methods, one_recipe=(), **more):
    """A track with a teacher of two layers and two students: ``_1`` is narrow, ``_W`` as wide as it."""
    written = {"target": 12, "decoding": GREEDY} if label != "BERT" else {}
    return {
        "family": FAMILIES[label],
        "vocabulary": {"files": [], "size": 300},
        "languages": ["en", "ro"] if label == "mBART" else [],
        "models": {
            label: model_section(label, 2, 16),
            f"{label}_1": model_section(label, 1, 8),
            f"{label}_W": model_section(label, 1, 16),
        },
        "teachers": [label],
        "methods": {name: [f"{label}_W" if "cosine" in name else f"{label}_1"] for name in methods},
        "variants": {f"{label} {kind} (one recipe)": [f"{label}_W"] for kind in one_recipe},
        "tasks": {TASKS[label]: {"source": 24} | written},
        "pretraining": {
            "length": 20,
            "noise": {"BERT": "words", "T5": "none"}.get(label, "infilling"),
            "teacher": CORPUS_RUN,
            "student": CORPUS_RUN,
        },
        "task_training": {
            "epochs": {"teacher": 2, "student": 2},
            "batch_size": 4,
            "micro_batch_size": None,
            "learning_rate": {"teacher": 1e-3, "student": 2e-3},
            "optimiser": ADAM,
            "padding": "longest",
            "evaluations": "per_epoch",
        },
        "gates": {},
    } | more


def section(**tracks):
    """A paper's section."""
    limits = {"train": None, "dev": None, "corpus": None}
    return {"seeds": [1], "pocket": POCKET, "hub": None, "limits": limits, "tracks": tracks}


def overrides(**tracks):
    """What :func:`config_of` makes a run of these tracks alone."""
    made = {
        "papers": ["cka"],
        "variants": {"tables": [], "quirks": [], "seeds": [1]},
        "cka": section(**tracks),
    }
    return json.loads(json.dumps(made))  # nothing is shared: tests change single values


def chain(stage):
    """A stage and those it starts from, first to last."""
    return [] if stage is None else [*chain(stage.init), stage]


def config_of(made):
    """The smoke scale without its own tracks, to which others would be added, and ``made`` laid over it."""
    return resolve({"scale": "smoke"} | made, folder=Path(_without_tracks().name))


@functools.cache
def _without_tracks():
    folder = tempfile.TemporaryDirectory()
    kept = read_yaml(SCALES / "smoke.yaml") | {"papers": ["glmd"]}
    del kept["cka"], kept["atkd"]
    (Path(folder.name) / "smoke.yaml").write_text(yaml.safe_dump(kept))
    return folder
