"""Two students' stored responses before a judge: looked up by method and pair, asked in both orders."""

from __future__ import annotations

import csv
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from retort.claims.evidence import DRAWS, resampling
from retort.config import load
from retort.config.model import as_text
from retort.data.instruction_sources import InstructionContents, open_instructions
from retort.data.instructions.formats import write_instructions
from retort.errors import InputError, RetortError
from retort.evaluation.judging import QUESTION
from retort.evaluation.ratings import RATING
from retort.files import seal
from retort.judged import judge_students, responses_of, sides_of
from retort.plan import Plan
from retort.texts import raw_part

ATKD, PLAIN, CHAIN = "Supervised KD + ATKD", "Supervised KD", "Supervised KD (teacher assistant)"
PAIR = "OPT_2x16-OPT_1x8"
SIZES = {"dolly": 6, "koala": 2}


@pytest.fixture
def plan(tmp_path):
    """Data of two sets of open questions and what two students said: the second is wordy on odd items."""
    settings = json.loads(load("smoke", {"papers": ["atkd"]}).model_dump_json())
    settings["atkd"]["tracks"]["opt"]["instructions"]["sets"] = [*SIZES, "bbh"]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings))
    plan = Plan(load(path), tmp_path / "results")
    for name, number in SIZES.items():
        records = [question(name, item) for item in range(1, number + 1)]
        file = "dolly.jsonl" if name == "dolly" else "koala.jsonl"
        folder = plan.layout.data(plan.data[raw_part("atkd", name)])
        (folder / "official" / "instructions").mkdir(parents=True)
        write_instructions(name, folder / "official" / "instructions" / file, records)
        open_instructions(folder / "official", folder, InstructionContents((name,), corpus=False))
    for method in (ATKD, PLAIN):
        answer(plan, method)
    return plan


def question(name, item):
    told = {"instruction": f"Do {name} {item}.", "input": "With this." if item == 1 else "", "output": "ok"}
    return told | {"prompt": "p"} | ({"topic": "t"} if name == "dolly" else {"idx": item})


def folder_of(plan, method):
    (stage,) = sides_of(plan, *((method, "SeqKD")), pair=PAIR).first.stages
    return plan.layout.task_model(stage, "instructions")


def answer(plan, method, leave_out=None):
    folder = folder_of(plan, method)
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    keys = [
        f"{name}/{item}" for name, number in (SIZES | {"bbh": 1}).items() for item in range(1, number + 1)
    ]
    for key in keys:
        wordy = method == PLAIN and int(key[-1]) % 2
        said = {"key": key, "text": f"{'very ' * wordy}good {key}", "ended": True, "tokens": 3}
        if key != leave_out:
            lines.append(json.dumps(said | {"references": [f"right {key}"], "answer": None, "group": ""}))
    (folder / "predictions.jsonl").write_text("\n".join(lines) + "\n")
    seal(folder)


class Scripted:
    """Prefers the shorter response; of koala's always the first, and it is silent on dolly/3."""

    def __init__(self):
        self.asked = []

    def __call__(self, questions):
        self.asked += questions
        return [self.reply(text) for text in questions]

    def reply(self, text):
        if text.startswith("Rate"):
            return "Assistant 1: 4\nAssistant 2: 8" if "very" in text else "Assistant 1: 6\nAssistant 2: 8"
        if "dolly 3" in text:
            return "Both."
        if "koala" in text:
            return "1"
        one, two = text.partition("### Response 1:")[2].split("### Response 2:")
        return "1" if len(one.strip()) < len(two.partition("\n\nAnswer")[0].strip()) else "2"


def judged(plan, ratings=False):
    sides, judge = sides_of(plan, ATKD, PLAIN, PAIR), Scripted()
    out = plan.layout.root / "atkd" / "judged" / "x.csv"
    lines = list(judge_students(judge, sides, responses_of(plan, sides), out, ratings=ratings))
    return judge, lines, list(csv.DictReader(out.open()))


def test_each_open_question_is_asked_in_both_orders(plan):
    judge, _, rows = judged(plan)
    first, second = "good dolly/1", "very good dolly/1"
    asked = "Do dolly 1.\n\nWith this."
    assert len(judge.asked) == 2 * sum(SIZES.values())
    assert judge.asked[0] == QUESTION.format(instruction=asked, first=first, second=second)
    assert judge.asked[8] == QUESTION.format(instruction=asked, first=second, second=first)
    assert [(row["set"], row["item"]) for row in rows] == [
        (name, str(item)) for name, number in SIZES.items() for item in range(1, number + 1)
    ]


def test_verdicts_and_what_they_come_to(plan):
    _, lines, rows = judged(plan)
    found = [
        tuple(row[name] for name in ("first_shown_first", "second_shown_first", "verdict")) for row in rows
    ]
    # Of even items both say the same: the judge's last resort is the second place.
    win, place, none = ("first",) * 3, ("second", "first", "tie"), ("unreadable", "unreadable", "tie")
    turned = ("first", "second", "tie")
    assert found == [win, place, none, place, win, place, turned, turned]
    assert lines[0] == f"{ATKD} against {PLAIN} on {PAIR}, seed 1: dolly 6, koala 2"
    weights = resampling(100, [6, 2], DRAWS)
    rates = 100 * weights @ np.array([1, 0.5, 0.5, 0.5, 1, 0.5, 0.5, 0.5]) / 8
    low, high = np.quantile(rates, (0.025, 0.975))
    assert lines[1] == (
        f"wins 2, ties 6, losses 0; win rate 62.5 %, 95 % interval over questions {low:.1f} to {high:.1f}"
    )
    assert 50 <= low < 62.5 < high < 90
    assert lines[2] == "unreadable replies 12.5 %; the first place is preferred by 42.9 % of the others"
    assert len(lines) == 4 and lines[3].startswith("wrote ")


