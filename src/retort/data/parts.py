"""Raw parts of the papers on transformers models: who makes them, and which files of a folder they are."""

from __future__ import annotations

from pathlib import Path

from retort.config.model import Config
from retort.data import instruction_parts, text_parts
from retort.data.instruction_sources import instruction_files
from retort.data.text_sources import text_files
from retort.texts import instructed


def provide_part(config: Config, paper: str, name: str, out: Path) -> None:
    """Generate, check or fetch the corpora or a data set of a paper.

    Raises:
        InputError: missing or malformed data.
    """
    if instructed(config, paper):
        instruction_parts.provide_instructions(config, paper, name, out)
    else:
        text_parts.provide_texts(config, paper, name, out)


def source_of(config: Config, paper: str) -> str:
    """The function that makes the raw parts of a paper, as a root of fingerprints."""
    kind = "instruction_parts:{}_instructions" if instructed(config, paper) else "text_parts:{}_texts"
    return f"retort.data.{kind.format(config.data.source)}"


def part_files(config: Config, paper: str, name: str) -> list[Path]:
    """The files of the data folder that a part is made from, as far as they are there."""
    root = Path(config.data_root or "")
    if instructed(config, paper):
        return instruction_files(root, instruction_parts.contents_of(name))
    return text_files(root, text_parts.contents_of(config, paper, name))
