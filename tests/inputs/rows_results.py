"""Malformed results folders, as someone passes them on, and malformed ledgers of claims."""

from __future__ import annotations

import json

from inputs.bench import (
    Row,
    append,
    both,
    convert,
    edit,
    field,
    folder_instead,
    nothing,
    remove,
    set_line,
    write,
)

from retort.runcard import VERSION

SCORES = "finished/glmd/scores.csv"
CARD = "finished/stages/{first}/tasks/RTE/card.json"
TABLE = "make_table table3 --results finished"
RERUN = "rerun mailed.json --results again"
REPORT = "make_report --results finished"
JUDGE = "judge_claims --results finished --ledger ledger.yaml"


def scores(name, spoil, *words):
    """The table of scores."""
    return Row(name, spoil, TABLE, ("finished/glmd/scores.csv", *words))


def card(name, change, *words):
    """The card of one run."""

    def spoil(folder):
        for path in (folder / "finished" / "stages").glob("*/tasks/RTE/card.json"):
            change(str(path.relative_to(folder)))(folder)

    return Row(name, spoil, REPORT, ("RTE/card.json", *words))


FOLDERS = (
    Row("results that there are not", nothing, "make_table table3 --results nowhere",
        ("--results: nowhere is not a folder; name that of one scale: results/<scale>",)),
    Row("a file of results", nothing, "make_table table3 --results run.yaml",
        ("--results: run.yaml is not a folder",)),
    Row("a paper that there is not", nothing, f"{TABLE} --paper glmt",
        ("--paper: no paper 'glmt'; did you mean 'glmd'?",)),
    Row("results of all scales", nothing, "summarise --results .", ("config.json: no such file",)),
    Row("a configuration of another version", field("finished/config.json", 0, "seeds"),
        "summarise --results finished",
        ("finished/config.json: seeds: Field required; write it again with this version",)),
    Row("a run's configuration that is cut off",
        convert("finished/config.json", lambda content: content[:50]), "summarise --results finished",
        ("finished/config.json:", "not JSON", "mend or remove the file")),
    Row("a configuration of results that there is not", nothing, f"{TABLE} --config nowhere.json",
        ("nowhere.json: no such file; ",)),
    Row("a configuration of results that is not resolved", nothing, f"{TABLE} --config run.yaml",
        ("run.yaml:1: not JSON",)),
    Row("a table into a file", nothing, f"{TABLE} --out run.yaml", ("run.yaml: ", "name a folder there"),
        code=1),
    Row("claims into a folder", nothing, f"{JUDGE} --out data", ("data: ", "name a file there"), code=1),
    Row("exhibits that are not there", nothing, "export_reference --results finished --out reference",
        ("finished/glmd: has no tables and figures yet; finish the run first",)),
    Row("a folder to watch that is not there", nothing, "watch nowhere --once",
        ("nowhere: no such folder; start a run first or name its results folder",)),
    Row("a status of nothing", write("finished/x/.progress/a.json", "{}"), "watch finished --once",
        ("a.json: not the status of a job; remove it",)),
    Row("scores before a run", nothing, "collect_scores --config run.yaml",
        ("metrics.json: no such file; run the step",)),
    Row("a teacher that knows too little", lambda folder: _gate(folder), "check_gates --config run.yaml",
        ("teacher gates: T1 averages 50.0 after fine-tuning, 90 are asked for. ", "give it more steps"),
        code=1),
)  # fmt: skip


def _gate(folder):
    path = folder / "run.yaml"
    path.write_text(path.read_text() + "gates: {fine_tuned_average: 90}\n")


