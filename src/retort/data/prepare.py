"""From a data source to what training reads: official files, then tokens.

Whatever the source, :func:`provide` ends with the same manifest; nothing after it knows where the
data came from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retort.config.model import Config
from retort.data.corpus import EncodedCorpus, encode_corpus, read_documents
from retort.data.frequencies import count_corpus
from retort.data.pocket.world import generate_world
from retort.data.sources import HubCorpus, fetch_hub, fetch_vocabulary, open_folder
from retort.data.store import limit, save_examples
from retort.data.superglue.encode import encode_task
from retort.data.superglue.instances import load_task
from retort.data.superglue.tasks import Split
from retort.data.tokenizer import Tokenizer
from retort.errors import InputError
from retort.files import atomic_folder, read_json, sha256_of, write_json

SPLITS: tuple[Split, ...] = ("train", "val")


def provide(config: Config, out: Path) -> None:
    """Generate, check or fetch the data; ``out/manifest.json`` says where everything is.

    Raises:
        InputError: missing or malformed data.
    """
    data = config.data
    vocabulary = _vocabulary(config, out)
    if data.source == "pocket":
        assert data.pocket is not None
        generate_world(
            data.pocket.world_seed,
            out / "world",
            documents=data.pocket.documents,
            train_size=data.pocket.train_size,
            dev_size=data.pocket.dev_size,
        )
        manifest = open_folder(out / "world", out, config.tasks)
    elif data.source == "folder":
        assert config.data_root is not None
        manifest = open_folder(Path(config.data_root), out, config.tasks)
    else:
        assert data.hub is not None
        corpora = [HubCorpus(c.name, c.subset, c.split, c.column, c.revision) for c in data.hub.corpus]
        manifest = fetch_hub(out, corpora, data.hub.superglue, data.hub.superglue_revision, config.tasks)
        if vocabulary is None and data.hub.tokenizer is not None:
            vocabulary = fetch_vocabulary(data.hub.tokenizer, out)
    manifest["vocab_txt"] = None if vocabulary is None else str(vocabulary.absolute())
    write_json(out / "manifest.json", manifest)


def _vocabulary(config: Config, out: Path) -> Path | None:
    """The vocabulary file, checked before anything is written; ``None`` where one is trained."""
    data = config.data
    if data.source == "pocket":
        return out / "world" / "vocab.txt"
    root = Path()
    if data.source == "folder":
        assert config.data_root is not None
        root = Path(config.data_root)
        if not root.is_dir():
            raise InputError(f"data_root: {root} is not a folder; name one with superglue/ and corpus/ in it")
    if data.vocabulary.vocab_txt is None:
        return None
    path = root / data.vocabulary.vocab_txt
    if not path.is_file():
        raise InputError(f"data.vocabulary.vocab_txt: {path} is not a file; name a vocabulary file")
    return path


def encode(config: Config, manifest_path: Path, out: Path) -> None:
    """Tokenise all: ``tokenizer.json``, ``frequencies.tsv``, ``corpus/``, ``tasks/``, ``summary.json``.

    Raises:
        InputError: a file that is not the one that was checked, an empty corpus, an answer word missing from
            the vocabulary, a sequence that cannot be shortened to its task's length.
    """
    manifest: dict[str, Any] = read_json(manifest_path)
    folder = manifest_path.parent
    _check_unchanged(manifest["sha256"], folder)
    paths = [folder / path for path in manifest["corpus"]]
    with atomic_folder(out) as temporary:
        tokenizer = _tokenizer(config, manifest["vocab_txt"], paths)
        tokenizer.save(temporary / "tokenizer.json")
        encode_corpus(paths, tokenizer, temporary / "corpus", config.data.limits.corpus)
        corpus = EncodedCorpus.open(temporary / "corpus")
        frequencies = count_corpus(corpus, tokenizer)
        frequencies.write(temporary / "frequencies.tsv", tokenizer)
        tasks = {
            task: _encode_task(config, task, folder, manifest["superglue"][task], tokenizer, temporary)
            for task in config.tasks
        }
        summary = {
            "vocabulary": tokenizer.size,
            "vocabulary_rows": tokenizer.padded_size(config.data.vocabulary.multiple_of),
            "reserved_words": frequencies.reserved,
            "documents": len(corpus),
            "tokens": int(corpus.total_tokens),
            "tasks": tasks,
            "sha256": manifest["sha256"],
        }
        write_json(temporary / "summary.json", summary)


def _check_unchanged(digests: Mapping[str, str], folder: Path) -> None:
    """What is encoded has to be what was checked and is named in the summary."""
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file() or sha256_of(path) != digest:
            raise InputError(f"{path}: is gone or changed since it was checked; prepare the data again")


def _tokenizer(config: Config, vocab_txt: str | None, corpus: Sequence[Path]) -> Tokenizer:
    if vocab_txt is not None:
        return Tokenizer.from_vocab(vocab_txt)
    return Tokenizer.train(read_documents(corpus), config.data.vocabulary.size)


def _encode_task(
    config: Config, task: str, folder: Path, files: dict[str, str], tokenizer: Tokenizer, out: Path
) -> dict[str, int]:
    """Encode both splits of a task; returns how many examples each has."""
    length = config.task_training.max_length[task]  # type: ignore[index]
    limits = {"train": config.data.limits.train, "val": config.data.limits.dev}
    counts: dict[str, int] = {}
    for split in SPLITS:
        raw = load_task(task, folder / files[split], split)
        examples = limit(encode_task(task, raw, tokenizer, length, split), limits[split])
        save_examples(out / "tasks", f"{task}.{split}", examples)
        counts[split] = len(examples)
    return counts
