"""Malformed configurations."""

from __future__ import annotations

import gzip

from inputs.bench import (
    Row,
    append,
    both,
    convert,
    edit,
    folder_instead,
    link_to_itself,
    nothing,
    set_line,
    setting,
    write,
)

PLAN = "show_plan --config run.yaml"
EVERYTHING = "encode_text --config run.yaml"


def told(name, place, value, *words):
    """A value that cannot be, of the key at ``place``; the line names the key."""
    return Row(name, setting(place, value), PLAN, (f"run.yaml: {place}", *words))


FILES = (
    Row("no such scale", nothing, "show_plan --config poket",
        ("poket: neither a scale nor a file; did you mean 'pocket'?",)),
    Row("a folder for a file", nothing, "show_plan --config data",
        ("data: neither a scale nor a file; valid:",)),
    Row("an empty file", write("run.yaml", ""), PLAN, ("run.yaml: holds no keys; a configuration is",)),
    Row("a list for keys", write("run.yaml", "- pocket\n"), PLAN, ("run.yaml: holds no keys",)),
    Row("a bracket left open", write("run.yaml", "scale: smoke\nseeds: [1\n"), PLAN,
        ("run.yaml:3: not valid YAML", "mend this line")),
    Row("a tab for spaces", write("run.yaml", "scale: smoke\ndata:\n\tsource: folder\n"), PLAN,
        ("run.yaml:3: not valid YAML", "'\\t'", "mend this line")),
    Row("a key twice", append("run.yaml", "seeds: [2]\n"), PLAN,
        ("not valid YAML (key 'seeds' is written twice)",)),
    Row("a list for a key", append("run.yaml", "? [a]\n: 1\n"), PLAN, ("not valid YAML (a key is no text)",)),
    Row("a date for a key", append("run.yaml", "2026-01-01: 1\n"), PLAN,
        ("not valid YAML (a key is no text)",)),
    Row("a date that there is not", append("run.yaml", "x: 2026-13-45\n"), PLAN, ("run.yaml: ", "mend it")),
    Row("a value inside itself", append("run.yaml", "x: &a [*a]\n"), PLAN,
        ("run.yaml: ", "holds itself", "mend it")),
    Row("a control character", append("run.yaml", "x: \x07\n"), PLAN,
        ("run.yaml:", "not valid YAML (special")),
    Row("a configuration in Latin-1", set_line("run.yaml", 2, "x: caf\xe9".encode("latin-1")), PLAN,
        ("run.yaml:2: not UTF-8; convert the file to UTF-8",)),
    Row("a configuration in UTF-16", convert("run.yaml", lambda text: text.decode().encode("utf-16")), PLAN,
        ("run.yaml:1: not UTF-8; convert",)),
    Row("a packed configuration", convert("run.yaml", gzip.compress), PLAN,
        ("run.yaml: is packed (gzip or zip); unpack it",)),
    Row("no scale", edit("run.yaml", "scale: smoke\n", ""), PLAN,
        ("run.yaml: scale: is missing; add one of paper",)),
    Row("a scale that there is not", setting("scale", "smok"), PLAN,
        ("run.yaml: scale: no scale 'smok'; did you mean 'smoke'?",)),
    Row("extends outside a scale file", setting("extends", "pocket"), PLAN,
        ("run.yaml: extends: unknown key",)),
    Row("results in a file", nothing, f"{PLAN} --results run.yaml",
        ("--results: run.yaml is a file; name a folder",)),
    Row("a stage that there is not", nothing, "pretrain --config run.yaml --stage S1.pre.x",
        ("stage 'S1.pre.x' is not in this plan; 'make plan' lists those that are",)),
)  # fmt: skip

