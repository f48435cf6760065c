"""Instruction files: every published layout is read, every problem is named, what is written comes back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data.instructions.formats import Instruction, file_of, read_instructions, write_instructions
from retort.data.instructions.sets import GENERATION, SETS, SPECS, TRAINING, UNDERSTANDING, spec_of
from retort.errors import InputError

SAMPLES = {"text": "some", "integer": 3, "boolean": False}


def record_of(name, **changes):
    """A record with every field of the set."""
    spec = spec_of(name)
    if spec.role == "understanding":
        base = {"task": "t", "question": "q?", "answer": "A"}
    else:
        base = {
            "instruction": "Do it.",
            "input": "",
            "output": "Done: 1 #### 12" if spec.numbered else "Done.",
        }
    return base | {field: SAMPLES[kind] for field, kind in spec.fields.items()} | changes


def written(folder, name, records):
    path = file_of(name, folder)
    write_instructions(name, path, records)
    return path


@pytest.mark.parametrize("name", SETS)
def test_every_set_s_records_are_read(tmp_path, name):
    spec = spec_of(name)
    size = 20 if spec.part == "held" else spec.shots + 2
    found = read_instructions(name, written(tmp_path, name, [record_of(name) for _ in range(size)]))
    assert [item.key for item in found] == [f"{name}/{size - 1}", f"{name}/{size}"]
    assert all(len(item.shots) == spec.shots for item in found)
    assert found[0].group == ("t" if spec.shots else "some" if spec.group else "")
    assert found[0].answer == ("A" if spec.shots else "12" if spec.numbered else None)


def test_what_a_record_becomes(tmp_path):
    given_record = record_of(
        "dolly", instruction=" Say it. ", input=" this ", output="a ", references=["b", "a"], topic="x"
    )
    (found,) = read_instructions("dolly", written(tmp_path, "dolly", [given_record]))
    assert found == Instruction("dolly/1", "Say it.", "this", ("a", "b"), None, "x")
    path = written(tmp_path, "dolly", [record_of("dolly", answer="a")])
    assert read_instructions("dolly", path)[0].answer == "a"


def test_shots_are_the_first_of_their_own_task(tmp_path):
    records = [
        {"task": task, "question": f"{task}{number}", "answer": str(number)}
        for number in range(5)
        for task in ("x", "y")
    ]
    found = read_instructions("bbh", written(tmp_path, "bbh", records))
    assert [item.input for item in found] == ["x3", "y3", "x4", "y4"]
    assert found[1].shots == (("y0", "0"), ("y1", "1"), ("y2", "2")) and found[1].group == "y"
    assert found[1].responses == ("3",) and found[1].answer == "3"


def test_training_records_without_a_response_are_left_out(tmp_path):
    records = [record_of("alpaca_gpt4"), record_of("alpaca_gpt4", output=" "), record_of("alpaca_gpt4")]
    path = written(tmp_path, "alpaca_gpt4", records)
    assert path.read_text().startswith("[\n{")
    assert [item.key for item in read_instructions("alpaca_gpt4", path)] == ["alpaca_gpt4/1", "alpaca_gpt4/3"]


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("dolly", {"topic": None}, r"dolly.jsonl:2: field 'topic' must be a string, not null"),
        ("dolly", {"output": ""}, r"dolly.jsonl:2: field 'output' is empty"),
        ("vicuna", {"instruction": 3}, r"vicuna.jsonl:2: field 'instruction' must be a string, not a number"),
        ("koala", {"idx": "0"}, r"koala.jsonl:2: field 'idx' must be an integer, not a string"),
        ("seed_tasks", {"is_classification": 0}, r":2: field 'is_classification' must be true or false"),
        ("gsm8k", {"output": "It is 12."}, r"gsm8k.jsonl:2: field 'output' has no '#### number' at its end"),
        ("dolly", {"references": []}, r"dolly.jsonl:2: field 'references' must be a list of strings"),
        ("mmlu", {"answer": " "}, r"mmlu.jsonl:2: field 'answer' is empty"),
    ],
)
def test_bad_fields_are_named(tmp_path, name, changes, message):
    records = [record_of(name), record_of(name, **changes)]
    with pytest.raises(InputError, match=message):
        read_instructions(name, written(tmp_path, name, records))


def test_missing_fields_and_files_are_named(tmp_path):
    short = record_of("self_inst")
    del short["input"]
    with pytest.raises(InputError, match=r"self_inst.jsonl:1: field 'input' is missing"):
        read_instructions("self_inst", written(tmp_path, "self_inst", [short]))
    wizard = record_of("wizardlm")
    del wizard["input"]
    assert read_instructions("wizardlm", written(tmp_path, "wizardlm", [wizard]))[0].input == ""
    with pytest.raises(InputError, match=r"koala.jsonl: cannot be read"):
        read_instructions("koala", tmp_path / "koala.jsonl")
    with pytest.raises(InputError, match="set 'alpaca' is no instruction set; use one of alpaca_gpt4, "):
        file_of("alpaca", tmp_path)


def test_files_of_the_wrong_shape_are_refused(tmp_path):
    (tmp_path / "a.json").write_text('{"instruction": 1}')
    with pytest.raises(InputError, match=r"a.json: must be a JSON array of records"):
        read_instructions("alpaca_gpt4", tmp_path / "a.json")
    (tmp_path / "a.json").write_text('[{"instruction": "x", "input": "", "output": "y"}, 7]')
    with pytest.raises(InputError, match=r"a.json:2: the line must be a JSON object, not a number"):
        read_instructions("alpaca_gpt4", tmp_path / "a.json")
    (tmp_path / "b.jsonl").write_text("\n")
    with pytest.raises(InputError, match=r"b.jsonl: holds no instruction with a response"):
        read_instructions("dolly", tmp_path / "b.jsonl")
    with pytest.raises(InputError, match="dolly: there are no records to write"):
        write_instructions("dolly", tmp_path / "c.jsonl", [])


def test_too_few_records_for_the_shots_are_refused(tmp_path):
    path = written(tmp_path, "drop", [record_of("drop")] * 3)
    with pytest.raises(
        InputError, match=r"drop.jsonl: task 't' has 3 records, of which 3 are shots; add some"
    ):
        read_instructions("drop", path)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(str.strip)
said = texts.filter(bool)


@given(
    st.lists(st.tuples(said, texts, said), min_size=1, max_size=5), st.sampled_from(["alpaca_gpt4", "dolly"])
)
def test_what_is_written_comes_back(tmp_path_factory, drawn, name):
    records = [record_of(name, instruction=i, input=g, output=o) for i, g, o in drawn]
    found = read_instructions(name, written(tmp_path_factory.mktemp("set"), name, records))
    assert [(item.instruction, item.input, item.responses) for item in found] == [
        (i, g, (o,)) for i, g, o in drawn
    ]


def test_roles_and_metrics():
    assert set(TRAINING) | set(GENERATION) | set(UNDERSTANDING) == set(SETS)
    assert [spec_of(name).metric for name in ("dolly", "gsm8k", "bbh")] == ["rougeL", "number", "starts"]
    assert {name: spec_of(name).longest for name in UNDERSTANDING} == {"mmlu": 2, "bbh": 32, "drop": 8}
    assert {spec.longest for spec in SPECS.values() if spec.role == "generation"} == {256}


REAL = {
    "dolly": 345,
    "gsm8k": 994,
    "koala": 180,
    "seed_tasks": 175,
    "self_inst": 161,
    "vicuna": 50,
}


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=60))
def test_what_is_held_out_is_the_last_tenth_of_each_task(tmp_path_factory, tasks):
    records = [record_of("p3_mini", task=task, instruction=f"{n}") for n, task in enumerate(tasks)]
    path = written(tmp_path_factory.mktemp("set"), "p3_mini", records)
    numbers = [n for n, _ in enumerate(tasks)]
    held = [n for n in numbers if tasks[n:].count(tasks[n]) <= tasks.count(tasks[n]) // 10]
    seen = [n for n in numbers if n not in held]
    assert [item.instruction for item in read_instructions("p3_mini", path)] == [f"{n}" for n in seen]
    if held:
        found = read_instructions("p3_held", path)
        assert [item.instruction for item in found] == [f"{n}" for n in held]
        assert all(item.key.startswith("p3_held/") and item.responses for item in found)
    else:
        with pytest.raises(
            InputError, match="no task has 10 records, of which p3_held is the last; add some"
        ):
            read_instructions("p3_held", path)


@pytest.mark.real_data
def test_real_file_in_two_parts(real_data):
    path = file_of("p3_mini", real_data)
    assert file_of("p3_held", real_data) == path
    seen, held = (read_instructions(name, path) for name in ("p3_mini", "p3_held"))
    assert (len(seen), len(held)) == (2016, 224)
    assert not {item.instruction for item in seen} & {item.instruction for item in held}


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_real_files(real_data, name):
    found = read_instructions(name, file_of(name, real_data))
    lines = file_of(name, real_data).read_bytes().decode().split("\n")
    assert len(found) == REAL[name] == len(lines) - 1
    last = json.loads(lines[-2])
    assert found[-1].instruction == last["instruction"].strip()
    assert found[-1].responses == (last["output"].strip(),)
    if name == "gsm8k":
        assert all(item.answer.replace(",", "").lstrip("-").isdigit() for item in found)
