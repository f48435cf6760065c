"""The exhibits of the ATKD paper: what it has tables and figures of."""

from __future__ import annotations

from retort.reporting.atkd import curves, landscape, sweeps, teacher_size, uncertainty
from retort.reporting.atkd.answers import answers
from retort.reporting.atkd.main_table import NAME, main_table, main_table_held_out
from retort.reporting.atkd.methods import methods
from retort.reporting.atkd.parts import parts
from retort.reporting.atkd.remedies import remedies
from retort.reporting.claims_table import claims_table
from retort.reporting.exhibit import CLAIMS, LANDSCAPE, SCORES, Drawing, Exhibit, Exhibits, printed
from retort.reporting.quirk_effects import quirk_effects
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT
from retort.reporting.tables import Table
from retort.reporting.validation import losses


def _teacher_size(results: Results) -> Drawing:
    data = teacher_size.scores(results)
    return Drawing(teacher_size.TITLE, lambda: teacher_size.figure(data), data, teacher_size.caption(data))


def _uncertainty(results: Results) -> Drawing:
    data = uncertainty.shares(results)
    return Drawing(uncertainty.TITLE, lambda: uncertainty.figure(data), data, uncertainty.caption(data))


def _sweeps(results: Results) -> Drawing:
    data = sweeps.scores(results)
    return Drawing(sweeps.TITLE, lambda: sweeps.figure(data), data, sweeps.caption(data))


def _curves(results: Results) -> Drawing:
    data = losses(results)
    return Drawing(curves.TITLE, lambda: curves.curves(data), data, curves.caption(data))


def _landscape(results: Results) -> Drawing:
    data = landscape.slices(results)
    return Drawing(landscape.TITLE, lambda: landscape.figure(data), data, landscape.caption(data))


_PRINTED = printed("atkd", "scores")
_TABLES: dict[str, Exhibit[Table]] = {
    NAME: Exhibit(main_table, (SCORES,), _PRINTED),
    f"{NAME}_{HELD_OUT}": Exhibit(main_table_held_out, (SCORES,), _PRINTED),
    "parts": Exhibit(parts, (SCORES,)),
    "remedies": Exhibit(remedies, (SCORES,)),
    "answers": Exhibit(answers, (SCORES,), runs=True),
    "methods": Exhibit(methods),
    "claims": Exhibit(claims_table, (CLAIMS,)),
    "quirk_effects": Exhibit(quirk_effects, (SCORES,)),
}
_FIGURES: dict[str, Exhibit[Drawing]] = {
    "teacher_size": Exhibit(_teacher_size, (SCORES,), runs=True),
    "uncertainty": Exhibit(_uncertainty, (SCORES,), runs=True),
    "sweeps": Exhibit(_sweeps, (SCORES,), printed("atkd", "hyper_parameters")),
    "landscape": Exhibit(_landscape, (LANDSCAPE,)),
    "curves": Exhibit(_curves, (SCORES,), runs=True),
}
ATKD = Exhibits(
    main=NAME,
    tables=_TABLES,
    figures=_FIGURES,
    judged=(),
    judged_of=(SCORES, LANDSCAPE),
    judged_by=(),
)
