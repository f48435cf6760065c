"""A small world for several processes, and what each of them does there.

    torchrun --nproc-per-node 2 tests/sharded_ranks.py <what> <arguments>

Without dropout and Muon, so that one process and two come to the same.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from retort.config import load
from retort.files import write_json
from retort.plan import Plan
from retort.runcard import Request
from retort.stages import Stage

if TYPE_CHECKING:
    from retort.training.distribution import World

OVERRIDES = {
    "papers": ["glmd"],
    "tasks": ["RTE", "COPA"],  # one answer word; two texts
    "methods": ["TinyBERT", "GLMD"],
    "pairs": ["T1-S1"],
    "seeds": [1],
    "data": {"pocket": {"documents": 300, "train_size": 10, "dev_size": 9}},
    "models": {"S1": {"dropout": 0.0, "devices": 2}},
    "pretraining": {"student": {"batch_size": 9, "micro_batch_size": 3}},
    "task_training": {"epochs": 2, "batch_size": 4, "evaluations": 2},
    "variants": {"tables": [], "quirks": []},
}

PATIENCE = {"dead": 120.0, "stuck": 10.0}
"""Seconds to wait for a process that will not answer; starting takes a few."""


def newest_best() -> None:
    """Each evaluation beats those before it, so that published models hang on every update."""
    from newest import evaluate_and_keep

    from retort.training import tasks

    tasks.TaskTraining._evaluate = evaluate_and_keep


class Killed(BaseException):
    """Stands for the end of a process: nothing in the library catches it."""


def plan_in(results: Path) -> Plan:
    """The plan of the small world."""
    return Plan(load("smoke", OVERRIDES), results)


def stage_of(plan: Plan, method: str, number: int) -> Stage:
    """Stage ``number`` (0 is the first) of a method's chain."""
    (cell,) = (c for c in plan.cells if c.method == method)
    chain: list[Stage] = []
    current: Stage | None = cell.stages[0]
    while current is not None:
        chain.insert(0, current)
        current = current.init
    return chain[number]


@dataclass(frozen=True)
class Rank:
    """One of the processes, at work on stages below a results folder."""

    world: World

    def run(self, results: Path, method: str, number: int) -> None:
        """Train a stage."""
        import torch

        from retort.training.pretraining import pretrain
        from retort.training.setup import Job
        from retort.training.tasks import train_tasks

        plan = plan_in(results)
        stage = stage_of(plan, method, number)
        cpu = torch.device("cpu")
        job = Job(plan.layout, plan.code(stage), cpu, Request.made_now({}), self.world)
        (pretrain if stage.phase == "pretraining" else train_tasks)(stage, job)

    def killed(self, results: Path, method: str, number: int, saves: set[int], at: int) -> None:
        """The same until all processes die before update ``at``; states are saved after updates ``saves``."""
        from retort.training.checkpoints import Scratch
        from retort.training.loop import Trainer

        update, due = Trainer.update, Scratch.due
        finished = 0

        def until(self: Trainer, batches: list, epoch: int = 0) -> object:
            nonlocal finished
            if self.step == at:
                raise Killed
            report = update(self, batches, epoch)
            finished = report.step
            return report

        # The first process's clock decides; were each to ask its own, the second would never save.
        first = self.world.first
        Trainer.update, Scratch.due = until, lambda self: first and finished in saves
        try:
            self.run(results, method, number)
        except Killed:
            pass
        finally:
            Trainer.update, Scratch.due = update, due


def disturbed(root: Path) -> None:
    """Runs as they should be, and runs that are killed, damaged and resumed (see test_sharded.py)."""
    import torch

    from retort.training.distribution import current_world
    from retort.training.setup import prepare_process

    prepare_process(1)
    newest_best()
    with current_world() as world:
        write_json(root / f"share-{world.rank}.json", share_of_a_teacher(root / "two", world))
        rank = Rank(world)
        for method, number in (("TinyBERT", 1), ("TinyBERT", 0), ("GLMD", 0)):
            rank.run(root / "two", method, number)
        for folder, method, number, at in (
            ("killed", "TinyBERT", 1, 4),
            ("killed", "TinyBERT", 0, 6),
            ("damaged", "GLMD", 0, 6),
        ):
            rank.killed(root / folder, method, number, {2, at - 1}, at)
            if folder == "damaged" and not world.first:
                newest = sorted((root / folder).rglob("1-of-2/state-*.pt"))[-1]
                newest.write_bytes(newest.read_bytes()[:-1])
            torch.manual_seed(7)  # a new process has another generator
            rank.run(root / folder, method, number)
        rank.killed(root / "other", "TinyBERT", 0, {2}, 3)


