"""The pocket world as a whole: determinism, corpus, vocabulary."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from pocket_worlds import generate_world

from retort.data.pocket.lexicon import CLASS_TABLE, FUNCTION_WORDS, make_lexicon
from retort.data.pocket.tasks import BUILDERS
from retort.data.pocket.world import generate_corpus, generate_task
from retort.errors import InputError
from retort.files import read_json, sha256_of

TOKEN = re.compile(r"\w+|[^\w\s]")
SIZES = {"documents": 60_000, "train_size": 240, "dev_size": 300}


@pytest.fixture(scope="module", params=[1, 2])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("pocket") / "world"
    generate_world(request.param, out, **SIZES)
    return out


def corpus_tokens(world: Path) -> list[list[str]]:
    lines = (world / "corpus" / "world.txt").read_text(encoding="utf-8").split("\n")
    assert lines.pop() == ""
    return [TOKEN.findall(line) for line in lines]


def digests(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): sha256_of(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def test_same_seed_gives_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from pocket_worlds import generate_world;"
        "generate_world(5, pathlib.Path(sys.argv[1]), documents=400, train_size=20, dev_size=20)"
    )
    for hash_seed in ("0", "77"):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        subprocess.run([sys.executable, "-c", code, str(tmp_path / hash_seed)], check=True, env=environment)
    first, second = digests(tmp_path / "0"), digests(tmp_path / "77")
    assert first == second
    expected = {f"superglue/{task}/{name}.jsonl" for task in BUILDERS for name in ("train", "val")}
    assert set(first) == expected | {"corpus/world.txt", "lexicon.json", "vocab.txt"}


def test_another_seed_gives_another_world_and_sizes_do_not_disturb_other_parts(tmp_path: Path) -> None:
    small = {"train_size": 20, "dev_size": 20}
    generate_world(5, tmp_path / "a", documents=100, **small)
    generate_world(6, tmp_path / "b", documents=100, **small)
    generate_world(5, tmp_path / "c", documents=200, **small)
    a, b, c = (digests(tmp_path / name) for name in "abc")
    assert all(a[name] != b[name] for name in a)
    assert {name for name in a if a[name] != c[name]} == {"corpus/world.txt"}


@pytest.mark.parametrize(
    "generate",
    [
        lambda out: generate_corpus(1, out, documents=0),
        lambda out: generate_task(1, out, "RTE", train_size=0, dev_size=10),
        lambda out: generate_task(1, out, "RTE", train_size=10, dev_size=0),
    ],
)
def test_empty_parts_are_refused(generate: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one"):
        generate(tmp_path)


def test_lexicon_has_the_promised_classes_and_no_word_twice() -> None:
    lexicon = make_lexicon(3)
    words = [word for _, _, group in lexicon.groups() for word in group]
    assert len(words) == len(set(words)) and not set(words) & set(FUNCTION_WORDS)
    assert all(re.fullmatch(r"([^aeiou][aeiou]){2,3}", word) for word in words)
    for name, (groups, rare) in CLASS_TABLE.items():
        assert [len(group) for group in lexicon.classes[name]] == [1 + rare] * groups
    table = lexicon.table()
    assert sum(bool(row["head"]) for row in table.values()) == len({row["group"] for row in table.values()})


def test_vocabulary_size_and_word_list(world: Path) -> None:
    table = read_json(world / "lexicon.json")
    vocabulary = (world / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    assert vocabulary[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert sorted(vocabulary[5:]) == sorted(table) and len(set(vocabulary)) == len(vocabulary)
    assert 650 <= len(vocabulary) + 2 <= 780  # with the two piece tokens a GLM adds


def test_corpus_documents_are_short_and_lower_case(world: Path) -> None:
    documents = corpus_tokens(world)
    assert len(documents) == SIZES["documents"]
    text = (world / "corpus" / "world.txt").read_text(encoding="utf-8")
    assert text == text.lower() and "  " not in text
    lengths = [len(tokens) for tokens in documents]
    assert 13.5 < sum(lengths) / len(lengths) < 16
    assert min(lengths) >= 4 and max(lengths) <= 40


def test_corpus_and_lexicon_hold_the_same_words(world: Path) -> None:
    table = read_json(world / "lexicon.json")
    assert {token for tokens in corpus_tokens(world) for token in tokens} == set(table)


def test_every_word_of_the_tasks_is_a_word_of_the_world(world: Path) -> None:
    table = read_json(world / "lexicon.json")
    layout = {
        "cause",
        "effect",
        "entailment",
        "contradiction",
        "neutral",
        "not_entailment",
        "pocket",
        "placeholder",
    }
    for path in world.glob("superglue/*/*.jsonl"):
        strings = re.findall(r': "([^"]*)"', path.read_text(encoding="utf-8"))
        words = {token for text in strings for token in TOKEN.findall(text)}
        assert strings and words - set(table) - layout <= {"@"}


def test_every_head_survives_halving_the_vocabulary(world: Path) -> None:
    table = read_json(world / "lexicon.json")
    counts = Counter(token for tokens in corpus_tokens(world) for token in tokens)
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    kept = set(ranked[: len(ranked) // 2 - 7])  # the seven special tokens take places, too
    assert [word for word in table if table[word]["head"] and word not in kept] == []
    rare = [word for word in table if not table[word]["head"]]
    assert sum(word not in kept for word in rare) > 0.7 * len(rare)