TABLES = (
    scores("no scores", remove(SCORES), "no such file; run the step that collects the scores (again)"),
    scores("a folder of scores", folder_instead(SCORES), "cannot be read (Is a directory)"),
    scores("empty scores", write(SCORES, ""),
           "no table (No columns to parse from file); run the step that collects"),
    scores("scores without a column", edit(SCORES, "protocol", "protocoll"),
           ":1: column 'protocol' is missing"),
    scores("scores in Latin-1", convert(SCORES, lambda content: content + b"\xe9\n"), "not UTF-8"),
    scores("scores of eleven fields", append(SCORES, "student,KD,T1-S1,3,RTE,accuracy,paper,50,x,y,z\n"),
           "no table ("),
    scores("a score above 100", set_line(SCORES, 2, "student,KD,T1-S1,9,RTE,accuracy,paper,101,x"),
           ":2: value '101' is no number from 0 to 100"),
    scores("a score that is no number", set_line(SCORES, 2, "student,KD,T1-S1,9,RTE,accuracy,paper,nan,x"),
           ":2: value 'nan' is no number from 0 to 100"),
    scores("a score of no metric", set_line(SCORES, 2, "student,KD,T1-S1,9,RTE,f1,paper,50,x"),
           ":2: no metric 'f1'"),
    scores("a score of no role", set_line(SCORES, 2, "pupil,KD,T1-S1,9,RTE,accuracy,paper,50,x"),
           ":2: role 'pupil'"),
    scores("a score twice", convert(SCORES, lambda content: content + content.splitlines(keepends=True)[-1]),
           "repeats an earlier row"),
    card("a card that is cut off", lambda path: convert(path, lambda content: content[:30]), "not JSON"),
    card("a card of another version", lambda path: field(path, 0, "version", VERSION + 1),
         f"no run card of version {VERSION}; remove the stage's folder and train it again: python scripts/"),
    card("a card of no version", lambda path: field(path, 0, "version"),
         f"no run card of version {VERSION}; name the card.json of a run, or train"),
    card("a list for a card", lambda path: write(path, "[]"), f"no run card of version {VERSION}; name the"),
    card("a card without its stage", lambda path: field(path, 0, "stage"),
         "field 'stage' is missing or malformed; train this stage again"),
    card("a card with text for seconds", lambda path: field(path, 0, "seconds", "60"),
         "field 'seconds' is missing or"),
)  # fmt: skip


def mailed(name, spoil, *words):
    """A run card by itself, to make its run again."""
    return Row(name, spoil, RERUN, ("mailed.json:", *words))


RERUNS = (
    mailed("no card to make again", remove("mailed.json"), "no such file; "),
    mailed("a folder for a card", folder_instead("mailed.json"), "cannot be read (Is a directory)"),
    mailed("a mailed card that is cut off", convert("mailed.json", lambda content: content[:30]),
           "not JSON"),
    mailed("a list for a mailed card", write("mailed.json", "[]"), "no run card of version", "name the"),
    mailed("a mailed card of another version", field("mailed.json", 0, "version", 1),
           f"no run card of version {VERSION}; remove the stage's folder and train it again: python scr"),
    mailed("a command of two lines", both(field("mailed.json", 0, "version", 1),
                                          field("mailed.json", 0, "command", "python\nx")),
           f"no run card of version {VERSION}; remove the stage's folder and train it again"),
    mailed("a card without its configuration", field("mailed.json", 0, "config"),
           "field 'config' is missing or malformed; train this stage again"),
    mailed("a card without its inputs", field("mailed.json", 0, "inputs"), "field 'inputs' is missing"),
    mailed("a card of seeds in words", field("mailed.json", 0, "config.seeds", "one"),
           "seeds: given \"one\", expected a list"),
    mailed("a card without weights", field("mailed.json", 0, "results.weights"),
           "field 'results' lacks scores or weights; train this stage again"),
    mailed("a card without scores", field("mailed.json", 0, "results.best"), "field 'results' lacks scores"),
    mailed("recipes that no configuration names", field("mailed.json", 0, "recipes", "METHODS = ()"),
           "field 'config.recipes' is missing or malformed"),
    mailed("a card of a stage that is not planned", field("mailed.json", 0, "stage.seed", 77),
           "this repository plans no such stage; check out the commit"),
    Row("a rerun of other stages", nothing, f"{RERUN} --config seeds=[1,2]",
        ("--config: makes other stages than the card's; give no more than paths and the device",)),
    Row("a rerun in a folder in use", write("again/scripts/mine.py", ""), RERUN,
        ("again/scripts: is in the way; name a folder that nothing else uses",)),
)  # fmt: skip


