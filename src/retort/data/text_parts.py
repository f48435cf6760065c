"""Raw data of the papers on transformers models, part by part: their corpora, and each of their tasks."""

from __future__ import annotations

from pathlib import Path

from retort.config.model import Config
from retort.data.glue.tasks import SPECS as GLUE
from retort.data.manifests import Manifest
from retort.data.pocket.texts import generate_text_corpora, generate_text_task
from retort.data.sources import HubCorpus
from retort.data.text_sources import TextContents, fetch_texts, open_texts, text_files
from retort.errors import InputError
from retort.texts import CORPUS, languages_of, paper_section, pocket_split


def files_of(config: Config, paper: str, name: str) -> list[Path]:
    """The files of the data folder that a part is made from, as far as they are there."""
    return text_files(Path(config.data_root or ""), contents_of(config, paper, name))


def contents_of(config: Config, paper: str, name: str) -> TextContents:
    """What of a folder or of the hub a part is."""
    if name == CORPUS:
        return TextContents(languages=languages_of(paper_section(config, paper)))
    glue, pairs = ((name,), ()) if name in GLUE else ((), (name,))
    return TextContents(glue, pairs, corpus=False)


def pocket_texts(config: Config, paper: str, name: str, out: Path) -> Manifest:
    """A part of the generated world."""
    world, sizes = config.data.pocket, paper_section(config, paper).pocket
    assert world is not None and sizes is not None
    if name == CORPUS:
        languages = contents_of(config, paper, name).languages
        if languages and sizes.multilingual is None:
            raise InputError(f"{paper}.pocket.multilingual: is null, but tracks read {', '.join(languages)}")
        several = sizes.multilingual or 0
        generate_text_corpora(world.world_seed, out / "world", sizes.documents, several, languages)
    else:
        split = pocket_split(sizes, name)
        generate_text_task(world.world_seed, out / "world", name, split.train, split.dev)
    return open_texts(out / "world", out, contents_of(config, paper, name))


def folder_texts(config: Config, paper: str, name: str, out: Path) -> Manifest:
    """A part of a folder, checked."""
    assert config.data_root is not None
    root = Path(config.data_root)
    if not root.is_dir():
        raise InputError(f"data_root: {root} is not a folder; name one with the official layouts in it")
    return open_texts(root, out, contents_of(config, paper, name))


def hub_texts(config: Config, paper: str, name: str, out: Path) -> Manifest:
    """A part from the hub."""
    hub = paper_section(config, paper).hub
    assert hub is not None
    contents = contents_of(config, paper, name)
    if name != CORPUS:
        return fetch_texts(out, contents)
    several = {code: HubCorpus.of(hub.multilingual[code]) for code in contents.languages}
    return fetch_texts(out, contents, list(map(HubCorpus.of, hub.corpus)), several)