def share_of_a_teacher(results: Path, world: World) -> dict[str, int | str]:
    """Parameters of a model, how many this process holds, at first and after a forward pass; an error."""
    import torch
    from torch.distributed.tensor import DTensor

    from retort.data.batches import collate_cloze
    from retort.data.store import load_examples
    from retort.errors import InputError
    from retort.models.features import WORDS
    from retort.training.setup import Job, load_frozen

    plan = plan_in(results)
    job = Job(plan.layout, "", torch.device("cpu"), Request.made_now({}), world)
    teacher = load_frozen(plan.pretrained("T1"), job, None)

    def held() -> int:
        parts = (p.to_local() if isinstance(p, DTensor) else p for p in teacher.module.parameters())
        return sum(part.numel() for part in parts)

    whole, before = sum(p.numel() for p in teacher.module.parameters()), held()
    examples = load_examples(plan.layout.text(plan.text["RTE"]), "val")
    with torch.no_grad():
        teacher.observe(collate_cloze(examples), frozenset({WORDS}))
    blocks = sum(p.numel() for p in teacher.module.transformer.layers.parameters())
    shares = {"whole": whole, "held": before, "blocks": blocks, "after": held()}
    try:
        load_frozen(plan.pretrained("T1"), replace(job, layout=plan_in(results / "nowhere").layout), None)
    except InputError as error:
        return shares | {"error": str(error)}
    raise AssertionError("a model that is not there was loaded")


def unwell(root: Path, how: str) -> None:
    """A stage whose second process dies or gets stuck before the fourth update."""
    from retort.errors import run_cli
    from retort.training.loop import Trainer
    from retort.training.setup import prepare_process
    from retort.training.sharding import Team

    rank, update = int(os.environ["RANK"]), Trainer.update

    def until(self: Trainer, batches: list, epoch: int = 0) -> object:
        if rank == 1 and self.step == 3:
            if how == "dead":
                os._exit(9)
            time.sleep(60)
        return update(self, batches, epoch)

    def main() -> None:
        prepare_process(1)
        Trainer.update = until
        with Team(rank, 2, rank, timedelta(seconds=PATIENCE[how])) as world:
            Rank(world).run(root, "TinyBERT", 0)

    run_cli(main)


def gradients(out: Path, names: list[str]) -> None:
    """Three updates towards objectives of methods, together and alone: the largest differences by method."""
    import torch
    from method_samples import SAMPLES, GLMFamily, Models, batch_of, models_for

    from retort.errors import InputError
    from retort.runs import Optimiser
    from retort.training.distribution import ALONE, current_world, deal
    from retort.training.loop import Trainer
    from retort.training.units import GLM_UNITS

    torch.set_num_threads(1)
    settings = Optimiser(1e-2, (0.9, 0.99), 1e-4, 0.01, 0.5, "linear", warmup=0.0, floor=0.1)
    found: dict[str, object] = {}

    def placed(models: Models, world: World) -> Models:
        def one(family: GLMFamily) -> GLMFamily:
            module = world.place(lambda: family.module, torch.device("cpu"), GLM_UNITS)
            module.train(family.module.training)
            for own, other in zip(module.parameters(), family.module.parameters(), strict=True):
                own.requires_grad_(other.requires_grad)
            return GLMFamily(module, family.vocabulary)

        return Models(one(models.student), tuple(map(one, models.teachers)))

    def outcome(world: World, sample: object) -> tuple[list[float], dict[str, torch.Tensor]]:
        objective = sample.step.objective
        models = placed(models_for(sample), world)
        trainer = Trainer(
            models.student, models.teachers, models.bind(objective), settings, 10, 0, None, world
        )
        batch = batch_of(sample.kinds[-1], 5)
        reports = [trainer.update(deal(batch, 2, world, objective.together)) for _ in range(3)]
        named = [*models.student.module.named_parameters(), *trainer.objective.named_parameters()]
        numbers = [n for r in reports for n in (r.loss, r.gradient_norm, r.tokens, *r.parts.values())]
        return numbers, {name: world.whole({"": p.detach()}).get("") for name, p in named}

    with current_world() as world:
        for sample in SAMPLES:
            if sample.name not in names:
                continue
            try:
                reports, parameters = outcome(world, sample)
            except InputError as error:
                found[sample.name] = str(error)
                continue
            if world.first:
                alone, expected = outcome(ALONE, sample)
                found[sample.name] = [
                    max(abs(a - b) / abs(b) for a, b in zip(reports, alone, strict=True)),
                    max(float((parameters[n] - expected[n]).abs().max()) for n in expected),
                ]
        if world.first:
            out.write_text(json.dumps(found))


if __name__ == "__main__":
    what, root, *rest = sys.argv[1:]
    if what == "disturbed":
        disturbed(Path(root))
    elif what == "unwell":
        unwell(Path(root), *rest)
    else:
        gradients(Path(root), rest)
