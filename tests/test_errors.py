"""Errors: one line and an exit code for bad input and failures, a traceback for defects."""

from __future__ import annotations

import subprocess
import sys

import pytest

from retort.errors import InputError, RetortError, run_cli


def end(raised):
    code = f"from retort.errors import *\ndef main():\n    {raised}\nrun_cli(main)\n"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_bad_input_is_one_line_and_exit_2():
    ended = end("raise InputError('a.jsonl:3: label: given 7, expected 0 or 1')")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "error: a.jsonl:3: label: given 7, expected 0 or 1\n"


def test_a_failure_is_one_line_and_exit_1():
    ended = end("raise RetortError('loss is not finite at step 3')")
    assert (ended.returncode, ended.stderr) == (1, "error: loss is not finite at step 3\n")


def test_a_defect_keeps_its_traceback():
    ended = end("{}['missing']")
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback") and "KeyError: 'missing'" in ended.stderr


def test_success_is_silent():
    ended = end("pass")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_cause_is_not_shown_to_the_user(capsys):
    def main():
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise InputError("outer") from error

    with pytest.raises(SystemExit) as caught:
        run_cli(main)
    assert caught.value.code == 2 and caught.value.__suppress_context__
    assert capsys.readouterr().err == "error: outer\n"


def test_whoever_catches_failures_catches_bad_input_too():
    assert issubclass(InputError, RetortError)


def test_a_reader_that_leaves_early_is_no_defect():
    code = "from retort.errors import *\nrun_cli(lambda: print('x' * 10**7))\n"
    ended = subprocess.run(
        f'{sys.executable} -c "{code}" | head -c 1', shell=True, capture_output=True, text=True, check=False
    )
    assert (ended.stdout, ended.stderr) == ("x", "")
