"""Which version of the sources is at work: the commit, and whether files differ from it."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from retort.files import sha256_of

SOURCES = Path(__file__).resolve().parents[2]
"""The repository, where the package runs from one."""

_CODE = ("Snakefile", "config", "resources", "rules", "scripts", "src")
"""Where new files count; elsewhere people may keep data, which is not to be read through for every card."""

_DIGITS = 12


@dataclass(frozen=True)
class Revision:
    """A commit and what lies on top of it.

    Attributes:
        commit: hash; ``None``: the sources are no git repository, Retort was installed without one.
        changes: digest of everything that differs from the commit, ``"none"`` or ``"unknown"``.
    """

    commit: str | None
    changes: str


@functools.cache
def revision(sources: Path = SOURCES) -> Revision:
    """The revision of a repository, looked up once a process.

    Only the folder itself counts: a repository around it, as around an installed package, is another's.
    """
    if not (sources / ".git").exists():
        return Revision(None, "unknown")
    return Revision(git_commit(sources), git_changes(sources))


def git_changes(top: Path) -> str:
    """Digest of all that differs from the commit: changed files, and new ones of code.

    Returns:
        ``"none"`` where nothing differs, ``"unknown"`` where there is no git program or it refuses.
    """
    program = shutil.which("git")
    if program is None:
        return "unknown"
    differing = _git(program, top, "diff", "--binary", "--no-ext-diff", "--no-textconv", "HEAD")
    new = _git(program, top, "ls-files", "--others", "--exclude-standard", "-z", "--", *_CODE)
    if differing is None or new is None:
        return "unknown"
    if not differing and not new:
        return "none"
    found = hashlib.sha256(differing)
    for name in sorted(filter(None, new.split(b"\0"))):
        path = top / os.fsdecode(name)
        found.update(name + (sha256_of(path).encode() if path.is_file() else b""))
    return found.hexdigest()[:_DIGITS]


def _git(program: str, top: Path, *arguments: str) -> bytes | None:
    """What git prints, without touching its index; ``None`` where it fails."""
    environment = os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    ended = subprocess.run(
        [program, "-C", str(top), *arguments], capture_output=True, check=False, env=environment
    )
    return ended.stdout if ended.returncode == 0 else None


def git_commit(top: Path) -> str | None:
    """Hash of the commit that is checked out in ``top``; ``None`` outside a git repository.

    Read from git's own files: no git program is needed, and none can fail.
    """
    git = top / ".git"
    if git.is_file():  # a worktree or submodule: one line "gitdir: <folder>"
        git = top / git.read_text(encoding="utf-8").partition(":")[2].strip()
    head = _first_line(git / "HEAD")
    if not head.startswith("ref:"):
        return head or None
    reference = head.partition(":")[2].strip()
    shared = git / _first_line(git / "commondir")
    loose = _first_line(git / reference) or _first_line(shared / reference)
    return loose or _packed(shared / "packed-refs", reference)


def _packed(file: Path, reference: str) -> str | None:
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            commit, _, name = line.partition(" ")
            if name == reference:
                return commit
    return None


def _first_line(file: Path) -> str:
    return file.read_text(encoding="utf-8").partition("\n")[0].strip() if file.is_file() else ""
