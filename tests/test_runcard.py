"""Run cards: what made an artefact, and what it takes to make it again, can be read back."""

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
from retort.files import digest_of, sha256_of
from retort.revision import Revision, revision

REQUEST = runcard.Request(
    config={"seeds": [3], "recipes": None},
    recipes=None,
    revision=Revision("0123abcd", "none"),
    command=["python", "scripts/pretrain.py", "--out", "a folder"],
)


def write(folder, **changes):
    source = folder / "input.txt"
    source.write_text("text")
    raw = {"/data/x/corpus/0.txt": "aa", "superglue/RTE/train.jsonl": "bb"}
    (folder / "summary.json").write_text(json.dumps({"sha256": raw}))
    values = {
        "stage": {"phase": "pretrain", "seed": 3},
        "code": "f00",
        "texts": (folder,),
        "inputs": [source],
        "request": REQUEST,
    } | changes
    cost = runcard.Cost(time.time() - 10, seconds=4.0, processor_seconds=6.5, steps=7, tokens=1000)
    runcard.write_card(folder / "run_card.json", runcard.Origin(**values), cost, "cpu", {"loss": 1.5})
    return json.loads((folder / "run_card.json").read_text())


def test_a_card_tells_what_made_it_and_what_it_cost(tmp_path):
    card = write(tmp_path)
    source = tmp_path / "input.txt"
    assert card["stage"] == {"phase": "pretrain", "seed": 3}
    assert card["config"] == REQUEST.config and card["config_digest"] == digest_of(REQUEST.config)
    assert (card["code"], card["git_commit"], card["git_changes"]) == ("f00", "0123abcd", "none")
    assert card["data"] == {"corpus/0.txt": "aa", "RTE/train.jsonl": "bb"}
    assert card["rerun"] == "python scripts/rerun.py card.json" and card["recipes"] is None
    assert card["inputs"] == {str(source): sha256_of(source)}
    assert shlex.split(card["command"]) == ["python", "scripts/pretrain.py", "--out", "a folder"]
    assert (card["seconds"], card["steps"], card["tokens"], card["tokens_per_second"]) == (
        4.0,
        7,
        1000,
        250.0,
    )
    assert card["processor_seconds"] == 6.5
    assert card["results"] == {"loss": 1.5}
    assert card["started"] < card["finished"]
    assert card["device"]["kind"] == "cpu" and card["device"]["name"] and card["device"]["threads"] >= 1


def test_what_is_written_can_be_read_by_all_who_read_cards(tmp_path):
    card = write(tmp_path)
    path = tmp_path / "run_card.json"
    assert runcard.read_card(path) == runcard.read_card(path, runcard.RERUN_FIELDS) == card
    path.write_text(json.dumps(card | {"version": runcard.VERSION + 1}))
    with pytest.raises(InputError, match=r"remove the stage's folder .*: python scripts/pretrain.py --out"):
        runcard.read_card(path)


def test_a_request_holds_the_text_of_the_user_s_own_recipes(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["x.py", "--stage", "y"])
    (tmp_path / "mine.py").write_text("METHODS = ()")
    made = runcard.Request.made_now({"recipes": str(tmp_path / "mine.py")})
    assert made.recipes == "METHODS = ()" and made.command == ("python", "x.py", "--stage", "y")
    assert runcard.Request.made_now({}).recipes is None and made.revision == revision()


def test_a_stopwatch_counts_work_and_not_waiting():
    watch = runcard.Stopwatch()
    time.sleep(0.2)
    idle = watch.lap()
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass
    assert idle < 0.1 <= watch.lap()


def test_a_clock_that_is_set_back_gives_no_negative_duration(tmp_path):
    started = time.time() + 7200
    cost = runcard.Cost(started, seconds=4.0, processor_seconds=4.0, steps=7, tokens=1000)
    runcard.write_card(tmp_path / "card.json", runcard.Origin({}, "a", (), (), REQUEST), cost, "cpu", {})
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


def test_it_needs_no_torch():
    code = "import sys, retort.runcard as r; r.describe_device('cpu'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
