"""GLM checkpoints: our own folders (safetensors + JSON) and the authors' original files."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from retort.errors import InputError
from retort.files import atomic_path, read_json, read_text, verify, write_json
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

_WEIGHT_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_SAME_FUNCTION = ("dropout", "init_std")
"""What two configurations may differ in and still compute the same from the same weights."""


def save_glm(folder: Path, model: GLM, weights: dict[str, Tensor] | None = None) -> None:
    """Write ``config.json`` and, last, ``model.safetensors``; ``weights``: of a shared-out model, whole."""
    write_json(folder / CONFIG, model.config.to_json())
    save_tensors(folder / WEIGHTS, model.state_dict() if weights is None else weights)


def save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically."""
    with atomic_path(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        InputError: the file is missing, cannot be read or is not a safetensors file.
        RetortError: it is one of ours and has been damaged since.
    """
    verify(path)
    try:
        return load_file(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the step that writes it first") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); name a readable file"
        ) from None
    except SafetensorError as error:
        raise InputError(f"{path}: not a sound safetensors file ({error}); copy or make it again") from None


def load_config(folder: Path) -> GLMConfig:
    """The configuration of a folder written by :func:`save_glm`.

    Raises:
        InputError: the file is missing or not the configuration of a GLM.
    """
    value = read_json(folder / CONFIG)
    try:
        config = GLMConfig.from_json(value)
        _check_sizes(config)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{folder / CONFIG}: not the configuration of a GLM ({error}); copy it again with the weights"
        ) from None
    return config


def _check_sizes(config: GLMConfig) -> None:
    inner = config.bottleneck
    sizes = [config.layers, config.width, config.heads, config.vocab, config.positions]
    sizes += [size for size in (config.factorised, config.trigram) if size is not None]
    sizes += [] if inner is None else [inner.width, inner.feed_forwards]
    for size in sizes:
        if type(size) is not int or size < 1:
            raise ValueError(f"{size!r} is no size")
    if (inner.width if inner else config.width) % config.heads:
        raise ValueError(f"{config.heads} heads do not divide the width")


def load_glm(folder: Path) -> GLM:
    """Read a folder written by :func:`save_glm`.

    Raises:
        InputError: a file is missing, or keys or shapes do not fit the configuration.
    """
    model = GLM(load_config(folder))
    fill(model, load_tensors(folder / WEIGHTS), folder / WEIGHTS)
    return model


def fill(model: GLM, tensors: dict[str, Tensor], source: Path) -> None:
    """Load parameters, naming the first that is missing, surplus, of another shape or type, or not finite.

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
        if tensor.dtype not in _WEIGHT_TYPES:
            raise InputError(
                f"{source}: '{name}' holds {str(tensor.dtype).removeprefix('torch.')} numbers, no weights; "
                "save the checkpoint in float32, float16 or bfloat16"
            )
        if not bool(tensor.isfinite().all()):
            raise InputError(
                f"{source}: '{name}' holds NaN or infinite numbers; take an earlier checkpoint of that run"
            )
    model.load_state_dict(tensors)


def import_glm(folder: Path, config: GLMConfig) -> GLM:
    """Read a pretrained checkpoint: a folder of ours, or the layout of the authors' releases.

    The original layout is ``latest_checkpointed_iteration.txt`` naming a subfolder that holds
    ``mp_rank_00_model_states.pt`` with the weights under ``module``.

    Raises:
        InputError: neither layout is there, or weights or their own configuration do not fit ``config``.
    """
    if (folder / WEIGHTS).exists():
        source, tensors = folder / WEIGHTS, load_tensors(folder / WEIGHTS)
        if (folder / CONFIG).exists():
            _check_same(load_config(folder), config, folder / CONFIG)
    else:
        source, tensors = _original(folder)
    model = GLM(config)
    fill(model, tensors, source)
    return model


def _check_same(found: GLMConfig, wanted: GLMConfig, source: Path) -> None:
    """Weights have the same shapes whatever the number of heads is, so shapes alone do not tell."""
    ours = asdict(wanted)
    for name, value in asdict(found).items():
        if value != ours[name] and name not in _SAME_FUNCTION:
            raise InputError(
                f"{source}: {name} is {value}, the configuration asks for {ours[name]}; "
                f"check {name} of the model (models)"
            )


def _original(folder: Path) -> tuple[Path, dict[str, Tensor]]:
    pointer = folder / "latest_checkpointed_iteration.txt"
    if not pointer.exists():
        raise InputError(f"{folder}: no {WEIGHTS} and no {pointer.name}; name the folder of a GLM checkpoint")
    source = folder / read_text(pointer).strip() / "mp_rank_00_model_states.pt"
    if not source.is_file():
        raise InputError(f"{source}: no such file, though {pointer} names it; copy the whole folder again")
    try:
        with torch.serialization.safe_globals(_PLAIN_ARRAYS):
            loaded: Any = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{source}: cannot be read as plain weights ({type(error).__name__}); nothing else in it is run, "
            "copy it again or save the weights alone"
        ) from error
    weights = loaded.get("module") if isinstance(loaded, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise InputError(f"{source}: no tensors under 'module'; is it a GLM training checkpoint?")
    return source, weights
