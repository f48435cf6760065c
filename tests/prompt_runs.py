"""A small finished run of the paper on causal models, in the real formats, with made-up numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from run_cards import run_card
from text_runs import OPTIMISER, write_csv

from retort.config import load
from retort.files import digest_of, write_json, write_text
from retort.reporting.results import LANDSCAPE
from retort.reporting.scores import COLUMNS

SEEDS = (1, 2, 3)
SETS = {"opt": ("dolly", "vicuna", "bbh"), "gpt_neox": ("dolly", "bbh")}
LABELS = {"opt": "OPT", "gpt_neox": "Pythia"}
TEACHERS = {"opt": {"OPT_4x64": 60.0, "OPT_3x64": 58.0, "OPT_2x64": 50.0}, "gpt_neox": {"Py_2x64": 55.0}}
"""By family, with their levels; the first is the largest."""
STUDENTS = {"opt": "OPT_1x32", "gpt_neox": "Py_1x32"}
LEVELS = {
    "SFT": 18.0, "Supervised KD": 20.0, "Supervised KD + ATKD": 26.0, "GKD": 22.0, "GKD + ATKD": 23.0,
    "Skew KL": 21.0,
}  # fmt: skip
"""Mean over seeds on the first set, taught by the largest teacher."""
ON_LADDERS = {"Supervised KD": 4.0, "Supervised KD + ATKD": -2.0}
"""Methods that every teacher teaches, and the points that each smaller one makes better."""
VARIANTS = {
    "Supervised KD target": 12.0, "Supervised KD others": 17.0, "Supervised KD parts": 21.0,
    "Supervised KD hard": 19.0, "Supervised KD easy": 14.0, "Supervised KD hard-target": 15.0,
    "Supervised KD + ATKD k=30": 24.0, "Supervised KD + ATKD k=70": 22.0,
    "Supervised KD + ATKD lambda=0.9": 19.0,
}  # fmt: skip
"""Of the first family, with the levels."""
WORDS = 2000
STEP, LESS = 2.0, 4.0
"""Between seeds, and from set to set."""
ALPHAS = (-0.4, -0.2, 0.0, 0.2, 0.4)
"""Of slices through the loss."""
SWITCHED = ("GKD + ATKD [split-scope: as_released]", 20.0)


def prompt_config() -> dict[str, Any]:
    """The section ``atkd`` of a configuration: that of the pocket scale with other models and methods."""
    section = load("pocket").atkd
    assert section is not None
    base = json.loads(section.model_dump_json())
    alike = base["tracks"]["opt"]
    return base | {"seeds": list(SEEDS), "tracks": {family: _track(family, alike) for family in SETS}}


def _track(family: str, base: dict[str, Any]) -> dict[str, Any]:
    student = STUDENTS[family]
    symbols = (*TEACHERS[family], student)
    methods = {
        method: [pair for name, pair in _pairs(family) if name == method] for method in reversed(LEVELS)
    }
    alike = next(iter(base["models"].values()))
    return base | {
        "family": family,
        "models": {symbol: alike | size_of(symbol) for symbol in symbols},
        "teachers": list(TEACHERS[family]),
        "methods": methods,
        "variants": {name: [student] for name in VARIANTS} if family == "opt" else {},
        "instructions": base["instructions"] | {"sets": list(SETS[family])},
        "gates": {"dolly": 59} if family == "opt" else {},
    }


def size_of(symbol: str) -> dict[str, int]:
    """Of the model with a symbol: ``OPT_2x64`` has two layers 64 wide."""
    layers, width = map(int, symbol.partition("_")[2].split("x"))
    return {"encoder_layers": 0, "decoder_layers": layers, "width": width, "inner": 4 * width}


def _pairs(family: str) -> Iterator[tuple[str, str]]:
    """(method, pair) of the main table."""
    for method in LEVELS:
        for place, teacher in enumerate(TEACHERS[family]):
            if place == 0 or method in ON_LADDERS:
                yield method, f"{teacher}-{STUDENTS[family]}"


def cells() -> Iterator[tuple[str, str, str, str, int, float]]:
    """(role, family, method, pair, seed, level) of everything that is trained."""
    for family, teachers in TEACHERS.items():
        for teacher, level in teachers.items():
            yield "teacher", family, LABELS[family], teacher, 1234, level
        for method, pair in _pairs(family):
            place = list(teachers).index(pair.partition("-")[0])
            level = LEVELS[method] + place * ON_LADDERS.get(method, 0.0)
            yield from (("student", family, method, pair, seed, level) for seed in SEEDS)
    pair = f"OPT_4x64-{STUDENTS['opt']}"
    for method, level in VARIANTS.items():
        yield from (("variant", "opt", method, pair, seed, level) for seed in SEEDS)
    yield from (("quirk", "opt", SWITCHED[0], pair, seed, SWITCHED[1]) for seed in SEEDS)


def values(family: str, role: str, seed: int, level: float) -> dict[str, float]:
    """Scores by set: some points less on later ones, and a step a seed."""
    around = 0.0 if role == "teacher" else STEP * (seed - 2)
    return {name: level + around - LESS * place for place, name in enumerate(SETS[family])}


def stage_of(method: str, pair: str, seed: int) -> str:
    """Name of a stage's folder."""
    return f"{pair.rpartition('-')[2]}.task.words.s{seed}.{digest_of([method, pair, seed])}"


