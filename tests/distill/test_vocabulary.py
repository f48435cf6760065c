import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.distill import vocabulary
from retort.distill.vocabulary import VocabularyMap, build_map, kept_size
from retort.errors import InputError

METHODS = ["inner_product", "cosine", "euclidean", "unk"]
THEIR_NAMES = {"inner_product": "dot"}


@pytest.fixture(scope="module")
def toy(golden):
    return np.load(golden / "glmd" / "vocab_map.npz")


def toy_map(toy, method, dtype=torch.float32, **options):
    sizes = json.loads(str(toy["sizes"]))
    embeddings = torch.from_numpy(toy["teacher24.w.word_embeddings.weight"]).to(dtype)
    order = torch.from_numpy(toy["sort_id"])
    return build_map(order, sizes["map_vocab_size"], embeddings, method, unk=sizes["unk_id"], **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_maps_equal_the_authors(toy, method, dtype):
    found = toy_map(toy, method, dtype)
    name = f"map.{THEIR_NAMES.get(method, method)}"
    np.testing.assert_array_equal(found.substitute, toy[f"{name}.origin_id_to_target_pos"])
    np.testing.assert_array_equal(found.is_kept, toy[f"{name}.origin_id_mask_map"])
    np.testing.assert_array_equal(found.kept_ids, toy[f"{name}.target_pos_to_origin_id"][: found.size])


@pytest.mark.parametrize("method", ["inner_product", "unk"])
def test_labels_and_teacher_inputs_equal_the_authors(toy, method):
    found, name = toy_map(toy, method), f"fw.unmap.{THEIR_NAMES.get(method, method)}"
    labels = found.substitute[torch.from_numpy(toy["fw.labels"])]
    np.testing.assert_array_equal(labels, toy[f"{name}.labels_seen_by_loss"])
    table = toy[f"{name}.glmd_maskmap_teacherids.teacher_id_table"]
    np.testing.assert_array_equal(found.stand_ins(), table)


@pytest.mark.parametrize("teacher", ["teacher16", "teacher24"])
def test_embedding_slices_equal_the_authors(toy, teacher):
    weight = torch.from_numpy(toy[f"{teacher}.w.word_embeddings.weight"])
    sliced = toy_map(toy, "inner_product").slice_embedding(weight, 16)
    np.testing.assert_array_equal(sliced, toy[f"trunc_{teacher}_map.after.word_embeddings.weight"])


def test_kept_sizes_of_the_paper():
    assert [kept_size(r, 30524, 128) for r in (0.5, 0.25, 0.1)] == [15360, 7680, 3072]
    assert kept_size(0.5, 698, 1) == 349
    with pytest.raises(InputError, match="ratio 1.0: 30592 rows"):
        kept_size(1.0, 30524, 128)
    with pytest.raises(InputError, match="0 rows"):
        kept_size(0.0, 30524, 128)


@st.composite
def problems(draw):
    tokens = draw(st.integers(2, 30))
    rows = tokens + draw(st.integers(0, 5))
    kept = draw(st.integers(1, tokens))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 999)))
    order = torch.randperm(tokens, generator=generator)
    return order, kept, torch.randn(rows, 6, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("method", METHODS)
@given(problem=problems())
@settings(deadline=None)
def test_map_is_the_identity_on_kept_ids_and_the_best_elsewhere(method, problem):
    order, kept, embeddings = problem
    found = build_map(order, kept, embeddings, method, unk=int(order[0]))
    assert found.kept_ids.tolist() == order[:kept].tolist()
    assert found.stand_ins()[found.kept_ids].tolist() == found.kept_ids.tolist()
    assert found.is_kept.sum() == kept == found.size
    assert found.is_kept[found.kept_ids].all()
    assert int(found.substitute.min()) >= 0
    assert int(found.substitute.max()) < kept
    for other in (~found.is_kept).nonzero().squeeze(1).tolist():
        o, k = embeddings[other], embeddings[found.kept_ids]
        scores = {
            "inner_product": k @ o,
            "cosine": k @ o / k.norm(dim=1),
            "euclidean": -(k - o).square().sum(1),
            "unk": (found.kept_ids == order[0]).double(),
        }[method]
        assert scores[found.substitute[other]] == pytest.approx(float(scores.max()))


def test_chunks_change_nothing(toy, monkeypatch):
    whole = toy_map(toy, "cosine")
    monkeypatch.setattr(vocabulary, "_SCORES_AT_ONCE", 1)
    assert torch.equal(toy_map(toy, "cosine").substitute, whole.substitute)


@pytest.mark.parametrize("method", ["inner_product", "cosine", "euclidean"])
def test_excluded_ids_keep_their_row_but_stand_in_for_nobody(toy, method):
    excluded = toy["saved_ids"].tolist()
    free, barred = toy_map(toy, method), toy_map(toy, method, excluded=excluded)
    dropped = ~barred.is_kept
    assert set(free.stand_ins()[dropped].tolist()) & set(excluded)
    assert not set(barred.stand_ins()[dropped].tolist()) & set(excluded)
    assert torch.equal(barred.kept_ids, free.kept_ids)
    assert barred.stand_ins()[excluded].tolist() == excluded


def test_excluding_all_targets_is_refused(toy):
    with pytest.raises(InputError, match="every kept token is excluded"):
        toy_map(toy, "cosine", excluded=range(48))


def test_everything_kept_needs_no_stand_in():
    found = build_map(torch.tensor([2, 0, 1]), 3, torch.randn(3, 4), "inner_product", unk=0)
    assert found.substitute.tolist() == [1, 2, 0]
    assert found.is_kept.all()


def test_select_takes_the_kept_columns_in_rank_order():
    found = build_map(torch.tensor([2, 0, 1]), 2, torch.randn(3, 4), "unk", unk=0)
    assert found.select(torch.tensor([[10.0, 11.0, 12.0]])).tolist() == [[12.0, 10.0]]


def test_unk_must_be_kept_and_sizes_must_fit():
    order, embeddings = torch.tensor([2, 0, 1]), torch.randn(3, 4)
    with pytest.raises(InputError, match="UNK"):
        build_map(order, 2, embeddings, "unk", unk=1)
    with pytest.raises(InputError, match="keep 4 of 3"):
        build_map(order, 4, embeddings, "cosine", unk=1)
    with pytest.raises(InputError, match="with 2 embeddings"):
        build_map(order, 2, embeddings[:2], "cosine", unk=1)
    with pytest.raises(InputError, match="unknown method 'dot'"):
        build_map(order, 2, embeddings, "dot", unk=1)


def test_save_and_load(toy, tmp_path):
    found = toy_map(toy, "inner_product")
    found.save(tmp_path / "map.safetensors")
    again = VocabularyMap.load(tmp_path / "map.safetensors")
    for name in ("kept_ids", "substitute", "is_kept"):
        assert torch.equal(getattr(again, name), getattr(found, name))
        assert getattr(again, name).dtype == getattr(found, name).dtype


def test_load_refuses_other_files(tmp_path):
    path = tmp_path / "map.safetensors"
    with pytest.raises(InputError, match="no readable"):
        VocabularyMap.load(path)
    path.write_bytes(b"nothing of the sort")
    with pytest.raises(InputError, match="no readable"):
        VocabularyMap.load(path)
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="not a vocabulary map"):
        VocabularyMap.load(path)
