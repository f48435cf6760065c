"""Arguments that the scripts of this room share."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from retort.config.messages import nearest
from retort.errors import InputError
from retort.reporting.results import PUBLISHED, Results

Item = TypeVar("Item")


def results_parser(description: str) -> argparse.ArgumentParser:
    """A parser that knows which results to read."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--results", type=_folder, required=True, help="folder of one scale: results/<scale>")
    parser.add_argument(
        "--published",
        type=Path,
        default=PUBLISHED,
        help="folder with the papers' numbers (default: %(default)s)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        help="file of the resolved configuration (default: that of the last run, <results>/config.json)",
    )
    return parser


def exhibit_parser(description: str, kind: str) -> argparse.ArgumentParser:
    """A parser that also takes the names of exhibits, the paper and the output folder."""
    parser = results_parser(description)
    parser.add_argument("exhibits", nargs="+", metavar="EXHIBIT", help=f"names of {kind}")
    parser.add_argument("--paper", default="glmd", help="whose exhibits (default: %(default)s)")
    parser.add_argument("--out", type=Path, help=f"folder to write to (default: <results>/<paper>/{kind})")
    return parser


def chosen(arguments: argparse.Namespace, exhibits: Mapping[str, Item]) -> dict[str, Item]:
    """Those of a paper's exhibits that the arguments name.

    Raises:
        InputError: the paper has no such exhibit.
    """
    for name in arguments.exhibits:
        if name not in exhibits:
            raise InputError(f"{arguments.paper} has no exhibit {name!r}; {nearest(name, list(exhibits))}")
    return {name: exhibits[name] for name in arguments.exhibits}


def results_of(arguments: argparse.Namespace, paper: str | None = None) -> Results:
    """The results that the arguments name; ``paper`` where they name none.

    Raises:
        InputError: no numbers of such a paper.
    """
    name = arguments.paper if paper is None else paper
    if not (arguments.published / name).is_dir():
        papers = sorted(path.name for path in arguments.published.glob("*/"))
        raise InputError(f"--paper: no paper {name!r}; {nearest(name, papers)}")
    return Results(arguments.results, name, arguments.published, arguments.config)


def _folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise InputError(f"--results: {path} is not a folder; name that of one scale: results/<scale>")
    return path
