"""One objective code for BERT, BART, T5 and OPT: tiny random models, no download."""

import copy
import os
import subprocess
import sys
from itertools import pairwise

import pytest
import torch
from torch.nn import functional as F

os.environ.setdefault("HF_HUB_OFFLINE", "1")
transformers = pytest.importorskip("transformers")

from retort.data.text_batches import causal_batch, class_batch, masked_batch, seq2seq_batch  # noqa: E402
from retort.distill.alignment import CKA  # noqa: E402
from retort.distill.binding import BoundObjective  # noqa: E402
from retort.distill.distances import KL, MSE, SoftCrossEntropy  # noqa: E402
from retort.distill.layermaps import BlockEnds, Last, Uniform  # noqa: E402
from retort.distill.lenses import Project  # noqa: E402
from retort.distill.objective import hard, match, soft, words  # noqa: E402
from retort.distill.schedules import Clock  # noqa: E402
from retort.models.features import CLASS, HARD, WORDS, Shape, Site, moved_right  # noqa: E402
from retort.models.glm import MASKED_SCORE  # noqa: E402
from retort.models.hf.body import layers_of, run_body  # noqa: E402
from retort.models.hf.families import (  # noqa: E402
    CausalFamily,
    EncoderFamily,
    SeqToSeqFamily,
    T5Family,
    family_of,
)

VOCAB, PAD = 40, 1


def bert(layers, width, dropout=0.0, head="BertForMaskedLM"):
    config = transformers.BertConfig(
        vocab_size=VOCAB,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        max_position_embeddings=24,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pad_token_id=PAD,
        num_labels=3,
    )
    return EncoderFamily(getattr(transformers, head)(config))


def bart(layers, width, dropout=0.0, kind="Bart"):
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=VOCAB,
        d_model=width,
        encoder_layers=layers + 1,
        decoder_layers=layers,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=2 * width,
        decoder_ffn_dim=2 * width,
        max_position_embeddings=24,
        dropout=dropout,
        attention_dropout=dropout,
        pad_token_id=PAD,
    )
    return SeqToSeqFamily(getattr(transformers, f"{kind}ForConditionalGeneration")(config))


def opt(layers, width, dropout=0.0):
    config = transformers.OPTConfig(
        vocab_size=VOCAB,
        hidden_size=width,
        word_embed_proj_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        ffn_dim=2 * width,
        max_position_embeddings=24,
        dropout=dropout,
        attention_dropout=dropout,
        pad_token_id=PAD,
    )
    return CausalFamily(transformers.OPTForCausalLM(config))


def llama(layers, width, dropout=0.0):
    config = transformers.LlamaConfig(
        vocab_size=VOCAB,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=2 * width,
        attention_dropout=dropout,
    )
    return CausalFamily(transformers.LlamaForCausalLM(config))


def pythia(layers, width, dropout=0.0):
    config = transformers.GPTNeoXConfig(
        vocab_size=VOCAB,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=2,
        intermediate_size=2 * width,
        hidden_dropout=dropout,
        attention_dropout=dropout,
    )
    return CausalFamily(transformers.GPTNeoXForCausalLM(config))


def mbart(layers, width, dropout=0.0):
    return bart(layers, width, dropout, kind="MBart")


def t5(layers, width, dropout=0.0, tied=False):
    config = transformers.T5Config(
        vocab_size=VOCAB,
        d_model=width,
        d_kv=width // 2,
        d_ff=2 * width,
        num_layers=layers + 1,
        num_decoder_layers=layers,
        num_heads=2,
        dropout_rate=dropout,
        feed_forward_proj="relu" if tied else "gated-gelu",
        tie_word_embeddings=tied,
        pad_token_id=PAD,
        decoder_start_token_id=PAD,
    )
    return T5Family(transformers.T5ForConditionalGeneration(config))


def t5_tied(layers, width, dropout=0.0):
    """Version 1.0, which scales its states before the word table."""
    return t5(layers, width, dropout, tied=True)


def rows(seed, lengths):
    g = torch.Generator().manual_seed(seed)
    return [torch.randint(4, VOCAB, (n,), generator=g).tolist() for n in lengths]


