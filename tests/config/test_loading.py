"""Values that Snakemake reads as text get the type that was meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.config import load, resolve, typed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-2.5", -2.5),
        ("1e-5", 1e-5),
        ("true", True),
        ("null", None),
        ("KD", "KD"),
        ("", ""),
        ("no", "no"),
    ],
)
def test_leaves_are_typed(text, value):
    assert typed({"a": [text, {"b": text}]}) == {"a": [value, {"b": value}]}


@given(st.recursive(st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False), st.lists))
def test_what_has_a_type_keeps_it(value):
    assert typed(value) == value


def test_text_that_looks_like_a_list_stays_text():
    assert typed(['["a"]', "{}", '"a"']) == ['["a"]', "{}", '"a"']


def test_a_command_line_gives_the_configuration_that_was_meant():
    """``--config scale=smoke seeds=[1] task_training={epochs: 2} gates={fine_tuned_average: null}``."""
    given = {
        "scale": "smoke",
        "seeds": ["1"],
        "task_training": {"epochs": "2"},
        "gates": {"fine_tuned_average": "null"},
    }
    meant = load("smoke", {"seeds": [1], "task_training": {"epochs": 2}})
    assert resolve(typed(given)) == meant
