"""What runs again after a change of code or resources, job by job; docs/reruns.md is the table."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from rerun_jobs import (
    EXHIBITS,
    OF_PAPERS,
    OF_PLANS,
    OF_RECIPES,
    OF_SCORES,
    PLAN,
    behind,
    compares_by,
    made_by,
    maps,
    of_paper,
    planned,
    showing,
    shown_from,
    sliced_again,
    taught_tasks,
    whose,
)

from retort.distill.alignment import CKA
from retort.distill.decoupled import Decoupled
from retort.distill.distances import ReverseKL, SoftCrossEntropy
from retort.distill.divergences import GeneralisedJSD
from retort.models.glm_architecture import Architecture
from retort.models.hf.architecture import TextArchitecture
from retort.recipes.glmd import tinybert_features
from retort.reporting.exhibit import HYPER_PARAMETERS, SCORES, SPEED
from retort.runs import ClozeRun, PromptRun

pytestmark = pytest.mark.workflow

Edit = Callable[[str], str]


@contextmanager
def edited(clone, changes: dict[str, Edit]) -> Iterator[None]:
    """Change files of the clone for a while."""
    before = {clone.folder / name: (clone.folder / name).read_bytes() for name in changes}
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


def test_a_finished_run_has_nothing_to_do(clone):
    ended = clone.snakemake("--dry-run")
    assert ended.returncode == 0 and "Nothing to be done" in ended.stdout + ended.stderr
    assert planned(clone) == set()


def reworded(text: str) -> str:
    """Other docstrings, a comment and a blank line more."""
    lines = text.split("\n")
    for node in ast.walk(ast.parse(text)):
        kinds = (ast.Module, ast.FunctionDef, ast.ClassDef)
        if isinstance(node, kinds) and ast.get_docstring(node) is not None:
            place = node.body[0].lineno - 1
            lines[place] = lines[place].replace('"""', '"""In other words: ', 1)
    return "# A comment.\n\n" + "\n".join(lines) + "\n\n# Another.\n"


def test_words_and_layout_rerun_nothing(clone):
    """Every module and script with other docstrings, comments and line breaks; every rule with a comment."""
    sources = [*clone.folder.glob("src/**/*.py"), *clone.folder.glob("scripts/*.py")]
    changes = {str(path.relative_to(clone.folder)): reworded for path in sources}
    rules = ["Snakefile", *(f"rules/{path.name}" for path in clone.folder.glob("rules/*.smk"))]
    changes |= dict.fromkeys(rules, lambda text: "# A comment.\n" + text + "\n# Another.\n")
    with edited(clone, changes):
        subprocess.run(
            [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length", "70", "src", "scripts"],
            cwd=clone.folder, check=True, capture_output=True,
        )  # fmt: skip
        assert planned(clone) == set()


def test_new_times_rerun_nothing(clone):
    for folder in ("src", "scripts", "rules", "resources", "config"):
        for path in (clone.folder / folder).rglob("*"):
            os.utime(path)
    text = clone.results / "text"
    for path in (*text.rglob("summary.json"), *clone.results.glob("data/*/manifest.json")):
        content = path.read_bytes()  # others hold the same file
        path.unlink()
        path.write_bytes(content)
    assert planned(clone) == set()


# Code and resources


@dataclass(frozen=True)
class Row:
    """A change of one file and all jobs that it makes run again."""

    file: str
    edit: Edit
    again: set[str]


def retrained(stages: set[str]) -> set[str]:
    return made_by(PLAN, stages) | behind(stages)


def with_runs(kind: type) -> set[str]:
    """Stages on tasks of a kind."""
    return whose(lambda stage: any(isinstance(run, kind) for run in stage.runs.values()))


def with_models(kind: type) -> set[str]:
    """Stages that train models of a kind."""
    return whose(lambda stage: isinstance(stage.architecture, kind))


def stored_anew(kind: type) -> set[str]:
    """Other code stores what teachers of a kind of task say: they themselves stay, who reads it does not."""
    readers, stored = taught_tasks(kind)
    assert readers and stored
    return stored | retrained(readers)


def words_anew(paper: str) -> set[str]:
    """The vocabularies of a paper are encoded again, and no other's."""
    encoded = {
        ("words " if made.task is None else "examples ") + PLAN.text[part]
        for part, made in PLAN.parts.items()
        if made.paper == paper
    }
    names = {job.partition(" ")[2] for job in encoded}
    return encoded | retrained(whose(lambda stage: stage.data in names))


def speed_again() -> set[str]:
    return {of_paper("cka", "speed"), "report"} | shown_from("cka", {SPEED})


