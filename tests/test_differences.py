"""What differs between a card and what is here, in words."""

from __future__ import annotations

import platform

from retort import differences
from retort.differences import results, sources
from retort.revision import Revision
from retort.runcard import package_versions


def test_differences_of_the_sources_are_told_one_by_one(monkeypatch):
    monkeypatch.setattr(differences, "revision", lambda: Revision("bbbb", "none"))
    versions = package_versions()
    card = {
        "git_commit": "aaaa",
        "git_changes": "none",
        "code": "f00",
        "python": platform.python_version(),
        "packages": versions | {"torch": "1.0", "gone": "2.0"},
    }
    assert sources(card, "f00") == [
        "commit: aaaa on the card, bbbb here",
        f"torch: 1.0 on the card, {versions['torch']} here",
        "gone: 2.0 on the card, none here",
    ]
    same = card | {"git_commit": "bbbb", "packages": versions}
    assert sources(same, "f00") == []
    assert sources(same, "bad") == ["code of this stage: f00 on the card, bad here"]


def test_scores_are_equal_or_differ_by_a_number():
    then = {"best": {"accuracy": 50.0, "f1": 40.5}, "evaluations": 2}
    assert results(then, then | {"evaluations": 3}) == []
    now = {"best": {"accuracy": 62.5, "f1": 40.5}}
    assert results(then, now) == ["accuracy: 50.0 on the card, 62.5 here (+12.5)"]
    found = results({"last_loss": 6.5}, {"last_loss": 6.25})
    assert found == ["last loss: 6.5 on the card, 6.25 here (-0.25)"]
    assert results({"last_loss": None}, {"last_loss": 6.0}) == ["last loss: None on the card, 6.0 here"]
