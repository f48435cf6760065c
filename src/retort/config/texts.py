"""Sections of the papers on transformers models: one track for each family of models.

Tracks share nothing but the raw data: every family has words, models and rates of its own.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from retort.config.sections import (
    Count,
    HubDataset,
    Limits,
    Number,
    Optimiser,
    PartialShare,
    Positive,
    PretrainingRun,
    Score,
    Section,
    Seed,
)
from retort.data.instructions.templates import TemplateName

_NAME = re.compile(r"\w+")


class TextModel(Section):
    """Architecture of one transformers model; its kind is its track's."""

    encoder_layers: int = Field(ge=0, description="Layers of the encoder.")
    decoder_layers: int = Field(ge=0, description="Layers of the decoder; 0 for encoders.")
    width: Count = Field(description="Model dimension.")
    heads: Count = Field(description="Attention heads.")
    inner: Count = Field(description="Width inside the feed-forward networks.")
    positions: Count = Field(description="Longest text (T5's positions are relative).")
    dropout: PartialShare = Field(description="Dropout rate.")
    head_width: Count | None = Field(default=None, description="Of T5's attention heads; null = their share.")
    tied: bool = Field(default=True, description="T5: whether the head is the word table (version 1.0).")
    scaled_embedding: bool = Field(
        default=False, description="Whether word embeddings are multiplied by the root of the width (mBART)."
    )
    word_width: Count | None = Field(
        default=None, description="Of OPT's word table where it is not the states'; null = width."
    )
    normalised: Literal["before", "after"] = Field(
        default="before", description="OPT: where norms stand, seen from attention and feed-forward."
    )
    init_std: Positive = Field(
        default=0.02,
        description="Standard deviation of initial matrices and tables; tiny models learn faster from more. "
        "T5 has rules of its own.",
    )
    devices: Count = Field(default=1, description="Devices that train or run it together.")


class Decoding(Section):
    """How texts are generated for evaluation."""

    beams: Count = Field(description="Width of the beam search; 1 = greedy.")
    max_length: Count = Field(description="Most tokens, with what the decoder is given.")
    min_length: int = Field(ge=0, description="Fewest tokens.")
    length_penalty: Number = Field(description="Exponent of the length by which scores are divided.")
    no_repeat_ngram: int = Field(ge=0, description="No sequence of so many tokens twice; 0 = any.")
    early_stopping: bool = Field(description="Stop as soon as there are as many finished texts as beams.")


class TextTask(Section):
    """One data set."""

    source: Count = Field(description="Most tokens of what a model reads.")
    target: Count | None = Field(default=None, description="Most tokens of what it writes; null = classes.")
    decoding: Decoding | None = Field(default=None, description="How it writes; null = classes.")


class SamplingSection(Section):
    """How responses are drawn for evaluation."""

    temperature: Number = Field(ge=0, description="Divides the logits; 0 = the likeliest word.")
    top_p: Annotated[Number, Field(gt=0, le=1)] = Field(
        description="Words are drawn from the fewest that have at least this probability together."
    )
    seed: Seed = Field(description="Of the draws.")


class Instructions(Section):
    """Instructions that causal models learn to follow, and the sets that they are judged by."""

    train: tuple[str, ...] = Field(min_length=1, description="Training sets.")
    sets: tuple[str, ...] = Field(min_length=1, description="Sets to be judged by.")
    prompt: Count = Field(description="Most tokens of a prompt.")
    length: Count = Field(description="Most tokens of a prompt with its response.")
    new_tokens: Count = Field(description="Most tokens of a generated response, as far as its set allows.")
    template: TemplateName = Field(description="Wording around instructions that are learned.")
    asked: TemplateName = Field(description="Wording around those that models are judged by.")
    learn_end: bool = Field(description="Whether the end of a response is learned (the authors': no).")
    sampling: SamplingSection = Field(description="How responses are drawn.")


class TextVocabulary(Section):
    """Tokens of a track."""

    files: tuple[str, ...] = Field(
        description="Tokenizer files, relative to data_root; [] = train one on the texts of the track."
    )
    size: Count = Field(description="Most tokens of a trained vocabulary.")


class TextPretraining(Section):
    """Training on a corpus: teachers that are not imported, and students by methods that begin there."""

    length: Count = Field(description="Tokens of a sample.")
    noise: Literal["words", "infilling", "none"] = Field(
        description="What teachers restore: hidden words (BERT), hidden spans (BART), or the text as it is. "
        "Students read clean text, as the authors' do."
    )
    teacher: PretrainingRun | None = Field(description="Runs of teachers; null = they start with the tasks.")
    student: PretrainingRun | None = Field(description="Runs of students; null = no method has any.")


