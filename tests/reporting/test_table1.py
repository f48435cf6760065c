"""Table 1 against what the papers and the authors' code say that each method learns from."""

import json

import pytest

from retort.config import load
from retort.distill.distances import MSE
from retort.distill.layermaps import Joint, Last, Uniform
from retort.distill.objective import match
from retort.recipes import finetune
from retort.recipes.outline import Part
from retort.reporting.results import Results
from retort.reporting.table1 import FEATURES, features, table1


@pytest.fixture(scope="module")
def table(shared_root, tmp_path_factory):
    """Of all methods: those of scale smoke."""
    root = tmp_path_factory.mktemp("smoke")
    (root / "config.json").write_text(load("smoke").model_dump_json())
    return table1(Results(root))


def marks(table, method):
    """(feature, mark) by phase."""
    (line,) = (line for line in table.lines if line.cells[0].text == method)
    texts = [cell.text for cell in line.cells[1:]]
    half = len(FEATURES)
    return [
        {name: text for name, text in zip(FEATURES, part, strict=True) if text}
        for part in (texts[:half], texts[half:])
    ]


BY_HAND = {
    "KD": ({}, {"logits": "•", "hard_labels": "•"}),
    "PD": ({"hard_labels": "•"}, {"logits": "•"}),
    "PKD": ({}, {"hidden_states": "•", "logits": "•", "hard_labels": "•"}),
    "DistilBERT": ({"hidden_states": "•", "logits": "•", "hard_labels": "•"}, {"hard_labels": "•"}),
    "Theseus": ({}, {"hard_labels": "•"}),
    "TinyBERT": (
        {"embeddings": "•", "attention": "•", "hidden_states": "•"},
        {"embeddings": "2", "attention": "2", "hidden_states": "2", "logits": "3"},
    ),
    "MiniLM": ({"attention": "•", "qkv_relations": "•"}, {"hard_labels": "•"}),
    "MiniLMv2": ({"qkv_relations": "•"}, {"hard_labels": "•"}),
    "MobileBERT": (
        {"embeddings": "•", "attention": "•", "hidden_states": "•", "hard_labels": "•"},
        {"hard_labels": "•"},
    ),
    "LRC-BERT": ({"hard_labels": "•"}, {"hidden_states": "•", "logits": "3", "hard_labels": "3"}),
    "CKD": (
        {"hard_labels": "•"},
        {"embeddings": "•", "hidden_states": "•", "logits": "•", "hard_labels": "•"},
    ),
    "RAIL-KD": (
        {"attention": "≠", "hidden_states": "=", "qkv_relations": "≠", "logits": "=", "hard_labels": "="},
        {"hidden_states": "•", "logits": "•", "hard_labels": "•"},
    ),
    "GLMD": ({"logits": "•"}, {"logits": "•"}),
    "TAKD": ({}, {"logits": "•", "hard_labels": "•"}),
}


@pytest.mark.parametrize("method", BY_HAND)
def test_marks_are_those_made_by_hand(table, method):
    assert marks(table, method) == list(BY_HAND[method])


def test_rows_are_the_configured_methods_in_the_papers_order(table, shared_root):
    names = [line.cells[0].text for line in table.lines]
    assert names[:4] == ["KD", "PD", "PKD", "DistilBERT"] and names[-1] == "GLMD+al" and len(names) == 30
    assert [name for name, _ in table.grouped()] == [
        "Single teacher",
        "Multi teacher",
        "Teacher assistant",
        "Vocab compression",
    ]
    few = table1(Results(shared_root))
    assert [line.cells[0].text for line in few.lines] == ["KD", "PD", "TinyBERT", "GLMD-vc", "GLMD"]


def test_a_users_own_method_comes_last(monkeypatch, shared_root):
    from retort.recipes import Method
    from retort.recipes.glmd import GLMD, KD
    from retort.reporting import recipes

    own = Method("Mine", (finetune(match("hidden", Uniform(), MSE())),), "Me (2030).")
    monkeypatch.setattr(recipes, "chosen_methods", lambda config, own_ones: (own, GLMD, KD))
    table = table1(Results(shared_root))
    assert [(line.cells[0].text, line.group) for line in table.lines] == [
        ("KD", "Single teacher"),
        ("GLMD", "Single teacher"),
        ("Mine", "Not in the paper"),
    ]
    assert marks(table, "Mine") == [{}, {"hidden_states": "•"}]


def test_the_data_have_a_row_a_stage(table):
    data = table.data.set_index(["method", "stage"])
    assert data.loc[("TinyBERT", "Stage 3"), list(FEATURES)].tolist() == [0, 0, 0, 0, 1, 0]
    assert data.loc[("RAIL-KD", "Stage 1"), "widths"].tolist() == ["equal", "unequal"]
    assert set(data["section"]) == {
        "single_teacher",
        "multi_teacher",
        "teacher_assistant",
        "vocab_compression",
    }


def test_layer_zero_alone_is_the_embeddings():
    def of(layers):
        part = Part("Stage 1", finetune(match("hidden", layers, MSE())), "random", "", "one", "", None)
        return features(part)

    assert of(Uniform(embedding=True, stop=1)) == {"embeddings"}
    assert of(Joint(Uniform(embedding=True))) == {"embeddings", "hidden_states"}
    assert of(Last()) == {"hidden_states"}


def test_the_note_says_that_the_papers_marks_are_not_compared(table):
    assert "the paper's marks are not compared" in table.notes[0]


def test_a_configuration_with_an_unknown_method_is_refused(tmp_path):
    from retort.errors import InputError

    config = json.loads(load("smoke").model_dump_json()) | {"methods": ["KD", "Nonsense"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="Nonsense"):
        table1(Results(tmp_path))
