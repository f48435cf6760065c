"""The walk-through of docs/adding-a-method.md, executed: a file outside the repository gets its rows."""

from __future__ import annotations

import csv
import re

import pytest

pytestmark = pytest.mark.workflow


def rows(path):
    with path.open(encoding="utf-8", newline="") as stream:
        return {(row["method"], row["pair"]): row for row in csv.DictReader(stream)}


def stages(tree):
    return {path.name for path in (tree.results / "stages").iterdir()}


def test_the_walk_through(smoke, root, tmp_path):
    tree = smoke.tree.copy(tmp_path / "clone")
    page = (root / "docs" / "adding-a-method.md").read_text()
    (recipe,) = (text for text in re.findall(r"```python\n(.*?)```", page, re.S) if "METHODS = (" in text)
    elsewhere = tmp_path / "my_method.py"
    elsewhere.write_text(recipe)

    ended = tree.snakemake(f"recipes={elsewhere}")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    trained = stages(tree) - stages(smoke.tree)
    assert sorted(name.split(".")[1] for name in trained) == ["pre", "task", "task"]
    for name in stages(smoke.tree):
        folder = smoke.tree.results / "stages" / name
        card = next(folder.rglob("card.json")).relative_to(smoke.tree.results)
        made = [(each.results / card).stat().st_mtime_ns for each in (tree, smoke.tree)]
        assert made[0] == made[1], f"{name} was trained again"
    tables = tree.results / "glmd" / "tables"
    before = rows(smoke.tree.results / "glmd" / "tables" / "table3.csv")
    after = rows(tables / "table3.csv")
    assert list(set(after) - set(before)) == [("JS-words", "T1-S1")]
    mine = after["JS-words", "T1-S1"]
    assert mine["n"] == "1" and 0 <= float(mine["mean"]) <= 100
    assert {key: row for key, row in after.items() if row is not mine} == before
    for name in ("table3.md", "table3_held_out.md", "table9.md"):
        assert "JS-words" in (tables / name).read_text(), name
    without = tree.pending()  # the method's own results stay; the scores are those of the other methods again
    assert set(without.values()) == {"scores", "table", "figure", "claims", "report"}
    html = (tree.results / "report" / "index.html").read_text()
    assert "JS-words" in html and "Not in the paper" in html
