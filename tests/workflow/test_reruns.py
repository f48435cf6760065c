"""What runs again after a change, job by job. docs/reruns.md lists these tests as a table."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from retort.config import load
from retort.data.pocket import generate_world
from retort.data.superglue import TASKS
from retort.distill.distances import Cosine, SoftCrossEntropy
from retort.plan import Plan
from retort.recipes.glmd import tinybert_features
from retort.reporting.exhibit import SCORES
from retort.reporting.exhibits import exhibits_of

pytestmark = pytest.mark.workflow

PLAN = Plan(load("smoke"))
GLMD = exhibits_of("glmd")
Edit = Callable[[str], str]


# What is planned


def planned(tree, *overrides: str, targets: tuple[str, ...] = ("all",)) -> set[str]:
    """The jobs that Snakemake would run, each by its rule and what it makes."""
    files = tree.pending(*overrides, target=targets[0], more=targets[1:])
    return {job(rule, output) for output, rule in files.items()}


def job(rule: str, output: str) -> str:
    """``pretrain S1.pre..``, ``table table3``, ``scores``."""
    below = output.split("/")[2:]
    if below[0] == "glmd":
        return f"{rule} {Path(output).stem}" if rule in ("table", "figure") else rule
    return rule if rule in ("report", "gates") else f"{rule} {below[1]}"


def made_by(plan: Plan, stages) -> set[str]:
    return {("pretrain " if plan.stage(s).phase == "pretraining" else "distill_task ") + s for s in stages}


def taught_by(plan: Plan) -> set[str]:
    """Fine-tuned stages that teach."""
    students = [stage for stage in plan.stages.values() if stage.phase == "task"]
    return {teacher.id for stage in students for teacher in stage.teachers if teacher.phase == "task"}


def maps(plan: Plan) -> dict[str, str]:
    """Teacher by vocabulary map."""
    compressed = [stage for stage in plan.stages.values() if stage.compression is not None]
    return {plan.layout.vocabulary(stage).parent.name: stage.mapped_by.id for stage in compressed}


def named_jobs(plan: Plan) -> set[str]:
    """All jobs whose results lie in folders that are named after what they follow from."""
    corpus, *tasks = plan.text.values()
    return (
        {f"data {name}" for name in plan.data.values()}
        | {f"text {corpus}", *(f"examples {task}" for task in tasks)}
        | made_by(plan, plan.stages)
        | {f"signals {name}" for name in taught_by(plan)}
        | {f"vocabulary_map {name}" for name in maps(plan)}
    )


def showing(test: Callable) -> set[str]:
    """Exhibits with a property, and the page."""
    found = {f"table {name}" for name, exhibit in GLMD.tables.items() if test(exhibit)}
    return found | {f"figure {name}" for name, exhibit in GLMD.figures.items() if test(exhibit)} | {"report"}


OF_RECIPES = {"table table1", "table table6"}
"""What methods are made of: values that hold distances, whose code counts as theirs."""
EXHIBITS = showing(lambda exhibit: True) | {"claims"}
OF_SCORES = showing(lambda exhibit: SCORES in exhibit.of) | {"claims", "table claims"}


def behind(changed: set[str], plan: Plan = PLAN) -> set[str]:
    """What stands on stages, themselves left out."""
    again = set(changed)
    for name, stage in plan.stages.items():  # ancestors come first
        if any(parent.id in again for parent in stage.ancestors()):
            again.add(name)
    ends = {stage.id for cell in plan.cells for stage in cell.stages}
    teachers = {stage.id for cell in plan.cells if cell.role == "teacher" for stage in cell.stages}
    found = made_by(plan, again - changed) | {f"signals {name}" for name in taught_by(plan) & again}
    found |= {f"vocabulary_map {name}" for name, teacher in maps(plan).items() if teacher in again}
    found |= {"gates"} if again & teachers else set()
    return found | ({"scores", *OF_SCORES} if again & ends else set())


def whose(test: Callable, plan: Plan = PLAN) -> set[str]:
    """Stages with a property."""
    return {name for name, stage in plan.stages.items() if test(stage)}


def compares_by(kind: type) -> set[str]:
    return whose(lambda stage: any(isinstance(term.by, kind) for term in stage.objective.terms))


# A tree to change


@pytest.fixture(scope="module")
def tree(smoke, root, tmp_path_factory):
    """The finished run with sources, rules and resources of its own. Changed by tests, and changed back."""
    folder = tmp_path_factory.mktemp("reruns") / "clone"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("Snakefile", "config.yaml"):
        folder.mkdir(exist_ok=True)
        shutil.copy2(root / name, folder / name)
    for name in ("rules", "config", "resources", "scripts", "src", "envs", "profiles"):
        shutil.copytree(root / name, folder / name, ignore=ignored)
    for name in ("results", ".snakemake"):  # links: nobody writes into a file that is there
        shutil.copytree(smoke.tree.folder / name, folder / name, symlinks=True, copy_function=os.link)
    return type(smoke.tree)(folder)


@contextmanager
def edited(tree, changes: dict[str, Edit]) -> Iterator[None]:
    """Change files of the tree for a while."""
    before = {tree.folder / name: (tree.folder / name).read_bytes() for name in changes}
    try:
        for path, change in zip(before, changes.values(), strict=True):
            after = change(before[path].decode()).encode()
            assert after != before[path], f"{path.name} is as it was: name another place"
            path.write_bytes(after)
        yield
    finally:
        for path, content in before.items():
            path.write_bytes(content)


def put(old: str, new: str) -> Edit:
    def change(text: str) -> str:
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times: name another place"
        return text.replace(old, new)

    return change


# Nothing


def test_a_finished_run_has_nothing_to_do(tree):
    ended = tree.snakemake("--dry-run")
    assert ended.returncode == 0 and "Nothing to be done" in ended.stdout + ended.stderr
    assert planned(tree) == set()


def reworded(text: str) -> str:
    """Other docstrings, a comment and a blank line more."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        kinds = (ast.Module, ast.FunctionDef, ast.ClassDef)
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            place = node.body[0].lineno - 1
            lines[place] = lines[place].replace('"""', '"""In other words: ', 1)
    return "# A comment.\n\n" + "\n".join(lines) + "\n\n# Another.\n"


