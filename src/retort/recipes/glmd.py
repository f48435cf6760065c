"""The methods that the GLMD paper compares (Tan et al., ACL 2023), as its authors ran them."""

from __future__ import annotations

from dataclasses import replace

from retort.distill.distances import KL, MSE, Cosine, SoftCrossEntropy, SumOfSquares
from retort.distill.edits import ReplaceBlocks, SwapTokens
from retort.distill.ensembles import InverseTeacherLoss, Policy, RouteByEntropy, SumOfSurvivors
from retort.distill.granularities import RowStructure, TokenStructure
from retort.distill.layermaps import AllToAll, Joint, Last, RandomSubset, Uniform
from retort.distill.lenses import Attend, Concat, FirstToken, Gram, MeanTokens, Project, Stack, Times, Unit
from retort.distill.objective import Objective, hard, in_edited_pass, match, soft, total, unweighted, words
from retort.distill.relations import ContrastiveCosine, RelationAngle, RelationKL
from retort.distill.schedules import Complement, Curriculum, Linear, RampThenOne, Steps
from retort.recipes import Chain, Method, compressed, finetune, pretrain
from retort.stages import Compression

LANGUAGE_MODEL = pretrain(hard())
"""Plain pretraining of a model by itself."""

FINE_TUNE = finetune(hard())
"""Plain fine-tuning."""

KD = Method(
    "KD",
    (finetune(soft(SoftCrossEntropy(10.0)) + hard()),),
    "Hinton et al. (2015). Distilling the knowledge in a neural network.",
)

PD = Method(
    "PD",
    (LANGUAGE_MODEL, finetune(soft(SoftCrossEntropy()))),
    "Turc et al. (2019). Well-read students learn better.",
)

PKD = Method(
    "PKD",
    (
        finetune(
            0.5 * soft(KL(10.0))
            + 0.5 * hard()
            + 100 * match("hidden", Uniform(last=False), MSE(), (FirstToken(), Unit()))
        ),
    ),
    "Sun et al. (2019). Patient knowledge distillation for BERT model compression.",
    start="truncate",
)

DISTILBERT = Method(
    "DistilBERT",
    (pretrain(5 * soft(KL(2.0)) + 2 * hard() + match("hidden", Last(), Cosine(), mask="valid")), FINE_TUNE),
    "Sanh et al. (2019). DistilBERT, a distilled version of BERT.",
)

THESEUS = Method(
    "Theseus",
    (finetune(replace(hard(), edit=ReplaceBlocks(Linear(0.3, 1.0, until=0.66)))),),
    "Xu et al. (2020). BERT-of-Theseus: Compressing BERT by progressive module replacing.",
    start="truncate",
)


def tinybert_features() -> Objective:
    """Attention scores, embeddings and hidden states; one projection shared by all layers."""
    return match("scores", Uniform(), MSE()) + match("hidden", Uniform(embedding=True), MSE(), (Project(),))


TINYBERT = Method(
    "TinyBERT",
    (
        pretrain(tinybert_features()),
        finetune(tinybert_features(), carry_lenses=True),
        finetune(soft(SoftCrossEntropy())),
    ),
    "Jiao et al. (2020). TinyBERT: Distilling BERT for natural language understanding.",
)

_LAYER_BY_LAYER = Curriculum(until=1.0, past=1.0, after=0.0)
SID = Method(
    "SID",
    (
        LANGUAGE_MODEL,
        finetune(
            _LAYER_BY_LAYER * match("scores", Uniform(), KL())
            + _LAYER_BY_LAYER * match("hidden", Uniform(), Cosine(), (FirstToken(),))
            + _LAYER_BY_LAYER.task * soft(SoftCrossEntropy())
        ),
    ),
    "Aguilar et al. (2020). Knowledge distillation from internal representations.",
)


def mobilebert_objective(until: float = 0.8) -> Objective:
    """Features of one more layer at a time over ``until`` of the run, the language model after it."""
    growing = Curriculum(until, past=0.1, after=1.0)
    features = growing * match("scores", Uniform(), KL()) + growing * match("hidden", Uniform(True), MSE())
    return 0.5 * features + growing.task * hard()


MOBILEBERT = Method(
    "MobileBERT",
    (pretrain(mobilebert_objective()), FINE_TUNE),
    "Sun et al. (2020). MobileBERT: a compact task-agnostic BERT for resource-limited devices.",
)

