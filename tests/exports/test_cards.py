"""Model cards: what the hub reads of them, and what they say of every kind of model."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from small_tracks import paper, text_task, track

from retort.errors import InputError
from retort.exports.cards import Subject, card_text, front_matter
from retort.exports.subjects import subject_of
from retort.recipes.cka import METHODS

SUBJECT = Subject(
    paper="cka", scale="paper", family="bart", student="BART_3x640", teacher="BART",
    teacher_from="bart-large-xsum", task="XSum", method="BART CKA", citation="Dasgupta and Cohn (2025).",
    seed=1, source=1024, data="hub",
)  # fmt: skip
SCORES = {
    "paper": {"rouge2": 21.12346, "rouge1": 44.0, "rougeL": 36.0, "rougeLsum": 36.5},
    "held_out": {"rouge2": 20.5, "rouge1": 43.0, "rougeL": 35.0, "rougeLsum": 35.5},
}
CARD = {
    "steps": 120, "seconds": 3.6, "device": {"name": "A100"}, "code": "f00d", "git_commit": None,
    "rerun": "python scripts/rerun.py card.json", "recipes": "```\n# </details>",
}  # fmt: skip
GLUE = replace(SUBJECT, family="bert", task="STS-B", teacher_from=None, data="folder")


def text_of(subject, scores=SCORES):
    return card_text(subject, scores, CARD, {"parameters": "1,000"})


def test_front_matter_is_what_the_hub_reads():
    huggingface_hub = pytest.importorskip("huggingface_hub")
    card = huggingface_hub.ModelCard(text_of(SUBJECT))
    data = card.data.to_dict()
    assert data["base_model"] == "bart-large-xsum" and data["datasets"] == ["EdinburghNLP/xsum"]
    assert data["language"] == ["en"] and data["library_name"] == "transformers"
    assert data["pipeline_tag"] == "summarization" and data["metrics"] == ["rouge"]
    assert data["tags"] == ["knowledge-distillation", "cka", "retort"]
    results = {(found.metric_name, found.metric_value) for found in card.data.eval_results}
    assert ("rouge2 (paper)", 21.1235) in results and ("rougeLsum (held_out)", 35.5) in results
    assert len(results) == 8 and card.data.model_name == "BART_3x640 BART CKA XSum"
    assert {found.dataset_type for found in card.data.eval_results} == {"EdinburghNLP/xsum"}


def test_generated_data_is_no_data_set_and_its_scores_are_none():
    subject = replace(SUBJECT, data="pocket", teacher_from=None)
    front = front_matter(subject, SCORES)
    assert "datasets" not in front and "base_model" not in front and "generated-data" in front["tags"]
    assert front["model-index"][0]["results"][0]["dataset"]["name"] == "XSum (generated)"
    assert "They are no scores of XSum" in text_of(subject) and "miniature world" in text_of(subject)
    assert "They are no scores" not in text_of(SUBJECT)


@pytest.mark.parametrize(
    ("task", "language", "dataset"),
    [
        ("WMT16-en-ro", ["en", "ro"], ["wmt/wmt16"]),
        ("WMT13-en-es", ["en", "es"], None),
        ("RTE", ["en"], ["nyu-mll/glue"]),
    ],
)
def test_languages_and_data_sets(task, language, dataset):
    front = front_matter(replace(SUBJECT, task=task), {})
    assert front["language"] == language and front.get("datasets") == dataset


def test_scores_stand_by_protocol():
    lines = text_of(SUBJECT).splitlines()
    first = lines.index("| protocol | rouge2 | rouge1 | rougeL | rougeLsum |")
    assert lines[first + 1 : first + 4] == [
        "|---|---:|---:|---:|---:|",
        "| paper | 21.12 | 44.00 | 36.00 | 36.50 |",
        "| held_out | 20.50 | 43.00 | 35.00 | 35.50 |",
    ]


def test_a_metric_that_a_protocol_lacks_stays_empty():
    scores = {"paper": {"accuracy": 80.0, "accuracy_mismatched": 79.0}, "held_out": {"accuracy": 78.0}}
    text = text_of(replace(GLUE, task="MNLI"), scores)
    assert "| paper | 80.00 | 79.00 |\n| held_out | 78.00 |  |" in text


def test_the_run_card_is_inside_folded_and_whole():
    text = text_of(SUBJECT)
    inside = text.split("<details>")[1].split("```json\n")[1].split("\n```\n")[0]
    assert json.loads(inside) == CARD and text.endswith("\n```\n\n</details>\n")


def test_teachers_students_and_what_they_do_are_told_apart():
    student, teacher = text_of(SUBJECT), text_of(replace(SUBJECT, teacher=None))
    assert "distilled from BART on XSum by *BART CKA*" in student and "taken from bart-large-xsum" in student
    assert "A teacher of the family bart, trained on XSum." in teacher and "- teacher:" not in teacher
    scores = {"paper": {"spearman": 80.0, "pearson": 81.0}}
    classifier = text_of(GLUE, scores)
    assert "AutoModelForSequenceClassification" in classifier and "generate(" not in classifier
    assert '["a text"], ["another"]' in classifier and "trained in the same run" in classifier
    assert '["another"]' not in text_of(replace(GLUE, task="SST-2"), scores)
    assert yaml.safe_load(classifier.split("---\n")[1])["metrics"] == ["spearmanr", "pearsonr"]


@pytest.mark.parametrize("subject", [SUBJECT, GLUE], ids=lambda subject: subject.task)
def test_its_example_is_a_program(subject):
    code = text_of(subject, {}).split("```python\n")[1].split("```")[0]
    compile(code, "README.md", "exec")
    assert max(map(len, text_of(subject, {}).split("```python")[1].split("```")[0].splitlines())) < 120


def plan_of(role="student", method="BART CKA", pair="BART-SMALL"):
    tracks = {
        "BERT": track("bert", {"BERT": (2, 8), "SMALL": (1, 8)}, {"RTE": text_task(9)}),
        "BART": track(
            "bart", {"BART": (2, 8), "SMALL": (1, 8)}, {"XSum": text_task(40, 9)},
            import_teacher={"BART": "/models/bart-large-xsum"},
        ),
    }  # fmt: skip
    cell = SimpleNamespace(
        role=role, method=method, pair=pair, seed=7, stages=(SimpleNamespace(id="S.task.1"),)
    )
    config = SimpleNamespace(cka=paper(**tracks), scale="real", data=SimpleNamespace(source="folder"))
    return SimpleNamespace(cells=[cell], config=config)


def test_a_stage_of_a_plan_says_what_it_is():
    cited = next(method.citation for method in METHODS if method.name == "BART CKA")
    found, task = subject_of(plan_of(), "S.task.1", "XSum")
    assert found == Subject(
        "cka", "real", "bart", "SMALL", "BART", "bart-large-xsum", "XSum", "BART CKA", cited, 7, 40, "folder"
    )
    assert task.decoding.max_length == 9
    changed, _ = subject_of(plan_of("quirk", "BART CKA [decoder-mask: fixed]"), "S.task.1", "XSum")
    alike, _ = subject_of(plan_of("variant", "BART linear (one recipe)"), "S.task.1", "XSum")
    assert changed.citation == cited and "TinyBERT" in alike.citation
    teacher, _ = subject_of(plan_of("teacher", "BART", "BART"), "S.task.1", "XSum")
    assert (teacher.student, teacher.teacher) == ("BART", None) and "as a teacher" in teacher.citation


def test_stages_and_tasks_that_are_not_there():
    with pytest.raises(InputError, match="no table shows 'other'"):
        subject_of(plan_of(), "other", "XSum")
    with pytest.raises(InputError, match="no track of cka has the model 'SMALL' and the task 'MNLI'"):
        subject_of(plan_of(), "S.task.1", "MNLI")
