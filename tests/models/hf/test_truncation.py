"""Students cut out of teachers: which layer, which block of a tensor, and what stays random."""

import re

import pytest
import torch

pytest.importorskip("transformers")

from retort.errors import InputError  # noqa: E402
from retort.models.hf.architecture import Slices, TextArchitecture, Vocabulary  # noqa: E402
from retort.models.hf.building import build  # noqa: E402
from retort.models.hf.truncation import truncate  # noqa: E402
from retort.recipes import cka  # noqa: E402

WORDS = Vocabulary(20, pad=1, bos=0, eos=2, start=2)


@pytest.mark.parametrize(
    ("slices", "student", "teacher", "expected"),
    [
        (Slices(), 3, 12, [0, 4, 8]),
        (Slices(), 4, 12, [0, 3, 6, 9]),
        (Slices(), 6, 12, [0, 2, 4, 6, 8, 10]),
        (Slices(), 12, 12, list(range(12))),
        (Slices(), 8, 12, [0, 1, 3, 4, 6, 7, 9, 10]),
        (Slices(blocks=3), 8, 12, [0, 1, 3, 4, 6, 7, None, None]),
        (Slices(), 16, 12, [0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11]),
        (Slices("last"), 3, 12, [3, 7, 11]),
        (Slices("last"), 6, 12, [1, 3, 5, 7, 9, 11]),
        (Slices("last"), 2, 12, [5, 11]),
        (Slices("last"), 8, 12, [1, 2, 4, 5, 7, 8, 10, 11]),
        (Slices("last"), 16, 12, [0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11]),
        (Slices("leading"), 3, 12, [0, 1, 2]),
    ],
)
def test_layers_come_from_where_the_released_scripts_take_them(slices, student, teacher, expected):
    assert slices.sources(student, teacher) == expected


def test_leading_layers_of_a_shallower_teacher_are_refused():
    with pytest.raises(InputError, match="16 layers cannot start from the leading ones of 12"):
        Slices("leading").sources(16, 12)


CAUSAL = ["opt", "llama"]


def pair(kind, layers=(2, 4), widths=(8, 12), words=(WORDS, WORDS), tied=True):
    torch.manual_seed(0)
    made = []
    for depth, width, vocabulary in zip(layers, widths, words, strict=True):
        stacks = {"bert": (depth, 0)} | dict.fromkeys(CAUSAL, (0, depth))
        encoder, decoder = stacks.get(kind, (depth, depth))
        size = TextArchitecture(kind, kind, encoder, decoder, width, 2, 2 * width, 16, 0.0, tied=tied)
        made.append(build(size, vocabulary).module)
    with torch.no_grad():
        for tensor in made[1].state_dict().values():  # norms and biases of a fresh model are all alike
            tensor.normal_()
    return made


def block(tensor, like):
    return tensor[tuple(slice(0, size) for size in like.shape)]


def theirs(name, layers):
    """The teacher's name of a tensor when student layer i starts from ``layers[i]``."""
    swap = r"((?:encoder|decoder|model|gpt_neox)\.(?:layers?|block)\.)(\d+)"
    return re.sub(swap, lambda found: f"{found[1]}{layers[int(found[2])]}", name)


@pytest.mark.parametrize("kind", ["bert", "bart", "mbart", "t5", "opt", "llama"])
@pytest.mark.parametrize(("layer", "layers"), [("first", [0, 2]), ("last", [1, 3]), ("leading", [0, 1])])
def test_everything_is_the_leading_block_of_the_teachers(kind, layer, layers):
    student, teacher = pair(kind)
    left = truncate(student, teacher, Slices(layer))
    assert left == ()
    source = teacher.state_dict()
    for name, own in student.state_dict().items():
        of_all = "relative_attention_bias" in name
        assert torch.equal(own, block(source[name if of_all else theirs(name, layers)], own)), name


