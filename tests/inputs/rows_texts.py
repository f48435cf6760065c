"""Malformed sections of the papers on transformers models."""

from __future__ import annotations

import json

from inputs.bench import Row, both, setting, write
from small_tracks import CORPUS_RUN, GREEDY, model_section, track_section

PLAN = "show_plan --config run.yaml"
GOOD = json.dumps({"scale": "smoke", "papers": ["cka"]})
"""The scale's own tracks; what is set is laid over them."""
OTHER = json.loads(
    json.dumps(track_section("BERT", ["BERT CKA"])).replace('"BERT"', '"B"').replace('"BERT_', '"B_')
)
TRACK = "cka.tracks.bart"
CASE = "run.yaml: cka.tracks.bart"


def told(name, place, value, *words, command=PLAN):
    """A value that cannot be, of a key of ``run.yaml``."""
    return Row(name, both(write("run.yaml", GOOD), setting(place, value)), command, words)


KEYS = (
    told("a misspelt family", f"{TRACK}.family", "brat", f"{CASE}.family", "'bert', 'bart', 'mbart'"),
    told("a misspelt key of a track", f"{TRACK}.methdos", {}, f"{CASE}.methdos: unknown key; did you mean"),
    told("tasks that are null", f"{TRACK}.tasks", None, f"{CASE}.tasks: given null, expected keys with"),
    told("tasks as a list", f"{TRACK}.tasks", ["XSum"], f"{CASE}.tasks: ", 'given ["XSum"], expected keys'),
    told("students that are no list", f"{TRACK}.methods", {"BART CKA": "BART_1x8"},
         f"{CASE}.methods.BART CKA: ", "expected a list"),
    told("a score above 100 to be reached", f"{TRACK}.gates", {"XSum": 101}, f"{CASE}.gates.XSum: ",
         "less than or equal to 100"),
    told("a symbol with a dash", f"{TRACK}.models.B-1", model_section("BART", 1, 8), f"{CASE}.models: ",
         "'B-1' is no symbol; write letters, digits and underscores"),
    told("a paper that is not among ours", "papers", ["cak"], "run.yaml: papers[0]: ", "'glmd'", "'cka'"),
    told("a paper without its section", "cka", None,
         "run.yaml: cka: is null, but papers names it; give the section, or leave cka out"),
)  # fmt: skip

SOURCES = (
    told("texts of no world", "cka.pocket", None,
         "run.yaml: cka.pocket: is null, but data.source is 'pocket'; give the sizes"),
    told("texts of no hub", "data.source", "hub",
         "run.yaml: cka.hub: is null, but data.source is 'hub'; give the names on the hub"),
    told("tokenizer files for the pocket world", f"{TRACK}.vocabulary.files", ["vocab.txt"],
         f"{CASE}.vocabulary.files: are given, but data.source is 'pocket'", "set them to []"),
    told("a seed of a paper twice", "cka.seeds", [1, 1],
         "run.yaml: cka.seeds: 1 is listed twice; list it once"),
    told("a track with a dash", "cka.tracks", {"my-bert": OTHER},
         "run.yaml: cka.tracks.my-bert: 'my-bert' is no name of a track; write letters"),
)  # fmt: skip

MODELS = (
    told("heads that do not divide a track's width", f"{TRACK}.models.BART_1x8.heads", 3,
         f"{CASE}.models.BART_1x8.heads: 3 heads do not divide the width 8; change one"),
    told("an encoder-decoder without a decoder", f"{TRACK}.models.BART_1x8.decoder_layers", 0,
         f"{CASE}.models.BART_1x8.decoder_layers: is 0, but bart models have one or more"),
    told("an encoder with a decoder", "cka.tracks.bert.models.BERT.decoder_layers", 1,
         "run.yaml: cka.tracks.bert.models.BERT.decoder_layers: is 1, but bert models have none, write 0"),
    told("an encoder of no layers", f"{TRACK}.models.BART.encoder_layers", 0,
         f"{CASE}.models.BART.encoder_layers: is 0, but bart models have one or more"),
    told("one name for two tracks' models", "cka.tracks.bert.models.BART_1x8",
         model_section("BERT", 1, 8) | {"positions": 48},
         "cka.tracks.bart.models.BART_1x8: cka.tracks.bert.models has a model of this name, too; rename one"),
    told("a teacher that is no model", f"{TRACK}.teachers", ["BRAT"],
         "cka.tracks.bart: no model 'BRAT'; did you mean 'BART'?"),
    told("students that are no model", f"{TRACK}.methods", {"BART CKA": ["BRAT_1"]},
         "cka.tracks.bart: no model 'BRAT_1'; did you mean 'BART_1x8'?"),
    told("a student twice", f"{TRACK}.methods", {"BART CKA": ["BART_1x8", "BART_1x8"]},
         f"{CASE}: students of BART CKA: 'BART_1x8' is listed twice; list it once"),
    told("an import for a student of a track", f"{TRACK}.import_teacher", {"BART_1x8": "given"},
         f"{CASE}.import_teacher.BART_1x8: is no teacher of this track; valid: BART"),
    told("a recipe that there is not for a track", f"{TRACK}.methods", {"BART KCA": ["BART_1x8"]},
         "cka.tracks.bart.methods: no recipe for 'BART KCA'; did you mean 'BART CKA'?"),
    told("a method of another family", f"{TRACK}.methods", {"BERT CKA": ["BART_1x8"]},
         "cka.tracks.bart.methods: BERT CKA is for bert models, this track has bart"),
    told("a cosine of unequal widths", f"{TRACK}.variants", {"BART cosine (one recipe)": ["BART_1x8"]},
         "BART cosine (one recipe): compares states of equal width, but BART has 16 and BART_1x8 8"),
)  # fmt: skip

