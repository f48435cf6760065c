"""From folders and the hub to encoded instructions: checked whole, the same each time."""

from __future__ import annotations

import json

import datasets
import pytest

from retort.data.corpus import EncodedCorpus
from retort.data.instruction_encoding import PromptTexts, encode_prompt_sets, encode_prompt_words
from retort.data.instruction_sources import (
    InstructionContents,
    fetch_instructions,
    open_instructions,
    read_texts,
)
from retort.data.instructions.formats import file_of, read_instructions
from retort.data.instructions.sets import TRAINING
from retort.data.layouts import layout_of
from retort.data.pocket.instructions import PocketInstructions, generate_instructions
from retort.data.prompt_examples import PromptFrame, load_prompts
from retort.data.sources import HubCorpus
from retort.data.text_prepare import Words
from retort.data.text_tokenizer import TextTokenizer
from retort.errors import InputError

SETS = ("alpaca_gpt4", "dolly", "mmlu")
PLAIN, HEADERS = PromptFrame("plain", 40, 64), PromptFrame("headers", 48, 72)
FRAMES = {"alpaca_gpt4": PLAIN, "dolly": HEADERS, "mmlu": HEADERS}
LLAMA = Words("llama", (), 1500)


def encode(manifest, out, words, frames, most=None, corpus=None):
    """The words, and the sets."""
    training = {name: manifest for name in frames if name in TRAINING}
    encode_prompt_words(corpus or manifest, training, frames, out / "words", words)
    settings = PromptTexts(words.family, frames, most, most)
    encode_prompt_sets(dict.fromkeys(frames, manifest), out / "words", out / "sets", settings)


def load(out, name):
    return load_prompts(out / "sets", name)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("instructions")
    generate_instructions(1, folder / "world", PocketInstructions(60, 80, 20), SETS)
    open_instructions(folder / "world", folder, InstructionContents(SETS))
    return folder


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_all_of_it_is_encoded(raw, tmp_path):
    encode(raw / "manifest.json", tmp_path, LLAMA, FRAMES)
    summary = json.loads((tmp_path / "words" / "summary.json").read_text())
    tokenizer = TextTokenizer.load(tmp_path / "words" / "tokenizer.json")
    corpus = EncodedCorpus.open(tmp_path / "words" / "corpus" / "en")
    assert (summary["vocabulary"], summary["documents"]) == (tokenizer.size, 60)
    assert summary["tokens"] == corpus.total_tokens and len(summary["sha256"]) == 4
    documents = list(read_texts([raw / "world" / "corpus" / "world.jsonl"]))
    assert [tokenizer.text(corpus.document(n)) for n in range(60)] == documents
    assert any("\n\n" in document for document in documents)
    unknown = tokenizer.id_of("<unk>")
    counts = json.loads((tmp_path / "sets" / "summary.json").read_text())
    for name in SETS:
        told = read_instructions(name, file_of(name, raw / "world"))
        found = load(tmp_path, name)
        assert counts["sets"][name] == len(found) == len(told)
        assert [e.key for e in found] == [item.key for item in told]
        for example, item in zip(found, told, strict=True):
            assert tokenizer.text(example.response) == item.responses[0]
            assert unknown not in example.prompt and len(example.prompt) <= FRAMES[name].max_prompt
    assert "### Instruction:" in tokenizer.text(load(tmp_path, "dolly")[0].prompt)
    assert "#" not in tokenizer.text(load(tmp_path, "alpaca_gpt4")[0].prompt)


