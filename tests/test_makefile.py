"""The two commands of a newcomer: set up once, say clearly what is missing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import pytest


@pytest.fixture
def clone(root, tmp_path):
    """What ``make`` looks at, in a folder without an environment."""
    for name in (
        "Makefile",
        "pyproject.toml",
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-bench.txt",
    ):
        shutil.copy(root / name, tmp_path / name)
    return tmp_path


def make(folder, *arguments):
    # Variables that an outer make passed on would change what this one does.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))
    }
    return subprocess.run(
        ["make", *arguments], cwd=folder, capture_output=True, text=True, check=False, env=environment
    )


def executable(folder, text):
    file = folder / "fakepython"
    file.write_text("#!/bin/sh\n" + text)
    file.chmod(0o755)
    return f"PYTHON={file}"


def ready(folder):
    """Pretend that the environment is set up."""
    binaries = folder / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for file in (binaries / "python", folder / ".venv" / ".ready", folder / ".venv" / ".ready-dev"):
        file.touch()


def test_make_sets_up_and_runs_the_default_scale(clone):
    plan = make(clone, "-n").stdout
    order = ["-m venv .venv", "install --quiet -r requirements.txt", "--editable .", "snakemake --cores all"]
    places = [plan.index(part) for part in order]
    assert places == sorted(places)
    assert "requirements-dev" not in plan


def test_make_test_sets_up_with_the_tools(clone):
    plan = make(clone, "-n", "test").stdout
    assert plan.index("-r requirements.txt") < plan.index("-r requirements-dev.txt") < plan.index("-m pytest")


def test_what_is_compared_with_has_an_environment_of_its_own(clone):
    ready(clone)
    plan = make(clone, "-n", "bench-peers").stdout
    assert "-m venv .venv-peers" in plan and "install --quiet --no-deps -r requirements-bench.txt" in plan
    assert ".venv/bin/python -m pip" not in plan


def test_nothing_is_installed_when_nothing_changed(clone):
    ready(clone)
    for target in ("run", "test", "smoke"):
        assert "pip" not in make(clone, "-n", target).stdout


@pytest.mark.parametrize("file", ["requirements.txt", "pyproject.toml"])
def test_changed_versions_are_installed(clone, file):
    ready(clone)
    later = (clone / ".venv" / ".ready").stat().st_mtime + 10
    os.utime(clone / file, (later, later))
    plan = make(clone, "-n", "run").stdout
    assert "-r requirements.txt" in plan and "-m venv" not in plan


@pytest.mark.parametrize(
    ("target", "command"),
    [
        ("run", "snakemake --cores all"),
        ("smoke", "snakemake --cores all --config scale=smoke"),
        ("plan", "scripts/show_plan.py --config config.yaml"),
        ("bench", "scripts/bench.py"),
        ("bench-peers", ".venv-peers/bin/python scripts/bench_peers.py"),
        ("watch", "scripts/watch.py"),
        ("lint", "ruff format --check"),
        ("lint", "ruff check"),
        ("lint", "snakefmt --check"),
        ("lint", "snakemake --lint"),
        ("lint", "mypy"),
        ("schema", "-m retort.config"),
        ("methods", "-m retort.recipes"),
    ],
)
def test_each_target_runs_its_command(clone, target, command):
    ready(clone)
    assert command in make(clone, "-n", target).stdout


def test_scale_and_cores_can_be_chosen(clone):
    ready(clone)
    plan = make(clone, "-n", "run", "SCALE=paper", "CORES=2", "ARGS=--keep-going").stdout
    assert "snakemake --cores 2 --config scale=paper --keep-going" in plan


def test_help_lists_every_target(clone):
    listed = make(clone, "help")
    assert listed.returncode == 0
    shown = dict(line.removeprefix("make ").split(maxsplit=1) for line in listed.stdout.splitlines())
    declared = re.search(r"^\.PHONY: (.*)$", (clone / "Makefile").read_text(), re.M)
    assert declared and set(shown) == set(declared[1].split())
    assert all(len(text) > 10 for text in shown.values())


def test_an_old_python_is_refused_with_the_remedy(clone):
    old = executable(clone, '[ "$1" = --version ] && echo Python 3.9.1 && exit 0\nexit 1\n')
    ended = make(clone, "setup", old)
    assert ended.returncode != 0 and not (clone / ".venv").exists()
    assert "is Python 3.9.1, Retort needs Python 3.11 or newer; use: make PYTHON=" in ended.stderr


def test_a_missing_python_is_refused_with_the_remedy(clone):
    ended = make(clone, "setup", "PYTHON=no-such-python")
    assert ended.returncode != 0
    assert "error: no no-such-python found, Retort needs Python 3.11 or newer" in ended.stderr


def test_a_broken_environment_is_not_left_behind(clone):
    broken = executable(
        clone, '[ "$1" = -m ] && mkdir -p .venv/bin && touch .venv/bin/python && exit 1\nexit 0\n'
    )
    ended = make(clone, "setup", broken)
    assert ended.returncode != 0 and not (clone / ".venv").exists()
    assert "install its venv module" in ended.stderr


def test_continuous_integration_runs_make_test(root):
    script = root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert text.startswith("#!/usr/bin/env bash\n") and "set -euo pipefail" in text
    assert text.rstrip().endswith("make test")
