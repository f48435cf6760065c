"""Vocabulary compression: a student that knows only the frequent tokens, and a stand-in for each other.

Source: GLMD (ACL 2023), section 4.3, and GLMKD, distill/prepare.py and data_utils/configure_data.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from retort.errors import InputError
from retort.files import atomic_path, verify

Method = Literal["inner_product", "cosine", "euclidean", "unk"]

_SCORES_AT_ONCE = 1 << 24  # elements of the similarity matrix held at a time


@dataclass(frozen=True)
class VocabularyMap:
    """Which tokens a small vocabulary keeps, and which student row each token id is given.

    Attributes:
        kept_ids: int64 [M]; the original id of each student row, by frequency rank.
        substitute: int64 [V]; the student row of each original id.
        is_kept: bool [V]; whether an id has a row of its own.
    """

    kept_ids: Tensor
    substitute: Tensor
    is_kept: Tensor

    @property
    def size(self) -> int:
        """Number of student rows M."""
        return len(self.kept_ids)

    def stand_ins(self) -> Tensor:
        """int64 [V]: each original id, or the kept id that stands in for it.

        Feeding these to the teacher is an ablation of the paper (Table 4, row 16).
        """
        return self.kept_ids[self.substitute]

    def select(self, logits: Tensor) -> Tensor:
        """Full-vocabulary logits [..., V] restricted to the student's rows, [..., M]."""
        return logits[..., self.kept_ids]

    def slice_embedding(self, weight: Tensor, width: int) -> Tensor:
        """The kept rows and first ``width`` columns of an embedding [V, h] (the paper's Eq. 5)."""
        return weight[self.kept_ids, :width]

    def to(self, device: torch.device) -> VocabularyMap:
        """The same map on another device."""
        return VocabularyMap(self.kept_ids.to(device), self.substitute.to(device), self.is_kept.to(device))

    def save(self, path: Path | str) -> None:
        """Write the three tensors as one safetensors file."""
        tensors = {"kept_ids": self.kept_ids, "substitute": self.substitute, "is_kept": self.is_kept}
        with atomic_path(path) as temporary:
            save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary)

    @classmethod
    def load(cls, path: Path | str) -> VocabularyMap:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: the file is missing or no vocabulary map.
            RetortError: it has been damaged.
        """
        verify(Path(path))
        try:
            tensors = load_file(path)
        except (FileNotFoundError, SafetensorError):
            raise InputError(f"{path}: no readable vocabulary map; run the vocabulary step again") from None
        if set(tensors) != {"kept_ids", "substitute", "is_kept"}:
            raise InputError(f"{path}: not a vocabulary map (holds {sorted(tensors)}); run the step again")
        return cls(**tensors)


def kept_size(ratio: float, tokens: int, multiple: int) -> int:
    """Student rows for a ratio: ``int(ratio * tokens)`` rounded up to a multiple (GLMKD: 128).

    Raises:
        InputError: the ratio leaves nothing, or the rounding asks for more rows than there are tokens.
    """
    kept = -(-int(ratio * tokens) // multiple) * multiple
    if not 0 < kept <= tokens:
        raise InputError(
            f"vocabulary ratio {ratio}: {kept} rows (multiple of {multiple}) of {tokens} tokens; "
            "choose a ratio or multiple that gives between 1 and all of them"
        )
    return kept


def build_map(
    order: Tensor,
    kept: int,
    embeddings: Tensor,
    method: Method,
    unk: int,
    excluded: Iterable[int] = (),
) -> VocabularyMap:
    """Keep the first ``kept`` ids of ``order`` and give every other id its most similar kept one.

    Args:
        order: int64 [tokens], ids by rank (``Frequencies.order``).
        kept: M.
        embeddings: [V, h], the teacher's input embeddings; V >= tokens, padding rows are mapped too.
        method: ``inner_product`` e_o . e_k (the paper's), ``cosine``, ``euclidean`` -|e_o - e_k|^2,
            or ``unk``: [UNK] for all.
        unk: id of [UNK].
        excluded: kept ids that may not stand in for another. GLMKD allows all; but the embeddings
            of command tokens that no text contains can point anywhere and then win the inner product.

    Raises:
        InputError: sizes do not fit, [UNK] is not kept where it is needed, or nothing may stand in.
    """
    if not 0 < kept <= len(order) <= len(embeddings):
        raise InputError(
            f"vocabulary map: keep {kept} of {len(order)} tokens with {len(embeddings)} embeddings; "
            "the numbers must not fall from left to right"
        )
    if method not in get_args(Method):
        raise InputError(
            f"vocabulary map: unknown method {method!r}; use one of {', '.join(get_args(Method))}"
        )
    kept_ids = order[:kept].to(torch.int64).cpu()
    is_kept = torch.zeros(len(embeddings), dtype=torch.bool)
    is_kept[kept_ids] = True
    substitute = torch.zeros(len(embeddings), dtype=torch.int64)
    substitute[kept_ids] = torch.arange(kept)
    others = (~is_kept).nonzero().squeeze(1)
    if method == "unk":
        if not is_kept[unk]:
            raise InputError("vocabulary map: [UNK] is not among the kept tokens; keep more of them")
        substitute[others] = int(substitute[unk])
    else:
        barred = torch.isin(kept_ids, torch.tensor(list(excluded), dtype=torch.int64))
        substitute[others] = _most_similar(embeddings, others, kept_ids, barred, method)
    return VocabularyMap(kept_ids, substitute, is_kept)


@torch.no_grad()
def _most_similar(
    embeddings: Tensor, others: Tensor, kept_ids: Tensor, barred: Tensor, method: Method
) -> Tensor:
    """int64 [len(others)]: the row of the best kept id that is not barred; ties go to the higher rank."""
    if bool(barred.all()):
        raise InputError("vocabulary map: every kept token is excluded as a stand-in; keep more tokens")
    table = embeddings.detach().cpu()
    table = table if table.dtype == torch.float64 else table.float()
    if method == "cosine":
        table = torch.nn.functional.normalize(table, dim=-1)
    targets = table[kept_ids]
    # -|o - k|^2 = 2 o.k - |k|^2 - |o|^2, and the last term is the same for all k.
    offset = targets.square().sum(-1) / 2 if method == "euclidean" else torch.zeros(len(targets))
    offset = offset.to(targets.dtype).masked_fill(barred, torch.inf)
    found = [
        torch.addmm(offset, table[chunk], targets.T, beta=-1).argmax(dim=-1)
        for chunk in others.split(max(1, _SCORES_AT_ONCE // len(targets)))
    ]
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.int64)
