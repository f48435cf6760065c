"""Students cut out of teachers."""

import pytest
import torch

from retort.distill.vocabulary import VocabularyMap
from retort.models.glm import GLM, GLMConfig
from retort.models.truncation import slice_words, truncate

QKV = "transformer.layers.1.attention.query_key_value"


def model(layers, width, seed, vocab=20):
    torch.manual_seed(seed)
    return GLM(GLMConfig(layers, width, 2, vocab, 12))


def pair(width):
    """A student of this width and a teacher of width 6, with numbers that tell where they come from."""
    student, teacher = model(2, width, 0), model(4, 6, 1)
    with torch.no_grad():
        for _, parameter in teacher.named_parameters():
            parameter.copy_(torch.arange(parameter.numel(), dtype=torch.float32).view(parameter.shape))
    return student, teacher


@pytest.mark.parametrize(
    ("fused", "rows"),
    [
        (True, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),  # keys: queries 4, 5, keys 0, 1; values: keys
        (False, [0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15]),
    ],
)
def test_rows_of_the_fused_projection(fused, rows):
    student, teacher = pair(4)
    truncate(student, teacher, fused)
    own, other = student.state_dict(), teacher.state_dict()
    assert torch.equal(own[f"{QKV}.weight"], other[f"{QKV}.weight"][rows, :4])
    assert torch.equal(own[f"{QKV}.bias"], other[f"{QKV}.bias"][rows])


@pytest.mark.parametrize("fused", [True, False])
def test_equal_widths_copy_the_first_layers(fused):
    student, teacher = pair(6)
    truncate(student, teacher, fused)
    other = teacher.state_dict()
    assert all(torch.equal(value, other[name]) for name, value in student.state_dict().items())


def test_everything_else_is_the_top_left_block():
    student, teacher = pair(4)
    truncate(student, teacher, True)
    other = teacher.state_dict()
    for name, value in student.state_dict().items():
        block = tuple(slice(0, size) for size in value.shape)
        assert torch.equal(value, other[name][block]), name


def test_kept_words_are_copied_and_nothing_else():
    student, teacher = model(2, 4, 0, vocab=3), model(4, 6, 1)
    before = {name: value.clone() for name, value in student.state_dict().items()}
    kept = torch.tensor([7, 0, 19])
    vocabulary = VocabularyMap(kept, torch.zeros(20, dtype=torch.int64), torch.zeros(20, dtype=torch.bool))
    slice_words(student, teacher.word_embeddings.weight, vocabulary)
    assert torch.equal(student.word_embeddings.weight, teacher.word_embeddings.weight[kept][:, :4])
    for name, value in student.state_dict().items():
        assert name == "word_embeddings.weight" or torch.equal(value, before[name])
