"""The ledger of the ATKD paper (Zhong et al., 2024): its released code, and what it leaves open.

The released trainer stops at its first line (``released-trainer``), so that other code made the published
numbers, which are not known to us either. ``as_run`` is therefore what the paper describes; ``as_released``
does what the released functions do where they are called.
"""

from __future__ import annotations

from retort.distill.divergences import AlphaBeta, SkewKL, SkewReverseKL, TotalVariation
from retort.quirks import atkd_switches as switches
from retort.quirks.quirk import Quirk
from retort.quirks.switches import each_term
from retort.recipes import Method, atkd

_REPO = "WHU-ZQH/ATKD"


def _names(methods: tuple[Method, ...]) -> tuple[str, ...]:
    return tuple(method.name for method in methods)


def _by(*kinds: type) -> tuple[str, ...]:
    """Methods in which some term compares by one of the distances."""
    return _names(
        tuple(
            m
            for m in atkd.METHODS
            if any(isinstance(t.by, kinds) for s in m.every_step for t in s.objective.terms)
        )
    )


_ALL = _names(atkd.METHODS)
_LABELS = _names((atkd.SFT, atkd.SEQ_KD))
_COMPARED = tuple(name for name in _ALL if name not in _LABELS)
_ADAPTIVE = _names(atkd.ADAPTIVE)
_PLAIN = tuple(name for name in _COMPARED if name not in _ADAPTIVE)
_ROLLED_OUT = _names(tuple(m for m in atkd.METHODS if m.last.sequences.source == "student"))
_UNRELEASED = _names((*atkd.PEERS, atkd.EARLY_STOPPED, atkd.ASSISTED))
_IN_CODE = tuple(name for name in _COMPARED if name not in _UNRELEASED)

_GROUPS = (
    Quirk(
        "median-split",
        _ADAPTIVE,
        f"{_REPO} distill_trainer.py takes torch.median, the lower one, of the uncertainty: easy below, "
        "hard from it on; the paper says the top half",
        "of an even number of words one more is hard than easy, and equals are all hard",
        {"as_released": each_term(switches.split_at_median)},
    ),
    Quirk(
        "split-scope",
        _ADAPTIVE,
        f"{_REPO} distill_trainer.py ranks the words of a micro-batch on one device, README.md runs one "
        "text in each",
        "a word is hard or easy beside its own text, not the batch; how much fits into memory is part of the "
        "method",
        {"as_released": each_term(switches.in_micro_batches)},
    ),
    Quirk(
        "hard-share",
        _ADAPTIVE,
        f"{_REPO} train.py parses nckd_percent and topk, which nothing reads",
        "the share of hard words cannot be varied by that code, as a figure of the paper does",
    ),
    Quirk(
        "group-means",
        _ADAPTIVE,
        f"{_REPO} distill_trainer.py divides each group's sum by its own words; another implementation "
        "(package sekd) both by all",
        "at equal groups the loss is half as large, which clipping feels",
        {"as_reimplemented": each_term(switches.mean_over_all_words)},
    ),
    Quirk(
        "degenerate-groups",
        _ADAPTIVE,
        f"{_REPO} distill_trainer.py: with one or two words, or equal uncertainty, the easy group is empty; "
        "squeeze() without a dimension drops that of a text of two tokens",
        "not a number, or an exception; here an empty group counts 0",
    ),
    Quirk(
        "adaptive-form",
        _names(atkd.ADAPTIVE[2:]),
        f"{_REPO} distill_trainer.py has ATKD forward and reversed only; the paper puts it on total "
        "variation and JSD, too",
        "our decision: forward on everything but reverse KD, on the same sequences",
    ),
    Quirk(
        "rollout-uncertainty",
        _names(tuple(m for m in atkd.ADAPTIVE if m.steps[-1].sequences.source == "student")),
        f"{_REPO} distill_trainer.py takes the uncertainty about the word in the sequence, whoever wrote it",
        "on a student's own text it is high where the student errs: hard means something else than on the "
        "data",
    ),
)

_LOSSES = (
    Quirk(
        "tvd-mask",
        _by(TotalVariation),
        f"{_REPO} distill_trainer.py selects where the mask of ignored positions is true",
        "total variation is learnt on prompts and padding alone; not a number if nothing is ignored (here 0)",
        {"as_released": each_term(switches.ignored_words)},
    ),
    Quirk(
        "jsd-name",
        _names((atkd.GKD,)),
        f"{_REPO} distill_trainer.py calls 0.9 KL + 0.1 reverse KL a JSD",
        "it is Jeffreys' divergence with other weights: not bounded, and much larger",
        {"as_released": each_term(switches.jeffreys)},
    ),
    Quirk(
        "dkd-weights",
        _names((atkd.DECOUPLED,)),
        f"{_REPO} train.py has 0.2 for the target and 1 for the others; Zhao et al. (2022) 1 and 8 on images",
        "the baseline hardly teaches how likely the word itself is",
        {"as_published": each_term(switches.published_parts)},
    ),
    Quirk(
        "micro-batch-means",
        _PLAIN,
        f"{_REPO} distill_trainer.py averages over the words of a micro-batch, then over micro-batches",
        "words of short answers weigh more",
        {"as_released": each_term(switches.in_micro_batches)},
    ),
    Quirk(
        "end-of-text",
        _COMPARED,
        f"{_REPO} distill_trainer.py pads with the end of text and ignores all of these",
        "distilled students never learn to stop, which sets how long what is scored is",
        {"as_released": each_term(switches.without_last_word)},
    ),
    Quirk(
        "prompt-end",
        _ROLLED_OUT,
        f"{_REPO} distill_trainer.py masks one word less than the prompt has where students write",
        "the last word of each prompt is learnt, too",
        {"as_released": each_term(switches.with_last_prompt_word)},
    ),
    Quirk(
        "reverse-temperatures",
        _names((atkd.ADAPTIVE[1],)),
        f"{_REPO} distill_trainer.py swaps the models' logits, not their temperatures",
        "none at its temperature of 1; elsewhere each model's logits are divided by the other's",
    ),
    Quirk(
        "vanished-probabilities",
        _IN_CODE,
        f"{_REPO} distill_trainer.py takes logarithms of float32 probabilities",
        "a gap of 200 between logits gives infinite losses, or gradients that are not finite; here all is "
        "done with logarithms of probabilities, taken from logits",
    ),
    Quirk(
        "label-ends",
        _LABELS,
        f"{_REPO}: labels go through another trainer than distillation, with padding, which is the end of "
        "text, among the targets",
        "these rows learn to stop hundreds of times over, the others never: they are not comparable; here "
        "all learn it once",
    ),
    Quirk(
        "skew-entropy",
        _by(SkewKL, SkewReverseKL),
        "the code of Ko et al. (2024) leaves the teacher's entropy out of the forward divergence",
        "the value differs by what no student changes; gradients are the same",
    ),
    Quirk(
        "abkd-script",
        _by(AlphaBeta),
        "the script for GPT-2 of Wang et al. (2025) loops over alpha 0 and beta 1, beside its defaults of "
        "0.2 and 0.7",
        "what the script runs is reverse KL",
        {"as_released": each_term(switches.reverse_end)},
    ),
)

