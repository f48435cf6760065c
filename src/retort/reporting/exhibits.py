"""The exhibits there are, paper by paper.

The one list of them: scripts make what it names, and the workflow reads from it which code and which files an
exhibit depends on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from retort.config.messages import nearest
from retort.errors import InputError
from retort.files import atomic_path
from retort.reporting import style
from retort.reporting.atkd.exhibits import ATKD
from retort.reporting.cka.exhibits import CKA
from retort.reporting.exhibit import Drawing, Exhibits
from retort.reporting.glmd_exhibits import GLMD
from retort.reporting.results import Results

EXHIBITS = {"glmd": GLMD, "cka": CKA, "atkd": ATKD}


def exhibits_of(paper: str) -> Exhibits:
    """The exhibits of a paper.

    Raises:
        InputError: no such paper.
    """
    if paper not in EXHIBITS:
        raise InputError(f"--paper: no paper {paper!r}; {nearest(paper, list(EXHIBITS))}")
    return EXHIBITS[paper]


def shown_papers(results: Results) -> list[Results]:
    """What a run found for each of its papers that has exhibits, in the order of its configuration."""
    return [replace(results, paper=paper) for paper in results.config.papers if paper in EXHIBITS]


def write_figure(results: Results, name: str, folder: Path) -> list[Path]:
    """Write ``<name>.png``, ``.svg`` and, with the plotted numbers, ``.csv``; returns the three paths."""
    return save_drawing(exhibits_of(results.paper).figures[name](results), name, folder)


def save_drawing(drawing: Drawing, name: str, folder: Path) -> list[Path]:
    """Write the three files of a figure that was made."""
    numbers = folder / f"{name}.csv"
    with atomic_path(numbers) as temporary:
        drawing.data.to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
    return [*style.save(drawing.figure(), folder, name), numbers]
