"""One call of transformers: what it would swallow is refused, what does not come back is noticed."""

import pytest

pytest.importorskip("transformers")

from text_models import batch_for, opt  # noqa: E402

from retort.models.hf.body import as_forward_of, layers_of, run_body  # noqa: E402


def test_an_input_that_a_model_would_swallow_is_refused():
    family = opt(1, 16)
    ids = batch_for(opt).tokens
    family.module(ids, nonsense=1)  # what transformers does
    for name in ("nonsense", "output_hiddenstates", "head_mask", "token_type_ids"):
        with pytest.raises(
            TypeError, match=f"OPTModel takes no '{name}'; it takes attention_mask, input_ids"
        ):
            run_body(family.module.base_model, {"input_ids": ids, name: ids}, hidden=False, scores=False)


def test_attentions_that_do_not_come_back_are_noticed():
    family = opt(2, 16)
    ids = batch_for(opt).tokens
    family.module.set_attn_implementation("sdpa")
    out = run_body(family.module.base_model, {"input_ids": ids}, hidden=True, scores=True)
    with pytest.raises(RuntimeError, match="asked for 2 attentions, the model gave 0"):
        layers_of(out, "attentions", 2)
    assert len(layers_of(out, "hidden_states", 3)) == 3
    with pytest.raises(RuntimeError, match="asked for 4 hidden_states, the model gave 3"):
        layers_of(out, "hidden_states", 4)


def test_parts_run_in_the_place_of_the_whole_and_hooks_see_it():
    module, seen = opt(1, 16).module, []
    module.register_forward_pre_hook(lambda *_: seen.append("before"))
    module.register_forward_hook(lambda _, arguments, output: seen.append(output))
    own = module.forward
    assert as_forward_of(module, lambda: "parts") == "parts" and seen == ["before", "parts"]
    with pytest.raises(ZeroDivisionError):
        as_forward_of(module, lambda: 1 // 0)
    assert module.forward == own
