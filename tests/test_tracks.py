"""Tracks: models as architectures, rows of tables as stages, and what is refused."""

from dataclasses import asdict, replace

import pytest
from small_tracks import FAMILIES, TASKS, chain, config_of, overrides, paper, text_task, track, track_section

from retort.config.texts import TextModel
from retort.corpora import TextCorpus
from retort.distill.alignment import CKA, GatheredCKA
from retort.errors import InputError
from retort.plan import Plan
from retort.quirks import CKA_LEDGER, LEDGERS
from retort.recipes.cka import METHODS
from retort.recipes.cka_one_recipe import METHODS as ONE_RECIPE
from retort.stages import Truncation
from retort.track_models import architectures, text_architecture

FULL = TextModel(
    encoder_layers=3, decoder_layers=2, width=24, heads=4, inner=48, positions=77, dropout=0.25, head_width=5,
    tied=False, scaled_embedding=True,
)  # fmt: skip


@pytest.mark.parametrize(("family", "kind"), [("bart", "bart"), ("mbart50", "mbart"), ("t5", "t5")])
def test_every_field_of_a_model_is_carried_over(family, kind):
    made = asdict(text_architecture("X", track(family, {}, {}).model_copy(update={"models": {"X": FULL}})))
    assert made.pop("name") == "X" and made.pop("kind") == kind
    expected = FULL.model_dump(exclude={"devices"})
    assert {name: made[name] for name in expected} == expected


def test_all_models_of_all_tracks():
    tracks = {
        "one": track("bert", {"B": (3, 8), "S": (1, 4)}, {"RTE": text_task(9)}),
        "two": track("bart", {"B": (2, 12)}, {}),
    }
    found = architectures(paper(**tracks))
    sizes = {
        name: {s: (a.encoder_layers, a.width) for s, a in models.items()} for name, models in found.items()
    }
    assert sizes == {"one": {"B": (3, 8), "S": (1, 4)}, "two": {"B": (2, 12)}}


# Rows as stages


LABELS = ("BERT", "BART", "mBART", "T5")
RELEASED = {label: [m.name for m in METHODS if m.name.split()[0] == label] for label in LABELS}
KINDS = ("CKA", "linear", "cosine", "none")


def plan_of(*labels, quirks=(), chosen=None, **changes):
    """A plan of all rows of some families; ``changes``: of every track."""
    tracks = {label.lower(): track_section(label, RELEASED[label], KINDS) | changes for label in labels}
    made = overrides(**tracks) | {"quirks": chosen or {}}
    made["variants"]["quirks"] = list(quirks)
    return Plan(config_of(made))


@pytest.fixture(scope="module")
def plan():
    """All rows of all families."""
    return plan_of(*LABELS)


def cells_of(plan):
    return {cell.method: cell for cell in plan.cells if cell.role != "teacher"}


def test_all_rows_are_there_teachers_first(plan):
    found = {label: [c for c in plan.cells if c.method.split()[0] == label] for label in LABELS}
    for label, cells in found.items():
        assert [(c.role, c.method, c.pair, c.seed) for c in cells[:1]] == [("teacher", label, label, 1234)]
        assert [c.method for c in cells[1:]] == RELEASED[label] + [f"{label} {k} (one recipe)" for k in KINDS]
        assert {c.role for c in cells[len(RELEASED[label]) + 1 :]} == {"variant"}
        assert {c.paper for c in cells} == {"cka"} and {c.tasks for c in cells} == {(TASKS[label],)}
    assert len(plan.cells) == 26 + 4 * 4 + 4


@pytest.mark.parametrize("name", [m.name for m in (*METHODS, *ONE_RECIPE)])
def test_a_row_is_its_recipe_step_by_step(plan, name):
    """Chain, start, teacher by phase: a pretrained one on the corpus, a fine-tuned one on the tasks."""
    method = next(m for m in (*METHODS, *ONE_RECIPE) if m.name == name)
    cell, label = cells_of(plan)[name], name.split()[0]
    teacher = next(c for c in plan.cells if (c.role, c.pair) == ("teacher", label)).stages[0]
    stages = chain(cell.stages[0])
    assert [(s.phase, s.objective) for s in stages] == [(s.phase, s.objective) for s in method.steps]
    wide = "cosine" in name or "one recipe" in name
    assert cell.pair == f"{label}-{label}_{'W' if wide else '1'}"
    for number, stage in enumerate(stages):
        assert stage.architecture == text_architecture(cell.pair.partition("-")[2], track_of(plan, label))
        shown = teacher if stage.phase == "task" else teacher.init
        assert stage.teachers == ((shown,) if stage.objective.needs_teacher else ())
        assert stage.truncated == (Truncation(shown, method.cut) if number == 0 else None)
        assert (stage.seed, stage.data, stage.carry_lenses) == (1, plan.text[f"cka-{label.lower()}"], False)
        if stage.phase == "pretraining":
            assert stage.schooling.corpus == TextCorpus(FAMILIES[label], 20, "none")
        else:
            (run,) = stage.schooling
            assert (run.text, run.epochs) == (plan.text[f"cka-{label.lower()}-{TASKS[label]}"], 2)
    assert teacher.init.schooling.corpus.noise == {"BERT": "words", "T5": "none"}.get(label, "infilling")
    assert (teacher.truncated, teacher.teachers, teacher.init.init) == (None, (), None)


