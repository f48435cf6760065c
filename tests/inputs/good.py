"""The good folder: a configuration, data of all tasks, checkpoints, a finished run, claims, a run card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
import yaml
from inputs.bench import run
from small_runs import Run, rights

from retort.config import load
from retort.evaluation.collect import CHOICES
from retort.files import write_json, write_lines, write_text
from retort.models.checkpoint import save_glm
from retort.models.glm import GLM
from retort.models.glm_builder import glm_config, vocabulary_rows
from retort.plan import Plan
from retort.runcard import RERUN, VERSION
from retort.stages import Stage, to_json
from retort.texts import CORPUS

CONFIG: dict[str, Any] = {
    "scale": "smoke",
    "papers": ["glmd"],
    "methods": ["PD"],
    "pairs": ["T1-S1"],
    "seeds": [1],
    "variants": {"tables": [], "quirks": [], "seeds": [1]},
    "data_root": "data",
    "data": {"source": "folder", "vocabulary": {"vocab_txt": "vocab.txt"}},
    "import_teacher": {"T1": "given"},
}
RECIPE = """\
from dataclasses import replace

from retort.recipes.glmd import METHODS as PAPERS

METHODS = (replace(PAPERS[0], name="Mine"),)
"""
RATES = """\
method,config,task,batch_size,learning_rate
GLM (teacher),T1,RTE,8,1e-4
PD,T1-S1,RTE,8,1e-3
"""
LEDGER = """\
claims:
  - id: pd-over-kd
    where: Table 3
    basis: printed
    statement: PD scores more than KD.
    test: {kind: greater, higher: PD @ T1-S1, lower: KD @ T1-S1}
  - id: loss-follows
    where: Figure 2
    basis: stated
    statement: The loss follows perplexity.
    test: {kind: correlation, figure: figure2, cell: PD @ T1-S1, of: loss, against: perplexity,
           relation: above, threshold: 0.5, threshold_from: the figure}
