"""The last words of a run in the terminal: the main numbers, and where the rest is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from retort.progress import clock
from retort.reporting.exhibits import exhibits_of
from retort.reporting.results import Results
from retort.reporting.rows import BASELINE, Scored, baseline_average, table_rows
from retort.reporting.tables import NEAR
from retort.reporting.track_rows import near, student_rows

_MOST_ROWS = 40


@dataclass(frozen=True)
class Headline:
    """What is shown of one paper.

    Attributes:
        title: scale, paper and cost.
        score: what the scores are.
        rows: (method, pair, score, the paper's score).
        notes: sentences below them.
        places: (what, where) pairs.
    """

    title: str
    score: str
    rows: list[tuple[str, str, str, str]]
    notes: list[str]
    places: list[tuple[str, str]]


def headline(results: Results) -> Headline:
    """The headline of a finished run."""
    exhibits = exhibits_of(results.paper)
    rows = _students(results) if results.tracks else _table3(results)
    shown = rows[:_MOST_ROWS]
    notes = []
    if any(NEAR in row[2] for row in shown):
        notes.append("† near the majority baseline: too little to say that anything was learned")
    if len(rows) > len(shown):
        notes.append(f"{len(rows) - len(shown)} more rows in {exhibits.main}.md")
    seconds = sum(run.card["seconds"] for run in results.runs)
    folder = results.root / results.paper
    cost = f"{clock(seconds)} of training in {len(results.runs)} runs"
    return Headline(
        f"{results.paper}, scale {results.config.scale}: {cost}",
        "score" if results.tracks else "SuperGLUE",
        shown,
        notes,
        [
            ("tables", f"{folder / 'tables'}/"),
            ("figures", f"{folder / 'figures'}/"),
            ("report", str(results.root / "report" / "index.html")),
        ],
    )


def show(summary: Headline, plain: bool) -> None:
    """Print to standard output: lines of text, or with rich's colours for a terminal."""
    if plain:
        print("\n".join(plain_lines(summary)))
        return
    from rich.console import Console
    from rich.table import Table

    view = Table(title=summary.title, title_justify="left", caption="; ".join(summary.notes) or None)
    view.add_column("method", style="bold")
    view.add_column("pair")
    view.add_column(summary.score, justify="right", style="cyan")
    view.add_column("paper", justify="right", style="dim")
    for row in summary.rows:
        view.add_row(*row)
    console = Console()
    console.print(view)
    for what, where in summary.places:
        console.print(f"{what:8} [link={Path(where).resolve().as_uri()}]{where}[/link]", highlight=False)


def plain_lines(summary: Headline) -> list[str]:
    """The headline as text lines in aligned columns."""
    rows = [("method", "pair", summary.score, "paper"), *summary.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [
        f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:>{widths[3]}}"
        for row in rows
    ]
    places = [f"{what:8} {where}" for what, where in summary.places]
    return [summary.title, *lines, *(f"  {note}" for note in summary.notes), *places]


def _table3(results: Results) -> list[tuple[str, str, str, str]]:
    ran = [row for row in table_rows(results) if row.was_run]
    floor = baseline_average(ran)
    return [_cells(row, row.marked(floor), row.published.printed if row.published else "") for row in ran]


def _students(results: Results) -> list[tuple[str, str, str, str]]:
    ran = student_rows(results)
    return [_cells(row, near(row, ran), "") for row in ran]


def _cells(row: Scored, marked: bool, paper: str) -> tuple[str, str, str, str]:
    score = row.average().summary.text or "incomplete"
    name = f"{row.method} baseline" if row.section == BASELINE else row.method
    return name, row.pair, score + (NEAR if marked else "  "), paper
