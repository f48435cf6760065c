"""Malformed data folders: tasks, corpus, vocabulary, and what the steps made of them."""

from __future__ import annotations

import gzip
import json

from inputs.bench import (
    Ended,
    Row,
    append,
    both,
    convert,
    copy,
    edit,
    field,
    folder_instead,
    link_to_itself,
    nothing,
    remove,
    run,
    set_line,
    setting,
    write,
)

from retort.files import SEAL

PREPARE = "prepare_data --config run.yaml"
ENCODE = "encode_text --config run.yaml"
SIGNALS = "teacher_signals --config run.yaml --stage {tuned}"
TASKS = "data/superglue"
RTE = f"{TASKS}/RTE/train.jsonl"
CORPUS = "data/corpus/a.txt"


def bad(name, spoil, *words):
    """Data that the first step refuses."""
    return Row(name, spoil, PREPARE, words)


def value(task, place, given, *words, number=2, name=""):
    """A field of a task's training file that is given another value, or none; the line names it."""
    path = f"{TASKS}/{task}/train.jsonl"
    said = name or f"{task}: {place} {'missing' if given is ... else given!r:.20}"
    return bad(said, field(path, number, place, given), f"{task}/train.jsonl:{number}: field ", *words)


def turned(content: bytes) -> bytes:
    """The same object with its label twice."""
    return content.replace(b'"idx": 1, ', b'"idx": 1, "label": "entailment", ')


ONE_LABEL = "".join(
    json.dumps({"passage": f"a cat {idx}", "question": "is it so", "label": True, "idx": idx}) + "\n"
    for idx in range(20)
)

FILES = (
    bad("no data folder", setting("data_root", "nowhere"),
        "data_root: nowhere is not a folder; name one with superglue/ and corpus/ in it"),
    bad("a file for the data folder", setting("data_root", "run.yaml"),
        "data_root: run.yaml is not a folder; name one"),
    bad("no folder of a task", remove(f"{TASKS}/WiC"), "WiC/train.jsonl: cannot be read",
        "check the data folder"),
    bad("no dev file", remove(f"{TASKS}/WiC/val.jsonl"),
        "WiC/val.jsonl: cannot be read (No such file or directory)"),
    bad("a folder for the dev file", folder_instead(f"{TASKS}/RTE/val.jsonl"),
        "RTE/val.jsonl: cannot be read (Is a"),
    bad("a file that cannot be opened", link_to_itself(RTE), "RTE/train.jsonl: cannot be read",
        "check the data folder"),
    bad("a task of no bytes", write(RTE, ""), "RTE/train.jsonl: holds no examples; check the download"),
    bad("a file of blank lines", write(RTE, "\n  \n\n"),
        "RTE/train.jsonl: holds no examples; check the download"),
    bad("the test file for dev",
        convert(f"{TASKS}/RTE/val.jsonl", lambda c: c.replace(b'"label"', b'"lable"')),
        "RTE/val.jsonl:1: field 'label' is missing; use the official labelled file"),
    bad("packed examples", convert(RTE, gzip.compress),
        "RTE/train.jsonl: is packed (gzip or zip); unpack it"),
    bad("examples in UTF-16", convert(RTE, lambda text: text.decode().encode("utf-16")),
        "RTE/train.jsonl:1: not UTF-8"),
    bad("examples in UTF-16 without a mark", convert(RTE, lambda text: text.decode().encode("utf-16-le")),
        "RTE/train.jsonl:1: holds NUL characters; save the file as plain UTF-8 text"),
    bad("a line in Latin-1", set_line(RTE, 2, b'{"premise": "caf\xe9"}'),
        "RTE/train.jsonl:2: not UTF-8; convert"),
    bad("a line that is cut off", set_line(RTE, 2, '{"premise": "a", '), "RTE/train.jsonl:2: not JSON (",
        "mend it"),
    bad("a line of two objects", set_line(RTE, 2, '{"idx": 1} {"idx": 2}'),
        "RTE/train.jsonl:2: not JSON (Extra data"),
    bad("one list for the lines", write(RTE, "[\n{}\n]"), "RTE/train.jsonl:1: not JSON"),
    bad("a list in a line", set_line(RTE, 2, "[1]"),
        "RTE/train.jsonl:2: the line must be a JSON object, not a list"),
    bad("a bottomless line", set_line(RTE, 2, "[" * 100_000),
        "RTE/train.jsonl:2: not JSON of this task (nested too deep"),
    bad("a NUL byte in a text", convert(RTE, lambda text: text.replace(b"sat", b"s\0t")),
        "RTE/train.jsonl:1: holds NUL"),
    bad("a field twice", convert(RTE, turned), "RTE/train.jsonl:2: field 'label' is written twice; keep one"),
    bad("half a surrogate pair", convert(RTE, lambda text: text.replace(b"sat", b"\\ud83d", 1)),
        "RTE/train.jsonl:1: field 'premise' holds half of a surrogate pair"),
    bad("dev is training", copy(RTE, f"{TASKS}/RTE/val.jsonl"),
        "RTE/val.jsonl: 3 of 3 lines are in train.jsonl, too; give the official file"),
    bad("dev is training with other numbers",
        both(copy(f"{TASKS}/MultiRC/train.jsonl", f"{TASKS}/MultiRC/val.jsonl"),
             convert(f"{TASKS}/MultiRC/val.jsonl", lambda text: text.replace(b'"idx": ', b'"idx": 7'))),
        "MultiRC/val.jsonl: 3 of 3 lines are in train.jsonl, too"),
)  # fmt: skip

