"""Models of a configuration as architectures."""

from dataclasses import asdict

import pytest
from small_tracks import paper, text_task, track

from retort.config.texts import TextModel
from retort.tracks import architectures, text_architecture

FULL = TextModel(
    encoder_layers=3, decoder_layers=2, width=24, heads=4, inner=48, positions=77, dropout=0.25, head_width=5,
    tied=False, scaled_embedding=True,
)  # fmt: skip


@pytest.mark.parametrize(("family", "kind"), [("bart", "bart"), ("mbart50", "mbart"), ("t5", "t5")])
def test_every_field_of_a_model_is_carried_over(family, kind):
    made = asdict(text_architecture("X", track(family, {}, {}).model_copy(update={"models": {"X": FULL}})))
    assert made.pop("name") == "X" and made.pop("kind") == kind
    expected = FULL.model_dump(exclude={"devices"})
    assert {name: made[name] for name in expected} == expected


def test_all_models_of_all_tracks():
    tracks = {
        "one": track("bert", {"B": (3, 8), "S": (1, 4)}, {"RTE": text_task(9)}),
        "two": track("bart", {"B": (2, 12)}, {}),
    }
    found = architectures(paper(**tracks))
    sizes = {
        name: {s: (a.encoder_layers, a.width) for s, a in models.items()} for name, models in found.items()
    }
    assert sizes == {"one": {"B": (3, 8), "S": (1, 4)}, "two": {"B": (2, 12)}}