def test_words_and_layout_rerun_nothing(tree):
    """Every module and script with other docstrings, comments and line breaks; every rule with a comment."""
    sources = [*tree.folder.glob("src/**/*.py"), *tree.folder.glob("scripts/*.py")]
    changes = {str(path.relative_to(tree.folder)): reworded for path in sources}
    rules = ["Snakefile", *(f"rules/{path.name}" for path in tree.folder.glob("rules/*.smk"))]
    changes |= dict.fromkeys(rules, lambda text: "# A comment.\n" + text + "\n# Another.\n")
    with edited(tree, changes):
        subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "70", "src", "scripts"],
            cwd=tree.folder, check=True, capture_output=True,
        )  # fmt: skip
        assert planned(tree) == set()


def test_new_times_rerun_nothing(tree):
    for folder in ("src", "scripts", "rules", "resources", "config"):
        for path in (tree.folder / folder).rglob("*"):
            os.utime(path)
    text = tree.results / "text"
    for path in (*text.rglob("summary.json"), *tree.results.glob("data/*/manifest.json")):
        content = path.read_bytes()  # others hold the same file
        path.unlink()
        path.write_bytes(content)
    assert planned(tree) == set()


# Code and resources


@dataclass(frozen=True)
class Row:
    """A change of one file and all jobs that it makes run again."""

    file: str
    edit: Edit
    again: set[str]


def retrained(stages: set[str]) -> set[str]:
    return made_by(PLAN, stages) | behind(stages)