def track_of(plan, label):
    return plan.config.cka.tracks[label.lower()]


def test_equal_rows_share_stages(plan):
    """mBART's ``none`` starts from what ``linear`` made on the corpus, as the authors' script does."""
    stages = {name: chain(cell.stages[0]) for name, cell in cells_of(plan).items()}
    assert stages["mBART none"][0].id == stages["mBART linear"][0].id != stages["mBART CKA"][0].id
    assert stages["mBART none"][1].id != stages["mBART linear"][1].id
    ids = [stage.id for chained in stages.values() for stage in chained]
    teachers = {stage.id for cell in plan.cells if cell.role == "teacher" for stage in chain(cell.stages[0])}
    assert len(set(ids)) == len(ids) - 1 and {*ids, *teachers} == set(plan.stages)


def test_what_a_row_goes_on_as_decides_its_rate(plan):
    for name, other in (("BART CKA C4", "BART CKA"), ("BART linear C4", "BART linear")):
        assert rates(plan, name) == rates(plan, other)


def rates(plan, name, phase="task"):
    stage = next(s for s in chain(cells_of(plan)[name].stages[0]) if s.phase == phase)
    schooling = stage.schooling if phase == "pretraining" else stage.schooling[0]
    return schooling.optimiser


def test_released_rates_are_in_proportion_to_the_first_method_s(plan):
    """BART CKA's script has 1e-4, here 2e-3; linear's 3e-5, its projection 1e-4, each with a decay."""
    assert (rates(plan, "BART CKA").learning_rate, rates(plan, "BART CKA").weight_decay) == (2e-3, 5e-3)
    linear = rates(plan, "BART linear")
    assert (linear.learning_rate, linear.weight_decay) == (6e-4, 5e-3)
    assert (linear.lenses.learning_rate, linear.lenses.weight_decay) == (pytest.approx(2e-3), 5e-4)
    forward = rates(plan, "BART CKA forward")  # its script takes the rate as an argument
    assert (forward.learning_rate, forward.schedule, forward.lenses) == (6e-4, "cosine", None)
    assert (rates(plan, "mBART linear").learning_rate, rates(plan, "mBART linear").weight_decay) == (
        1e-3,
        5e-3,
    )
    assert rates(plan, "BERT CKA 16", "pretraining").learning_rate == 1e-3
    projected = rates(plan, "BERT linear", "pretraining")
    assert (projected.learning_rate, projected.lenses.learning_rate) == (2e-3, pytest.approx(2e-3))


def test_rows_under_one_recipe_and_those_without_a_script_have_the_track_s_own_rate(plan):
    for name in (*cells_of(plan),):
        if "one recipe" in name:
            own = rates(plan, name)
            assert (own.learning_rate, own.weight_decay, own.schedule, own.lenses) == (
                2e-3,
                0.01,
                "linear",
                None,
            )
    assert rates(plan, "BERT linear") == rates(plan, "BERT CKA") == rates(plan, "T5 CKA")


def test_methods_of_one_recipe_differ_in_their_hidden_states_alone(plan):
    for label in LABELS:
        stages = [chain(cells_of(plan)[f"{label} {kind} (one recipe)"].stages[0]) for kind in KINDS]
        plain = [{to_json_without_states(stage) for stage in chained[:1]} for chained in stages]
        assert len(set.union(*plain)) == 1, label


def to_json_without_states(stage):
    words = tuple(term for term in stage.objective.terms if term.layers is None)
    return replace(stage, objective=replace(stage.objective, terms=words)).digest


def test_every_seed_and_every_student_has_its_row():
    track = track_section("T5", [])
    track["methods"] = {"T5 CKA": ["T5_1", "T5_W"]}
    made = overrides(t5=track)
    made["cka"]["seeds"] = [3, 4]
    found = [(c.pair, c.seed) for c in Plan(config_of(made)).cells]
    assert found == [("T5", 1234), ("T5-T5_1", 3), ("T5-T5_1", 4), ("T5-T5_W", 3), ("T5-T5_W", 4)]


