"""The methods of the CKA paper (Dasgupta and Cohn, ICLR 2025), as its released scripts run them.

A student of any width is drawn towards its teacher's hidden states by their centred kernel alignment. The
baselines are the same with a trained projection, with a cosine (equal widths), or without hidden states.

Names: family, hidden-state term, and what sets the scripts of one row apart where they differ: ``forward``
(the divergence of words), ``cnn`` (scripts for CNN/DailyMail), ``C4`` (a first stage on that corpus), a
number (student layers). Which script ran which of them, with what settings, is in
``resources/paper/cka/hyper_parameters.csv``.
"""

from __future__ import annotations

from dataclasses import replace

from retort.distill.alignment import CKA
from retort.distill.distances import KL, MSE, BatchDistance, CosineEmbedding, Distance, ReverseKL
from retort.distill.layermaps import BlockEnds
from retort.distill.lenses import ChainStep, SharedProject
from retort.distill.objective import Mask, Objective, Term, hard, soft
from retort.models.hf.architecture import Kind, Slices
from retort.recipes import Method, Step, finetune, pretrain

PAPER = "Dasgupta and Cohn (2025). Improving language model distillation through hidden state matching. ICLR."
_LIKE = f"{PAPER} There a baseline, after "
LINEAR_OF = f"{_LIKE}Jiao et al. (2020). TinyBERT: Distilling BERT for natural language understanding."
COSINE_OF = f"{_LIKE}Sanh et al. (2019). DistilBERT, a distilled version of BERT."
NONE_OF = f"{_LIKE}Hinton et al. (2015). Distilling the knowledge in a neural network."


# Terms: all weigh 1, means are over real tokens


def tokens(by: Distance) -> Objective:
    """Compare word distributions at every real token."""
    return Objective((Term("words", by, mask="valid", norm="valid"),))


def states(
    by: Distance | BatchDistance,
    via: tuple[ChainStep, ...] = (),
    sites: tuple[tuple[str, Mask], ...] = (("encoder", "valid"), ("hidden", "shifted")),
) -> Objective:
    """Compare embeddings and every block's last layer, of each stack by its own mask.

    The decoder's mask is that of the words it reads, one position off that of the words it predicts (quirk
    ``decoder-mask``).
    """
    layers = BlockEnds(embedding=True)
    return Objective(tuple(Term(site, by, layers, via, mask=mask, norm="valid") for site, mask in sites))


ONE_STACK: tuple[tuple[str, Mask], ...] = (("hidden", "valid"),)
_PROJECTED = (SharedProject(),)

CKA_STATES = states(CKA())
LINEAR_STATES = states(MSE(), _PROJECTED)
COSINE_STATES = states(CosineEmbedding())


# Starts


_DECODER_NORM = ((r"decoder\.layernorm_embedding", "encoder.layernorm_embedding"),)
BART_START = Slices(random=(r"decoder\.embed_positions", "final_logits_bias"), taken=_DECODER_NORM)
BART_LAST = replace(BART_START, layer="last")
BART_LEADING = Slices("leading")
MBART_START = Slices(
    random=("embed_positions", r"(encoder|decoder)\.layer_norm\.", "final_logits_bias"), taken=_DECODER_NORM
)
MBART_SHALLOW = Slices("last", taken=_DECODER_NORM)
_NORMS = (r"embeddings\.LayerNorm", r"predictions\.transform\.LayerNorm")
BERT_START = Slices(random=(*_NORMS, "position_embeddings"))
BERT_3_START = Slices(random=(*_NORMS, "position_embeddings", "token_type_embeddings"))
BERT_8_START = Slices(blocks=3, random=_NORMS)
BERT_16_START = Slices(
    random=_NORMS,
    taken=tuple(
        (
            rf"\.layer\.({3 * b}|{3 * b + 1}|{3 * b + 2})\.output\.LayerNorm\.weight",
            rf".layer.{b}.output.LayerNorm.weight",
        )
        for b in range(4)
    ),
)
T5_START = Slices(taken=((r"(encoder\.block\.\d+\.layer\.0\.SelfAttention)\.[kvo]\b", r"\1.q"),))