FIELDS = (
    value("RTE", "hypothesis", ..., "'hypothesis' is missing; use the official labelled file"),
    value("RTE", "premise", 7, "'premise' must be a string, not a number"),
    value("RTE", "premise", " ", "'premise' is empty"),
    value("RTE", "label", "Entailment", "'label' is 'Entailment', not one of entailment, not_entailment"),
    value("RTE", "label", 0, "'label' must be a string, not a number"),
    value("RTE", "idx", 0, "'idx' 0 was used before, at ", "RTE/train.jsonl:1"),
    value("RTE", "idx", "1", "'idx' must be an integer, not a string"),
    value("CB", "label", "Neutral", "'label' is 'Neutral', not one of entailment, contradiction, neutral"),
    value("BoolQ", "label", 1, "'label' must be true or false, not a number 1"),
    value("BoolQ", "label", "true", "'label' must be true or false, not a string 'true'"),
    value("COPA", "label", 2, "'label' is 2, not 0 or 1"),
    value("COPA", "label", True, "'label' must be an integer, not a boolean"),
    value("COPA", "question", "Cause", "'question' is 'Cause', not one of cause, effect"),
    value("MultiRC", "passage.questions", [], "'passage.questions' has 0 entries, fewer than 1"),
    value("MultiRC", "passage.questions.0.answers", [], "answers' has 0 entries, fewer than 1"),
    value("MultiRC", "passage.questions.0.answers.1.label", ..., "answers[1].label' is missing"),
    value("MultiRC", "passage.questions.0.answers.1.idx", 0, "'idx' repeats MultiRC/train/1/0/0"),
    value("ReCoRD", "passage.entities.0.end", 99,
          "entities[0].end' is 99: the span must lie inside the passage"),
    value("ReCoRD", "passage.entities.1.start", -1, "entities[1].start' is -1, below 0"),
    value("ReCoRD", "passage.entities", [], "'passage.entities' has 0 entries, fewer than 1"),
    value("ReCoRD", "qas.0.query", "who sat ?", "query' must hold @placeholder exactly once, not 0 times"),
    value("WiC", "label", "F", "'label' must be true or false, not a string 'F'"),
    value("WiC", "word", ..., "'word' is missing"),
    value("WSC", "target.span2_index", 1, "'target.span2_index' points at 'thanked', not at 'she'"),
    value("WSC", "target", ..., "'target' is missing"),
    bad("BoolQ of one label", write(f"{TASKS}/BoolQ/train.jsonl", ONE_LABEL),
        "BoolQ/train.jsonl: field 'label' is True in all 20 examples; give the official file"),
    bad("ReCoRD with exclusive ends",
        convert(f"{TASKS}/ReCoRD/val.jsonl", lambda c: c.replace(b'"end": 10}', b'"end": 11}')),
        "ReCoRD/val.jsonl: 3 of 3 queries have no answer among the entities; write the spans as",
        "ends inclusive"),
    bad("WSC without a true line",
        convert(f"{TASKS}/WSC/train.jsonl", lambda c: c.replace(b"true", b"false")),
        "WSC/train.jsonl: gives no train examples (WSC trains on true examples only)"),
    # What is derived for the first file of WSC may not stay when the second one is refused.
    bad("WSC without its dev file", remove(f"{TASKS}/WSC/val.jsonl"), "WSC/val.jsonl: cannot be read"),
)  # fmt: skip