def claim(name, old, new, *words):
    """A ledger of claims."""
    return Row(name, edit("ledger.yaml", old, new), JUDGE, ("ledger.yaml", *words))


CLAIMS = (
    Row("no ledger", remove("ledger.yaml"), JUDGE,
        ("ledger.yaml: no such file; it holds the claims of the paper",)),
    Row("a ledger of nothing", write("ledger.yaml", "claims: []"), JUDGE,
        ("ledger.yaml: claims: given [], expected",)),
    Row("a ledger of a list", write("ledger.yaml", "- id: a"), JUDGE, ("ledger.yaml: holds no keys",)),
    claim("a bracket left open in a claim", "lower: KD @ T1-S1}", "lower: KD @ T1-S1", "not valid YAML"),
    claim("a key twice in a claim", "where: Table 3", "where: Table 3\n    where: Table 4",
          ":4: not valid YAML (key 'where'"),
    claim("a misspelt key of a claim", "where: Table 3", "where: Table 3\n    notes: x",
          "claim pd-over-kd: notes: unknown key; did you mean 'note'?"),
    claim("a comparison that there is not", "kind: greater", "kind: grater",
          "claim pd-over-kd: test: kind must be one of greater, no_worse, at_least_within"),
    claim("an id twice", "id: loss-follows", "id: pd-over-kd",
          "claim pd-over-kd: id is used twice; give each claim its own"),
    claim("a cell without a pair", "PD @ T1-S1, lower", "PD, lower",
          "test.higher: given \"PD\", expected a cell as"),
    claim("a misspelt method of a claim", "lower: KD @ T1-S1", "lower: TinyBETR @ T1-S1",
          "claim pd-over-kd: no method 'TinyBETR'; did you mean 'TinyBERT'?"),
    claim("a misspelt pair of a claim", "lower: KD @ T1-S1", "lower: KD @ T1-S11",
          "claim pd-over-kd: no pair 'T1-S11'; did you mean 'T1-S1'?"),
    claim("a cell against itself", "lower: KD @ T1-S1", "lower: PD @ T1-S1",
          "claim pd-over-kd: given", "expected cells that differ (PD @ T1-S1 is compared with itself)"),
    claim("a threshold that is no number", "threshold: 0.5", "threshold: .nan", "test.threshold: given",
          "expected a finite"),
    claim("a correlation above one", "threshold: 0.5", "threshold: 50",
          "test.threshold: given 50, expected less than or"),
    claim("a score of no task", "lower: KD @ T1-S1}", "lower: KD @ T1-S1, score: Rte}",
          'test.score: given "Rte"'),
    Row("predictions of other scores", lambda folder: _swap(folder), JUDGE,
        ("predictions.jsonl: these predictions score 0.000 on", "collect the scores again")),
    Row("a prediction that is cut off", lambda folder: _swap(folder, "{"), JUDGE,
        ("predictions.jsonl:1: not a prediction; run the stage again",)),
)  # fmt: skip


def _swap(folder, line=None):
    """All predictions wrong, or one line for all."""
    for path in (folder / "finished" / "stages").glob("*/tasks/*/predictions.jsonl"):
        found = [json.loads(text) | {"prediction": 0} for text in path.read_text().splitlines()]
        path.write_text(line or "".join(json.dumps(record) + "\n" for record in found))


EXHIBITS = (
    Row("a table that there is not", nothing, "make_table table33 --results finished",
        ("glmd has no exhibit 'table33'; did you mean 'table3'?",)),
    Row("a figure that there is not", nothing, "make_figure figure1 --results finished",
        ("glmd has no exhibit 'figure1'; did you mean 'figure5'?",)),
)  # fmt: skip

ROWS = (*FOLDERS, *TABLES, *RERUNS, *CLAIMS, *EXHIBITS)
