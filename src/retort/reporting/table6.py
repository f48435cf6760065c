"""Table 6: every stage of every method, made from the recipes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from retort.recipes import Method
from retort.recipes.outline import Part, needs, outline, shared_with
from retort.recipes.wording import compared, layer_maps, learned
from retort.reporting.recipes import NOTE, configured
from retort.reporting.results import Results
from retort.reporting.tables import Cell, Column, Line, Table, title_of

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("section", "method", "stage", "phase", "starts_from", "teachers", "compares", "layers",
           "trained_beside", "needs", "student", "shared_with")  # fmt: skip
_WRAP = {"starts_from": 14, "teachers": 12, "compares": 40, "layers": 18, "shared_with": 24}
_STARTS = {"random": "random", "truncated": "teacher's first layers"}
_TEACHERS = {
    "none": "none", "several": "all of the pair", "next": "next larger model", "larger": "all larger models"
}  # fmt: skip
_NOTES = (
    NOTE,
    "Compares: what is read, then how it is compared. Trained beside: what the objective trains with the "
    "student and leaves out of it. Equal heads: the student gets as many as the teacher has.",
    "Shared with: other methods of this scale whose recipe has the same stage; it is one run where their "
    "students agree in heads, too, as 'make plan' shows.",
)


def table6(results: Results) -> Table:
    """Build the table; its data are what it shows, one row a stage."""
    rows = configured(results)
    methods = [method for _, method in rows]
    lines = [
        (section, list(_fields(part, method, methods)))
        for section, method in rows
        for part in outline(method)
    ]
    return Table(
        name="table6",
        title="The methods, stage by stage",
        columns=tuple(Column(title_of(name), wrap=_WRAP.get(name, 0)) for name in COLUMNS[1:]),
        lines=tuple(Line(tuple(map(Cell, fields)), title_of(section)) for section, fields in lines),
        data=_data(lines),
        notes=_NOTES,
    )


def _fields(part: Part, method: Method, methods: list[Method]) -> Iterator[str]:
    objective = part.objective
    yield method.name
    yield part.title
    yield part.step.phase
    before = f"{part.before}, with its projections" if part.step.carry_lenses else part.before
    yield before or _STARTS[part.start]
    kind = "pretrained" if part.step.phase == "pretraining" else "fine-tuned"
    yield _TEACHERS.get(part.teachers, f"{kind} teacher") + (", an encoder" if part.step.encoder else "")
    yield compared(objective)
    yield layer_maps(objective)
    yield learned(objective)
    yield ", ".join(dict.fromkeys([*([part.only] if part.only else []), *needs(objective)]))
    yield ", ".join(_student(method))
    yield ", ".join(shared_with(part, method, methods))


def _student(method: Method) -> Iterator[str]:
    if method.compression is not None:
        yield f"{method.compression.ratio:g} of the vocabulary"
    if method.embedding != "full":
        yield f"{method.embedding} embeddings"


def _data(lines: list[tuple[str, list[str]]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame([(section, *fields) for section, fields in lines], columns=list(COLUMNS))