def test_ratings_are_a_ratio_to_the_references(plan):
    judge, lines, rows = judged(plan, ratings=True)
    asked = {"question": "Do dolly 2.", "first": "good dolly/2", "second": "right dolly/2"}
    assert judge.asked[17] == RATING.format(**asked) and len(judge.asked) == 32
    assert lines[3] == f"ratings of {ATKD} over those of the references: 75.0 %; unreadable replies 0.0 %"
    assert lines[4].startswith(f"ratings of {PLAIN} over those of the references: 62.5 %")
    names = [f"{side}_{what}" for side in ("first", "second") for what in ("rating", "reference_rating")]
    assert [rows[0][name] for name in names] == ["6", "8", "4", "8"]


def test_who_is_swapped_swaps_the_verdicts(plan):
    out = plan.layout.root / "y.csv"
    sides = sides_of(plan, PLAIN, ATKD, PAIR)
    lines = list(judge_students(Scripted(), sides, responses_of(plan, sides), out))
    assert "wins 0, ties 6, losses 2; win rate 37.5 %" in lines[1]


@pytest.mark.parametrize(
    ("first", "second", "pair", "seed", "words"),
    [
        ("Supervised", PLAIN, None, None, "--first: no method 'Supervised' .*; did you mean 'Supervised KD'"),
        (ATKD, "Majority vote", None, None, "--second: no method 'Majority vote' in .*; valid: OPT, SeqKD"),
        (PLAIN, PLAIN, None, None, "--second: is 'Supervised KD', as --first; name another method"),
        (ATKD, CHAIN, None, None, "--second: no pair of models has both methods; name two"),
        (ATKD, PLAIN, "OPT_2x16-OPT_1x9", None, "--pair: no 'OPT_2x16-OPT_1x9' that .*; did you mean"),
        (ATKD, PLAIN, PAIR, 7, f"--seed: both have no seed 7 on {PAIR}; there are 1"),
    ],
)
def test_who_is_not_there(plan, first, second, pair, seed, words):
    with pytest.raises(InputError, match=words):
        sides_of(plan, first, second, pair, seed)


def test_the_pair_and_the_seed_that_both_have_are_taken(plan):
    found = sides_of(plan, ATKD, PLAIN)  # supervised KD has two pairs
    assert (found.first.pair, found.second.pair, found.first.seed, found.second.seed) == (PAIR, PAIR, 1, 1)
    assert found.slug("a judge") == f"Supervised_KD_+_ATKD--Supervised_KD--{PAIR}--s1--a_judge"


def test_several_pairs_are_to_choose_from():
    settings = json.loads(load("smoke", {"papers": ["atkd"]}).model_dump_json())
    methods = settings["atkd"]["tracks"]["opt"]["methods"]
    methods[ATKD] = methods[PLAIN]
    plan = Plan(type(load("smoke")).model_validate_json(json.dumps(settings)))
    with pytest.raises(
        InputError, match=f"--pair: both methods have {PAIR}, OPT_1x16-OPT_1x8; name one of them"
    ):
        sides_of(plan, ATKD, PLAIN)


def test_a_run_that_is_not_finished(plan):
    (folder_of(plan, PLAIN) / "predictions.jsonl").unlink()
    with pytest.raises(InputError, match=f"{PLAIN} on {PAIR} with seed 1 is not finished, run the workflow"):
        responses_of(plan, sides_of(plan, ATKD, PLAIN))


def test_damaged_or_other_responses(plan):
    sides = sides_of(plan, ATKD, PLAIN)
    answer(plan, PLAIN, leave_out="dolly/2")
    with pytest.raises(InputError, match="the students answered different questions; run both again"):
        responses_of(plan, sides)
    path = folder_of(plan, PLAIN) / "predictions.jsonl"
    path.write_text(path.read_text().replace("good", "fine"))
    with pytest.raises(RetortError, match="predictions.jsonl: damaged"):
        responses_of(plan, sides)


def test_by_hand(plan, root, tmp_path, monkeypatch, capsys):
    """The script with a folder of transformers: verdicts of every question, and no traceback without one."""
    pytest.importorskip("transformers")
    from small_judges import write_judge

    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.json").write_text(as_text(plan.config))
    given = ["--config", "config.json", "--first", ATKD, "--second", PLAIN, "--threads", "1"]

    def run(*more):
        monkeypatch.setattr("sys.argv", ["judge_responses", *given, *more])
        runpy.run_path(str(root / "scripts" / "judge_responses.py"), run_name="__main__")

    with pytest.raises(SystemExit, match="2"):
        run("--judge", "nobody")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: --judge: nobody holds no config.json; name the folder of a causal model")
    write_judge(tmp_path / "tiny")
    run("--judge", "tiny", "--ratings")
    (path,) = Path("results/smoke/atkd/judged").iterdir()
    assert path.name == f"Supervised_KD_+_ATKD--Supervised_KD--{PAIR}--s1--tiny.csv"
    assert len(list(csv.DictReader(path.open()))) == sum(SIZES.values())
    told = capsys.readouterr().out
    assert "unreadable replies" in told and "over those of the references" in told and "GPT" not in told
