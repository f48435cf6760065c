"""Equations against equations written by hand from the papers and the authors' code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

import retort.distill.alignment
import retort.distill.decoupled
import retort.distill.distances
import retort.distill.divergences
import retort.distill.edits
import retort.distill.ensembles
import retort.distill.granularities
import retort.distill.layermaps
import retort.distill.lenses
import retort.distill.positions
import retort.distill.relations
import retort.distill.schedules
from retort.distill.distances import KL, MSE, Distance
from retort.distill.ensembles import Ensemble
from retort.distill.layermaps import Last, RandomGroup, Uniform
from retort.distill.lenses import Lens, Project
from retort.distill.objective import match, soft
from retort.distill.schedules import Curriculum, Schedule
from retort.quirks import rewrite
from retort.recipes import equations, finetune, formulas, notation, wording
from retort.recipes.equations import LOSS, Scene, summands
from retort.recipes.glmd import METHODS
from retort.recipes.outline import outline, several_teachers

BY_NAME = {method.name: method for method in METHODS}
TINYBERT = r"\sum_{i=1}^{L} MSE(A^s_i, A^t_{m(i)}) + \sum_{i=0}^{L} MSE(\Pi(H^s_i), H^t_{m(i)})"
DISTILBERT = (
    r"5 \cdot 2^2 \cdot \langle KL_{2}(w^s, w^t) \rangle_{predicted} + 2 \cdot @ "
    r"+ \langle Cos(H^s_L, H^t_{L'}) \rangle_{valid}"
)
MINILM = r"KL(P^s_L, P^t_{L'}) + KL(gram(V^s_L), gram(V^t_{L'}))"
CONTRAST = r"Contrast(stack_{i=1}^{L}(W(H^s_i)), stack_{i=1}^{L}(H^t_{m(i)}))"
STACKS = r"(stack_{i=0}^{L}(H^s_i), stack_{i=0}^{L}(H^t_{m(i)}) \mid valid)"
RAIL = (
    r"0.3333 \cdot CE_{10}(c^s, c^t) + 0.3333 \cdot @ + 0.3333 \cdot SSE("
    r"unit(\Pi^s(concat_{i=1}^{L-1}(mean(H^s_i)))), unit(\Pi^t(concat_{i=1}^{L-1}(mean(H^t_{r(i)})))))"
)
RAMP = "ramp(0.7502; 0.666)"
WORDS = r"15^2 \cdot \langle KL_{15}(w^s, w^t_{\mathcal{K}}) \rangle_{valid}"

BY_HAND = {
    "KD": ["CE_{10}(c^s, c^t) + @"],
    "PD": ["@", "CE(c^s, c^t)"],
    "PKD": [
        r"0.5 \cdot 10^2 \cdot KL_{10}(c^s, c^t) + 0.5 \cdot @ "
        r"+ 100 \cdot \sum_{i=1}^{L-1} MSE(unit(first(H^s_i)), unit(first(H^t_{m(i)})))"
    ],
    "DistilBERT": [DISTILBERT, "@"],
    "Theseus": [r"\tilde{\mathcal{L}}_{hard}"],
    "TinyBERT": [TINYBERT, TINYBERT, "CE(c^s, c^t)"],
    "SID": [
        "@",
        r"\sum_{i=1}^{L} \kappa_i(1; 1; 0) \cdot KL(A^s_i, A^t_{m(i)}) "
        r"+ \sum_{i=1}^{L} \kappa_i(1; 1; 0) \cdot Cos(first(H^s_i), first(H^t_{m(i)})) "
        r"+ \tau(1) \cdot CE(c^s, c^t)",
    ],
    "MobileBERT": [
        r"0.5 \cdot \sum_{i=1}^{L} \kappa_i(0.8; 0.1; 1) \cdot KL(A^s_i, A^t_{m(i)}) "
        r"+ 0.5 \cdot \sum_{i=0}^{L} \kappa_i(0.8; 0.1; 1) \cdot MSE(H^s_i, H^t_{m(i)}) + \tau(0.8) \cdot @",
        "@",
    ],
    "MiniLM": [MINILM, "@"],
    "MiniLMv2": [
        " + ".join(f"KL(gram_{{16}}({x}^s_L), gram_{{16}}({x}^t_{{L'}}))" for x in "QKV"),
        "@",
    ],
    "ALP-KD": [
        r"0.7 \cdot CE_{20}(c^s, c^t) + 0.1 \cdot @ "
        r"+ \sum_{i=1}^{L} MSE(first(H^s_i), \sum_{j=1}^{L'} \alpha_{ij} first(H^t_j))"
    ],
    "LRC-BERT": ["@", CONTRAST, rf"{CONTRAST} + 1.1^2 \cdot KL_{{1.1}}(c^s, c^t) + 3 \cdot @"],
    "Annealing-KD": ["@", r"MSE(c^s, steps_7 \cdot c^t)", "@"],
    "CKD": [
        "@",
        rf"0.9 \cdot CE_{{3}}(c^s, c^t) + 0.1 \cdot @ "
        rf"+ Rel_{{tokens}}{STACKS} + 10 \cdot Angle_{{tokens,21}}{STACKS} "
        rf"+ Rel_{{layers}}{STACKS} + 10 \cdot Angle_{{layers}}{STACKS}",
    ],
    "Universal-KD": [
        r"0.5 \cdot KL(c^s, c^t) + 0.5 \cdot \sum_{i=1}^{L-1} "
        r"KL(W^s_i(first(H^s_i)), \sum_{j=1}^{L'-1} \alpha_{ij} W^t_j(first(H^t_j)))",
        "@",
    ],
    "DIITO": [
        r"0.25 \cdot 2^2 \cdot \langle KL_{2}(w^s, w^t) \rangle_{predicted} + 0.25 \cdot @ "
        r"+ 0.25 \cdot \langle Cos(H^s_L, H^t_{L'}) \rangle_{valid} "
        r"+ 0.25 \cdot 2^2 \cdot \langle KL_{2}(\tilde{w}^s, \tilde{w}^t) \rangle_{predicted}",
        "@",
    ],
    "Continuation-KD": [
        "@",
        rf"{RAMP} \cdot @ + (1 - {RAMP}) \cdot gate(MSE(c^s, steps_{{10}} \cdot c^t); steps_{{10}})",
    ],
    "RAIL-KD": [DISTILBERT, MINILM, RAIL],
    "GLMD": [WORDS, WORDS, "CE(c^s, c^t)"],
    "TMKD": [
        r"\frac{1}{N} \sum_{n=1}^{N} \langle MSE(w^s, w^{(n)}) \rangle_{predicted}",
        r"\frac{1}{N} \sum_{n=1}^{N} MSE(c^s, c^{(n)}) + 0.5 \cdot @",
    ],
    "MT-BERT": [
        r"\sum_{n=1}^{N} \frac{1}{1 + @^{(n)}} CE(c^s, c^{(n)}) + @ "
        r"+ \sum_{n=1}^{N} \sum_{i=1}^{L} MSE(H^s_i, \Pi^{(n)}(H^{(n)}_{m(i)}))"
    ],
    "RL-KD": [
        r"0.5 \cdot \frac{1}{N} \sum_{n=1}^{N} CE_{10}(c^s, c^{(n)}) + 0.5 \cdot @",
        r"0.5 \cdot \frac{1}{N} \sum_{n=1}^{N} a_n CE_{10}(c^s, c^{(n)}) + 0.5 \cdot @ "
        r"+ 0.5 \cdot @ \sum \pi'",
    ],
    "Uncertainty": [r"\frac{1}{N} \sum_{n=1}^{N} r_n KL(c^s, c^{(n)}) + @"],
    "TAKD": [r"10^2 \cdot KL_{10}(c^s, c^t) + @"],
    "DGKD": [
        r"10^2 \cdot KL_{10}(c^s, c^t) + @",
        r"0.5 \cdot \sum_{n=1}^{N} z_n CE_{10}(c^s, c^{(n)}) + 0.5 \cdot @",
    ],
}
"""Words stand for upright names, ``@`` for the hard loss."""


def tex(text):
    text = re.sub(r"(?<![\\a-zA-Z])(?!ij)([a-zA-Z]{2,})", r"\\mathrm{\1}", text)
    return text.replace("@", r"\mathcal{L}_{\mathrm{hard}}")


def equation(objective, *scene):
    """The whole loss."""
    return f"{LOSS} = " + " + ".join(summands(objective, *scene))


@pytest.mark.parametrize("name", BY_HAND)
def test_equations_are_those_written_by_hand(name):
    method = BY_NAME[name]
    found = [
        equation(part.objective, Scene(several_teachers(part), method.compression is not None))
        for part in outline(method)
    ]
    assert found == [rf"\mathcal{{L}} = {tex(right)}" for right in BY_HAND[name]]


def test_glmds_students_differ_in_their_words_alone():
    plain = [equation(part.objective) for part in outline(BY_NAME["GLMD-vc"])]
    assert plain == [equation(part.objective) for part in outline(BY_NAME["GLMD-vc+mo"])]
    assert plain[0] == r"\mathcal{L} = 15^2 \cdot \langle \mathrm{KL}_{15}(w^s, w^t) \rangle_{\mathrm{valid}}"


def test_bounds_of_a_sum_over_layers():
    lower, upper, rows = summands(outline(BY_NAME["MGSKD"])[1].objective)
    assert lower.startswith(r"\sum_{i=0}^{\min(2, L)} \mathrm{Tok}_{64,20,20}(H^s_i")
    assert upper.startswith(r"\sum_{i=0}^{\min(2, L)} \mathrm{Tok}_{64,20,20}(\mathrm{spans}_{0.4}(H^s_i)")
    assert rows == r"4 \cdot \sum_{i=3}^{L} \mathrm{Row}_{64}(H^s_i, H^t_{m(i)} \mid \mathrm{valid})"


def test_projections_of_one_stage_are_told_apart():
    both = match("hidden", Uniform(), MSE(), (Project(),)) + match("hidden", Last(), MSE(), (Project(),))
    assert summands(both) == [
        r"\sum_{i=1}^{L} \mathrm{MSE}(\Pi_1(H^s_i), H^t_{m(i)})",
        r"\mathrm{MSE}(\Pi_2(H^s_L), H^t_{L'})",
    ]


def test_a_mean_over_the_mask_alone_looks_different():
    (term,) = summands(outline(rewrite(BY_NAME["GLMD-vc"], {"masked-means": "fixed"}))[0].objective)
    assert term.endswith(r"\rangle_{\mathrm{valid}}^{\mathrm{only}}")


def test_what_no_fuse_joined_is_a_set():
    (term,) = summands(match("hidden", RandomGroup(), MSE()))
    assert term == r"\mathrm{MSE}(H^s_{\rho}, \lbrace H^t_j \rbrace_{j \in g(\rho)})"


# Primitives of a user's own


@dataclass(frozen=True)
class Huber(Distance):
    """Known to nobody else."""

    delta: float = 0.5
    kind: str = "smooth_l1"


@dataclass(frozen=True)
class Normalised(Lens):
    """Known to nobody else."""


@dataclass(frozen=True)
class Late(Schedule):
    """Known to nobody else."""

    begin: float


@dataclass(frozen=True)
class Random(Ensemble):
    """Known to nobody else."""


def test_primitives_from_elsewhere_show_name_and_fields():
    own = Late(0.5) * match("hidden", Last(), Huber(), (Normalised(),))
    assert summands(own) == [
        r"\mathrm{Late}(0.5) \cdot \mathrm{Huber}(0.5; \mathrm{smooth l1})"
        r"(\mathrm{Normalised}(\mathrm{both})(H^s_L), \mathrm{Normalised}(\mathrm{both})(H^t_{L'}))"
    ]
    assert equations.blend(Random()).weighted == r"\sum_{n=1}^{N} \mathrm{Random}"


def test_a_class_that_extends_a_known_one_is_written_as_that():
    @dataclass(frozen=True)
    class Milder(KL):
        pass

    assert summands(finetune(soft(Milder(2.0))).objective) == [r"2^2 \cdot \mathrm{KL}_{2}(c^s, c^t)"]


def test_an_own_primitive_without_a_renderer_is_an_error(monkeypatch):
    monkeypatch.delitem(equations.DISTANCES, MSE)
    with pytest.raises(TypeError, match="distance MSE has no renderer"):
        summands(match("hidden", Last(), MSE()))
    monkeypatch.delitem(formulas.SCHEDULES, Curriculum)
    with pytest.raises(TypeError, match="schedule Curriculum has no renderer"):
        formulas.schedule(Curriculum(1.0, 1.0, 0.0))


# Completeness

MODULES = (
    retort.distill.alignment,
    retort.distill.distances,
    retort.distill.decoupled,
    retort.distill.divergences,
    retort.distill.positions,
    retort.distill.relations,
    retort.distill.granularities,
    retort.distill.layermaps,
    retort.distill.lenses,
    retort.distill.schedules,
    retort.distill.ensembles,
    retort.distill.edits,
)


def listed():
    """The classes that the table of building blocks names."""
    page = (Path(__file__).parents[2] / "docs" / "adding-a-method.md").read_text()
    names = {
        name for line in page.splitlines() if line.startswith("|") for name in re.findall(r"`(\w+)`", line)
    }
    classes = {
        name: value for module in MODULES for name, value in vars(module).items() if isinstance(value, type)
    }
    return [classes[name] for name in sorted(names & classes.keys())]


def test_every_listed_block_has_a_formula_a_meaning_and_a_word():
    written = {
        **formulas.SCHEDULES, **formulas.LAYERS, **formulas.STEPS,
        **equations.DISTANCES, **equations.MASKS, **equations.ENSEMBLES, **equations.EDITS,
    }  # fmt: skip
    explained = {kind for entries in notation.SECTIONS.values() for kind in entries}
    assert len(listed()) > 43
    for kind in listed():
        assert kind in written, kind
        assert kind in explained, kind
        assert kind in wording.WORDS, kind
    assert set(written) <= explained
