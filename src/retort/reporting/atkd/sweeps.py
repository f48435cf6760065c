"""Figures 5a and 5b: how many words are hard, and how much easy ones weigh."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retort.recipes.atkd import ADAPTIVE
from retort.recipes.atkd_settings import released
from retort.recipes.atkd_variants import FIGURE5A, FIGURE5B
from retort.recipes.glmd_variants import Variant
from retort.reporting import style
from retort.reporting.atkd.rows import alone_or_varied
from retort.reporting.results import Results

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE = "How many words are hard, and how much easy ones weigh"
COLUMNS = ("setting", "value", "method", "pair", "seed", "score")
NOTHING = "No other share of hard words and no other weight of easy ones was run at this scale."
_DEFAULT = ADAPTIVE[0].name
_LOOKS = ((style.ORANGE, "o"), (style.BLUE, "s"), (style.GREEN, "^"), (style.INK, "D"))


@dataclass(frozen=True)
class Sweep:
    """One setting: its name, what its axis says, its values, and the one that ATKD has."""

    name: str
    axis: str
    variants: tuple[Variant, ...]
    default: float

    @property
    def values(self) -> dict[str, float]:
        """Value by method, ATKD's own among them."""
        found = {variant.method.name: variant.value for variant in self.variants}
        return {name: value for name, value in found.items() if value is not None} | {_DEFAULT: self.default}


def sweeps() -> tuple[Sweep, ...]:
    """Both, with the values that ATKD has."""
    settings = released()
    return (
        Sweep("k", "percent of words that are hard", FIGURE5A, 100 * settings.hard_share),
        Sweep("lambda", "weight of easy words", FIGURE5B, settings.easy_weight),
    )


def scores(results: Results) -> pd.DataFrame:
    """One line for each value of a setting and seed; columns ``setting, value, method, pair, seed, score``.

    A pair is there if more than ATKD's own value was run on it.
    """
    import pandas as pd

    records: list[tuple[Any, ...]] = []
    for track in results.tracks:
        rows = alone_or_varied(results, track)
        for sweep in sweeps():
            found = {place: row for place, row in rows.items() if place[0] in sweep.values}
            tried = {pair for method, pair in found if method != _DEFAULT}
            for (method, pair), row in found.items():
                if pair in tried:
                    head = (sweep.name, sweep.values[method], method, pair)
                    by_seed = row.average().by_seed
                    records += [(*head, seed, round(score, 4)) for seed, score in by_seed.items()]
    frame = pd.DataFrame(records, columns=list(COLUMNS))
    return frame.sort_values(["setting", "pair", "value", "seed"], kind="stable", ignore_index=True)


def figure(data: pd.DataFrame) -> Figure:
    """A panel for each setting; dots for seeds, markers for means, one line for each pair."""
    from matplotlib.figure import Figure

    if data.empty:
        return style.empty(NOTHING)
    with style.style():
        drawn = Figure(figsize=(7.0, 3.2), layout="constrained")
        axes = drawn.subplots(1, 2, sharey=True)
        for axis, sweep in zip(axes, sweeps(), strict=True):
            _panel(axis, sweep, data[data["setting"] == sweep.name])
            axis.set_xlabel(sweep.axis)
        axes[0].set_ylabel("student's score, mean over sets")
    return drawn


def _panel(axis: Axes, sweep: Sweep, part: pd.DataFrame) -> None:
    if part.empty:
        axis.text(0.5, 0.5, "not run at this scale", ha="center", va="center", transform=axis.transAxes)
        axis.set_xticks([])
        return
    for (pair, runs), (colour, marker) in zip(part.groupby("pair", sort=False), _LOOKS, strict=False):
        axis.plot(runs["value"], runs["score"], ".", color=colour, ms=3, alpha=0.6)
        points = [(value, statistics.fmean(group["score"])) for value, group in runs.groupby("value")]
        axis.plot(*zip(*points, strict=True), "-", color=colour, marker=marker, ms=4, label=str(pair))
    axis.axvline(sweep.default, color=style.FAINT, lw=1, zorder=0)
    axis.grid(axis="y", color=style.FAINT, lw=0.4)
    axis.set_axisbelow(True)
    axis.legend()


def caption(data: pd.DataFrame) -> str:
    """What is drawn."""
    if data.empty:
        return NOTHING
    seeds = data["seed"].nunique()
    return (
        f"ATKD on supervised KD. Dots: {seeds} training seed{'s' if seeds > 1 else ''}; markers: their mean. "
        "Grey: the value that ATKD has, best in the paper by its readers: half of the words, and 0.2. Which "
        "other values the paper tried is not known to us."
    )