KEYS = (
    told("a misspelt key", "sedes", [1], "unknown key; did you mean 'seeds'?"),
    told("a key like no other", "zzz", 1, "unknown key; valid: scale, papers, tasks"),
    told(
        "a key in another section",
        "world_seed",
        1,
        "unknown key here; did you mean 'data.pocket.world_seed'?",
    ),
    told("a misspelt key inside", "pretraining.teacher.stesp", 3, "unknown key; did you mean 'steps'?"),
    told("a section that is null", "data", None, "given null, expected keys with values"),
    told(
        "a null that removes nothing",
        "models.T9",
        None,
        "null removes what scale smoke has, which is nothing",
    ),
    told("text for a list", "seeds", "one", 'given "one", expected a list, e.g. [a, b]'),
    told("text for a number", "pretraining.teacher.steps", "ten", 'given "ten", expected a whole number'),
    told("a fraction of a step", "pretraining.teacher.steps", 2.5, "given 2.5, expected a whole number"),
    told("true for a number", "models.T1.layers", True, "given true, expected a whole number"),
    told("a device that there is not", "device", "gpu", "expected one of 'auto', 'cpu' or 'cuda'"),
    told("a task that there is not", "tasks", ["RTE", "Rte"], "expected one of 'BoolQ', 'CB'"),
    told("a model on no device", "models.T1.devices", 0, "given 0, expected a value greater than 0"),
    told("half a job on a GPU", "jobs_per_gpu", 0.5, "given 0.5, expected a whole number"),
    told("no steps", "pretraining.teacher.steps", 0, "given 0, expected a value greater than 0"),
    told("a negative rate", "task_training.learning_rate.teacher", -1.0, "given -1.0, expected"),
    told("a NaN rate", "task_training.learning_rate.student", float("nan"), "expected a finite number"),
    told(
        "an endless rate",
        "pretraining.student.optimiser.learning_rate",
        float("inf"),
        "expected a finite number",
    ),
    told("all is dropped out", "models.S1.dropout", 1.0, "given 1.0, expected a value less than 1"),
    told(
        "a moment that never moves",
        "task_training.optimiser.betas",
        [0.9, 1.0],
        "expected a value less than 1",
    ),
    told("nothing but warm-up", "task_training.optimiser.warmup", 1.0, "expected a value less than 1"),
    told(
        "a decay in no time",
        "pretraining.teacher.optimiser.decay_share",
        0.0,
        "expected a value greater than 0",
    ),
    told("samples of two tokens", "pretraining.max_length", 2, "expected a value greater than or equal to 3"),
    told("a negative seed", "seeds", [-1], "given -1, expected a value greater than or equal to 0"),
    told("a seed that torch cannot take", "seeds", [2**64], "expected a value less than 9223372036854775808"),
    told("a training seed twice", "seeds", [3, 3], "3 is listed twice; list it once"),
    told("a variant's seed twice", "variants.seeds", [1, 1], "1 is listed twice; list it once"),
    told(
        "a variant's table twice",
        "variants.tables",
        ["table4", "table4"],
        "'table4' is listed twice; list it once",
    ),
)

