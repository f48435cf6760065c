"""The exhibits of GLMD: its tables and figures by their numbers in the paper."""

from __future__ import annotations

from retort.files import read_json
from retort.reporting import figure2, figure3, figure5, overview
from retort.reporting.ablations import table4, table5
from retort.reporting.claims_table import claims_table
from retort.reporting.exhibit import (
    CLAIMS,
    HYPER_PARAMETERS,
    SCORES,
    Drawing,
    Exhibit,
    Exhibits,
    printed,
)
from retort.reporting.quirk_effects import quirk_effects
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT
from retort.reporting.table1 import table1
from retort.reporting.table2 import methods, table2
from retort.reporting.table3 import table3, table3_held_out
from retort.reporting.table6 import table6
from retort.reporting.table7 import table7
from retort.reporting.table8 import table8
from retort.reporting.table9 import table9
from retort.reporting.tables import Table


def _overview(results: Results) -> Drawing:
    data = overview.scores(results)
    return Drawing(overview.TITLE, lambda: overview.overview(data), data, overview.caption(results, data))


def _figure2(results: Results) -> Drawing:
    data = figure2.correlations(results)
    return Drawing(figure2.TITLE, lambda: figure2.figure2(data), data, figure2.caption(data))


def _figure3(results: Results) -> Drawing:
    data, kept = figure3.long_tail(results), kept_words(results)
    return Drawing(figure3.TITLE, lambda: figure3.figure3(data, kept), data, figure3.caption(data, kept))


def _figure5(results: Results) -> Drawing:
    data = figure5.correlations(results)
    return Drawing(figure5.TITLE, lambda: figure5.figure5(data), data, figure5.caption(data))


_TABLES: dict[str, Exhibit[Table]] = {
    "table1": Exhibit(table1, reads=printed("glmd", "table3")),
    "table2": Exhibit(
        table2, reads=(*printed("glmd", "table2", "table3"), "config/scales/paper.yaml"), text="vocabulary"
    ),
    "table3": Exhibit(table3, (SCORES,), printed("glmd", "table3"), text="vocabulary"),
    f"table3_{HELD_OUT}": Exhibit(table3_held_out, (SCORES,), printed("glmd", "table3"), text="vocabulary"),
    "table4": Exhibit(table4, (SCORES,), printed("glmd", "table4")),
    "table5": Exhibit(table5, (SCORES,), printed("glmd", "table5")),
    "table6": Exhibit(table6, reads=printed("glmd", "table3")),
    "table7": Exhibit(table7, (SCORES, HYPER_PARAMETERS), printed("glmd", "table3", "table7_hparams")),
    "table8": Exhibit(table8, reads=printed("glmd", "table8_hparams")),
    "table9": Exhibit(table9, (SCORES,), printed("glmd", "table3", "table9"), text="vocabulary"),
    "claims": Exhibit(claims_table, (CLAIMS,)),
    "quirk_effects": Exhibit(quirk_effects, (SCORES,)),
}
_FIGURES: dict[str, Exhibit[Drawing]] = {
    "overview": Exhibit(_overview, (SCORES,), printed("glmd", "table3")),
    "figure2": Exhibit(_figure2, (SCORES,), printed("glmd", "table3"), logs=figure2.METHODS),
    "figure3": Exhibit(_figure3, text="all"),
    "figure5": Exhibit(_figure5, (SCORES,), printed("glmd", "table3"), logs=figure5.METHODS),
}
GLMD = Exhibits(
    main="table3",
    tables=_TABLES,
    figures=_FIGURES,
    judged=("figure2", "figure3", "figure5"),
    judged_of=(SCORES,),
    judged_by=printed("glmd", "table3", "table4", "table5", "table9"),
    judged_text="vocabulary",  # rows of the word table
)


def kept_words(results: Results) -> int | None:
    """Rank (without command tokens) where a compressed vocabulary ends; ``None`` where none is used."""
    from retort.data.tokenizer import COMMANDS
    from retort.distill.vocabulary import kept_size

    used = [method for method in methods(results.paper) if method.name in results.config.methods]
    ratios = [method.compression.ratio for method in used if method.compression is not None]
    if not ratios:
        return None
    tokens: int = read_json(results.text_folder() / "summary.json")["vocabulary"]
    return min(kept_size(ratios[0], tokens, results.config.compression.multiple_of), tokens) - len(COMMANDS)
