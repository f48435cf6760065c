"""What a user can get wrong: one line with the place and the remedy, exit code 2, nothing half-written."""

from __future__ import annotations

import json
import runpy
import sys

import pytest

from retort.config import load
from retort.config.model import as_text
from retort.files import write_lines
from retort.plan import Plan


class Folder:
    """A data folder in the official layouts with two tasks, and a configuration that reads it."""

    def __init__(self, root, path):
        self.root, self.path, self.results = root, path, path / "results"
        for split in ("train", "val"):
            self.write("RTE", split, [rte(0, "entailment"), rte(1, "not_entailment")])
            self.write("WiC", split, [wic(0, True), wic(1, False)])
        self.corpus = path / "data" / "corpus" / "a.txt"
        write_lines(
            self.corpus, ["yes no a cat sat on the mat . is it true ? it is", "dogs bark at cats"] * 20
        )

    def write(self, task, split, lines):
        path = self.path / "data" / "superglue" / task / f"{split}.jsonl"
        write_lines(path, [line if isinstance(line, str) else json.dumps(line) for line in lines])
        return path

    def plan(self, **changes):
        overrides = {
            "tasks": ["RTE", "WiC"],
            "methods": ["PD"],
            "seeds": [1],
            "data_root": str(self.path / "data"),
            "data": {"source": "folder", "vocabulary": {"size": 120}},
        }
        return Plan(load("smoke", overrides | changes), self.results)

    def script(self, name, plan, *arguments):
        """Run a script in this process, as its own would."""
        config = self.path / "config.json"
        config.write_text(as_text(plan.config))
        return self.call(name, "--config", str(config), "--results", str(self.results), *arguments)

    def call(self, name, *arguments):
        path = self.root / "scripts" / f"{name}.py"
        before = sys.argv
        sys.argv = [str(path), *arguments]
        try:
            runpy.run_path(str(path), run_name="__main__")
        except SystemExit as end:
            return end.code
        finally:
            sys.argv = before
        return 0

    def made(self):
        """Everything below results, files of an interrupted writer included."""
        return sorted(
            str(path.relative_to(self.results)) for path in self.results.rglob("*") if path.is_file()
        )


def rte(idx, label):
    return {"premise": "a cat sat", "hypothesis": "it is true", "label": label, "idx": idx}


def wic(idx, label):
    text = "a cat sat on the mat ."
    return {
        "word": "cat", "sentence1": text, "sentence2": text, "idx": idx, "label": label,
        "start1": 2, "end1": 5, "start2": 2, "end2": 5, "version": 1.1,
    }  # fmt: skip


@pytest.fixture
def folder(root, tmp_path):
    return Folder(root, tmp_path)


@pytest.fixture
def refused(folder, capsys):
    """Assert that a script refuses its input with one line that holds all the words."""

    def check(name, plan, *words, arguments=()):
        before = folder.made()
        capsys.readouterr()
        code = folder.script(name, plan, *arguments)
        error = capsys.readouterr().err
        assert code == 2, error
        (line,) = error.splitlines()
        assert line.startswith("error: ")
        for word in words:
            assert word in line
        assert folder.made() == before

    return check


def encoded(folder, plan):
    """Prepare and encode a sound folder."""
    assert folder.script("prepare_data", plan) == 0
    assert folder.script("encode_text", plan) == 0


def test_a_sound_folder_is_taken(folder):
    plan = folder.plan()
    encoded(folder, plan)
    for name in plan.text.values():
        assert plan.layout.text(name).joinpath("summary.json").is_file()


def test_a_missing_data_folder(folder, refused):
    plan = folder.plan(data_root=str(folder.path / "nowhere"))
    refused(
        "prepare_data", plan, "data_root: ", "nowhere is not a folder; name one with superglue/ and corpus/"
    )


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ('{"premise": "a", ', ("train.jsonl:2", "JSON")),
        (rte(1, "perhaps"), ("train.jsonl:2", "label", "perhaps")),
        (
            {k: v for k, v in rte(1, "entailment").items() if k != "hypothesis"},
            ("train.jsonl:2", "hypothesis"),
        ),
        (rte(1, "entailment") | {"premise": 7}, ("train.jsonl:2", "premise")),
        (rte(0, "entailment"), ("train.jsonl:2", "idx")),
    ],
    ids=["no JSON", "label outside the set", "field missing", "field of the wrong type", "index twice"],
)
def test_a_malformed_line(folder, refused, bad, words):
    path = folder.write("RTE", "train", [rte(0, "entailment"), bad])
    refused("prepare_data", folder.plan(), str(path), *words, arguments=("--part", "RTE"))


def test_a_missing_file_of_a_task(folder, refused):
    (folder.path / "data" / "superglue" / "WiC" / "val.jsonl").unlink()
    words = "WiC/val.jsonl: cannot be read (No such file or directory)"
    refused("prepare_data", folder.plan(), words, arguments=("--part", "WiC"))


def test_an_unknown_part_of_the_data(folder, refused):
    words = "--part: no 'CB' in this plan; there are corpus, RTE, WiC"
    refused("prepare_data", folder.plan(), words, arguments=("--part", "CB"))


@pytest.mark.parametrize("lines", [[], ["", "   "]])
def test_an_empty_corpus(folder, refused, lines):
    write_lines(folder.corpus, lines)
    refused("prepare_data", folder.plan(), "a.txt", "holds no document")


