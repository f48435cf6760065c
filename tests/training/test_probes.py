import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from retort.data.batches import GLMBatch
from retort.distill.distances import KL
from retort.models.features import HARD, WORDS, Shape, Site, Totals
from retort.models.glm import GLM, GLMConfig
from retort.models.glm_family import GLMFamily
from retort.training.probes import (
    Probe,
    linear_cka,
    mean_kl,
    relation_distances,
    shapes_compare,
)


def family(seed, layers=2, width=16, heads=2, vocab=30, dropout=0.0):
    torch.manual_seed(seed)
    return GLMFamily(GLM(GLMConfig(layers, width, heads, vocab, 20, dropout)).double())


def probe_sites(layers):
    found = {Site("hidden", layer) for layer in layers}
    return frozenset(
        found
        | {Site(name, layer) for name in ("scores", "q", "k", "v") for layer in layers if layer}
        | {WORDS}
    )


def measure(student, teacher, batch, kept=None):
    return Probe(student, teacher, batch, kept).measure(student)


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
        totals=Totals(3, 3, int(valid.sum()), 7),
    )


def test_a_model_is_at_distance_zero_from_itself(batch):
    model = family(0)
    found = measure(model, model, batch)
    assert found.pop("lm_loss") > 1
    assert found
    for name, value in found.items():
        assert value == pytest.approx(0, abs=1e-9), name


def test_what_shapes_allow_is_measured(batch):
    alike = measure(family(0), family(1), batch)
    other = measure(family(0), family(1, layers=4, width=24, heads=4), batch)
    direct = {f"{d}:{s}:{i}" for d in ("mse", "kl") for s in ("q", "k", "v", "scores") for i in (1, 2)}
    direct |= {f"{d}:hidden:{i}" for d in ("mse", "kl") for i in (0, 1, 2)}
    always = {f"{d}:{s}:{i}" for d in ("cka", "gram_mse", "gram_kl") for s in ("q", "k", "v") for i in (1, 2)}
    always |= {f"{d}:hidden:{i}" for d in ("cka", "gram_mse", "gram_kl") for i in (0, 1, 2)}
    assert set(other) == always | {"kl:words", "lm_loss"}
    assert set(alike) == set(other) | direct
    assert all(value > 0 for value in (*alike.values(), *other.values()))


def test_scores_compare_where_heads_agree_whatever_the_widths(batch):
    found = measure(family(0), family(1, width=24), batch)
    assert {"mse:scores:1", "kl:scores:2"} <= set(found)
    assert "mse:hidden:1" not in found and "kl:q:1" not in found


def test_each_student_layer_meets_the_teachers_last_layer_of_its_segment(batch):
    student, teacher = family(0), family(1, layers=4)
    found = measure(student, teacher, batch)
    a, b = student.observe(batch, probe_sites([1, 2])), teacher.observe(batch, probe_sites([2, 4]))
    for mine, theirs in ((1, 2), (2, 4)):
        square = (a[Site("k", mine)] - b[Site("k", theirs)])[batch.valid].square().mean().item()
        assert found[f"mse:k:{mine}"] == pytest.approx(square)


@pytest.mark.parametrize("name", ["hidden", "q", "k", "v"])
def test_distances_by_hand(batch, name):
    """Row by row and position by position, padding cut off: nothing here knows a mask."""
    ours, theirs = family(0), family(1)
    found = measure(ours, theirs, batch)
    want = probe_sites([0, 1, 2])
    site = Site(name, 1)
    a, b = ours.observe(batch, want)[site], theirs.observe(batch, want)[site]
    valid = batch.valid
    assert found[f"mse:{name}:1"] == pytest.approx((a - b)[valid].square().mean().item())
    assert found[f"cka:{name}:1"] == pytest.approx(1 - linear_cka(a[valid], b[valid]).item())
    direct, squares, changes = [], [], []
    for row in range(3):
        x, y = (f[row][valid[row]] for f in (a, b))
        direct += [naive_kl(x[i], y[i]) for i in range(len(x))]
        gram, other = x @ x.T / 4, y @ y.T / 4
        squares.append((gram - other).square().flatten())
        changes += [naive_kl(gram[i], other[i]) for i in range(len(x))]
    assert found[f"kl:{name}:1"] == pytest.approx(sum(direct) / len(direct))
    assert found[f"gram_mse:{name}:1"] == pytest.approx(torch.cat(squares).mean().item())
    assert found[f"gram_kl:{name}:1"] == pytest.approx(sum(changes) / len(changes))


