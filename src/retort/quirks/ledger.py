"""The ledger itself."""

from __future__ import annotations

from retort.quirks import switches
from retort.quirks.quirk import Quirk
from retort.quirks.switches import each_objective, each_term

_ALL: tuple[str, ...] = ()
_GLMD = ("GLMD", "GLMD+al", "GLMD-vc", "GLMD-vc+mo", "GLMD-vc+al")
_HIDDEN = ("PKD", "DistilBERT", "TinyBERT", "SID", "MobileBERT", "ALP-KD", "LRC-BERT", "CKD", "Universal-KD",
           "DIITO", "RAIL-KD", "MGSKD", "MT-BERT")  # fmt: skip
_TWO_TASK_STEPS = ("TinyBERT", "LRC-BERT", "Annealing-KD", "Universal-KD", "MGSKD", "RL-KD", *_GLMD)

_LOSSES = (
    Quirk(
        "soft-loss-t2",
        ("KD", "ALP-KD", "RAIL-KD", "RL-KD", "DGKD"),
        "aitsc/GLMKD distill/distill_model.py pre_loss has no T^2; Hinton et al. (2015) scale by it",
        "at temperature 10 the soft loss weighs about a hundredth of what it was designed to",
        {"as_published": each_term(switches.squared_temperature)},
    ),
    Quirk(
        "masked-means",
        _ALL,
        "aitsc/GLMKD distill/custom_loss.py multiplies inputs by the mask and averages over all positions",
        "a masked term shrinks with the share of padding; its scale depends on the padded length",
        {"fixed": each_term(switches.mean_over_valid)},
    ),
    Quirk(
        "minilm-softmax",
        ("MiniLM", "RAIL-KD"),
        "aitsc/GLMKD distill/distill_model.py hands attention probabilities to a divergence of logits",
        "a second softmax makes every attention row almost uniform, so that the term is nearly silent; "
        "RAIL-KD starts from MiniLM where widths differ",
        {"fixed": each_term(switches.on_probabilities)},
    ),
    Quirk(
        "distilbert-masks",
        ("DistilBERT", "RAIL-KD"),
        "README.md of aitsc/GLMKD distils masked words alone, and its cosine averages over padding, too; the "
        "code of Sanh et al. (2019) takes all real tokens for both",
        "far fewer words are distilled, and both terms shrink; RAIL-KD starts from DistilBERT",
        {"as_published": each_term(switches.all_real_positions)},
    ),
    Quirk(
        "pkd-layer-sum",
        ("PKD",),
        "aitsc/GLMKD distill/distill_model.py adds up layers; intersun/PKD src/KD_loss.py averages over them",
        "at the same beta the features of a student of six layers weigh five times as much",
        {"as_published": each_term(switches.mean_over_layers)},
    ),
    Quirk(
        "alp-lambda",
        ("ALP-KD",),
        "aitsc/GLMKD distill/prepare.py parses alp_kd_lambda (0.2), which nothing reads",
        "the features weigh 1 beside 0.7 and 0.1 of the other losses",
        {"fixed": each_term(switches.fifth_of_features)},
    ),
    Quirk(
        "rail-layer-weights",
        ("RAIL-KD",),
        "aitsc/GLMKD distill/prepare.py parses rail_kd_layer_wise_alpha, which nothing reads",
        "none on the variant that was run, which joins all layers before it compares them",
    ),
    Quirk(
        "mt-bert-projections",
        ("MT-BERT",),
        "aitsc/GLMKD distill/multi_teacher_model.py makes one projection a teacher; Wu et al. (2021) one for "
        "each pair of layers",
        "all layers of a teacher go through the same map",
        {"as_published": each_term(switches.projections_by_layer)},
    ),
    Quirk(
        "universal-kd-space",
        ("Universal-KD",),
        "aitsc/GLMKD distill/distill_model.py projects to the student's width and applies a softmax there; "
        "Wu et al. (2021) project to the classes",
        "the divergence compares hidden units as if they were classes",
    ),
    Quirk(
        "continuation-gate",
        ("Continuation-KD",),
        "aitsc/GLMKD distill/distill_model.py multiplies the loss by an indicator; Jafari et al. (2022) "
        "subtract the margin",
        "the gradient is the same, the reported loss is higher; the temperature stops at 0.7 of its way, "
        "where the soft loss ends",
    ),
    Quirk(
        "mgskd-spans",
        ("MGSKD",),
        "aitsc/GLMKD distill/distill_model.py cuts rows at random; Liu et al. (2022) take phrases",
        "spans mean nothing and may hold padding",
    ),
    Quirk(
        "mobilebert-transfer",
        ("MobileBERT",),
        "aitsc/GLMKD distill/distill_model.py and README.md; Sun et al. (2020) also distil words, and train "
        "finished layers at a lower rate",
        "no words are distilled; finished layers keep a tenth of the loss, no lower rate under Adam; "
        "features go on beside the language model",
    ),
    Quirk(
        "lrc-perturbation",
        ("LRC-BERT",),
        "README.md of aitsc/GLMKD perturbs embeddings by their gradient; the logs in distill/ft_logs do not, "
        "and the paper says so",
        "there is no perturbed second pass",
    ),
)

