"""Each paper's data have one kind, whose functions know nothing of the other kinds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from retort.config import load
from retort.data.parts import KINDS, encoder_of, files_of, provide, provider_of
from retort.errors import InputError
from retort.files import read_json
from retort.fingerprint import OBSERVERS, CodeGraph, root_of
from retort.papers import PAPERS
from retort.plan import Plan
from retort.texts import CORPUS

ENCODERS = {
    ("glmd", "words"): "retort.data.prepare:encode_text",
    ("glmd", "examples"): "retort.data.prepare:encode_examples",
    ("cka", "words"): "retort.data.text_prepare:encode_words",
    ("cka", "examples"): "retort.data.text_prepare:encode_task_texts",
    ("atkd", "words"): "retort.data.instruction_encoding:encode_prompt_words",
    ("atkd", "examples"): "retort.data.instruction_encoding:encode_prompt_sets",
}


@pytest.fixture(scope="module")
def graph(root):
    return CodeGraph(root / "src" / "retort", "retort", OBSERVERS)


@pytest.fixture(scope="module")
def plan():
    return Plan(load("smoke"))


def test_every_paper_has_a_kind_of_data(plan):
    assert KINDS.keys() == PAPERS.keys()
    for kind in KINDS.values():
        assert kind.corpus.keys() == kind.sets.keys() == {"pocket", "folder", "hub"}
    for part in plan.parts:
        assert callable(encoder_of(plan, part))
    for part in plan.data:
        assert callable(provider_of(plan.config, part))


@pytest.mark.parametrize(("paper", "role"), ENCODERS)
def test_the_code_of_an_encoded_part_is_that_of_its_kind(graph, paper, role):
    reached = {f"{module}:{name}" for module, name in graph.closure(root_of(getattr(KINDS[paper], role)))}
    assert reached & set(ENCODERS.values()) == {ENCODERS[paper, role]}
    assert not any(node.startswith(("retort.data.parts:", "retort.texts:")) for node in reached)


@pytest.mark.parametrize("paper", KINDS)
@pytest.mark.parametrize("source", ["pocket", "folder", "hub"])
def test_the_code_of_raw_data_is_that_of_its_source(graph, paper, source):
    generated = {
        module
        for providers in (KINDS[paper].corpus, KINDS[paper].sets)
        for module, _ in graph.closure(root_of(providers[source]))
        if module.startswith("retort.data.pocket")
    }
    assert bool(generated) == (source == "pocket")


def given(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x\n")


@pytest.mark.parametrize(
    ("part", "named"),
    [
        (CORPUS, ["corpus/a.txt", "corpus/b.txt", "vocab.txt"]),
        ("RTE", ["superglue/RTE/train.jsonl"]),
        ("cka-corpus", ["corpus/a.txt", "corpus/b.txt", "multilingual/ro.txt"]),
        ("cka-XSum", ["summarization_xsum/train.jsonl"]),
        ("atkd-corpus", ["corpus/a.txt", "corpus/b.txt", "corpus/c.jsonl"]),
        ("atkd-dolly", ["instructions/dolly.jsonl"]),
    ],
)
def test_files_of_a_part_are_those_that_are_there_and_its_own(tmp_path, part, named):
    every = ["corpus/b.txt", "corpus/a.txt", "corpus/c.jsonl", "vocab.txt", "superglue/RTE/train.jsonl"]
    every += ["superglue/CB/train.jsonl", "multilingual/ro.txt", "summarization_xsum/train.jsonl"]
    given(tmp_path, *every, "instructions/dolly.jsonl")
    data = {"source": "folder", "vocabulary": {"vocab_txt": "vocab.txt"}}
    config = load("smoke", {"data_root": str(tmp_path), "data": data})
    assert sorted(path.relative_to(tmp_path).as_posix() for path in files_of(config, part)) == sorted(named)
    assert files_of(load("smoke"), part) == []


KOALA = {"idx": 0, "instruction": "say b", "input": "", "output": "b", "prompt": "say b"}


def test_what_the_hub_does_not_have_comes_from_the_folder(tmp_path):
    """The sets that the ATKD paper judges by are in nobody's repository of plain files."""
    (tmp_path / "instructions").mkdir()
    (tmp_path / "instructions" / "koala.jsonl").write_text(json.dumps(KOALA) + "\n")
    alone, beside = load("paper"), load("paper", {"data_root": str(tmp_path)})
    with pytest.raises(InputError, match=r"data_root: is null, but the hub has no plain files of koala; .*"):
        provide(alone, "atkd-koala", tmp_path / "out")
    provide(beside, "atkd-koala", tmp_path / "out")
    manifest = read_json(tmp_path / "out" / "manifest.json")
    assert manifest["instructions"] == {"koala": str(tmp_path / "instructions" / "koala.jsonl")}
    assert files_of(beside, "atkd-koala") == [tmp_path / "instructions" / "koala.jsonl"]
    assert files_of(beside, "atkd-mmlu") == [] and provider_of(beside, "atkd-mmlu").__name__.startswith("hub")
    changed = {part for part, name in Plan(alone).data.items() if Plan(beside).data[part] != name}
    assert changed == {f"atkd-{name}" for name in ("dolly", "self_inst", "vicuna", "koala", "wizardlm")}


def test_a_folder_that_nothing_is_read_from_is_refused(tmp_path):
    with pytest.raises(InputError, match="data_root: is given, but data.source is 'hub', which reads no"):
        load("paper", {"data_root": str(tmp_path), "papers": ["glmd", "cka"]})
