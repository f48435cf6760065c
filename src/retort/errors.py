"""The two ways Retort stops: bad input (exit 2) and failure (exit 1), each one line long."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable


class RetortError(Exception):
    """A run could not finish. The message is one line: the place, what is wrong, the remedy."""

    exit_code = 1


class InputError(RetortError):
    """What the user gave (configuration, data, checkpoint, arguments) cannot be used."""

    exit_code = 2


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
