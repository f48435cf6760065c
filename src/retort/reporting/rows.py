"""Which rows GLMD's result tables have: those that the paper prints and those that were run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from retort.reporting.results import Results, Run
from retort.reporting.scores import IN_MAIN_TABLES, PAPER, PROTOCOLS, Averages, averages, select
from retort.reporting.sizes import parameters_of_stage
from retort.reporting.statistics import near_baseline
from retort.reporting.tables import slug

if TYPE_CHECKING:
    import pandas as pd

BASELINE = "baseline"
UNPUBLISHED = "not_in_the_paper"
TEACHERS = "fine_tuned_teacher"


@dataclass(frozen=True)
class Published:
    """What the paper's Table 3 prints in one row; ``note`` says what is special about it."""

    section: str
    printed: str
    params: str
    note: str

    @property
    def score(self) -> float | None:
        """The printed score as a number."""
        return float(self.printed) if self.printed else None


@dataclass(frozen=True, eq=False)
class Scored:
    """One method on one teacher-student pair (teachers: their symbol; baseline: no pair).

    Attributes:
        section: heads the rows that share it.
        scores: what was measured, all protocols.
    """

    results: Results
    section: str
    method: str
    pair: str
    scores: pd.DataFrame

    @property
    def tasks(self) -> tuple[str, ...]:
        """Those that the row's score is the mean over."""
        return self.results.tasks

    def average(self, protocol: str = PAPER) -> Averages:
        """Scores of all seeds under a protocol."""
        return self._averages[protocol]

    @cached_property
    def _averages(self) -> dict[str, Averages]:
        paper = self.results.paper
        return {name: averages(select(self.scores, protocol=name), self.tasks, paper) for name in PROTOCOLS}

    @property
    def was_run(self) -> bool:
        """Whether there is any score."""
        return not self.scores.empty

    @property
    def anchor(self) -> str:
        """Place on the page that lists the runs behind this row."""
        return self.task_anchor()

    def task_anchor(self, task: str = "") -> str:
        """Place on the page that lists the runs on one task."""
        return slug("run", self.method, self.pair, task)

    def runs(self) -> list[tuple[str, Run]]:
        """(seed, run) of everything whose scores are in this row."""
        known = {(run.stage, run.name): run for run in self.results.runs}
        used = dict.fromkeys(zip(self.scores["seed"], self.scores["stage"], self.scores["run"], strict=True))
        return [(seed, known[stage, name]) for seed, stage, name in used if (stage, name) in known]

    def address(self, task: str = "") -> str | None:
        """Where the page leads from a score: the run card, or where there are several, their list."""
        found = [run for _, run in self.runs() if task in ("", run.task)]
        if not found:
            return None
        return f"#{found[0].anchor}" if len(found) == 1 else f"#{self.task_anchor(task)}"

    def marked(self, baseline: float | None, protocol: str = PAPER) -> bool:
        """Whether the average does not stand out above the baseline."""
        return self.section != BASELINE and near_baseline(self.average(protocol).summary, baseline)


@dataclass(frozen=True, eq=False)
class Row(Scored):
    """A row of GLMD's Table 3.

    Attributes:
        planned: whether this scale runs it.
        published: the paper's row, if there is one.
    """

    planned: bool
    published: Published | None

    @cached_property
    def params(self) -> int | None:
        """Exact parameters of the trained model; ``None`` for what was not run or not kept."""
        stages = [name for name in self.scores["stage"] if name]
        return parameters_of_stage(self.results.stage(stages[0])) if stages else None


def published_rows(results: Results) -> dict[tuple[str, str], Published]:
    """The paper's Table 3 by (method, pair), in its order."""
    rows = results.published_table("table3").to_dict("records")
    return {
        (row["method"], row["config"]): Published(
            row["section"], row["superglue_avg"], row["student_params"], row["note"]
        )
        for row in rows
    }


def table_rows(results: Results) -> list[Row]:
    """Rows in the paper's order of sections: the baseline first, what the paper lacks within its section."""
    published = published_rows(results)
    scores = results.scores[results.scores["role"].isin(IN_MAIN_TABLES)]
    measured = list(dict.fromkeys(zip(scores["role"], scores["method"], scores["pair"], strict=True)))
    roles = {(method, pair): role for role, method, pair in measured}
    planned = dict.fromkeys([*_planned(results, published), *roles])
    rows = []
    for method, pair in dict.fromkeys([*published, *planned]):
        rows.append(
            Row(
                results,
                section_of(method, pair, roles.get((method, pair), "student"), published),
                method,
                pair,
                select(scores, method=method, pair=pair),
                (method, pair) in planned,
                published.get((method, pair)),
            )
        )
    order = [BASELINE, *dict.fromkeys(row.section for row in published.values()), UNPUBLISHED]
    return sorted(rows, key=lambda row: order.index(row.section))  # stable within a section


def baseline_average(rows: list[Row], protocol: str = PAPER) -> float | None:
    """SuperGLUE score of the baseline, if it was scored under this protocol."""
    found = [row.average(protocol).summary.mean for row in rows if row.section == BASELINE]
    return found[0] if found else None


def section_of(method: str, pair: str, role: str, published: dict[tuple[str, str], Published]) -> str:
    """Section of a row: the paper's own, else that of the method's first row, else one for what it lacks."""
    if role == "baseline":
        return BASELINE
    if (method, pair) in published:
        return published[method, pair].section
    if role == "teacher":
        return TEACHERS
    known = [row.section for (name, _), row in published.items() if name == method]
    return known[0] if known else UNPUBLISHED


def _planned(results: Results, published: dict[tuple[str, str], Published]) -> Iterator[tuple[str, str]]:
    """The paper's methods of this scale on its pairs.

    On the paper's own pairs a method runs where the paper prints it, on others if they are of a kind (two
    teachers, say) that the paper gives the method. What users add is known by its scores.
    """
    config, paper_pairs = results.config, {pair for _, pair in published}
    for method in config.methods:
        printed = {pair for name, pair in published if name == method}
        kinds = {_kind(pair) for pair in printed}
        pairs = [p for p in config.pairs if (p in printed if p in paper_pairs else _kind(p) in kinds)]
        for pair in pairs if config.columns == "all" else pairs[:1]:
            yield method, pair


def _kind(pair: str) -> str:
    return re.sub(r"\w+", "x", pair)
