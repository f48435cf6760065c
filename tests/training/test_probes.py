import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.data.batches import GLMBatch
from retort.distill.distances import KL
from retort.models.features import WORDS, Shape, Site, Totals
from retort.models.glm import GLM, GLMConfig
from retort.models.glm_family import GLMFamily
from retort.training.probes import feature_distances, linear_cka, probe_sites, shapes_compare


def family(seed, layers=2, width=16, heads=2, vocab=30, dropout=0.0):
    torch.manual_seed(seed)
    return GLMFamily(GLM(GLMConfig(layers, width, heads, vocab, 20, dropout)).double())


@pytest.fixture
def batch():
    g = torch.Generator().manual_seed(0)
    valid = torch.arange(8)[None] < torch.tensor([8, 5, 6])[:, None]
    return GLMBatch(
        tokens=torch.randint(0, 30, (3, 8), generator=g) * valid,
        targets=torch.randint(0, 30, (3, 8), generator=g),
        positions=torch.arange(8).expand(3, 2, 8) * valid[:, None],
        sep=torch.tensor([4, 3, 2]),
        predicted=valid & (torch.arange(8) >= 4),
        valid=valid,
        example_of_row=torch.arange(3),
        keys=("0", "1", "2"),
        totals=Totals(3, 3, int(valid.sum()), 6),
    )


def test_a_model_is_at_distance_zero_from_itself(batch):
    model = family(0)
    found = feature_distances(model, model, batch, None)
    assert found
    for name, value in found.items():
        assert value == pytest.approx(0, abs=1e-9), name


def test_what_shapes_allow_is_measured(batch):
    alike = feature_distances(family(0), family(1), batch, None)
    other = feature_distances(family(0), family(1, layers=4, width=24, heads=4), batch, None)
    assert {"kl:words", "cka:hidden:0", "gram_mse:v:2", "mse:hidden:1", "mse:scores:1", "kl:scores:2"} <= set(
        alike
    )
    assert set(other) == {n for n in alike if not n.startswith("mse:") and "scores" not in n}
    assert all(value > 0 for value in (alike | other).values())


def test_distances_by_hand(batch):
    ours, theirs = family(0), family(1)
    found = feature_distances(ours, theirs, batch, None)
    want = probe_sites([0, 1, 2])
    a, b = ours.observe(batch, want), theirs.observe(batch, want)
    valid = batch.valid
    hidden = Site("hidden", 1)
    assert found["mse:hidden:1"] == pytest.approx((a[hidden] - b[hidden])[valid].square().mean().item())
    assert found["cka:hidden:1"] == pytest.approx(1 - linear_cka(a[hidden][valid], b[hidden][valid]).item())
    words = KL(15.0)(a[WORDS].dense(), b[WORDS].dense())[valid].mean().item()
    assert found["kl:words"] == pytest.approx(words)
    grams = []
    for row in range(3):
        keep = valid[row]
        x, y = (f[hidden][row][keep] for f in (a, b))
        grams.append((x @ x.T / 4 - y @ y.T / 4).square().flatten())
    assert found["gram_mse:hidden:1"] == pytest.approx(torch.cat(grams).mean().item())


def test_words_are_compared_over_the_kept_ones(batch):
    small, teacher = family(0, vocab=5), family(1)
    kept = torch.tensor([3, 9, 1, 20, 7])
    tokens = batch.tokens % 5
    small_batch = GLMBatch(**{**vars(batch), "tokens": tokens})
    found = feature_distances(small, teacher, small_batch, kept)["kl:words"]
    want = frozenset({WORDS})
    a, b = small.observe(small_batch, want), teacher.observe(small_batch, want)
    naive = KL(15.0)(a[WORDS].dense(), b[WORDS].dense()[..., kept])[batch.valid].mean().item()
    assert found == pytest.approx(naive)


def test_probing_leaves_no_trace(batch):
    student, teacher = family(0, dropout=0.5), family(1)
    student.module.train()
    teacher.module.eval()
    state = torch.get_rng_state()
    first = feature_distances(student, teacher, batch, None)
    assert torch.equal(torch.get_rng_state(), state), "probing must not change the run's random numbers"
    assert student.module.training and not teacher.module.training
    assert first == feature_distances(student, teacher, batch, None)
    assert all(p.grad is None for p in student.module.parameters())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(4, 30), d=st.integers(1, 6), e=st.integers(1, 6))
def test_cka_is_a_similarity(seed, rows, d, e):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, d, generator=g, dtype=torch.float64)
    y = torch.randn(rows, e, generator=g, dtype=torch.float64)
    value = linear_cka(x, y)
    assert -1e-9 <= value <= 1 + 1e-9
    torch.testing.assert_close(linear_cka(y, x), value)
    torch.testing.assert_close(linear_cka(x, x), torch.ones((), dtype=torch.float64))
    rotation = torch.linalg.qr(torch.randn(d, d, generator=g, dtype=torch.float64)).Q
    moved = 3 * x @ rotation + torch.randn(d, generator=g, dtype=torch.float64)
    torch.testing.assert_close(linear_cka(moved, y), value)
    # The kernel form of the definition.
    centre = torch.eye(rows, dtype=torch.float64) - 1 / rows
    k, m = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    torch.testing.assert_close(value, (k * m).sum() / (k.norm() * m.norm()))


def test_cka_of_constant_features_is_zero_not_nan():
    assert linear_cka(torch.ones(5, 3), torch.randn(5, 2)) == 0


def test_only_shallower_students_compare():
    assert shapes_compare(Shape(2, 8, 2, 10), Shape(2, 4, 2, 10))
    assert not shapes_compare(Shape(3, 8, 2, 10), Shape(2, 8, 2, 10))