STARTS = {
    "BART": (cka.BART_START, {"decoder.embed_positions", "final_logits_bias"}),
    "mBART": (
        cka.MBART_START,
        {"encoder.embed_positions", "decoder.embed_positions", "encoder.layer_norm", "decoder.layer_norm",
         "final_logits_bias"},
    ),
    "BERT": (
        cka.BERT_START,
        {"embeddings.LayerNorm", "transform.LayerNorm", "position_embeddings"},
    ),
    "BERT 3": (
        cka.BERT_3_START,
        {"embeddings.LayerNorm", "transform.LayerNorm", "position_embeddings", "token_type_embeddings"},
    ),
    "BERT 16": (cka.BERT_16_START, {"embeddings.LayerNorm", "transform.LayerNorm"}),
    "mBART cosine": (cka.MBART_SHALLOW, set()),
    "T5": (cka.T5_START, set()),
}  # fmt: skip


@pytest.mark.parametrize("name", STARTS)
def test_what_the_released_starts_leave_random(name):
    slices, expected = STARTS[name]
    student, teacher = pair(name.partition(" ")[0].lower())
    before = {key: value.clone() for key, value in student.state_dict().items()}
    left = truncate(student, teacher, slices)
    assert {part for part in expected if any(part in key for key in left)} == expected
    assert all(any(part in key for part in expected) for key in left)
    after = student.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in left)
    assert all(not torch.equal(after[key], before[key]) for key in after if key not in left)


@pytest.mark.parametrize("kind", ["bart", "mbart"])
def test_the_decoders_embedding_norm_comes_from_the_encoder(kind):
    student, teacher = pair(kind)
    truncate(student, teacher, cka.BART_START if kind == "bart" else cka.MBART_START)
    for part in ("weight", "bias"):
        own = getattr(student.model.decoder.layernorm_embedding, part)
        assert torch.equal(own, getattr(teacher.model.encoder.layernorm_embedding, part)[:8])
        assert not torch.equal(own, getattr(teacher.model.decoder.layernorm_embedding, part)[:8])


def test_t5s_encoder_gets_queries_for_keys_values_and_outputs():
    student, teacher = pair("t5")
    truncate(student, teacher, cka.T5_START)
    for layer, source in ((0, 0), (1, 2)):
        ours = student.encoder.block[layer].layer[0].SelfAttention
        queries = teacher.encoder.block[source].layer[0].SelfAttention.q.weight
        for part in (ours.q, ours.k, ours.v, ours.o):
            assert torch.equal(part.weight, queries[:8, :8])
        for attention in ("SelfAttention", "EncDecAttention"):
            number = int(attention == "EncDecAttention")
            mine = getattr(student.decoder.block[layer].layer[number], attention)
            other = getattr(teacher.decoder.block[source].layer[number], attention)
            for part in "qkvo":
                assert torch.equal(getattr(mine, part).weight, getattr(other, part).weight[:8, :8])


def test_the_last_layers_of_an_eight_layer_bert_stay_random():
    student, teacher = pair("bert", (8, 12))
    left = truncate(student, teacher, cka.BERT_8_START)
    assert {key.split(".")[3] for key in left if ".layer." in key} == {"6", "7"}
    (own,) = (v for k, v in student.state_dict().items() if k.endswith("layer.5.output.dense.bias"))
    assert torch.equal(own, teacher.bert.encoder.layer[7].output.dense.bias[:8])