_TEACHERS = (
    Quirk(
        "policy-gradient",
        ("RL-KD",),
        "aitsc/GLMKD distill/multi_teacher_model.py weights the probability of an action, not its logarithm, "
        "and divides by all teachers; the paper averages over the selected ones and names REINFORCE",
        "the policy's gradient is not that of REINFORCE, and few selected teachers mean a small loss; either "
        "way rewards are negative without a baseline, and come one step late",
        {"as_published": each_objective(switches.reinforce)},
    ),
    Quirk(
        "uncertainty-mean",
        ("Uncertainty",),
        "aitsc/GLMKD distill/multi_teacher_model.py averages routed losses over the batch and the teachers; "
        "the code of Li et al. (2021) adds up a mean for each teacher",
        "with two teachers the soft loss weighs a quarter of what it was designed to",
        {"as_published": each_objective(switches.route_to_means)},
    ),
    Quirk(
        "uncertainty-weights",
        ("Uncertainty",),
        "README.md of aitsc/GLMKD weights soft and hard loss by 0.5; the logs in distill/ft_logs hold "
        "neither option",
        "both losses weigh 1, which doubles the gradient",
        {"as_published": each_term(switches.halved)},
    ),
    Quirk(
        "assistant-size",
        ("TAKD", "DGKD"),
        "Table 2 of the paper says 14 layers for the 200M assistant; aitsc/GLMKD distill/task_t_load.json 18",
        "18 layers and 14 heads are used, which give 202M parameters; 14 layers give 163M",
        setting="models.A1.layers: 14",
    ),
    Quirk(
        "minilmv2-layer",
        ("MiniLMv2",),
        "README.md of aitsc/GLMKD names layer 12 of the 12-layer teacher, none of 24; Wang et al. (2021) "
        "take the 21st",
        "the teacher's last layer is used at any depth",
    ),
)

_PASSES = (
    Quirk(
        "diito-site",
        ("DIITO",),
        "aitsc/GLMKD distill/distill_model.py writes into the output of a block's input LayerNorm; Wu et al. "
        "(2022) exchange the block's hidden state itself",
        "only the attention of one block sees the exchanged tokens, the residual stream does not",
        {"as_published": each_objective(switches.swapped_residuals)},
    ),
    Quirk(
        "diito-source",
        ("DIITO",),
        "aitsc/GLMKD distill/distill_model.py takes activations from the next row of the batch and starts at "
        "random; Wu et al. (2022) draw a second batch and start from the teacher",
        "interventions come from within the micro-batch, so its size matters",
    ),
    Quirk(
        "theseus-all-teacher",
        ("Theseus",),
        "aitsc/GLMKD distill/distill_model.py appends a second draw where the first kept no student block",
        "the first draw stands: a step may train the embeddings and the last LayerNorm alone",
        {"fixed": each_objective(switches.some_student_blocks)},
    ),
    Quirk(
        "theseus-trainable",
        ("Theseus",),
        "aitsc/GLMKD distill/distill_model.py trains the whole student; the optimiser of Xu et al. (2020) "
        "holds its blocks alone",
        "embeddings, the last LayerNorm and the output are trained, too",
    ),
    Quirk(
        "pre-ln-features",
        _HIDDEN,
        "aitsc/GLMKD mpu/transformer.py records the normalised input of the next block; the methods were "
        "published for BERT, whose blocks end in a LayerNorm",
        "hidden states are normalised by a LayerNorm that belongs to the next block, embeddings likewise",
    ),
    Quirk(
        "layer-strides",
        ("PKD", "MGSKD", "DIITO"),
        "aitsc/GLMKD distill/distill_model.py takes every int(L_t / L_s)-th layer",
        "none where the depths divide; elsewhere that fails, and layers are spread as for the other methods",
    ),
    Quirk(
        "phase-counters",
        ("SID", "MobileBERT"),
        "aitsc/GLMKD distill/distill_model.py counts phases in memory that no checkpoint holds",
        "a resumed run of theirs climbs through the phases again; here the phase follows from the step",
    ),
)

