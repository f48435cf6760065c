"""The version of the sources: git is read without git, and what no commit holds does not stay hidden."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from retort.revision import Revision, git_changes, git_commit, revision

COMMIT = "0123456789abcdef0123456789abcdef01234567"

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git program here")


def repository(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


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
    assert git_commit(repository(tmp_path, files)) == COMMIT


def test_no_commit_is_no_error(tmp_path):
    assert git_commit(repository(tmp_path, {".git/HEAD": "ref: refs/heads/main\n"})) is None


@pytest.fixture
def clone(tmp_path):
    """A repository with one commit; ``git(...)`` runs git there."""

    def git(*command):
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        ended = subprocess.run(
            ["git", "-C", tmp_path, *identity, *command], check=True, capture_output=True, text=True
        )
        return ended.stdout.strip()

    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("x = 1\n")
    (tmp_path / ".gitignore").write_text("*.log\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "x")
    return tmp_path, git


@needs_git
def test_it_agrees_with_git(clone):
    folder, git = clone
    assert revision(folder) == Revision(git("rev-parse", "HEAD"), "none")


@needs_git
def test_every_change_of_code_has_its_digest(clone):
    folder, git = clone
    source, new = folder / "src" / "a.py", folder / "src" / "b.py"
    found = [git_changes(folder)]
    source.write_text("x = 2\n")
    found.append(git_changes(folder))
    git("add", ".")
    assert git_changes(folder) == found[-1]  # staged or not
    new.write_text("y = 1\n")
    found.append(git_changes(folder))
    new.write_text("y = 2\n")
    found.append(git_changes(folder))
    assert found[0] == "none" and len(set(found)) == 4
    new.unlink()
    assert git_changes(folder) == found[1]
    source.write_text("x = 1\n")
    assert git_changes(folder) == "none"


@needs_git
def test_results_and_data_beside_the_code_are_no_change(clone):
    folder, _ = clone
    (folder / "src" / "run.log").write_text("ignored")
    (folder / "data").mkdir()
    (folder / "data" / "corpus.txt").write_text("not code")
    assert git_changes(folder) == "none"


def test_without_a_git_program_changes_are_unknown(tmp_path, monkeypatch):
    repository(tmp_path, {".git/HEAD": COMMIT + "\n"})
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert revision(tmp_path) == Revision(COMMIT, "unknown")


@needs_git
def test_what_git_refuses_is_unknown(tmp_path):
    assert git_changes(repository(tmp_path, {".git/HEAD": COMMIT + "\n"})) == "unknown"


def test_a_repository_around_an_installed_package_is_not_ours(tmp_path):
    repository(tmp_path, {".git/HEAD": COMMIT + "\n"})
    (tmp_path / "site-packages").mkdir()
    assert revision(tmp_path / "site-packages") == Revision(None, "unknown")
