"""GLM checkpoints: our own folders (safetensors + JSON) and the authors' original files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from retort.errors import InputError
from retort.files import atomic_path, read_json, verify, write_json
from retort.models.glm import GLM, GLMConfig

WEIGHTS = "model.safetensors"
CONFIG = "config.json"


_rebuild_array: Any = np.empty(0).__reduce__()[0]
_PLAIN_ARRAYS: list[Any] = [
    _rebuild_array,
    (_rebuild_array, "numpy.core.multiarray._reconstruct"),
    np.ndarray,
    np.dtype,
    np.dtypes.UInt32DType,
]
"""What unpickling numpy's random state takes, which the authors' training loop files beside the
weights (the second name is that of numpy before 2.0)."""


def save_glm(folder: Path, model: GLM, weights: dict[str, Tensor] | None = None) -> None:
    """Write ``config.json`` and, last, ``model.safetensors``; ``weights``: whole ones of a shared-out model."""
    write_json(folder / CONFIG, model.config.to_json())
    save_tensors(folder / WEIGHTS, model.state_dict())


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically."""
    with atomic_path(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        InputError: the file is missing or not a safetensors file.
        RetortError: it is one of ours and has been damaged since.
    """
    verify(path)
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the step that writes it first") from None
    except SafetensorError as error:
        raise InputError(f"{path}: not a sound safetensors file ({error}); remove it and run again") from None


def load_config(folder: Path) -> GLMConfig:
    """The configuration of a folder written by :func:`save_glm`.

    Raises:
        InputError: the file is missing or not the configuration of a GLM.
    """
    try:
        return GLMConfig.from_json(read_json(folder / CONFIG))
    except TypeError as error:
        raise InputError(f"{folder / CONFIG}: not the configuration of a GLM ({error})") from None


def load_glm(folder: Path) -> GLM:
    """Read a folder written by :func:`save_glm`.

    Raises:
        InputError: a file is missing, or keys or shapes do not fit the configuration.
    """
    model = GLM(load_config(folder))
    fill(model, load_tensors(folder / WEIGHTS), folder / WEIGHTS)
    return model


def fill(model: GLM, tensors: dict[str, Tensor], source: Path) -> None:
    """Load parameters, naming the first key that is missing, surplus or of the wrong shape.

    Raises:
        InputError: see above.
    """
    own = model.state_dict()
    for problem, keys in (
        ("lacks", own.keys() - tensors.keys()),
        ("has surplus", tensors.keys() - own.keys()),
    ):
        if keys:
            raise InputError(
                f"{source}: {problem} {len(keys)} key(s), first '{min(keys)}'; "
                "check that layers, embedding and bottleneck in the configuration are the checkpoint's"
            )
    for name, tensor in tensors.items():
        if tensor.shape != own[name].shape:
            raise InputError(
                f"{source}: '{name}' has shape {tuple(tensor.shape)}, the configuration asks for "
                f"{tuple(own[name].shape)}; check width, vocabulary and positions"
            )
    model.load_state_dict(tensors)


def import_glm(folder: Path, config: GLMConfig) -> GLM:
    """Read a pretrained checkpoint: a folder of ours, or the layout of the authors' releases.

    The original layout is ``latest_checkpointed_iteration.txt`` naming a subfolder that holds
    ``mp_rank_00_model_states.pt`` with the weights under ``module``.

    Raises:
        InputError: neither layout is there, or the weights do not fit ``config``.
    """
    if (folder / WEIGHTS).exists():
        source, tensors = folder / WEIGHTS, load_tensors(folder / WEIGHTS)
    else:
        source, tensors = _original(folder)
    model = GLM(config)
    fill(model, {name: tensor.float() for name, tensor in tensors.items()}, source)
    return model


def _original(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    pointer = folder / "latest_checkpointed_iteration.txt"
    if not pointer.exists():
        raise InputError(f"{folder}: no {WEIGHTS} and no {pointer.name}; name the folder of a GLM checkpoint")
    source = folder / pointer.read_text(encoding="utf-8").strip() / "mp_rank_00_model_states.pt"
    if not source.exists():
        raise InputError(f"{source}: no such file, though {pointer} names it")
    try:
        with torch.serialization.safe_globals(_PLAIN_ARRAYS):
            loaded: Any = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{source}: cannot be read as plain weights ({type(error).__name__})") from error
    weights = loaded.get("module") if isinstance(loaded, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"{source}: no tensors under 'module'; is it a GLM training checkpoint?")
    return source, weights
