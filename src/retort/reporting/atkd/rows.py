"""Which rows the ATKD paper's exhibits have, and which of them belong together: a method, and ATKD on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from retort.recipes.atkd import ADAPTIVE, METHODS
from retort.reporting.results import Results
from retort.reporting.rows import Scored
from retort.reporting.scores import PAPER, select
from retort.reporting.statistics import Summary, summarise
from retort.reporting.track_rows import TrackRow, family_of, students_of, track_rows
from retort.texts import INSTRUCTIONS

PLAIN = {adaptive.name: adaptive.tuned_as for adaptive in ADAPTIVE}
"""The method that ATKD was put on, by the name of both together."""
TRAINED = ("teacher", "student")


@dataclass(frozen=True)
class Gain:
    """What ATKD adds to a method on a pair: differences of mean scores, over the seeds that both have."""

    plain: TrackRow
    adaptive: TrackRow

    def points(self, protocol: str = PAPER) -> Summary:
        """Of the score with ATKD to that without."""
        before, after = (row.average(protocol).by_seed for row in (self.plain, self.adaptive))
        return summarise([after[seed] - before[seed] for seed in after if seed in before])


def family_rows(results: Results, track: str) -> list[TrackRow]:
    """Rows of one family: teachers, then students pair by pair, ATKD right after what it was put on."""
    models, teachers = list(results.tracks[track].models), list(results.tracks[track].teachers)
    methods = [method.name for method in METHODS]

    def place(row: TrackRow) -> tuple[bool, int, int, int, bool]:
        plain = PLAIN.get(row.method, row.method)
        method = methods.index(plain) if row.role == "student" else 0
        student = models.index(row.model) if row.role == "student" else 0
        return row.role != "teacher", student, teachers.index(row.teacher), method, row.method in PLAIN

    return sorted((row for row in track_rows(results, track) if row.role in TRAINED), key=place)


def gains(rows: Sequence[TrackRow]) -> list[Gain]:
    """ATKD beside the method that it was put on, wherever both ran on a pair."""
    by_place = {(row.track, row.pair, row.method): row for row in rows if row.role == "student"}
    found = [
        (by_place.get((row.track, row.pair, PLAIN.get(row.method, ""))), row) for row in by_place.values()
    ]
    return [Gain(plain, row) for plain, row in found if plain is not None]


def sets_of(results: Results, tracks: Iterable[str]) -> tuple[str, ...]:
    """The sets that families are judged by, in the order of the configuration."""
    settings = (results.tracks[name].instructions for name in tracks)
    return tuple(dict.fromkeys(name for one in settings if one is not None for name in one.sets))


def alone_or_varied(results: Results, track: str) -> dict[tuple[str, str], Scored]:
    """Methods and ablations of a family, by name and pair."""
    section, rows = results.tracks[track], select(results.scores, role="variant")
    pairs = {f"{teacher}-{student}" for teacher in section.teachers for student in students_of(section)}
    varied = {
        (method, pair): Scored(results, "", method, pair, select(rows, method=method, pair=pair))
        for method, pair in dict.fromkeys(zip(rows["method"], rows["pair"], strict=True))
        if pair in pairs
    }
    methods = [row for row in family_rows(results, track) if row.role == "student"]
    return {(row.method, row.pair): row for row in methods} | varied


def group_of(row: TrackRow) -> str:
    """What heads the rows of one pair."""
    family = family_of(row.results, row.track)
    return f"{family}: teachers" if row.role == "teacher" else f"{family}: {row.teacher} teaches {row.model}"


def set_summary(row: TrackRow, name: str, protocol: str) -> Summary:
    """Score on one set."""
    return row.summary(INSTRUCTIONS, name, protocol)
