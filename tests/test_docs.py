"""README and docs: links lead somewhere, commands run, names are those of the code."""

from __future__ import annotations

import csv
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from retort.config import load

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = [*PAGES, ROOT / "config.yaml", *sorted((ROOT / "config" / "scales").glob("*.yaml"))]


def commands(program):
    """Every line of the pages, the scale files' comments included, that starts with a program."""
    found = {}
    for page in SOURCES:
        for line in page.read_text().splitlines():
            text = line.lstrip("# ") if page.suffix == ".yaml" else line
            if text.startswith(f"{program} ") and "`" not in text:
                found[text.partition(" #")[0].partition("   ")[0].strip()] = page.name
    return sorted(found)


def walk_through():
    """The recipe file of the page on methods."""
    page = (ROOT / "docs" / "adding-a-method.md").read_text()
    (file,) = (text for text in re.findall(r"```python\n(.*?)```", page, re.S) if "METHODS = (" in text)
    return file


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_named_files_exist(page):
    for name in re.findall(
        r"`((?:src|tests|scripts|rules|config|resources|docs)/[\w./-]*)`", page.read_text()
    ):
        assert (ROOT / name).exists(), name
    for name in re.findall(r"`((?:data|models|distill|evaluation|training)/[\w./]+\.py)`", page.read_text()):
        assert (ROOT / "src" / "retort" / name).exists(), name


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 80


def test_the_numbers_of_the_readme_are_those_of_the_reference():
    tables = ROOT / "results" / "reference" / "glmd" / "tables"
    with (tables / "table3.csv").open(encoding="utf-8", newline="") as stream:
        rows = {(row["method"], row["pair"]): row for row in csv.DictReader(stream)}
    shown = re.findall(r"^\| ([\w-]+) \| (\S+) \| ([\d.]+) ± ([\d.]+) \| ([\d.]+) \|$", _readme(), re.M)
    assert len(shown) == 9
    for method, pair, mean, sd, paper in shown:
        row = rows[method, pair]
        assert (f"{float(row['mean']):.1f}", f"{float(row['sd']):.1f}", row["paper"]) == (mean, sd, paper)
    assert f"scores {float(rows['majority', '']['mean']):.1f}" in _readme()


def test_the_readme_s_words_on_the_cka_paper_are_those_of_the_reference():
    tables = ROOT / "results" / "reference" / "cka" / "tables"
    with (tables / "one_recipe.csv").open(encoding="utf-8", newline="") as stream:
        rows = {
            (row["method"], row["task"]): row for row in csv.DictReader(stream) if row["metric"] == "rouge2"
        }
    (said,) = re.findall(r"is ([\d.]+) and ([\d.]+) with CKA and ([\d.]+) and ([\d.]+) without", _readme())
    (one,) = re.findall(r"train it, ([\d.]+) and ([\d.]+) against ([\d.]+) and ([\d.]+)", _readme())
    for values, column in ((said, "released"), (one, "one_recipe")):
        cells = [rows[method, score] for method in ("BART CKA", "BART none") for score in ("CNN-DM", "XSum")]
        assert [f"{float(row[column]):.1f}" for row in cells] == list(values)


def test_the_readme_counts_the_rows_of_the_default_scale():
    config = load("pocket")
    cka, atkd = (
        {name for track in paper.tracks.values() for name in track.methods}
        for paper in (config.cka, config.atkd)
    )
    assert f"the default scale runs {len(cka)} of the former" in _readme()
    changed = {name for track in config.atkd.tracks.values() for name in track.variants}
    assert len(changed) == 2 and f"the default scale runs {len(atkd)} and two of them" in _readme()


def _readme():
    return (ROOT / "README.md").read_text()


