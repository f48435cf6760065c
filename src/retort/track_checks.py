"""What of a track its section alone cannot see: models, tasks and recipes that do not go together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from retort.config.messages import nearest
from retort.distill.objective import Objective
from retort.errors import InputError
from retort.papers import paper_of
from retort.recipes import Method
from retort.track_models import CAUSAL_KINDS, FAMILIES

if TYPE_CHECKING:
    from retort.stages import Stage
    from retort.tracks import TrackPlan


def check(tracks: TrackPlan) -> None:
    """What the section alone cannot see.

    Raises:
        InputError: a model or task that is not there, or tasks of another kind of models.
    """
    track, place = tracks.track, tracks.place
    for symbol in (*track.teachers, *track.import_teacher):
        if symbol not in track.models:
            raise InputError(f"{place}: no model {symbol!r}; {nearest(symbol, list(track.models))}")
    for name, task in track.tasks.items():
        if (task.target is None) != (task.decoding is None):
            raise InputError(f"{place}.tasks.{name}: target and decoding go together; give both or none")
        paper_of(tracks.paper).task(name)
    causal = FAMILIES[track.family][0] in CAUSAL_KINDS
    if causal != (track.instructions is not None) or causal == bool(track.tasks):
        raise InputError(
            f"{place}: {track.family} models learn {'instructions' if causal else 'tasks'}; give those alone"
        )


def check_pair(tracks: TrackPlan, method: Method, models: Sequence[str]) -> None:
    """A method has as many models as it needs: a teacher and a student, or assistants between them.

    Raises:
        InputError: there are more or fewer.
    """
    needed = 2 if method.chain is None else len(method.chain.links) + 1
    if len(models) != needed:
        like = "-".join(("T", *("A" for _ in range(needed - 2)), "S"))
        raise InputError(
            f"{tracks.place}: {method.name} on {'-'.join(models)}: needs {needed} models; write {like}, "
            "from the largest to the student"
        )


def check_widths(
    tracks: TrackPlan, objective: Objective, method: Method, shown: Sequence[Stage], student: str
) -> None:
    """Methods that compare states of equal width have such students.

    Raises:
        InputError: a student is not as wide as its teacher.
    """
    from retort.distill.distances import CosineEmbedding

    models = tracks.track.models
    if any(isinstance(term.by, CosineEmbedding) for term in objective.terms):
        teacher = shown[0].architecture
        widths = [teacher.width, models[student].width]
        if widths[0] != widths[1]:
            raise InputError(
                f"{tracks.place}.methods.{method.name}: compares states of equal width, but {teacher.name} "
                f"has {widths[0]} and {student} {widths[1]}; name a student as wide as its teacher"
            )
