"""The two ways Retort stops: bad input (exit 2) and failure (exit 1), each one line long."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


class RetortError(Exception):
    """A run could not finish. The message is one line: the place, what is wrong, the remedy."""

    exit_code = 1


class InputError(RetortError):
    """What the user gave (configuration, data, checkpoint, arguments) cannot be used."""

    exit_code = 2


_SPACE = "free some space on that disk"
_RIGHTS = "give this user the right to it or name another place"
_FOLDER = "name a folder there"
REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: f"{_SPACE} or raise the quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: "make it writable or name another place",
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.ENOTDIR: _FOLDER,
    errno.EEXIST: _FOLDER,
    errno.EISDIR: "name a file there",
}
"""What the operating system may refuse through nobody's defect, and what to do before running again."""

_OF_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_OF_ANY_ACCESS = {errno.EACCES, errno.EPERM}


def disk_refusal(error: BaseException, folder: Path) -> tuple[str, str] | None:
    """What the disk said and what helps, where an error is that ``folder`` could not be written to.

    Libraries wrap it: it may be the cause of the error, or a number in the message of one that Rust raised.
    """
    for found in _chain(error):
        number = _number(found)
        if number in _OF_WRITING or (number in _OF_ANY_ACCESS and _concerns(found, folder)):
            return os.strerror(number), REMEDIES[number]
    return None


def _number(error: BaseException) -> int:
    """The operating system's number of what went wrong; 0: unknown."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if wrapped := re.search(r"\(os error (\d+)\)", str(error)):
        return int(wrapped[1])
    if isinstance(error, OSError) and "requested and" in str(error):
        return errno.ENOSPC  # numpy's word for a short write
    return 0


def _concerns(error: BaseException, folder: Path) -> bool:
    named = getattr(error, "filename", None)
    if named is None:
        return False
    path = Path(os.fsdecode(named))
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@contextmanager
def told() -> Iterator[None]:
    """Inside the block a :class:`RetortError` ends the program with one line and its exit code."""
    try:
        yield
    except RetortError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None


def run_cli(main: Callable[[], None]) -> None:
    """Run a script's ``main`` and turn a :class:`RetortError` into one line and its exit code.

    So is what the operating system refuses, a full disk say (exit code 1). Any other exception keeps its
    traceback: it is a defect of ours, and hiding it would only make it harder to report.
    """
    try:
        with told():
            main()
    except BrokenPipeError:
        # The reader of our output, ``head`` say, has seen enough. What is left must not fail at exit, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except OSError as error:
        number = _number(error)
        if number not in REMEDIES:
            raise
        name = error.filename2 or error.filename  # of a renaming: where to
        place = "" if name is None else f"{name}: "
        print(f"error: {place}{os.strerror(number)}; {REMEDIES[number]} and run again", file=sys.stderr)
        raise SystemExit(RetortError.exit_code) from None
