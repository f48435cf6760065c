"""The ledger of the CKA paper (Dasgupta and Cohn, 2025): its text, its page, its released scripts.

Numbers that were published are not known to us, so ``as_run`` is what the released scripts do.
"""

from __future__ import annotations

from retort.distill.alignment import CKA
from retort.distill.distances import ReverseKL
from retort.models.hf.architecture import Slices
from retort.quirks import cka_switches as switches
from retort.quirks.quirk import Quirk
from retort.quirks.switches import each_term
from retort.recipes import cka

_REPO = "Sayan21/-ICLR25-CKA"


def _names(family: str) -> tuple[str, ...]:
    return tuple(method.name for method in cka.METHODS if method.family == family)


def _with(has: type) -> tuple[str, ...]:
    """Names of the methods in which some term compares by a kind of distance."""
    return tuple(
        method.name
        for method in cka.METHODS
        if any(isinstance(term.by, has) for step in method.steps for term in step.objective.terms)
    )


_ALL = tuple(method.name for method in cka.METHODS)
_SUMMARIES, _TRANSLATIONS = _names("bart"), _names("mbart")
_INSTRUCTIONS, _CLASSES = _names("t5"), _names("bert")
_DECODERS = tuple(
    m.name for m in cka.METHODS if any(t.mask == "shifted" for s in m.steps for t in s.objective.terms)
)

_LOSSES = (
    Quirk(
        "cka-root",
        _with(CKA),
        f"{_REPO}, CKALoss in every script, does not square the numerator; linear CKA (Kornblith et al., "
        "2019) does",
        "the loss is 1 minus the root of linear CKA: half of the textbook's near 0, the same at 1",
        {"fixed": each_term(switches.squared)},
    ),
    Quirk(
        "cka-micro-batch",
        _with(CKA),
        f"{_REPO} BART/BART-6-CKA-Masked-C4.py adds up the gradients of ratios of 8 texts each, four to an "
        "update; a ratio of sums is no mean of ratios",
        "fewer tokens than dimensions make any features look alike, so that small micro-batches teach less; "
        "the number depends on how much fits into memory",
        {"fixed": each_term(switches.gathered)},
    ),
    Quirk(
        "divergence-direction",
        _with(ReverseKL),
        f"{_REPO} BART/BART-6-CNN-CKA-Masked-All.py (commented as meant) and the same of nH, and "
        "BART/MBART-24-CKA-Masked-RO.py swap the arguments of the divergence of words; scripts for the other "
        "baselines, for other sizes and for the corpus do not",
        "methods that are compared differ in more than their hidden-state term",
        {"fixed": each_term(switches.forward)},
    ),
    Quirk(
        "linear-temperature",
        ("BART linear cnn",),
        f"{_REPO} BART/BART-6-CNN-TB-Masked-All.py has temperature 2, every other script 1",
        "the baseline's divergence of words is softer on CNN/DailyMail than anywhere else",
        {"fixed": each_term(switches.unheated)},
    ),
    Quirk(
        "decoder-mask",
        _DECODERS,
        f"{_REPO}, all encoder-decoder scripts: the mask of decoder states is made of labels shifted with "
        "the pad as start token",
        "the position that reads the start token is left out, the one that reads the last word is kept, "
        "although nothing is predicted there: one off the mask of the words. A row as long as its batch has "
        "no such position, so that padding further changes the loss",
        {"fixed": each_term(switches.own_positions)},
    ),
    Quirk(
        "projection-optimiser",
        tuple(name for name in _ALL if "linear" in name or name == "mBART none"),
        f"{_REPO}, TB scripts: the projection has an AdamW of its own (1e-4, BERT 2e-4; eps 1e-6)",
        "it learns two to three times as fast as the student on summaries and translations",
    ),
)

