"""Claims about papers on transformers models: several tasks, families and sizes in one run."""

from __future__ import annotations

import subprocess
import sys

import pytest
from judged_runs import CKA, LARGE, NONE, SMALL, classes, findings, metrics, texts

from retort.claims.evidence import Evidence
from retort.claims.judging import judge
from retort.claims.kinds import Cell
from retort.claims.ledger import ledger_path
from retort.claims.places import groups
from retort.claims.verdicts import VERDICTS
from retort.config.loading import REPOSITORY
from retort.errors import InputError


def by_seed(right, seeds=(1, 2, 3), number=120):
    """Classes at a level, other ones in each seed."""
    return {seed: classes(seed + int(1000 * right), right, number) for seed in seeds}


def greater(higher=CKA, lower=NONE, **more):
    inner = "".join(f", {name}: {value}" for name, value in more.items())
    return f"{{kind: greater, higher: {higher}, lower: {lower}{inner}}}"


@pytest.fixture
def bert(texts_run):
    """CKA above none by much at one size, alike at the other."""
    for pair, width, levels in ((LARGE, 64, (0.95, 0.3)), (SMALL, 32, (0.6, 0.6))):
        for place, (method, level) in enumerate(zip(("BERT CKA", "BERT none"), levels, strict=True)):
            for task in ("RTE", "SST-2"):
                texts_run.add(method, task, by_seed(level + place / 1e3), pair=pair, width=width)
    return texts_run


def test_any_pair_means_all_of_them(bert, ledger):
    found, large, small = findings(
        bert,
        ledger,
        greater(),
        greater(f"BERT CKA @ {LARGE}", f"BERT none @ {LARGE}"),
        greater("BERT CKA @ smallest pair", "BERT none @ smallest pair"),
    )
    assert (found.verdict, large.verdict, small.verdict) == ("undecided", "supported", "undecided")
    assert found.effect == pytest.approx(small.effect)
    assert found.note == f"closest of 2 pairs: {SMALL}"
    assert small.note == f"at {SMALL}"


def test_one_pair_on_the_other_side_contradicts(bert, ledger):
    found = findings(bert, ledger, greater(NONE, CKA))
    assert found.verdict == "contradicted" and found.effect < -20


def test_pairs_count_where_all_methods_ran(bert, ledger):
    bert.add("BERT linear", "RTE", by_seed(0.2), pair=LARGE)
    found = findings(bert, ledger, greater(lower="BERT linear @ any pair"))
    assert found.verdict == "supported"
    assert found.note == f"at {LARGE}; over the tasks that all have: RTE"


def test_sizes_are_those_of_the_trained_students(bert):
    evidence = Evidence(bert.results(), draws=10)
    cells = [Cell(method="BERT CKA", pair="smallest pair"), Cell(method="BERT none", pair="largest pair")]
    assert [cell.pair for cell in groups(cells, evidence)[0]] == [SMALL, LARGE]


def test_a_smaller_student_beside_one_of_a_method_that_has_no_small_ones(bert, ledger):
    bert.add("BERT linear", "RTE", by_seed(0.2), pair=LARGE)
    test = (
        "{kind: no_worse, cell: %s @ smallest pair, reference: %s @ largest pair, margin: 1, margin_from: x}"
    )
    found, same = findings(
        bert, ledger, test % ("BERT CKA", "BERT linear"), test % ("BERT linear", "BERT none")
    )
    assert found.verdict == "supported" and f"at {SMALL} and {LARGE}" in found.note
    assert same.verdict == "not run"


@pytest.mark.parametrize(
    ("level", "verdict"), [(0.9, "supported"), (0.615, "supported"), (0.3, "contradicted")]
)
def test_no_worse_is_one_sided(texts_run, ledger, level, verdict):
    """Better by any amount is no worse."""
    texts_run.add("BERT CKA", "RTE", by_seed(level, number=2000))
    texts_run.add("BERT none", "RTE", by_seed(0.6, number=2000))
    test = f"{{kind: no_worse, cell: {CKA}, reference: {NONE}, margin: 4, margin_from: x}}"
    found = findings(texts_run, ledger, test)
    assert found.verdict == verdict and found.note.endswith("margin 4 points")


