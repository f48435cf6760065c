"""Making the vocabulary map of students with a compressed vocabulary."""

from __future__ import annotations

import torch

from retort.data.frequencies import Frequencies
from retort.distill.vocabulary import build_map, kept_size
from retort.files import atomic_folder, seal
from retort.models.checkpoint import WEIGHTS, load_tensors
from retort.stages import Stage
from retort.training.setup import Job, load_tokenizer


def make_vocabulary(stage: Stage, job: Job) -> None:
    """Build and write the map of a stage from its pretrained teacher's word embeddings."""
    assert stage.compression is not None and stage.mapped_by is not None
    settings = stage.compression
    tokenizer = load_tokenizer(stage, job.layout)
    frequencies = Frequencies.read(job.layout.text(stage.data) / "frequencies.tsv")
    weights = load_tensors(job.layout.stage(stage.mapped_by) / WEIGHTS)
    order = torch.from_numpy(frequencies.order)
    vocabulary = build_map(
        order,
        kept_size(settings.ratio, tokenizer.size, settings.multiple_of),
        weights["word_embeddings.weight"],
        settings.similarity,
        tokenizer.special.unk,
        () if settings.reserved_targets else order[: frequencies.reserved].tolist(),
    )
    path = job.layout.vocabulary(stage)
    with atomic_folder(path.parent) as temporary:
        vocabulary.save(temporary / path.name)
        seal(temporary)