def test_a_student_deeper_than_its_teacher_sees_a_layer_twice():
    student, teacher = pair("bert", (16, 12))
    truncate(student, teacher, cka.BERT_16_START)
    for layer, source in enumerate((0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11)):
        own, other = student.bert.encoder.layer[layer], teacher.bert.encoder.layer[source]
        assert torch.equal(own.intermediate.dense.weight, other.intermediate.dense.weight[:16, :8])
        assert torch.equal(own.attention.output.LayerNorm.weight, other.attention.output.LayerNorm.weight[:8])
        assert torch.equal(own.output.LayerNorm.bias, other.output.LayerNorm.bias[:8])
        block = teacher.bert.encoder.layer[layer // 4]
        assert torch.equal(own.output.LayerNorm.weight, block.output.LayerNorm.weight[:8])


def test_rows_of_a_smaller_vocabulary_are_the_first():
    """As mC4 students go on to the translation teacher's shorter word table."""
    student, before = pair("mbart", (2, 2), (8, 8), (Vocabulary(17, 1, 0, 2), Vocabulary(20, 1, 0, 2)))
    assert truncate(student, before, Slices("leading")) == ()
    assert torch.equal(student.lm_head.weight, before.model.shared.weight[:17])
    assert student.lm_head.weight is student.model.shared.weight


def test_a_classifier_takes_the_encoder_and_keeps_its_own_head():
    _, pretrained = pair("bert")
    size = TextArchitecture("bert", "bert", 4, 0, 12, 2, 24, 16, 0.0)
    classifier = build(size, WORDS, classes=3).module
    left = truncate(classifier, pretrained, Slices("leading"))
    assert {key.partition(".dense")[0].rpartition(".")[0] or key for key in left} == {"bert", "classifier"}
    assert torch.equal(classifier.bert.encoder.layer[3].output.dense.weight,
                       pretrained.bert.encoder.layer[3].output.dense.weight)  # fmt: skip


def test_a_head_of_its_own_is_cut_by_itself():
    student, teacher = pair("t5", tied=False)
    truncate(student, teacher, Slices())
    assert torch.equal(student.lm_head.weight, teacher.lm_head.weight[:, :8])
    assert torch.equal(student.shared.weight, teacher.shared.weight[:, :8])
    assert not torch.equal(student.lm_head.weight, student.shared.weight)


@pytest.mark.parametrize("heads", [(2, 4), (2, 2)])
@pytest.mark.parametrize(("layer", "layers"), [("first", [0, 2]), ("last", [1, 3])])
def test_fused_attention_is_cut_head_by_head(heads, layer, layers):
    """Queries come from queries, keys from keys; two of four heads, or narrower heads of as many."""
    torch.manual_seed(0)
    widths = (16, 32)
    student, teacher = (
        build(TextArchitecture("x", "gpt_neox", 0, depth, width, head, 24, 16, 0.0, tied=False), WORDS).module
        for depth, width, head in zip((2, 4), widths, heads, strict=True)
    )
    fresh = [parameter.clone() for parameter in teacher.parameters()]
    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.normal_()
    assert not any(map(torch.equal, fresh, teacher.parameters()))
    assert truncate(student, teacher, Slices(layer)) == ()
    size = [width // head for width, head in zip(widths, heads, strict=True)]
    for own, source in zip(student.gpt_neox.layers, layers, strict=True):
        other = teacher.gpt_neox.layers[source]
        mine, fused = own.attention.query_key_value, other.attention.query_key_value
        for head in range(heads[0]):
            for part in range(3):
                at, start = (3 * head * s + part * s for s in size)
                rows = slice(at, at + size[0]), slice(start, start + size[0])
                assert torch.equal(mine.weight[rows[0]], fused.weight[rows[1], :16])
                assert torch.equal(mine.bias[rows[0]], fused.bias[rows[1]])
        assert torch.equal(own.attention.dense.weight, other.attention.dense.weight[:16, :16])
        assert torch.equal(own.mlp.dense_h_to_4h.weight, other.mlp.dense_h_to_4h.weight[:24, :16])
    assert torch.equal(student.lm_head.weight, teacher.lm_head.weight[:, :16])


def test_a_projection_that_only_the_student_has_stays_random():
    """As OPT-350M's, whose words are narrower than its states."""
    torch.manual_seed(0)
    size = TextArchitecture("s", "opt", 0, 2, 8, 2, 16, 16, word_width=4, normalised="after")
    student = build(size, WORDS).module
    _, teacher = pair("opt")
    left = truncate(student, teacher, Slices("last"))
    assert left == ("model.decoder.project_out.weight", "model.decoder.project_in.weight")
    assert torch.equal(student.lm_head.weight, teacher.lm_head.weight[:, :4])
    assert student.lm_head.weight is student.model.decoder.embed_tokens.weight


def test_a_causal_student_of_another_vocabulary_takes_the_first_rows():
    """As Pythia's, whose largest sizes have more rows."""
    student, teacher = pair("llama", words=(Vocabulary(17, 1, 0, 2), WORDS), tied=False)
    assert truncate(student, teacher, Slices()) == ()
    for own, other in ((student.lm_head, teacher.lm_head),
                       (student.model.embed_tokens, teacher.model.embed_tokens)):  # fmt: skip
        assert torch.equal(own.weight, other.weight[:17, :8])