_STARTS = (
    Quirk(
        "copied-layers",
        tuple(m.name for m in cka.METHODS if isinstance(m.cut, Slices) and m.cut.layer != "last"),
        f"{_REPO} BART/BART-6-XSUM-CKA-Masked-All.py copies layers 0, 4, 8, of 12 (BART-6-CNN-CKA 3, 7, 11); "
        "BERT scripts the first of each block, BART-*-MSE scripts the first of all",
        "a student's layer starts from another layer than the one whose state it is compared with",
        {"fixed": switches.cut({"layer": "last"})},
    ),
    Quirk(
        "random-tensors",
        tuple(m.name for m in cka.METHODS if isinstance(m.cut, Slices) and m.cut.random),
        f"{_REPO}, Create_Student and its like: BART's decoder positions, all positions and last norms of "
        "mBART, some norms of BERT and, of most sizes, its positions have no line that copies them",
        "students start with random positions among trained layers",
        {"fixed": switches.cut({"random": ()})},
    ),
    Quirk(
        "decoder-norm",
        tuple(n for n in (*_SUMMARIES, *_TRANSLATIONS) if n != "BART cosine"),
        f"{_REPO}, Create_Student of BART and mBART: the decoder's embedding norm is copied from the "
        "encoder's",
        "the decoder's embeddings start with another scale and offset",
        {"fixed": switches.cut({"taken": ()})},
    ),
    Quirk(
        "t5-copies",
        _INSTRUCTIONS,
        f"{_REPO} BART/T5-small-FT-ES.py and T5-medium-FT-ES.py: keys, values and outputs of the encoder are "
        "copied from the queries",
        "the encoder's attention starts as nonsense; the decoder's is right",
        {"fixed": switches.cut({"taken": ()})},
    ),
    Quirk(
        "bert-8-copies",
        ("BERT CKA 8", "BERT linear 8"),
        f"{_REPO} BERT/BERT-KD-CKA-EMB-Masked-8-All.py copies three blocks of four, and 1536 of 3072 rows of "
        "a feed-forward, where it stops with an error",
        "layers 7 and 8 start at random; the script as released does not run",
        {"fixed": switches.cut({"blocks": None})},
    ),
    Quirk(
        "bert-16-norms",
        ("BERT CKA 16",),
        f"{_REPO} BERT/BERT-KD-CKA-EMB-Masked-16-All.py copies the weight of each layer's last norm from the "
        "teacher's layer that has the number of the block",
        "that weight comes from layers 1 to 4 of the teacher, everything else from 1 to 12",
        {"fixed": switches.cut({"taken": ()})},
    ),
    Quirk(
        "none-from-linear",
        ("mBART none",),
        f"{_REPO} BART/MBART-24-nH-Masked-RO.py loads the checkpoint of the linear baseline (MBart-TB)",
        "the row without hidden states starts from one that had them",
        {"fixed": switches.without_hidden_states},
    ),
    Quirk(
        "head-cuts",
        _ALL,
        f"{_REPO}: projections are cut as W[:out, :in] whatever the heads' sizes",
        "where student and teacher have heads of different size, a student's head starts from pieces of two",
    ),
    Quirk(
        "mbart-scale",
        _TRANSLATIONS,
        f"{_REPO}: students are built from MBartConfig's defaults, without the scaled embeddings of their "
        "teachers",
        "copied embeddings enter a student a thirtieth as large as the teacher's, beside random positions",
    ),
    Quirk(
        "c4-start",
        ("BART CKA C4", "BART linear C4", "BART none C4"),
        f"{_REPO}, task scripts of BART: loading a student of the C4 scripts is commented out, or not there",
        "which of the paper's BART rows start from the corpus stage is not known",
    ),
)

