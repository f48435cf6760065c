import json
import os
import random

import numpy as np
import pytest
import torch

from retort.errors import InputError
from retort.models.checkpoint import import_glm, load_glm, load_tensors, save_glm, save_tensors
from retort.models.glm import GLM, Bottleneck, GLMConfig

CONFIG = GLMConfig(2, 8, 2, 11, positions=5)
CONFIGS = [
    CONFIG,
    GLMConfig(2, 8, 2, 11, 5, factorised=4),
    GLMConfig(2, 8, 2, 11, 5, trigram=4, bottleneck=Bottleneck(4, 2)),
]


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    model = GLM(CONFIG)
    save_glm(tmp_path / "model", model)
    return tmp_path / "model", model


def rewrite(folder, change):
    tensors = load_tensors(folder / "model.safetensors")
    change(tensors)
    save_tensors(folder / "model.safetensors", tensors)


def assert_same(first, second):
    assert first.state_dict().keys() == second.state_dict().keys()
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name


@pytest.mark.parametrize("config", CONFIGS)
def test_round_trip_is_exact(tmp_path, config):
    model = GLM(config)
    save_glm(tmp_path, model)
    loaded = load_glm(tmp_path)
    assert loaded.config == config
    assert_same(loaded, model)


def test_saving_again_gives_the_same_bytes(saved, tmp_path):
    folder, model = saved
    before = (folder / "model.safetensors").read_bytes()
    save_glm(tmp_path / "again", load_glm(folder))
    assert (tmp_path / "again" / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("word_embeddings.weight"), r"lacks 1 key\(s\), first 'word_embeddings.weight'"),
        (lambda t: t.update(extra=torch.zeros(1)), r"has surplus 1 key\(s\), first 'extra'"),
        (
            lambda t: t.update({"word_embeddings.weight": torch.zeros(12, 8)}),
            r"'word_embeddings.weight' has shape \(12, 8\), the configuration asks for \(11, 8\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(saved, change, message):
    folder, _ = saved
    rewrite(folder, change)
    with pytest.raises(InputError, match=message) as error:
        load_glm(folder)
    assert "model.safetensors" in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_damaged_file_is_named(saved, keep):
    path = saved[0] / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="model.safetensors: not a sound safetensors file"):
        load_glm(saved[0])


def test_a_missing_file_is_named(saved):
    (saved[0] / "model.safetensors").unlink()
    with pytest.raises(InputError, match="model.safetensors: no such file"):
        load_glm(saved[0])


def original(folder, content, tag="best"):
    """The layout of the authors' releases."""
    (folder / tag).mkdir(parents=True)
    (folder / "latest_checkpointed_iteration.txt").write_text(f"{tag}\n")
    torch.save(content, folder / tag / "mp_rank_00_model_states.pt")
    return folder


def test_original_half_precision_weights_are_imported(saved, tmp_path):
    _, model = saved
    half = {name: tensor.half() for name, tensor in model.state_dict().items()}
    content = {
        "module": half,
        "iteration": 150000,
        "optimizer": None,
        "csr_tensor_module_names": set(),
        "random_rng_state": random.getstate(),
        "np_rng_state": np.random.get_state(),  # noqa: NPY002
        "torch_rng_state": torch.get_rng_state(),
    }
    found = import_glm(original(tmp_path / "release", content, "150000"), CONFIG)
    assert all(p.dtype == torch.float32 for p in found.parameters())
    for name, tensor in found.state_dict().items():
        assert torch.equal(tensor, half[name].float()), name


def test_a_folder_of_ours_is_imported_too(saved):
    folder, model = saved
    assert_same(import_glm(folder, CONFIG), model)
    with pytest.raises(InputError, match="config.json: heads is 2, the configuration asks for 4"):
        import_glm(folder, GLMConfig(2, 8, 4, 11, positions=5))
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match="check width, vocabulary and positions"):
        import_glm(folder, GLMConfig(2, 8, 2, 12, positions=5))
    with pytest.raises(InputError, match="lacks 12 key"):
        import_glm(folder, GLMConfig(3, 8, 2, 11, positions=5))


class Malicious:
    """Runs a command when unpickled without care."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def test_a_malicious_pickle_is_refused(saved, tmp_path):
    content = {"module": saved[1].state_dict(), "args": Malicious(tmp_path / "was-here")}
    folder = original(tmp_path / "release", content)
    with pytest.raises(InputError, match="cannot be read as plain weights"):
        import_glm(folder, CONFIG)
    assert not (tmp_path / "was-here").exists()


@pytest.mark.parametrize(
    "content", [{"model": {}}, [1, 2], torch.zeros(3), {"module": {"word_embeddings.weight": 3}}]
)
def test_other_pickles_are_refused(tmp_path, content):
    with pytest.raises(InputError, match="mp_rank_00_model_states.pt"):
        import_glm(original(tmp_path / "release", content), CONFIG)


def test_incomplete_releases_are_named(tmp_path):
    with pytest.raises(InputError, match="no model.safetensors and no latest_checkpointed_iteration.txt"):
        import_glm(tmp_path, CONFIG)
    (tmp_path / "latest_checkpointed_iteration.txt").write_text("7")
    with pytest.raises(InputError, match="no such file, though"):
        import_glm(tmp_path, CONFIG)


def test_an_original_file_cut_short_is_named(saved, tmp_path):
    folder = original(tmp_path / "release", {"module": saved[1].state_dict()})
    path = folder / "best" / "mp_rank_00_model_states.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read as plain weights"):
        import_glm(folder, CONFIG)


def test_an_unknown_field_of_the_configuration_is_named(saved):
    path = saved[0] / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "colour": "red"}))
    with pytest.raises(InputError, match="config.json.*colour"):
        load_glm(saved[0])
