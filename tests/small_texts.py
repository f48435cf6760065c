"""The generated world's sentence tasks, documents and translations, part by part, in one folder."""

from __future__ import annotations

from pathlib import Path

from retort.data.glue.tasks import SPECS as GLUE
from retort.data.pocket.texts import generate_text_corpora, generate_text_task
from retort.data.text_prepare import Words, encode_words
from retort.data.text_sources import TextContents, open_texts


def make_part(folder: Path, task: str, train: int = 20, dev: int = 10, seed: int = 1) -> Path:
    """A task's raw data in a folder of its name; its manifest."""
    generate_text_task(seed, folder / task / "world", task, train, dev)
    contents = TextContents(*(((task,), ()) if task in GLUE else ((), (task,))), corpus=False)
    open_texts(folder / task / "world", folder / task, contents)
    return folder / task / "manifest.json"


def make_corpora(
    folder: Path, documents: int = 60, multilingual: int = 30, languages: tuple[str, ...] = (), seed: int = 1
) -> Path:
    """The corpora in a folder; their manifest."""
    generate_text_corpora(seed, folder / "corpus" / "world", documents, multilingual, languages)
    open_texts(folder / "corpus" / "world", folder / "corpus", TextContents(languages=languages))
    return folder / "corpus" / "manifest.json"


def encoded_words(raw: Path, out: Path, settings: Words, pairs: tuple[str, ...] = ()) -> Path:
    """Encode the corpora of a folder of the functions above, with some of its sets; the encoded folder."""
    manifests = {task: raw / task / "manifest.json" for task in pairs}
    encode_words(raw / "corpus" / "manifest.json", manifests, out, settings)
    return out
