"""The runs behind each row of the tables, in the order in which the page lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from retort.reporting.paper_rows import rows_of
from retort.reporting.results import Results, Run
from retort.reporting.rows import Scored
from retort.reporting.scores import select
from retort.reporting.tables import slug

VARIED = ("variant", "quirk")


@dataclass(frozen=True)
class RunLine:
    """One run in a list; ``anchor`` is empty where an earlier list has the same run."""

    seed: str
    run: Run
    anchor: str

    @property
    def score(self) -> str:
        """Best evaluation on dev, metric by metric; for pretraining its last loss."""
        results = self.run.card["results"]
        if "last_loss" in results:
            return f"loss {results['last_loss']:.3g}"
        return " / ".join(f"{value:.1f}" for value in results.get("best", {}).values())


@dataclass(frozen=True)
class RunList:
    """Runs under one heading, in blocks: (anchor, runs on one task)."""

    title: str
    anchor: str
    blocks: list[tuple[str, list[RunLine]]]

    @property
    def lines(self) -> list[RunLine]:
        """All runs."""
        return [line for _, block in self.blocks for line in block]

    @property
    def seconds(self) -> float:
        """Training time of all runs."""
        seconds: float = sum(line.run.card["seconds"] for line in self.lines)
        return seconds


def run_lists(results: Results) -> list[RunList]:
    """Pretraining first, then a list for each row and variant that was run; each run has its anchor once."""
    seen: set[str] = set()
    found = []
    before = [run for run in results.runs if not run.task]
    if before:
        lines = [_line(str(run.card["stage"]["seed"]), run, seen) for run in before]
        found.append(RunList("Pretraining", slug("run", results.paper, "pretraining"), [("", lines)]))
    for row in [*rows_of(results), *_variants(results)]:
        blocks = _blocks(row, seen)
        if blocks:
            found.append(RunList(f"{row.method} {row.pair}", row.anchor, blocks))
    scored = {line.run.anchor for listed in found for line in listed.lines}
    rest = [run for run in results.runs if run.anchor not in scored]
    if rest:
        lines = [_line(str(run.card["stage"]["seed"]), run, seen) for run in rest]
        searched = any(run.name != run.task for run in rest)
        title = "Assistants and first steps" + (", points not chosen" if searched else "")
        found.append(RunList(title, slug("run", results.paper, "between"), [("", lines)]))
    return found


def _variants(results: Results) -> Iterator[Scored]:
    """What ablations and switched quirks run besides the rows of the main table."""
    scores = results.scores[results.scores["role"].isin(VARIED)]
    for method, pair in dict.fromkeys(zip(scores["method"], scores["pair"], strict=True)):
        yield Scored(results, "", method, pair, select(scores, method=method, pair=pair))


def _blocks(row: Scored, seen: set[str]) -> list[tuple[str, list[RunLine]]]:
    by_task: dict[str, list[RunLine]] = {}
    for seed, run in row.runs():
        by_task.setdefault(run.task, []).append(_line(seed, run, seen))
    return [(row.task_anchor(task), lines) for task, lines in by_task.items()]


def _line(seed: str, run: Run, seen: set[str]) -> RunLine:
    anchor = "" if run.anchor in seen else run.anchor
    seen.add(run.anchor)
    return RunLine(seed, run, anchor)