_TABLE3 = "resources/paper/glmd/table3.csv"
_SOURCE = "src/retort/"
ROWS = {
    "distance": Row(
        _SOURCE + "distill/distances.py",
        put("return 1 - F.cosine_similarity(", "return 2 - F.cosine_similarity("),
        retrained(compares_by(Cosine)) | OF_RECIPES,
    ),
    "distance-of-classes": Row(
        _SOURCE + "distill/distances.py",
        put("value = -(target * F.log_softmax(", "value = -(0.5 * target * F.log_softmax("),
        retrained(compares_by(SoftCrossEntropy)) | OF_RECIPES,
    ),
    "pretraining-loop": Row(
        _SOURCE + "training/streams.py",
        lambda text: text + "\n\nPretrainingStream.__name__ = 'Stream'\n",
        retrained(whose(lambda stage: stage.phase == "pretraining")),
    ),
    "teacher-signals": Row(
        _SOURCE + "training/signals.py",
        put("_EXAMPLES_AT_ONCE = 32", "_EXAMPLES_AT_ONCE = 33"),
        {f"signals {name}" for name in taught_by(PLAN)}
        | retrained({s.id for s in PLAN.stages.values() if any(t.id in taught_by(PLAN) for t in s.teachers)}),
    ),
    "vocabulary-map": Row(
        _SOURCE + "training/vocabularies.py",
        put("order = torch", "order = 1 * torch"),
        {f"vocabulary_map {name}" for name in maps(PLAN)}
        | retrained(whose(lambda stage: stage.compression is not None)),
    ),
    "gate": Row(
        _SOURCE + "evaluation/gates.py",
        put(":.1f} on {task}", ":.2f} on {task}"),
        {"gates", "report"},
    ),
    "score": Row(
        _SOURCE + "evaluation/collect.py",
        put('f"{value:.6g}", stage', 'f"{value:.7g}", stage'),
        {"scores", *OF_SCORES},
    ),
    "plot": Row(
        _SOURCE + "reporting/overview.py",
        put('TITLE = "', 'TITLE = "! '),
        {"figure overview", "report"},
    ),
    "plot-that-claims-read": Row(
        _SOURCE + "reporting/figure3.py",
        put("_BINS_PER_DECADE = 6", "_BINS_PER_DECADE = 5"),
        {"figure figure3", "claims", "table claims", "report"},
    ),
    "table": Row(
        _SOURCE + "reporting/table9.py",
        lambda text: text + "\n\ntable9.__name__ = 'table9'\n",
        {"table table9", "report"},
    ),
    "table-format": Row(
        _SOURCE + "reporting/templates/table.tex.j2",
        lambda text: text + "%\n",
        {f"table {name}" for name in GLMD.tables} | {"report"},
    ),
    "page": Row(_SOURCE + "reporting/templates/page.css", lambda text: text + "\n", {"report"}),
    "claims-ledger": Row(
        "resources/claims/glmd.yaml",
        put("id: vc-best-t1-s1\n", "id: vc-best-of-all\n"),
        {"claims", "table claims", "report"},
    ),
    "published-number": Row(
        _TABLE3,
        put("GLM,T1,110M,71.7", "GLM,T1,110M,71.8"),
        showing(lambda exhibit: _TABLE3 in exhibit.reads) | {"claims", "table claims"},
    ),
    "published-setting": Row(
        "resources/paper/glmd/table8_hparams.csv",
        lambda text: text.replace("0.1", "0.2", 1),
        {"table table8", "report"},
    ),
    "paper-scale": Row(
        "config/scales/paper.yaml",
        put("seeds: [1234, 1759, 6899]     #", "seeds: [1234]     #"),
        {"table table2", "report"},
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_change_reruns_just_what_it_can_affect(tree, row):
    with edited(tree, {row.file: row.edit}):
        assert planned(tree) == row.again


def test_the_rows_are_not_trivial():
    one, other = compares_by(Cosine), compares_by(SoftCrossEntropy)
    assert len(one) > 1 and one - other and other - one and one | other < PLAN.stages.keys()
    assert {"table table9", "figure overview", "claims"} <= ROWS["published-number"].again < EXHIBITS
    assert _TABLE3 in GLMD.judged_by and "figure3" in GLMD.judged and "overview" not in GLMD.judged


def test_tinybert_s_loss_reruns_tinybert_and_what_starts_from_it(tree):
    """The loss is part of a stage's name: its students get new folders, the old ones stay."""
    script = (
        "import json; from retort.config import load; from retort.plan import Plan;"
        "print(json.dumps(list(Plan(load('smoke')).stages)))"
    )
    edit = put("        pretrain(tinybert_features()),", "        pretrain(2.0 * tinybert_features()),")
    with edited(tree, {_SOURCE + "recipes/glmd.py": edit}):
        jobs = planned(tree)
        stages = set(json.loads(tree.run(sys.executable, "-c", script).stdout))
    loss = tinybert_features().in_phase("pretraining")
    changed = whose(lambda stage: (stage.phase, stage.objective) == ("pretraining", loss))
    old = made_by(PLAN, changed) | behind(changed)
    replaced = {name.split()[1] for name in old if name.startswith(("pretrain", "distill_task"))}
    users = {cell.method for cell in PLAN.cells if {s.id for s in cell.stages} & replaced}
    assert users == {"TinyBERT", "MGSKD"}  # which starts as TinyBERT does
    new = stages - PLAN.stages.keys()
    assert PLAN.stages.keys() - stages == replaced and len(new) == len(replaced)
    trained = {name for name in jobs if name.startswith(("pretrain", "distill_task"))}
    assert {name.split()[1] for name in trained} == new
    assert jobs - trained == {"scores"} | OF_SCORES | OF_RECIPES


# Configuration


SETTINGS = {
    "seed": ({"seeds": [1, 2]}, {"distill_task", "pretrain", "signals"}),
    "learning-rate": (
        {"task_training": {"learning_rate": {"student": 0.002}}},
        {"distill_task", "signals"},
    ),
    "epochs-of-a-task": (
        {"task_training": {"epochs": dict.fromkeys(TASKS, 1) | {"RTE": 2}}},
        {"distill_task", "signals", "gates"},
    ),
    "length-of-a-task": (
        {"task_training": {"max_length": dict.fromkeys(TASKS, 96) | {"RTE": 80}}},
        {"examples", "distill_task", "signals", "gates"},
    ),
    "limit-of-examples": (
        {"data": {"limits": {"train": 8}}},
        {"examples", "distill_task", "signals", "gates"},
    ),
    "limit-of-the-corpus": (
        {"data": {"limits": {"corpus": 1000}}},
        {"text", "examples", "pretrain", "distill_task", "signals", "vocabulary_map", "gates"},
    ),
    "fewer-tasks": ({"tasks": ["RTE", "CB"]}, {"distill_task", "signals", "gates"}),
    "gates": ({"gates": {"zero_shot": {"RTE": 1}}}, {"gates"}),
    "fewer-methods": ({"methods": ["KD", "PD"]}, {"gates"}),
}


def asked(changes: dict[str, Any]) -> list[str]:
    """Changes of the configuration as a user gives them."""
    return [f"{name}={value}" for name, value in changes.items()]


@pytest.mark.parametrize(("changes", "rules"), SETTINGS.values(), ids=SETTINGS)
def test_a_setting_reruns_just_what_it_can_affect(tree, changes, rules):
    """New folders for what depends on it; exhibits show the configuration."""
    after = Plan(load("smoke", changes))
    new = named_jobs(after) - named_jobs(PLAN)
    expected = new | EXHIBITS | (set() if "gates" in changes else {"scores"})
    expected |= {"gates"} & rules
    assert {name.split()[0] for name in expected} - {"scores", "table", "figure", "claims", "report"} == rules
    assert planned(tree, *asked(changes)) == expected


# Accidents


def test_other_weights_with_the_same_scores_are_noticed(tree):
    """A teacher was trained again, its metrics are as before, and then the run was killed."""
    teacher = PLAN.fine_tuned("T1", PLAN.groups[0])
    folder = tree.results / "stages" / teacher.id
    stamps = [folder / "metrics.json", folder / "tasks" / ".snakemake_timestamp"]
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in stamps]
    for path, (content, _) in zip(stamps, before, strict=True):
        path.unlink()
        path.write_bytes(content)
    try:
        assert planned(tree) == behind({teacher.id}) - {"gates"}
    finally:
        for path, (_, time) in zip(stamps, before, strict=True):
            os.utime(path, ns=(time, time))


# A data folder


FOLDER = {
    "methods": ["KD"],
    "tasks": ["RTE", "CB"],
    "pairs": ["T1-S1"],
    "variants": {"tables": [], "quirks": []},
    "task_training": {"tasks_per_job": 1},
    "data_root": "given",
    "data": {"source": "folder", "vocabulary": {"vocab_txt": "vocab.txt"}},
}


@pytest.fixture(scope="module")
def given(new_tree, tmp_path_factory):
    """Students of two tasks that lie in a folder, trained; the plan and what to ask Snakemake."""
    folder = tmp_path_factory.mktemp("folder") / "clone"
    tree = new_tree(folder)
    generate_world(1, folder / "given", documents=300, train_size=8, dev_size=8)
    overrides = asked(FOLDER)
    plan = Plan(load("smoke", FOLDER))
    (cell,) = (cell for cell in plan.cells if cell.role == "student")
    targets = tuple(f"results/smoke/stages/{stage.id}/metrics.json" for stage in cell.stages)
    ended = tree.snakemake(*overrides, target=targets[0], more=targets[1:])
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return tree, plan, lambda: planned(tree, *overrides, targets=targets)


def test_a_byte_of_a_task_reruns_that_task(given):
    tree, plan, jobs = given
    assert jobs() == set()
    path = tree.folder / "given" / "superglue" / "RTE" / "train.jsonl"
    before = path.read_bytes()
    path.write_bytes(before.replace(b'"label": "entailment"', b'"label": "not_entailment"', 1))
    of_rte = whose(lambda stage: stage.tasks == ("RTE",), plan)
    teacher = taught_by(plan) & of_rte
    assert jobs() == {f"data {plan.data['RTE']}", f"examples {plan.text['RTE']}"} | made_by(plan, of_rte) | {
        f"signals {name}" for name in teacher
    }
    path.write_bytes(before)  # other times, the same bytes
    assert jobs() == set()


def test_a_byte_of_the_corpus_reruns_all_that_stands_on_it(given):
    tree, plan, jobs = given
    path = tree.folder / "given" / "corpus" / "world.txt"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"the", b"The", 1))
    unaffected = {f"data {plan.data[task]}" for task in ("RTE", "CB")}
    assert jobs() == named_jobs(plan) - unaffected
    path.write_bytes(before)


# The table


def test_the_documentation_lists_these_rows(root):
    text = (root / "docs" / "reruns.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w-]+)` *\|$", text, re.M))
    tests = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert named >= {*ROWS, *SETTINGS} and named - {*ROWS, *SETTINGS} <= tests