def batch_for(build):
    texts = rows(0, (9, 6, 8, 5))
    if build is bert:
        chosen = [[i % 3 == 1 for i in range(len(row))] for row in texts]
        masked = [
            [3 if c else w for w, c in zip(r, cs, strict=True)] for r, cs in zip(texts, chosen, strict=True)
        ]
        return masked_batch(masked, texts, chosen, PAD)
    if build in TWO_STACKS:
        return seq2seq_batch(texts, rows(1, (4, 7, 6, 5)), PAD, start=2)
    return causal_batch(texts, [2, 1, 3, 2], PAD)


TWO_STACKS = [bart, mbart, t5, t5_tied]
ALL = [bert, *TWO_STACKS, opt, llama, pythia]
THREE = [bert, bart, t5, opt]
OBJECTIVES = {
    "KD": 4.0 * soft(KL(2.0)).in_phase("pretraining") + hard(),
    "GLMD": words(KL(15.0)),
    "TinyBERT": match("scores", Uniform(), MSE())
    + match("hidden", Uniform(embedding=True), MSE(), (Project(),)),
    "probabilities": match("probs", Last(), MSE()) + soft(SoftCrossEntropy()).in_phase("pretraining"),
}


def pair(build, dropout=0.0):
    torch.manual_seed(0)
    teacher = build(4, 24)
    teacher.module.eval().requires_grad_(False)
    with torch.no_grad():  # far enough from uniform that there is something to learn
        for parameter in teacher.module.parameters():
            if parameter.dim() > 1:
                parameter.mul_(5)
    return build(2, 16, dropout), teacher


def own_forward(family, batch):
    """Logits of the model's own forward."""
    inputs = family.inputs(batch)
    return family.module(**inputs).logits


def same(module, before):
    return all(torch.equal(p, q) for p, q in zip(module.state_dict().values(), before.values(), strict=True))


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("build", THREE)
def test_the_same_objectives_train_every_family(build, name):
    student, teacher = pair(build)
    batch = batch_for(build)
    bound = BoundObjective(OBJECTIVES[name], student.shape, [teacher.shape])
    student.module.train()
    before_teacher = copy.deepcopy(teacher.module.state_dict())
    start = {n: p.detach().clone() for n, p in student.module.named_parameters()}
    adam = torch.optim.Adam([*student.module.parameters(), *bound.parameters()], 3e-3)
    losses = []
    for step in range(8):
        loss = bound.loss(batch, student, [teacher], Clock(step, 8)).total
        losses.append(loss.item())
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert all(after < before for before, after in pairwise(losses)), losses
    still = {n for n, p in student.module.named_parameters() if torch.equal(p, start[n])}
    assert {n for n in still if not untouched(n, name, build)} == set()
    assert same(teacher.module, before_teacher)


def untouched(parameter, objective, build):
    """What an objective does not reach: everything behind the features it compares.

    Key biases shift all scores of a query alike, so no probability depends on them.
    """
    if objective == "TinyBERT":
        return any(part in parameter for part in ("cls.predictions", "lm_head"))
    return parameter.endswith(("key.bias", "k_proj.bias"))


