"""The loss around trained causal students: which, on what, and the file."""

import csv
import os
from dataclasses import replace

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("transformers")

from causal_models import model_of, prompts_of, setup  # noqa: E402

from retort.cells import Cell  # noqa: E402
from retort.config import load  # noqa: E402
from retort.data.prompt_examples import load_prompts, save_prompts  # noqa: E402
from retort.data.text_sets import batch_of_prompts  # noqa: E402
from retort.errors import InputError  # noqa: E402
from retort.evaluation.landscape import direction  # noqa: E402
from retort.evaluation.sliced import beside_atkd  # noqa: E402
from retort.evaluation.slices import (  # noqa: E402
    COLUMNS,
    DIRECTIONS,
    EXAMPLES,
    POINTS,
    Student,
    measure_landscape,
    reference_loss,
    students_of,
)
from retort.evaluation.validation_losses import validation_losses  # noqa: E402
from retort.files import seal  # noqa: E402
from retort.models.hf.folders import load_family, write_model  # noqa: E402
from retort.plan import Plan  # noqa: E402
from retort.reporting.results import LANDSCAPE  # noqa: E402

DEVICE = torch.device("cpu")


@pytest.fixture(scope="module")
def student(tmp_path_factory):
    """A random model, which drops out, and two sets, one of which is longer than what is read of it."""
    root = tmp_path_factory.mktemp("slices")
    tokenizer, layout = setup("opt")
    module = model_of("opt", tokenizer, layout)
    for name in ("words", "text", "model"):
        (root / name).mkdir()
    tokenizer.save(root / "words" / "tokenizer.json")
    for seed, (name, count) in enumerate({"dolly": EXAMPLES + 5, "bbh": 3}.items()):
        save_prompts(root / "text", name, prompts_of(tokenizer, layout, count, seed))
    write_model(root / "model", module, None)
    seal(root / "model")
    folders = (root / "model", root / "words", root / "text")
    return Student("Supervised KD", "T-S", 7, "S.task.1", *folders, "opt", ("dolly", "bbh"))


def batches(student):
    layout = setup("opt")[1]
    examples = [e for name in student.sets for e in load_prompts(student.text, name)[:EXAMPLES]]
    assert len(examples) == EXAMPLES + 3
    return [batch_of_prompts(examples[:20], layout), batch_of_prompts(examples[20:], layout)]


def test_the_loss_is_that_of_validation(student):
    family = load_family(student.model)
    found = reference_loss(family, batches(student))
    assert found == pytest.approx(validation_losses(family, None, batches(student))["clm"], rel=1e-12)


def test_the_file_has_every_direction_and_point(student, tmp_path):
    measure_landscape([student, replace(student, seed=8)], tmp_path / "landscape.csv", DEVICE)
    with (tmp_path / "landscape.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS == LANDSCAPE
    assert len(rows) == 2 * DIRECTIONS * len(POINTS)
    assert {row["seed"] for row in rows} == {"7", "8"}
    family = load_family(student.model)
    family.module.eval()
    own = reference_loss(family, batches(student))
    assert {row["loss"] for row in rows if row["alpha"] == "0.0"} == {f"{own:.6g}"}
    along = direction(family.module, 2)
    with torch.no_grad():
        for name, parameter in family.module.named_parameters():
            if name in along:
                parameter.add_(0.3 * along[name])
    (moved,) = (r["loss"] for r in rows if (r["seed"], r["direction"], r["alpha"]) == ("8", "2", "0.3"))
    assert float(moved) == pytest.approx(reference_loss(family, batches(student)), rel=1e-5)


def test_the_same_bytes_again(student, tmp_path):
    for name in ("a", "b"):
        measure_landscape([student], tmp_path / name, DEVICE)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_nobody_to_measure_is_an_empty_table(tmp_path):
    measure_landscape([], tmp_path / "landscape.csv", DEVICE)
    assert (tmp_path / "landscape.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_a_model_that_is_not_there_is_named(student, tmp_path):
    with pytest.raises(InputError, match=r"model.safetensors: no such file; run stage S.task.1 again"):
        measure_landscape([replace(student, model=tmp_path)], tmp_path / "landscape.csv", DEVICE)


def cell(method, pair="T-S", role="student", seed=1):
    return Cell("atkd", role, method, pair, seed, ())


def test_students_stand_beside_those_without_atkd_on_the_same_pair():
    both = [cell("GKD", seed=seed) for seed in (1, 2)] + [cell("GKD + ATKD", seed=seed) for seed in (1, 2)]
    others = [
        *(cell("Supervised KD"), cell("Supervised KD + ATKD", "T2-S")),
        *(cell("SFT"), cell("ImitKD + ATKD"), cell("OPT", "T", "teacher")),
        *(cell("Reverse KD"), cell("Reverse KD + ATKD", role="variant")),
    ]
    assert beside_atkd([*others[:3], *both, *others[3:]]) == both
    assert beside_atkd(others) == []


def test_students_of_a_plan(tmp_path):
    plan = Plan(load("smoke", {"papers": ["atkd"]}), tmp_path)
    found = students_of(plan, "atkd")
    assert [one.method for one in found] == ["Supervised KD", "Supervised KD + ATKD"]
    for one in found:
        stage = plan.stage(one.stage)
        assert (one.family, one.sets, one.seed) == ("opt", ("dolly", "bbh"), stage.seed)
        assert one.model == plan.layout.stage(stage) / "tasks" / "instructions"
        assert one.words.name == stage.data and one.text.name == stage.text("instructions")
