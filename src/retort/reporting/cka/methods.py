"""The methods stage by stage, and what besides their losses the released scripts set differently."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from retort.models.hf.architecture import Slices
from retort.recipes import Method
from retort.recipes.outline import Part, outline
from retort.recipes.wording import compared, layer_maps, learned
from retort.reporting.method_rows import Layout, methods_table
from retort.reporting.results import Results
from retort.reporting.tables import Table
from retort.runs import Optimiser, Pretraining
from retort.stages import Stage
from retort.tracks import TrackPlan

_LAYERS = {
    "first": "first layers of each block",
    "last": "last layers of each block",
    "leading": "first layers",
}
_NOTES = (
    "Made from the recipes. Compares: what is read, then how it is compared; terms weigh 1 unless the recipe "
    "says otherwise. Trained beside: what the objective trains with the student and leaves out of it.",
    "Rate and decay: of AdamW on the family's first student. As released, a method's rate stands to that of "
    "the family's first method as in the authors' scripts; methods under one recipe share theirs.",
)
_LAYOUT = Layout(
    "What each method compares and starts from, stage by stage",
    (
        *("method", "stage", "phase", "starts_from", "compares", "layers", "trained_beside"),
        *("rate", "decay", "students"),
    ),
    {"starts_from": 18, "compares": 40, "layers": 16, "rate": 12, "students": 16},
    _NOTES,
)


def methods(results: Results) -> Table:
    """Build the table; its data are what it shows, one row a stage."""
    return methods_table(results, _LAYOUT, _stages)


def _stages(track: TrackPlan) -> Iterator[list[str]]:
    for row in (*track.methods, *track.variants):
        students = tuple(dict.fromkeys(models[-1] for models in row.pairs))
        end = track.student(row, row.pairs[0], track.section.seeds[0])
        for part, stage in zip(outline(row.method), _chain(end), strict=True):
            yield list(_fields(row.method, part, stage, students))


def _chain(end: Stage) -> list[Stage]:
    """The stages of a method, first to last."""
    found = [end]
    while found[0].init is not None:
        found.insert(0, found[0].init)
    return found


def _fields(method: Method, part: Part, stage: Stage, students: tuple[str, ...]) -> Iterator[str]:
    yield method.name
    yield part.title
    yield part.step.phase
    yield part.before or _start(method)
    yield compared(part.objective)
    yield layer_maps(part.objective)
    yield learned(part.objective)
    yield _by_task(stage, lambda optimiser: optimiser.learning_rate)
    yield _by_task(stage, lambda optimiser: optimiser.weight_decay)
    yield ", ".join(students)


def _start(method: Method) -> str:
    cut = method.cut
    if not isinstance(cut, Slices):
        return "random"
    some = "" if cut.blocks is None else f" ({cut.blocks} of them)"
    return f"{_LAYERS[cut.layer]}{some} of the teacher"


def _by_task(stage: Stage, setting: Callable[[Optimiser], float]) -> str:
    """A setting of the optimiser, task by task where tasks differ."""
    if isinstance(stage.schooling, Pretraining):
        return f"{setting(stage.schooling.optimiser):g}"
    values = {run.task: f"{setting(run.optimiser):g}" for run in stage.schooling or ()}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    return ", ".join(f"{task} {value}" for task, value in values.items())