def test_scopes_are_kinds_of_tasks_and_tasks(texts_run, ledger):
    for method, kept in (("mBART CKA", 0.9), ("mBART none", 0.3)):
        for task in ("XSum", "WMT16-en-ro"):
            said = {seed: texts(seed + int(100 * kept), kept) for seed in (1, 2)}
            texts_run.add(method, task, said, pair="mBART-mBART_1x64")
    cells = ("mBART CKA @ any pair", "mBART none @ any pair")
    found = findings(
        texts_run,
        ledger,
        *(greater(*cells, score=s) for s in ("average", "summarisation", "translation", "XSum", "classes")),
    )
    effects = [one.effect for one in found]
    assert [one.verdict for one in found] == ["supported"] * 4 + ["not run"]
    assert effects[0] == pytest.approx((effects[1] + effects[2]) / 2)
    assert effects[3] == effects[1]
    scores = [
        [metrics("XSum", texts(s + int(100 * kept), kept))["rouge2"] for s in (1, 2)] for kept in (0.9, 0.3)
    ]
    assert effects[1] == pytest.approx(sum(scores[0]) / 2 - sum(scores[1]) / 2, abs=1e-3)


def test_a_correlation_below_zero_is_a_score(texts_run, ledger):
    wrong = {seed: [(1 - label, label) for _, label in classes(seed, 1.0)] for seed in (1, 2)}
    texts_run.add("BERT CKA", "CoLA", by_seed(0.9, (1, 2))).add("BERT none", "CoLA", wrong)
    found = findings(texts_run, ledger, greater())
    assert found.verdict == "supported" and found.effect > 150


def test_predictions_are_those_behind_the_scores(texts_run, ledger):
    texts_run.add("BERT CKA", "STS-B", {1: [(0.5 * i, float(i % 7)) for i in range(30)]})
    row = texts_run.rows[0]
    texts_run.rows[0] = (*row[:7], "12", *row[8:])
    texts_run.add("BERT none", "STS-B", {1: [(0.5 * i, float(i % 7)) for i in range(30)]})
    with pytest.raises(InputError, match="scores.csv has 12.000; collect the scores again"):
        findings(texts_run, ledger, greater())


def test_misspelt_cells_are_named(bert, ledger):
    with pytest.raises(InputError, match="no method 'BERT CAK'; did you mean 'BERT CKA'"):
        findings(bert, ledger, greater("BERT CAK @ any pair"))
    with pytest.raises(InputError, match="no pair 'BERT-BERT_1x65'; did you mean 'BERT-BERT_1x64'"):
        findings(bert, ledger, greater("BERT CKA @ BERT-BERT_1x65", f"BERT none @ {LARGE}"))


def test_the_whole_ledger_is_judged(bert):
    judgements = judge(bert.results(), ledger_path("cka"), draws=50)
    found = {judgement.claim.id: judgement.finding for judgement in judgements}
    assert {finding.verdict for finding in found.values()} <= set(VERDICTS)
    assert found["bert-over-none"].effect is not None
    assert found["bert-over-linear"].note.startswith("not run at this scale: BERT")
    assert found["few-tokens-look-alike"].verdict == "supported"
    assert found["pretrained-students-no-better"].verdict == "not run"
    assert not any(judgement.published for judgement in judgements)


def test_the_script_judges_another_paper(bert, ledger, tmp_path):
    bert.results()
    out = tmp_path / "claims.csv"
    command = [sys.executable, "scripts/judge_claims.py", "--results", bert.root, "--paper", "cka"]
    subprocess.run([*command, "--ledger", ledger(greater()), "--out", out], check=True, cwd=REPOSITORY)
    assert out.read_text().splitlines()[1].startswith("c0,here,s,undecided,")