def make_prompt_results(root: Path) -> None:
    """Write ``<root>/atkd`` and the folders of all runs."""
    rows: list[tuple[Any, ...]] = []
    for role, family, method, pair, seed, level in cells():
        stage = stage_of(method, pair, seed)
        for protocol, less in (("paper", 0.0), ("held_out", 1.0)):
            for name, value in values(family, role, seed, level).items():
                head = (role, method, pair, seed, "instructions", name)
                rows.append((*head, protocol, value - less, stage, "instructions"))
        write_run(root, stage, family, role, values(family, role, seed, level), method, pair)
    write_csv(root / "atkd" / "scores.csv", (*COLUMNS, "run"), rows)
    write_csv(root / "atkd" / "landscape.csv", LANDSCAPE, slices())


def slices() -> Iterator[tuple[Any, ...]]:
    """Parabolas around students with ATKD and without, which is steeper; one direction is twice the other."""
    for _, family, method, pair, seed, _ in cells():
        plain = method.removesuffix(" + ATKD")
        largest = next(iter(TEACHERS[family]))
        if pair == f"{largest}-{STUDENTS[family]}" and plain in ("Supervised KD", "GKD"):
            steep = (2.0 if method == plain else 1.0) + 0.1 * seed
            for direction, alpha in product(range(2), ALPHAS):
                loss = 1.5 + steep * (1 + direction) * alpha**2
                yield method, pair, seed, stage_of(method, pair, seed), direction, alpha, loss


def write_run(
    root: Path, stage: str, family: str, role: str, scores: dict[str, float], method: str, pair: str
) -> None:
    """A run's card, log and metrics: three evaluations, the second of which is the best."""
    terms = [
        {"site": "words", "by": {"is": "KL", "temperature": 1.0, "squared": False}, "weight": 1.0,
         "layers": None, "via": [], "mask": "predicted", "norm": "valid", "above": None, "edited": False}
    ]  # fmt: skip
    symbol = pair.rpartition("-")[2]
    run = {"is": "PromptRun", "task": "instructions", "text": "atkd.1", "epochs": 2, "batch_size": 4}
    described = {
        "is": "Stage", "phase": "task", "seed": 1, "data": "corpus.1", "task": "instructions",
        "architecture": {"is": "TextArchitecture", "name": symbol, "kind": family, "heads": 2}
        | size_of(symbol),
        "objective": {"terms": terms, "ensemble": {"is": "Mean"}, "edit": None},
        "schooling": [run | {"optimiser": OPTIMISER}], "init": None, "truncated": None, "teachers": [],
    }  # fmt: skip
    times = {"started": "2030-01-01T00:20:00+00:00", "finished": "2030-01-01T00:30:00+00:00"}
    card = run_card(stage, described, inputs={}, results={"best": scores}, **times)
    folder = root / "stages" / stage / "tasks" / "instructions"
    write_json(folder / "card.json", card)
    write_json(folder / "config.json", {"vocab_size": WORDS})
    write_text(folder / "log.jsonl", json.dumps({"step": 1, "loss": 1.0, "parts": {}}) + "\n")
    write_json(folder / "metrics.json", {"evaluations": evaluations(family, role, scores, method, pair)})


def evaluations(
    family: str, role: str, scores: dict[str, float], method: str, pair: str
) -> list[dict[str, Any]]:
    """Losses fall, responses get longer and end more often; larger teachers are surer."""
    found = []
    for part, less in enumerate((10.0, 0.0, 1.0)):
        losses: dict[str, float] = {"clm": 30 / LEVELS.get(method, 20.0) + 2 - part}
        if role != "teacher" and method != "SFT":
            losses["kl"] = 20 / LEVELS.get(method, 20.0) / (1 + part)
        for name in SETS[family]:
            own = {"ends": 40.0 + 20 * part, "length": 0.5 + 0.25 * part, "distinct1": 0.5, "distinct2": 0.75}
            if role != "teacher" and method != "SFT":
                own["teacher_nll"] = 4.0 - part if name == "dolly" else 1.0
            own |= {"starts" if name != "bbh" else "rougeL": 7.0}
            losses |= {f"{name}:{metric}": value for metric, value in own.items()}
        losses |= unsure(size_of(pair.partition("-")[0])["decoder_layers"])
        all_of = {name: value - less for name, value in scores.items()}
        line = {"step": 10 * part, "losses": losses} | dict.fromkeys(("all", "select", "report"), all_of)
        found.append(line)
    return found


def unsure(layers: int) -> dict[str, float]:
    """Shares of twenty bins: the deeper, the more in the first."""
    weights = [(1 - place / 20) ** layers for place in range(20)]
    return {f"uncertainty:{place / 20:g}": weight / sum(weights) for place, weight in enumerate(weights)}