TEXTS = (
    bad("no corpus", remove("data/corpus"),
        "data/corpus: holds no .txt file; put the pre-training corpus there"),
    bad("a file for the corpus folder", both(remove("data/corpus"), write("data/corpus", "a cat")),
        "holds no .txt file"),
    bad("an empty corpus", write(CORPUS, ""), "a.txt: holds no document; remove the file or fill it"),
    bad("a corpus of blank lines", write(CORPUS, "\n \n\t\n"),
        "a.txt: holds no document; remove the file or fill it"),
    bad("a folder in the corpus", folder_instead(CORPUS),
        "a.txt: cannot be read (Is a directory); name an existing"),
    bad("a broken link in the corpus", link_to_itself(CORPUS), "a.txt: cannot be read",
        "name an existing text file"),
    bad("a corpus in Latin-1", convert(CORPUS, lambda text: text + b"caf\xe9\n"),
        "a.txt:61: not UTF-8; convert the file to UTF-8"),
    bad("a packed corpus", convert(CORPUS, gzip.compress), "a.txt: is packed (gzip or zip); unpack it"),
    bad("a packed second part", write("data/corpus/b.txt.gz", gzip.compress(b"a cat\n")),
        "b.txt.gz: only *.txt files are read; unpack or rename it, or take it away"),
    bad("a corpus with NUL bytes", convert(CORPUS, lambda text: text + b"a\0b\n"),
        "a.txt:61: holds NUL characters"),
    bad("no vocabulary", remove("data/vocab.txt"),
        "data.vocabulary.vocab_txt: data/vocab.txt is not a file; name a"),
    bad("a folder for the vocabulary", folder_instead("data/vocab.txt"),
        "data/vocab.txt is not a file; name a"),
)  # fmt: skip


def vocabulary(name, spoil, *words):
    """A vocabulary that the second step refuses."""
    return Row(name, spoil, ENCODE, ("data/vocab.txt", *words))


def passed(spoil, step=PREPARE):
    """Spoil before an earlier step, which sees nothing wrong."""

    def spoil_and_run(folder):
        spoil(folder)
        assert run(step) == Ended(0, "")

    return spoil_and_run


