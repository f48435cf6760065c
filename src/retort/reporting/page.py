"""The report: one HTML file that needs nothing else, neither network nor folders."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from retort.errors import InputError
from retort.files import write_text
from retort.papers import paper_of
from retort.reporting import verdicts
from retort.reporting.exhibits import exhibits_of, shown_papers
from retort.reporting.first_screen import duration, facts, gates, short_title
from retort.reporting.ledgers import QuirkLine, quirk_lines
from retort.reporting.results import Results
from retort.reporting.run_data import embedded, run_data
from retort.reporting.run_lists import RunList, run_lists
from retort.reporting.scores import HELD_OUT
from retort.reporting.tables import TEMPLATES, Table, environment

CLAIMS, QUIRKS = "claims", "quirk_effects"
_ABBREVIATIONS = {"glue": "GLUE"}
_SCRIPTS = ("page.js", "sorting.js", "dialogs.js", "cards.js")


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it: its image is inside the address."""

    name: str
    title: str
    address: str
    caption: str


@dataclass(frozen=True)
class Mark:
    """A line of the main table on a scale from 0 to 100: mean, spread and the paper's score."""

    mean: float | None
    low: float
    width: float
    paper: float | None


@dataclass(frozen=True)
class Chapter:
    """Everything of one paper; ``claims`` is ``None`` where they were not judged."""

    paper: str
    title: str
    short: str
    main: Table
    marks: list[Mark]
    tables: list[Table]
    pictures: list[Picture]
    claims: list[verdicts.Claim] | None
    quirks: list[QuirkLine]
    quirk_effects: Table
    runs: list[RunList]
    files: dict[str, str]


def write_page(root: Path, published: Path, path: Path, settings: Path | None = None) -> None:
    """Write the page of one scale.

    Args:
        root: ``results/<scale>``; the figures of every paper must have been drawn.
        published: folder with the papers' numbers.
        path: of the HTML file.
        settings: file of the configuration, see :class:`Results`.
    """
    first = Results(root, published=published, settings=settings)
    papers = shown_papers(first)
    script = script_text()
    html = environment().get_template("page.html.j2").render(
        config=first.config,
        facts=facts(papers),
        gates=[gate for results in papers for gate in gates(results)],
        gates_checked=bool(first.gates),
        chapters=list(map(chapter, papers)),
        duration=duration,
        label=label,
        first_number=first_number,
        counts=verdicts.counts,
        intervals=verdicts.intervals,
        short=verdicts.short,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=embedded(run_data(papers)),
    )  # fmt: skip
    write_text(path, html)


def chapter(results: Results) -> Chapter:
    """Tables, figures and claims of one paper, and the runs behind each row."""
    exhibits = exhibits_of(results.paper)
    tables = {name: build(results) for name, build in exhibits.tables.items() if name != CLAIMS}
    main, switched = tables.pop(exhibits.main), tables.pop(QUIRKS)
    return Chapter(
        results.paper,
        paper_of(results.paper).title,
        short_title(results.paper),
        main,
        marks(main),
        list(tables.values()),
        [picture(results, name) for name in exhibits.figures],
        verdicts.read_claims(results.root / results.paper / "claims.csv"),
        quirk_lines(results),
        switched,
        run_lists(results),
        numbers(results),
    )


def numbers(results: Results) -> dict[str, str]:
    """Where the numbers of each exhibit lie as a file, by the exhibit's name, seen from the page."""
    exhibits = exhibits_of(results.paper)
    places = {name: f"{results.paper}/tables/{name}.csv" for name in exhibits.tables}
    places |= {name: f"{results.paper}/figures/{name}.csv" for name in exhibits.figures}
    return {name: f"../{place}" for name, place in places.items() if (results.root / place).is_file()}


def marks(table: Table) -> list[Mark]:
    """What the lines of the main table look like on a scale from 0 to 100, a mark for each line."""
    found = []
    for row in table.data.astype(object).where(table.data.notna(), None).to_dict("records"):
        mean, spread = row["mean"], row["sd"] or 0.0
        low, high = max((mean or 0.0) - spread, 0.0), min((mean or 0.0) + spread, 100.0)
        found.append(Mark(mean, round(low, 1), round(high - low, 1), row["paper"]))
    return found


def first_number(table: Table) -> int:
    """Place of the first column of numbers; the plot of the marks stands before it, in sight on a phone."""
    return next(index for index, column in enumerate(table.columns) if column.right)


def picture(results: Results, name: str) -> Picture:
    """A drawn figure as a data address.

    Raises:
        InputError: it has not been drawn.
    """
    path = results.root / results.paper / "figures" / f"{name}.svg"
    if not path.is_file():
        raise InputError(f"{path}: no such file; draw the figures first")
    drawing = exhibits_of(results.paper).figures[name](results)
    address = "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
    return Picture(name, drawing.title, address, drawing.caption)


def label(name: str) -> str:
    """An exhibit's name for people: ``table3_held_out`` becomes ``Table 3, held out``."""
    head = name.removesuffix(f"_{HELD_OUT}")
    words = re.sub(r"(?<=[a-z])(?=\d)", " ", head).replace("_", " ")
    shown = _ABBREVIATIONS.get(head) or words[:1].upper() + words[1:]
    return shown if head == name else f"{shown}, {HELD_OUT.replace('_', ' ')}"


def script_text() -> str:
    """The page's script; its digest is in the page's content policy, so that no other script runs."""
    parts = [(TEMPLATES / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    return "(() => {\n'use strict';\n" + "\n".join(parts) + "})();\n"
