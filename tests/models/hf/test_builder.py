"""Builders of transformers models: new, written, read, cut, imported; what does not fit is told."""

from __future__ import annotations

import dataclasses
import os

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("transformers")

from retort.errors import InputError, RetortError  # noqa: E402
from retort.files import seal, write_json  # noqa: E402
from retort.models.features import Shape, Site  # noqa: E402
from retort.models.hf.architecture import Slices, TextArchitecture  # noqa: E402

KINDS = ("bert", "bart", "mbart", "t5")
WORDS = {"size": 31, "pad": 1, "bos": 0, "eos": 2, "start": 2}


def size(kind, layers=2, width=8, **more):
    decoder = {} if kind == "bert" else {"decoder_layers": layers}
    values = {"encoder_layers": layers + (kind != "bert"), "decoder_layers": 0} | decoder | more
    return TextArchitecture(kind, kind, width=width, heads=2, inner=12, positions=20, dropout=0.1, **values)


@pytest.fixture
def text(tmp_path):
    """An encoded corpus, as far as models ask about it."""
    folder = tmp_path / "text"
    write_json(folder / "summary.json", {"words": WORDS})
    return folder


def made(text, architecture, classes=None, seed=0):
    torch.manual_seed(seed)
    return architecture.builder().new(text, None, classes)


def saved(folder, architecture, module):
    folder.mkdir()
    architecture.builder().save(folder, module, module.state_dict())
    seal(folder)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_of_its_size_and_drawn_by_the_seed_alone(text, kind):
    architecture = size(kind)
    module = made(text, architecture)
    family = architecture.builder().family(module, None)
    assert family.shape == Shape(2, 8, 2, 31, *(() if kind == "bert" else (3,)))
    assert module.config.vocab_size == 31 and module.config.pad_token_id == 1
    first, again, other = (made(text, architecture, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read(text, tmp_path, kind):
    architecture = size(kind)
    builder, module = architecture.builder(), made(text, architecture)
    folder = saved(tmp_path / "made", architecture, module)
    read = builder.load(folder, None)
    found, wanted = read.state_dict(), module.state_dict()
    assert found.keys() == wanted.keys() and all(torch.equal(found[key], wanted[key]) for key in wanted)
    assert not read.training and builder.shape(folder) == builder.family(module, None).shape
    assert torch.equal(builder.word_table(folder), module.get_input_embeddings().weight)


def test_given_weights_are_written_instead_of_the_model_s_own(text, tmp_path):
    """Those of a model that is shared out among processes are gathered first."""
    architecture = size("bart")
    module, other = (made(text, architecture, seed=seed) for seed in (0, 1))
    (tmp_path / "made").mkdir()
    architecture.builder().save(tmp_path / "made", module, other.state_dict())
    seal(tmp_path / "made")
    found = architecture.builder().load(tmp_path / "made", None).state_dict()
    assert all(torch.equal(found[key], value) for key, value in other.state_dict().items())


@pytest.mark.parametrize("classes", [1, 3])
def test_a_classifier_starts_from_a_model_of_words_with_a_fresh_head(text, tmp_path, classes):
    architecture = size("bert")
    module = made(text, architecture)
    folder = saved(tmp_path / "words", architecture, module)
    heads = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        found = architecture.builder().load(folder, classes)
        heads.append(found.classifier.weight)
        body = module.bert.state_dict()
        assert all(torch.equal(found.bert.state_dict()[key], value) for key, value in body.items())
    assert heads[0].shape == (classes, 8)
    assert torch.equal(heads[0], heads[1]) and not torch.equal(heads[0], heads[2])
    again = saved(tmp_path / "classes", architecture, found)
    assert torch.equal(architecture.builder().load(again, classes).classifier.weight, heads[2])


@pytest.mark.parametrize("kind", KINDS)
def test_a_student_is_cut_out_of_a_teacher(text, kind):
    large, small = size(kind, 4, 12), size(kind, 2, 8)
    teacher, student = made(text, large), made(text, small, seed=3)
    small.builder().cut(student, teacher, Slices())
    table, whole = (module.get_input_embeddings().weight for module in (student, teacher))
    assert torch.equal(table, whole[:, :8])


def test_a_builder_s_family_gives_features(text):
    from retort.data.text_batches import seq2seq_batch

    architecture = size("mbart")
    family = architecture.builder().family(made(text, architecture).eval(), None)
    batch = seq2seq_batch([[5, 6, 2], [7, 2]], [[9, 2], [4, 4, 2]], 1, 2)
    sites = frozenset({Site("encoder", 3), Site("hidden", 2)})
    seen = family.observe(batch, sites)
    assert seen[Site("encoder", 3)].shape == (2, 3, 8) == seen[Site("hidden", 2)].shape


# What does not fit


@pytest.mark.parametrize(
    "change",
    [{"encoder_layers": 1}, {"width": 12}, {"heads": 4}, {"decoder_layers": 1}],
    ids=lambda change: next(iter(change)),
)
def test_another_architecture_is_refused(text, tmp_path, change):
    architecture = size("bart")
    folder = saved(tmp_path / "made", architecture, made(text, architecture))
    other = dataclasses.replace(architecture, **change).builder()
    for read in (lambda: other.load(folder, None), lambda: other.import_folder(folder, text)):
        with pytest.raises(InputError, match=r"made: is a bart of Shape.*, bart a bart of Shape.*; mend the"):
            read()


def test_another_kind_of_model_is_refused(text, tmp_path):
    folder = saved(tmp_path / "made", size("bart"), made(text, size("bart")))
    with pytest.raises(InputError, match=r"made: is a bart of .*, mbart a mbart of"):
        size("mbart").builder().load(folder, None)


@pytest.mark.parametrize(("words", "fits"), [(30, True), (31, True), (32, False)])
def test_an_imported_model_has_a_row_for_every_word(text, tmp_path, words, fits):
    """Published models have rows to spare."""
    architecture = size("t5")
    folder = saved(tmp_path / "made", architecture, made(text, architecture))
    write_json(text / "summary.json", {"words": WORDS | {"size": words}})
    if fits:
        assert architecture.builder().import_folder(folder, text).config.vocab_size == 31
    else:
        with pytest.raises(InputError, match="made: has 31 words, the vocabulary 32; name the token"):
            architecture.builder().import_folder(folder, text)


def test_a_damaged_model_is_refused(text, tmp_path):
    architecture = size("bert")
    folder = saved(tmp_path / "made", architecture, made(text, architecture))
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    with pytest.raises(RetortError, match="model.safetensors: damaged, it is not what was written"):
        architecture.builder().load(folder, None)