@pytest.mark.parametrize("build", ALL)
def test_word_logits_equal_the_models_own(build):
    family, _ = pair(build)
    family.module.eval()
    if build in (bart, mbart):
        family.module.final_logits_bias.normal_()
    assert build is not t5 or family.module.config.scale_decoder_outputs is False
    batch = batch_for(build)
    found = family.observe(batch, frozenset({WORDS}))[WORDS].dense()
    torch.testing.assert_close(found, own_forward(family, batch), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", ALL)
def test_looking_at_attention_changes_no_result(build):
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    fused = family.observe(batch, frozenset({WORDS}))[WORDS].dense()
    depth = family.shape.layers
    want = {Site(n, i) for n in ("scores", "probs") for i in range(1, depth + 1)} | {WORDS}
    seen = family.observe(batch, frozenset(want))
    torch.testing.assert_close(seen[WORDS].dense()[batch.valid], fused[batch.valid], rtol=1e-4, atol=1e-5)
    size = batch.valid.shape[1]
    for layer in range(1, depth + 1):
        scores, probs = seen[Site("scores", layer)], seen[Site("probs", layer)]
        assert scores.shape == (4, family.shape.heads, size, size)
        torch.testing.assert_close(probs.sum(-1), torch.ones(probs.shape[:-1]))
        seen_by_none = ~(batch.valid | moved_right(batch.valid)) if build in TWO_STACKS else ~batch.valid
        padding = seen_by_none[:, None, None, :].expand_as(scores)
        assert (scores[padding] == MASKED_SCORE).all()
        if build is not bert:
            future = torch.ones(size, size, dtype=torch.bool).triu(1)
            assert (scores[..., future] == MASKED_SCORE).all()


@pytest.mark.parametrize("build", THREE)
def test_probabilities_equal_those_of_eager_attention(build):
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    seen = family.observe(batch, frozenset({Site("probs", 1), Site("probs", 2)}))
    family.module.set_attn_implementation("eager")
    out = family.module(**family.inputs(batch), output_attentions=True)
    eager = out.decoder_attentions if build in TWO_STACKS else out.attentions
    where = batch.valid[:, None, :, None]
    for layer in (1, 2):
        found = seen[Site("probs", layer)]
        torch.testing.assert_close(found * where, eager[layer - 1] * where, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("build", THREE)
def test_probabilities_are_taken_before_dropout(build):
    family, _ = pair(build, dropout=0.5)
    family.module.train()
    torch.manual_seed(3)
    probs = family.observe(batch_for(build), frozenset({Site("probs", 1)}))[Site("probs", 1)]
    torch.testing.assert_close(probs.sum(-1), torch.ones(probs.shape[:-1]))


@pytest.mark.parametrize("build", ALL)
def test_hidden_states_are_where_the_documentation_says(build):
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    depth = family.shape.layers
    want = frozenset(Site("hidden", i) for i in range(depth + 1)) | {WORDS}
    seen = family.observe(batch, want)
    assert all(seen[Site("hidden", i)].shape == (*batch.valid.shape, 16) for i in range(depth + 1))
    last = seen[Site("hidden", depth)]
    if build is bert:
        torch.testing.assert_close(last, family.module.bert(**family.inputs(batch)).last_hidden_state)
        torch.testing.assert_close(seen[Site("hidden", 0)], family.module.bert.embeddings(batch.tokens))
    else:
        scale = 16**-0.5 if build is t5_tied else 1.0
        torch.testing.assert_close(seen[WORDS].hidden, last * scale)
    with pytest.raises(ValueError, match="no site"):
        family.observe(batch, frozenset({Site("hidden", depth + 1)}))


@pytest.mark.parametrize("build", TWO_STACKS)
def test_encoder_states_of_an_encoder_decoder(build):
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    assert family.shape == Shape(2, 16, 2, VOCAB, encoder_layers=3)
    seen = family.observe(batch, frozenset({Site("encoder", 0), Site("encoder", 3), Site("hidden", 2)}))
    own = family.module.get_encoder()(batch.tokens, batch.attended.long()).last_hidden_state
    torch.testing.assert_close(seen[Site("encoder", 3)], own)
    assert seen[Site("encoder", 0)].shape == (4, 9, 16) and torch.equal(seen.attended, batch.attended)
    with pytest.raises(ValueError, match="no site"):
        family.observe(batch, frozenset({Site("encoder", 4)}))
    with pytest.raises(ValueError, match="no site"):
        opt(1, 16).observe(batch_for(opt), frozenset({Site("encoder", 0)}))


@pytest.mark.parametrize("build", TWO_STACKS)
def test_decoder_states_are_those_of_the_whole_model_wherever_a_word_is_read(build):
    """The authors mask nothing in the decoder; one position after the last word a word is still read."""
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    inputs = family.inputs(batch)
    del inputs["decoder_attention_mask"]
    out = family.module(**inputs, output_hidden_states=True)
    depth = family.shape.layers
    seen = family.observe(batch, frozenset(Site("hidden", i) for i in range(depth + 1)))
    read = batch.valid | moved_right(batch.valid)
    assert not torch.equal(read, batch.valid)
    for layer in range(depth + 1):
        whole = out.decoder_hidden_states[layer]
        torch.testing.assert_close(seen[Site("hidden", layer)][read], whole[read], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", ALL)
def test_hard_loss_is_the_mean_over_predicted_words(build):
    family, _ = pair(build)
    family.module.eval()
    batch = batch_for(build)
    found = family.observe(batch, frozenset({HARD}))[HARD]
    naive = F.cross_entropy(own_forward(family, batch)[batch.predicted], batch.targets[batch.predicted])
    torch.testing.assert_close(found.mean(), naive, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("build", THREE)
@pytest.mark.parametrize("name", OBJECTIVES)
def test_micro_batches_do_not_change_the_gradient(build, name):
    student, teacher = pair(build)
    student.module.double()
    teacher.module.double()
    batch = batch_for(build)
    bound = BoundObjective(OBJECTIVES[name], student.shape, [teacher.shape]).double()
    found = []
    for parts in ([batch], batch.split(3)):
        loss = sum(bound.loss(part, student, [teacher], Clock(0, 1)).total for part in parts)
        parameters = [*student.module.parameters(), *bound.parameters()]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        found.append([g for g in gradients if g is not None])
    for whole, split in zip(*found, strict=True):
        torch.testing.assert_close(split, whole, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("build", THREE)
def test_states_of_other_widths_are_drawn_together_by_cka(build):
    student, teacher = pair(build)
    batch = batch_for(build)
    objective = match("hidden", BlockEnds(embedding=True), CKA(), mask="valid")
    bound = BoundObjective(objective, student.shape, [teacher.shape])
    adam = torch.optim.Adam(student.module.parameters(), 3e-3)
    values = []
    for step in range(6):
        loss = bound.loss(batch, student, [teacher], Clock(step, 6)).total
        values.append(loss.item())
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert all(after < before for before, after in pairwise(values))


def test_classifiers_give_class_scores():
    family = bert(2, 16, head="BertForSequenceClassification")
    family.module.eval()
    batch = class_batch(rows(0, (6, 4, 5)), [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1], [0] * 5], [0, 2, 1], PAD)
    seen = family.observe(batch, frozenset({CLASS, HARD}))
    own = family.module(**family.inputs(batch)).logits
    torch.testing.assert_close(seen[CLASS], own)
    torch.testing.assert_close(seen[HARD], F.cross_entropy(own, batch.labels, reduction="none"))


def test_scores_are_regressed_on():
    family = bert(2, 16, head="BertForSequenceClassification")
    family.module.eval()
    batch = class_batch(rows(0, (6, 4)), None, [0.5, 4.0], PAD)
    seen = family.observe(batch, frozenset({CLASS, HARD}))
    assert batch.segments is None and seen[CLASS].shape == (2, 3)
    torch.testing.assert_close(seen[HARD], (seen[CLASS][:, 0] - batch.labels) ** 2)


def test_a_bert_has_one_head():
    batch = class_batch(rows(0, (6, 4)), None, [0, 1], PAD)
    with pytest.raises(ValueError, match="BertForMaskedLM has no site 'class'"):
        bert(1, 16).observe(batch, frozenset({CLASS}))
    with pytest.raises(ValueError, match="BertForSequenceClassification has no site 'words'"):
        bert(1, 16, head="BertForSequenceClassification").observe(batch, frozenset({WORDS}))


def test_models_find_their_family():
    assert isinstance(family_of(t5(1, 16).module), T5Family)
    assert type(family_of(mbart(1, 16).module)) is SeqToSeqFamily
    other = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_layer=1, n_embd=8, n_head=1, vocab_size=9))
    with pytest.raises(ValueError, match="no adapter for 'gpt2'; there are some for bart, bert, gpt_neox"):
        family_of(other)


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


def test_families_know_their_models():
    with pytest.raises(ValueError, match="CausalFamily knows gpt_neox, llama, opt, not 'bert'"):
        CausalFamily(bert(1, 16).module)
    with pytest.raises(ValueError, match="needs a batch with decoder_tokens"):
        bart(1, 16).observe(batch_for(opt), frozenset({WORDS}))


def test_importing_the_adapters_does_not_import_transformers():
    code = (
        "import sys, retort.models.hf.folders, retort.training.loop; assert 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
