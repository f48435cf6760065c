"""Sizes of the CKA paper's models: exactly those of the table, built on the meta device."""

import csv
import re

import pytest

pytest.importorskip("transformers")

from retort.models.hf.building import build, count_parameters  # noqa: E402
from retort.recipes.cka_models import MODELS  # noqa: E402


@pytest.fixture(scope="module")
def rows(root):
    with (root / "resources/paper/cka/student_architectures.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_table_lists_the_same_models(rows):
    assert len(rows) == len(MODELS)
    for row, model in zip(rows, MODELS, strict=True):
        size = model.architecture
        listed = {
            "family": size.kind, "name": size.name, "d_model": size.width, "enc_layers": size.encoder_layers,
            "dec_layers": size.decoder_layers, "ffn": size.inner, "heads": size.heads,
            "vocab": model.vocabulary.size,
        }  # fmt: skip
        assert {key: str(value) for key, value in listed.items()} == {
            key: row[key].lower() if key == "family" else row[key] for key in listed
        }
        assert model.role in row["role"]


@pytest.mark.parametrize("number", range(len(MODELS)), ids=lambda i: MODELS[i].architecture.name)
def test_parameters_are_those_of_the_table(rows, number):
    model, row = MODELS[number], rows[number]
    assert count_parameters(model.architecture, model.vocabulary) == int(row["params"])
    assert f"{int(row['params']) / 1e6:.1f}" == row["params_M"]


def test_classifiers_too(rows):
    import torch

    for model, row in zip(MODELS, rows, strict=True):
        stated = re.search(r"seqcls params=(\d+)", row["source"])
        if stated:
            with torch.device("meta"):
                module = build(model.architecture, model.vocabulary, classes=2).module
            assert sum(p.numel() for p in module.parameters()) == int(stated[1])
