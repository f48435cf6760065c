"""The two ways Retort stops: bad input (exit 2) and failure (exit 1), each one line long."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path


class RetortError(Exception):
    """A run could not finish. The message is one line: the place, what is wrong, the remedy."""

    exit_code = 1


class InputError(RetortError):
    """What the user gave (configuration, data, checkpoint, arguments) cannot be used."""

    exit_code = 2


_REFUSALS = {
    errno.ENOSPC: "free some space there",
    errno.EDQUOT: "free some space there or raise the quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: "make it writable or name another folder",
    errno.EACCES: "make it writable or name another folder",
    errno.EPERM: "make it writable or name another folder",
}
_NEVER_OF_READING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


def disk_refusal(error: BaseException, folder: Path) -> tuple[str, str] | None:
    """What the disk said and what helps, where an error is that ``folder`` could not be written to.

    Libraries wrap it: it may be the cause of the error, or a number in the message of one that Rust raised.
    """
    for found in _chain(error):
        code = found.errno if isinstance(found, OSError) else None
        wrapped = re.search(r"\(os error (\d+)\)", str(found))
        if code is None and wrapped:
            code = int(wrapped[1])
        elif code is None and isinstance(found, OSError) and "requested and" in str(found):
            code = errno.ENOSPC  # numpy's word for a short write
        if code in _REFUSALS and (code in _NEVER_OF_READING or _concerns(found, folder)):
            return os.strerror(code), _REFUSALS[code]
    return None


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


_SPACE = "make room on the disk and run the same command again"
_RIGHTS = "give this user the right to it, or name another place"
REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EACCES: _RIGHTS,
    errno.EPERM: _RIGHTS,
    errno.EROFS: _RIGHTS,
    errno.ENOTDIR: "name a folder there",
    errno.EEXIST: "name a folder there",
    errno.EISDIR: "name a file there",
}
"""What the operating system may refuse through nobody's defect, and what to do."""


def run_cli(main: Callable[[], None]) -> None:
    """Run a script's ``main`` and turn a :class:`RetortError` into one line and its exit code.

    So is what the operating system refuses, a full disk say (exit code 1). Any other exception keeps its
    traceback: it is a defect of ours, and hiding it would only make it harder to report.
    """
    try:
        main()
    except BrokenPipeError:
        # The reader of our output, ``head`` say, has seen enough. What is left must not fail at exit, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except RetortError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except OSError as error:
        if error.errno not in REMEDIES:
            raise
        name = error.filename2 or error.filename  # of a renaming: where to
        place = "" if name is None else f"{name}: "
        print(f"error: {place}{error.strerror}; {REMEDIES[error.errno]}", file=sys.stderr)
        raise SystemExit(RetortError.exit_code) from None
