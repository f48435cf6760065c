"""Responses: what search and sampling mean, whatever the batches; nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from causal_models import FAMILIES, model_of, prompts_of, setup
from hypothesis import assume, given
from hypothesis import strategies as st

from retort.data.prompt_examples import PromptExample, with_responses
from retort.data.text_sets import batch_of_prompts
from retort.errors import InputError
from retort.evaluation.completion import complete, draw, uniform_numbers
from retort.evaluation.decoding import RELEASED_SAMPLING as RELEASED
from retort.evaluation.decoding import Sampling

transformers = pytest.importorskip("transformers")
CPU = torch.device("cpu")


def naive(model, example, layout, settings, seed):
    """The definition, without cache, padding or batches."""
    ids, said = example.prompt.tolist(), []
    numbers = uniform_numbers([example.key], seed, settings.max_new)[0]
    for number in numbers:
        logits = model(input_ids=torch.tensor([ids + said])).logits[:, -1]
        greedy = settings.temperature == 0
        word = int(logits.argmax()) if greedy else int(draw(logits, number[None], settings)[0])
        said.append(word)
        if word == layout.end:
            break
    return said


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("settings", [Sampling(9), Sampling(9, 1.0), Sampling(9, 2.0, 0.7)])
def test_responses_are_what_they_say_whatever_the_batches(family, settings):
    tokenizer, layout = setup(family)
    model = model_of(family, tokenizer, layout).eval()
    prompts = prompts_of(tokenizer, layout)
    with torch.no_grad():
        right = [naive(model, example, layout, settings, 3) for example in prompts]
    assert len({tuple(row) for row in right}) > 1
    for rows in (1, 3, 64):
        found = complete(model, prompts, layout, settings, device=CPU, seed=3, rows_at_once=rows)
        assert found == right
    back = complete(model, prompts[::-1], layout, settings, device=CPU, seed=3)
    assert back == right[::-1]


def test_responses_end_at_their_end_token_or_the_limit():
    tokenizer, layout = setup("opt")
    model = model_of("opt", tokenizer, layout)
    prompts = prompts_of(tokenizer, layout, 40)
    found = complete(model, prompts, layout, Sampling(12, 9.0), device=CPU, seed=0)
    assert all(layout.end not in row[:-1] for row in found)
    lengths = {len(row) for row in found if row[-1] == layout.end}
    assert len(lengths) > 2 and {len(row) for row in found if row[-1] != layout.end} == {12}


@pytest.mark.parametrize("family", FAMILIES)
def test_rollouts_are_training_examples(family):
    """What was drawn is what is learned, with the end token and without."""
    tokenizer, layout = setup(family)
    model = model_of(family, tokenizer, layout)
    prompts = prompts_of(tokenizer, layout, 12)
    found = complete(model, prompts, layout, Sampling(7, 9.0), device=CPU, seed=1)
    for drop in (None, layout.end):
        batch = batch_of_prompts(with_responses(prompts, found, drop_end=drop), layout)
        for row, ids in enumerate(found):
            right = ids[:-1] if ids[-1] == drop else ids
            assert batch.targets[row][batch.predicted[row]].tolist() == right


def test_seeds_differ_and_nothing_around_is_touched():
    tokenizer, layout = setup("llama")
    model = model_of("llama", tokenizer, layout).train()
    prompts = prompts_of(tokenizer, layout)
    own = transformers.GenerationConfig(
        do_sample=True, num_beams=2, min_new_tokens=4, repetition_penalty=9.0, suppress_tokens=[5, 6, 7]
    )
    model.generation_config = own
    torch.manual_seed(5)
    state = torch.get_rng_state()
    sampled = [complete(model, prompts, layout, Sampling(9, 1.0), device=CPU, seed=s) for s in (1, 1, 2)]
    assert sampled[0] == sampled[1] != sampled[2]
    assert torch.equal(torch.get_rng_state(), state)
    assert model.generation_config is own and model.training
    model.generation_config = transformers.GenerationConfig()
    assert complete(model, prompts, layout, Sampling(9, 1.0), device=CPU, seed=1) == sampled[0]


def test_a_failing_model_is_left_as_it_was(monkeypatch):
    tokenizer, layout = setup("llama")
    model = model_of("llama", tokenizer, layout).train()
    own = model.generation_config
    monkeypatch.setattr(model, "forward", lambda **_: 1 / 0)
    with pytest.raises((ZeroDivisionError, ValueError)):
        complete(model, prompts_of(tokenizer, layout), layout, Sampling(2), device=CPU, seed=1)
    assert model.training and model.generation_config is own


logits = st.lists(st.integers(-2000, 2000), min_size=2, max_size=8, unique=True)


@given(logits, st.floats(0.1, 5), st.floats(0.05, 0.999), st.integers(0, 2**32))
def test_words_are_drawn_from_the_nucleus_alone(row, temperature, top_p, seed):
    """It is that of transformers' own warper."""
    scores = torch.tensor([row], dtype=torch.float64) / 100
    sums = (scores / temperature).softmax(-1).sort(descending=True).values.cumsum(-1)
    assume(bool(((sums - top_p).abs() > 1e-9).all()))
    kept = transformers.TopPLogitsWarper(top_p)(None, scores / temperature)[0] > -torch.inf
    numbers = torch.from_numpy(np.random.default_rng(seed).random(40))
    drawn = draw(scores.expand(40, -1), numbers, Sampling(1, temperature, top_p))
    assert kept[drawn].all()


