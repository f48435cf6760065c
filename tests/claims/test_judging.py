import subprocess
import sys

import numpy as np
import pytest
from small_runs import EXAMPLES, Run, rights

from retort.claims.judging import judge
from retort.errors import InputError

VC, KD, PD = "GLMD-vc @ T1-S1", "KD @ T1-S1", "PD @ T1-S1"
GREATER = f"{{kind: greater, higher: {VC}, lower: {KD}}}"


def fill(run: Run, **errors: float) -> Run:
    """Cells by their errors of 200, seeds one error apart."""
    names = {"vc": "GLMD-vc", "kd": "KD", "pd": "PD", "glmd": "GLMD"}
    for name, number in errors.items():
        run.add(names.get(name, name), {seed: rights(int(number) + seed) for seed in (1, 2, 3)})
    return run


def verdict(run, ledger, *tests):
    found = [judgement.finding for judgement in judge(run.results(), ledger(*tests), draws=800)]
    return found[0] if len(found) == 1 else found


@pytest.mark.parametrize(
    ("vc", "kd", "expected"), [(10, 40, "supported"), (40, 10, "contradicted"), (40, 39, "undecided")]
)
def test_one_cell_against_another(run, ledger, vc, kd, expected):
    found = verdict(fill(run, vc=vc, kd=kd), ledger, GREATER)
    assert found.verdict == expected
    assert found.effect == pytest.approx((kd - vc) / 2)
    assert found.low <= found.effect <= found.high
    assert found.seeds == 3
    assert bool(found.needed) == (expected == "undecided")


def test_seeds_that_disagree_leave_it_open(run, ledger):
    """Each seed alone would decide, but they contradict each other."""
    run.add("GLMD-vc", {1: rights(0), 2: rights(80)}).add("KD", {1: rights(80), 2: rights(10)})
    found = verdict(run, ledger, GREATER)
    assert found.verdict == "undecided"
    assert found.needed.endswith("seeds")


def test_one_seed_decides_nothing_about_scores(run, ledger):
    run.add("GLMD-vc", {1: rights(0)}).add("KD", {1: rights(100)})
    found = verdict(run, ledger, GREATER)
    assert found.verdict == "undecided" and found.low > 40
    assert found.note == "one seed: spread over seeds unknown"
    assert found.needed == "2 seeds or more"


def test_a_row_with_one_seed_borrows_the_spread_of_others(run, ledger):
    run.add("GLMD-vc", {1: rights(0)}).add("KD", {1: rights(60), 2: rights(62)})
    run.add("PD", {1: rights(30), 2: rights(31)})
    found = verdict(run, ledger, GREATER)
    assert found.verdict == "supported"
    assert found.note == "one seed: spread over seeds taken from other rows"


def test_what_was_not_run_says_so(run, ledger):
    found = verdict(fill(run, vc=10), ledger, GREATER)
    assert found.verdict == "not run"
    assert found.note == f"not run at this scale: {KD}"


@pytest.mark.parametrize(("glmd", "expected"), [(20, "supported"), (70, "contradicted"), (24, "undecided")])
def test_within_a_margin(run, ledger, glmd, expected):
    test = f"{{kind: at_least_within, reference: {VC}, cells: [GLMD @ T1-S1], margin: 2.5, margin_from: x}}"
    found = verdict(fill(run, vc=20, glmd=glmd), ledger, test)
    assert found.verdict == expected
    assert found.effect == pytest.approx((20 - glmd) / 2)


def test_one_of_several_outside_the_margin_contradicts(run, ledger):
    test = f"{{kind: at_least_within, reference: {VC}, cells: [{KD}, {PD}], margin: 3, margin_from: x}}"
    found = verdict(fill(run, vc=20, kd=20, pd=80), ledger, test)
    assert found.verdict == "contradicted" and found.effect == pytest.approx(-30)


@pytest.mark.parametrize(
    ("kd", "pd", "expected"), [(50, 70, "supported"), (2, 70, "contradicted"), (31, 70, "undecided")]
)
def test_best_of_several(run, ledger, kd, pd, expected):
    found = verdict(
        fill(run, vc=30, kd=kd, pd=pd), ledger, f"{{kind: best_of, best: {VC}, rest: [{KD}, {PD}]}}"
    )
    assert found.verdict == expected
    assert found.effect == pytest.approx((kd - 30) / 2)
    assert "closest of 2: KD" in found.note


def test_best_of_rivals_that_were_not_all_run_is_at_most_undecided(run, ledger):
    test = f"{{kind: best_of, best: {VC}, rest: baselines}}"
    found = verdict(fill(run, vc=10, kd=80), ledger, test)
    assert found.verdict == "undecided" and found.needed == "the rivals that were not run"
    assert "1 of 12 rivals were run" in found.note
    assert verdict(fill(run, pd=1), ledger, test).verdict == "contradicted"


