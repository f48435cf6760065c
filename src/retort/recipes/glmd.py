"""The methods that the GLMD paper compares (Tan et al., ACL 2023), as its authors ran them."""

from __future__ import annotations

from retort.distill.distances import KL, MSE, SoftCrossEntropy
from retort.distill.layermaps import Uniform
from retort.distill.lenses import Project
from retort.distill.objective import Objective, hard, match, soft, words
from retort.recipes import Method, compressed, finetune, pretrain
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

_WORDS = words(KL(15.0))
GLMD_VC = Method(
    "GLMD-vc",
    (pretrain(_WORDS), finetune(_WORDS), finetune(soft(SoftCrossEntropy()))),
    "Tan et al. (2023). Are intermediate layers and labels really necessary? "
    "A general language model distillation method.",
)

GLMD = compressed(GLMD_VC, "GLMD", Compression())

METHODS = (KD, PD, TINYBERT, GLMD_VC, GLMD)
