"""Writing a pocket world to disk: task sets, corpus, lexicon and word list.

A seed decides every byte. Each part has its own stream: more documents leave the tasks as they are.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from retort.data.pocket.corpus import corpus_documents
from retort.data.pocket.lexicon import make_lexicon
from retort.data.pocket.tasks import task_set
from retort.files import write_json, write_lines

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def generate_task(seed: int, out: Path, task: str, *, train_size: int, dev_size: int) -> None:
    """Write ``superglue/<task>/{train,val}.jsonl`` of the world of ``seed``, in the official layout.

    Args:
        seed: of the world.
        out: target folder.
        task: its name.
        train_size: training records (MultiRC: half as many questions, of three answers each).
        dev_size: the same for validation.

    Raises:
        InputError: a size is not positive.
    """
    lexicon = make_lexicon(seed)
    for name, size in (("train", train_size), ("val", dev_size)):
        rng = random.Random(f"pocket {task} {name} {seed}")
        wanted = (size + 1) // 2 if task == "MultiRC" else size
        records = task_set(task, lexicon, rng, wanted, train=name == "train")
        write_lines(out / "superglue" / task / f"{name}.jsonl", [json.dumps(r) for r in records])


def generate_corpus(seed: int, out: Path, *, documents: int) -> None:
    """Write what all tasks of the world of ``seed`` share.

    Files: ``corpus/world.txt``, one document per line; ``lexicon.json`` (word -> class, synonym group, head
    flag); ``vocab.txt``, a BERT vocabulary in which every word of the world is one token.

    Args:
        seed: of the world.
        out: target folder.
        documents: corpus size; from about 20,000 on every word occurs in it.

    Raises:
        InputError: the size is not positive.
    """
    lexicon = make_lexicon(seed)
    rng = random.Random(f"pocket corpus {seed}")
    write_lines(out / "corpus" / "world.txt", corpus_documents(lexicon, rng, documents))
    table = lexicon.table()
    write_json(out / "lexicon.json", table)
    write_lines(out / "vocab.txt", [*SPECIAL_TOKENS, *table])