@pytest.mark.parametrize(
    ("errors", "expected"),
    [((60, 40, 20), "supported"), ((20, 40, 60), "contradicted"), ((60, 20, 50), "contradicted"),
     ((41, 40, 41), "undecided")],
)  # fmt: skip
def test_a_trend(run, ledger, errors, expected):
    for name, number in zip(("KD", "PD", "GLMD-vc"), errors, strict=True):
        run.add(name, {seed: rights(number + seed) for seed in (1, 2, 3)})
    found = verdict(run, ledger, f"{{kind: trend, rising: [{KD}, {PD}, {VC}]}}")
    assert found.verdict == expected
    assert found.effect == pytest.approx((errors[0] - errors[2]) / 4)
    assert found.unit == "points a step"


@pytest.mark.parametrize(("least", "expected"), [(1, "supported"), (2, "undecided"), (3, "contradicted")])
def test_a_count(run, ledger, least, expected):
    """One comparison is sure to hold, one is open, one is sure not to hold."""
    run = fill(run, vc=30, kd=80, pd=30, glmd=2)
    pairs = f"[[{VC}, {KD}], [{VC}, {PD}], [{VC}, GLMD @ T1-S1]]"
    found = verdict(run, ledger, f"{{kind: count, comparisons: {pairs}, least: {least}}}")
    assert (found.verdict, found.effect, found.low, found.high) == (expected, 1, 1, 2)


def test_switched_quirks_and_variants_are_rows_of_their_own(run, ledger):
    fill(run, vc=10, kd=60)
    before = verdict(run, ledger, GREATER)
    run.add("GLMD-vc", {4: rights(150)}, role="quirk")
    assert verdict(run, ledger, GREATER) == before
    run.add("GLMD-vc no-mask", {1: rights(80)}, role="variant")
    test = f"{{kind: greater, higher: {VC}, lower: GLMD-vc no-mask @ T1-S1}}"
    assert verdict(run, ledger, test).verdict == "supported"


def test_a_single_task(run, ledger):
    test = f"{{kind: greater, higher: {VC}, lower: {KD}, score: RTE}}"
    assert verdict(fill(run, vc=10, kd=60), ledger, test).effect == pytest.approx(25)
    other = f"{{kind: greater, higher: {VC}, lower: {KD}, score: COPA}}"
    assert verdict(run, ledger, other).verdict == "not run"


def test_word_tables_are_counted(run, ledger):
    test = f"{{kind: size, smaller: GLMD @ T1-S1, larger: {VC}, at_most: %s}}"
    found = verdict(fill(run, vc=10, glmd=10), ledger, test % 0.51, test % 0.49)
    assert [(f.verdict, f.effect) for f in found] == [("supported", 0.5), ("contradicted", 0.5)]


def test_correlations_over_seeds(run, ledger):
    figures = run.root / "glmd" / "figures"
    figures.mkdir(parents=True)
    rows = [f"GLMD-vc,T1-S1,{s},kl,words,,{0.9 + s / 100},30" for s in (1, 2)]
    rows += [f"KD,T1-S1,{s},kl,words,,{0.1 * s},30" for s in (1, 2)]
    rows += [f"PD,T1-S1,{s},kl,words,,{-0.2 + s / 50},30" for s in (1, 2)]
    head = "method,pair,seed,distance,site,layer,rho,n"
    (figures / "figure2.csv").write_text("\n".join([head, *rows]) + "\n")
    test = "{kind: correlation, figure: figure2, cell: %s, of: l_sp, against: loss,"
    test += " relation: %s, threshold: 0.5, threshold_from: x}"
    found = verdict(run, ledger, test % (VC, "above"), test % (PD, "below"), test % (PD, "above"))
    assert [f.verdict for f in found] == ["supported", "supported", "contradicted"]
    assert found[0].high <= 1
    assert {f.seeds for f in found} == {2}
    missing = verdict(run, ledger, test.replace("figure2", "figure5") % (VC, "above"))
    assert missing.verdict == "not run"


def test_the_same_run_gives_the_same_numbers(run, ledger):
    fill(run, vc=20, kd=24)
    assert verdict(run, ledger, GREATER) == verdict(run, ledger, GREATER)


def test_other_claims_do_not_change_a_verdict(run, ledger):
    fill(run, vc=20, kd=24, pd=30)
    other = f"{{kind: greater, higher: {PD}, lower: {KD}}}"
    assert verdict(run, ledger, other, GREATER)[1] == verdict(run, ledger, GREATER)


