"""Versions: pyproject.toml, the requirement files, envs/*.yaml and what is installed say the same."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

CONDA_NAMES = {"pytorch": "torch"}
"""Packages that conda-forge calls differently."""


def exact(lines):
    """Pinned version by canonical name; every line has to be ``name==version``."""
    pins = {}
    for line in lines:
        name, separator, version = line.partition("==")
        assert separator and re.fullmatch(r"[\w.]+", version), (
            f"{line!r} is no exact pin without local suffix"
        )
        assert canonicalize_name(name) not in pins, f"{name} is pinned twice"
        pins[canonicalize_name(name)] = version
    return pins


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


def requirement_lines(root, name):
    lines = (root / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def run_pins(root):
    return exact(requirement_lines(root, "requirements.txt"))


@pytest.fixture(scope="module")
def dev_pins(root, run_pins):
    first, *lines = requirement_lines(root, "requirements-dev.txt")
    assert first == "-r requirements.txt"
    pins = exact(lines)
    assert not pins.keys() & run_pins.keys()
    return run_pins | pins


def closure(names):
    """Names of all installed packages that ``names`` need on this machine, themselves included."""
    needed, waiting = set(), [(Requirement(name), "") for name in names]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for wanted in ("", *requirement.extras):
            key = (canonicalize_name(requirement.name), wanted)
            if key not in needed:
                needed.add(key)
                lines = metadata.distribution(requirement.name).requires or []
                waiting += [(Requirement(line), wanted) for line in lines]
    return {name for name, _ in needed}


def test_direct_dependencies_are_pinned_the_same(project, run_pins, dev_pins):
    direct = exact(project["dependencies"])
    assert direct == {name: run_pins[name] for name in direct}
    tools = exact(project["optional-dependencies"]["dev"])
    assert tools == {name: dev_pins[name] for name in tools}


def test_everything_that_is_needed_is_pinned(project, run_pins, dev_pins):
    # A package for another platform (a GPU library of torch) is pinned by the one that needs it.
    assert not closure(project["dependencies"]) - run_pins.keys() - {"triton"} - cuda_libraries()
    tools = project["optional-dependencies"]["dev"]
    assert not closure(tools) - dev_pins.keys()


def cuda_libraries():
    installed = (canonicalize_name(found.metadata["Name"]) for found in metadata.distributions())
    return {name for name in installed if name.startswith(("nvidia-", "cuda-"))}


def test_what_is_installed_is_what_is_pinned(dev_pins):
    for name, version in dev_pins.items():
        assert metadata.version(name).partition("+")[0] == version, f"{name}: run `make setup-dev`"


def test_what_is_compared_with_is_pinned_and_changes_nothing_else(root, run_pins):
    pins = exact(requirement_lines(root, "requirements-bench.txt"))
    assert set(pins) == {"accelerate", "liger-kernel", "trl"} and not pins.keys() & run_pins.keys()


def test_no_file_names_a_registry(root):
    for name in (
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-bench.txt",
        "pyproject.toml",
        "Makefile",
        ".ci/run",
    ):
        assert not re.search(r"index-url|find-links|https?://", (root / name).read_text()), name


ENVIRONMENTS = ("base", "report", "train")


def test_the_environments_are_these(root):
    assert sorted(path.stem for path in (root / "envs").glob("*")) == list(ENVIRONMENTS)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_agrees_with_what_is_installed(root, project, run_pins, name):
    value = yaml.safe_load((root / "envs" / f"{name}.yaml").read_text())
    assert value.keys() == {"channels", "dependencies"}
    assert value["channels"] == ["conda-forge", "nodefaults"]
    direct = exact(project["dependencies"])
    for line in value["dependencies"]:
        package, _, version = line.partition("=")
        if package == "python":
            assert version in SpecifierSet(project["requires-python"])
            continue
        distribution = canonicalize_name(CONDA_NAMES.get(package, package))
        assert package == package.lower()
        assert direct[distribution] == version, f"envs/{name}.yaml: {line}"
        assert metadata.version(distribution).partition("+")[0] == version


def test_every_environment_is_used_and_exists(root):
    rules = [path for path in (root / "Snakefile", *(root / "rules").glob("*.smk")) if path.is_file()]
    if not rules:
        pytest.skip("there are no rules yet")
    used = set()
    for file in rules:
        for written in re.findall(r'conda:\s*"([^"]+)"', file.read_text()):
            target = (file.parent / written).resolve()
            assert target.is_file(), f"{file.name}: conda: {written} does not exist"
            used.add(target)
    assert used == {root / "envs" / f"{name}.yaml" for name in ENVIRONMENTS}
