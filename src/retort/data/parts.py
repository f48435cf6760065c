"""Kinds of data: what makes the parts of a paper's data, and what encodes them.

The one place where a paper is told from another by its data: steps and rules ask a part's kind. Whatever the
source, providing a part ends with the same manifest; nothing after it knows where the data came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from retort.config.model import Config
from retort.data import encoding, instruction_parts, prepare, text_parts
from retort.data.encoding import Given
from retort.data.manifests import Manifest
from retort.files import write_json
from retort.plan import Plan
from retort.texts import CORPUS, paper_of_part, source_of

Provider = Callable[[Config, str, str, Path], Manifest]
"""Makes a raw part: of a configuration, a paper, a data set (or :data:`CORPUS`), in a folder."""


@dataclass(frozen=True)
class DataKind:
    """A kind of data. Functions are named one by one, so that a rule follows the code of one alone.

    Attributes:
        corpus, sets: what makes the raw corpora or a raw data set, by source.
        files: the files of a data folder that a raw part is made from, as far as they are there.
        words, examples: what encodes corpora with a vocabulary, or a task.
    """

    corpus: Mapping[str, Provider]
    sets: Mapping[str, Provider]
    files: Callable[[Config, str, str], list[Path]]
    words: Callable[[Given, Path], None]
    examples: Callable[[Given, Path], None]


_TEXTS: dict[str, Provider] = {
    "pocket": text_parts.pocket_texts,
    "folder": text_parts.folder_texts,
    "hub": text_parts.hub_texts,
}
_INSTRUCTIONS: dict[str, Provider] = {
    "pocket": instruction_parts.pocket_instructions,
    "folder": instruction_parts.folder_instructions,
    "hub": instruction_parts.hub_instructions,
}
KINDS = {
    "glmd": DataKind(
        {"pocket": prepare.pocket_corpus, "folder": prepare.folder_corpus, "hub": prepare.hub_corpus},
        {"pocket": prepare.pocket_task, "folder": prepare.folder_task, "hub": prepare.hub_task},
        prepare.files_of,
        encoding.encode_corpus,
        encoding.encode_clozes,
    ),
    "cka": DataKind(_TEXTS, _TEXTS, text_parts.files_of, encoding.encode_text_words, encoding.encode_texts),
    "atkd": DataKind(
        _INSTRUCTIONS,
        _INSTRUCTIONS,
        instruction_parts.files_of,
        encoding.encode_instruction_words,
        encoding.encode_instructions,
    ),
}
"""By paper."""


def provider_of(config: Config, part: str) -> Provider:
    """What makes a raw part from the configuration's source."""
    paper, name = paper_of_part(part)
    kind = KINDS[paper]
    return (kind.corpus if name == CORPUS else kind.sets)[source_of(config, name)]


def encoder_of(plan: Plan, part: str) -> Callable[[Given, Path], None]:
    """What encodes a part."""
    made = plan.parts[part]
    kind = KINDS[made.paper]
    return kind.words if made.task is None else kind.examples


def files_of(config: Config, part: str) -> list[Path]:
    """The files of the data folder that a raw part is made from; generated and fetched data have none."""
    paper, name = paper_of_part(part)
    return KINDS[paper].files(config, paper, name) if source_of(config, name) == "folder" else []


def provide(config: Config, part: str, out: Path) -> None:
    """Generate, check or fetch the corpora or a data set; ``out/manifest.json`` says where everything is.

    Raises:
        InputError: missing or malformed data.
    """
    manifest = provider_of(config, part)(config, *paper_of_part(part), out)
    write_json(out / "manifest.json", manifest)


def encode_part(plan: Plan, part: str) -> None:
    """Tokenise corpora or a task; what it is made from is there.

    Raises:
        InputError: raw data are gone, changed or empty, or cannot be encoded.
    """
    made, layout = plan.parts[part], plan.layout
    raws = {paper_of_part(raw)[1]: layout.data(plan.data[raw]) / "manifest.json" for raw in made.raws}
    section, words = plan.config.section(made.paper), layout.text(plan.text[made.words])
    corpora = raws.pop(CORPUS, Path())
    given = Given(plan.config, section, made.track, made.task or "", corpora, raws, words)
    encoder_of(plan, part)(given, layout.text(plan.text[part]))


def prepare_paper(plan: Plan, paper: str) -> None:
    """Provide and encode all data of a paper, one part after the other."""
    for part, name in plan.data.items():
        if paper_of_part(part)[0] == paper:
            provide(plan.config, part, plan.layout.data(name))
    for part, made in plan.parts.items():
        if made.paper == paper:
            encode_part(plan, part)
