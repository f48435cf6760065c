"""A table as data, and its three written forms: CSV for machines, Markdown and LaTeX for people."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from retort.files import atomic_path, write_text

if TYPE_CHECKING:
    import jinja2
    import pandas as pd

Kind = Literal["ours", "paper", "not_run"]
UNKNOWN = "–"
NEAR = " †"
"""Marks a score that does not stand out above a baseline."""
TEMPLATES = Path(__file__).parent / "templates"
_LONG = 45  # lines; more do not fit a printed page
_MANY = 12  # columns; more do not fit its width unless their titles stand upright
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", "≈": r"$\approx$", "×": r"$\times$", "†": r"\textsuperscript{\dag}", "–": "--",
    "−": r"$-$", "ρ": r"$\rho$", "≤": r"$\le$", "≥": r"$\ge$", "≠": r"$\ne$", "•": r"$\bullet$", "²": r"$^2$",
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One field of a table: what it says, and where the page leads from it.

    Attributes:
        unknown: there is a number, but not here: an empty field that shows that it is one.
    """

    text: str = ""
    link: str | None = None
    unknown: bool = False

    @property
    def shown(self) -> str:
        """What people read."""
        return UNKNOWN if self.unknown else self.text


@dataclass(frozen=True)
class Column:
    """Heading of a column.

    Attributes:
        right: numbers are aligned to the right.
        wrap: long texts are broken into lines of so many characters or more; 0: never.
    """

    title: str
    right: bool = False
    wrap: int = 0


@dataclass(frozen=True)
class Line:
    """One line; ``group`` heads the lines that share it."""

    cells: tuple[Cell, ...]
    group: str | None = None
    kind: Kind = "ours"


@dataclass(frozen=True)
class Table:
    """An exhibit.

    Attributes:
        name: of its files (``table3``).
        title: one sentence.
        columns, lines: for people.
        data: for machines.
        notes: sentences below it.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    data: pd.DataFrame
    notes: tuple[str, ...] = ()

    def grouped(self) -> Iterator[tuple[str | None, list[Line]]]:
        """Runs of lines with the same group."""
        group: list[Line] = []
        for line in self.lines:
            if group and line.group != group[0].group:
                yield group[0].group, group
                group = []
            group.append(line)
        if group:
            yield group[0].group, group


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write ``<name>.csv``, ``.md`` and ``.tex`` to ``folder``; returns the three paths."""
    paths = [folder / f"{table.name}{suffix}" for suffix in (".csv", ".md", ".tex")]
    with atomic_path(paths[0]) as temporary:
        table.data.to_csv(temporary, index=False, encoding="utf-8", lineterminator="\n")
    write_text(paths[1], markdown(table))
    write_text(paths[2], latex(table))
    return paths


def markdown(table: Table) -> str:
    """GitHub-flavoured Markdown: title, table with group headings, notes."""
    titles = [column.title for column in table.columns]
    rows = []
    for group, lines in table.grouped():
        if group is not None:
            rows.append([f"**{group}**", *[""] * (len(titles) - 1)])
        rows += [[cell.shown.replace("|", "\\|") for cell in line.cells] for line in lines]
    widths = [max(3, *(len(row[i]) for row in [titles, *rows])) for i in range(len(titles))]
    ends = [":" if column.right else "-" for column in table.columns]
    rule = ["-" * (width - 1) + end for width, end in zip(widths, ends, strict=True)]
    out = [f"# {table.title}", ""]
    for row in [titles, rule, *rows]:
        fields = [
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(row, widths, table.columns, strict=True)
        ]
        out.append(f"| {' | '.join(fields)} |")
    out += ["", *(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n".join(out) + "\n"


def latex(table: Table) -> str:
    """LaTeX with booktabs rules.

    A table of many lines becomes a ``longtable``, one with long texts lies on its side, and the titles of
    many columns are turned.
    """
    return (
        environment()
        .get_template("table.tex.j2")
        .render(
            table=table,
            long=len(table.lines) > _LONG,
            wide=any(column.wrap for column in table.columns),
            turned=len(table.columns) > _MANY,
        )
    )


def latex_text(text: str) -> str:
    """Text with LaTeX's own characters escaped and our signs as commands."""
    return "".join(_LATEX.get(character, character) for character in text)


def title_of(section: str) -> str:
    """``single_teacher`` as a heading: ``Single teacher``."""
    return section.replace("_", " ").capitalize()


def slug(*parts: str) -> str:
    """An anchor for the page: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", "-".join(parts).replace("+", "-plus-")).strip("-").lower()


@functools.cache
def environment() -> jinja2.Environment:
    """The templates; HTML is escaped, a missing name is an error."""
    import jinja2

    made: Any = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["tex"] = latex_text
    return made
