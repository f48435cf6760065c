"""Transformers models as folders: what any program that knows transformers can load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from retort.errors import InputError
from retort.files import atomic_folder, read_json, write_json, write_text
from retort.models.hf.building import classes_of_models, has_own_head
from retort.models.hf.families import HFFamily, family_of

CONFIG = "config.json"
CARD = "card.json"
README = "README.md"

_FRESH = ("classifier.", "bert.pooler.")
"""What a pretrained BERT may lack when it is loaded to classify."""


def save_student(
    folder: Path,
    module: Any,
    tokenizer: Any | None,
    card: Mapping[str, Any],
    weights: Mapping[str, Tensor] | None = None,
    readme: str | None = None,
) -> None:
    """Write a model as an ordinary transformers folder, atomically.

    ``config.json``, ``model.safetensors``, ``generation_config.json`` for models that generate, the files of
    a transformers tokenizer where one is given, ``card.json``, which transformers ignores, and ``README.md``,
    the model card for people, where there is one.

    Args:
        folder: replaced as a whole if it is there.
        module: a transformers model; its lenses and whatever else it was trained with are no part of it.
        tokenizer: anything with ``save_pretrained``; its words are the model's rows.
        card: what it is and how it was made.
        weights: by name, of a model that is shared out among processes; ``None``: the model's own.
        readme: text of the model card.
    """
    with atomic_folder(folder) as temporary:
        write_model(temporary, module, weights)
        if tokenizer is not None:
            tokenizer.save_pretrained(temporary)
        write_json(temporary / CARD, dict(card))
        if readme is not None:
            write_text(temporary / README, readme)


def write_model(folder: Path, module: Any, weights: Mapping[str, Tensor] | None = None) -> None:
    """Write configuration and weights into a folder; a tensor with several names (a tied head) once.

    Args:
        folder: there already.
        module: a transformers model.
        weights: instead of the model's own: copies of them, or those that are shared out among processes.
    """
    _quiet()
    state = None if weights is None else _shared(module, weights)
    module.save_pretrained(folder, state_dict=state, max_shard_size="1000GB")
    if has_own_head(module):
        # As version 1.1 is published: transformers 5 then scales nothing, version 4 ties nothing.
        config = read_json(folder / CONFIG)
        write_json(folder / CONFIG, config | {"tie_word_embeddings": False})


def _shared(module: Any, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights, one tensor for all names of a parameter: each copy of a tied head is its own tensor."""
    first: dict[int, str] = {}
    same = {
        name: first.setdefault(id(parameter), name)
        for name, parameter in module.named_parameters(remove_duplicate=False)
    }
    return {name: weights[same.get(name, name)] for name in module.state_dict()}


def load_family(folder: Path, classes: int | None = None) -> HFFamily:
    """A model of a folder in float32, in evaluation mode, behind the interface.

    Args:
        folder: written by :func:`save_student` or anybody else's.
        classes: load a BERT to classify into so many classes; a head that the folder lacks is drawn anew.

    Raises:
        InputError: no such folder, a kind of model that no adapter knows, or tensors are missing.
    """

    kind = read_json(folder / CONFIG).get("model_type")
    heads = classes_of_models(classes is not None)
    options = {} if classes is None else {"num_labels": classes}
    if kind not in heads:
        raise InputError(f"{folder / CONFIG}: model_type {kind!r}; there are adapters for {', '.join(heads)}")
    _quiet()
    module, info = heads[kind].from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, output_loading_info=True, **options
    )
    missing = sorted(key for key in info["missing_keys"] if classes is None or not key.startswith(_FRESH))
    if missing:
        raise InputError(
            f"{folder}: lacks {len(missing)} tensor(s), first {missing[0]!r}; name another folder"
        )
    return family_of(module.eval())


def _quiet() -> None:
    """No progress of files on this disk, and no report of a head that is drawn anew: what must not be missing
    is checked."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