TASKS = (
    told("a task of no paper", f"{TRACK}.tasks.XSun", {"source": 24, "target": 12, "decoding": GREEDY},
         f"{CASE}.tasks.XSun: no task of this paper; did you mean 'XSum'?"),
    told("sentences for an encoder-decoder", f"{TRACK}.tasks.RTE", {"source": 24},
         f"{CASE}.tasks.RTE: is for models of bert, this track has bart; leave the task out"),
    told("texts for an encoder", "cka.tracks.bert.tasks.XSum",
         {"source": 24, "target": 12, "decoding": GREEDY},
         "cka.tracks.bert.tasks.XSum: is for models of bart, mbart, mbart50 and t5, this track has bert"),
    told("classes with a length", "cka.tracks.bert.tasks.RTE",
         {"source": 24, "target": 12, "decoding": GREEDY},
         "cka.tracks.bert.tasks.RTE.target: is given, but its answers are classes; leave target and"),
    told("texts without a length", f"{TRACK}.tasks.XSum.target", None,
         f"{CASE}.tasks.XSum.target: is missing, but its answers are texts; give target and decoding"),
    told("a target without decoding", f"{TRACK}.tasks.XSum.decoding", None,
         "cka.tracks.bart.tasks.XSum: target and decoding go together; give both or none"),
    told("a source longer than positions", f"{TRACK}.tasks.XSum.source", 65,
         f"{CASE}.tasks.XSum.source: 65 tokens, but BART has 64 positions; lower it"),
    told("texts that outgrow the positions", f"{TRACK}.tasks.XSum.decoding.max_length", 65,
         f"{CASE}.tasks.XSum.decoding.max_length: 65 tokens, but BART has 64 positions; lower it"),
    told("a gate for no task", f"{TRACK}.gates", {"Xsum": 50},
         f"{CASE}.gates.Xsum: no such task in this track; did you mean 'XSum'?"),
)  # fmt: skip

CORPORA = (
    told("samples longer than a track's positions", "cka.tracks.bert.pretraining.length", 49,
         "cka.tracks.bert.pretraining.length: 49 tokens, but BERT has 48 positions; lower it"),
    told("micro-batches that do not divide a track's batch",
         "cka.tracks.bert.pretraining.student.micro_batch_size", 3,
         "cka.tracks.bert.pretraining.student.micro_batch_size: 3 does not divide batch_size 4"),
    told("noise of another family", f"{TRACK}.pretraining.noise", "words",
         f"{CASE}.pretraining.noise: words is not for bart models; valid: infilling or none"),
    told("nothing for a student to begin with", "cka.tracks.bert.pretraining.student", None,
         "cka.tracks.bert.pretraining.student: is null, but BERT CKA learns on the corpus; give it a run"),
    told("nobody to learn from on the corpus", "cka.tracks.bert.pretraining.teacher", None,
         "cka.tracks.bert.pretraining.teacher: is null, but BERT CKA learns from BERT on the corpus"),
    told("a run without its rate", "cka.tracks.bert.pretraining.student",
         CORPUS_RUN | {"optimiser": None}, "pretraining.student.optimiser: given null, expected keys with"),
    told("scores of a paper that is not run", "papers", ["cka"],
         "--paper: this configuration does not run glmd; it runs cka",
         command="collect_scores --config run.yaml --paper glmd"),
    told("times of a paper that is not run", "papers", ["glmd"],
         "--paper: this configuration has no tracks of cka to time; it has none",
         command="measure_speed --config run.yaml --paper cka"),
    told("times of a paper without tracks", "papers", ["glmd", "cka"],
         "--paper: this configuration has no tracks of glmd to time; it has cka",
         command="measure_speed --config run.yaml --paper glmd"),
    told("slices of a paper that is not run", "papers", ["glmd"],
         "--paper: this configuration does not run atkd; it runs glmd",
         command="measure_landscape --config run.yaml --paper atkd"),
)  # fmt: skip

ROWS = (*KEYS, *SOURCES, *MODELS, *TASKS, *CORPORA)
