"""Making the vocabulary map of students with a compressed vocabulary."""

from __future__ import annotations

import torch

from retort.data.frequencies import Frequencies
from retort.data.tokenizer import Tokenizer
from retort.distill.vocabulary import build_map, kept_size
from retort.files import atomic_folder, seal
from retort.stages import Stage
from retort.training.setup import Job


def make_vocabulary(stage: Stage, job: Job) -> None:
    """Build and write the map of a stage from its pretrained teacher's word embeddings."""
    assert stage.compression is not None and stage.mapped_by is not None
    settings = stage.compression
    tokenizer = Tokenizer.load(job.layout.text(stage.data) / "tokenizer.json")
    frequencies = Frequencies.read(job.layout.text(stage.data) / "frequencies.tsv")
    table = stage.mapped_by.architecture.builder().word_table(job.layout.stage(stage.mapped_by))
    order = torch.from_numpy(frequencies.order)
    vocabulary = build_map(
        order,
        kept_size(settings.ratio, tokenizer.size, settings.multiple_of),
        table,
        settings.similarity,
        tokenizer.special.unk,
        () if settings.reserved_targets else order[: frequencies.reserved].tolist(),
    )
    path = job.layout.vocabulary(stage)
    with atomic_folder(path.parent) as temporary:
        vocabulary.save(temporary / path.name)
        seal(temporary)
