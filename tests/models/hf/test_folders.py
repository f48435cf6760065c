"""Saved students are ordinary transformers folders, which a process that knows nothing of us can use."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

transformers = pytest.importorskip("transformers")

from retort.data.text_batches import causal_batch, class_batch, seq2seq_batch, whole_batch  # noqa: E402
from retort.errors import InputError  # noqa: E402
from retort.models.features import CLASS, WORDS, Site  # noqa: E402
from retort.models.hf.architecture import TextArchitecture, Vocabulary  # noqa: E402
from retort.models.hf.building import build  # noqa: E402
from retort.models.hf.folders import load_family, save_student, write_model  # noqa: E402

WORD_LIST = ["<s>", "<pad>", "</s>", "[UNK]", "a", "cat", "sat", "on", "the", "mat", "dog", "ran"]
WORDS_OF = {
    "bert": Vocabulary(12, pad=1),
    "bart": Vocabulary(12, pad=1, bos=0, eos=2, start=2),
    "mbart": Vocabulary(12, pad=1, bos=0, eos=2, start=2),
    "t5": Vocabulary(12, pad=1, eos=2, start=1),
    "opt": Vocabulary(12, pad=1, bos=2, eos=2),
    "gpt_neox": Vocabulary(12, pad=1, bos=0, eos=0),
    "llama": Vocabulary(12, pad=3, bos=0, eos=2),
}
CAUSAL = ["opt", "opt-tied", "opt-350m", "gpt_neox", "gpt_neox-tied", "llama", "llama-tied"]
KINDS = ["bert", "bart", "mbart", "t5", "t5-tied", *CAUSAL]
UNTIED = ["t5", "opt", "gpt_neox", "llama"]
TEXTS = [[0, 4, 5, 6, 2], [0, 8, 9, 2]]


def trained(name):
    """A small model that is not at its first values."""
    torch.manual_seed(3)
    kind, _, which = name.partition("-")
    stacks = {"bert": (2, 0)} | dict.fromkeys(("opt", "gpt_neox", "llama"), (0, 2))
    size = TextArchitecture(kind, kind, *stacks.get(kind, (2, 1)), 8, 2, 16, 16, tied=name not in UNTIED)
    if kind == "gpt_neox":
        size = replace(size, width=16)  # a quarter of a head is turned, in pairs
    if which == "350m":
        size = replace(size, word_width=4, normalised="after")
    family = build(size, WORDS_OF[kind])
    with torch.no_grad():
        for parameter in family.module.parameters():
            parameter.add_(torch.randn_like(parameter))
    family.module.eval()
    return family


def batch_of(name):
    if name in CAUSAL:
        return causal_batch(TEXTS, [1, 1], 1)
    return whole_batch(TEXTS, 1) if name == "bert" else seq2seq_batch(TEXTS, TEXTS, 1, 2)


def tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORD_LIST)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="</s>", bos_token="<s>", unk_token="[UNK]"
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Models of every kind and their folders."""
    top = tmp_path_factory.mktemp("students")
    made = {}
    for name in KINDS:
        family = trained(name)
        family.observe(batch_of(name), frozenset({Site("scores", 1)}))  # what was looked at is not saved
        save_student(top / name, family.module, tokenizer(), {"student": name})
        made[name] = family, top / name
    return made