ENCODED = (
    vocabulary("a vocabulary without [UNK]", edit("data/vocab.txt", "[UNK]\n", ""),
               "vocab.txt: vocabulary: [UNK] is missing; add it as a token of its own"),
    vocabulary("a word twice", append("data/vocab.txt", "cat\n"), "'cat' is in line 9, too; remove one"),
    vocabulary("a blank line in the vocabulary", set_line("data/vocab.txt", 9, ""),
               "vocab.txt:9: is blank; remove the"),
    vocabulary("a vocabulary in Latin-1", convert("data/vocab.txt", lambda text: text + b"caf\xe9\n"),
               "not UTF-8"),
    vocabulary("an empty vocabulary", write("data/vocab.txt", ""), "vocab.txt:1: is blank"),
    vocabulary("a cased vocabulary", append("data/vocab.txt", "".join(f"Word{n}\n" for n in range(9))),
               "vocab.txt: 9 tokens have capital letters, e.g. 'Word0', which no text has here; give an"),
    vocabulary("tokens as JSON", write("data/vocab.txt", json.dumps({"a": 1})),
               "[PAD] is missing; add it as a token"),
    vocabulary("a packed vocabulary", convert("data/vocab.txt", gzip.compress), "vocab.txt: is packed"),
    # The corpus is a step of its own; it stays, whole, when a task does not fit its vocabulary.
    Row("a vocabulary without an answer word",
        passed(edit("data/vocab.txt", "maybe\n", ""), f"{ENCODE} --part corpus"), f"{ENCODE} --part CB",
        ("task CB: answer word 'maybe' is not in the vocabulary; add it to the file (data.",)),
    Row("texts that cannot be shortened", setting("task_training.max_length", 6), ENCODE,
        (".jsonl:1: example ", "even after shortening, more than max_length 6; raise max_length")),
    Row("a text with the token of the blank", passed(edit(RTE, "a cat", "a [MASK]")), ENCODE,
        ("RTE/train.jsonl:1: a text holds the token [MASK]; write it another way",)),
    Row("a corpus that is gone", remove(CORPUS), ENCODE,
        ("a.txt: is gone or changed since it was checked; remove ",)),
    Row("examples that changed after they were checked", edit(RTE, "a cat", "a dog"), ENCODE,
        ("RTE/train.jsonl: is gone or changed since it was checked; remove ",)),
    Row("no data prepared", remove("results"), ENCODE,
        ("manifest.json: no such file; run the step that writes it",)),
    Row("a task before its vocabulary", lambda folder: _remove(folder, "text/corpus.*"),
        f"{ENCODE} --part RTE", ("tokenizer.json: no such file", "run the step that")),
    Row("a manifest of the corpus that is cut off",
        lambda folder: _cut(folder, "data/corpus.*/manifest.json"), ENCODE,
        ("manifest.json:", "not JSON", "mend or remove the file")),
    Row("a manifest of a task that is cut off", lambda folder: _cut(folder, "data/RTE.*/manifest.json"),
        ENCODE, ("manifest.json:", "not JSON", "mend or remove the file")),
    Row("a part of the data that there is not", nothing, f"{PREPARE} --part rte",
        ("--part: no 'rte' in this plan; there are corpus, BoolQ, CB",)),
    Row("a part of the text that there is not", nothing, f"{ENCODE} --part rte",
        ("--part: no 'rte' in this plan; there are corpus, BoolQ, CB",)),
)  # fmt: skip


def _cut(folder, pattern, size=40):
    (path,) = (folder / "results" / "smoke").glob(pattern)
    path.write_bytes(path.read_bytes()[:size])


def _remove(folder, pattern):
    (path,) = (folder / "results" / "smoke").glob(pattern)
    remove(str(path.relative_to(folder)))(folder)


def made(name, file, *words):
    """A file that an earlier step made, cut off, in a folder without a seal: one from elsewhere."""

    def spoil(folder):
        _remove(folder, f"text/BoolQ.*/{SEAL}")
        _cut(folder, f"text/BoolQ.*/{file}")

    return Row(name, spoil, SIGNALS, words)


def sealed(name, file):
    """The same in a folder of ours: its seal tells first that this is not what was written, exit code 1."""
    words = (f"/{file}: damaged, it is not what was written (see {SEAL} beside it); remove ",
             "run the same command again")  # fmt: skip
    return Row(name, lambda folder: _cut(folder, f"text/BoolQ.*/{file}"), SIGNALS, words, code=1)


STORED = (
    sealed("encoded examples that are cut off", "train.npz"),
    sealed("keys of examples that are cut off", "train.json"),
    made("unsealed examples that are cut off", "train.npz",
         "/train.npz: damaged (", "remove its folder and encode the text again"),
    made("unsealed keys that are cut off", "train.json", "/train.json:", "not JSON"),
    Row("a seal that is cut off", lambda folder: _cut(folder, f"text/BoolQ.*/{SEAL}"), SIGNALS,
        (f"/{SEAL}:", "not JSON", "mend or remove the file")),
)  # fmt: skip

ROWS = (*FILES, *FIELDS, *TEXTS, *ENCODED, *STORED)