CONTRADICTIONS = (
    told("a micro-batch that does not divide", "pretraining.student.micro_batch_size", 3,
         "3 does not divide batch_size 8; use a divisor, e.g. 1"),
    Row("texts longer than positions",
        both(setting("task_training.max_length", 97), setting("models.T1.positions", 128)), PLAN,
        ("run.yaml: task_training.max_length: 97 tokens, but models.S1 has 96 positions; lower it",)),
    Row("samples longer than positions",
        both(setting("pretraining.max_length", 97), setting("models.T1.positions", 128)), PLAN,
        ("run.yaml: pretraining.max_length: 97 tokens, but models.S1 has 96 positions; lower it",)),
    told("heads that do not divide", "models.S1.heads", 3, "3 heads do not divide the width 16; change one"),
    told("a task without its number", "task_training.epochs", {"RTEE": 1},
         "unknown key; did you mean 'RTE'?"),
    told("search beside its outcome", "task_training",
         {"hyper_parameters": "rates.csv", "search": {"learning_rates": [1e-3], "batch_sizes": [8]}},
         "hyper_parameters: is given beside search", "set one of the two to null"),
    told("a search point twice", "task_training.search", {"learning_rates": [1e-3, 1e-3], "batch_sizes": [8]},
         "learning_rates: 0.001 is listed twice; list it once"),
    told("no data folder named", "data_root", None,
         "is missing, but data.source is 'folder'; add --config data_root"),
    Row("a data folder for the pocket world", setting("data", {}), PLAN,
        ("run.yaml: data_root: is given, but data.source is 'pocket', which reads no folder; add --con",)),
    Row("a vocabulary for the pocket world",
        both(setting("data.source", "pocket"), setting("data_root", None)), PLAN,
        ("run.yaml: data.vocabulary.vocab_txt: is given, but data.source is 'pocket'", "set it to null")),
    Row("the hub without names", both(setting("data.source", "hub"), setting("data_root", None)), PLAN,
        ("run.yaml: data.hub: is null, but data.source is 'hub'; give the names on the hub",)),
    told("an import for no model", "import_teacher", {"T3": "given"}, "T3: no such model; valid: T1, T2"),
    told("an import for a student", "import_teacher", {"S1": "given"},
         "S1: no pair is taught by it; valid: T1"),
    told("a pair without a student", "pairs", ["T1"], "'T1' is no pair; write T1-S1, T2-A1-S2 or (T1,T2)-S2"),
    told("a pair of no models", "pairs", ["T1-S9"], "'T1-S9' names 'S9'; valid: T1, T2"),
)  # fmt: skip

NAMES = (
    Row("a misspelt method", setting("methods", ["GLMD-cv"]), PLAN,
        ("methods: no recipe for 'GLMD-cv'; did you mean",)),
    Row("a pair that no method runs on", setting("pairs", ["T1-A1-S1"]), PLAN,
        ("pairs: T1-A1-S1: no method runs on these models; most need one teacher",)),
    Row("a pair that the methods do not run on",
        both(setting("pairs", ["T1-S1"]), setting("methods", ["TAKD"])), PLAN,
        ("pairs: none of the methods runs on T1-S1",)),
    Row("a misspelt quirk", setting("quirks", {"embeding-width": "fixed"}), PLAN,
        ("quirks.embeding-width: no such quirk; did you mean 'embedding-width'?",)),
    Row("a switch that there is not", setting("quirks", {"unmapped-embedding": "fixd"}), PLAN,
        ("quirks.unmapped-embedding: given", "expected one of 'as_run', 'as_published', 'fixed'")),
    Row("a switch of other quirks", setting("quirks", {"unmapped-embedding": "fixed"}), PLAN,
        ("quirks.unmapped-embedding: no switch 'fixed'; it has as_run, as_published",)),
    Row("a misspelt quirk to try", setting("variants.quirks", ["mt-bert-projection"]), PLAN,
        ("variants.quirks: no quirk 'mt-bert-projection'; did you mean 'mt-bert-projections'?",)),
    Row("a quirk to try without switches", setting("variants.quirks", ["embedding-width"]), PLAN,
        ("variants.quirks: embedding-width has no switch to try; leave it out",)),
)  # fmt: skip


def rated(name, spoil, *words):
    """A table of hyper-parameters."""
    return Row(name, lambda folder: _rated(folder, spoil), PLAN, words)


def _rated(folder, spoil):
    setting("task_training.hyper_parameters", str(folder / "rates.csv"))(folder)
    spoil(folder)