def naive_kl(student, teacher):
    p, q = teacher.softmax(0), student.softmax(0)
    return sum((p[i] * (p[i].log() - q[i].log())).item() for i in range(len(p)))


def test_scores_and_words_by_hand(batch):
    ours, theirs = family(0), family(1)
    found = measure(ours, theirs, batch)
    want = probe_sites([1, 2]) | {HARD}
    a, b = ours.observe(batch, want), theirs.observe(batch, want)
    scores = Site("scores", 2)
    squares, changes = [], []
    for row in range(3):
        for query in range(int(batch.valid[row].sum())):
            for head in range(2):
                x, y = a[scores][row, head, query], b[scores][row, head, query]
                squares.append((x - y).square().mean().item())
                seen = x > -60000  # what is masked in both adds nothing
                changes.append(naive_kl(x[seen], y[seen]))
    assert found["mse:scores:2"] == pytest.approx(sum(squares) / len(squares))
    assert found["kl:scores:2"] == pytest.approx(sum(changes) / len(changes))
    words = KL(15.0)(a[WORDS].dense(), b[WORDS].dense())[batch.valid].mean().item()
    assert found["kl:words"] == pytest.approx(words)
    gold = a[WORDS].dense().log_softmax(-1).gather(-1, batch.targets[..., None])[..., 0]
    assert found["lm_loss"] == pytest.approx(-gold[batch.predicted].mean().item())


def test_padding_changes_nothing(batch):
    ours, theirs = family(0), family(1)
    other = GLMBatch(**{**vars(batch), "tokens": torch.where(batch.valid, batch.tokens, 17)})
    a, b = (measure(ours, theirs, each) for each in (batch, other))
    assert a == pytest.approx(b)


def test_words_are_compared_over_the_kept_ones(batch):
    small, teacher = family(0, vocab=5), family(1)
    kept = torch.tensor([3, 9, 1, 20, 7])
    small_batch = GLMBatch(**{**vars(batch), "tokens": batch.tokens % 5, "targets": batch.targets % 5})
    found = measure(small, teacher, small_batch, kept)["kl:words"]
    want = frozenset({WORDS})
    a, b = small.observe(small_batch, want), teacher.observe(small_batch, want)
    naive = KL(15.0)(a[WORDS].dense(), b[WORDS].dense()[..., kept])[batch.valid].mean().item()
    assert found == pytest.approx(naive)


def test_probing_leaves_no_trace(batch):
    student, teacher = family(0, dropout=0.5), family(1)
    student.module.train()
    teacher.module.eval()
    state = torch.get_rng_state()
    probe = Probe(student, teacher, batch, None)
    first = probe.measure(student)
    assert torch.equal(torch.get_rng_state(), state), "probing must not change the run's random numbers"
    assert student.module.training and not teacher.module.training
    assert first == probe.measure(student)
    assert all(p.grad is None for p in student.module.parameters())


def test_a_student_that_moves_is_measured_anew(batch):
    student, teacher = family(0), family(1)
    probe = Probe(student, teacher, batch, None)
    before = probe.measure(student)
    with torch.no_grad():
        for mine, theirs in zip(student.module.parameters(), teacher.module.parameters(), strict=True):
            mine.copy_(theirs)
    after = probe.measure(student)
    assert after["lm_loss"] != before["lm_loss"]
    assert all(after[name] == pytest.approx(0, abs=1e-9) for name in after if ":" in name)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.floats(0.01, 1e4))
def test_kl_is_the_objectives_even_where_probabilities_vanish(seed, size):
    g = torch.Generator().manual_seed(seed)
    x, y = size * torch.randn(2, 3, 4, 6, generator=g, dtype=torch.float64)
    valid = torch.rand(3, 4, generator=g) < 0.7
    valid[0, 0] = True
    torch.testing.assert_close(mean_kl(x, y, valid), KL()(x, y)[valid].mean())
    squares, change = relation_distances(x, y, valid)
    assert torch.isfinite(squares) and torch.isfinite(change) and change >= 0
    assert relation_distances(x, x, valid) == (0, 0)


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
