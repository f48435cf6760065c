"""The official GLUE files: layouts, quirks, and what is said about malformed ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data.glue.formats import GlueExample, official_lines, read_glue
from retort.data.glue.tasks import SPECS, TASKS, spec_of
from retort.data.superglue.formats import read_records
from retort.errors import InputError

LINES = {
    "CoLA": ('gj04\t1\t\tHe said "no.', 'gj04\t0\t*\tSaid he "no.'),
    "SST-2": ("sentence\tlabel", 'a "fine film \t1', "bleak \t0"),
    "MRPC": (
        "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String",
        '1\t3\t4\t"One thing.\tThe thing.\r',
        "0\t3\t4\tOne.\tTwo.\r",
    ),
    "QQP": (
        "id\tqid1\tqid2\tquestion1\tquestion2\tis_duplicate",
        "1\t2\t3\tWho?\tWho is it?\t1",
        "2\t3\t4\tTorn by",
        "a line break?\tHow?\t0",
        "3\t5\t6\tWhy?\tHow?\t0",
    ),
    "STS-B": (
        "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore",
        "0\tmain\tMSRvid\t2012\t1\tnone\tnone\tA plane.\tAn air plane.\t5.000",
        "1\tmain\tMSRvid\t2012\t2\tnone\tnone\tA plane.\tA dog.\t0.250",
    ),
    "MNLI": (
        "index\tpromptID\tpairID\tgenre\tsentence1_binary_parse\tsentence2_binary_parse\tsentence1_parse\t"
        "sentence2_parse\tsentence1\tsentence2\tlabel1\tlabel2\tgold_label",
        "0\t1\t1n\tfiction\t( A )\t( B )\t(A)\t(B)\tA.\tB.\tneutral\tentailment\tneutral",
        "1\t1\t1n\tfiction\t( A )\t( B )\t(A)\t(B)\tA.\tC.\tneutral\tentailment\t-",
        "2\t1\t1n\tfiction\t( A )\t( B )\t(A)\t(B)\tA.\tA.\tneutral\tentailment\tentailment",
    ),
    "QNLI": ("index\tquestion\tsentence\tlabel", "0\tWho?\tHe.\tentailment", "1\tWho?\tIt.\tnot_entailment"),
    "RTE": ("index\tsentence1\tsentence2\tlabel", "0\tA b.\tA.\tentailment", "1\tA.\tB.\tnot_entailment"),
}
EXPECTED = {
    "CoLA": [(1, 'He said "no.', None, 1), (2, 'Said he "no.', None, 0)],
    "SST-2": [(2, 'a "fine film', None, 1), (3, "bleak", None, 0)],
    "MRPC": [(2, '"One thing.', "The thing.", 1), (3, "One.", "Two.", 0)],
    "QQP": [(2, "Who?", "Who is it?", 1), (5, "Why?", "How?", 0)],
    "STS-B": [(2, "A plane.", "An air plane.", 5.0), (3, "A plane.", "A dog.", 0.25)],
    "MNLI": [(2, "A.", "B.", 1), (4, "A.", "A.", 0)],
    "QNLI": [(2, "Who?", "He.", 0), (3, "Who?", "It.", 1)],
    "RTE": [(2, "A b.", "A.", 0), (3, "A.", "B.", 1)],
}


def write(folder: Path, task: str, lines=None) -> Path:
    path = folder / f"{task}.tsv"
    path.write_bytes(("\n".join(lines or LINES[task]) + "\n").encode())
    return path


@pytest.mark.parametrize("task", TASKS)
def test_official_files_are_read_with_their_quirks(task, tmp_path):
    found = read_glue(task, "val", write(tmp_path, task))
    assert found == [GlueExample(f"{task}/val/{line}", *rest) for line, *rest in EXPECTED[task]]


@pytest.mark.parametrize("task", TASKS)
def test_what_is_written_is_read_again(task, tmp_path):
    examples = read_glue(task, "train", write(tmp_path, task))
    again = read_glue(task, "train", write(tmp_path, task, list(official_lines(task, examples))))
    assert [(e.first, e.second, e.label) for e in again] == [(e.first, e.second, e.label) for e in examples]


sentences = st.text(st.characters(blacklist_categories=("Cs", "Cc"))).filter(lambda text: text.strip())


@given(sentences, sentences, st.sampled_from(TASKS), st.data())
def test_any_text_survives_the_layout(tmp_path_factory, first, second, task, data):
    spec = spec_of(task)
    label = data.draw(
        st.sampled_from(range(len(spec.labels))) if spec.labels else st.sampled_from((0.5, 5.0))
    )
    example = GlueExample("", first, second if len(spec.texts) == 2 else None, label)
    path = write(tmp_path_factory.mktemp("glue"), task, list(official_lines(task, [example])))
    (found,) = read_glue(task, "train", path)
    assert found.first == " ".join(first.split()) and found.label == label
    assert found.second == (None if example.second is None else " ".join(second.split()))


def test_line_separators_inside_a_text_end_no_line(tmp_path):
    (found,) = read_glue("SST-2", "val", write(tmp_path, "SST-2", ["sentence\tlabel", "a\u2028b\x85c\t1"]))
    assert found.first == "a\u2028b\x85c"


@pytest.mark.parametrize(
    ("task", "lines", "message"),
    [
        ("RTE", LINES["RTE"][1:], r"RTE.tsv:1: column 'sentence1' is missing; use the official labelled RTE"),
        ("RTE", ["index\tsentence1\tsentence2", "0\tA\tB"], r"RTE.tsv:1: column 'label' is missing"),
        ("RTE", [LINES["RTE"][0], "0\tA\tentailment"], r"RTE.tsv:2: 3 tab-separated fields, not 4; mend"),
        ("RTE", [LINES["RTE"][0], "0\tA\tB\tmaybe"], r"RTE.tsv:2: field 'label' is 'maybe', not one of ent"),
        ("RTE", [LINES["RTE"][0], "0\tA\t \tentailment"], r"RTE.tsv:2: field 'sentence2' is empty"),
        ("RTE", [LINES["RTE"][0], "", ""], r"RTE.tsv: holds no examples; check the download"),
        ("RTE", ["", ""], r"RTE.tsv:1: column 'sentence1' is missing"),
        ("CoLA", ["gj04\t2\t\tA."], r"CoLA.tsv:1: field 'label' is '2', not one of 0, 1"),
        (
            "STS-B",
            [LINES["STS-B"][0], "0\ta\tb\t1\t2\tn\tn\tA\tB\t5.1"],
            r"'score' is '5.1', not a number fr",
        ),
        (
            "STS-B",
            [LINES["STS-B"][0], "0\ta\tb\t1\t2\tn\tn\tA\tB\tnan"],
            r"'score' is 'nan', not a number fr",
        ),
        ("QQP", [LINES["QQP"][0], "1\t2\t3\tA\tB\t1\t1"], r"QQP.tsv:2: 7 tab-separated fields, not 6"),
        ("QQP", [LINES["QQP"][0], *["1\t2"] * 11, LINES["QQP"][1]], r"QQP.tsv:12: 2 tab-separated fields"),
        ("MNLI", [LINES["MNLI"][0], LINES["MNLI"][2]], r"MNLI.tsv: holds no examples"),
    ],
)
def test_malformed_files_are_named(task, lines, message, tmp_path):
    with pytest.raises(InputError, match=message):
        read_glue(task, "train", write(tmp_path, task, lines))


def test_missing_and_undecodable_files_are_named(tmp_path):
    with pytest.raises(InputError, match="none.tsv: cannot be read"):
        read_glue("RTE", "train", tmp_path / "none.tsv")
    path = write(tmp_path, "RTE")
    path.write_bytes(path.read_bytes() + b"3\t\xff\tB\tentailment\n")
    with pytest.raises(InputError, match="RTE.tsv:4: not UTF-8"):
        read_glue("RTE", "train", path)
    with pytest.raises(InputError, match="task 'WNLI' is not a GLUE task; use one of CoLA"):
        read_glue("WNLI", "train", path)


@pytest.mark.real_data
@pytest.mark.parametrize("task", [task for task in TASKS if task not in ("QQP", "MNLI")])
def test_real_files(task, real_data):
    spec = SPECS[task]
    for split, file in spec.splits.items():
        path = real_data / "glue" / task / file
        examples = read_glue(task, split, path)
        lines = path.read_bytes().rstrip(b"\n").count(b"\n") + 1
        assert len(examples) == lines - (not spec.headerless)
        assert len({e.key for e in examples}) == len(examples)
        labels = {e.label for e in examples}
        assert (
            labels == set(range(len(spec.labels))) if spec.labels else min(labels) == 0 and max(labels) == 5
        )


@pytest.mark.real_data
def test_real_rte_has_the_pairs_and_labels_of_superglue(real_data):
    def pairs(rows):
        return {(" ".join(first.split()), " ".join(second.split()), label) for first, second, label in rows}

    ours = pairs(
        (e.first, e.second, e.label) for e in read_glue("RTE", "val", real_data / "glue/RTE/dev.tsv")
    )
    labels = spec_of("RTE").labels
    records = read_records("RTE", real_data / "superglue/RTE/val.jsonl")
    theirs = pairs((r.premise, r.hypothesis, labels.index(r.label)) for r in records)
    assert len(ours & theirs) > 0.95 * len(theirs)  # a few differ in their quotation marks
