"""What transformers models read: samples as functions of their number, batches, guesses."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("transformers")

from retort.corpora import TextCorpus  # noqa: E402
from retort.data.layouts import layout_of  # noqa: E402
from retort.data.text_tokenizer import TextTokenizer  # noqa: E402
from retort.training.probes import CLASS_VIEW, PROBE_ROWS, TEXT_VIEW  # noqa: E402
from retort.training.streams import PretrainingStream  # noqa: E402

ROWS = {"bert": "BERT linear", "bart": "BART linear C4", "mbart": "mBART CKA", "t5": "T5 CKA"}
NOISES = [("bert", "words"), ("bert", "none"), ("bart", "infilling"), ("mbart", "infilling"), ("t5", "none")]


def words_of(workshop, family):
    """Folder of a track's words, its tokenizer."""
    folder = workshop.plan.layout.text(workshop.plan.text[f"cka-{family}"])
    return folder, TextTokenizer.load(folder / "tokenizer.json")


def stream(workshop, family, noise="none", size=4, micro=4, seed=5):
    source = TextCorpus(family, 20, noise).source(words_of(workshop, family)[0], seed)
    return PretrainingStream(source, size, micro, seed)


def lesson_of(workshop, family, task=None, **changes):
    """The lesson of a student's run, with other settings."""
    stage = workshop.stage(ROWS[family], 0)
    if stage.phase == "pretraining":
        stage = workshop.stage(ROWS[family], 1)
    run = dataclasses.replace(stage.runs[task or next(iter(stage.runs))], **changes)
    layout = workshop.plan.layout
    return run, run.lesson(layout.text(stage.data), layout.text(run.text))


# Corpora


@pytest.mark.parametrize(("family", "noise"), NOISES)
def test_a_pretraining_batch_is_a_function_of_its_number(text_workshop, family, noise):
    forwards, backwards = (stream(text_workshop, family, noise) for _ in range(2))
    found = [forwards(step)[0] for step in range(20)]
    for step in reversed(range(20)):
        (again,) = backwards(step)
        assert again.keys == found[step].keys
        assert torch.equal(again.tokens, found[step].tokens) and torch.equal(
            again.targets, found[step].targets
        )
    assert all(len(batch.tokens) == 4 and batch.tokens.shape[1] <= 20 for batch in found)
    keys = [key for batch in found[:16] for key in batch.keys]
    assert sorted(keys) == sorted(f"corpus (sample {n})" for n in range(64))
    other = stream(text_workshop, family, noise, seed=6)
    assert [other(step)[0].keys for step in range(16)] != [batch.keys for batch in found[:16]]


@pytest.mark.parametrize("family", ["bert", "bart"])
def test_micro_batches_of_samples_are_the_batch_in_parts(text_workshop, family):
    (whole,) = stream(text_workshop, family)(3)
    parts = stream(text_workshop, family, micro=3)(3)
    assert [len(part.keys) for part in parts] == [3, 1]
    assert torch.equal(torch.cat([part.tokens for part in parts]), whole.tokens)
    assert {part.totals for part in parts} == {whole.totals}


def test_an_encoder_reads_clean_text_and_is_compared_on_every_word(text_workshop):
    (batch,) = stream(text_workshop, "bert")(0)
    assert torch.equal(batch.predicted, batch.valid) and torch.equal(batch.targets, batch.tokens)
    assert batch.decoder_tokens is None


def test_hidden_words_are_predicted_in_their_places(text_workshop):
    _, tokenizer = words_of(text_workshop, "bert")
    batches = [stream(text_workshop, "bert", "words")(step)[0] for step in range(16)]
    hidden = sum(int((b.tokens != b.targets).sum()) for b in batches)
    predicted = sum(int(b.predicted.sum()) for b in batches)
    masks = sum(int((b.tokens == tokenizer.id_of("[MASK]")).sum()) for b in batches)
    assert 0 < hidden <= predicted < 0.4 * sum(int(b.valid.sum()) for b in batches)
    assert 0.6 * predicted < masks <= hidden
    assert all(not (b.tokens != b.targets)[~b.predicted].any() for b in batches)


@pytest.mark.parametrize("family", ["bart", "t5"])
def test_a_decoder_restores_the_text_that_its_encoder_reads(text_workshop, family):
    _, tokenizer = words_of(text_workshop, family)
    layout = layout_of(family, tokenizer)
    (batch,) = stream(text_workshop, family)(0)
    for tokens, attended, targets, valid, read in zip(
        batch.tokens, batch.attended, batch.targets, batch.valid, batch.decoder_tokens, strict=True
    ):
        assert tokens[attended].tolist() == targets[valid].tolist()
        assert read[0] == layout.start and read[valid].tolist()[1:] == targets[valid].tolist()[:-1]


