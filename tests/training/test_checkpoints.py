"""Training states: the newest sound one wins, whatever happened to the others."""

from __future__ import annotations

import pytest
import torch

from retort.training import checkpoints
from retort.training.checkpoints import Scratch


def state(step):
    return {"student": {"w": torch.arange(100.0) + step}, "step": step, "extra": {"log": [{"loss": 0.5}]}}


@pytest.fixture
def scratch(tmp_path):
    found = Scratch(tmp_path / "scratch")
    for step in (9, 10, 11):  # 9 and 10 differ in digits: order must be by number
        found.save(step, state(step))
    return found


def files(scratch):
    return sorted(scratch.folder.iterdir())


def test_the_newest_comes_back_whole(scratch):
    step, found = scratch.load()
    assert step == 11 and found["extra"] == {"log": [{"loss": 0.5}]}
    assert torch.equal(found["student"]["w"], state(11)["student"]["w"])


def test_two_states_are_kept_and_nothing_else(scratch):
    assert [path.name.split("-")[1] for path in files(scratch)] == ["000000010", "000000011"]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-100]),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes().replace(b"step", b"stop", 1)),
    ],
    ids=["cut short", "emptied", "a byte changed"],
)
def test_a_damaged_state_is_reported_and_the_one_before_used(scratch, capsys, damage):
    damage(files(scratch)[-1])
    step, found = scratch.load()
    assert step == found["step"] == 10
    assert "damaged, going back to the state before it" in capsys.readouterr().err


def test_without_a_sound_state_there_is_none(scratch):
    for path in files(scratch):
        path.write_bytes(b"no state")
    assert scratch.load() is None
    assert Scratch(scratch.folder / "never made").load() is None


def test_what_a_killed_writer_left_is_not_read(scratch):
    newest = files(scratch)[-1].read_bytes()
    (scratch.folder / ".state-000000012-xyz.pt").write_bytes(newest)
    (scratch.folder / "state-000000012.pt").write_bytes(newest[:50])
    assert scratch.load()[0] == 11


def test_saving_goes_on_after_a_damaged_state(scratch):
    files(scratch)[-1].write_bytes(b"")
    scratch.save(12, state(12))
    assert scratch.load()[0] == 12


def test_a_state_is_due_after_a_while_and_not_again_at_once(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    scratch = Scratch(tmp_path, seconds=30)
    assert not scratch.due()
    now[0] += 30
    assert scratch.due()
    scratch.save(1, state(1))
    assert not scratch.due()


def test_a_finished_run_leaves_nothing(scratch):
    scratch.remove()
    assert not scratch.folder.exists()
    scratch.remove()  # and a run that never saved has nothing to remove
