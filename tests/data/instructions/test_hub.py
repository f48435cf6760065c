"""Hub rows become official records."""

from __future__ import annotations

from random import Random

import pytest

from retort.data.instructions.formats import file_of, read_instructions, write_instructions
from retort.data.instructions.hub import official_records
from retort.errors import InputError


def test_mmlu_questions_have_letters_and_development_questions_come_first():
    def row(question, answer, subject="high_school_x"):
        return {"question": question, "choices": ["p", "q", "r", "s"], "answer": answer, "subject": subject}

    rows = {("all", "dev"): [row("d", 0)], ("all", "test"): [row("t", 3)]}
    shot, asked = official_records("mmlu", rows, "cais/mmlu")
    assert shot["question"] == "d\nA. p\nB. q\nC. r\nD. s" and shot["answer"] == "A"
    assert asked["answer"] == "D" and asked["task"] == "high_school_x"
    header = "The following are multiple choice questions (with answers) about  high school x.\n\n"
    assert asked["header"] == header


def test_bbh_tasks_are_configurations():
    rows = {(task, "test"): [{"input": f"{task}?", "target": "yes"}] for task in ("navigate", "snarks")}
    assert official_records("bbh", rows, "bbh") == [
        {"task": "navigate", "question": "navigate?", "answer": "yes"},
        {"task": "snarks", "question": "snarks?", "answer": "yes"},
    ]


def test_drop_keeps_questions_with_one_answer_and_passages_apart_from_the_shots(tmp_path):
    def row(passage, number, spans):
        return {"passage": f"P{passage}. ", "question": f" q{number}?", "answers_spans": {"spans": spans}}

    rows = [row(n // 2, n, [f" s{n}", f"s{n} "]) for n in range(20)] + [row(99, 20, ["a", "b"])]
    records = official_records("drop", {(None, "validation"): rows}, "drop")
    chosen = Random(0).sample(rows[:20], 3)
    assert [r["answer"] for r in records[:3]] == [r["answers_spans"]["spans"][0].strip() for r in chosen]
    assert records[0]["question"] == f"{chosen[0]['passage'].strip()} {chosen[0]['question'].strip()}"
    shown = {r["question"].split()[0] for r in records[:3]}
    rest = records[3:]
    assert rest and not shown & {r["question"].split()[0] for r in rest}
    assert len(rest) == 20 - sum(f"P{n // 2}." in shown for n in range(20))
    write_instructions("drop", file_of("drop", tmp_path), records)
    assert len(read_instructions("drop", file_of("drop", tmp_path))) == len(rest)


def test_training_and_number_sets():
    row = {"instruction": "i", "input": "", "output": "o", "text": "all of it"}
    assert official_records("alpaca_gpt4", {(None, "train"): [row]}, "x") == [
        {"instruction": "i", "input": "", "output": "o"}
    ]
    row = {"question": "q", "answer": "a #### 3"}
    assert official_records("gsm8k", {("main", "test"): [row]}, "x") == [
        {"instruction": "q", "input": "", "output": "a #### 3"}
    ]


def test_other_rows_and_sets_are_refused():
    with pytest.raises(InputError, match="some/where: column 'choices' is missing or odd; is it mmlu"):
        official_records("mmlu", {("all", "test"): [{"question": "q"}]}, "some/where")
    with pytest.raises(InputError, match="set dolly: the hub has no repository of plain files for it; put"):
        official_records("dolly", {}, "x")
