"""Sizes of the ATKD paper's families: exactly as published, built on the meta device."""

import csv

import pytest

pytest.importorskip("transformers")

from retort.models.hf.building import count_parameters  # noqa: E402
from retort.recipes.atkd_models import MODELS  # noqa: E402

KINDS = {"OPT": "opt", "Pythia": "gpt_neox", "LLaMA": "llama"}


@pytest.fixture(scope="module")
def rows(root):
    with (root / "resources/paper/atkd/model_sizes.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_table_lists_the_same_models(rows):
    assert len(rows) == len(MODELS)
    for row, model in zip(rows, MODELS, strict=True):
        size = model.architecture
        listed = {
            "name": size.name, "width": size.width, "layers": size.decoder_layers, "ffn": size.inner,
            "heads": size.heads, "word_width": size.word_width or size.width, "vocab": model.vocabulary.size,
            "role": model.role,
        }  # fmt: skip
        assert {key: row[key] for key in listed} == {key: str(value) for key, value in listed.items()}
        assert size.kind == KINDS[row["family"]] and size.encoder_layers == 0


@pytest.mark.parametrize("number", range(len(MODELS)), ids=lambda i: MODELS[i].architecture.name)
def test_parameters_are_the_published_ones(rows, number):
    model = MODELS[number]
    assert count_parameters(model.architecture, model.vocabulary) == int(rows[number]["params"])


def test_each_family_has_a_student_and_a_teacher_of_its_vocabulary():
    for family in KINDS:
        roles = {m.role: m for m in MODELS if m.architecture.name.startswith(family)}
        assert roles["student"].vocabulary == roles["teacher"].vocabulary
