"""The methods of the ATKD paper (Zhong et al., 2024), and its peers: causal language models on instructions.

ATKD parts the words of a batch by the teacher's uncertainty and teaches hard and easy ones differently. It is
put on top of other methods: their sequences stay, their divergence is replaced. The authors' code has it
forward and reversed; for divergences that are neither we take the forward form (quirk ``adaptive-form``).

The trainer as released does not run, so it made none of the printed numbers (quirk ``released-trainer``):
these recipes follow the paper, and ``as_released`` switches do what that code does. Means are over the words
of the whole batch. No method adds a loss of labels to its divergence.

The first step stands for the student's original checkpoint, which is no paper's own work.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from retort.distill.decoupled import Decoupled
from retort.distill.distances import KL, Distance, ReverseKL, TargetDistance
from retort.distill.divergences import AlphaBeta, GeneralisedJSD, SkewKL, SkewReverseKL, TotalVariation
from retort.distill.objective import Mask, Objective, hard, words
from retort.distill.positions import TokenGroup
from retort.recipes import DATA, Chain, Method, Sequences, Step, finetune, pretrain

_PAPER = (
    "Zhong et al. (2024). Revisiting knowledge distillation for autoregressive language models. ACL. arXiv "
    "2402.11890."
)
ORIGINAL = pretrain(hard())
HARD_HALF = TokenGroup(group="hard", share=0.5)
WITH_ATKD = " + ATKD"
"""After the name of what it is put on."""


# Terms and steps


def tokens(by: Distance | TargetDistance, mask: Mask = "predicted") -> Objective:
    """Compare word distributions at the words of the answer, or at some of them."""
    return words(by, mask, norm="valid")


def adaptive(
    hard_words: TokenGroup = HARD_HALF, easy_weight: float = 0.2, reverse: bool = False
) -> Objective:
    """ATKD: of easy words only how the others compare, of hard words the target, too.

    Args:
        hard_words: how words are parted, and how each group is averaged.
        easy_weight: lambda; hard words weigh the rest of 1.
        reverse: in both groups.
    """
    easy_words = replace(hard_words, group="easy")
    return easy_weight * tokens(Decoupled(0.0, 1.0, reverse), easy_words) + (1 - easy_weight) * tokens(
        Decoupled(1.0, 1.0, reverse), hard_words
    )


def _on(objective: Objective, sequences: Sequences = DATA) -> tuple[Step, Step]:
    """From the original checkpoint, on answers from somewhere."""
    return ORIGINAL, replace(finetune(objective), sequences=sequences)


def _method(name: str, objective: Objective, citation: str, sequences: Sequences = DATA) -> Method:
    return Method(name, _on(objective, sequences), citation, family="causal")


def with_atkd(method: Method, reverse: bool = False) -> Method:
    """ATKD on the same sequences."""
    original, step = method.steps
    name = f"{method.name}{WITH_ATKD}"
    steps = (original, replace(step, objective=adaptive(reverse=reverse)))
    return replace(method, name=name, steps=steps, citation=_PAPER, tuned_as=method.name)


TEACHER_TEXTS = Sequences("teacher")
OWN_TEXTS = Sequences("student")
HALF_OWN_TEXTS = Sequences("student", share=0.5)
MIXED_TEXTS = Sequences("student", share=0.5, otherwise="teacher")


# Labels


SFT = _method("SFT", hard(), "Fine-tuning on the data's own answers.")
SEQ_KD = _method(
    "SeqKD",
    hard(),
    "Kim and Rush (2016). Sequence-level knowledge distillation. EMNLP.",
    TEACHER_TEXTS,
)

# Baselines of the main table, and ATKD on each


SUPERVISED = _method(
    "Supervised KD",
    tokens(KL()),
    "Hinton et al. (2015). Distilling the knowledge in a neural network. Word by word as in Sanh et al. "
    "(2019).",
)
REVERSE = _method(
    "Reverse KD",
    tokens(ReverseKL()),
    "Gu et al. (2024). MiniLLM: Knowledge distillation of large language models. ICLR. Here word by word.",
)
IMIT_KD = _method(
    "ImitKD",
    tokens(KL()),
    "Lin et al. (2020). Autoregressive knowledge distillation through imitation learning. EMNLP.",
    OWN_TEXTS,
)
F_DISTILL = _method(
    "f-distill",
    tokens(TotalVariation()),
    "Wen et al. (2023). f-Divergence minimization for sequence-level knowledge distillation. ACL.",
    MIXED_TEXTS,
)
GKD = _method(
    "GKD",
    tokens(GeneralisedJSD(0.9)),
    "Agarwal et al. (2024). On-policy distillation of language models: Learning from self-generated "
    "mistakes. ICLR.",
    HALF_OWN_TEXTS,
)
ADAPTIVE = (
    with_atkd(SUPERVISED),
    with_atkd(REVERSE, reverse=True),
    with_atkd(IMIT_KD),
    with_atkd(F_DISTILL),
    with_atkd(GKD),
)

# Other remedies for a teacher that is too large (Figure 5c)


DECOUPLED = _method(
    "Decoupled KD",
    tokens(Decoupled(0.2, 1.0)),
    "Zhao et al. (2022). Decoupled knowledge distillation. CVPR.",
)
STOPPED_AFTER = Fraction(1, 3)
"""Of a teacher's epochs: one of the three that the released settings have."""
_, _SUPERVISED_STEP = SUPERVISED.steps
EARLY_STOPPED = replace(
    SUPERVISED,
    name="Supervised KD (early-stopped teacher)",
    steps=(ORIGINAL, replace(_SUPERVISED_STEP, teacher_share=STOPPED_AFTER)),
    citation="Cho and Hariharan (2019). On the efficacy of knowledge distillation. ICCV.",
)
ASSISTED = replace(
    SUPERVISED,
    name="Supervised KD (teacher assistant)",
    steps=(ORIGINAL,),
    chain=Chain((_SUPERVISED_STEP, _SUPERVISED_STEP), dense=False),
    citation="Mirzadeh et al. (2020). Improved knowledge distillation via teacher assistant. AAAI.",
)
REMEDIES = (DECOUPLED, EARLY_STOPPED, ASSISTED)

