"""Transformers models shared out among processes, and what each process finds.

    torchrun --nproc-per-node 2 tests/text_ranks.py <folder>

Three updates in double precision towards objectives that look at everything, together and alone.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from text_models import PAD, bart, batch_for, bert, llama, opt_350m, pair, pythia, t5
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from transformers import GenerationConfig

from retort.distill.alignment import CKA
from retort.distill.distances import KL, MSE
from retort.distill.layermaps import BlockEnds, Last, Uniform
from retort.distill.lenses import Project
from retort.distill.objective import hard, match, words
from retort.models.features import WORDS
from retort.models.hf.base import HFFamily
from retort.models.hf.families import family_of
from retort.models.hf.folders import save_student
from retort.models.hf.units import HF_UNITS
from retort.runs import Optimiser
from retort.training.distribution import ALONE, World, current_world, deal
from retort.training.loop import Trainer

SCORES = match("scores", Last(), MSE())
"""Of the last block's attention: no gradient comes in at the block's own output."""
STATES = match("hidden", Uniform(embedding=True), MSE(), (Project(),))
SAMPLES = {
    "bert words": (bert, words(KL(2.0)) + hard()),
    "bert scores": (bert, SCORES),
    "bart all": (bart, words(KL(2.0)) + STATES + match("probs", Last(), MSE())),
    "t5 all": (t5, words(KL(2.0)) + STATES + SCORES),
    "opt_350m all": (opt_350m, words(KL(2.0)) + STATES + SCORES),
    "pythia words": (pythia, words(KL(2.0))),
    "llama all": (llama, words(KL(2.0)) + STATES + SCORES),
    "llama rows together": (llama, match("hidden", BlockEnds(embedding=True), CKA(), mask="valid")),
}
SETTINGS = Optimiser(1e-2, (0.9, 0.99), 1e-4, 0.01, 0.5, "linear", warmup=0.0, floor=0.1)
SAVED = ("bart all", "t5 all", "llama all")
CPU = torch.device("cpu")


def outcome(world: World, build: object, objective: object) -> tuple[list[float], dict, HFFamily]:
    """Reports of three updates and the parameters after them."""
    from retort.distill.binding import BoundObjective

    found = []
    for family in pair(build):
        family.module.double()
        module = world.place(lambda family=family: family.module, CPU, HF_UNITS)
        found.append(family_of(module))
    student, teacher = found
    teacher.module.eval().requires_grad_(False)
    torch.manual_seed(5)
    bound = BoundObjective(objective, student.shape, [teacher.shape]).double()
    trainer = Trainer(student, [teacher], bound, SETTINGS, 10, 0, None, world)
    batch = batch_for(build)
    parts = [deal(batch, 2, world, objective.together) for _ in range(3)]
    reports = [trainer.update(part) for part in parts]
    numbers = [n for r in reports for n in (r.loss, r.gradient_norm, r.tokens, *r.parts.values())]
    named = [*student.module.named_parameters(), *bound.named_parameters()]
    return numbers, {name: world.whole({"": p.detach()}).get("") for name, p in named}, student


def written(family: HFFamily, build: object) -> list[list[int]]:
    """What a model writes, greedily; of one that is shared out, the tables are gathered for it."""
    module, batch = family.module.eval(), batch_for(build)
    if isinstance(module, FSDPModule):
        module.unshard()
    ends = {"decoder_start_token_id": 2} if module.config.is_encoder_decoder else {}
    settings = GenerationConfig(max_new_tokens=6, do_sample=False, min_new_tokens=6, pad_token_id=PAD, **ends)
    given = {"attention_mask": batch.attended[:1, :5].long(), "generation_config": settings}
    return module.generate(batch.tokens[:1, :5], **given).tolist()


def held(module: torch.nn.Module) -> int:
    """Parameters that this process holds."""
    parts = (p.to_local() if isinstance(p, DTensor) else p for p in module.parameters())
    return sum(part.numel() for part in parts)


def shares(world: World) -> dict[str, int]:
    """What a process holds of an OPT's parameters, before and after a pass; what all hold."""
    alone, _ = pair(opt_350m)
    family = family_of(world.place(lambda: alone.module, CPU, HF_UNITS))
    family.module.eval()
    before = held(family.module)
    with torch.no_grad():
        family.observe(batch_for(opt_350m), frozenset({WORDS}))
    blocks = sum(p.numel() for block in HF_UNITS.blocks(alone.module) for p in block.parameters())
    whole = sum(p.numel() for p in alone.module.parameters())
    return {"whole": whole, "held": before, "blocks": blocks, "after": held(family.module)}


def main(folder: Path) -> None:
    """Compare, and save what the last sample trained."""
    torch.set_num_threads(1)
    compared = {}
    with current_world() as world:
        (folder / f"share-{world.rank}.json").write_text(json.dumps(shares(world)))
        for name, (build, objective) in SAMPLES.items():
            reports, parameters, student = outcome(world, build, objective)
            weights = world.whole(student.module.state_dict())
            texts = written(student, build) if name in SAVED else None
            if world.first:
                alone, expected, single = outcome(ALONE, build, objective)
                start = dict(pair(build)[0].module.named_parameters())
                compared[name] = {
                    "names": sorted(parameters.keys() ^ expected.keys()),
                    "reports": max(abs(a - b) / abs(b) for a, b in zip(reports, alone, strict=True)),
                    "parameters": max(float((parameters[n] - expected[n]).abs().max()) for n in expected),
                    "moved": max(float((parameters[n] - start[n]).abs().max()) for n in start),
                }
                if name in SAVED:
                    compared[name]["written"] = [texts, written(single, build)]
                    save_student(folder / name / "two", student.module, None, {}, weights)
                    save_student(folder / name / "one", single.module, None, {})
        if world.first:
            (folder / "compared.json").write_text(json.dumps(compared))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
