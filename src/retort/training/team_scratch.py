"""Training states of several processes, each of which writes the part that it holds."""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor, Shard

from retort.training.checkpoints import Scratch
from retort.training.distribution import World

_SAVING = 20.0
"""Least time between two saves, in durations of a save."""


class TeamScratch(Scratch):
    """Training states of which each process writes its own part, by the rules of :class:`Scratch`.

    A state is there once all its parts are: processes save after the same updates, and go on from the newest
    state of which every part is sound.
    """

    def __init__(self, folder: Path, team: World) -> None:
        super().__init__(folder / f"{team.rank}-of-{team.size}")
        self._all = folder
        self._team = team
        self._newest: int | None = None

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write this process's part; large parts less often, so that little of the time goes into it."""
        begun = time.monotonic()
        super().save(step, _apart(state))
        self.seconds = max(self.seconds, _SAVING * (time.monotonic() - begun))

    def load(self, map_location: torch.device | str = "cpu") -> tuple[int, dict[str, Any]] | None:
        """This process's part of the newest state that is sound in all; newer parts are removed."""
        found = super().load(map_location)
        steps = self._team.gather(-1 if found is None else found[0])
        while len(set(steps)) > 1:
            self._newest = min(steps)
            found = super().load(map_location)
            steps = self._team.gather(-1 if found is None else found[0])
        self._newest = None
        for path in self._states():
            if int(path.stem.split("-")[1]) > steps[0]:
                path.unlink()
        if found is None:
            return None
        return found[0], _together(found[1], mesh_of(torch.device(map_location).type, self._team.size))

    def remove(self) -> None:
        """Delete the folder once no process needs its part any more: its run is finished."""
        self._team.gather(None)
        if self._team.first:
            shutil.rmtree(self._all, ignore_errors=True)

    def _states(self) -> list[Path]:
        found = super()._states()
        if self._newest is None:
            return found
        return [path for path in found if int(path.stem.split("-")[1]) <= self._newest]


_PART = "part of a shared tensor"


def _apart(value: Any) -> Any:
    """A state with the local part, shape and stride of shared tensors in their place."""
    if isinstance(value, DTensor):
        return {_PART: value.to_local(), "shape": list(value.shape), "stride": list(value.stride())}
    if isinstance(value, Mapping):
        return {key: _apart(inner) for key, inner in value.items()}
    return [_apart(inner) for inner in value] if isinstance(value, list | tuple) else value


def _together(value: Any, mesh: DeviceMesh) -> Any:
    """Inverse of :func:`_apart`."""
    if isinstance(value, Mapping):
        if _PART in value:
            shape, stride = torch.Size(value["shape"]), tuple(value["stride"])
            return DTensor.from_local(value[_PART], mesh, [Shard(0)], shape=shape, stride=stride)
        return {key: _together(inner, mesh) for key, inner in value.items()}
    return [_together(inner, mesh) for inner in value] if isinstance(value, list) else value


@functools.cache
def mesh_of(kind: str, size: int) -> DeviceMesh:
    """All processes in a row, each with a device of a kind."""
    return init_device_mesh(kind, (size,))
