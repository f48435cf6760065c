"""A plan for people: which stages there are, what each stands on, and what sharing saves."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from retort.plan import Cell, Plan
from retort.stages import Stage, to_json


def overview(plan: Plan) -> str:
    """All stages in order, who uses each, and how many runs sharing saves."""
    users = _users(plan)
    lines = [
        f"scale {plan.config.scale}: {len(plan.cells)} cells (method, pair, seed) on "
        f"{len(plan.config.tasks)} tasks, results in {plan.layout.root}",
        "",
    ]
    width = max(map(len, plan.stages))
    for kind in ("pretraining", "task"):
        members = [stage for stage in plan.stages.values() if stage.phase == kind]
        lines.append(f"{len(members)} {kind} stages{_search(members)}")
        for stage in members:
            made = "  made" if is_made(plan, stage) else ""
            lines.append(f"  {stage.id:{width}}  {_from(stage)}for {', '.join(users[stage.id])}{made}")
        lines.append("")
    alone, shared = counts(plan)
    lines.append(
        f"{alone} stages if every cell ran by itself, {shared} with sharing ({alone - shared} saved)"
    )
    return "\n".join(lines)


def details(plan: Plan, name: str) -> str:
    """One stage as JSON, with the stages it reads and the files it makes.

    Raises:
        retort.errors.InputError: the plan has no such stage.
    """
    stage = plan.stage(name)
    described = {
        "id": stage.id,
        "needs": [parent.id for parent in stage.ancestors()],
        "used_by": _users(plan)[name],
        "code": plan.code(stage),
        "files": [str(path) for path in files(plan, stage)],
        "made": is_made(plan, stage),
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
    return [folder / name for name in ("config.json", "log.jsonl", "card.json", "model.safetensors")]


def is_made(plan: Plan, stage: Stage) -> bool:
    """Whether the stage's results are on disk (whether they are up to date is Snakemake's to say)."""
    return files(plan, stage)[-1].exists()


def counts(plan: Plan) -> tuple[int, int]:
    """Stages if every cell ran by itself, its teacher included, and stages there are."""
    return sum(len(_closure(cell)) for cell in plan.cells), len(plan.stages)


def _closure(cell: Cell) -> dict[str, Stage]:
    """A cell's stages with all they stand on."""
    found: dict[str, Stage] = {}
    waiting = list(cell.stages)
    while waiting:
        stage = waiting.pop()
        if stage.id not in found:
            found[stage.id] = stage
            waiting.extend(stage.ancestors())
    return found


def _users(plan: Plan) -> dict[str, list[str]]:
    """Methods (with their pair) that need each stage, and for how many seeds."""
    found: dict[str, Counter[str]] = {name: Counter() for name in plan.stages}
    for cell in plan.cells:
        for name in _closure(cell):
            found[name][f"{cell.method} {cell.pair}"] += 1
    return {name: [_times(user, n) for user, n in users.items()] for name, users in found.items()}


def _search(stages: list[Stage]) -> str:
    """What a search adds to the number of stages."""
    runs, tasks = (sum(map(len, sizes)) for sizes in ([s.runs for s in stages], [s.tasks for s in stages]))
    return f", {runs} runs at {runs // tasks} points a task" if runs > tasks else ""


def _times(user: str, seeds: int) -> str:
    return user if seeds == 1 else f"{user} x{seeds}"


def _from(stage: Stage) -> str:
    """The stage it starts from and those that teach it, by their digests."""
    cut = None if stage.truncated is None else stage.truncated.source
    parts = [("from", stage.init), ("cut from", cut), *(("taught by", teacher) for teacher in stage.teachers)]
    return "".join(f"{word} {parent.digest[:6]}  " for word, parent in parts if parent is not None)
