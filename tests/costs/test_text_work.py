"""Work of stages on transformers models against torch's own counter, on real passes and real generation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

pytest.importorskip("transformers")

from retort.config import load  # noqa: E402
from retort.costs.flops import FUSED_BACKWARD  # noqa: E402
from retort.costs.reads import reads  # noqa: E402
from retort.costs.sizes import expected_sizes, sizes_of  # noqa: E402
from retort.costs.stage_work import stage_work  # noqa: E402
from retort.costs.terms import Rows  # noqa: E402
from retort.costs.text_flops import attention, layers, two_stacks  # noqa: E402
from retort.costs.text_generation import written  # noqa: E402
from retort.costs.text_sizes import WordsSize  # noqa: E402
from retort.costs.text_work import TextRows, micro_batch, responses_work, shape  # noqa: E402
from retort.data.text_batches import causal_batch, seq2seq_batch, whole_batch  # noqa: E402
from retort.distill.binding import BoundObjective  # noqa: E402
from retort.distill.schedules import Clock  # noqa: E402
from retort.models.hf.architecture import Vocabulary  # noqa: E402
from retort.models.hf.building import build  # noqa: E402
from retort.plan import Plan  # noqa: E402

PLAN = Plan(load("smoke", {"papers": ["cka", "atkd"]}))
WORDS = 104
SIZES = expected_sizes(PLAN.config)
SIZES = replace(SIZES, text_words={name: WordsSize(WORDS, 10, 100) for name in SIZES.text_words})
ROWS, LENGTH, SOURCE, ANSWER = 6, 24, 20, 8


def added_in_place(target, left, right, **_):
    """Operations of a product that is added to a tensor, which torch's counter leaves out."""
    return 2 * left[0] * left[1] * right[1]


def counted(run):
    """Operations of ``run()``, attention multiplied out in plain products."""
    more = {torch.ops.aten.addmm_: added_in_place}
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False, custom_mapping=more) as counter:
        run()
    return counter.get_total_flops()


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
        ("BERT CKA", "task", 0.0),
        ("BART CKA", "task", 0.0),
        ("BART linear", "task", 0.0),
        ("mBART CKA", "pretraining", 0.0),
        ("T5 CKA", "task", 0.0),
        ("OPT", "task", 0.0),
        ("Supervised KD", "pretraining", 0.0),
        ("Supervised KD", "task", 0.0),
        ("Supervised KD + ATKD", "task", 0.0),
        ("GKD", "task", 0.0),
    ],
)
def test_a_micro_batch_of_a_method(method, phase, tolerance):
    """Student, teacher, word logits, lenses and distances together; what is estimated within ``tolerance``."""
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
