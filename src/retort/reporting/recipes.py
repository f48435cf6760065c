"""The configured methods as rows of a table: in the paper's order and sections, a user's own last."""

from __future__ import annotations

from retort.recipes import Method
from retort.recipes.chosen import chosen_methods, own_of
from retort.reporting.results import Results
from retort.reporting.rows import published_rows, section_of

NOTE = "Made from the recipes; the paper's marks are not compared."


def configured(results: Results) -> list[tuple[str, Method]]:
    """(section, method) of every configured method; what the paper lacks comes last, in the given order."""
    published = published_rows(results)
    order = list(dict.fromkeys(name for name, _ in published))
    methods = [
        (section_of(method.name, "", "student", published), method)
        for method in chosen_methods(results.config, own_of(results.config))
    ]
    return sorted(methods, key=lambda row: order.index(row[1].name) if row[1].name in order else len(order))