OUTSIDE = """
import json, sys, torch, transformers
from pathlib import Path
found = {}
for folder in map(Path, sys.argv[1:]):
    causal = folder.name.startswith(("opt", "gpt_neox", "llama"))
    kind = transformers.AutoModelForCausalLM if causal else transformers.AutoModelForSeq2SeqLM
    kind = transformers.AutoModelForMaskedLM if folder.name == "bert" else kind
    model, info = kind.from_pretrained(folder, output_loading_info=True)
    words = transformers.AutoTokenizer.from_pretrained(folder)
    ids = torch.tensor([words("a cat sat on the mat").input_ids])
    given = {} if folder.name == "bert" or causal else {"decoder_input_ids": ids}
    with torch.no_grad():
        logits = model(input_ids=ids, **given).logits
    made = None
    if folder.name != "bert":
        torch.manual_seed(0)
        made = model.generate(ids, max_new_tokens=5, num_beams=2).tolist()
    problems = {key: sorted(map(str, value)) for key, value in info.items() if value}
    found[folder.name] = [ids.tolist(), logits.tolist(), made, problems, type(model).__name__]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outside(saved, tmp_path_factory):
    """What another process makes of the folders, without this package and without a network."""
    folders = [str(folder) for _, folder in saved.values()]
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OUTSIDE, *folders],
        env=clean, cwd=tmp_path_factory.mktemp("elsewhere"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", KINDS)
def test_another_process_gets_the_same_numbers(saved, outside, name):
    module = saved[name][0].module
    ids, logits, made, problems, kind = outside[name]
    assert not problems and kind == type(module).__name__
    assert ids == [[4, 5, 6, 7, 8, 9]]
    given = {} if name in ["bert", *CAUSAL] else {"decoder_input_ids": torch.tensor(ids)}
    with torch.no_grad():
        own = module(input_ids=torch.tensor(ids), **given).logits
    torch.testing.assert_close(torch.tensor(logits), own, rtol=1e-4, atol=1e-5)
    if name != "bert":
        assert made == module.generate(torch.tensor(ids), max_new_tokens=5, num_beams=2).tolist()
        if name in CAUSAL:
            assert made[0][:6] == ids[0] and 7 <= len(made[0]) <= 11
        else:
            assert made[0][0] == WORDS_OF[name.partition("-")[0]].start and 2 <= len(made[0]) <= 6


@pytest.mark.parametrize("name", KINDS)
def test_we_load_what_we_saved(saved, name):
    family, folder = saved[name]
    again = load_family(folder)
    assert type(again) is type(family) and again.shape == family.shape and not again.module.training
    want = frozenset({WORDS})
    with torch.no_grad():
        found, own = (each.observe(batch_of(name), want)[WORDS].dense() for each in (again, family))
    torch.testing.assert_close(found, own, rtol=1e-4, atol=1e-5)
    state = again.module.state_dict()
    assert all(torch.equal(state[key], value) for key, value in family.module.state_dict().items())


def test_folders_hold_what_they_should(saved):
    for name, (_, folder) in saved.items():
        files = {path.name for path in folder.iterdir()}
        assert {"config.json", "model.safetensors", "tokenizer.json", "card.json"} <= files
        assert ("generation_config.json" in files) == (name != "bert")
        config = json.loads((folder / "config.json").read_text())
        assert not any("attn" in key for key in config)
        assert config.get("tie_word_embeddings", True) == (name not in UNTIED)
        assert json.loads((folder / "card.json").read_text()) == {"student": name}


def test_untied_heads_stay_apart(saved):
    module = load_family(saved["t5"][1]).module
    assert module.lm_head.weight is not module.shared.weight
    assert module.shared.weight is module.encoder.embed_tokens.weight is module.decoder.embed_tokens.weight
    assert module.config.scale_decoder_outputs is False
    tied = load_family(saved["t5-tied"][1]).module
    assert tied.lm_head.weight is tied.shared.weight and tied.config.scale_decoder_outputs


@pytest.mark.parametrize("name", CAUSAL)
def test_tables_of_causal_models(saved, name):
    module = load_family(saved[name][1]).module
    same = module.get_output_embeddings().weight is module.get_input_embeddings().weight
    assert same == (name not in UNTIED)


@pytest.mark.parametrize("name", KINDS)
def test_copies_of_weights_are_written_as_often_as_the_model_has_them(saved, tmp_path, name):
    """A task stage keeps copies of its best weights: one for each name, of a tied head, too."""
    module = trained(name).module
    weights = {key: tensor.detach().clone() for key, tensor in module.state_dict().items()}
    write_model(tmp_path, module, weights)
    ours, own = (folder / "model.safetensors" for folder in (tmp_path, saved[name][1]))
    assert ours.read_bytes() == own.read_bytes()


def test_an_untied_head_is_trained_by_itself():
    family = trained("t5")
    family.observe(batch_of("t5"), frozenset({WORDS}))[WORDS].dense().square().sum().backward()
    head, table = family.module.lm_head.weight.grad, family.module.shared.weight.grad
    assert head.any() and table.any() and not torch.equal(head, table)


def test_a_word_model_becomes_a_classifier(saved, tmp_path):
    family = load_family(saved["bert"][1], classes=3)
    batch = class_batch(TEXTS, [[0] * 5, [0] * 4], [0, 2], 1)
    assert family.observe(batch, frozenset({CLASS}))[CLASS].shape == (2, 3)
    own = saved["bert"][0].module.bert.encoder.layer[1].output.dense.weight
    assert torch.equal(family.module.bert.encoder.layer[1].output.dense.weight, own)
    save_student(tmp_path / "glue", family.module, None, {})
    again = load_family(tmp_path / "glue", classes=3)
    assert torch.equal(again.module.classifier.weight, family.module.classifier.weight)
    assert not (tmp_path / "glue" / "tokenizer.json").exists()


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    family = trained("bert")
    save_student(tmp_path / "student", family.module, tokenizer(), {"round": 1})
    save_student(tmp_path / "student", family.module, None, {"round": 2})
    assert not (tmp_path / "student" / "tokenizer.json").exists()
    assert json.loads((tmp_path / "student" / "card.json").read_text()) == {"round": 2}


def test_folders_that_cannot_be_loaded(saved, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_family(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(
        InputError, match="model_type 'gpt2'; there are adapters for bert, bart, mbart, t5, opt, "
    ):
        load_family(tmp_path)
    with pytest.raises(InputError, match="model_type 'bart'; there are adapters for bert"):
        load_family(saved["bart"][1], classes=2)
    from safetensors.torch import load_file, save_file

    tensors = load_file(saved["bart"][1] / "model.safetensors")
    tensors.pop("model.encoder.layers.1.fc1.bias")
    (tmp_path / "config.json").write_text((saved["bart"][1] / "config.json").read_text())
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match=r"lacks 1 tensor\(s\), first 'model.encoder.layers.1.fc1.bias'"):
        load_family(tmp_path)