_STARTS = (
    Quirk(
        "fused-truncation",
        _ALL,
        "aitsc/GLMKD distill/prepare.py cuts the fused query-key-value matrix as one block",
        "a truncated student of another width gets keys from the teacher's queries and values from its keys",
        {"fixed": switches.cut_by_projection},
    ),
    Quirk(
        "truncation-source",
        ("PKD", "ALP-KD", "Universal-KD", "Theseus"),
        "aitsc/GLMKD distill/prepare.py truncates the fine-tuned teacher; some of the publications start "
        "from the pretrained one",
        "students know the task before their first step",
        {"as_published": switches.cut_from_pretrained},
    ),
    Quirk(
        "distilbert-start",
        ("DistilBERT", "RAIL-KD"),
        "README.md of aitsc/GLMKD gives no start; Sanh et al. (2019) take every other layer of the teacher",
        "students start at random",
    ),
    Quirk(
        "unmapped-embedding",
        _ALL,
        "the paper's eq. 5 slices the teacher's embedding; the command in README.md of aitsc/GLMKD does not",
        "students with a compressed vocabulary start from random embeddings",
        {"as_published": switches.sliced_words},
    ),
    Quirk(
        "embedding-width",
        ("GLMD-vc+mo", "GLMD-vc+al", "GLMD+al"),
        "README.md of aitsc/GLMKD gives 384 for 66M and nothing for 22M; the paper prints sizes alone",
        "embeddings are half as wide as the student; at 22M two of the rows come to 17.1M, printed as 16M",
    ),
)

_RUNS = (
    Quirk(
        "second-stage-selection",
        _TWO_TASK_STEPS,
        "aitsc/GLMKD distill/auto_tune.py starts a second task stage from the best checkpoint on dev and "
        "scores it before training",
        "a second stage never scores below the first",
    ),
    Quirk(
        "cb-selection",
        _ALL,
        "aitsc/GLMKD distill/auto_tune.py adds F1 as a fraction to accuracy in percent",
        "accuracy alone decides which evaluation of CB is reported",
    ),
    Quirk(
        "floor-of-linear-decay",
        _ALL,
        "the paper says linear decay; aitsc/GLMKD learning_rates.py stops at a tenth of the peak",
        "the last updates on a task are larger than with a decay to zero",
        setting="task_training.optimiser.floor: 0.0",
    ),
    Quirk(
        "gradient-clipping",
        _ALL,
        "Table 8 of the paper says 0.1, config_tasks/config_blocklm_tiny6.json of aitsc/GLMKD 1.0",
        "gradients are clipped at 1.0",
        setting="task_training.optimiser.clip_norm: 0.1",
    ),
    Quirk(
        "mobilebert-size",
        ("MobileBERT",),
        "Table 2 of the paper counts the 128 input columns of an embedding table of 512",
        "the models have more parameters than printed: 37.4M for 25M, 306M for 293M",
    ),
)

LEDGER: tuple[Quirk, ...] = (*_LOSSES, *_TEACHERS, *_PASSES, *_STARTS, *_RUNS)
