"""A user's own recipe file: its methods are planned like the paper's, and a bad file is said to be bad."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from retort.config import load
from retort.errors import InputError
from retort.plan import Plan
from retort.recipes.own import own_methods

FILE = '''
from dataclasses import dataclass

from retort.distill.distances import MSE, Distance
from retort.distill.objective import soft, words
from retort.recipes import Method, finetune, pretrain


@dataclass(frozen=True)
class MyDistance(Distance):
    scale: float

    def __call__(self, student, teacher):
        return self.scale * halved(student - teacher).square().mean(-1)


def halved(x):
    """Half."""
    return x / 2


METHODS = (
    Method("mine", (pretrain(words(MyDistance(3.0))), finetune(soft(MSE()))), "Me (2030)."),
    Method("other", (finetune(soft(MSE())),), "Me (2031)."),
)
'''
FEW = {"methods": ["KD"], "pairs": ["T1-S1", "(T1,T2)-S2"], "seeds": [1]}


def plan_with(path, **changes):
    return Plan(load("smoke", FEW | {"papers": ["glmd"], "recipes": str(path)} | changes))


@pytest.fixture
def recipe(tmp_path) -> Path:
    path = tmp_path / "my_method.py"
    path.write_text(FILE)
    return path


def test_its_methods_run_beside_those_of_the_paper(recipe):
    cells = [(cell.method, cell.pair) for cell in plan_with(recipe).cells]
    assert cells == [("GLM", "T1"), ("KD", "T1-S1"), ("mine", "T1-S1"), ("other", "T1-S1")]


def test_it_runs_wherever_its_models_are(recipe):
    plan = plan_with(recipe, pairs=["T1-S1", "T1-S2", "(T1,T2)-S2", "T2-A1-A2-S2"], columns="all")
    assert [c.pair for c in plan.cells if c.method == "mine"] == ["T1-S1", "T1-S2"]


def test_naming_its_methods_decides_their_order_only(recipe):
    assert [m.name for m in plan_with(recipe, methods=["other", "KD"]).methods] == ["other", "KD", "mine"]


def codes(plan):
    return {cell.method: [plan.code(stage) for stage in cell.stages] for cell in plan.cells} | {
        f"{stage.phase} {stage.objective.terms[0].by}": plan.code(stage) for stage in plan.stages.values()
    }


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ('"""Half."""', '"""One half."""', False),
        ("return x / 2", "return x / 3", True),
        ("METHODS = (", "UNUSED = 1\nMETHODS = (", False),
    ],
)
def test_code_that_its_stages_use_is_fingerprinted(recipe, tmp_path, old, new, changes):
    before = codes(plan_with(recipe))
    edited = tmp_path / "edited" / recipe.name
    edited.parent.mkdir()
    edited.write_text(FILE.replace(old, new))
    after = codes(plan_with(edited))
    differing = {name for name in before if before[name] != after[name]}
    assert differing == ({"pretraining MyDistance(scale=3.0)"} if changes else set())


def test_its_folder_does_not_name_its_stages(recipe, tmp_path):
    elsewhere = tmp_path / "elsewhere" / recipe.name
    elsewhere.parent.mkdir()
    elsewhere.write_text(FILE)
    assert list(plan_with(recipe).stages) == list(plan_with(elsewhere).stages)


def test_a_class_of_its_own_is_not_taken_for_ours_of_the_same_name(tmp_path):
    path = tmp_path / "twin.py"
    body = FILE.replace("MyDistance", "MSE").replace("import MSE, Distance", "import Distance")
    path.write_text(
        body.replace("scale: float\n", "").replace("MSE(3.0)", "MSE()").replace("self.scale", "2")
    )
    ours = tmp_path / "ours.py"
    ours.write_text(FILE.replace("MyDistance(3.0)", "MSE()"))
    ids = [{c.method: c.stages[0].id for c in plan_with(each).cells}["other"] for each in (path, ours)]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("METHODS = 3", "add METHODS = (MY_METHOD,)"),
        ("METHODS = ()", "add METHODS = (MY_METHOD,)"),
        ("METHODS = ('KD',)", "METHODS holds a str"),
        ("x = (\n", "my_method.py:1: not valid Python"),
        ("\n\nraise KeyError('no')", "my_method.py:3: KeyError: 'no'"),
        ("import nowhere_to_be_found", "my_method.py:1: ModuleNotFoundError"),
        (FILE.replace('"mine"', '"KD"'), "there already is a method 'KD'"),
        (FILE.replace('"mine"', '"other"'), "there already is a method 'other'"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, text, words):
    path = tmp_path / "my_method.py"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        own_methods(path, ["KD"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_a_missing_file(tmp_path, name):
    with pytest.raises(InputError, match="is not a Python file"):
        assert plan_with(tmp_path / name).own
