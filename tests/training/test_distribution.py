"""Shares of work: nothing lost, nothing twice, as many passes everywhere; one process is as ever."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_samples import SAMPLES, batch_of, models_for

from retort.data.batches import split
from retort.distill.schedules import Clock
from retort.errors import InputError, RetortError
from retort.training.distribution import ALONE, World, current_world, deal, portion, same_size_as_before


class Member(World):
    """One of several processes, as far as shares go."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["pretraining", "single", "sum"]),
    st.integers(1, 9),
    st.integers(1, 10),
    st.integers(1, 5),
    st.booleans(),
)
def test_every_example_is_dealt_once_and_all_make_as_many_passes(kind, examples, limit, size, together):
    batch = batch_of(kind, examples)
    dealt = [deal(batch, limit, Member(rank, size), together) for rank in range(size)]
    assert len({len(parts) for parts in dealt}) == 1
    counted = [part for parts in dealt for part in parts if not part.totals.idle]
    assert sorted(key for part in counted for key in part.keys) == sorted(batch.keys)
    assert sum(len(part.tokens) for part in counted) == len(batch.tokens)
    assert all(len(part.keys) <= limit for part in counted)
    assert {part.totals for part in counted} == {batch.totals}
    # None is idle in all its passes where there is an example for each.
    if not together and examples % size == 0:
        assert all(any(not part.totals.idle for part in parts) for parts in dealt)
    if together:
        expected = [part.keys for part in split(batch, limit)]
        assert sorted(part.keys for part in counted) == sorted(expected)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8])
def test_one_process_gets_the_micro_batches_in_order(limit):
    batch = batch_of("sum", 5)
    found = deal(batch, limit, ALONE, together=False)
    for part, expected in zip(found, split(batch, limit), strict=True):
        assert part.keys == expected.keys and torch.equal(part.tokens, expected.tokens)
        assert not part.totals.idle
    if limit >= 5:
        assert found[0] is batch


@pytest.mark.parametrize("name", ["GLMD-0", "TinyBERT-0", "CKD-1", "MT-BERT-0", "Uncertainty-0"])
def test_an_idle_micro_batch_counts_nothing(name):
    sample = next(sample for sample in SAMPLES if sample.name == name)
    models, batch = models_for(sample), batch_of(sample.kinds[-1], 3)
    bound = models.bind(sample.step.objective)
    parameters = [*models.student.module.parameters(), *bound.parameters()]
    worth, nothing = (
        bound.loss(part, models.student, models.teachers, Clock(0, 10))
        for part in (batch, deal(batch, 3, Member(1, 2), together=True)[0])
    )
    assert worth.total > 0 and worth.parts.keys() == nothing.parts.keys()
    assert nothing.total == 0 and not any(nothing.parts.values())
    nothing.total.backward()
    given = [parameter.grad for parameter in parameters if parameter.grad is not None]
    assert given and not any(bool(grad.any()) for grad in given)


@given(st.lists(st.integers(), max_size=9), st.integers(1, 5))
def test_portions_cover_the_work_in_as_many_passes(items, size):
    parts = [portion(items, Member(rank, size)) for rank in range(size)]
    assert len({len(part) for part in parts}) == 1
    assert {item for part in parts for item in part} == set(items)
    assert portion(items, ALONE) == items


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert current_world() is ALONE and ALONE.first
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert current_world() is ALONE


def test_a_stray_world_size_is_explained(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(InputError) as error:
        current_world()
    assert str(error.value).startswith("WORLD_SIZE is 4, but RANK is not set: start the script with torchrun")


@pytest.mark.parametrize(("left", "size"), [("0-of-2", 1), ("3-of-4", 2), ("state-000000002-0123.pt", 2)])
def test_states_of_another_number_of_processes_are_refused(tmp_path, left, size):
    (tmp_path / left).mkdir()
    before = 1 if left.startswith("state") else int(left[-1])
    with pytest.raises(RetortError, match=f"state of {before} process.*, this run has {size}: go on with"):
        same_size_as_before(tmp_path, size)
    same_size_as_before(tmp_path, before)
    same_size_as_before(tmp_path / "never made", size)


def test_one_process_never_imports_what_several_need():
    program = (
        "import sys; from retort.training import pretraining, tasks, distribution; "
        "distribution.current_world(); "
        "late = 'torch.distributed.fsdp', 'torch.distributed.tensor', 'retort.training.sharding'; "
        "print([module for module in sys.modules if module.startswith(late)])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "WORLD_SIZE"}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert found.stdout.strip() == "[]", found.stderr[-2000:]


def test_muon_is_refused():
    from retort.runs import Muon, Optimiser
    from retort.training.sharding import Team

    sample = next(sample for sample in SAMPLES if sample.name == "KD-0")
    bound = models_for(sample).bind(sample.step.objective)
    muon = Muon(0.03, 0.95, 5, 0.01)
    settings = Optimiser(1e-2, (0.9, 0.99), 1e-8, 0.0, 1.0, "linear", 0.0, 0.1, muon=muon)
    with pytest.raises(InputError, match="Muon orthogonalises whole matrices"):
        Team(0, 2, 0).join(bound, settings, 1)
