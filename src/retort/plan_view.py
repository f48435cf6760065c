"""A plan for people: what it costs, which stages there are, what each stands on, what sharing saves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from retort.cells import Cell
from retort.costs.estimate import SIGNALS, Estimate, closure
from retort.costs.report import default_devices, estimate_of, hours, method_lines, path_lines, summary
from retort.plan import Plan
from retort.stages import Stage, to_json
from retort.texts import paper_section, text_papers, text_part

_NAMES = 12

LISTED, NAMED = 200, 4
"""Stages of a phase that are listed, and users of a stage that are named, unless all are asked for."""


def overview(plan: Plan, devices: int | None = None, everything: bool = False) -> str:
    """The costs on one screen, then what each method takes, then the stages in order and who uses each.

    Args:
        plan: of any scale.
        devices: that run jobs at the same time; ``None``: this machine's cores, or a node of GPUs.
        everything: list all stages and all their users, however many.
    """
    estimate = estimate_of(plan)
    made = frozenset(stage.id for stage in plan.stages.values() if is_made(plan, stage))
    devices = devices or default_devices(estimate.calibration.kind)
    parts = [
        [
            f"scale {plan.config.scale}: {len(plan.cells)} cells (method, pair, seed), "
            f"results in {plan.layout.root}",
            *_papers(plan, estimate),
        ],
        summary(estimate, devices, made),
        method_lines(estimate),
        path_lines(estimate),
        *_stage_lists(plan, estimate, made, everything),
    ]
    alone, shared = counts(plan)
    saved = alone - shared
    parts.append([f"{alone} stages if every cell ran by itself, {shared} with sharing ({saved} saved)"])
    return "\n\n".join("\n".join(lines) for lines in parts)


def _papers(plan: Plan, estimate: Estimate) -> Iterator[str]:
    """What each paper takes; of those on transformers models also each track."""
    for paper in plan.config.papers:
        cells = plan.cells_of(paper)
        yield f"  {paper:{_NAMES}}{_size(cells, estimate)}"
        if paper in text_papers(plan.config):
            for name in paper_section(plan.config, paper).tracks:
                words = plan.text[text_part(paper, name)]
                part = [cell for cell in cells if cell.stages[0].data == words]
                yield f"    {name:{_NAMES - 2}}{_size(part, estimate)}"


def _size(cells: Sequence[Cell], estimate: Estimate) -> str:
    """Cells, tasks and stages, with the time of these; papers share none."""
    stages = {name: stage for cell in cells for name, stage in closure(cell).items()}
    tasks = {task for cell in cells for task in cell.tasks}
    stored = {SIGNALS + teacher.id for stage in stages.values() for teacher in stage.told_by}
    seconds = sum(estimate.jobs[name].device_seconds for name in (*stages, *stored))
    return f"{len(cells):>5} cells, {len(tasks):>2} tasks, {len(stages):>5} stages, {hours(seconds):>9} h"


def _stage_lists(
    plan: Plan, estimate: Estimate, made: frozenset[str], everything: bool
) -> Iterator[list[str]]:
    """A list of stages a phase: hours, id, where it comes from, who uses it."""
    users = _users(plan)
    width = max(map(len, plan.stages))
    for phase in ("pretraining", "task"):
        members = [stage for stage in plan.stages.values() if stage.phase == phase]
        shown = members if everything else members[:LISTED]
        lines = [f"{len(members)} {phase} stages{_search(members)}"]
        for stage in shown:
            lines.append(
                f"  {stage.id:{width}}  {hours(estimate.seconds(stage)):>7} h  {_from(stage)}"
                f"for {_few(users[stage.id], everything)}{'  made' if stage.id in made else ''}"
            )
        if len(shown) < len(members):
            lines.append(f"  .. and {len(members) - len(shown):,} more; --all lists them")
        yield lines


def details(plan: Plan, name: str) -> str:
    """One stage as JSON, with the stages it reads and the files it makes.

    Raises:
        retort.errors.InputError: the plan has no such stage.
    """
    stage = plan.stage(name)
    estimate = estimate_of(plan)
    work = estimate.work[name]
    described = {
        "id": stage.id,
        "needs": [parent.id for parent in stage.ancestors()],
        "used_by": _users(plan)[name],
        "code": plan.code(stage),
        "files": [str(path) for path in files(plan, stage)],
        "made": is_made(plan, stage),
        "devices": plan.devices(stage),
        "estimate": {
            "device_seconds": round(estimate.seconds(stage), 1),
            "updates": round(work.steps),
            "tokens": round(work.tokens),
            "flops": {
                "student": work.student.flops,
                "teachers": work.teachers.flops,
                "evaluation": work.evaluation.flops,
            },
        },
        "stage": to_json(stage),
    }
    return json.dumps(described, indent=2)


def files(plan: Plan, stage: Stage) -> list[Path]:
    """What the stage publishes, the file that stands for the whole last."""
    folder = plan.layout.stage(stage)
    if stage.phase == "task":
        parts = (
            "config.json",
            "model.safetensors",
            "predictions.jsonl",
            "log.jsonl",
            "metrics.json",
            "card.json",
        )
        runs = [plan.layout.task_model(stage, run) / part for run in stage.runs for part in parts]
        return [*runs, folder / "metrics.json"]
    names = ("config.json", "log.jsonl", "distances.jsonl", "card.json", "model.safetensors")
    return [folder / name for name in names]


def is_made(plan: Plan, stage: Stage) -> bool:
    """Whether the stage's results are on disk (whether they are up to date is Snakemake's to say)."""
    return files(plan, stage)[-1].exists()


def counts(plan: Plan) -> tuple[int, int]:
    """Stages if every cell ran by itself, its teacher included, and stages there are."""
    return sum(len(closure(cell)) for cell in plan.cells), len(plan.stages)


def _users(plan: Plan) -> dict[str, list[str]]:
    """Methods (with their pair) that need each stage, and for how many seeds."""
    found: dict[str, Counter[str]] = {name: Counter() for name in plan.stages}
    for cell in plan.cells:
        for name in closure(cell):
            found[name][f"{cell.method} {cell.pair}"] += 1
    return {name: [_times(user, n) for user, n in users.items()] for name, users in found.items()}


def _search(stages: list[Stage]) -> str:
    """What a search adds to the number of stages."""
    runs, tasks = (sum(map(len, sizes)) for sizes in ([s.runs for s in stages], [s.tasks for s in stages]))
    return f", {runs:,} runs at {runs // tasks} points a task" if runs > tasks else ""


def _few(users: list[str], everything: bool) -> str:
    if everything or len(users) <= NAMED + 1:
        return ", ".join(users)
    return f"{', '.join(users[:NAMED])} and {len(users) - NAMED} more"


def _times(user: str, seeds: int) -> str:
    return user if seeds == 1 else f"{user} x{seeds}"


def _from(stage: Stage) -> str:
    """The stage it starts from and those that teach it, by their digests."""
    cut = None if stage.truncated is None else stage.truncated.source
    parts = [("from", stage.init), ("cut from", cut), *(("taught by", teacher) for teacher in stage.teachers)]
    return "".join(f"{word} {parent.digest[:6]}  " for word, parent in parts if parent is not None)
