"""Objectives in a few plain words each, for the cells of a table."""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Any

from retort.distill.alignment import CKA, GatheredCKA
from retort.distill.decoupled import Decoupled
from retort.distill.distances import (
    KL,
    MSE,
    Cosine,
    CosineEmbedding,
    ReverseKL,
    SoftCrossEntropy,
    SumOfSquares,
)
from retort.distill.divergences import (
    AlphaBeta,
    GeneralisedJSD,
    Jeffreys,
    SkewKL,
    SkewReverseKL,
    TotalVariation,
)
from retort.distill.edits import ReplaceBlocks, ReplaceSomeBlocks, StandIns, SwapResiduals, SwapTokens
from retort.distill.ensembles import (
    InverseTeacherLoss,
    Mean,
    Policy,
    Reinforce,
    RouteByEntropy,
    RouteToMeans,
    SumOfSurvivors,
)
from retort.distill.granularities import RowStructure, TokenStructure
from retort.distill.layermaps import AllToAll, BlockEnds, Joint, Last, RandomGroup, RandomSubset, Uniform
from retort.distill.lenses import (
    Attend,
    Concat,
    FirstToken,
    Gram,
    Log,
    MeanTokens,
    Project,
    SharedProject,
    Stack,
    Times,
    Unit,
)
from retort.distill.objective import Objective, Term
from retort.distill.positions import Positions, TokenGroup
from retort.distill.relations import ContrastiveCosine, RelationAngle, RelationKL
from retort.distill.schedules import (
    AfterCurriculum,
    Complement,
    Curriculum,
    Linear,
    MeanOverPairs,
    RampThenOne,
    Scaled,
    Schedule,
    Steps,
)
from retort.recipes.formulas import number, renderer_of
from retort.recipes.outline import learns

SITES = {
    "hidden": "hidden states", "encoder": "encoder states", "scores": "attention scores",
    "probs": "attention probabilities", "q": "queries", "k": "keys", "v": "values", "words": "words",
    "class": "classes", "hard": "labels",
}  # fmt: skip


def _uniform(value: Uniform) -> str:
    embedding = value.embedding and value.start == 0
    parts = ["uniform", "with embeddings" if embedding else "", "" if value.last else "without the last"]
    if value.start:
        parts.append(f"from {value.start}")
    if value.stop is not None:
        parts.append(f"below {value.stop}")
    return ", ".join(filter(None, parts))


def _heated(name: str) -> Callable[[Any], str]:
    def words(value: KL | SoftCrossEntropy) -> str:
        if value.temperature == 1:
            return name
        return f"{name} at {number(value.temperature)}" + (" times T²" if value.squared else "")

    return words


def _reverse(value: ReverseKL) -> str:
    return "reverse KL" + ("" if value.temperature == 1 else f" at {number(value.temperature)} times T²")


def _decoupled(value: Decoupled) -> str:
    parts = {"target": value.target, "others": value.others}
    told = " + ".join(name if w == 1 else f"{number(w)} {name}" for name, w in parts.items() if w)
    return f"{'reverse ' if value.reverse else ''}KL of {told}"


def _positions(value: Positions) -> str:
    ends = ["with the word before" if value.first else "", "" if value.last else "without the last"]
    scope = "" if value.scope == "batch" else f"by {value.scope.replace('_', '-')}"
    return ", ".join(filter(None, [value.of, *ends, scope]))


def _group(value: TokenGroup) -> str:
    share = "by the median" if value.split == "median" else f"{number(100 * value.share)} % hard"
    over = "" if value.mean == "group" else "over all words"
    rest = _positions(value).removeprefix("predicted").removeprefix(", ")
    return ", ".join(filter(None, [f"{value.group} words", share, over, rest]))


