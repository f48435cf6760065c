"""The ledger of quirks: where papers, their code and the methods they cite disagree.

``as_run`` is what produced the published numbers and the default. Another switch rewrites a
method's objective, so that the difference can be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from retort.distill.distances import SoftCrossEntropy
from retort.distill.lenses import Log
from retort.distill.objective import Objective, Term
from retort.errors import InputError

Rewrite = Callable[[Objective], Objective]


@dataclass(frozen=True)
class Quirk:
    """One disagreement.

    Attributes:
        id: name in the configuration.
        where: methods or steps it concerns.
        evidence: what shows it.
        effect: what it does to a run.
        switches: what to do instead of ``as_run``; a quirk without switches is documented only.
        methods: names of the rows that it concerns; none: all rows.
    """

    id: str
    where: str
    evidence: str
    effect: str
    switches: Mapping[str, Rewrite] = field(default_factory=dict)
    methods: tuple[str, ...] = ()


def _each_term(change: Callable[[Term], Term]) -> Rewrite:
    return lambda objective: objective.each(change)


def _mean_over_valid(term: Term) -> Term:
    return replace(term, norm="valid")


def _with_squared_temperature(term: Term) -> Term:
    if isinstance(term.by, SoftCrossEntropy) and term.by.temperature != 1:
        return replace(term, by=replace(term.by, squared=True))
    return term


def _on_probabilities(term: Term) -> Term:
    return replace(term, via=(Log(), *term.via)) if term.site == "probs" else term


_GLMD = ("GLMD-vc", "GLMD", "GLMD-vc+mo", "GLMD-vc+al", "GLMD+al")

LEDGER: tuple[Quirk, ...] = (
    Quirk(
        "masked-means",
        "all masked terms",
        "aitsc/GLMKD distill/custom_loss.py multiplies inputs by the mask and averages over all positions",
        "a term shrinks with the share of padding; its scale depends on the padded length",
        {"fixed": _each_term(_mean_over_valid)},
        methods=("DistilBERT", "DIITO", "RAIL-KD", "TMKD", *_GLMD),
    ),
    Quirk(
        "soft-loss-t2",
        "KD and every method with a soft cross-entropy at a temperature above 1",
        "aitsc/GLMKD distill/distill_model.py pre_loss; Hinton et al. (2015) scale by T^2",
        "at temperature 10 the soft loss weighs about a hundredth of what it was designed to",
        {"fixed": _each_term(_with_squared_temperature)},
        methods=("KD", "ALP-KD", "CKD", "RAIL-KD", "RL-KD", "DGKD"),
    ),
    Quirk(
        "minilm-softmax",
        "MiniLM",
        "aitsc/GLMKD distill/distill_model.py hands attention probabilities to a divergence of logits",
        "a second softmax makes every attention row almost uniform, so that the term is nearly silent",
        {"fixed": _each_term(_on_probabilities)},
        methods=("MiniLM", "RAIL-KD"),
    ),
    Quirk(
        "theseus-all-teacher",
        "Theseus",
        "aitsc/GLMKD distill/distill_model.py appends a second draw where the first kept no student block",
        "the first draw stands: a step may train the embeddings and the last LayerNorm alone",
        methods=("Theseus",),
    ),
    Quirk(
        "diito-site",
        "DIITO",
        "aitsc/GLMKD distill/distill_model.py writes into the output of a block's input LayerNorm",
        "only the attention of one block sees the exchanged tokens, the residual stream does not",
        methods=("DIITO",),
    ),
    Quirk(
        "uncertainty-mean",
        "Uncertainty",
        "aitsc/GLMKD distill/multi_teacher_model.py averages routed losses over the batch and the teachers",
        "with two teachers the soft loss weighs a quarter of what Li et al. (2021) give it",
        methods=("Uncertainty",),
    ),
    Quirk(
        "policy-gradient",
        "RL-KD",
        "aitsc/GLMKD distill/multi_teacher_model.py weights the probability of an action, not its logarithm",
        "the policy's gradient is not that of REINFORCE; unselected teachers also count in the mean",
        methods=("RL-KD",),
    ),
    Quirk(
        "mgskd-spans",
        "MGSKD",
        "aitsc/GLMKD distill/distill_model.py cuts rows at random; Liu et al. (2022) take phrases",
        "spans mean nothing and may hold padding",
        methods=("MGSKD",),
    ),
    Quirk(
        "unread-options",
        "ALP-KD, RAIL-KD",
        "aitsc/GLMKD never reads alp_kd_lambda and rail_kd_layer_wise_alpha",
        "ALP-KD's feature loss weighs 1 where its authors meant 0.2",
        methods=("ALP-KD", "RAIL-KD"),
    ),
    Quirk(
        "cb-selection",
        "choice of the best evaluation on CB",
        "aitsc/GLMKD distill/auto_tune.py adds F1 as a fraction to accuracy in percent",
        "accuracy alone decides which evaluation of CB is reported",
    ),
    Quirk(
        "unmapped-embedding",
        "GLMD",
        "the paper's eq. 5 slices the teacher's embedding; the authors' command does not",
        "students with a compressed vocabulary start from random embeddings",
        methods=("GLMD", "GLMD+al"),
    ),
    Quirk(
        "floor-of-linear-decay",
        "all task stages",
        "the paper says linear decay; aitsc/GLMKD learning_rates.py stops at a tenth of the peak",
        "the last updates are larger than with a decay to zero",
    ),
    Quirk(
        "gradient-clipping",
        "all task stages",
        "Table 8 of the paper says 0.1, the task configurations of aitsc/GLMKD say 1.0",
        "1.0 is used",
    ),
)


def rewrite(objective: Objective, chosen: Mapping[str, str]) -> Objective:
    """Apply the chosen switches to an objective.

    Raises:
        InputError: no such quirk, or it has no such switch.
    """
    by_id = {quirk.id: quirk for quirk in LEDGER}
    for name, switch in sorted(chosen.items()):
        if name not in by_id:
            raise InputError(f"quirks.{name}: no such quirk; use one of {', '.join(sorted(by_id))}")
        if switch == "as_run":
            continue
        if switch not in by_id[name].switches:
            offered = ", ".join(["as_run", *by_id[name].switches])
            raise InputError(f"quirks.{name}: no switch {switch!r}; it has {offered}")
        objective = by_id[name].switches[switch](objective)
    return objective