def test_an_imported_teacher_is_not_pretrained_and_one_without_pretraining_starts_with_the_tasks():
    for change, imported in (({"import_teacher": {"BART": "given"}}, "given"), ({}, None)):
        track = track_section("BART", ["BART CKA"]) | change
        track["pretraining"] = track["pretraining"] | {"teacher": None, "student": None}
        (teacher, student) = Plan(config_of(overrides(bart=track))).cells
        start = teacher.stages[0].init
        assert (start and (start.imported, start.schooling)) == (imported and (imported, None))
        assert student.stages[0].teachers == teacher.stages and student.stages[0].init is None


# Quirks


def test_a_switched_quirk_has_its_rows_beside_the_others():
    like = cells_of(plan_of("T5", "BERT"))
    plan = plan_of("T5", "BERT", quirks=["cka-root", "t5-copies"])
    found = {c.method: c for c in plan.cells if c.role == "quirk"}
    cka = ["T5 CKA", "BERT CKA", "BERT CKA 3", "BERT CKA 8", "BERT CKA 16"]
    assert set(found) == {f"{name} [cka-root: fixed]" for name in cka} | {
        f"{name} [t5-copies: fixed]" for name in ("T5 CKA", "T5 labels")
    }
    for name, cell in found.items():
        original = like[name.partition(" [")[0]]
        assert cell.stages != original.stages and cell.pair == original.pair
        assert [run.optimiser for run in cell.stages[0].schooling] == [
            run.optimiser for run in original.stages[0].schooling
        ]
    (root,) = {
        t.by for t in found["T5 CKA [cka-root: fixed]"].stages[0].objective.terms if isinstance(t.by, CKA)
    }
    assert root.squared


def test_switched_quirks_have_the_seeds_of_variants():
    made = overrides(t5=track_section("T5", RELEASED["T5"], KINDS)) | {"quirks": {}}
    made["variants"] |= {"quirks": ["t5-copies"], "seeds": [2, 3]}
    made["cka"]["seeds"] = [1, 2, 3]
    cells = [cell for cell in Plan(config_of(made)).cells if cell.role != "teacher"]
    seeds = {role: {c.seed for c in cells if c.role == role} for role in ("student", "variant", "quirk")}
    assert seeds == {"student": {1, 2, 3}, "variant": {1, 2, 3}, "quirk": {2, 3}}


def test_a_quirk_of_the_configuration_rewrites_the_rows_themselves():
    plan = plan_of("T5", chosen={"cka-micro-batch": "fixed"})
    terms = cells_of(plan)["T5 CKA"].stages[0].objective.terms
    assert [type(t.by) for t in terms if t.layers is not None] == [GatheredCKA] * 2
    assert [c.role for c in plan.cells].count("quirk") == 0


@pytest.mark.parametrize("quirk", [q.id for q in LEDGERS if q.switches])
def test_quirks_of_other_papers_change_no_row(quirk):
    changed = {c.method for c in plan_of("T5", "BERT", quirks=[quirk]).cells if c.role == "quirk"}
    assert bool(changed) <= (quirk in {q.id for q in CKA_LEDGER})


# Refused


@pytest.mark.parametrize(
    ("label", "change", "message"),
    [
        ("BART", {"methods": {"BART cosine": ["BART_1"]}},
         r"cka.tracks.x.methods.BART cosine: compares states of equal width, but BART has 16 and BART_1 8"),
        ("BART", {"variants": {"BART cosine (one recipe)": ["BART_1"]}},
         r"BART cosine \(one recipe\): compares states"),
        ("T5", {"methods": {"BART CKA": ["T5_1"]}}, "BART CKA is for bart models, this track has t5"),
        ("T5", {"methods": {"T5 CAK": ["T5_1"]}}, "methods: no recipe for 'T5 CAK'; did you mean 'T5 CKA'?"),
        ("T5", {"methods": {"T5 CKA": ["T5_2"]}}, "cka.tracks.x: no model 'T5_2'; did you mean 'T5"),
        ("T5", {"teachers": ["T6"]}, "cka.tracks.x: no model 'T6'; valid: T5, T5_1, T5_W"),
        ("T5", {"import_teacher": {"T6": "given"}}, "cka.tracks.x: no model 'T6'; valid: T5, T5_1, T5_W"),
        ("T5", {"tasks": {"XSum": {"source": 24, "target": 12}}},
         r"x.tasks.XSum: target and decoding go together; give both or none"),
        ("BERT", {"pretraining": {"teacher": None}},
         r"pretraining.teacher: is null, but BERT CKA learns from BERT on the corpus; give it a run, impor"),
        ("BERT", {"pretraining": {"student": None}},
         r"pretraining.student: is null, but BERT CKA learns on the corpus; give it a run, or leave"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(label, change, message):
    track = track_section(label, RELEASED[label][:1])
    for key, value in change.items():
        track[key] = track[key] | value if key == "pretraining" else value
    with pytest.raises(InputError, match=message) as error:
        _ = Plan(config_of(overrides(x=track))).cells
    assert "\n" not in str(error.value)