def test_a_folder_without_corpus(folder, refused):
    folder.corpus.unlink()
    refused("prepare_data", folder.plan(), "corpus", "holds no .txt file")


def test_a_vocabulary_that_is_not_there(folder, refused):
    vocabulary = {"vocab_txt": "vocab.txt"}
    plan = folder.plan(data={"source": "folder", "vocabulary": vocabulary})
    refused("prepare_data", plan, "data.vocabulary.vocab_txt", "vocab.txt is not a file")


def test_a_vocabulary_without_the_answer_words(folder, refused):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cat", "no"]
    write_lines(folder.path / "data" / "vocab.txt", words)
    plan = folder.plan(data={"source": "folder", "vocabulary": {"vocab_txt": "vocab.txt"}})
    assert folder.script("prepare_data", plan) == 0
    assert folder.script("encode_text", plan, "--part", "corpus") == 0
    words = "answer word 'yes' is not in the vocabulary; add it there"
    refused("encode_text", plan, words, arguments=("--part", "RTE"))


def test_a_sequence_that_cannot_be_shortened(folder, refused):
    plan = folder.plan(task_training={"max_length": 6})
    assert folder.script("prepare_data", plan) == 0
    assert folder.script("encode_text", plan, "--part", "corpus") == 0
    words = (".jsonl:1", "even after shortening, more than max_length 6; raise max_length")
    refused("encode_text", plan, *words, arguments=("--part", "RTE"))


def test_an_unknown_stage(folder, refused):
    plan = folder.plan()
    refused("pretrain", plan, "stage 'S1.pre.x' is not in this plan", arguments=("--stage", "S1.pre.x"))


def test_a_step_before_the_one_it_needs(folder, refused):
    plan = folder.plan()
    name = plan.pretrained("T1").id
    refused("pretrain", plan, "no such file; run the step that writes it first", arguments=("--stage", name))
    refused("collect_scores", plan, "no such file; run the step that writes it first")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tensors: tensors.popitem(), ("lacks 1 key(s)",)),
        (lambda tensors: tensors.update(extra=tensors["word_embeddings.weight"][:1]), ("surplus", "'extra'")),
        (
            lambda tensors: tensors.update({"word_embeddings.weight": tensors["word_embeddings.weight"][:8]}),
            ("'word_embeddings.weight' has shape (8, 32)", "check width, vocabulary and positions"),
        ),
    ],
    ids=["a key missing", "a key too many", "another vocabulary"],
)
def test_a_checkpoint_that_does_not_fit(folder, refused, change, words):
    from retort.models.checkpoint import save_tensors
    from retort.models.glm import GLM
    from retort.training.setup import glm_config, vocabulary_rows

    plan = folder.plan(import_teacher={"T1": str(folder.path / "given")})
    encoded(folder, plan)
    stage = plan.pretrained("T1")
    tensors = GLM(
        glm_config(stage.architecture, vocabulary_rows(plan.layout.text(plan.text["corpus"])))
    ).state_dict()
    change(tensors)
    save_tensors(folder.path / "given" / "model.safetensors", {n: t.clone() for n, t in tensors.items()})
    refused("pretrain", plan, "given/model.safetensors: ", *words, arguments=("--stage", stage.id))


def test_an_import_that_is_not_there(folder, refused):
    plan = folder.plan(import_teacher={"T1": str(folder.path / "given")})
    encoded(folder, plan)
    name = plan.pretrained("T1").id
    refused("pretrain", plan, "given: no model.safetensors", arguments=("--stage", name))


CONFIGURATIONS = [
    ("mehtods=[KD]", "mehtods: unknown key; did you mean 'methods'?"),
    ("seeds=[one]", 'seeds[0]: given "one", expected a whole number'),
    ("pretraining={max_length: 97}", "97 tokens, but models.T1 has 96 positions; lower it"),
    ("methods=[KDD]", "methods: no recipe for 'KDD'; there are KD, PD"),
    ("pairs=[T1-S9]", "pairs: 'T1-S9' names 'S9'; valid: T1, T2, A1, A2, S1, S2, T_MB, S_MB (see models)"),
    ("quirks={soft-loss: fixed}", "quirks.soft-loss: no such quirk; use one of"),
    ("data={source: folder}", "data_root: is missing, but data.source is 'folder'"),
]


@pytest.mark.workflow
@pytest.mark.parametrize(("value", "words"), CONFIGURATIONS, ids=lambda text: text[:24])
def test_a_configuration_that_does_not_hold_stops_snakemake(tree, value, words):
    ended = tree.snakemake(value, "--dry-run")
    assert ended.returncode == 2
    (line,) = (line for line in ended.stderr.splitlines() if line.startswith("error: "))
    assert words in line
    assert "Traceback" not in ended.stderr and not (tree.folder / "results").exists()


@pytest.mark.workflow
def test_missing_data_stop_snakemake_with_the_step_s_own_line(tree):
    ended = tree.snakemake("data_root=nowhere", "data={source: folder}")
    printed = ended.stdout + ended.stderr
    assert ended.returncode != 0 and "Traceback" not in printed
    assert "error: data_root: nowhere is not a folder; name one with superglue/ and corpus/ in it" in printed
    assert "mend the cause and run the same command again" in printed
    assert not list(tree.results.rglob("manifest.json"))
