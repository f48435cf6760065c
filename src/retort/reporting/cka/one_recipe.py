"""Every method as its scripts were released beside the same under one recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retort.papers import paper_of
from retort.reporting.cka.by_data_set import SHORT
from retort.reporting.notes import protocol_notes
from retort.reporting.results import Results
from retort.reporting.scores import PAPER, select
from retort.reporting.statistics import Summary, summarise
from retort.reporting.tables import Cell, Column, Line, Table, slug
from retort.reporting.track_rows import described, students_of

if TYPE_CHECKING:
    import pandas as pd

ONE_RECIPE = " (one recipe)"
"""Ends the names of methods that were run under one recipe."""
COLUMNS = (
    *("track", "pair", "task", "metric", "method", "released", "released_sd", "released_n", "released_rank"),
    *("one_recipe", "one_recipe_sd", "one_recipe_n", "one_recipe_rank", "difference", "difference_sd", "n"),
)
_TITLES = ("As released", "Rank", "One recipe", "Rank", "Difference", "Seeds")
_DEFINITION = (
    "The released scripts of different methods also differ in the divergence of words, its temperature, the "
    "student's start, learning rate and weight decay. One recipe: these are the same for all, so that only "
    "what hidden states are compared by differs. Ranks are among the methods that ran both ways on a "
    "student; a difference is over the seeds that did."
)
NOTHING = "No method ran under one recipe at this scale (variants of a track)."

BySeed = dict[str, float]


@dataclass(frozen=True)
class Compared:
    """One method on one student and data set, seed by seed, as released and under one recipe."""

    track: str
    pair: str
    task: str
    metric: str
    method: str
    released: BySeed
    one_recipe: BySeed

    @property
    def both(self) -> bool:
        """Whether it ran both ways."""
        return bool(self.released and self.one_recipe)

    @property
    def difference(self) -> Summary:
        """Of one recipe to as released, over shared seeds."""
        shared = [seed for seed in self.released if seed in self.one_recipe]
        return summarise([self.one_recipe[seed] - self.released[seed] for seed in shared])


@dataclass(frozen=True)
class Group:
    """All methods on one student and data set."""

    rows: tuple[Compared, ...]

    def rank(self, row: Compared, under_one: bool) -> int | None:
        """Place of a method among those that ran both ways, 1 = best; ``None``: it did not, or alone."""
        if not row.both:
            return None
        means = {
            other.method: _mean(other.one_recipe if under_one else other.released)
            for other in self.rows
            if other.both
        }
        return 1 + sum(mean > means[row.method] for mean in means.values()) if len(means) > 1 else None

    @property
    def same_leader(self) -> bool:
        """Whether the best method as released is best under one recipe, too."""
        return any(self.rank(row, False) == self.rank(row, True) == 1 for row in self.rows)

    @property
    def span(self) -> tuple[float, float] | None:
        """Between best and worst method that ran both ways, as released and under one recipe."""
        both = [row for row in self.rows if row.both]
        if len(both) < 2:
            return None
        means = ([_mean(row.released) for row in both], [_mean(row.one_recipe) for row in both])
        released, one = (max(values) - min(values) for values in means)
        return released, one


def one_recipe(results: Results) -> Table:
    """Build the table; the data have one row for each line."""
    groups = comparisons(results)
    return Table(
        name="one_recipe",
        title="Methods as released and under one recipe",
        columns=(Column("Method"), Column("Data set"), *(Column(title, right=True) for title in _TITLES)),
        lines=tuple(_line(row, group, results) for group in groups for row in group.rows),
        data=_data(groups),
        notes=(*protocol_notes(results, PAPER), _DEFINITION, *_found(groups)) if groups else (NOTHING,),
    )


def comparisons(results: Results) -> list[Group]:
    """Methods on the students that ran under one recipe, student by student, data set by data set."""
    return [group for name in results.tracks for group in _of_track(results, name)]


def _of_track(results: Results, name: str) -> Iterator[Group]:
    track, scores = results.tracks[name], select(results.scores, protocol=PAPER)
    varied = scores[(scores["role"] == "variant") & scores["method"].str.endswith(ONE_RECIPE)]
    pairs = [f"{teacher}-{student}" for student in students_of(track) for teacher in track.teachers]
    for pair in pairs:
        ours = varied[varied["pair"] == pair]
        names = [method.removesuffix(ONE_RECIPE) for method in ours["method"].unique()]
        released = scores[(scores["role"] == "student") & (scores["pair"] == pair)]
        for task in (task for task in results.tasks if names and task in track.tasks):
            metric = paper_of(results.paper).task(task).leading[0]
            yield Group(
                tuple(
                    Compared(
                        name, pair, task, metric, method,
                        _by_seed(select(released, method=method, task=task, metric=metric)),
                        _by_seed(select(ours, method=method + ONE_RECIPE, task=task, metric=metric)),
                    )
                    for method in names
                )
            )  # fmt: skip


def _by_seed(rows: pd.DataFrame) -> BySeed:
    return dict(zip(rows["seed"], rows["value"], strict=True))


def _mean(values: BySeed) -> float:
    return sum(values.values()) / len(values)


def _line(row: Compared, group: Group, results: Results) -> Line:
    released, one, difference = _summary(row.released), _summary(row.one_recipe), row.difference
    ranks = [group.rank(row, under_one) for under_one in (False, True)]
    cells = (
        Cell(row.method),
        Cell(f"{row.task} {SHORT[row.metric]}"),
        Cell(released.text),
        Cell("" if ranks[0] is None else str(ranks[0])),
        Cell(one.text, f"#{slug('run', row.method + ONE_RECIPE, row.pair)}" if row.one_recipe else None),
        Cell("" if ranks[1] is None else str(ranks[1])),
        Cell(difference.signed_text),
        Cell(str(difference.n) if row.both else ""),
    )
    return Line(cells, described(results.tracks[row.track], row.pair.rpartition("-")[2]))


def _summary(values: BySeed) -> Summary:
    return summarise(list(values.values()))


def _data(groups: Sequence[Group]) -> pd.DataFrame:
    import pandas as pd

    records: list[tuple[Any, ...]] = []
    for group in groups:
        for row in group.rows:
            head = (row.track, row.pair, row.task, row.metric, row.method)
            ways = ((_summary(row.released), False), (_summary(row.one_recipe), True))
            numbers = [
                value
                for found, under_one in ways
                for value in (_rounded(found.mean), _rounded(found.sd), found.n, group.rank(row, under_one))
            ]
            difference = row.difference
            records.append(
                (*head, *numbers, _rounded(difference.mean), _rounded(difference.sd), difference.n)
            )
    frame = pd.DataFrame(records, columns=list(COLUMNS))
    counts = ("released_n", "released_rank", "one_recipe_n", "one_recipe_rank", "n")
    return frame.astype(dict.fromkeys(counts, "Int64"))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _found(groups: Sequence[Group]) -> Iterator[str]:
    """How far the comparison of methods is one of recipes."""
    compared = [group for group in groups if group.span is not None]
    if not compared:
        return
    same = sum(group.same_leader for group in compared)
    spans = [group.span for group in compared if group.span is not None]
    released, one = (sum(span[i] for span in spans) / len(spans) for i in (0, 1))
    yield (
        f"On {same} of {len(compared)} students and data sets the method that leads as released leads under "
        f"one recipe, too. Best and worst method are {released:.1f} points apart as released and {one:.1f} "
        "under one recipe, mean over these."
    )
