"""Work of stages on transformers models against torch's own counter, on real passes and real generation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from flop_counts import counted

pytest.importorskip("transformers")

from retort.config import load  # noqa: E402
from retort.costs.flops import FUSED_BACKWARD  # noqa: E402
from retort.costs.reads import reads  # noqa: E402
from retort.costs.sizes import expected_sizes  # noqa: E402
from retort.costs.stage_work import signals_work, stage_work  # noqa: E402
from retort.costs.terms import Rows  # noqa: E402
from retort.costs.text_flops import attention, two_stacks  # noqa: E402
from retort.costs.text_generation import written  # noqa: E402
from retort.costs.text_sizes import WordsSize  # noqa: E402
from retort.costs.text_steps import TextRows, lens_parameters, micro_batch, shape  # noqa: E402
from retort.data.layouts import Layout  # noqa: E402
from retort.data.prompt_examples import PromptExample  # noqa: E402
from retort.data.text_batches import causal_batch, seq2seq_batch, whole_batch  # noqa: E402
from retort.distill.binding import BoundObjective  # noqa: E402
from retort.distill.schedules import Clock  # noqa: E402
from retort.evaluation.completion import complete  # noqa: E402
from retort.evaluation.decoding import Decoding, Sampling  # noqa: E402
from retort.evaluation.generation import searched  # noqa: E402
from retort.models.hf.architecture import Vocabulary  # noqa: E402
from retort.models.hf.building import build  # noqa: E402
from retort.plan import Plan  # noqa: E402

PLAN = Plan(load("smoke", {"papers": ["cka", "atkd"]}))
WORDS = 104
SIZES = expected_sizes(PLAN.config)
SIZES = replace(SIZES, text_words={name: WordsSize(WORDS, 10, 100, (10,) * 16) for name in SIZES.text_words})
ROWS, LENGTH, SOURCE, ANSWER = 6, 24, 20, 8


def stage_of(method, phase="task"):
    """The first stage of a method in a phase."""
    stage = next(cell for cell in PLAN.cells if cell.method == method).stages[0]
    while stage.phase != phase:
        stage = stage.init
    return stage


def model(stage):
    torch.manual_seed(0)
    words = Vocabulary(WORDS, pad=1, bos=0, eos=2, start=2)
    return build(replace(stage.architecture, dropout=0.0), words, 3 if _classes(stage) else None)


def _classes(stage):
    return any(run.classes is not None for run in stage.runs.values())


def batch(stage):
    """Rows without padding, as torch reads them and as they are counted."""

    def rows(length):
        return torch.randint(4, 100, (ROWS, length)).tolist()

    real = Rows(ROWS, LENGTH, ROWS * LENGTH, ROWS * LENGTH)
    if stage.architecture.kind == "bert":
        data = whole_batch(rows(LENGTH), 1)
        labels = torch.zeros(ROWS, dtype=torch.long) if _classes(stage) else None
        return replace(data, labels=labels) if _classes(stage) else data, TextRows(real)
    if two_stacks(stage.architecture):
        source = Rows(ROWS, SOURCE, ROWS * SOURCE, ROWS * SOURCE)
        return seq2seq_batch(rows(SOURCE), rows(LENGTH), 1, 2), TextRows(real, source)
    data = causal_batch(rows(LENGTH), [LENGTH - ANSWER] * ROWS, 1)
    return data, TextRows(replace(real, predicted=float(data.predicted.sum())))


@pytest.mark.parametrize(
    ("method", "phase", "tolerance"),
    [
        ("BERT CKA", "pretraining", 0.0),
        ("BERT linear (one recipe)", "pretraining", 0.0),
        ("BERT CKA", "task", 0.001),
        ("BART CKA", "task", 0.003),
        ("BART linear", "task", 0.0),
        ("mBART CKA", "pretraining", 0.003),
        ("T5 CKA", "task", 0.003),
        ("OPT", "task", 0.0),
        ("Supervised KD", "pretraining", 0.0),
        ("Supervised KD", "task", 0.0),
        ("Supervised KD + ATKD", "task", 0.0),
        ("GKD", "task", 0.0),
    ],
)
def test_a_micro_batch_of_a_method(method, phase, tolerance):
    """Student, teacher, logits, lenses, distances. Classes themselves are not counted, and the one position
    fewer that the decoder's states have."""
    stage = stage_of(method, phase)
    data, counted_rows = batch(stage)
    student = model(stage)
    teachers = [model(teacher) for teacher in stage.teachers]
    for teacher in teachers:
        teacher.module.eval().requires_grad_(False)
    bound = BoundObjective(stage.objective, student.shape, [teacher.shape for teacher in teachers])
    found = counted(lambda: bound.loss(data, student, teachers, Clock(0, 10)).total.backward())
    ours, theirs = micro_batch(stage, counted_rows, SIZES, classes=_classes(stage))
    expected = ours.flops + theirs.flops - fused(stage)
    assert expected == pytest.approx(found, rel=max(tolerance, 1e-9))