_SCRIPTS = (
    Quirk(
        "t5-unreleased",
        _INSTRUCTIONS,
        f"{_REPO} has T5 scripts for labels alone (BART/T5-*-FT-ES.py); the paper's abstract names T5",
        "T5 CKA is our transfer of the objective of BART's deeper students",
    ),
    Quirk(
        "mislabelled-scripts",
        _SUMMARIES,
        f"{_REPO} BART/BART-12-XSUM-CKA-Masked-All.py compares by the projection, BART-6-TB and BART-24-TB "
        "on C4 have no hidden-state term (it is commented out)",
        "rows are named by what a script does, not by its file",
    ),
    Quirk(
        "lost-updates",
        ("BART CKA forward",),
        f"{_REPO} BART/BART-12-CNN-CKA-Masked-All.py zeroes the gradients and steps the schedule of a "
        "projection that it does not use, never its own",
        "gradients of all steps add up and the rate is constant; not copied here",
    ),
    Quirk(
        "summed-gradients",
        ("BART CKA C4", "BART linear C4", "BART none C4", *_TRANSLATIONS),
        f"{_REPO}, C4 and mC4 scripts: gradients of four micro-batches are added, not averaged, and the "
        "schedule counts micro-batches",
        "with Adam the sum matters little, but rates fall four times as slowly as they are named",
    ),
    Quirk(
        "evaluation-mode",
        ("BART CKA C4", "BART linear C4", "BART none C4", *(n for n in _CLASSES if n != "BERT none")),
        f"{_REPO}, corpus scripts: train() is called once, and the first evaluation ends it",
        "from then on there is no dropout; here there always is",
    ),
    Quirk(
        "decayed-norms",
        (*_SUMMARIES, *_TRANSLATIONS, *_INSTRUCTIONS),
        f"{_REPO}: weights named LayerNorm.weight are not decayed; those of BART, mBART and T5 are called "
        "layer_norm",
        "norms of all but BERT are decayed; here none is",
    ),
    Quirk(
        "fresh-teacher",
        _CLASSES,
        f"{_REPO} BERT/BERT-Manual-Distill.py teaches MNLI with a bert-base whose head is new; "
        "BERT-Inference.py loads a fine-tuned one",
        "the divergence of classes draws towards noise; here the teacher is fine-tuned first",
    ),
    Quirk(
        "no-segments",
        _CLASSES,
        f"{_REPO}: token_type_ids are never passed",
        "sentence pairs are told apart by the separator alone",
    ),
    Quirk(
        "target-language",
        _TRANSLATIONS,
        f"{_REPO} BART/MBART-24-*-RO.py and -FR.py tokenise targets as source text",
        "the decoder starts from, and learns, the code of English",
    ),
    Quirk(
        "drawn-pairs",
        _TRANSLATIONS,
        f"{_REPO} BART/MBART-24-*-FR.py draws 3M of 40M pairs with replacement from numpy's unseeded "
        "generator",
        "the training text of En-Fr cannot be drawn again",
    ),
    Quirk(
        "validation-log",
        _TRANSLATIONS,
        f"{_REPO} BART/MBART-24-CKA-Masked-MC4.py evaluates, then logs the last training batch",
        "curves made of these logs are not of validation text",
    ),
    Quirk(
        "short-summaries",
        _SUMMARIES,
        f"{_REPO}: three-layer CKA and nH scripts generate at most 32 new tokens, the TB script for CNN 128, "
        "others 127",
        "ROUGE of rows that are compared is taken from summaries of different length",
    ),
    Quirk(
        "scored-splits",
        (*_SUMMARIES, *_TRANSLATIONS),
        f"{_REPO}: summaries and En-Ro are scored on validation, En-Fr on the test set of IWSLT; loaders "
        "drop the last partial batch",
        "scores are not of the usual test sets",
    ),
    Quirk(
        "update-sizes",
        (*_SUMMARIES, *_CLASSES),
        "the paper's page gathers 8 batches of 16 texts (BERT: 40 of 32) for an update; "
        f"{_REPO} updates after each",
        "eight (forty) times as many updates on the same text",
    ),
)

CKA_LEDGER: tuple[Quirk, ...] = (*_LOSSES, *_STARTS, *_SCRIPTS)