@pytest.mark.parametrize("command", [*commands("make"), "make"])
def test_each_make_command_is_one(command):
    ended = subprocess.run(
        [*shlex.split(command), "-n"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_there_are_snakemake_commands_to_try():
    found = commands("snakemake")
    assert any("scale=" in command and "seeds=[1,2]" in command for command in found)
    assert any("config/scales/real.yaml" in command and "data_root=<folder>" in command for command in found)


@pytest.mark.workflow
@pytest.mark.parametrize("command", commands("snakemake"))
def test_each_snakemake_command_plans_a_run(command, tmp_path):
    """As written, from a clone, with a data folder in the place of ``<folder>``; planned, not run."""
    for name in ("Snakefile", "rules", "scripts", "config", "config.yaml", "envs", "profiles", "resources"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "data").mkdir()
    (tmp_path / "my_method.py").write_text(walk_through())
    words = shlex.split(command.replace("<folder>", "data"))
    program = Path(sys.executable).parent / words[0]
    ended = subprocess.run(
        [program, *words[1:], "--dry-run"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert "distill_task" in ended.stdout + ended.stderr


def test_building_blocks_are_those_of_the_code():
    import retort.distill.alignment as alignment
    import retort.distill.decoupled as decoupled
    import retort.distill.distances as distances
    import retort.distill.divergences as divergences
    import retort.distill.edits as edits
    import retort.distill.ensembles as ensembles
    import retort.distill.granularities as granularities
    import retort.distill.layermaps as layermaps
    import retort.distill.lenses as lenses
    import retort.distill.positions as positions
    import retort.distill.relations as relations
    import retort.distill.schedules as schedules

    page = (ROOT / "docs" / "adding-a-method.md").read_text()
    for module, not_blocks in (
        (distances, {"Distance", "TargetDistance", "BatchDistance", "GatheringDistance", "Sloped"}),
        (divergences, set()),
        (decoupled, {"DecoupledAt"}),
        (positions, {"Picked"}),
        (alignment, set()),
        (relations, set()),
        (granularities, set()),
        (layermaps, {"LayerMap", "Pair"}),
        (lenses, {"ChainStep", "Lens", "Moment", "Widths"}),
        (schedules, {"Schedule", "Clock", "Place", "Scaled", "AfterCurriculum"}),
        (ensembles, {"Ensemble"}),
        (edits, {"Edit"}),
    ):
        (row,) = (
            line for line in page.splitlines() if f"`{module.__name__[7:].replace('.', '/')}.py`" in line
        )
        here = {n for n, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__}
        classes = {name for name in here if isinstance(getattr(module, name), type)} - not_blocks
        assert {name for name in classes if not name.startswith("_")} <= set(re.findall(r"`(\w+)`", row))


METHOD_PAGES = {"glmd": "methods.md", "cka": "methods-cka.md", "atkd": "methods-atkd.md"}


@pytest.mark.parametrize("paper", METHOD_PAGES)
def test_the_methods_are_those_of_the_code(paper):
    from retort.recipes import atkd, cka, glmd
    from retort.recipes.__main__ import PAGES

    written = (ROOT / "docs" / METHOD_PAGES[paper]).read_text()
    methods = {"glmd": glmd, "cka": cka, "atkd": atkd}[paper].METHODS
    assert written == PAGES[paper](), "run `make methods`"
    assert re.findall(r"^## (.+)$", written, re.M) == ["Notation", *(m.name for m in methods), "Quirks"]


@pytest.mark.parametrize("page", METHOD_PAGES.values())
def test_links_within_the_methods_lead_somewhere(page):
    text = (ROOT / "docs" / page).read_text()
    headings = {
        re.sub(r"[^\w-]", "", line.lstrip("# ").lower().replace(" ", "-"))
        for line in text.splitlines()
        if line.startswith("#")
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= headings


def test_the_rule_graph_is_that_of_the_workflow():
    """Every rule is drawn, and every rule drawn exists."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    graph = text.partition("```mermaid")[2].partition("```")[0]
    drawn = set(re.findall(r"[a-z_]+", graph.partition("\n")[2].partition("\n")[2]))
    sources = [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")]
    rules = {name for path in sources for name in re.findall(r"^rule (\w+):", path.read_text(), re.M)}
    assert drawn == rules