_RUNS = (
    Quirk(
        "released-trainer",
        _IN_CODE,
        f"{_REPO} distill_trainer.py makes a Generator, which is neither defined nor imported",
        "no method but those on labels can be run with the code as it is",
    ),
    Quirk(
        "dkd-arguments",
        _names((atkd.DECOUPLED,)),
        f"{_REPO} distill_trainer.py calls decoupled KD with six of eight arguments",
        "that baseline fails at its first step",
    ),
    Quirk(
        "stopped-when",
        _names((atkd.EARLY_STOPPED,)),
        f"neither {_REPO} nor what is known of the paper says when the teacher was stopped",
        "here it is fine-tuned for a third of its epochs, rounded up, by a schedule as short",
    ),
    Quirk(
        "which-assistant",
        _names((atkd.ASSISTED,)),
        f"neither {_REPO} nor what is known of the paper says which model stood between, or what taught it",
        "the configuration names it; it learns like the student, from its own original checkpoint",
    ),
    Quirk(
        "mixed-sequences",
        _names((atkd.IMIT_KD, atkd.GKD, atkd.F_DISTILL)),
        f"{_REPO} distill_trainer.py has student texts alone, or in half of the micro-batches; which "
        "baseline took which is not said",
        "ImitKD: the student's own texts alone; in half of the updates: GKD with the data's in the others, "
        "f-distill with the teacher's. Drawn for each update, there for each micro-batch and device",
    ),
    Quirk(
        "greedy-rollouts",
        _ROLLED_OUT,
        f"{_REPO} distill_trainer.py generates without flags: greedily, unless a model's own settings say "
        "other",
        "students write one text to a prompt, up to 256 tokens",
    ),
    Quirk(
        "mixed-words",
        _ROLLED_OUT,
        f"{_REPO} distill_trainer.py mix_token keeps the caches of its first call while inputs grow, and "
        "seeds torch with 1 each time",
        "its samples are suspect; no method of the paper needs them, none here has them",
    ),
    Quirk(
        "prompt-length",
        _COMPARED,
        f"{_REPO} finds the prompt's end as the first end-of-text id of the padded prompt; fast "
        "tokenizers of OPT put that id first",
        "OPT students may have learnt their prompts, too; here the length of the prompt is known",
    ),
    Quirk(
        "tokenizer-flags",
        _ALL,
        f"{_REPO} sets add_eos and add_bos, which no tokenizer reads",
        "none: whether texts begin and end with special words hangs on the tokenizer's own settings",
    ),
    Quirk(
        "prompt-header",
        _ALL,
        f"{_REPO}: prompts have a header of their own in evaluation, which training lacks",
        "students are scored on another form of prompt than they learnt; here the two are the same",
    ),
    Quirk(
        "swapped-sizes",
        _ALL,
        f"{_REPO} scripts/distillation.sh puts student_size into the teacher's path, teacher_size into the "
        "student's",
        "none on what is trained, if the script is called with that in mind",
    ),
    Quirk(
        "manual-backward",
        _IN_CODE,
        f"{_REPO} distill_trainer.py overrides training_step(model, inputs) and calls backward itself",
        "later trainers of transformers pass a third argument, at which it stops; the scaling of float16 "
        "gradients is passed by",
    ),
    Quirk(
        "two-rouges",
        _ALL,
        f"{_REPO} inference.py scores by the package rouge, MiniLLM and DistiLLM by rouge_score with stems",
        "their values are not comparable",
    ),
    Quirk(
        "judge-replies",
        _ALL,
        f"{_REPO} gpt4_evalution.py shows the model's answer first; get_gpt4_score.py leaves out replies "
        "without a score",
        "a preference for the first answer is part of the published ratio; how many replies are in it is not "
        "known",
    ),
    Quirk(
        "judge-model",
        _ALL,
        f"{_REPO} gpt4_evalution.py asks gpt-3.5-turbo-1106",
        "which model judged the published tables is not known",
    ),
)

ATKD_LEDGER: tuple[Quirk, ...] = (*_GROUPS, *_LOSSES, *_RUNS)
