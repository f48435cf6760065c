"""Transformers models on two devices: the steps of one process, half of each model, ordinary folders."""

from __future__ import annotations

import json

import pytest
import torch

pytest.importorskip("transformers")

from text_models import ALL, bert, pair  # noqa: E402
from two_processes import in_two  # noqa: E402

from retort.models.hf.folders import load_family  # noqa: E402
from retort.models.hf.units import HF_UNITS  # noqa: E402

SAMPLES = {
    "bert words": "a head with layers of its own, tied",
    "bert scores": "a loss inside the last block, whose output no loss reads",
    "bart all": "two stacks, one table under four names, a bias that is not trained",
    "t5 all": "positions that the first block makes for all others; a head of its own",
    "opt_350m all": "projections around the blocks, outputs that are views",
    "pythia words": "rotations, which every process has as a whole",
    "llama all": "fewer keys than queries",
    "llama rows together": "rows of a micro-batch compared with each other",
}
SAVED = ("bart all", "t5 all", "llama all")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two processes found, beside one."""
    folder = tmp_path_factory.mktemp("texts")
    assert "returned a view tensor" not in in_two("tests/text_ranks.py", folder)
    return folder


@pytest.mark.parametrize("sample", SAMPLES)
def test_two_processes_take_the_steps_of_one(folder, sample):
    found = json.loads((folder / "compared.json").read_text())[sample]
    assert found["names"] == []
    assert found["reports"] < 1e-12 and found["parameters"] < 1e-12
    assert found["moved"] > 1e-3  # models that nobody trains agree as well


def test_each_process_holds_half_of_a_model(folder):
    for rank in (0, 1):
        share = json.loads((folder / f"share-{rank}.json").read_text())
        assert share["held"] == share["whole"] / 2
        # After a pass the tables stay, whose rows a loss may read; blocks are given back.
        assert share["after"] == share["whole"] - share["blocks"] / 2


@pytest.mark.parametrize("sample", SAVED)
def test_a_model_of_two_processes_is_saved_like_any_other(folder, sample):
    one, two = (load_family(folder / sample / which) for which in ("one", "two"))
    configs = [(folder / sample / which / "config.json").read_text() for which in ("one", "two")]
    assert type(one.module) is type(two.module) and configs[0] == configs[1]
    theirs = one.module.state_dict()
    for name, own in two.module.state_dict().items():
        torch.testing.assert_close(own, theirs[name], msg=name)
    names = [[name for name, _ in model.module.named_parameters()] for model in (one, two)]
    assert names[0] == names[1]
    assert {path.name for path in (folder / sample / "one").iterdir()} == {
        path.name for path in (folder / sample / "two").iterdir()
    }


@pytest.mark.parametrize("sample", SAVED)
def test_two_processes_write_what_one_writes(folder, sample):
    together, alone = json.loads((folder / "compared.json").read_text())[sample]["written"]
    assert together == alone and len(alone[0]) >= 6


@pytest.mark.parametrize("build", ALL)
def test_blocks_are_all_the_layers(build):
    family, _ = pair(build)
    layers = family.shape.layers + family.shape.encoder_layers
    blocks = HF_UNITS.blocks(family.module)
    assert len(blocks) == layers == len({id(block) for block in blocks})
    around = sum(p.numel() for p in family.module.parameters()) - sum(
        p.numel() for block in blocks for p in block.parameters()
    )
    tables = family.module.get_input_embeddings().weight.numel()
    assert tables <= around < 6 * tables + (2000 if build is bert else 0)


@pytest.mark.parametrize("build", ALL)
def test_a_model_is_made_again_from_what_can_be_sent(build):
    """Names, sizes and what is one parameter under several names; constants by name."""
    import pickle

    module = pair(build)[0].module
    with torch.device("meta"):
        again = HF_UNITS.empty(pickle.loads(pickle.dumps(HF_UNITS.describe(module))))
    shapes = [{n: p.shape for n, p in each.named_parameters()} for each in (module, again)]
    assert shapes[0] == shapes[1]
    assert [n for n, _ in module.named_buffers()] == [n for n, _ in again.named_buffers()]
