"""Plans of the scales that there are, and what planning costs."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest
from small_plans import chain, plan

from retort.config import REPOSITORY, load
from retort.errors import InputError
from retort.plan import Plan


@pytest.mark.parametrize("scale", ["smoke", "pocket", "paper"])
def test_every_scale_has_a_plan(scale):
    found = plan(scale=scale)
    assert len(found.stages) > 10
    for name, stage in found.stages.items():
        assert found.stage(name) is stage and len(found.code(stage)) == 16


def test_the_real_scale_has_a_plan_once_it_has_a_folder(tmp_path):
    assert len(plan({"data_root": str(tmp_path)}, "real").stages) > 10


def test_the_paper_scale_has_the_published_hyper_parameters():
    found = plan(scale="paper")
    stages = [stage for stage in found.stages.values() if stage.phase == "task"]
    assert found.schooling.rates and {run.batch_size for stage in stages for run in stage.schooling} > {16}


def test_the_paper_scale_can_be_planned_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert plan(scale="paper").schooling.rates


def test_attention_is_compared_with_as_many_heads():
    """340M -> 66M: such methods' students have the teacher's 16 heads, the others their own 12."""
    found = plan(scale="paper")
    heads = {
        method: {stage.architecture.heads for stage in chain(found, method, 1234, "T2-S2")}
        for method in ("TinyBERT", "GLMD")
    }
    assert heads == {"TinyBERT": {16}, "GLMD": {12}}
    odd = {"models": {"S1": {"heads": 4, "width": 12}, "T1": {"heads": 8}}}
    with pytest.raises(InputError, match="T1's 8 heads do not divide S1's width 12; change models.S1"):
        _ = plan(odd).stages


def test_embeddings_of_half_the_width():
    from dataclasses import replace

    from retort.recipes.glmd import PD
    from retort.students import architecture, student_architecture

    found = plan()
    base = architecture("S1", found.config.models["S1"])
    for kind in ("factorised", "trigram"):
        student = student_architecture(found, replace(PD, embedding=kind), "T1-S1", "S1")
        assert getattr(student, kind) == base.width // 2 and replace(student, **{kind: None}) == base


def test_planning_does_each_thing_about_once(monkeypatch):
    """Work is counted rather than timed: digests by stage, fingerprints by kind of stage."""
    from retort import fingerprint, stages

    counts = Counter()

    def counted(owner, name):
        real = getattr(owner, name)

        def call(*arguments):
            counts[name] += 1
            return real(*arguments)

        monkeypatch.setattr(owner, name, call)

    counted(stages, "digest_of")
    counted(fingerprint.CodeGraph, "_hash")
    fingerprint._graph.cache_clear()
    found = Plan(load(REPOSITORY / "config" / "paper-search.yaml"))
    codes = {found.code(stage) for stage in found.stages.values()}
    assert len(found.stages) > 3000 > 100 > len(codes)
    # Methods that share a stage make it each; groups of tasks, teachers and their students do not.
    assert counts["digest_of"] < 1.15 * len(found.stages)
    assert counts["_hash"] < 1.5 * len(codes)


def test_planning_imports_no_torch():
    script = (
        "import sys; from retort.config import load; from retort.plan import Plan; p = Plan(load('paper'));"
        "[p.code(s) for s in p.stages.values()]; slow = {'torch', 'transformers', 'pandas', 'scipy'};"
        "sys.exit(' '.join(slow & set(sys.modules)) or 0)"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
