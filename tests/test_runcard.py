"""Run cards: what made an artefact can be read back, and git is read without git."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, requires, version

import pytest

from retort import runcard
from retort.errors import InputError
from retort.files import sha256_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def write(folder, **changes):
    source = folder / "input.txt"
    source.write_text("text")
    values = {
        "stage": {"phase": "pretrain", "seed": 3},
        "config_digest": "abc",
        "code": "f00",
        "inputs": [source],
        "command": ["python", "scripts/pretrain.py", "--out", "a folder"],
    } | changes
    cost = runcard.Cost(started=time.time() - 10, seconds=4.0, steps=7, tokens=1000)
    runcard.write_card(folder / "run_card.json", runcard.Origin(**values), cost, "cpu", {"loss": 1.5})
    return json.loads((folder / "run_card.json").read_text())


def test_a_card_tells_what_made_it_and_what_it_cost(tmp_path):
    card = write(tmp_path)
    source = tmp_path / "input.txt"
    assert card["stage"] == {"phase": "pretrain", "seed": 3}
    assert (card["config_digest"], card["code"]) == ("abc", "f00")
    assert card["inputs"] == {str(source): sha256_of(source)}
    assert shlex.split(card["command"]) == ["python", "scripts/pretrain.py", "--out", "a folder"]
    assert (card["seconds"], card["steps"], card["tokens"], card["tokens_per_second"]) == (
        4.0,
        7,
        1000,
        250.0,
    )
    assert card["results"] == {"loss": 1.5}
    assert card["started"] < card["finished"]
    assert card["device"]["kind"] == "cpu" and card["device"]["name"] and card["device"]["threads"] >= 1


def test_a_clock_that_is_set_back_gives_no_negative_duration(tmp_path):
    started = time.time() + 7200
    cost = runcard.Cost(started=started, seconds=4.0, steps=7, tokens=1000)
    runcard.write_card(tmp_path / "card.json", runcard.Origin({}, "a", "b", []), cost, "cpu", {})
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["finished"] == card["started"] == runcard._utc(started) and card["seconds"] == 4.0


def test_a_folder_is_hashed_file_by_file(tmp_path):
    (tmp_path / "model" / "deep").mkdir(parents=True)
    for name in ("config.json", "deep/weights"):
        (tmp_path / "model" / name).write_text(name)
    card = write(tmp_path, inputs=[tmp_path / "model"])
    assert card["inputs"] == {
        str(file): sha256_of(file)
        for file in (tmp_path / "model" / "config.json", tmp_path / "model" / "deep" / "weights")
    }


def test_versions_are_those_of_the_direct_dependencies():
    versions = runcard.package_versions()
    assert versions["torch"] == version("torch")
    assert versions["PyYAML"] == version("PyYAML")
    assert "pytest" not in versions
    assert len(versions) == len([line for line in requires("retort") if "extra ==" not in line])


def test_sources_without_metadata_give_all_that_is_installed(monkeypatch):
    def requires(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(runcard.importlib.metadata, "requires", requires)
    assert runcard.package_versions()["pytest"] == version("pytest")


def test_peak_memory_is_of_a_plausible_size():
    block = bytearray(200 * 2**20)
    block[::4096] = b"x" * len(block[::4096])
    assert 200 < runcard.peak_memory("cpu")["resident"] < 64 * 1024


def test_a_missing_input_leaves_no_card(tmp_path):
    with pytest.raises(InputError, match=r"gone.txt: no such file"):
        write(tmp_path, inputs=[tmp_path / "gone.txt"])
    assert not (tmp_path / "run_card.json").exists()


def repository(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    inside = folder / "src" / "deep"
    inside.mkdir(parents=True, exist_ok=True)
    return inside


@pytest.mark.parametrize(
    "files",
    [
        {".git/HEAD": COMMIT + "\n"},
        {".git/HEAD": "ref: refs/heads/main\n", ".git/refs/heads/main": COMMIT + "\n"},
        {".git/HEAD": "ref: refs/heads/main\n", ".git/packed-refs": f"# packed\n{COMMIT} refs/heads/main\n"},
        {
            ".git": "gitdir: real/worktrees/w\n",
            "real/worktrees/w/HEAD": "ref: refs/heads/main\n",
            "real/worktrees/w/commondir": "../..\n",
            "real/refs/heads/main": COMMIT + "\n",
        },
    ],
    ids=["detached", "loose", "packed", "worktree"],
)
def test_the_commit_is_found_however_git_keeps_it(tmp_path, files):
    assert runcard.git_commit(repository(tmp_path, files)) == COMMIT


def test_no_commit_is_no_error(tmp_path):
    assert runcard.git_commit(repository(tmp_path, {".git/HEAD": "ref: refs/heads/main\n"})) is None


def test_it_agrees_with_git(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert runcard.git_commit(tmp_path) == head.strip()


def test_it_needs_no_torch():
    code = "import sys, retort.runcard as r; r.describe_device('cpu'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