def fused(stage):
    """What attention's backward pass is counted more where it is fused."""
    size = stage.architecture
    seen = reads(stage.objective, shape(stage, SIZES), tuple(shape(t, SIZES) for t in stage.teachers))
    products = seen.depth * attention(size, ROWS, LENGTH, LENGTH)
    if two_stacks(size):
        products += seen.depth * attention(size, ROWS, LENGTH, SOURCE)
        products += size.encoder_layers * attention(size, ROWS, SOURCE, SOURCE)
    return (FUSED_BACKWARD - 2) * seen.student_passes * products


# Texts that are written

NEW = 9
ENDLESS = Layout(pad=1, mask=None, source=((), ()), target=((), ()), start=2, end=103)


def without_end(family):
    """Word 103 is never the likeliest, so that all texts are as long as they may be."""
    with torch.no_grad():
        family.module.get_output_embeddings().weight[103] = 0
    return family.module


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("method", ["BART CKA", "T5 CKA"])
def test_a_search_is_counted(method, beams):
    stage = stage_of(method)
    module = without_end(model(stage))
    data, _ = batch(stage)
    settings = Decoding(NEW + 1, beams=beams, min_length=NEW + 1)
    start = torch.full((1, 1), 2)
    found = counted(lambda: searched(module, data, start, ENDLESS, settings))
    expected = written(stage.architecture, WORDS, ROWS, SOURCE, NEW, beams).flops
    assert expected == pytest.approx(found, rel=0.01)


def test_responses_are_counted():
    stage = stage_of("GKD")
    module = without_end(model(stage))
    rows = [torch.randint(4, 100, (LENGTH,)).numpy() for _ in range(ROWS)]
    prompts = [PromptExample(str(i), row, row[:0], (), None) for i, row in enumerate(rows)]
    found = counted(
        lambda: complete(
            module, prompts, ENDLESS, Sampling(NEW), device=torch.device("cpu"), seed=0, rows_at_once=ROWS
        )
    )
    expected = written(stage.architecture, WORDS, ROWS, LENGTH, NEW).flops
    assert expected == pytest.approx(found, rel=0.05)


# Stages


def test_a_run_is_as_long_as_its_settings_say():
    for method, phase in (("BERT CKA", "pretraining"), ("BART CKA", "task"), ("GKD", "task")):
        stage = stage_of(method, phase)
        once = stage_work(stage, SIZES)
        if phase == "pretraining":
            longer = replace(stage.schooling, steps=3 * stage.schooling.steps)
        else:
            longer = tuple(replace(run, epochs=3 * run.epochs) for run in stage.schooling)
        thrice = stage_work(replace(stage, schooling=longer), SIZES)
        assert thrice.student.flops == pytest.approx(3 * once.student.flops)
        assert thrice.teachers.flops == pytest.approx(3 * once.teachers.flops) and once.teachers.flops > 0
        assert thrice.steps == 3 * once.steps and (once.evaluation.flops > 0) == (phase == "task")


def test_padding_to_the_limit_and_longer_answers_cost_more():
    stage = stage_of("BART CKA")
    fixed = tuple(replace(run, padding="fixed") for run in stage.schooling)
    assert stage_work(replace(stage, schooling=fixed), SIZES).student.flops > (
        1.5 * stage_work(stage, SIZES).student.flops
    )
    stage = stage_of("GKD")
    short = tuple(replace(run, sampling=Sampling(2)) for run in stage.schooling)
    less, more = stage_work(replace(stage, schooling=short), SIZES), stage_work(stage, SIZES)
    assert less.evaluation.flops < more.evaluation.flops and less.student.flops < more.student.flops


def test_own_answers_cost_rollouts_and_a_teacher_s_are_written_once():
    own, data = stage_of("GKD"), stage_of("Supervised KD")
    sequences = data.schooling[0].sequences
    without = tuple(replace(run, sequences=sequences) for run in own.schooling)
    assert stage_work(replace(own, schooling=without), SIZES).student.flops < (
        stage_work(own, SIZES).student.flops
    )
    teacher = stage_of("OPT")
    assert signals_work(teacher, SIZES).flops > 0
    taught = stage_of("SeqKD")
    assert taught.teachers == (teacher,) and taught.objective.needs_teacher is False
    assert stage_work(taught, SIZES).teachers.flops == 0


def test_a_shared_projection_is_learned():
    assert lens_parameters(stage_of("BART linear")) == 8 * 16 + 16
    assert lens_parameters(stage_of("BART CKA")) == 0