"""


def records(split: str) -> dict[str, list[dict[str, Any]]]:
    """Three lines of every task; those of dev are not those of training."""
    passage = f"ann met bob in {split} .\n@highlight\nann left"
    spans = [{"start": 0, "end": 2}, {"start": 8, "end": 10}]
    found: dict[str, list[dict[str, Any]]] = {}
    for idx in range(3):
        text, label = f"a cat sat on {split} {idx}", bool(idx % 2)
        pair = {"premise": text, "hypothesis": "it is true", "idx": idx}
        span = {"start1": 2, "end1": 5, "start2": 2, "end2": 5}
        target = {"span1_text": "ann", "span1_index": 0, "span2_text": "she", "span2_index": 3}
        answers = [{"idx": n, "text": f"{text} {n}", "label": n} for n in range(2)]
        questions = [{"idx": 0, "question": "who sat ?", "answers": answers}]
        answer = {"start": 8, "end": 10, "text": "bob"}
        for task, record in {
            "BoolQ": {"passage": text, "question": "is it so", "label": label, "idx": idx},
            "CB": pair | {"label": ("entailment", "contradiction", "neutral")[idx]},
            "COPA": {"premise": text, "choice1": "it fell", "choice2": "it sat", "question": "cause",
                     "label": int(label), "idx": idx},
            "MultiRC": {"idx": idx, "passage": {"text": text, "questions": questions}},
            "ReCoRD": {"idx": idx, "passage": {"text": passage, "entities": spans},
                       "qas": [{"idx": 0, "query": f"@placeholder sat {idx}", "answers": [answer]}]},
            "RTE": pair | {"label": ("entailment", "not_entailment")[label]},
            "WiC": {"word": "cat", "sentence1": text, "sentence2": text, "idx": idx, "label": label} | span,
            "WSC": {"text": f"ann thanked bea she helped {split} {idx}", "target": target, "label": True,
                    "idx": idx},
        }.items():  # fmt: skip
            found.setdefault(task, []).append(record)
    return found


def make_good(folder: Path) -> dict[str, str]:
    """Write everything, prepare and encode the data, save a checkpoint that fits; returns ids of stages.

    The working directory has to be ``folder``.
    """
    write_text("run.yaml", yaml.safe_dump(CONFIG))
    for name, text in (("mine.py", RECIPE), ("rates.csv", RATES), ("ledger.yaml", LEDGER)):
        write_text(name, text)
    for split in ("train", "val"):
        for task, lines in records(split).items():
            write_lines(Path(f"data/superglue/{task}/{split}.jsonl"), [json.dumps(line) for line in lines])
    words = sorted({word for lines in records("train").values() for word in json.dumps(lines).split('"')})
    corpus = ["yes no maybe a cat sat on the mat .", "ann met bob . it is true", " ".join(words)]
    write_lines(Path("data/corpus/a.txt"), corpus * 20)
    letters = [*"abcdefghijklmnopqrstuvwxyz0123456789.?,:@*'\"-_()"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "yes", "no", "maybe", "cat", *letters]
    write_lines(Path("data/vocab.txt"), [*vocabulary, *(f"##{letter}" for letter in letters)])
    for step in ("prepare_data", "encode_text"):
        assert run(f"{step} --config run.yaml").error == ""
    return _models(Plan(load("run.yaml"))) | _finished(folder / "finished")


def _models(plan: Plan) -> dict[str, str]:
    """The checkpoint to import, in our layout and in that of the authors."""
    teacher = plan.pretrained("T1")
    torch.manual_seed(0)
    model = GLM(glm_config(teacher.architecture, vocabulary_rows(plan.layout.text(plan.text[CORPUS]))))
    save_glm(Path("given"), model)
    Path("release/150000").mkdir(parents=True)
    write_text("release/latest_checkpointed_iteration.txt", "150000")
    torch.save({"module": model.state_dict()}, "release/150000/mp_rank_00_model_states.pt")
    student = next(
        stage for stage in plan.stages.values() if stage.phase == "pretraining" and not stage.imported
    )
    tuned = plan.fine_tuned("T1", plan.groups[0])
    _gate(plan, tuned)
    _mailed(plan, tuned)
    release = Plan(load("run.yaml", {"import_teacher": {"T1": "release"}})).pretrained("T1")
    return {"T1": teacher.id, "S1": student.id, "tuned": tuned.id, "release": release.id}


def _gate(plan: Plan, tuned: Stage) -> None:
    """What check_gates reads of a teacher."""
    score = {"accuracy": 50.0, "f1": 50.0, "f1a": 50.0, "em": 50.0}
    parts = dict.fromkeys(("all", "select", "report"), score)
    found = {run: {"evaluations": [{"step": 0} | parts]} for run in tuned.runs}
    write_text(plan.layout.stage(tuned) / "metrics.json", json.dumps(found))


def _mailed(plan: Plan, tuned: Stage) -> None:
    """The card of a stage of this very configuration, as somebody sends it."""
    config = plan.config.model_dump(mode="json")
    run = {"task": tuned.tasks[0], "run": next(iter(tuned.runs))}
    write_json("mailed.json", CARD | {"stage": to_json(tuned) | run, "config": config})


def _finished(root: Path) -> dict[str, str]:
    """A run with two methods and its run cards."""
    made = Run(root)
    for method, errors in (("KD", 60), ("PD", 20)):
        made.add(method, {1: rights(errors), 2: rights(errors + 1)})
    made.results()
    write_lines(root / "glmd" / "hyper_parameters.csv", [",".join(CHOICES)])
    stages = sorted(path.name for path in (root / "stages").iterdir())
    for path in root.glob("stages/*/tasks/*"):
        write_text(path / "card.json", json.dumps(CARD))
        write_text(path / "config.json", json.dumps(MODEL))
    return {"first": stages[0]}


MODEL = {"layers": 2, "width": 64, "heads": 2, "vocab": 704, "positions": 96}
CARD: dict[str, Any] = {
    "version": VERSION,
    "stage": {"is": "Stage", "phase": "task", "data": "0123456789"},
    "code": "c0de",
    "git_commit": None,
    "git_changes": "unknown",
    "config": {},
    "config_digest": "0123456789",
    "recipes": None,
    "data": {},
    "inputs": {},
    "command": "python scripts/distill_task.py --stage x",
    "rerun": RERUN,
    "processes": 1,
    "processor_seconds": 55.0,
    "packages": {"torch": "2.0"},
    "python": "3.11.0",
    "device": {"kind": "cpu", "name": "a machine", "threads": 1},
    "started": "2030-01-01T00:00:00+00:00",
    "finished": "2030-01-01T00:10:00+00:00",
    "seconds": 60.0,
    "steps": 100,
    "tokens": 1000,
    "tokens_per_second": 16.7,
    "peak_memory_mib": {"resident": 400.0},
    "results": {"best": {"accuracy": 61.0}, "weights": "c0de"},
}