MINILM = Method(
    "MiniLM",
    (pretrain(match("probs", Last(), KL()) + match("v", Last(), KL(), (Gram(),))), FINE_TUNE),
    "Wang et al. (2020). MiniLM: Deep self-attention distillation for task-agnostic compression.",
)

MINILMV2 = Method(
    "MiniLMv2",
    (pretrain(total([match(site, Last(), KL(), (Gram(16),)) for site in ("q", "k", "v")])), FINE_TUNE),
    "Wang et al. (2021). MiniLMv2: Multi-head self-attention relation distillation.",
)

ALP_KD = Method(
    "ALP-KD",
    (
        finetune(
            0.7 * soft(SoftCrossEntropy(20.0))
            + 0.1 * hard()
            + match("hidden", AllToAll(), MSE(), (FirstToken(), Attend()))
        ),
    ),
    "Passban et al. (2021). ALP-KD: Attention-based layer projection for knowledge distillation.",
    start="truncate",
)


def lrc_features() -> Objective:
    """All layers at once; negatives are the other rows of the micro-batch."""
    return match("hidden", Joint(Uniform()), ContrastiveCosine(), (Project(bias=False), Stack()))


LRC_BERT = Method(
    "LRC-BERT",
    (
        LANGUAGE_MODEL,
        finetune(lrc_features()),
        finetune(lrc_features() + soft(KL(1.1)) + 3 * hard(), carry_lenses=True),
    ),
    "Fu et al. (2021). LRC-BERT: Latent-representation contrastive knowledge distillation.",
)

ANNEALING_KD = Method(
    "Annealing-KD",
    (LANGUAGE_MODEL, finetune(soft(MSE(), (Times(schedule=Steps(7)),))), FINE_TUNE),
    "Jafari et al. (2021). Annealing knowledge distillation.",
)


def ckd_features(window: int = 21) -> Objective:
    """Distances and angles among tokens and among layers; widths may differ."""
    parts = (
        (RelationKL("tokens"), 1.0),
        (RelationAngle("tokens", window), 10.0),
        (RelationKL("layers"), 1.0),
        (RelationAngle("layers"), 10.0),
    )
    layers = Joint(Uniform(embedding=True))
    return total([match("hidden", layers, by, (Stack(),), weight, "valid") for by, weight in parts])


CKD = Method(
    "CKD",
    (LANGUAGE_MODEL, finetune(0.9 * soft(SoftCrossEntropy(3.0)) + 0.1 * hard() + ckd_features())),
    "Park et al. (2021). Distilling linguistic context for language model compression.",
)

_TO_ONE_SPACE = Project(side="both", to="student", bias=False, per_layer=True)
UNIVERSAL_KD = Method(
    "Universal-KD",
    (
        finetune(
            0.5 * soft(KL())
            + 0.5 * match("hidden", AllToAll(last=False), KL(), (FirstToken(), _TO_ONE_SPACE, Attend()))
        ),
        FINE_TUNE,
    ),
    "Wu et al. (2021). Universal-KD: Attention-based output-grounded intermediate layer distillation.",
    start="truncate",
)

DIITO = Method(
    "DIITO",
    (
        pretrain(
            replace(
                0.25 * soft(KL(2.0))
                + 0.25 * hard()
                + 0.25 * match("hidden", Last(), Cosine(), mask="valid")
                + in_edited_pass(0.25 * soft(KL(2.0))),
                edit=SwapTokens(0.3),
            )
        ),
        FINE_TUNE,
    ),
    "Wu et al. (2022). Causal distillation for language models.",
)


def continuation_objective(margin: float = 1.0) -> Objective:
    """From the gated soft loss to the hard one; the soft loss stops after two thirds of the run."""
    ramp, heat = RampThenOne(slope=1 / 1.333, cut=0.666), Steps(10)
    return ramp * hard() + Complement(ramp) * soft(MSE(), (Times(schedule=heat),), above=margin * heat)


CONTINUATION_KD = Method(
    "Continuation-KD",
    (LANGUAGE_MODEL, finetune(continuation_objective())),
    "Jafari et al. (2022). Continuation KD: Improved knowledge distillation through continuation.",
)

_RAIL = finetune(
    0.3333 * soft(SoftCrossEntropy(10.0))
    + 0.3333 * hard()
    + 0.3333
    * match(
        "hidden",
        RandomSubset(),
        SumOfSquares(),
        (MeanTokens(), Concat(), Project(side="both", to=128, xavier=True), Unit()),
    )
)
RAIL_KD = Method(
    "RAIL-KD",
    (DISTILBERT.steps[0], _RAIL),
    "Haidar et al. (2022). RAIL-KD: Random intermediate layer mapping for knowledge distillation.",
    unequal=(MINILM.steps[0], _RAIL),
)


