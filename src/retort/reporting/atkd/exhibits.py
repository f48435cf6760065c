"""The exhibits of the ATKD paper: what it has tables and figures of."""

from __future__ import annotations

from retort.reporting.atkd.main_table import NAME, main_table, main_table_held_out
from retort.reporting.atkd.methods import methods
from retort.reporting.claims_table import claims_table
from retort.reporting.exhibit import CLAIMS, SCORES, Drawing, Exhibit, Exhibits, printed
from retort.reporting.quirk_effects import quirk_effects
from retort.reporting.scores import HELD_OUT
from retort.reporting.tables import Table

_PRINTED = printed("atkd", "scores")
_TABLES: dict[str, Exhibit[Table]] = {
    NAME: Exhibit(main_table, (SCORES,), _PRINTED),
    f"{NAME}_{HELD_OUT}": Exhibit(main_table_held_out, (SCORES,), _PRINTED),
    "methods": Exhibit(methods),
    "claims": Exhibit(claims_table, (CLAIMS,)),
    "quirk_effects": Exhibit(quirk_effects, (SCORES,)),
}
_FIGURES: dict[str, Exhibit[Drawing]] = {}
ATKD = Exhibits(
    main=NAME,
    tables=_TABLES,
    figures=_FIGURES,
    judged=(),
    judged_of=(SCORES,),
    judged_by=(),
)
