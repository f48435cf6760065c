"""GLMD's data: from a source to official files, then to tokens; the corpus and each task by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retort.config.model import Config
from retort.data.corpus import EncodedCorpus, encode_corpus, read_documents
from retort.data.frequencies import count_corpus
from retort.data.manifests import Manifest, read_manifest, summarise
from retort.data.pocket.world import generate_corpus, generate_task
from retort.data.sources import HubCorpus, fetch_hub, fetch_vocabulary, open_folder
from retort.data.store import limit, save_examples
from retort.data.superglue.encode import encode_task
from retort.data.superglue.instances import load_task
from retort.data.superglue.tasks import Split
from retort.data.tokenizer import Tokenizer
from retort.errors import InputError
from retort.files import atomic_folder
from retort.texts import CORPUS

SPLITS: tuple[Split, ...] = ("train", "val")


def pocket_corpus(config: Config, paper: str, name: str, out: Path) -> Manifest:
    """Corpus and vocabulary of the generated world."""
    world = config.data.pocket
    assert world is not None
    generate_corpus(world.world_seed, out / "world", documents=world.documents)
    return open_folder(out / "world", out, ()) | _vocabulary(out / "world" / "vocab.txt")


def pocket_task(config: Config, paper: str, task: str, out: Path) -> Manifest:
    """A task of the generated world."""
    world = config.data.pocket
    assert world is not None
    sizes = {"train_size": world.train_size, "dev_size": world.dev_size}
    generate_task(world.world_seed, out / "world", task, **sizes)
    return open_folder(out / "world", out, (task,), corpus=False)


def folder_corpus(config: Config, paper: str, name: str, out: Path) -> Manifest:
    """Corpus and vocabulary of a folder, checked."""
    root = _folder(config)
    vocabulary = _named_vocabulary(config, root)
    return open_folder(root, out, ()) | _vocabulary(vocabulary)


def folder_task(config: Config, paper: str, task: str, out: Path) -> Manifest:
    """A task of a folder, checked."""
    return open_folder(_folder(config), out, (task,), corpus=False)


def hub_corpus(config: Config, paper: str, name: str, out: Path) -> Manifest:
    """Corpus and vocabulary from the hub."""
    hub = config.data.hub
    assert hub is not None
    vocabulary = _named_vocabulary(config, Path())
    corpora = list(map(HubCorpus.of, hub.corpus))
    manifest = fetch_hub(out, corpora, tasks=())
    if vocabulary is None and hub.tokenizer is not None:
        vocabulary = fetch_vocabulary(hub.tokenizer, out)
    return manifest | _vocabulary(vocabulary)


def hub_task(config: Config, paper: str, task: str, out: Path) -> Manifest:
    """A task from the hub."""
    hub = config.data.hub
    assert hub is not None
    return fetch_hub(out, (), hub.superglue, hub.superglue_revision, (task,))


def files_of(config: Config, paper: str, name: str) -> list[Path]:
    """The files of the data folder that a part is made from, as far as they are there."""
    root, vocab_txt = Path(config.data_root or ""), config.data.vocabulary.vocab_txt
    named = [root / "superglue" / name / f"{split}.jsonl" for split in SPLITS]
    if name == CORPUS:
        named = [*sorted((root / "corpus").glob("*.txt")), *([] if vocab_txt is None else [root / vocab_txt])]
    return [path for path in named if path.exists()]


def _folder(config: Config) -> Path:
    assert config.data_root is not None
    root = Path(config.data_root)
    if not root.is_dir():
        raise InputError(f"data_root: {root} is not a folder; name one with superglue/ and corpus/ in it")
    return root


def _named_vocabulary(config: Config, root: Path) -> Path | None:
    """The configured vocabulary file, checked before anything is written; ``None`` where none is named."""
    named = config.data.vocabulary.vocab_txt
    if named is None:
        return None
    if not (root / named).is_file():
        raise InputError(f"data.vocabulary.vocab_txt: {root / named} is not a file; name a vocabulary file")
    return root / named


def _vocabulary(path: Path | None) -> Manifest:
    return {"vocab_txt": None if path is None else str(path.absolute())}


def encode_text(config: Config, manifest_path: Path, out: Path) -> None:
    """Tokenise the corpus: ``tokenizer.json``, ``frequencies.tsv``, ``corpus/``, ``summary.json``.

    Raises:
        InputError: a file that is gone or changed since it was checked, an empty corpus, or one that gives
            no vocabulary.
    """
    manifest = read_manifest(manifest_path)
    paths = [manifest_path.parent / path for path in manifest["corpus"]]
    with atomic_folder(out) as temporary:
        tokenizer = _tokenizer(config, manifest["vocab_txt"], paths)
        tokenizer.save(temporary / "tokenizer.json")
        encode_corpus(paths, tokenizer, temporary / "corpus", config.data.limits.corpus)
        corpus = EncodedCorpus.open(temporary / "corpus")
        frequencies = count_corpus(corpus, tokenizer)
        frequencies.write(temporary / "frequencies.tsv", tokenizer)
        sizes = {
            "vocabulary": tokenizer.size,
            "vocabulary_rows": tokenizer.padded_size(config.data.vocabulary.multiple_of),
            "reserved_words": frequencies.reserved,
            "documents": len(corpus),
            "tokens": int(corpus.total_tokens),
        }
        summarise(temporary, sizes, manifest)


def encode_examples(config: Config, task: str, manifest_path: Path, corpus: Path, out: Path) -> None:
    """Tokenise a task: ``train`` and ``val`` (see :mod:`retort.data.store`), ``summary.json``.

    Args:
        config: a complete configuration.
        task: its name.
        manifest_path: of its raw data.
        corpus: folder with the tokenizer.
        out: folder to write.

    Raises:
        InputError: a file that is gone or changed since it was checked, an answer word missing from the
            vocabulary, a sequence that cannot be shortened.
    """
    manifest = read_manifest(manifest_path)
    tokenizer = Tokenizer.load(corpus / "tokenizer.json")
    length = config.task_training.max_length[task]  # type: ignore[index]
    limits = {"train": config.data.limits.train, "val": config.data.limits.dev}
    counts: dict[str, int] = {}
    with atomic_folder(out) as temporary:
        for split in SPLITS:
            raw = load_task(task, manifest_path.parent / manifest["superglue"][task][split], split)
            examples = limit(encode_task(task, raw, tokenizer, length, split), limits[split])
            save_examples(temporary, split, examples)
            counts[split] = len(examples)
        summarise(temporary, counts, manifest)


def _tokenizer(config: Config, vocab_txt: str | None, corpus: Sequence[Path]) -> Tokenizer:
    if vocab_txt is not None:
        return Tokenizer.from_vocab(vocab_txt)
    return Tokenizer.train(read_documents(corpus), config.data.vocabulary.size)
