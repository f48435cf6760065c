"""Results of finished stages, kept beside the published ones until the workflow has succeeded.

Snakemake deletes the outputs of jobs that did nothing wrong: of all members of a group one of which failed,
and of a job whose head process died and that is submitted again. So results are first completed in an
undeclared folder that is named, as training states are, after the stage, its code and the bytes it reads. The
published files are hard links to them, which take no space and no time. A stage whose results are kept is not
trained again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retort.files import atomic_folder, atomic_path


@contextmanager
def publishing(kept: Path, folder: Path, last: str) -> Iterator[Path]:
    """Yield a folder for a stage's results; once they are complete, keep and publish them.

    Args:
        kept: where they are kept.
        folder: where later stages look for them.
        last: the file that stands for the finished stage: it appears when all else is there.
    """
    with atomic_folder(kept) as temporary:
        yield temporary
    publish(kept, folder, last)


def publish(kept: Path, folder: Path, last: str) -> None:
    """Publish kept results (again); nothing is ever missing that was there before."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(kept.iterdir(), key=lambda path: path.name == last):
        if path.is_dir():
            with atomic_folder(folder / path.name) as temporary:
                link_tree(path, temporary)
        else:
            os.utime(path)  # made now, as far as whoever asks for them is concerned
            with atomic_path(folder / path.name) as temporary:
                temporary.unlink()
                _link(path, temporary)


def link_tree(source: Path, target: Path) -> None:
    """Fill the folder ``target`` with what is in ``source``, without copying where that can be."""
    shutil.copytree(source, target, symlinks=True, copy_function=_link, dirs_exist_ok=True)


def _link(source: Path | str, target: Path | str) -> None:
    try:
        os.link(source, target)
    except OSError:  # no hard links here, or not across these folders
        shutil.copyfile(source, target)
