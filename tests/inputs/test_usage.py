"""Wrong arguments: usage and exit code 2, nothing run; what the system refuses: one line and exit code 1."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest
from inputs.bench import SCRIPTS, run

from retort.errors import REMEDIES, run_cli

NUMBER = "expected a whole number, 1 or more"
NEED_CONFIG = (
    *("check_gates", "collect_scores", "distill_task", "encode_text", "export_student"),
    *("judge_responses", "map_vocabulary", "measure_landscape", "measure_speed"),
    *("prepare_data", "pretrain", "show_plan", "teacher_signals"),
)
NEED_RESULTS = ("export_reference", "judge_claims", "make_figure", "make_report", "make_table", "summarise")

USAGE = [
    *((name, "the following arguments are required: --config") for name in NEED_CONFIG),
    *((name, "the following arguments are required: --results") for name in NEED_RESULTS),
    *((f"{name} --colour red --config smoke --stage x --results .", "unrecognized arguments: --colour red")
      for name in ("pretrain", "map_vocabulary")),
    ("pretrain --config smoke --stage x --threads 0", f"--threads: given '0', {NUMBER}"),
    ("pretrain --config smoke --stage x --threads two", f"--threads: given 'two', {NUMBER}"),
    ("show_plan --config smoke --devices -1", f"--devices: given '-1', {NUMBER}"),
    ("rerun", "the following arguments are required: card"),
    ("rerun card.json --cores 0", f"--cores: given '0', {NUMBER}"),
    ("rerun card.json --config device", "--config: 'device' is not key=value"),
    ("rerun card.json --config seeds=[1", "--config: 'seeds=[1': the value is not YAML"),
    ("make_table table2 --results . --text corpus", "unrecognized arguments: --text corpus"),
    ("encode_text --config smoke --part", "argument --part: expected one argument"),
    ("bench --repeats 0", f"--repeats: given '0', {NUMBER}"),
    ("bench --starts 1.5", f"--starts: given '1.5', {NUMBER}"),
    ("bench_peers --repeats 0", f"--repeats: given '0', {NUMBER}"),
    ("collect_scores --config smoke --paper atdk", "--paper: invalid choice: 'atdk' (choose from"),
    ("watch . --every soon", "--every: invalid float value: 'soon'"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "words"), USAGE, ids=lambda text: text[:40])
def test_usage(tmp_path, monkeypatch, command, words):
    monkeypatch.chdir(tmp_path)
    ended = run(command)
    *usage, last = ended.error.splitlines()
    assert ended.code == 2 and words in last and usage[0].startswith("usage: ")
    assert not list(tmp_path.iterdir())


def test_each_script_has_a_row():
    named = {command.split()[0] for command, _ in USAGE}
    assert named == {path.stem for path in SCRIPTS.glob("*.py")}


@pytest.mark.parametrize("every", ["0", "-1", "nan"])
def test_no_time_between_two_looks(tmp_path, every):
    ended = run(f"watch {tmp_path} --every {every}")
    assert (ended.code, ended.error.count("\n")) == (2, 1)
    assert f"error: --every: given {every}, expected seconds, more than 0" in ended.error


@pytest.mark.parametrize("number", REMEDIES, ids=errno.errorcode.get)
def test_what_the_system_refuses_is_one_line(capsys, number):
    def main():
        raise OSError(number, os.strerror(number), "results/x")

    with pytest.raises(SystemExit) as ended:
        run_cli(main)
    assert ended.value.code == 1
    assert (
        capsys.readouterr().err
        == f"error: results/x: {os.strerror(number)}; {REMEDIES[number]} and run again\n"
    )


def test_a_short_write_of_numpy_is_a_full_disk(capsys):
    def main():
        raise OSError("1000 requested and 512 written")

    with pytest.raises(SystemExit):
        run_cli(main)
    said = capsys.readouterr().err
    assert said == f"error: {os.strerror(errno.ENOSPC)}; {REMEDIES[errno.ENOSPC]} and run again\n"


def test_a_file_that_our_code_forgot_keeps_its_traceback():
    def main():
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", "x")

    with pytest.raises(FileNotFoundError):
        run_cli(main)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here: it stands for a full disk")  # noqa: PTH110
def test_a_full_disk(tmp_path):
    code = "from retort.errors import run_cli\nrun_cli(lambda: open('/dev/full', 'w').write('x' * 10**6))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "error: No space left on device; free some space on that disk and run again\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_a_folder_that_may_not_be_written(good):
    (good.folder / "results").chmod(0o500)
    try:
        ended = run("check_gates --config run.yaml --results results/new")
        assert ended.code in (1, 2) and ended.error.count("\n") == 1
    finally:
        (good.folder / "results").chmod(0o700)