def test_words_of_evaluation_sets_alone_are_not_in_the_vocabulary(raw, tmp_path):
    world = tmp_path / "world"
    generate_instructions(1, world, PocketInstructions(60, 80, 20), SETS)
    path = file_of("dolly", world)
    path.write_text(path.read_text().replace('"instruction": "', '"instruction": "quixotic '))
    open_instructions(world, tmp_path, InstructionContents(SETS))
    encode(tmp_path / "manifest.json", tmp_path / "one", LLAMA, FRAMES)
    encode(raw / "manifest.json", tmp_path / "two", LLAMA, FRAMES)
    one, two = (tmp_path / name / "words" / "tokenizer.json" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_limits_and_bytes(raw, tmp_path):
    words, frames = Words("opt", (), 1500, (), 9), {"alpaca_gpt4": PLAIN, "dolly": PLAIN}
    for name in ("a", "b"):
        encode(raw / "manifest.json", tmp_path / name, words, frames, 7)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    summary = json.loads((tmp_path / "a" / "words" / "summary.json").read_text())
    assert summary["documents"] == 9 and [len(load(tmp_path / "a", name)) for name in frames] == [7, 7]
    layout = layout_of("opt", TextTokenizer.load(tmp_path / "a" / "words" / "tokenizer.json"))
    (first, *_) = load(tmp_path / "a", "dolly")
    assert first.prompt[0] == first.response[-1] == layout.end


def test_tokenizer_files_are_read(raw, tmp_path):
    encode(raw / "manifest.json", tmp_path / "trained", LLAMA, FRAMES)
    engine = json.loads((tmp_path / "trained" / "words" / "tokenizer.json").read_text())["engine"]
    (tmp_path / "tokenizer.json").write_text(engine)
    encode(
        raw / "manifest.json", tmp_path / "read", Words("llama", (tmp_path / "tokenizer.json",), 0), FRAMES
    )
    assert contents(tmp_path / "trained") == contents(tmp_path / "read")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "instructions/dolly.jsonl").unlink(), "dolly.jsonl: cannot be read"),
        (
            lambda root: (root / "instructions/mmlu.jsonl").write_text("{}\n"),
            "mmlu.jsonl:1: field 'header' is",
        ),
        (
            lambda root: (root / "corpus/world.jsonl").write_text('{"text": 3}\n'),
            "world.jsonl:1: field 'text'",
        ),
        (
            lambda root: (root / "corpus/world.jsonl").write_text('{"text": " "}\n'),
            "world.jsonl: holds no doc",
        ),
        (lambda root: (root / "corpus/world.jsonl").unlink(), "corpus: holds no .txt or .jsonl file; put"),
    ],
)
def test_damaged_folders_are_named_and_nothing_is_written(damage, message, tmp_path):
    generate_instructions(1, tmp_path / "world", PocketInstructions(9, 9, 9), SETS)
    damage(tmp_path / "world")
    with pytest.raises(InputError, match=message):
        open_instructions(tmp_path / "world", tmp_path / "out", InstructionContents(SETS))
    assert not (tmp_path / "out").exists()


def test_the_hub_ends_as_a_folder(monkeypatch, tmp_path):
    def rows(split, count):
        base = {"question": f"{split}?", "choices": ["a", "b", "c", "d"], "answer": 1, "subject": "law"}
        return [base] * count

    store = {
        ("vicgalle/alpaca-gpt4", None, "train"): [
            {"instruction": "i", "input": "", "output": "o", "text": "t"}
        ],
        ("cais/mmlu", "all", "dev"): rows("dev", 5),
        ("cais/mmlu", "all", "test"): rows("test", 2),
        ("some/corpus", None, "train"): [{"text": "A\ndocument."}],
    }

    def load_dataset(name, config, split, revision):
        if (name, config, split) not in store:
            raise FileNotFoundError(f"no {name}")
        return datasets.Dataset.from_list(store[name, config, split])

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    contents = InstructionContents(("alpaca_gpt4", "mmlu"))
    manifest = fetch_instructions(tmp_path, contents, [HubCorpus("some/corpus")])
    assert manifest == open_instructions(tmp_path / "official", tmp_path / "again", contents)
    (first, _) = read_instructions("mmlu", file_of("mmlu", tmp_path / "official"))
    assert first.input == "test?\nA. a\nB. b\nC. c\nD. d" and first.shots[0][0].startswith("dev?")
    assert list(read_texts(manifest["corpus"])) == ["A document."]
    with pytest.raises(InputError, match="set koala: the hub has no repository of plain files for it"):
        fetch_instructions(tmp_path / "no", InstructionContents(("koala",)))
    with pytest.raises(InputError, match="hub repository ucinlp/drop, split validation: no ucinlp/drop"):
        fetch_instructions(tmp_path / "no", InstructionContents(("drop",)))


@pytest.mark.real_data
def test_a_real_folder(raw, real_data, tmp_path):
    sets = ("seed_tasks", "dolly", "gsm8k")
    open_instructions(real_data, tmp_path, InstructionContents(sets, corpus=False))
    frames = dict.fromkeys(sets, PromptFrame("headers", 256, 512))
    words = Words("opt", (), 6000)
    encode(tmp_path / "manifest.json", tmp_path, words, frames, 100, raw / "manifest.json")
    tokenizer = TextTokenizer.load(tmp_path / "words" / "tokenizer.json")
    for name in sets:
        found = load(tmp_path, name)
        assert len(found) == 100
        assert all(len(e.prompt) <= 256 and len(e) <= 512 for e in found)
        assert all(tokenizer.text(e.prompt).endswith("Assistant:") for e in found)
