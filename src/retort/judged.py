"""Two students of the ATKD paper side by side: what they said to open questions, and a judge's verdict.

What a local judge says is its own: no score of GPT-4, and another judge may rank otherwise.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from retort.claims.answers import read_responses
from retort.claims.evidence import DRAWS, resampling
from retort.claims.prompts import Said, by_set
from retort.config.messages import nearest
from retort.data.instructions.formats import Instruction, read_instructions
from retort.data.instructions.sets import spec_of
from retort.data.manifests import read_manifest
from retort.errors import InputError
from retort.files import atomic_path, verify
from retort.texts import INSTRUCTIONS, raw_part

if TYPE_CHECKING:
    import numpy as np

    from retort.cells import Cell
    from retort.evaluation.judging import Ask, JudgedPairs
    from retort.evaluation.ratings import RatedPairs
    from retort.plan import Plan

PAPER = "atkd"
_STREAM = 100
"""Of random numbers: none that claims draw from."""


@dataclass(frozen=True)
class Sides:
    """Two entries of the tables, of the same pair and seed."""

    first: Cell
    second: Cell

    def slug(self, judge: str) -> str:
        """A file name of all that is compared, and by whom."""
        parts = (self.first.method, self.second.method, self.first.pair, f"s{self.first.seed}", judge)
        return "--".join(re.sub(r"[^\w.+=-]+", "_", part) for part in parts)


@dataclass(frozen=True)
class Responses:
    """What both said to the same questions.

    Attributes:
        questions, references, first, second: texts by key, set by set.
        sizes: questions of each set.
    """

    questions: Mapping[str, str]
    references: Mapping[str, str]
    first: Mapping[str, str]
    second: Mapping[str, str]
    sizes: Mapping[str, int]


def sides_of(plan: Plan, first: str, second: str, pair: str | None = None, seed: int | None = None) -> Sides:
    """Find two methods' entries in a plan.

    Args:
        plan: of the run.
        first, second: methods, as tables name them.
        pair: of models; may be left out where both methods have one alone.
        seed: of both; ``None``: the first that both have.

    Raises:
        InputError: no such method, pair or seed, more than one pair, or a method beside itself.
    """
    cells = plan.cells_of(PAPER)
    methods = list(dict.fromkeys(cell.method for cell in cells))
    for option, name in (("--first", first), ("--second", second)):
        if name not in methods:
            known = nearest(name, methods) if methods else f"it has no rows of {PAPER}; add it to papers"
            raise InputError(f"{option}: no method {name!r} in this configuration; {known}")
    if first == second:
        raise InputError(f"--second: is {second!r}, as --first; name another method")
    ours, theirs = ({(c.pair, c.seed): c for c in cells if c.method == name} for name in (first, second))
    shared = [place for place in ours if place in theirs]
    pair = _chosen_pair(list(dict.fromkeys(name for name, _ in shared)), pair)
    seeds = [number for name, number in shared if name == pair]
    if seed is not None and seed not in seeds:
        raise InputError(
            f"--seed: both have no seed {seed} on {pair}; there are {', '.join(map(str, seeds))}"
        )
    place = pair, seeds[0] if seed is None else seed
    return Sides(ours[place], theirs[place])


def _chosen_pair(pairs: list[str], pair: str | None) -> str:
    if not pairs:
        raise InputError("--second: no pair of models has both methods; name two that were trained on one")
    if pair is None and len(pairs) > 1:
        raise InputError(f"--pair: both methods have {', '.join(pairs)}; name one of them")
    if pair is not None and pair not in pairs:
        raise InputError(f"--pair: no {pair!r} that both methods have; {nearest(pair, pairs)}")
    return pair or pairs[0]


def responses_of(plan: Plan, sides: Sides) -> Responses:
    """Read what both students said to the open questions, from the predictions of their task stages.

    Raises:
        InputError: a run is not finished or its predictions are damaged, they are of different questions, or
            no open question is among them.
    """
    ours, theirs = (_said(plan, cell) for cell in (sides.first, sides.second))
    if [line.key for line in ours] != [line.key for line in theirs]:
        raise InputError("the students answered different questions; run both again with one configuration")
    parts = by_set(ours)
    if not parts:
        raise InputError("no set of open questions is among the track's; add one to instructions.sets")
    questions = {key: text for name in parts for key, text in _questions(plan, name).items()}
    if lost := [line.key for line in ours if line.key not in questions]:
        raise InputError(f"the data have no question {lost[0]}; run the students again on them")
    return Responses(
        questions={line.key: questions[line.key] for line in ours},
        references={line.key: line.references[0] for line in ours},
        first={line.key: line.text for line in ours},
        second={line.key: line.text for line in theirs},
        sizes={name: len(lines) for name, lines in parts.items()},
    )


def _said(plan: Plan, cell: Cell) -> list[Said]:
    (stage,) = cell.stages
    path = plan.layout.task_model(stage, INSTRUCTIONS) / "predictions.jsonl"
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; {cell.method} on {cell.pair} with seed {cell.seed} is not finished, run "
            "the workflow first"
        )
    verify(path)
    return [line for line in read_responses(path) if spec_of(line.set).role == "generation"]


def _questions(plan: Plan, name: str) -> dict[str, str]:
    manifest = plan.layout.data(plan.data[raw_part(PAPER, name)]) / "manifest.json"
    path = manifest.parent / read_manifest(manifest)["instructions"][name]
    return {item.key: _asked(item) for item in read_instructions(name, path)}


def _asked(item: Instruction) -> str:
    return f"{item.instruction}\n\n{item.input}" if item.input else item.instruction


def judge_students(
    ask: Ask, sides: Sides, stored: Responses, out: Path, *, ratings: bool = False
) -> Iterator[str]:
    """Ask a judge about every question in both orders, write its verdicts, and say what they come to.

    Args:
        ask: the judge.
        sides: who is compared; ``stored``: what they said.
        out: a CSV file: set, item, what was preferred in each order, the verdict, and ratings.
        ratings: whether to rate each student against the references, too.
    """
    from retort.evaluation.judging import AskedJudge, judge_pairs
    from retort.evaluation.ratings import rate_pairs

    judged = judge_pairs(AskedJudge(ask), stored.questions, stored.first, stored.second)
    both = (stored.first, stored.second) if ratings else ()
    rated = [rate_pairs(ask, stored.questions, texts, stored.references) for texts in both]
    _write(out, judged, rated)
    yield from _summary(sides, stored, judged)
    for cell, found in zip((sides.first, sides.second), rated, strict=False):
        yield (
            f"ratings of {cell.method} over those of the references: {_percent(found.ratio)}; "
            f"unreadable replies {_percent(100 - found.readable)}"
        )
    yield f"wrote {out}"


def _summary(sides: Sides, stored: Responses, judged: JudgedPairs) -> Iterator[str]:
    import numpy as np

    first, second = sides.first, sides.second
    sets = ", ".join(f"{name} {number}" for name, number in stored.sizes.items())
    yield f"{first.method} against {second.method} on {first.pair}, seed {first.seed}: {sets}"
    wins, ties, losses = (int((judged.outcomes == value).sum()) for value in (1.0, 0.5, 0.0))
    weights = resampling(_STREAM, list(stored.sizes.values()), DRAWS)
    low, high = np.quantile(judged.win_rates(weights), (0.025, 0.975))
    yield (
        f"wins {wins}, ties {ties}, losses {losses}; win rate {_percent(judged.win_rate)}, "
        f"95 % interval over questions {low:.1f} to {high:.1f}"
    )
    yield (
        f"unreadable replies {_percent(100 - judged.readable)}; the first place is preferred by "
        f"{_percent(judged.first)} of the others"
    )


def _percent(value: float) -> str:
    return "none" if value != value else f"{value:.1f} %"


_NAMES = {1.0: "first", 0.0: "second", 0.5: "tie"}
_RATINGS = tuple(f"{side}_{what}" for side in ("first", "second") for what in ("rating", "reference_rating"))


def _write(out: Path, judged: JudgedPairs, rated: list[RatedPairs]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    head = ("set", "item", "first_shown_first", "second_shown_first", "verdict", *(_RATINGS if rated else ()))
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(head)
        for place, key in enumerate(judged.keys):
            name, _, item = key.partition("/")
            verdicts = (_NAMES.get(value, "unreadable") for value in judged.sides[place].tolist())
            numbers = (_number(value) for pairs in rated for value in pairs.ratings[place])
            writer.writerow((name, item, *verdicts, _NAMES[judged.outcomes[place]], *numbers))


def _number(value: np.floating) -> str:
    return "" if value != value else f"{value:g}"
