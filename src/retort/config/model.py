"""What a configuration may hold: one typed model a section, one description a field.

Nothing has a hidden default: a scale file spells every value. Only what most runs leave out (structure of
single table rows, imported teachers, quirk switches) may be absent.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field

from retort.config.sections import (
    Count,
    HubDataset,
    Limits,
    Optimiser,
    PartialShare,
    Positive,
    PretrainingRun,
    Score,
    Section,
    Seed,
    number,
)
from retort.config.texts import TextPaper

Task = Literal["BoolQ", "CB", "COPA", "MultiRC", "ReCoRD", "RTE", "WiC", "WSC"]
TASKS: tuple[str, ...] = get_args(Task)
PAIR = re.compile(r"(?:\w+|\(\w+(?:,\w+)+\))(?:-\w+)+")


def _per_task(value: Any) -> Any:
    """One number for all tasks is written as such and becomes one entry a task."""
    read = number(value)
    if isinstance(read, int | float) and not isinstance(read, bool):
        return dict.fromkeys(TASKS, read)
    return value


PerTaskCount = Annotated[
    dict[Task, Count], BeforeValidator(_per_task, json_schema_input_type=Count | dict[Task, Count])
]
PerTaskRate = Annotated[
    dict[Task, Positive], BeforeValidator(_per_task, json_schema_input_type=Positive | dict[Task, Positive])
]


class PocketData(Section):
    """The built-in generated world (used where ``data.source`` is ``pocket``)."""

    world_seed: int = Field(ge=0, description="Seed of lexicon, corpus and task examples.")
    documents: Count = Field(description="Documents of the corpus, one a line.")
    train_size: Count = Field(description="Training examples of each task (MultiRC: half as many questions).")
    dev_size: Count = Field(
        description="Development examples of each task (MultiRC: half as many questions)."
    )


class HubData(Section):
    """Where the hub holds things (used where ``data.source`` is ``hub``)."""

    superglue: str = Field(description="Repository with the eight SuperGLUE tasks, owner/name.")
    superglue_revision: str | None = Field(description="Its commit or branch; null = the newest.")
    corpus: tuple[HubDataset, ...] = Field(min_length=1, description="Data sets that make up the corpus.")
    tokenizer: str | None = Field(
        description="Repository with the vocab.txt, unless data.vocabulary names a file; null = train one."
    )


class Vocabulary(Section):
    """Entries of the tokenizer."""

    vocab_txt: str | None = Field(
        description="Vocabulary file; relative paths start at data_root. null = train one on the corpus."
    )
    size: Count = Field(description="Upper bound on the entries of a trained vocabulary.")
    multiple_of: Count = Field(description="Rows of the word table are padded up to a multiple of this.")


Source = Literal["pocket", "folder", "hub"]


class Data(Section):
    """Source and amount of the data."""

    source: Source = Field(
        description="pocket = the generated world; folder = data_root, official layouts; hub = Hugging Face."
    )
    pocket: PocketData | None = Field(description="The generated world; null unless source is pocket.")
    hub: HubData | None = Field(description="Names on the hub; null unless source is hub.")
    limits: Limits = Field(description="How much of the data is used.")
    vocabulary: Vocabulary = Field(description="The WordPiece vocabulary.")


class Bottleneck(Section):
    """Inverted bottleneck of MobileBERT."""

    width: Count = Field(description="Width inside the blocks.")
    feed_forwards: Count = Field(description="Feed-forward networks in each block.")


class Model(Section):
    """Architecture of one GLM."""

    layers: Count = Field(description="Transformer blocks.")
    width: Count = Field(description="Model dimension (between the blocks).")
    heads: Count = Field(description="Attention heads.")
    positions: Count = Field(description="Longest position; both position tables have one row more.")
    dropout: PartialShare = Field(
        description="Rate on embeddings, attention probabilities and block outputs."
    )
    init_std: Positive = Field(description="Standard deviation of the initial matrices and tables.")
    vocab: Count | None = Field(
        default=None,
        description="Rows of the word table where they are not the scale's own (size tables only).",
    )
    factorised: Count | None = Field(default=None, description="ALBERT-like embedding width.")
    devices: Count = Field(
        default=1,
        description="Devices that train it, or run it as a teacher, together: more where weights, gradients "
        "and moments do not fit one. They share it out, and change results by rounding alone.",
    )
    trigram: Count | None = Field(default=None, description="MobileBERT-like embedding width.")
    bottleneck: Bottleneck | None = Field(default=None, description="MobileBERT-like inverted bottleneck.")


class Pretraining(Section):
    """Block language modelling on the corpus. Teacher and student see the corpus in the same form."""

    samples: Literal["documents", "windows"] = Field(
        description="documents = one document a sample; windows = cut and joined to max_length, as in GLM."
    )
    max_length: Annotated[int, Field(ge=3)] = Field(description="Tokens of a sample before masking.")
    masking: Literal["paper", "mixture"] = Field(
        description="paper = token spans, 15 %; mixture = spans, sentence pieces, suffixes (for tiny models)."
    )
    teacher: PretrainingRun = Field(description="Runs of teachers that are not imported.")
    student: PretrainingRun = Field(description="Runs of students, plain or distilled.")


class LearningRates(Section):
    """A learning rate for each role, one for all tasks or one a task."""

    teacher: PerTaskRate = Field(description="Peak rate of teachers.")
    student: PerTaskRate = Field(description="Peak rate of students.")


class Search(Section):
    """A grid of points at which every method is trained on every task; the best by dev mean is reported."""

    learning_rates: tuple[Positive, ...] = Field(min_length=1, description="Peak rates, for every role.")
    batch_sizes: tuple[Count, ...] = Field(min_length=1, description="Examples of one update.")


class TaskTraining(Section):
    """Training on one SuperGLUE task. Numbers a task: one for all, or a mapping of task to number."""

    epochs: PerTaskCount = Field(description="Passes over the training examples, in each stage.")
    batch_size: PerTaskCount = Field(description="Examples of one update.")
    micro_batch_size: Count | None = Field(
        description="Examples of one forward pass; null = the whole batch."
    )
    learning_rate: LearningRates = Field(description="Peak learning rates.")
    hyper_parameters: str | None = Field(
        description="CSV (method, config, task, batch_size, learning_rate) that overrides both; null = none. "
        "Relative paths start at the repository."
    )
    search: Search | None = Field(
        description="Grid that replaces batch_size and learning_rate; all its points train in one job, and "
        "each method, pair and task reports its best. hyper_parameters is null then; null = no search."
    )
    optimiser: Optimiser = Field(description="Optimiser and learning-rate curve.")
    max_length: PerTaskCount = Field(description="Longest sequence; longer texts are shortened as GLM does.")
    padding: Literal["longest", "fixed"] = Field(
        description="longest = pad to the longest of the batch; fixed = to max_length, as the authors did."
    )
    evaluations: Count | Literal["per_epoch"] = Field(
        description="Evaluations on dev, evenly spaced, the last at the end; per_epoch = after each epoch."
    )
    tasks_per_job: Annotated[int, Field(ge=1, le=len(TASKS))] = Field(
        description="Tasks trained by one job: start-up and the loaded teacher are shared."
    )


class Compression(Section):
    """Vocabulary compression: what the scale decides (ratio and similarity belong to the method)."""

    multiple_of: Count = Field(description="The kept size is rounded up to a multiple of this.")
    reserved_targets: bool = Field(
        description="Whether command tokens may be substitutes (the authors' code: yes)."
    )


class Gates(Section):
    """Least scores (0-100) of a teacher; the run stops with a message when one is missed."""

    zero_shot: dict[Task, Score] = Field(description="After pretraining, by cloze pattern alone; {} = none.")
    fine_tuned_average: Score | None = Field(
        description="Mean over the tasks after fine-tuning; null = none."
    )


class Variants(Section):
    """Ablations: one of the methods with one thing changed, on the first pair it fits."""

    tables: tuple[Literal["table4", "table5"], ...] = Field(description="Ablation tables to run; [] = none.")
    quirks: tuple[str, ...] = Field(
        description="Quirks whose switches are tried on every method that they change; [] = none."
    )
    seeds: tuple[Seed, ...] = Field(
        min_length=1,
        description="Training seeds of GLMD's ablations and of the switched quirks of all papers; best among "
        "those of the methods they vary.",
    )


class Config(Section):
    """A whole run.

    What is laid over a scale's file replaces its values; mappings are merged key by key, and null removes an
    entry of one whose names are free, such as a track, a model or a method of a track.
    """

    scale: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the scale: config/scales/<scale>.yaml."
    )
    papers: tuple[Literal["glmd", "cka", "atkd"], ...] = Field(
        min_length=1, description="Papers to reproduce."
    )
    tasks: tuple[Task, ...] = Field(min_length=1, description="SuperGLUE tasks.")
    methods: tuple[str, ...] = Field(min_length=1, description="Methods, named as in the paper's Table 3.")
    variants: Variants = Field(description="Ablations.")
    recipes: str | None = Field(
        default=None, description="Python file with METHODS of your own, run beside methods; null = none."
    )
    pairs: tuple[str, ...] = Field(
        min_length=1, description="Teacher-student pairs, e.g. T1-S1 or (T1,T2)-S2."
    )
    columns: Literal["all", "first"] = Field(
        description="all = a method runs on every pair that the paper prints for it; first = on the first."
    )
    seeds: tuple[Seed, ...] = Field(min_length=1, description="Training seeds.")
    data_root: str | None = Field(
        description="Folder in the official layouts (superglue/, corpus/); null = none. With data.source hub "
        "it holds what the hub does not have: some sets of instructions."
    )
    precision: Literal["float32", "bfloat16"] = Field(description="Autocast type; losses are always float32.")
    device: Literal["auto", "cpu", "cuda"] = Field(description="auto = a GPU where there is one.")
    jobs_per_gpu: Count = Field(
        description="Jobs that share one GPU at the same time; small models leave room for several."
    )
    data: Data = Field(description="Where text and tasks come from.")
    models: dict[str, Model] = Field(min_length=1, description="Architectures by symbol (T1, S1, ...).")
    import_teacher: dict[str, str] = Field(
        default_factory=dict,
        description="Checkpoint folder by teacher symbol; such teachers are not pretrained.",
    )
    pretraining: Pretraining = Field(description="Block language modelling.")
    task_training: TaskTraining = Field(description="Training on the tasks.")
    compression: Compression = Field(description="Vocabulary compression.")
    gates: Gates = Field(description="Least scores of a teacher.")
    cka: TextPaper | None = Field(
        default=None, description="The CKA paper; null where papers does not name it."
    )
    atkd: TextPaper | None = Field(
        default=None, description="The ATKD paper; null where papers does not name it."
    )
    quirks: dict[str, Literal["as_run", "as_published", "fixed", "as_released", "as_reimplemented"]] = Field(
        default_factory=dict, description="Switches by quirk id; quirks that are not named run as_run."
    )

    def section(self, paper: str) -> TextPaper | None:
        """The section of a paper; ``None``: its settings are the configuration's own, as GLMD's are."""
        found: TextPaper | None = getattr(self, paper) if has_section(paper) else None
        return found

    @property
    def reads_own(self) -> bool:
        """Whether a paper is run whose settings are the configuration's own."""
        return not all(map(has_section, self.papers))


def has_section(paper: str) -> bool:
    """Whether configurations have a section for a paper."""
    return paper in Config.model_fields


def as_text(config: Config) -> str:
    """The configuration as canonical JSON text, one file format for all steps."""
    return json.dumps(config.model_dump(mode="json"), indent=2, sort_keys=True) + "\n"


def pair_models(pair: str) -> tuple[str, ...]:
    """Symbols of a pair in order: ``(T1,T2)-S2`` -> ``("T1", "T2", "S2")``; empty if it is no pair."""
    return tuple(re.findall(r"\w+", pair)) if PAIR.fullmatch(pair) else ()


def teachers_of(pair: str) -> tuple[str, ...]:
    """Symbols of the models of a pair that are fine-tuned to teach: the first, or all in brackets."""
    models = pair_models(pair)
    return models[:-1] if pair.startswith("(") else models[:1]