def test_languages_take_turns_and_each_decoder_starts_with_its_own_code(text_workshop):
    _, tokenizer = words_of(text_workshop, "mbart")
    codes = {tokenizer.id_of("en_XX"): "en", tokenizer.id_of("ro_RO"): "ro"}
    seen = []
    for step in range(16):
        (batch,) = stream(text_workshop, "mbart")(step)
        for read, targets, valid in zip(batch.decoder_tokens, batch.targets, batch.valid, strict=True):
            assert read[0] == targets[valid][-1]
            seen.append(codes[int(read[0])])
    assert seen.count("en") == seen.count("ro") == 32


@pytest.mark.parametrize("family", ["bert", "mbart"])
def test_unseen_samples_are_none_of_those_before(text_workshop, family):
    batches = stream(text_workshop, family)
    seen = {key for step in range(5) for batch in batches(step) for key in batch.keys}
    rest = batches.unseen(5, 6)
    assert len(rest.keys) == 6 and not seen & set(rest.keys)


# Tasks


def test_sentences_are_told_apart_by_the_separator_alone(text_workshop):
    run, lesson = lesson_of(text_workshop, "bert", "RTE")
    batch = lesson.collate(lesson.train[:3])
    assert batch.segments is None and batch.keys == tuple(e.key for e in lesson.train[:3])
    assert batch.tokens.shape[1] == max(len(e) for e in lesson.train[:3]) and run.length == 24
    _, fixed = lesson_of(text_workshop, "bert", "RTE", padding="fixed", source=30)
    batch = fixed.collate(fixed.train[:3])
    assert batch.tokens.shape[1] == 30 and int(batch.valid.sum(1).max()) < 30


@pytest.mark.parametrize(("task", "splits"), [("RTE", 2), ("MNLI", 3)])
def test_the_files_of_a_lesson_are_those_that_are_read(text_workshop, task, splits):
    _, lesson = lesson_of(text_workshop, "bert", task)
    assert len(lesson.files) == len(set(lesson.files)) == splits and all(f.is_file() for f in lesson.files)


@pytest.mark.parametrize("family", ["bart", "mbart", "t5"])
def test_texts_are_padded_to_the_longest_or_to_the_limits(text_workshop, family):
    run, lesson = lesson_of(text_workshop, family)
    batch = lesson.collate(lesson.train)
    assert batch.tokens.shape[1] == max(len(e.source) for e in lesson.train) <= run.source
    assert batch.targets.shape[1] == max(len(e.target) for e in lesson.train) <= run.target
    _, fixed = lesson_of(text_workshop, family, padding="fixed", source=26, target=14)
    batch = fixed.collate(fixed.train)
    assert (batch.tokens.shape[1], batch.targets.shape[1]) == (26, 14)
    assert [path.name for path in lesson.files] == ["train.npz", "val.npz"]


def test_a_translation_starts_with_the_code_of_its_language(text_workshop):
    _, tokenizer = words_of(text_workshop, "mbart")
    _, lesson = lesson_of(text_workshop, "mbart")
    batch = lesson.collate(lesson.train)
    assert set(batch.decoder_tokens[:, 0].tolist()) == {tokenizer.id_of("ro_RO")}


def test_what_is_laid_beside_the_teacher_are_the_first_examples_of_dev(text_workshop):
    for family, task, view in (("bert", "MNLI", CLASS_VIEW), ("bart", "XSum", TEXT_VIEW)):
        _, lesson = lesson_of(text_workshop, family, task)
        found, batch = lesson.probed()
        dev = lesson._dev["val"] if family == "bert" else lesson._dev
        assert found == view and batch.keys == tuple(e.key for e in dev[:PROBE_ROWS])
        assert batch.keys[0].startswith(f"{task}/val/")


# Guesses


def test_the_most_frequent_class_of_training_is_guessed(text_workshop):
    _, lesson = lesson_of(text_workshop, "bert", "MNLI")
    seen = [example.label for example in lesson.train]
    guess = max(sorted(set(seen)), key=seen.count)
    found = lesson.guesses()
    right = {
        split: 100 * np.mean([example.label == guess for example in examples])
        for split, examples in lesson._dev.items()
    }
    assert set(found) == {"majority"} and set(right) == {"val", "val_mismatched"}
    assert sorted(found["majority"].values()) == pytest.approx(sorted(right.values()))


def test_of_scores_the_mean_is_guessed_which_correlates_with_nothing(text_workshop):
    _, lesson = lesson_of(text_workshop, "bert", "STS-B")
    assert lesson.guesses() == {"majority": {"pearson": 0.0, "spearman": 0.0}}


def test_of_texts_the_source_is_copied(text_workshop):
    from retort.evaluation.text_metrics import score_texts

    _, lesson = lesson_of(text_workshop, "bart")
    _, tokenizer = words_of(text_workshop, "bart")
    said = {e.key: tokenizer.text(e.source.tolist()) for e in lesson._dev}
    assert len(set(said.values())) > 1 and not any("</s>" in text for text in said.values())
    wanted = score_texts("summarisation", said, {e.key: e.references for e in lesson._dev}).metrics
    assert lesson.guesses() == {"copy": wanted} and wanted["rouge1"] > 0
