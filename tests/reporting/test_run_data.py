import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.errors import InputError
from retort.reporting.results import Results
from retort.reporting.run_data import (
    POINTS,
    curves,
    embedded,
    evaluations,
    read_log,
    run_data,
    sources,
    thinned,
)


@given(st.lists(st.integers(), max_size=400), st.integers(2, 80))
def test_thinning_keeps_first_last_order_and_few(items, most):
    kept = thinned(list(enumerate(items)), most)
    assert len(kept) == min(most, len(items))
    assert kept == sorted(set(kept))
    if items:
        assert kept[0] == (0, items[0]) and kept[-1] == (len(items) - 1, items[-1])


@given(st.recursive(st.text() | st.floats(allow_nan=False, allow_infinity=False), st.lists))
def test_embedded_json_reads_back_and_cannot_end_the_script(value):
    text = embedded({"<!--": value, "</script>": "]]>\u2028"})
    assert json.loads(text) == {"<!--": value, "</script>": "]]>\u2028"}
    assert not set(text) & set("<>&\u2028\u2029")


def test_curves_are_columns_with_gaps():
    log = [
        {"step": n, "loss": float("inf") if n == 3 else n, "parts": {"a": n} if n % 2 else {}}
        for n in range(4)
    ]
    assert curves(log) == {"step": [0, 1, 2, 3], "loss": [0, 1, 2, None], "parts": {"a": [None, 1, None, 3]}}
    assert len(curves([{"step": n, "loss": 1.0} for n in range(1000)])["step"]) == POINTS


@pytest.mark.parametrize("line", ["{", "[]", '{"loss": 1}'])
def test_a_broken_log_is_named_by_its_line(tmp_path, line):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n' + line + "\n")
    with pytest.raises(InputError, match=r"log\.jsonl:2: .*train this stage again"):
        read_log(path)


def test_no_log_is_no_curve(tmp_path):
    assert read_log(tmp_path / "log.jsonl") == []
    assert evaluations(tmp_path / "metrics.json") == {"metrics": [], "rows": []}


def test_every_run_is_there_once_and_shares_its_stage_and_texts(results_root):
    results = Results(results_root)
    data = run_data([results])
    assert len(data["runs"]) == len(results.runs)
    assert set(data["stages"]) == {run.stage for run in results.runs}
    assert len(data["texts"]) == len(set(data["texts"]))
    (run,) = (run for run in results.runs if run.stage.endswith(".KD-1") and run.task == "RTE")
    found = data["runs"][run.anchor]
    origin = {data["texts"][name]: data["texts"][value] for name, value in found["origin"]}
    assert origin["Configuration"] == "abc123"
    assert origin["Training"].startswith("2 epochs")
    assert origin["Git commit"] == "0123456789abcdef"
    card = results_root / "stages" / run.stage / "tasks" / "RTE" / "card.json"
    assert data["texts"][found["again"]] == f"python scripts/rerun.py {card}" and found["processor"] == 55.0
    assert found["evaluations"] == {"metrics": ["accuracy"], "rows": [[0, 61, 61, 61], [500, 61, 61, 61]]}
    assert found["log"]["step"][0] == 10 and found["log"]["step"][-1] == 1000
    assert set(found["log"]["parts"]) == {"0-words", "1-hard"}
    assert data["stages"][run.stage]["parents"] == [["starts from", "S1.pre.KD.s1.pre-KD-s1"]]


def test_a_card_of_an_older_version_has_its_own_command(results_root):
    for path in results_root.rglob("card.json"):
        card = json.loads(path.read_text())
        for name in ("rerun", "processor_seconds", "git_changes"):
            del card[name]
        path.write_text(json.dumps(card))
    data = run_data([Results(results_root)])
    for run in data["runs"].values():
        command = data["texts"][run["again"]]
        assert command == f"python scripts/train.py --stage {run['stage']}" and run["processor"] is None


@pytest.mark.parametrize(
    ("commit", "changes", "text"),
    [
        ("abc", "none", "abc"),
        ("abc", "12ef", "abc, with changes (digest 12ef)"),
        ("abc", "unknown", "abc, no git program to tell whether files differ"),
        (None, "unknown", "none: not run from a git repository"),
    ],
)
def test_what_no_commit_holds_is_said(commit, changes, text):
    assert sources({"git_commit": commit, "git_changes": changes}) == text


def test_two_thousand_runs_fit_into_a_page(results_root):
    """A run costs about 2 kB even with full curves, so the largest scale on one machine stays small."""
    data = run_data([Results(results_root)])
    assert len(embedded(data)) / len(data["runs"]) < 2500
