"""The report: one HTML file that needs nothing else, neither network nor folders."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from retort.errors import InputError
from retort.files import write_text
from retort.progress import clock
from retort.quirks import LEDGER, rows_of
from retort.recipes.glmd import METHODS
from retort.reporting.exhibits import FIGURES, TABLES
from retort.reporting.results import Results, Run
from retort.reporting.rows import Row, table_rows
from retort.reporting.tables import Table, environment

_TITLES = {"glmd": "GLMD (Tan et al., ACL 2023)"}


@dataclass(frozen=True)
class Picture:
    """A figure as the page shows it: its image is inside the address."""

    name: str
    title: str
    address: str
    caption: str


@dataclass(frozen=True)
class Gate:
    """One condition a teacher had to meet: what was scored, and the least score (0 to 100) asked for."""

    teacher: str
    what: str
    score: float
    least: float

    @property
    def passed(self) -> bool:
        """Whether the score is high enough."""
        return self.score >= self.least


@dataclass(frozen=True)
class Chapter:
    """Everything of one paper."""

    paper: str
    title: str
    main: Table
    tables: list[Table]
    pictures: list[Picture]
    runs: list[tuple[Row, list[tuple[str, Run]]]]


def write_page(root: Path, published: Path, path: Path, text: Path | None = None) -> None:
    """Write the page of one scale.

    Args:
        root: ``results/<scale>``; the figures of every paper must have been drawn.
        published: folder with the papers' numbers.
        path: of the HTML file.
        text: folder of the encoded text, see :class:`Results`.
    """
    first = Results(root, published=published, text=text)
    chapters = [chapter(Results(root, paper, published, text)) for paper in first.config.papers]
    template = environment().get_template("page.html.j2")
    html = template.render(
        config=first.config,
        facts=facts(first),
        gates=list(gates(first)),
        gates_checked=bool(first.gates),
        chapters=chapters,
        pretraining=[run for run in first.runs if not run.task],
        quirks=[
            (quirk, first.config.quirks.get(quirk.id, "as_run"), rows_of(quirk, METHODS)) for quirk in LEDGER
        ],
        clock=clock,
    )
    write_text(path, html)


def chapter(results: Results) -> Chapter:
    """Tables and figures of one paper, and the runs behind each row."""
    tables = {name: build(results) for name, build in TABLES.items()}
    rows = [row for row in table_rows(results) if row.was_run]
    return Chapter(
        results.paper,
        _TITLES.get(results.paper, results.paper),
        tables["table3"],
        list(tables.values()),
        [picture(results, name) for name in FIGURES],
        [(row, row.runs()) for row in rows if row.runs()],
    )


def picture(results: Results, name: str) -> Picture:
    """A drawn figure as a data address.

    Raises:
        InputError: it has not been drawn.
    """
    path = results.root / results.paper / "figures" / f"{name}.svg"
    if not path.is_file():
        raise InputError(f"{path}: no such file; draw the figures first")
    drawing = FIGURES[name](results)
    address = "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode()
    return Picture(name, drawing.title, address, drawing.caption)


def facts(results: Results) -> list[tuple[str, str]]:
    """What was run, on what machine, how long: (name, value) pairs for the first screen."""
    config, cards = results.config, [run.card for run in results.runs]
    found = [
        ("Scale", f"{config.scale}, data source {config.data.source}"),
        ("Methods", ", ".join(config.methods)),
        ("Pairs", ", ".join(config.pairs)),
        ("Tasks", ", ".join(config.tasks)),
        ("Seeds", ", ".join(map(str, config.seeds))),
    ]
    if cards:
        devices = dict.fromkeys(_device(card["device"]) for card in cards)
        found += [
            ("Machine", "; ".join(devices)),
            ("Training time", f"{clock(sum(card['seconds'] for card in cards))} over {len(cards)} runs"),
            ("Start to end", _span(cards)),
            (
                "Peak memory",
                f"{max(card['peak_memory_mib']['resident'] for card in cards):,.0f} MiB a process",
            ),
            ("Code", ", ".join(dict.fromkeys(str(card["git_commit"] or "no git")[:10] for card in cards))),
        ]
    return found


def gates(results: Results) -> Iterator[Gate]:
    """The configured least scores beside what the teachers reached."""
    asked = results.config.gates
    for teacher, report in results.gates.items():
        for task, least in asked.zero_shot.items():
            if task in report["zero_shot"]:
                yield Gate(teacher, f"{task} zero-shot", report["zero_shot"][task], least)
        if asked.fine_tuned_average is not None:
            average: float = report["fine_tuned_average"]
            yield Gate(teacher, "fine-tuned average", average, asked.fine_tuned_average)


def _device(device: dict[str, Any]) -> str:
    threads = device["threads"]
    return f"{device['name']} ({device['kind']}, {threads} thread{'s' if threads != 1 else ''} a run)"


def _span(cards: list[Any]) -> str:
    started = min(datetime.fromisoformat(card["started"]) for card in cards)
    finished = max(datetime.fromisoformat(card["finished"]) for card in cards)
    seconds = (finished - started).total_seconds()
    return f"{clock(seconds)}, {started:%Y-%m-%d %H:%M} to {finished:%Y-%m-%d %H:%M} UTC"
