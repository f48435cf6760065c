"""Which jobs Snakemake would run, and which follow from the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from retort.cells import Cell
from retort.config import load
from retort.evaluation.sliced import beside_atkd
from retort.plan import Plan
from retort.reporting.exhibit import CLAIMS, HYPER_PARAMETERS, LANDSCAPE, SCORES
from retort.reporting.exhibits import EXHIBITS as OF_PAPERS
from retort.texts import CORPUS

PLAN = Plan(load("smoke"))
"""Of the run that tests change."""


def asked(changes: dict[str, Any]) -> list[str]:
    """Changes of the configuration as a user gives them."""
    return [f"{name}={value}" for name, value in changes.items()]


def planned(tree, *overrides: str, targets: tuple[str, ...] = ("all",)) -> set[str]:
    """The jobs that Snakemake would run, each by its rule and what it makes."""
    files = tree.pending(*overrides, target=targets[0], more=targets[1:])
    return {job(rule, output) for output, rule in files.items()}


def job(rule: str, output: str) -> str:
    """``pretrain S1.pre..``, ``table table3``, ``scores``."""
    below = output.split("/")[2:]
    if below[0] in PLAN.config.papers:
        return of_paper(below[0], rule, Path(output).stem if rule in ("table", "figure") else "")
    return rule if rule in ("report", "gates") else f"{rule} {below[1]}"


def of_paper(paper: str, rule: str, name: str = "") -> str:
    """A job of one paper: ``table table3``, ``claims``; ``table cka glue``, ``claims cka``."""
    return " ".join(word for word in (rule, "" if paper == "glmd" else paper, name) if word)


def made_by(plan: Plan, stages) -> set[str]:
    return {("pretrain " if plan.stage(s).phase == "pretraining" else "distill_task ") + s for s in stages}


def taught_by(plan: Plan) -> set[str]:
    """Fine-tuned stages that store something for those who learn from them."""
    return {teacher.id for stage in plan.stages.values() for teacher in stage.told_by}


def maps(plan: Plan) -> dict[str, str]:
    """Teacher by vocabulary map."""
    compressed = [stage for stage in plan.stages.values() if stage.compression is not None]
    return {plan.layout.vocabulary(stage).parent.name: stage.mapped_by.id for stage in compressed}


def named_jobs(plan: Plan) -> set[str]:
    """All jobs whose results lie in folders that are named after what they follow from."""
    rules = {part: "words" if made.task is None else "examples" for part, made in plan.parts.items()}
    rules[CORPUS] = "text"
    return (
        {f"data {name}" for name in plan.data.values()}
        | {f"{rules.get(part, 'examples')} {name}" for part, name in plan.text.items()}
        | made_by(plan, plan.stages)
        | {f"signals {name}" for name in taught_by(plan)}
        | {f"vocabulary_map {name}" for name in maps(plan)}
    )


def showing(test: Callable, papers: Iterable[str] = tuple(OF_PAPERS)) -> set[str]:
    """Exhibits with a property, and the page."""
    found = {"report"}
    for paper in papers:
        exhibits = OF_PAPERS[paper]
        for rule, made in (("table", exhibits.tables), ("figure", exhibits.figures)):
            found |= {of_paper(paper, rule, name) for name, exhibit in made.items() if test(exhibit)}
    return found


def shown_from(paper: str, files: set[str], runs: bool = False) -> set[str]:
    """What is made from CSV files of a paper's results, or from the folders of its runs: exhibits, claims."""
    if paper not in OF_PAPERS:
        return set()
    found = showing(lambda exhibit: files & set(exhibit.of) or (runs and exhibit.runs), [paper])
    exhibits = OF_PAPERS[paper]
    judged = {of_paper(paper, "figure", name) for name in exhibits.judged}
    if runs or files & set(exhibits.judged_of) or found & judged:
        found |= {of_paper(paper, "claims")} | showing(lambda exhibit: CLAIMS in exhibit.of, [paper])
    return found


OF_RECIPES = {"table table1", "table table6", "table cka methods", "table atkd methods", "report"}
"""What methods are made of: values that hold distances, whose code counts as theirs."""
OF_PLANS = {"table cka methods", "table atkd methods", "report"}
"""What stages are made of: their values bring the code of models and lessons."""
EXHIBITS = showing(lambda exhibit: True) | {of_paper(paper, "claims") for paper in OF_PAPERS}
OF_SCORES = shown_from("glmd", {SCORES, HYPER_PARAMETERS}, runs=True)


def sliced_again() -> set[str]:
    """The loss around students, and what shows it."""
    return {of_paper("atkd", LANDSCAPE), "report"} | shown_from("atkd", {LANDSCAPE})


def behind(changed: set[str], plan: Plan = PLAN) -> set[str]:
    """What stands on stages, themselves left out."""
    again = set(changed)
    for name, stage in plan.stages.items():  # ancestors come first
        if any(parent.id in again for parent in stage.ancestors()):
            again.add(name)
    teachers = {stage.id for cell in plan.cells if cell.role == "teacher" for stage in cell.stages}
    found = made_by(plan, again - changed) | {f"signals {name}" for name in taught_by(plan) & again}
    found |= {f"vocabulary_map {name}" for name, teacher in maps(plan).items() if teacher in again}
    found |= {"gates"} if again & teachers else set()
    for paper in plan.config.papers:
        if again & {stage.id for cell in plan.cells_of(paper) for stage in cell.stages}:
            found |= {of_paper(paper, "scores"), "report"}
            found |= shown_from(paper, {SCORES, HYPER_PARAMETERS}, runs=True)
    if again & {stage.id for cell in sliced(plan) for stage in cell.stages}:
        found |= sliced_again()
    return found


def sliced(plan: Plan) -> list[Cell]:
    """Students around which the loss is cut through."""
    return beside_atkd(plan.cells_of("atkd"))


def whose(test: Callable, plan: Plan = PLAN) -> set[str]:
    """Stages with a property."""
    return {name for name, stage in plan.stages.items() if test(stage)}


def taught_tasks(kind: type) -> tuple[set[str], set[str]]:
    """Of task stages with runs of a kind: those that read what teachers stored, and what stores it."""
    readers = [
        stage
        for stage in PLAN.stages.values()
        if stage.told_by and any(isinstance(run, kind) for run in stage.runs.values())
    ]
    stored = {f"signals {teacher.id}" for stage in readers for teacher in stage.told_by}
    return {stage.id for stage in readers}, stored


def compares_by(kind: type) -> set[str]:
    return whose(lambda stage: any(isinstance(term.by, kind) for term in stage.objective.terms))