def test_predictions_that_are_not_behind_the_scores_are_refused(run, ledger):
    fill(run, vc=20, kd=24)
    run.rows[0] = (*run.rows[0][:7], "50", run.rows[0][8])
    with pytest.raises(InputError, match="scores.csv has 50.000; collect the scores again"):
        verdict(run, ledger, GREATER)


def test_other_examples_are_refused(run, ledger):
    run.add("GLMD-vc", {1: rights(3)}).add("KD", {1: rights(3, examples=EXAMPLES - 1)})
    with pytest.raises(InputError, match="other examples than those of other runs"):
        verdict(run, ledger, GREATER)


def test_false_alarms_are_rare(tmp_path, ledger):
    """Two equal methods, two seeds each, new examples and seeds each time: hardly any verdict."""
    random = np.random.default_rng(4)
    decided = []
    for trial in range(60):
        run = Run(tmp_path / str(trial))
        easy = random.random(EXAMPLES)
        for name in ("GLMD-vc", "KD", "PD", "GLMD", "TinyBERT"):
            run.add(name, {s: easy + random.normal(0, 0.15, EXAMPLES) + random.normal(0, 0.02) > 0.3
                           for s in (1, 2)})  # fmt: skip
        decided.append(verdict(run, ledger, GREATER).verdict)
    assert sum(v != "undecided" for v in decided) <= 7


def test_the_script_writes_a_line_for_each_claim(run, ledger, tmp_path):
    fill(run, vc=10, kd=40).results()
    out = tmp_path / "claims.csv"
    command = [sys.executable, "scripts/judge_claims.py", "--results", run.root, "--out", out]
    subprocess.run([*command, "--ledger", ledger(GREATER)], check=True, cwd=_repository())
    lines = out.read_text().splitlines()
    assert lines[0].startswith("id,where,statement,verdict,effect,low,high,published,n_seeds,needed,note")
    assert lines[1].startswith("c0,here,s,supported,15,")
    assert len(lines) == 2


def _repository():
    from retort.config.loading import REPOSITORY

    return REPOSITORY


def test_an_interval_says_what_the_verdict_says(run, ledger):
    """Rivals that are all a little better: none of them is surely so once all are looked at together."""
    random = np.random.default_rng(8)
    for name in ("GLMD-vc", "KD", "PD", "GLMD", "TinyBERT", "CKD", "MGSKD"):
        less = 0.02 if name == "GLMD-vc" else 0.0
        run.add(name, {s: random.random(EXAMPLES) > 0.3 + less + random.normal(0, 0.02) for s in (1, 2)})
    rivals = ", ".join(f"{name} @ T1-S1" for name in ("KD", "PD", "GLMD", "TinyBERT", "CKD", "MGSKD"))
    best = verdict(run, ledger, f"{{kind: best_of, best: {VC}, rest: [{rivals}]}}")
    assert (best.verdict == "contradicted") == (best.high < 0)
    assert (best.verdict == "supported") == (best.low > 0)
    for margin in (0.5, 2, 5, 20):
        test = (
            f"{{kind: at_least_within, reference: {VC}, cells: [{rivals}], margin: {margin}, margin_from: x}}"
        )
        found = verdict(run, ledger, test)
        assert (found.verdict == "supported") == (-margin < found.low and found.high < margin)
        assert (found.verdict == "contradicted") == (found.low > margin or found.high < -margin)


@pytest.mark.parametrize(
    ("second", "threshold", "expected"),
    [(-0.1, 0, "supported"), (0.3, 0, "undecided"), (0.3, 0.6, "contradicted")],
)
def test_the_share_of_features_that_do_not_follow(run, ledger, second, threshold, expected):
    """Of two features one follows in every seed, the other in one seed or in none."""
    figures = run.root / "glmd" / "figures"
    figures.mkdir(parents=True)
    rows = ["GLMD-vc,T1-S1,1,mse,q,1,0.9,30", "GLMD-vc,T1-S1,2,mse,q,1,0.8,30"]
    rows += ["GLMD-vc,T1-S1,1,mse,k,1,-0.5,30", f"GLMD-vc,T1-S1,2,mse,k,1,{second},30"]
    (figures / "figure2.csv").write_text(
        "\n".join(["method,pair,seed,distance,site,layer,rho,n", *rows]) + "\n"
    )
    test = f"{{kind: correlation, figure: figure2, cell: {VC}, of: features, against: loss, relation: above,"
    found = verdict(run, ledger, test + f" threshold: {threshold}, threshold_from: x}}")
    assert (found.verdict, found.effect, found.high) == (expected, 0.5, 0.5)
    assert found.low == (0.5 if second < 0 else 0.0)