def test_words_are_drawn_as_often_as_they_should_be():
    chances = torch.tensor([0.5, 0.05, 0.3, 0.15])
    numbers = (torch.arange(100000).double() + 0.5) / 100000
    logits = chances.log().expand(100000, -1)

    def shares(settings):
        return torch.bincount(draw(logits, numbers, settings), minlength=4) / 100000

    assert shares(Sampling(1, 1.0)).tolist() == pytest.approx(chances.tolist(), abs=1e-4)
    assert shares(Sampling(1, 1.0, 0.8)).tolist() == pytest.approx([0.625, 0, 0.375, 0], abs=1e-4)
    assert shares(Sampling(1, 1.0, 0.5)).tolist() == [1, 0, 0, 0]
    squared = chances**2 / (chances**2).sum()
    assert shares(Sampling(1, 0.5)).tolist() == pytest.approx(squared.tolist(), abs=1e-4)


def test_impossible_words_are_never_drawn():
    scores = torch.tensor([[0.0, -torch.inf, -torch.inf]]).expand(2, -1)
    numbers = torch.tensor([0.0, np.nextafter(1.0, 0.0)], dtype=torch.float64)
    assert draw(scores, numbers, Sampling(1, 1.0)).tolist() == [0, 0]


def test_random_numbers_are_those_of_key_and_seed():
    one, two = uniform_numbers(["a", "b"], 7, 5), uniform_numbers(["b"], 7, 9)
    assert torch.equal(one[1], two[0, :5]) and not torch.equal(one[0], one[1])
    assert not torch.equal(one, uniform_numbers(["a", "b"], 8, 5))
    assert one.dtype == torch.float64 and bool(((one >= 0) & (one < 1)).all())


def test_settings_and_lengths_that_make_no_sense_are_refused():
    for settings, message in (
        ((0,), "max_new 0 leaves no room"),
        ((1, -0.1), "temperature -0.1 and top_p 1.0: use at least 0"),
        ((1, 1.0, 0.0), "temperature 1.0 and top_p 0.0"),
    ):
        with pytest.raises(InputError, match=message):
            Sampling(*settings)
    tokenizer, layout = setup("opt")
    model = model_of("opt", tokenizer, layout, room=20)
    example = PromptExample("k", np.full(15, 5, np.int32), np.array([2], np.int32), ("a",), None)
    assert len(complete(model, [example], layout, Sampling(5), device=CPU, seed=0)[0]) <= 5
    with pytest.raises(
        InputError, match="a prompt and max_new 6 are 21 tokens, the model reads 20; lower one"
    ):
        complete(model, [example], layout, Sampling(6), device=CPU, seed=0)
    assert complete(model, [], layout, Sampling(6), device=CPU, seed=0) == []


def test_the_authors_settings():
    assert RELEASED["greedy"] == Sampling(256, 0.0, 1.0) and RELEASED["sampled"].temperature == 1.0