CLAIMED = {
    of_paper(paper, rule, name) for paper in OF_PAPERS for rule, name in (("claims", ""), ("table", "claims"))
}
"""Some claims are judged by demonstrations, whose features are compared by the distances themselves."""
GLMD = OF_PAPERS["glmd"]
_TABLE3 = "resources/paper/glmd/table3.csv"
_SOURCE = "src/retort/"
ROWS = {
    "distance": Row(
        _SOURCE + "distill/distances.py",
        put("(log_student - log_teacher)).sum(-1)", "(log_student - log_teacher)).mean(-1)"),
        retrained(compares_by(ReverseKL) | compares_by(GeneralisedJSD)) | OF_RECIPES | CLAIMED,
    ),
    "distance-of-classes": Row(
        _SOURCE + "distill/distances.py",
        put("value = -(target * F.log_softmax(", "value = -(0.5 * target * F.log_softmax("),
        retrained(compares_by(SoftCrossEntropy)) | OF_RECIPES | CLAIMED,
    ),
    "alignment": Row(
        _SOURCE + "distill/alignment.py",
        put("return 1 - (shared.square()", "return 2 - (shared.square()"),
        retrained(compares_by(CKA)) | OF_RECIPES | CLAIMED,
    ),
    "parts-of-a-divergence": Row(
        _SOURCE + "distill/decoupled.py",
        put("return self.by.target * _binary(first[0]", "return 2 * self.by.target * _binary(first[0]"),
        retrained(compares_by(Decoupled)) | OF_RECIPES | CLAIMED,
    ),
    "prompts": Row(
        _SOURCE + "training/prompt_lessons.py",
        lambda text: text + "\n\nPromptLesson.__name__ = 'Prompts'\n",
        retrained(with_runs(PromptRun)) | OF_PLANS,
    ),
    "pretraining-loop": Row(
        _SOURCE + "training/streams.py",
        lambda text: text + "\n\nPretrainingStream.__name__ = 'Stream'\n",
        retrained(whose(lambda stage: stage.phase == "pretraining")),
    ),
    "teacher-signals": Row(
        _SOURCE + "training/glm_signals.py",
        put("_EXAMPLES_AT_ONCE = 32", "_EXAMPLES_AT_ONCE = 33"),
        stored_anew(ClozeRun),
    ),
    "stored-responses": Row(
        _SOURCE + "training/prompt_lessons.py",
        put("responses = lesson.rollouts(teacher,", "responses = 1 * lesson.rollouts(teacher,"),
        stored_anew(PromptRun),
    ),
    "recalled-signals": Row(
        _SOURCE + "training/glm_signals.py",
        put("self.module = nn.Identity().eval()", "self.module = nn.Identity().train(False)"),
        retrained(with_runs(ClozeRun)) | OF_PLANS,
    ),
    "models-of-transformers": Row(
        _SOURCE + "models/hf/builder.py",
        lambda text: text + "\n\nTextBuilder.__name__ = 'Builder'\n",
        retrained(with_models(TextArchitecture))
        | OF_PLANS
        | {"figure atkd teacher_size", "figure atkd uncertainty"}
        | {of_paper("atkd", "claims"), "table atkd claims"},
    ),
    "models-of-glm": Row(
        _SOURCE + "models/glm_builder.py",
        lambda text: text + "\n\nGLMBuilder.__name__ = 'Builder'\n",
        retrained(with_models(Architecture)) | OF_PLANS,
    ),
    "encoding-of-instructions": Row(
        _SOURCE + "data/instruction_encoding.py",
        put('_ASKED = Instruction("", ".", ".", (), shots', '_ASKED = Instruction("", ".", "!", (), shots'),
        words_anew("atkd"),
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
        {of_paper(paper, "scores") for paper in PLAN.config.papers}
        | {"report"}.union(*(shown_from(paper, {SCORES, HYPER_PARAMETERS}) for paper in PLAN.config.papers)),
    ),
    "time-of-inference": Row(
        _SOURCE + "evaluation/speed.py",
        put("WARM_UP = 2", "WARM_UP = 3"),
        speed_again(),
    ),
    "points-of-a-slice": Row(
        _SOURCE + "evaluation/slices.py",
        put("DIRECTIONS = 5", "DIRECTIONS = 4"),
        sliced_again(),
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
        {name for name in EXHIBITS if name.startswith("table ")} | {"report"},
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
def test_a_change_reruns_just_what_it_can_affect(clone, row):
    with edited(clone, {row.file: row.edit}):
        assert planned(clone) == row.again


def test_the_rows_are_not_trivial():
    one, other = compares_by(ReverseKL), compares_by(SoftCrossEntropy)
    assert len(one) > 1 and one - other and other - one and one | other < PLAN.stages.keys()
    assert {"table table9", "figure overview", "claims"} <= ROWS["published-number"].again < EXHIBITS
    assert _TABLE3 in GLMD.judged_by and "figure3" in GLMD.judged and "overview" not in GLMD.judged


def test_tinybert_s_loss_reruns_tinybert_and_what_starts_from_it(clone):
    """The loss is part of a stage's name: its students get new folders, the old ones stay."""
    script = (
        "import json; from retort.config import load; from retort.plan import Plan;"
        "print(json.dumps(list(Plan(load('smoke')).stages)))"
    )
    edit = put("        pretrain(tinybert_features()),", "        pretrain(2.0 * tinybert_features()),")
    with edited(clone, {_SOURCE + "recipes/glmd.py": edit}):
        jobs = planned(clone)
        stages = set(json.loads(clone.run(sys.executable, "-c", script).stdout))
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


# The table


def listed(path):
    """Tests of a file and names of their rows."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    tests = {node.name.removeprefix("test_") for node in nodes if isinstance(node, ast.FunctionDef)}
    values = {node.targets[0].id: node.value for node in nodes if isinstance(node, ast.Assign)}
    tables = [values[name] for name in ("ROWS", "SETTINGS") if name in values]
    return tests, {key.value for table in tables for key in table.keys}


def test_the_documentation_lists_these_rows(root):
    text = (root / "docs" / "reruns.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w-]+)` *\|$", text, re.M))
    found = [listed(path) for path in (root / "tests" / "workflow").glob("test_reruns*.py")]
    tests, rows = (set().union(*each) for each in zip(*found, strict=True))
    assert ROWS.keys() < rows <= named <= rows | tests