class Roles(Section):
    """A number for teachers and one for students."""

    teacher: Positive = Field(description="Of teachers.")
    student: Positive = Field(description="Of students.")


class Epochs(Section):
    """Passes of teachers and students."""

    teacher: Count = Field(description="Of teachers.")
    student: Count = Field(description="Of students.")


class TextTraining(Section):
    """Training on the tasks of a track."""

    epochs: Epochs = Field(description="Passes over the training examples.")
    batch_size: Count = Field(description="Examples of one update.")
    micro_batch_size: Count | None = Field(description="Examples of one forward pass; null = all.")
    learning_rate: Roles = Field(
        description="Peak rates. Methods that the authors trained at another rate than the track's first "
        "method (in the order of the recipes) have a rate that differs from this in the same proportion."
    )
    optimiser: Optimiser = Field(description="Optimiser and learning-rate curve.")
    padding: Literal["longest", "fixed"] = Field(
        description="Pad to the longest of the batch, or to the limit."
    )
    evaluations: Count | Literal["per_epoch"] = Field(
        description="Evaluations on dev, evenly spaced, the last at the end; per_epoch = after each epoch."
    )


class Track(Section):
    """One family of models with its data sets and methods."""

    family: Literal["bert", "bart", "mbart", "mbart50", "t5", "opt", "gpt_neox", "llama"] = Field(
        description="Kind of models and text."
    )
    vocabulary: TextVocabulary = Field(description="Its tokens.")
    languages: tuple[str, ...] = Field(
        default=(), description="Two-letter codes of the corpora that a multilingual family reads."
    )
    models: dict[str, TextModel] = Field(min_length=2, description="Architectures by symbol.")
    teachers: tuple[str, ...] = Field(min_length=1, description="Symbols of the teachers.")
    methods: dict[str, tuple[str, ...]] = Field(
        min_length=1,
        description="Methods, by their recipes' names, and the students that each trains: a symbol, or a "
        "pair with its teacher where that is not the first one, e.g. OPT_4x96-OPT_1x64; with an assistant "
        "between them where the method has one.",
    )
    variants: dict[str, tuple[str, ...]] = Field(
        description="Ablations of the paper, or its methods under one recipe, by name, and the students of "
        "each; {} = none."
    )
    tasks: dict[str, TextTask] = Field(description="Data sets by name; {} where there are instructions.")
    instructions: Instructions | None = Field(
        default=None, description="Of causal models; null for the others."
    )
    pretraining: TextPretraining = Field(description="On the corpus.")
    task_training: TextTraining = Field(description="On the tasks.")
    import_teacher: dict[str, str] = Field(
        default_factory=dict,
        description="Transformers folder by symbol of a teacher; it is not pretrained. Of a causal student, "
        "too: its methods begin with that checkpoint.",
    )
    gates: dict[str, Score] = Field(
        description="Least score (0-100) of a teacher on a task after training; {} = none."
    )

    @field_validator("models")
    @classmethod
    def _plain_names(cls, models: dict[str, TextModel]) -> dict[str, TextModel]:
        for name in models:
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no symbol; write letters, digits and underscores")
        return models


class Split(Section):
    """Examples of a data set."""

    train: Count = Field(description="To learn from.")
    dev: Count = Field(description="To be judged by.")


class TextPocket(Section):
    """Sizes of the generated texts (used where ``data.source`` is ``pocket``); null = none are used."""

    documents: Count = Field(description="Documents of the corpus.")
    multilingual: Count | None = Field(
        default=None, description="Documents of each language of the multilingual corpus."
    )
    glue: Split | None = Field(default=None, description="Of each GLUE task.")
    pairs: Split | None = Field(default=None, description="Of each summarisation and translation set.")
    instructions: Split | None = Field(default=None, description="Of each instruction set.")


class TextHub(Section):
    """Corpora on the hub (used where ``data.source`` is ``hub``); the tasks' places are fixed."""

    corpus: tuple[HubDataset, ...] = Field(description="Data sets that make up the corpus.")
    multilingual: dict[str, HubDataset] = Field(description="One corpus a language.")


class TextPaper(Section):
    """One paper on transformers models."""

    seeds: tuple[Seed, ...] = Field(
        min_length=1, description="Training seeds; switched quirks have those of variants."
    )
    pocket: TextPocket | None = Field(description="Generated texts; null unless data.source is pocket.")
    hub: TextHub | None = Field(description="Corpora on the hub; null unless data.source is hub.")
    limits: Limits = Field(description="How much of the data is used.")
    tracks: dict[str, Track] = Field(min_length=1, description="Families by name.")