# Peers that the paper does not run, on the data's answers where nothing else is said


F_DISTILL_JSD = replace(
    _method("f-distill JSD", tokens(GeneralisedJSD(0.5)), F_DISTILL.citation, MIXED_TEXTS),
    tuned_as=F_DISTILL.name,
)
_DISTILLM = (
    "Ko et al. (2024). DistiLLM: Towards streamlined distillation for large language models. ICML. Its loss "
    "alone, without the adaptive share of rollouts."
)
SKEW = _method("Skew KL", tokens(SkewKL(0.1)), _DISTILLM)
SKEW_REVERSE = _method("Skew reverse KL", tokens(SkewReverseKL(0.1)), _DISTILLM)
MINILLM = _method(
    "MiniLLM regulariser",
    tokens(ReverseKL()),
    "Gu et al. (2024). MiniLLM: Knowledge distillation of large language models. ICLR. Its exact "
    "word-by-word term alone, without the policy gradient.",
    OWN_TEXTS,
)
ABKD = _method(
    "ABKD",
    tokens(AlphaBeta(0.2, 0.7)),
    "Wang et al. (2025). ABKD: Pursuing a proper allocation of the probability mass in knowledge "
    "distillation via alpha-beta-divergence. ICML.",
)

BASELINES = (SFT, SEQ_KD, SUPERVISED, REVERSE, IMIT_KD, F_DISTILL, GKD)
PEERS = (F_DISTILL_JSD, SKEW, SKEW_REVERSE, MINILLM, ABKD)
METHODS = (*BASELINES, *ADAPTIVE, *REMEDIES, *PEERS)
