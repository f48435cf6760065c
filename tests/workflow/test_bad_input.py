"""Bad input through Snakemake and make; the table of what is refused, and how, is in tests/inputs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.workflow

CONFIGURATIONS = [
    ("mehtods=[KD]", "mehtods: unknown key; did you mean 'methods'?"),
    ("seeds=[one]", 'seeds[0]: given "one", expected a whole number'),
    ("methods=[KDD]", "methods: no recipe for 'KDD'; did you mean 'KD'?"),
    ("data={source: folder}", "data_root: is missing, but data.source is 'folder'"),
]


def left(tree):
    """What a run leaves but Snakemake's own memory."""
    return sorted(path.name for path in tree.folder.iterdir() if path.name != ".snakemake")


def refused(ended, words):
    (line,) = (line for line in ended.stderr.splitlines() if line.startswith("error: "))
    assert words in line
    assert ended.returncode == 2 and "Traceback" not in ended.stderr


@pytest.mark.parametrize(("value", "words"), CONFIGURATIONS, ids=lambda text: text[:24])
def test_a_configuration_that_does_not_hold_stops_snakemake(tree, value, words):
    before = left(tree)
    refused(tree.snakemake(value, "--dry-run"), words)
    assert left(tree) == before


def with_file(tree, text):
    file = tree.folder / "mine.yaml"
    file.write_text(text)
    before = left(tree)
    program = str(Path(sys.executable).parent / "snakemake")
    ended = tree.run(program, "all", "--cores", "1", "--dry-run", "--configfile", "mine.yaml")
    assert left(tree) == before
    return ended


def test_a_key_twice_in_a_file_stops_snakemake(tree):
    """Its own reader keeps the last one and says nothing."""
    ended = with_file(tree, "scale: smoke\nseeds: [1]\nseeds: [2]\n")
    refused(ended, "mine.yaml:3: not valid YAML (key 'seeds' is written twice); mend this line")


def test_a_file_that_snakemake_cannot_read_gets_its_line_from_make_plan(tree):
    """Snakemake reads the file before our code runs: exit code 1 and no line, but no stage is planned."""
    ended = with_file(tree, "scale: smoke\nseeds: [1\n")
    printed = ended.stdout + ended.stderr
    assert ended.returncode == 1 and "Config file is not valid JSON or YAML" in printed
    assert "Traceback" not in printed
    refused(tree.script("show_plan", "--config", "mine.yaml"), "mine.yaml:3: not valid YAML")


@pytest.fixture
def made(tree, root):
    """The tree with a Makefile whose environment is that of the tests."""
    binaries = tree.folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "requirements.txt"):
        (tree.folder / name).symlink_to(root / name)
    for name in ("python", "snakemake"):
        (binaries / name).write_text(f'#!/bin/sh\nexec {Path(sys.executable).parent / name} "$@"\n')
        (binaries / name).chmod(0o755)
    (tree.folder / ".venv" / ".ready").touch()
    return tree


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("run", "error: configuration: scale: no scale 'smoek'; did you mean 'smoke'?"),
        ("plan", "error: smoek: neither a scale nor a file; did you mean 'smoke'?"),
    ],
)
def test_a_misspelt_scale_stops_make(made, target, words):
    before = left(made)
    ended = made.run("make", target, "SCALE=smoek")
    assert words in ended.stderr.splitlines() and "Traceback" not in ended.stderr
    assert ended.returncode == 2 and left(made) == before


def test_missing_data_stop_snakemake_with_the_step_s_own_line(tree):
    ended: subprocess.CompletedProcess[str] = tree.snakemake(
        'papers=["glmd"]', "data_root=nowhere", "data={source: folder}"
    )
    printed = ended.stdout + ended.stderr
    assert ended.returncode == 1 and "Traceback" not in printed
    assert "error: data_root: nowhere is not a folder; name one with superglue/ and corpus/ in it" in printed
    assert "mend the cause and run the same command again" in printed
    assert not list(tree.results.rglob("manifest.json"))
