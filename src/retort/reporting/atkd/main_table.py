"""The main table: every method with and without ATKD, set by set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from retort.data.instructions.sets import SPECS, spec_of
from retort.reporting.atkd.rows import PLAIN, Gain, family_rows, gains, group_of, set_summary, sets_of
from retort.reporting.notes import protocol_notes
from retort.reporting.published_scores import UNKNOWN, published_scores
from retort.reporting.results import Results
from retort.reporting.scores import HELD_OUT, PAPER
from retort.reporting.statistics import Summary
from retort.reporting.tables import Cell, Column, Line, Table, title_of
from retort.reporting.track_rows import TrackRow, family_of
from retort.texts import INSTRUCTIONS

if TYPE_CHECKING:
    import pandas as pd

NAME = "main_table"
AVERAGE = "average"
"""Stands for all sets of the family, in the file of the paper's scores, too."""
_HEAD = ("family", "role", "method", "pair", "mean", "sd", "n", "gain", "gain_sd", "gain_n", "paper")
MEASURES = {"rougeL": "ROUGE-L", "starts": "answers that the text starts with", "number": "right numbers"}
"""What a set's own metric counts, in words."""
_NOTES = (
    "Average: the mean over the sets of the family. Gain: of ATKD to the method that it is put on, mean over "
    "the seeds that both have. A teacher is the model that its students learn from, fine-tuned on the data's "
    "answers.",
    "The paper has a language model judge open questions; here the overlap with the reference does, so that "
    "numbers on these sets do not compare with the paper's.",
)


@dataclass(frozen=True, eq=False)
class Lines:
    """The rows of the table under a protocol, with their numbers."""

    results: Results
    protocol: str

    @cached_property
    def rows(self) -> list[TrackRow]:
        """Family by family."""
        return [row for name in self.results.tracks for row in family_rows(self.results, name)]

    @cached_property
    def sets(self) -> tuple[str, ...]:
        """Columns of numbers."""
        return sets_of(self.results, self.results.tracks)

    @cached_property
    def gains(self) -> dict[tuple[str, str], Gain]:
        """By method and pair."""
        return {(gain.adaptive.method, gain.adaptive.pair): gain for gain in gains(self.rows)}

    @cached_property
    def printed(self) -> Mapping[tuple[str, ...], str]:
        """What the paper prints."""
        return published_scores(self.results)

    def gain(self, row: TrackRow) -> Summary | None:
        """Of a row with ATKD; ``None``: it is none, or nothing stands beside it."""
        found = self.gains.get((row.method, row.pair))
        return None if found is None else found.points(self.protocol)

    def published(self, row: TrackRow) -> str:
        """The paper's average; empty where it is not known."""
        student = "teacher" if row.role == "teacher" else row.pair
        return self.printed.get((student, row.method, INSTRUCTIONS, AVERAGE), "")


def main_table(results: Results) -> Table:
    """Scores by set as the authors select checkpoints."""
    return _table(Lines(results, PAPER))


def main_table_held_out(results: Results) -> Table:
    """The same under the held-out protocol."""
    return _table(Lines(results, HELD_OUT))


def _table(lines: Lines) -> Table:
    held_out = lines.protocol == HELD_OUT
    heads = ("Method", "Pair")
    numbers = (*lines.sets, "Average", "Gain", "Seeds", "Average, paper")
    return Table(
        name=f"{NAME}_{HELD_OUT}" if held_out else NAME,
        title="Every method with and without ATKD, set by set"
        + (f" ({title_of(lines.protocol).lower()} protocol)" if held_out else ""),
        columns=(*map(Column, heads), *(Column(title, right=True) for title in numbers)),
        lines=tuple(_line(row, lines) for row in lines.rows),
        data=_data(lines),
        notes=tuple(_notes(lines)),
    )


def _line(row: TrackRow, lines: Lines) -> Line:
    average, gain, address = row.average(lines.protocol), lines.gain(row), row.address()
    texts = [set_summary(row, name, lines.protocol).text for name in lines.sets]
    texts.append(average.summary.text or "incomplete")
    printed = lines.published(row)
    return Line(
        cells=(
            Cell(row.method),
            Cell(row.pair),
            *(Cell(text, address if text else None) for text in texts),
            Cell("" if gain is None else gain.signed_text),
            Cell(str(average.summary.n)),
            Cell(printed, unknown=not printed),
        ),
        group=group_of(row),
    )


def _data(lines: Lines) -> pd.DataFrame:
    import pandas as pd

    columns = [*_HEAD, *(f"{name}{end}" for name in lines.sets for end in ("", "_sd"))]
    frame = pd.DataFrame([_record(row, lines) for row in lines.rows], columns=columns)
    return frame.astype({"n": "Int64", "gain_n": "Int64"})


def _record(row: TrackRow, lines: Lines) -> dict[str, Any]:
    gain = lines.gain(row)
    found: dict[str, Any] = {
        "family": family_of(row.results, row.track),
        "role": row.role,
        "method": row.method,
        "pair": row.pair,
        "paper": float(lines.published(row)) if lines.published(row) else None,
        "gain_n": None if gain is None else gain.n,
        "n": row.average(lines.protocol).summary.n,
    }
    parts = {"mean": row.average(lines.protocol).summary}
    parts |= {name: set_summary(row, name, lines.protocol) for name in lines.sets}
    if gain is not None:
        parts["gain"] = gain
    for name, part in parts.items():
        found[name] = rounded(part.mean)
        found["sd" if name == "mean" else f"{name}_sd"] = rounded(part.sd)
    return found


def rounded(value: float | None) -> float | None:
    """To four decimals, as tables keep numbers."""
    return None if value is None else round(value, 4)


def _notes(lines: Lines) -> Iterator[str]:
    yield from protocol_notes(lines.results, lines.protocol)
    by_metric: dict[str, list[str]] = {}
    for name in lines.sets:
        by_metric.setdefault(spec_of(name).metric, []).append(name)
    for metric in dict.fromkeys(spec.metric for spec in SPECS.values()):
        if metric in by_metric:
            yield f"Percent of {MEASURES[metric]}: {', '.join(by_metric[metric])}."
    yield from _NOTES
    alone = [f"{row.method} {row.pair}" for row in lines.rows if row.method in PLAIN and not lines.gain(row)]
    if alone:
        yield f"No gain is known where the method without ATKD did not run: {', '.join(alone)}."
    for row in lines.rows:
        for seed in row.average(lines.protocol).missing:
            yield f"{row.method} {row.pair}, seed {seed} is left out: some sets are missing."
    if any(not lines.published(row) for row in lines.rows):
        yield UNKNOWN
