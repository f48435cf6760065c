"""Sizes of teachers and students here, beside those of the paper."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from retort.reporting.results import Results
from retort.reporting.tables import Cell, Column, Line, Table
from retort.reporting.track_rows import FAMILIES, parameters_of, students_of

if TYPE_CHECKING:
    import pandas as pd

FILE = "student_architectures"
COLUMNS = ("family", "source", "role", "model", "encoder_layers", "decoder_layers", "width", "heads",
           "feed_forward", "parameters", "share")  # fmt: skip
_TITLES = ("Encoder", "Decoder", "Width", "Heads", "Feed-forward", "Parameters", "Of the teacher")
_NOTES = (
    "Encoder, decoder: layers. Parameters count shared word tables once. The paper's are exact counts of the "
    "architectures that its released scripts build, not numbers that it prints; a model for classification "
    "is smaller by the head of words. T5's are those of its version 1.1, whose head is no word table.",
)

Record = tuple[Any, ...]


def sizes(results: Results) -> Table:
    """Build the table; the data have one row a model."""
    records = [record for track in results.tracks for record in _ours(results, track)]
    records += _theirs(results)
    families = dict.fromkeys(record[0] for record in records)
    ordered = [record for family in families for record in records if record[0] == family]
    return Table(
        name="sizes",
        title="Models here and in the paper",
        columns=(Column("Model"), Column("Role"), *(Column(title, right=True) for title in _TITLES)),
        lines=tuple(map(_line, ordered)),
        data=_data(ordered),
        notes=_NOTES,
    )


def _ours(results: Results, name: str) -> Iterator[Record]:
    track = results.tracks[name]
    base = parameters_of(results, name, track.teachers[0])
    for symbol in (*track.teachers, *students_of(track)):
        model, count = track.models[symbol], parameters_of(results, name, symbol)
        role = "teacher" if symbol in track.teachers else "student"
        shape = (model.encoder_layers, model.decoder_layers, model.width, model.heads, model.inner)
        share = None if count is None or base is None else round(count / base, 4)
        head = (FAMILIES[track.family], "here", role, symbol)
        yield (*head, *shape, count, share)


def _theirs(results: Results) -> list[Record]:
    """The paper's models; shares are of the first teacher of their family."""
    table = results.published_table(FILE)
    rows = table.to_dict("records")
    base = {row["family"]: int(row["params"]) for row in reversed(rows) if row["role"] == "teacher"}
    found = []
    for row in rows:
        shape = (int(row[name]) for name in ("enc_layers", "dec_layers", "d_model", "heads", "ffn"))
        count, family = int(row["params"]), row["family"]
        head = (family, "paper", row["role"], row["name"])
        found.append((*head, *shape, count, round(count / base[family], 4)))
    return found


def _line(record: Record) -> Line:
    family, source, role, model, *numbers = record
    *shape, count, share = numbers
    texts = [str(number) for number in shape]
    texts += ["" if count is None else f"{count:,}", "" if share is None else f"{100 * share:.1f} %"]
    ours = source == "here"
    where = f"{family}, {'here' if ours else 'in the paper'}"
    return Line((Cell(model), Cell(role), *map(Cell, texts)), where, "ours" if ours else "paper")


def _data(records: list[Record]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(records, columns=list(COLUMNS)).astype({"parameters": "Int64"})
