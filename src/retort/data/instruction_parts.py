"""Raw data of papers on causal models, part by part: the corpus, and each instruction set."""

from __future__ import annotations

from pathlib import Path

from retort.config.model import Config
from retort.data.instruction_sources import (
    InstructionContents,
    fetch_instructions,
    instruction_files,
    open_instructions,
)
from retort.data.instructions.sets import spec_of
from retort.data.manifests import Manifest
from retort.data.pocket.instructions import PocketInstructions, generate_instructions
from retort.data.sources import HubCorpus
from retort.errors import InputError
from retort.texts import CORPUS, paper_section, pocket_split


def files_of(config: Config, paper: str, name: str) -> list[Path]:
    """The files of the data folder that a part is made from, as far as they are there."""
    return instruction_files(Path(config.data_root or ""), contents_of(name))


def contents_of(name: str) -> InstructionContents:
    """What of a folder or of the hub a part is."""
    return InstructionContents(() if name == CORPUS else (name,), corpus=name == CORPUS)


def pocket_instructions(config: Config, paper: str, name: str, out: Path) -> Manifest:
    """A part of the generated world."""
    world, sizes = config.data.pocket, paper_section(config, paper).pocket
    assert world is not None and sizes is not None
    contents = contents_of(name)
    numbers = PocketInstructions(sizes.documents, 1, 1)
    if contents.sets:
        split = pocket_split(sizes, name)
        numbers = PocketInstructions(sizes.documents, split.train, split.dev)
    generate_instructions(world.world_seed, out / "world", numbers, contents.sets, corpus=contents.corpus)
    return open_instructions(out / "world", out, contents)


def folder_instructions(config: Config, paper: str, name: str, out: Path) -> Manifest:
    """A part of a folder, checked."""
    if config.data_root is None:
        file = f"instructions/{spec_of(name).file}"
        raise InputError(
            f"data_root: is null, but the hub has no plain files of {name}; add --config data_root=<folder>, "
            f"with {file} in it"
        )
    root = Path(config.data_root)
    if not root.is_dir():
        raise InputError(f"data_root: {root} is not a folder; name one with the official layouts in it")
    return open_instructions(root, out, contents_of(name))


def hub_instructions(config: Config, paper: str, name: str, out: Path) -> Manifest:
    """A part from the hub."""
    hub = paper_section(config, paper).hub
    assert hub is not None
    corpora = list(map(HubCorpus.of, hub.corpus))
    return fetch_instructions(out, contents_of(name), corpora if name == CORPUS else ())
