"""Passes of student and teachers over a micro-batch, as an objective and its edit want them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from retort.distill.objective import Objective
from retort.distill.reading import Reading
from retort.distill.rows import Seen, nothing
from retort.distill.schedules import Clock
from retort.models.features import UNCHANGED, Family, Features, Patch, Site


class Passes:
    """Runs models and shows what they recorded.

    Args:
        objective: resolved for its phase; ``reading``: what it reads of the models.
    """

    def __init__(self, objective: Objective, reading: Reading) -> None:
        self.objective = objective
        self.reading = reading

    def first(
        self,
        batch: Any,
        student: Family,
        teachers: Sequence[Family],
        clock: Clock,
        without: frozenset[Site] = frozenset(),
        kept: tuple[Features, ...] | None = None,
    ) -> Seen:
        """The first pass, or the only one; see :meth:`run`."""
        both = self.patches(batch, student, teachers, clock)
        return self.run(batch, student, teachers, clock, both, edited=False, without=without, kept=kept)

    def patches(
        self, batch: Any, student: Family, teachers: Sequence[Family], clock: Clock
    ) -> tuple[Patch, Patch]:
        """What the edit changes in the first pass, of student and teachers."""
        edit = self.objective.edit
        if edit is None or edit.second_pass:
            return UNCHANGED, UNCHANGED
        return edit.patches(clock, batch, student, teachers[0], None)

    def run(
        self,
        batch: Any,
        student: Family,
        teachers: Sequence[Family],
        clock: Clock,
        patches: tuple[Patch, Patch],
        edited: bool,
        without: frozenset[Site] = frozenset(),
        kept: tuple[Features, ...] | None = None,
    ) -> Seen:
        """What the student and each teacher show, changed by patches for the one and the others.

        Args:
            edited: whether it is the second pass; ``without``: sites that are left out this time.
            kept: what the teachers showed before; then they do not run.
        """
        shown = kept
        if shown is None:
            shown = self.shown(batch, teachers, clock, patches[1], edited, without)
        want = self.reading.student_sites(clock, edited) - without
        return Seen(self._told(student.observe(batch, want, patches[0]), batch), shown)

    def shown(
        self,
        batch: Any,
        teachers: Sequence[Family],
        clock: Clock,
        patch: Patch,
        edited: bool,
        without: frozenset[Site] = frozenset(),
    ) -> tuple[Features, ...]:
        """What each teacher shows, nothing where nothing is asked of it."""
        found = []
        with torch.no_grad():
            for number, teacher in enumerate(teachers):
                want = self.reading.teacher_sites(clock, number, edited) - without
                seen = teacher.observe(batch, want, patch) if want else nothing(batch)
                found.append(self._told(seen, batch))
        return tuple(found)

    def _told(self, features: Features, batch: Any) -> Features:
        """The same with the words that stand in the text, where a term asks for them."""
        return replace(features, targets=batch.targets) if self.objective.needs_targets else features
