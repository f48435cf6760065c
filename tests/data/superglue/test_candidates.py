"""Noun phrases from word lists."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retort.data.superglue.candidates import noun_phrases
from retort.data.superglue.formats import read_records
from retort.data.superglue.instances import wsc_candidates

CASES = [
    ("Lena gave Ruth the heavy book because she wanted it.", "Lena", ["Ruth", "the heavy book"]),
    ("The lorry passed the school bus because it was fast.", "the lorry", ["the school bus"]),
    (
        "Mr. Hale saw Paul's uncle near the two old bridges.",
        "",
        ["Mr. Hale", "Paul", "Paul's uncle", "the two old bridges"],
    ),
    ("He knew that Nora was here, but that house scared him.", "", ["Nora", "that house"]),
    ("Frank was late. Frank ran.", "", ["Frank"]),
    ("They were scared by foxes.", "", ["foxes"]),
    ("The rich and the poor met.", "", []),
    ("It was there.", "it", []),
    ("", "x", []),
]


@pytest.mark.parametrize(("text", "exclude", "expected"), CASES)
def test_phrases(text: str, exclude: str, expected: list[str]) -> None:
    assert noun_phrases(text, exclude) == expected


def test_span_one_is_left_out_in_any_spelling() -> None:
    text = "The path to the small lake was shut, so the lake was calm."
    assert noun_phrases(text, "The lake") == ["The path"]
    assert noun_phrases(text, "the small lake") == ["The path"]
    assert noun_phrases(text, "the lakes") == ["The path", "the small lake", "the lake"]


@given(st.text(max_size=80), st.text(max_size=20))
def test_any_text_gives_distinct_phrases_of_that_text(text: str, exclude: str) -> None:
    phrases = noun_phrases(text, exclude)
    assert len({phrase.lower() for phrase in phrases}) == len(phrases)
    assert all(phrase.strip() == phrase != "" for phrase in phrases)
    assert phrases == noun_phrases(text, exclude)


@pytest.mark.real_data
def test_nearly_every_real_text_has_candidates(real_data: Path) -> None:
    records = read_records("WSC", real_data / "superglue" / "WSC" / "train.jsonl")
    counts = [len(wsc_candidates(record)) for record in records]
    assert sum(count > 0 for count in counts) / len(counts) > 0.95
    assert 3 < sum(counts) / len(counts) < 7
