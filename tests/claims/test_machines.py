"""Claims about cost, networks and starts: read off cards, weights and timings."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from judged_runs import CKA, LARGE, NONE, SMALL, classes, findings, texts

from retort.errors import InputError
from retort.reporting.results import SPEED

COST = f"{{kind: cost, cell: {CKA}, reference: {NONE}, stage: %s, margin: 0.1, margin_from: x}}"
NETWORK = f"{{kind: same_network, cells: [{CKA}, {NONE}]}}"
START = f"{{kind: start, cell: {CKA}}}"


def timed(run, ours, theirs, **card):
    """Runs of two methods with the given seconds, one a seed."""
    for method, seconds, more in (("BERT CKA", ours, card), ("BERT none", theirs, {})):
        for seed, value in enumerate(seconds):
            run.add(method, "RTE", {seed: classes(seed, 0.5)}, seconds=value, **more)
    return run


@pytest.mark.parametrize(
    ("ours", "verdict"),
    [
        ((10.1, 10.2, 9.9, 10.0), "supported"),
        ((14, 15, 14, 15), "contradicted"),
        ((9, 13, 10, 12), "undecided"),
    ],
)
def test_time_a_token_beside_that_of_another_method(texts_run, ledger, ours, verdict):
    found = findings(timed(texts_run, ours, (10, 10, 10, 10)), ledger, COST % "task")
    ratios = np.log(np.array(ours) / 10)
    assert found.verdict == verdict
    assert found.effect == pytest.approx(np.exp(ratios.mean()))
    half = 3.182 * ratios.std(ddof=1) / 2
    assert (found.low, found.high) == pytest.approx(tuple(np.exp(ratios.mean() + [-half, half])), rel=1e-3)
    assert found.note == "seconds a token, 4 runs; margin 10 %"
    assert found.needed.endswith("runs") == (verdict == "undecided")


def test_one_run_tells_no_spread(texts_run, ledger):
    found = findings(timed(texts_run, (5,), (10,)), ledger, COST % "task")
    assert (found.verdict, found.effect, found.needed) == ("undecided", 0.5, "2 runs")


def test_other_devices_are_not_compared(texts_run, ledger):
    timed(texts_run, (10, 10), (10, 10), device={"kind": "cuda", "name": "other", "threads": 1})
    found = findings(texts_run, ledger, COST % "task")
    assert found.verdict == "not run" and "never on the same kind of device" in found.note


def test_pretraining_runs_count_once_whatever_starts_from_them(texts_run, ledger):
    for method, seconds in (("BERT CKA", (30, 32)), ("BERT none", (20, 21))):
        for seed, value in enumerate(seconds):
            texts_run.pretrain(method, seed, LARGE, seconds=value)
            for task in ("RTE", "SST-2"):
                texts_run.add(method, task, {seed: classes(seed, 0.5)}, start=method)
    pretraining, task = findings(texts_run, ledger, COST % "pretraining", COST % "task")
    assert pretraining.effect == pytest.approx((30 / 20 * 32 / 21) ** 0.5)
    assert "2 runs" in pretraining.note and "4 runs" in task.note
    assert task.effect == 1


def test_no_pretraining_is_not_run(texts_run, ledger):
    found = findings(timed(texts_run, (5, 5), (10, 10)), ledger, COST % "pretraining")
    assert found.verdict == "not run"


def test_a_card_without_time_is_refused(texts_run, ledger):
    with pytest.raises(InputError, match=r"card.json: no seconds or tokens; run the stage again"):
        findings(timed(texts_run, (0, 5), (10, 10)), ledger, COST % "task")


@pytest.mark.parametrize(
    ("width", "verdict", "ratio"), [(64, "supported", 1), (32, "contradicted", 4736 / 1344)]
)
def test_networks_are_compared_tensor_by_tensor(texts_run, ledger, width, verdict, ratio):
    texts_run.add("BERT CKA", "RTE", {1: classes(1, 0.5)})
    texts_run.add("BERT none", "RTE", {1: classes(2, 0.5)}, width=width)
    found = findings(texts_run, ledger, NETWORK)
    assert (found.verdict, found.effect) == (verdict, pytest.approx(ratio))
    assert "4,736" in found.note


def test_a_run_without_weights_is_named(texts_run, ledger):
    texts_run.add("BERT CKA", "RTE", {1: classes(1, 0.5)}).add("BERT none", "RTE", {1: classes(2, 0.5)})
    (path,) = (
        texts_run.root.glob("stages/*words.s1*/tasks/RTE/model.safetensors")[:1]
        if False
        else [next(iter(sorted(texts_run.root.glob("stages/*/tasks/RTE/model.safetensors"))))]
    )
    path.write_bytes(b"no weights")
    with pytest.raises(InputError, match="model.safetensors: no weights"):
        findings(texts_run, ledger, NETWORK)
    path.unlink()
    with pytest.raises(InputError, match="model.safetensors: no such file"):
        findings(texts_run, ledger, NETWORK)


def test_a_start_is_followed_to_its_root(texts_run, ledger):
    texts_run.pretrain("BERT CKA", 1, LARGE)
    texts_run.add("BERT CKA", "RTE", {1: classes(1, 0.5)}, start="BERT CKA")
    texts_run.add("BERT CKA", "RTE", {1: classes(2, 0.5)}, pair=SMALL, width=32)
    found = findings(texts_run, ledger, START)
    assert (found.verdict, found.effect, found.note) == ("supported", 1, "of 2 runs, by their cards")


@pytest.mark.parametrize("stage", [{"truncated": None}, {"imported": "bart-base"}, {"teachers": ["1" * 10]}])
def test_a_student_that_came_from_elsewhere_contradicts(texts_run, ledger, stage):
    texts_run.pretrain("BERT CKA", 1, LARGE, stage=stage)
    texts_run.add("BERT CKA", "RTE", {1: classes(1, 0.5)}, start="BERT CKA")
    texts_run.add("BERT CKA", "SST-2", {2: classes(1, 0.5)})
    found = findings(texts_run, ledger, START)
    assert (found.verdict, found.effect) == ("contradicted", 0.5)


def test_a_missing_ancestor_is_named(texts_run, ledger):
    texts_run.add("BERT CKA", "RTE", {1: classes(1, 0.5)}, start="BERT CKA")
    with pytest.raises(InputError, match="no card of the stage .* which others start from; train it again"):
        findings(texts_run, ledger, START)


def speed(run, *rows):
    """Timings: model, median, low, high."""
    path = run.root / "cka" / "speed.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(SPEED)
        for model, *numbers in rows:
            track = model.partition("_")[0]
            writer.writerow((track, model, 1, "texts", 8, 32, 8, "cpu", "m", "2", *numbers, 5, ""))


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(3, 5, "supported"), (7, 12, "undecided"), (12, 14, "contradicted")]
)
def test_students_beside_their_teachers(texts_run, ledger, low, high, verdict):
    texts_run.add("BART CKA", "XSum", {1: texts(1, 0.5)}, pair="BART-BART_1x64")
    speed(
        texts_run,
        ("BART", 10, 9, 11),
        ("BART_1x64", 4, low, high),
        ("BART_1x32", 2, 1, 3),
        ("BERT_1x32", 99, 98, 99),
    )
    found = findings(texts_run, ledger, "{kind: speed, at_most: 1, at_most_from: x}")
    assert found.verdict == verdict
    assert (found.effect, found.low, found.high) == pytest.approx((0.4, low / 11, high / 9))
    assert found.note.startswith("slowest of 2: BART_1x64 beside BART, 8 texts of 32 tokens")


def test_timings_of_other_models_are_refused(texts_run, ledger):
    texts_run.add("BART CKA", "XSum", {1: texts(1, 0.5)}, pair="BART-BART_1x64")
    for row in (("GPT", 10, 9, 11), ("BART", "x", 9, 11)):
        speed(texts_run, row, ("BART_1x64", 4, 3, 5))
        with pytest.raises(InputError, match=r"speed.csv: no timings of these models .*; time them"):
            findings(texts_run, ledger, "{kind: speed, at_most: 1, at_most_from: x}")


def test_without_timings_it_was_not_run(texts_run, ledger):
    texts_run.add("BART CKA", "XSum", {1: texts(1, 0.5)}, pair="BART-BART_1x64")
    found = findings(texts_run, ledger, "{kind: speed, at_most: 1, at_most_from: x}")
    assert (found.verdict, found.note) == ("not run", "inference was not timed at this scale")


def probes(relation):
    """Twenty measurements whose CKA distance falls, and another series that follows or does not."""
    lines = []
    for step in range(20):
        other = 20 - step if relation == "follows" else step
        ours = {"cka:hidden:0": 0.5, "cka:hidden:1": 1 / (step + 1), "cka:q:1": step}
        theirs = {"procrustes:hidden:0": 1.0, "procrustes:hidden:1": float(other)}
        lines.append({"step": step, "loss": 9.0 - step} | ours | theirs)
    return lines


def test_probes_of_pretraining_runs_are_ranked(texts_run, ledger):
    for method, relation in (("BERT CKA", "opposes"), ("BERT none", "follows")):
        for seed in (1, 2):
            texts_run.pretrain(method, seed, LARGE, probes(relation))
            for task in ("RTE", "SST-2"):
                texts_run.add(method, task, {seed: classes(seed, 0.5)}, start=method)
    test = "{kind: correlation, figure: probes, cell: %s, of: cka, against: %s, relation: below,"
    test += " threshold: 0.5, threshold_from: x}"
    cells = (CKA, "procrustes"), (NONE, "procrustes"), (CKA, "loss"), ("BERT linear @ any pair", "procrustes")
    found = findings(texts_run, ledger, *(test % cell for cell in cells))
    assert [one.verdict for one in found] == ["supported", "contradicted", "contradicted", "not run"]
    assert [one.effect for one in found[:3]] == pytest.approx([-0.999, 0.999, 0.999])
    assert found[0].note == "pretraining runs, mean over layers of hidden states"
    assert [one.seeds for one in found[:3]] == [2, 2, 2]


def test_probes_of_tasks_are_one_number_a_seed(texts_run, ledger):
    """Tasks of one seed are no seeds of their own."""
    for seed in (1, 2):
        for task, relation in (("RTE", "opposes"), ("SST-2", "follows")):
            texts_run.add("BERT CKA", task, {seed: classes(seed, 0.5)})
            folder = next(texts_run.root.glob(f"stages/*.s{seed}.*/tasks/{task}"))
            (folder / "distances.jsonl").write_text("\n".join(map(json.dumps, probes(relation))) + "\n")
    test = f"{{kind: correlation, figure: probes, stage: task, cell: {CKA}, of: cka, against: procrustes,"
    found = findings(texts_run, ledger, test + " relation: below, threshold: 0.5, threshold_from: x}")
    assert (found.seeds, found.verdict) == (2, "supported") and found.effect == pytest.approx(0, abs=1e-9)


def test_a_bad_measurement_is_named(texts_run, ledger):
    texts_run.pretrain("BERT CKA", 1, LARGE, [{"step": 1, "cka:hidden:0": "x"}])
    texts_run.add("BERT CKA", "RTE", {1: classes(1, 0.5)}, start="BERT CKA")
    test = f"{{kind: correlation, figure: probes, cell: {CKA}, of: cka, against: loss, relation: below,"
    with pytest.raises(InputError, match=r"distances.jsonl:1: no measurement; train the stage again"):
        findings(texts_run, ledger, test + " threshold: 0.5, threshold_from: x}")