def _method(
    name: str,
    steps: tuple[Step, ...],
    cut: Slices,
    citation: str = PAPER,
) -> Method:
    """A method whose student is cut out of the first step's teacher; its name begins with its family."""
    families: dict[str, Kind] = {"BART": "bart", "mBART": "mbart", "T5": "t5", "BERT": "bert"}
    return Method(name, steps, citation, start="truncate", cut=cut, family=families[name.partition(" ")[0]])


# Summarisation: BART


_CKA_TASK = hard() + tokens(ReverseKL()) + CKA_STATES
_CKA_FORWARD = hard() + tokens(KL()) + CKA_STATES
_LINEAR = hard() + tokens(KL()) + LINEAR_STATES
_COSINE = hard() + tokens(KL()) + COSINE_STATES
_NONE = hard() + tokens(ReverseKL())
_NONE_FORWARD = hard() + tokens(KL())

BART = (
    _method("BART CKA", (finetune(_CKA_TASK),), BART_START),
    _method("BART CKA cnn", (finetune(_CKA_TASK),), BART_LAST),
    _method("BART CKA forward", (finetune(_CKA_FORWARD),), BART_LAST),
    _method("BART CKA C4", (pretrain(_CKA_FORWARD), finetune(_CKA_TASK)), BART_START),
    _method("BART linear", (finetune(_LINEAR),), BART_START, LINEAR_OF),
    _method(
        "BART linear cnn",
        (finetune(hard() + tokens(KL(2.0)) + LINEAR_STATES),),
        BART_START,
        LINEAR_OF,
    ),
    _method("BART linear C4", (pretrain(_LINEAR), finetune(_LINEAR)), BART_START, LINEAR_OF),
    _method("BART cosine", (finetune(_COSINE),), BART_LEADING, COSINE_OF),
    _method("BART none", (finetune(_NONE),), BART_START, NONE_OF),
    _method("BART none C4", (pretrain(_NONE_FORWARD), finetune(_NONE)), BART_START, NONE_OF),
    _method("BART CKA alone", (finetune(CKA_STATES),), BART_START),
    _method(
        "BART CKA weighted",
        (finetune(0.2 * hard() + 0.8 * tokens(KL()) + CKA_STATES),),
        BART_START,
    ),
)

# Translation: mBART


MBART = (
    _method("mBART CKA", (pretrain(_CKA_FORWARD), finetune(_CKA_TASK)), MBART_START),
    _method("mBART CKA forward", (pretrain(_CKA_FORWARD), finetune(_CKA_FORWARD)), MBART_START),
    _method("mBART linear", (pretrain(_LINEAR), finetune(_LINEAR)), MBART_START, LINEAR_OF),
    _method("mBART cosine", (finetune(_COSINE),), MBART_SHALLOW, COSINE_OF),
    _method("mBART none", (pretrain(_LINEAR), finetune(_NONE)), MBART_START, NONE_OF),
)

# Instructions: T5


T5 = (
    _method("T5 CKA", (finetune(_CKA_FORWARD),), T5_START),
    _method("T5 labels", (finetune(hard()),), T5_START),
)

# Classification: BERT, which reads its corpus unmasked and learns no words of it


CLASSES = finetune(hard() + soft(KL()))


def _bert(name: str, hidden: Objective | None, cut: Slices, citation: str = PAPER) -> Method:
    corpus = tokens(KL()) if hidden is None else tokens(KL()) + hidden
    return _method(name, (pretrain(corpus), CLASSES), cut, citation)


_BERT_CKA = states(CKA(), sites=ONE_STACK)
_BERT_LINEAR = states(MSE(), _PROJECTED, ONE_STACK)
BERT = (
    _bert("BERT CKA", _BERT_CKA, BERT_START),
    _bert("BERT CKA 3", _BERT_CKA, BERT_3_START),
    _bert("BERT CKA 8", _BERT_CKA, BERT_8_START),
    _bert("BERT CKA 16", _BERT_CKA, BERT_16_START),
    _bert("BERT linear", _BERT_LINEAR, BERT_START, LINEAR_OF),
    _bert("BERT linear 8", _BERT_LINEAR, BERT_8_START, LINEAR_OF),
    _bert("BERT none", None, BERT_START, NONE_OF),
)

METHODS = (*BART, *MBART, *T5, *BERT)
