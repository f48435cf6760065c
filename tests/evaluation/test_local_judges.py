"""A judge is any folder that transformers reads as a causal model; what is none is told in one line."""

from __future__ import annotations

import json

import pytest
import torch

transformers = pytest.importorskip("transformers")

from small_judges import write_judge  # noqa: E402

from retort.errors import InputError  # noqa: E402
from retort.evaluation.judging import QUESTION  # noqa: E402
from retort.evaluation.local_judges import LONGEST_REPLY, load_judge  # noqa: E402

CPU = torch.device("cpu")
TEMPLATE = (
    "{% for m in messages %}<{{ m.role }}> {{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %} ={% endif %}"
)


def test_replies_are_greedy_and_each_its_own(tmp_path):
    judge = load_judge(write_judge(tmp_path / "judge"), CPU)
    one, two = judge(["which is better", "Answer 1 or 2"])
    assert (one, two) == (judge(["which is better"])[0], judge(["Answer 1 or 2"])[0]) and one != two
    ids = torch.tensor([judge.prompt("which is better")])
    with torch.no_grad():
        for _ in range(LONGEST_REPLY):
            likeliest = judge.model(input_ids=ids).logits[0, -1].argmax()
            ids = torch.cat([ids, likeliest.reshape(1, 1)], 1)
            if likeliest == judge.tokenizer.eos_token_id:
                break
    said = ids[0, len(judge.prompt("which is better")) :]
    assert one == judge.tokenizer.decode(said, skip_special_tokens=True).strip() and one


def test_questions_are_put_as_the_judge_knows_them(tmp_path):
    judge = load_judge(write_judge(tmp_path / "judge"), CPU)
    plain = judge.tokenizer.decode(judge.prompt("one two"))
    assert plain.replace(" ", "").strip() == "Human:\nonetwo\n\nAssistant:"
    judge.tokenizer.chat_template = TEMPLATE
    assert judge.prompt("one two") == judge.tokenizer("<user> one two =")["input_ids"]


def test_the_folder_has_to_be_a_causal_model(tmp_path):
    with pytest.raises(InputError, match=r"--judge: .*nowhere holds no config.json; name the folder of a"):
        load_judge(tmp_path / "nowhere", CPU)
    folder = write_judge(tmp_path / "judge")
    (folder / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    with pytest.raises(InputError, match=r"--judge: .*judge cannot be read as a causal model \(.*; name the"):
        load_judge(folder, CPU)
    (tmp_path / "tokenizer.json").rename(folder / "tokenizer.json")
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(InputError, match="cannot be read as a causal model"):
        load_judge(folder, CPU)


def test_weights_have_to_be_all_there(tmp_path):
    folder = write_judge(tmp_path / "judge")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(InputError, match=r"lacks \d+ tensor\(s\), first 'model.layers.2"):
        load_judge(folder, CPU)


def test_a_question_that_is_too_long(tmp_path):
    judge = load_judge(write_judge(tmp_path / "judge", room=80), CPU)
    with pytest.raises(InputError, match=r"reads 80 tokens, a question with its reply is \d+; name a model"):
        judge([QUESTION])