RATES = (
    Row("rates that there are not", setting("task_training.hyper_parameters", "no.csv"), PLAN,
        ("task_training.hyper_parameters: no.csv is not a file; name a CSV, or null",)),
    rated("a folder of rates", folder_instead("rates.csv"), "task_training.hyper_parameters: ",
          "is not a file"),
    rated("rates that cannot be opened", link_to_itself("rates.csv"), "rates.csv is not a file"),
    rated("rates without a column", edit("rates.csv", "learning_rate", "lr"),
          "rates.csv:1: column 'learning_rate' is missing; the columns are method, config"),
    rated("a rate below zero", edit("rates.csv", "1e-3", "-1e-3"), "rates.csv:3: ", "'-1e-3'",
          "mend the line"),
    rated("a rate that is no number", edit("rates.csv", "1e-3", "nan"), "rates.csv:3: ", "'nan'",
          "mend the line"),
    rated("no rate", edit("rates.csv", ",1e-3", ""), "rates.csv:3: ", "mend the line"),
    rated("a batch of none", edit("rates.csv", "8,1e-3", "0,1e-3"), "rates.csv:3: batch_size '0'"),
    rated("a rate for no task", edit("rates.csv", "PD,T1-S1,RTE", "PD,T1-S1,RTEE"),
          "rates.csv:3: task: no task 'RTEE'; did you mean 'RTE'?"),
    rated("a rate for no method", edit("rates.csv", "PD,T1-S1", "PDD,T1-S1"),
          "rates.csv: line of PDD, T1-S1, RTE: method: no such method; did you mean 'PD'?"),
    rated("a rate for no pair", edit("rates.csv", "PD,T1-S1", "PD,T1S1"),
          "config: 'T1S1' is no pair of models"),
    rated("two rates for one", append("rates.csv", "PD,T1-S1,RTE,8,1e-4\n"),
          "rates.csv:4: a second line for PD, T1-S1, RTE; keep one of them"),
    rated("rates in Latin-1", convert("rates.csv", lambda text: text + b"\xe9\n"),
          "rates.csv:4: not UTF-8; convert"),
)  # fmt: skip


def recipe(name, spoil, *words):
    """A recipe file."""
    return Row(name, both(setting("recipes", "mine.py"), spoil), PLAN, words)


RECIPES = (
    recipe("a recipe that there is not", setting("recipes", "your.py"),
           "recipes: your.py is not a Python file; name one that defines METHODS"),
    recipe("a recipe with a slip", append("mine.py", "METHODS = (\n"), "recipes: mine.py:6: not valid Python",
           "mend it"),
    recipe("a recipe in Latin-1", convert("mine.py", lambda text: text + b"x = '\xe9'\n"), "recipes: mine.py",
           "mend it"),
    recipe("a recipe without methods", edit("mine.py", "METHODS = (r", "MINE = (r"),
           "recipes: mine.py: add METHODS = (MY_METHOD,), a tuple of the methods to run"),
    recipe("a recipe with a list", edit("mine.py", 'name="Mine"),)', 'name="Mine"),)[:0]'),
           "recipes: mine.py: add METHODS"),
    recipe("a recipe with a name for a method", append("mine.py", 'METHODS = ("KD",)\n'),
           "recipes: mine.py: METHODS holds a str; put retort.recipes.Method values in"),
    recipe("a recipe of a name that is taken", edit("mine.py", "Mine", "KD"),
           "recipes: mine.py: there already is a method 'KD'; rename yours"),
    recipe("a recipe of a variant's name", edit("mine.py", "Mine", "GLMD-vc no-mask"),
           "recipes: mine.py: there already is a method 'GLMD-vc no-mask'; rename yours"),
    recipe("a recipe without steps", edit("mine.py", 'name="Mine"', 'name="Mine", steps=(), chain=None'),
           "recipes: mine.py: method 'Mine' has no steps; give it one or more"),
    recipe("a recipe that fails", append("mine.py", "1 / 0\n"), "recipes: mine.py:6: ZeroDivisionError",
           "mend it"),
    recipe("a recipe that ends the process", append("mine.py", "raise SystemExit(0)\n"),
           "recipes: mine.py:6: SystemExit", "mend it"),
    recipe("a recipe that imports what is not there", append("mine.py", "import no_such_module\n"),
           "recipes: mine.py:6: ModuleNotFoundError: No module named 'no_such_module'; mend it"),
)  # fmt: skip

ROWS = (*FILES, *KEYS, *CONTRADICTIONS, *NAMES, *RATES, *RECIPES)
