"""Rows of the papers on transformers models: baselines, teachers and students, family by family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from retort.config.texts import Track
from retort.papers import Kind, paper_of
from retort.reporting.results import Results
from retort.reporting.rows import BASELINE, Scored
from retort.reporting.scores import IN_MAIN_TABLES, PAPER, select
from retort.reporting.statistics import Summary, near_baseline, summarise
from retort.reporting.tables import slug
from retort.texts import tasks_of

FAMILIES = {
    "bert": "BERT", "bart": "BART", "mbart": "mBART", "mbart50": "mBART", "t5": "T5",
    "opt": "OPT", "gpt_neox": "Pythia", "llama": "LLaMA",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class TrackRow(Scored):
    """A baseline, a teacher, or one method on one student, of one family.

    Attributes:
        track: name of the family in the configuration.
        role: ``baseline``, ``teacher`` or ``student``.
    """

    track: str
    role: str

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The family's data sets, in the order of the paper's tables."""
        asked = tasks_of(self.results.tracks[self.track])
        return tuple(task for task in self.results.tasks if task in asked)

    def summary(self, task: str, metric: str, protocol: str = PAPER) -> Summary:
        """Mean and spread over seeds of one metric of one data set."""
        return summarise(self._values.get((task, metric, protocol), ()))

    @cached_property
    def _values(self) -> dict[tuple[str, str, str], list[float]]:
        scores, found = self.scores, dict[tuple[str, str, str], list[float]]()
        places = zip(scores["task"], scores["metric"], scores["protocol"], strict=True)
        for place, value in zip(places, scores["value"], strict=True):
            found.setdefault(place, []).append(value)
        return found

    @property
    def teacher(self) -> str:
        """Symbol of the teacher; empty for a baseline."""
        return self.pair.partition("-")[0]

    @property
    def model(self) -> str:
        """Symbol of the model that was scored; empty for a baseline."""
        return self.pair.rpartition("-")[2]

    @cached_property
    def parameters(self) -> int | None:
        """Parameters of the model, as the timing step counted them; ``None`` where it was not timed."""
        return parameters_of(self.results, self.track, self.model)

    @property
    def anchor(self) -> str:
        """Place on the page that lists the runs behind this row."""
        return self.task_anchor()

    def task_anchor(self, task: str = "") -> str:
        """Place on the page that lists the runs on one task; families may share names of methods."""
        return slug("run", self.track, self.method, self.pair, task)


def student_rows(results: Results) -> list[TrackRow]:
    """Rows of all families in the order of the configuration: baselines, teachers, then students by size.

    A row is there if it was scored; which method fits which student is the plan's to know.
    """
    return [row for name in results.tracks for row in track_rows(results, name)]


def track_rows(results: Results, name: str) -> list[TrackRow]:
    """Rows of one family."""
    track, scores = results.tracks[name], results.scores
    scores = scores[scores["role"].isin(IN_MAIN_TABLES) & scores["task"].isin(tasks_of(track))]
    scores = scores[[_belongs(pair, track) for pair in scores["pair"]]]
    rows = []
    names = zip(scores["role"], scores["method"], scores["pair"], strict=True)
    for role, method, pair in dict.fromkeys(names):
        found = select(scores, role=role, method=method, pair=pair)
        section = BASELINE if role == "baseline" else pair.rpartition("-")[2]
        rows.append(TrackRow(results, section, method, pair, found, name, role))
    return sorted(rows, key=lambda row: _order(row, track))


def tracks_with(results: Results, kind: Kind) -> dict[str, tuple[str, ...]]:
    """Families that have data sets of a kind, with those sets in the order of the paper's tables."""
    paper = paper_of(results.paper)
    found = {
        name: tuple(task for task in results.tasks if task in track.tasks and paper.task(task).kind == kind)
        for name, track in results.tracks.items()
    }
    return {name: tasks for name, tasks in found.items() if tasks}


def baseline_score(rows: Sequence[TrackRow], track: str, protocol: str = PAPER) -> float | None:
    """The best baseline's mean over the family's data sets."""
    found = [row.average(protocol).summary.mean for row in rows if (row.track, row.role) == (track, BASELINE)]
    known = [score for score in found if score is not None]
    return max(known) if known else None


def near(row: TrackRow, rows: Sequence[TrackRow], protocol: str = PAPER) -> bool:
    """Whether a row's mean does not stand out above its family's best baseline."""
    floor = baseline_score(rows, row.track, protocol)
    return row.role != BASELINE and near_baseline(row.average(protocol).summary, floor)


def teacher_score(rows: Sequence[TrackRow], row: TrackRow, protocol: str = PAPER) -> float | None:
    """The mean of a student's own teacher over the family's data sets."""
    found = [
        other.average(protocol).summary.mean
        for other in rows
        if (other.track, other.role, other.pair) == (row.track, "teacher", row.teacher)
    ]
    return found[0] if found else None


def parameters_of(results: Results, track: str, model: str) -> int | None:
    """Parameters of a model, from the timing step."""
    found = select(results.speed, track=track, model=model)["parameters"]
    return int(found.iloc[0]) if len(found) else None


def students_of(track: Track) -> list[str]:
    """Symbols of all students of a family, in the order of its models."""
    rows = (*track.methods.values(), *track.variants.values())
    trained = {text.rpartition("-")[2] for row in rows for text in row}
    return [symbol for symbol in track.models if symbol in trained]


def family_of(results: Results, track: str) -> str:
    """What people call a family."""
    family = FAMILIES[results.tracks[track].family]
    alike = [name for name, other in results.tracks.items() if FAMILIES[other.family] == family]
    return family if len(alike) == 1 else f"{family} ({track})"


def size_of(track: Track, model: str) -> str:
    """A model's size as the paper writes it: ``3x640``, ``12-3x768`` where the stacks differ in depth."""
    size = track.models[model]
    alike = size.decoder_layers in (0, size.encoder_layers)
    layers = size.encoder_layers if alike else f"{size.encoder_layers}-{size.decoder_layers}"
    return f"{layers}x{size.width}"


def described(track: Track, model: str) -> str:
    """A model's symbol with its size in words: ``BART_3x640: 3 + 3 layers, width 640``."""
    size = track.models[model]
    layers = " + ".join(str(depth) for depth in (size.encoder_layers, size.decoder_layers) if depth)
    return f"{model}: {layers} layer{'' if layers == '1' else 's'}, width {size.width}"


def _belongs(pair: str, track: Track) -> bool:
    """Whether a pair, a teacher's symbol or no pair at all is one of a family."""
    teacher, *others = pair.split("-")
    student = others[-1] if others else ""
    return (not pair or teacher in track.teachers) and (not student or student in students_of(track))


def _order(row: TrackRow, track: Track) -> tuple[int, int, int, int, str]:
    teachers, students, methods = track.teachers, students_of(track), [*track.methods]
    return (
        IN_MAIN_TABLES.index(row.role),
        students.index(row.model) if row.model in students else -1,
        teachers.index(row.teacher) if row.teacher in teachers else -1,
        methods.index(row.method) if row.method in methods else len(methods),
        row.method,
    )
