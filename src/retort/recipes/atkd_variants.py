"""The ablations of the ATKD paper: one thing changed in a method, on the data's own answers.

No printed score of these is known to us. The paper's figures 5a and 5b vary how many words are hard and how
much the easy ones weigh; section 2 asks which words and which part of KL matter.
"""

from __future__ import annotations

from dataclasses import replace

from retort.distill.decoupled import Decoupled
from retort.distill.distances import KL
from retort.distill.objective import Objective
from retort.distill.positions import Scope, TokenGroup
from retort.recipes import Method
from retort.recipes.atkd import ADAPTIVE, SUPERVISED, adaptive, tokens
from retort.recipes.glmd_variants import Variant

HARD, EASY = TokenGroup(group="hard"), TokenGroup(group="easy")
TARGET, OTHERS, BOTH = Decoupled(1.0, 0.0), Decoupled(0.0, 1.0), Decoupled(1.0, 1.0)
_ATKD = ADAPTIVE[0]


def _with(method: Method, name: str, objective: Objective) -> Method:
    *before, last = method.steps
    steps = (*before, replace(last, objective=objective))
    return replace(method, name=f"{method.name} {name}", steps=steps, tuned_as=method.name)


_ANALYSIS = (
    ("the target part alone", "target", tokens(TARGET)),
    ("the part of the others alone", "others", tokens(OTHERS)),
    ("both parts, neither weighted by uncertainty", "parts", tokens(BOTH)),
    ("hard words alone", "hard", tokens(KL(), HARD)),
    ("easy words alone", "easy", tokens(KL(), EASY)),
    ("the target part, of hard words alone", "hard-target", tokens(TARGET, HARD)),
    ("the target part, of easy words alone", "easy-target", tokens(TARGET, EASY)),
    ("the part of the others, of hard words alone", "hard-others", tokens(OTHERS, HARD)),
    ("the part of the others, of easy words alone", "easy-others", tokens(OTHERS, EASY)),
)
ANALYSIS = tuple(
    Variant("section2", row, SUPERVISED.name, changed, _with(SUPERVISED, name, objective), chosen=True)
    for row, (changed, name, objective) in enumerate(_ANALYSIS, start=1)
)


def hard_share(percent: int) -> Method:
    """So many percent of the words are hard."""
    return _with(_ATKD, f"k={percent}", adaptive(TokenGroup(share=percent / 100)))


def easy_weight(value: float) -> Method:
    """Lambda."""
    return _with(_ATKD, f"lambda={value:g}", adaptive(easy_weight=value))


def ranked_in(scope: Scope) -> Method:
    """Words are ranked, and groups averaged, in smaller scopes than the batch."""
    return _with(_ATKD, f"scope={scope}", adaptive(TokenGroup(scope=scope)))


PERCENTS = (10, 20, 30, 40, 60, 70, 80, 90)
WEIGHTS = (0.0, 0.1, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FIGURE5A = tuple(
    Variant("figure5a", row, _ATKD.name, "percent of words that are hard", hard_share(value), value, True)
    for row, value in enumerate(PERCENTS, start=1)
)
FIGURE5B = tuple(
    Variant("figure5b", row, _ATKD.name, "weight of easy words", easy_weight(value), value, True)
    for row, value in enumerate(WEIGHTS, start=1)
)
_SCOPES: tuple[Scope, ...] = ("micro_batch", "sequence")
SCOPES = tuple(
    Variant("scopes", row, _ATKD.name, f"words ranked in each {scope.replace('_', '-')}", ranked_in(scope))
    for row, scope in enumerate(_SCOPES, start=1)
)

VARIANTS = (*ANALYSIS, *FIGURE5A, *FIGURE5B, *SCOPES)