def mgskd_features(tokens: TokenStructure, rows: RowStructure) -> Objective:
    """Tokens and spans up to the second layer, whole rows above."""
    spans = replace(tokens, spans=0.4)
    lower, upper = Uniform(embedding=True, stop=3), Uniform(embedding=True, start=3)
    return (
        match("hidden", lower, tokens, mask="valid")
        + match("hidden", lower, spans, mask="valid")
        + 4 * match("hidden", upper, rows, mask="valid")
    )


MGSKD = Method(
    "MGSKD",
    (TINYBERT.steps[0], finetune(mgskd_features(TokenStructure(), RowStructure())), finetune(soft(KL()))),
    "Liu et al. (2022). Multi-granularity structural knowledge distillation for language model compression.",
)

_WORDS = words(KL(15.0))
GLMD_VC = Method(
    "GLMD-vc",
    (pretrain(_WORDS), finetune(_WORDS), finetune(soft(SoftCrossEntropy()))),
    "Tan et al. (2023). Are intermediate layers and labels really necessary? "
    "A general language model distillation method.",
)

GLMD = compressed(GLMD_VC, "GLMD", Compression())
GLMD_VC_MO = replace(GLMD_VC, name="GLMD-vc+mo", embedding="trigram")
GLMD_VC_AL = replace(GLMD_VC, name="GLMD-vc+al", embedding="factorised")
GLMD_AL = replace(GLMD, name="GLMD+al", embedding="factorised")

TMKD = Method(
    "TMKD",
    (
        pretrain(soft(MSE())),
        finetune(soft(MSE()) + 0.5 * hard()),
    ),
    "Yang et al. (2020). Model compression with two-stage multi-teacher knowledge distillation.",
    start="truncate",
    several=True,
)

_HIDDEN_OF_EACH = match("hidden", Uniform(), MSE(), (Project(side="teacher", to="student"),))
MT_BERT = Method(
    "MT-BERT",
    (
        finetune(
            replace(
                soft(SoftCrossEntropy()) + hard() + unweighted(_HIDDEN_OF_EACH), ensemble=InverseTeacherLoss()
            )
        ),
    ),
    "Wu et al. (2021). One teacher is enough? Language model distillation from multiple teachers.",
    start="truncate",
    several=True,
)

_HALF_AND_HALF = 0.5 * soft(SoftCrossEntropy(10.0)) + 0.5 * hard()
RL_KD = Method(
    "RL-KD",
    (
        finetune(_HALF_AND_HALF),
        finetune(replace(_HALF_AND_HALF, ensemble=Policy(weight=0.5)), encoder=True),
    ),
    "Yuan et al. (2021). Reinforced multi-teacher selection for knowledge distillation.",
    start="truncate",
    several=True,
)

UNCERTAINTY = Method(
    "Uncertainty",
    (finetune(replace(soft(KL()) + hard(), ensemble=RouteByEntropy())),),
    "Li et al. (2021). Dynamic knowledge distillation for pre-trained language models.",
    start="truncate",
    several=True,
)

_ASSISTANT = finetune(soft(KL(10.0)) + hard())
TAKD = Method(
    "TAKD",
    (),
    "Mirzadeh et al. (2020). Improved knowledge distillation via teacher assistant.",
    start="truncate",
    chain=Chain((_ASSISTANT, _ASSISTANT, _ASSISTANT), dense=False),
)

_DENSE = finetune(replace(_HALF_AND_HALF, ensemble=SumOfSurvivors(0.75)))
DGKD = Method(
    "DGKD",
    (),
    "Son et al. (2021). Densely guided knowledge distillation using multiple teacher assistants.",
    start="truncate",
    chain=Chain((_ASSISTANT, _DENSE, _DENSE), dense=True),
)

METHODS = (
    *(KD, PD, PKD, DISTILBERT, THESEUS, TINYBERT, SID, MOBILEBERT, MINILM, MINILMV2, ALP_KD, LRC_BERT),
    *(ANNEALING_KD, CKD, UNIVERSAL_KD, DIITO, CONTINUATION_KD, RAIL_KD, MGSKD, GLMD_VC, GLMD),
    *(TMKD, MT_BERT, RL_KD, UNCERTAINTY, TAKD, DGKD, GLMD_VC_MO, GLMD_VC_AL, GLMD_AL),
)