WORDS: dict[type, Callable[[Any], str]] = {
    KL: _heated("KL"),
    ReverseKL: _reverse,
    CKA: lambda value: "linear CKA" if value.squared else "root of linear CKA",
    GatheredCKA: lambda value: ("" if value.squared else "root of ") + "linear CKA of the whole batch",
    SoftCrossEntropy: _heated("CE"),
    MSE: lambda value: "MSE",
    Cosine: lambda value: "cosine",
    CosineEmbedding: lambda value: "cosine",
    SumOfSquares: lambda value: "sum of squares",
    Decoupled: _decoupled,
    TotalVariation: lambda value: "total variation",
    GeneralisedJSD: lambda value: f"JSD with {number(value.beta)} of the teacher",
    Jeffreys: lambda value: f"{number(value.forward)} KL + {number(1 - value.forward)} reverse KL",
    SkewKL: lambda value: f"KL skewed by {number(value.alpha)}",
    SkewReverseKL: lambda value: f"reverse KL skewed by {number(value.alpha)}",
    AlphaBeta: lambda value: f"alpha-beta divergence ({number(value.alpha)}, {number(value.beta)})",
    Positions: _positions,
    TokenGroup: _group,
    ContrastiveCosine: lambda value: "contrastive cosine",
    RelationKL: lambda value: f"KL of relations of {value.of}",
    RelationAngle: lambda value: f"angles of {value.of}",
    TokenStructure: lambda value: f"structure of {'tokens' if value.spans is None else 'spans'}",
    RowStructure: lambda value: "structure of rows",
    Uniform: _uniform,
    BlockEnds: lambda value: "ends of blocks" + (", with embeddings" if value.embedding else ""),
    Last: lambda value: "last",
    AllToAll: lambda value: "all to all" + ("" if value.last else ", without the last"),
    Joint: lambda value: f"{_uniform(value.of)}, at once",
    RandomSubset: lambda value: "random, each epoch",
    RandomGroup: lambda value: "one at random, each step",
    Project: lambda value: f"{'projections' if value.per_layer or value.side == 'both' else 'projection'}",
    SharedProject: lambda value: "one projection for all",
    FirstToken: lambda value: "first token",
    MeanTokens: lambda value: "mean over tokens",
    Unit: lambda value: "unit length",
    Times: lambda value: "annealed",
    Log: lambda value: "logarithm",
    Gram: lambda value: "relations of tokens",
    Concat: lambda value: "side by side",
    Stack: lambda value: "stacked",
    Attend: lambda value: "attention over layers",
    Mean: lambda value: "mean over teachers",
    SumOfSurvivors: lambda value: "some teachers left out at random",
    InverseTeacherLoss: lambda value: "weighted by the teachers' own losses",
    Policy: lambda value: "teachers chosen by a policy",
    Reinforce: lambda value: "teachers chosen by REINFORCE",
    RouteByEntropy: lambda value: "routed by the student's entropy",
    RouteToMeans: lambda value: "routed by the student's entropy, means by teacher",
    ReplaceBlocks: lambda value: "teacher blocks in place of the student's",
    ReplaceSomeBlocks: lambda value: "some teacher blocks in place of the student's",
    SwapTokens: lambda value: "activations exchanged between rows",
    SwapResiduals: lambda value: "residual streams exchanged between rows",
    StandIns: lambda value: "mapped words for the teacher, too",
    Linear: lambda value: "linear",
    Steps: lambda value: "in steps",
    RampThenOne: lambda value: "ramp",
    Complement: lambda value: words_for(value.schedule),
    Scaled: lambda value: words_for(value.schedule),
    Curriculum: lambda value: "one more layer at a time",
    AfterCurriculum: lambda value: words_for(value.curriculum),
    MeanOverPairs: lambda value: "mean over layers",
}


def words_for(value: object) -> str:
    """A primitive in a few words; one from elsewhere by the name of its class."""
    render = renderer_of(value, WORDS, "primitive")
    return type(value).__name__ if render is None else str(render(value))


def compared(objective: Objective) -> str:
    """What is compared, neighbours of one kind together: ``hidden states, first token: MSE + labels``."""
    parts = [
        f"{what}: {', '.join(dict.fromkeys(how))}" if any(how) else what
        for what, how in (
            (what, [words_for(term.by) if term.by else "" for term in terms])
            for what, terms in groupby(objective.terms, _taken)
        )
    ]
    extra = [words_for(term.weight) for term in objective.terms if isinstance(term.weight, Schedule)]
    extra += [words_for(objective.edit)] if objective.edit else []
    extra += [words_for(objective.ensemble)] if not isinstance(objective.ensemble, Mean) else []
    return " + ".join(parts) + (f" ({'; '.join(dict.fromkeys(extra))})" if extra else "")


def _taken(term: Term) -> str:
    site = SITES.get(term.site, term.site)
    lenses = [words_for(step) for step in term.via]
    again = ["in the edited pass"] if term.edited else []
    chosen = [words_for(term.mask)] if isinstance(term.mask, Positions) else []
    return ", ".join([site, *chosen, *again, *lenses, *(["gated"] if term.above else [])])


def layer_maps(objective: Objective) -> str:
    """The layer maps in use."""
    return "; ".join(dict.fromkeys(words_for(term.layers) for term in objective.terms if term.layers))


def learned(objective: Objective) -> str:
    """What is trained beside the student."""
    found = ["policy" if isinstance(part, Policy) else words_for(part) for part in learns(objective)]
    return ", ".join(dict.fromkeys(found))
