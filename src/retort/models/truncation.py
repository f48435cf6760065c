"""Starting a student from a teacher's first layers, leading dimensions or word embeddings."""

from __future__ import annotations

import torch
from torch import Tensor

from retort.distill.vocabulary import VocabularyMap
from retort.models.glm import GLM

_FUSED = "attention.query_key_value"


@torch.no_grad()
def truncate(student: GLM, teacher: GLM, fused: bool) -> None:
    """Copy the top-left block of every teacher tensor whose name the student has.

    Layers 0 .. L_s - 1 are the teacher's first ones; entries without a counterpart keep their random
    values.

    Args:
        student: changed in place.
        teacher: at least as wide and deep.
        fused: cut the fused query-key-value matrix as one block, as the authors ran it: with different
            widths the student's keys then come from the teacher's queries, and its values from keys
            (quirk ``fused-truncation``). Otherwise each of the three is cut by itself.
    """
    theirs = teacher.state_dict()
    for name, own in student.state_dict().items():
        if name not in theirs:
            continue
        if _FUSED in name and not fused:
            for mine, other in zip(own.chunk(3), theirs[name].chunk(3), strict=True):
                copy_block(mine, other)
        else:
            copy_block(own, theirs[name])


@torch.no_grad()
def slice_words(student: GLM, table: Tensor, vocabulary: VocabularyMap) -> None:
    """Start the word embeddings [M, D] from the kept rows of a teacher's [V, D'] (GLMD, eq. 5).

    Columns that only the student has keep their random values.
    """
    own = student.word_embeddings.weight
    copy_block(own, vocabulary.to(table.device).slice_embedding(table, own.shape[1]))


@torch.no_grad()
def copy_block(own: Tensor, other: Tensor) -> None:
    """Fill a tensor in place from the leading block of another one, as far as both reach."""
    block = tuple(slice(0, min(a, b)) for a, b in zip(own.shape, other.shape, strict=True))
    own[block] = other[block].to(own.dtype)
