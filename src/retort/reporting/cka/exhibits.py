"""The exhibits of the CKA paper: what it has tables and figures of, and what its scripts confound."""

from __future__ import annotations

from retort.reporting.cka import by_size, curves, distances, overview
from retort.reporting.cka.glue import glue, glue_held_out
from retort.reporting.cka.methods import methods
from retort.reporting.cka.one_recipe import one_recipe
from retort.reporting.cka.released import released
from retort.reporting.cka.sizes import sizes
from retort.reporting.cka.speed import speed
from retort.reporting.cka.students import students
from retort.reporting.cka.summarisation import summarisation, summarisation_held_out
from retort.reporting.cka.translation import translation, translation_held_out
from retort.reporting.claims_table import claims_table
from retort.reporting.exhibit import CLAIMS, SCORES, SPEED, Drawing, Exhibit, Exhibits, printed
from retort.reporting.quirk_effects import quirk_effects
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT
from retort.reporting.tables import Table
from retort.reporting.validation import losses


def _overview(results: Results) -> Drawing:
    data = overview.scores(results)
    return Drawing(overview.TITLE, lambda: overview.overview(data), data, overview.caption(data))


def _by_size(results: Results) -> Drawing:
    data = by_size.scores(results)
    return Drawing(by_size.TITLE, lambda: by_size.by_size(data), data, by_size.caption(data))


def _curves(results: Results) -> Drawing:
    data = losses(results)
    return Drawing(curves.TITLE, lambda: curves.curves(data), data, curves.caption(data))


def _distances(results: Results) -> Drawing:
    data = distances.correlations(results)
    return Drawing(distances.TITLE, lambda: distances.figure(data), data, distances.caption(data))


_PRINTED = printed("cka", "scores")
_TABLES: dict[str, Exhibit[Table]] = {
    "students": Exhibit(students, (SCORES, SPEED)),
    "summarisation": Exhibit(summarisation, (SCORES, SPEED), _PRINTED),
    f"summarisation_{HELD_OUT}": Exhibit(summarisation_held_out, (SCORES, SPEED), _PRINTED),
    "translation": Exhibit(translation, (SCORES, SPEED), _PRINTED),
    f"translation_{HELD_OUT}": Exhibit(translation_held_out, (SCORES, SPEED), _PRINTED),
    "glue": Exhibit(glue, (SCORES, SPEED), _PRINTED),
    f"glue_{HELD_OUT}": Exhibit(glue_held_out, (SCORES, SPEED), _PRINTED),
    "one_recipe": Exhibit(one_recipe, (SCORES,)),
    "speed": Exhibit(speed, (SPEED,)),
    "sizes": Exhibit(sizes, (SPEED,), printed("cka", "student_architectures")),
    "methods": Exhibit(methods, reads=printed("cka", "hyper_parameters")),
    "released": Exhibit(released, reads=printed("cka", "hyper_parameters")),
    "claims": Exhibit(claims_table, (CLAIMS,)),
    "quirk_effects": Exhibit(quirk_effects, (SCORES,)),
}
_FIGURES: dict[str, Exhibit[Drawing]] = {
    "overview": Exhibit(_overview, (SCORES,)),
    "by_size": Exhibit(_by_size, (SCORES, SPEED)),
    "curves": Exhibit(_curves, (SCORES,), runs=True),
    "distances": Exhibit(_distances, (SCORES,), logs=distances.METHODS, runs=True),
}
CKA = Exhibits(
    main="students",
    tables=_TABLES,
    figures=_FIGURES,
    judged=("curves", "distances"),
    judged_of=(SCORES, SPEED),
    judged_by=_PRINTED,
)
