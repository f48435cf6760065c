"""Released settings, and that every recipe is what some script does."""

import re

from retort.distill.distances import KL, ReverseKL
from retort.recipes import cka
from retort.recipes.cka_settings import released

RECORDS = released()
BY_NAME = {method.name: method for method in cka.METHODS}
WITHOUT = {
    ("BART CKA C4", "task"): "loading the first stage's student is commented out; it goes on as BART CKA",
    ("BART linear C4", "task"): "the same, as BART linear",
    ("BART none C4", "task"): "the same, as BART none",
    ("mBART none", "pretraining"): "it loads the linear row's checkpoint",
    ("T5 CKA", "task"): "not released",
    **{(name, "task"): "one GLUE script serves all students" for name in BY_NAME if name.startswith("BERT")},
}
"""Steps of recipes that no script of their own runs."""


def test_every_step_is_some_scripts():
    known = {(record.method, record.stage) for record in RECORDS}
    asked = {(m.name, step.phase) for m in cka.METHODS for step in m.steps}
    assert asked - known == set(WITHOUT)
    assert {key for key in known if key[0]} <= asked


def test_losses_are_those_of_the_recipes():
    """As far as the table's own words for them go."""
    for record in RECORDS:
        if not record.method:
            continue
        (step,) = (s for s in BY_NAME[record.method].steps if s.phase == record.stage)
        terms = step.objective.terms
        words = next((t.by for t in terms if t.site == "words"), None)
        sites = {t.site for t in terms}
        assert ("hard" in sites) == ("CE" in record.loss), record.script
        assert isinstance(words, ReverseKL) == ("KL REVERSE" in record.loss), record.script
        assert isinstance(words, KL) == bool(re.search(r"KL fwd", record.loss)), record.script
        assert ("hidden" in sites) == bool(re.search(r"CKA|projection|cosine", record.loss)), record.script
        if words is not None:
            assert words.temperature == record.temperature
        assert bool(record.projection_rate) == any(t.via for t in terms), record.script


def test_numbers_are_read_as_what_they_are():
    by_script = {record.script: record for record in RECORDS}
    assert len(by_script) == len(RECORDS) == 47
    c4 = by_script["BART/BART-12-TB-Masked-C4.py"]
    assert (c4.learning_rate, c4.projection_rate, c4.texts_an_update, c4.batches) == (3e-5, 1e-4, 32, 1000)
    assert by_script["BART/BART-24-CNN-CKA-Masked-All.py"].learning_rate is None
    assert {record.schedule for record in RECORDS} == {"linear", "cosine"}
    assert not any(record.teacher.startswith("same") for record in RECORDS)
