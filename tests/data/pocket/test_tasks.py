"""Pocket task sets: official layouts, labels that follow from word classes, balance, lexical split."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pocket_worlds import generate_world

from retort.data.pocket.lexicon import SPLIT_FROM, Lexicon, Sampler, make_lexicon
from retort.data.pocket.tasks import BUILDERS, CB_VERBS, RTE_VERBS, spread, task_set

SEED = 4
Record = dict[str, Any]
Sets = dict[tuple[str, str], list[Record]]


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return make_lexicon(SEED)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Sets:
    out: Path = tmp_path_factory.mktemp("pocket") / "world"
    generate_world(SEED, out, documents=100, train_size=240, dev_size=300)
    return {
        (path.parent.name, path.stem): [json.loads(line) for line in path.read_text().split("\n")[:-1]]
        for path in out.glob("superglue/*/*.jsonl")
    }


def both(sets: Sets, task: str) -> list[Record]:
    return sets[task, "train"] + sets[task, "val"]


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        assert value
        assert all(shape(inner) == shape(value[0]) for inner in value)
        return [shape(value[0])]
    return type(value)


def words(value: Any) -> list[str]:
    """All words of a record's text fields."""
    if isinstance(value, dict):
        return [
            word for key, inner in value.items() if key not in ("label", "source") for word in words(inner)
        ]
    if isinstance(value, list):
        return [word for inner in value for word in words(inner)]
    return re.findall(r"\w+", value) if isinstance(value, str) else []


def classes(lexicon: Lexicon, text: str) -> list[str]:
    return [lexicon.class_of[word] for word in re.findall(r"\w+", text) if word in lexicon.class_of]


def kinds(lexicon: Lexicon, text: str, name: str) -> list[str]:
    return [
        found.removeprefix(f"{name}.") for found in classes(lexicon, text) if found.startswith(f"{name}.")
    ]


SPAN = {"start": int, "end": int}
LAYOUTS = {
    "BoolQ": {"question": str, "passage": str, "label": bool, "idx": int},
    "CB": {"premise": str, "hypothesis": str, "label": str, "idx": int},
    "COPA": {"premise": str, "choice1": str, "choice2": str, "question": str, "label": int, "idx": int},
    "MultiRC": {
        "version": float,
        "passage": {
            "text": str,
            "questions": [
                {"question": str, "answers": [{"text": str, "idx": int, "label": int}], "idx": int}
            ],
        },
        "idx": int,
    },
    "ReCoRD": {
        "source": str,
        "passage": {"text": str, "entities": [SPAN]},
        "qas": [{"query": str, "answers": [{**SPAN, "text": str}], "idx": int}],
        "idx": int,
    },
    "RTE": {"premise": str, "hypothesis": str, "label": str, "idx": int},
    "WiC": {
        "word": str,
        "sentence1": str,
        "sentence2": str,
        "label": bool,
        "start1": int,
        "end1": int,
        "start2": int,
        "end2": int,
        "version": float,
        "idx": int,
    },
    "WSC": {
        "text": str,
        "target": {"span1_index": int, "span1_text": str, "span2_index": int, "span2_text": str},
        "label": bool,
        "candidates": [{"text": str}],
        "idx": int,
    },
}


@pytest.mark.parametrize("task", BUILDERS)
def test_layout_is_the_official_one(sets: Sets, task: str) -> None:
    for name, size in (("train", 240), ("val", 300)):
        records = sets[task, name]
        assert len(records) == (size // 2 if task == "MultiRC" else size)
        assert [record["idx"] for record in records] == list(range(len(records)))
        assert all(shape(record) == LAYOUTS[task] for record in records)


def test_real_files_have_the_same_fields(sets: Sets, real_data: Path) -> None:
    for task in BUILDERS:
        text = (real_data / "superglue" / task / "val.jsonl").read_text(encoding="utf-8")
        official = shape_of_first(json.loads(text.split("\n")[0]))
        ours = shape_of_first(sets[task, "val"][0])
        if task == "WSC":
            del ours["candidates"]
        assert ours == official


def shape_of_first(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape_of_first(inner) for key, inner in value.items()}
    return [shape_of_first(value[0])] if isinstance(value, list) else type(value)


@pytest.mark.parametrize(
    ("task", "labels"),
    [
        ("BoolQ", {True: 0.5, False: 0.5}),
        ("CB", {"entailment": 0.4, "contradiction": 0.4, "neutral": 0.2}),
        ("COPA", {0: 0.5, 1: 0.5}),
        ("RTE", {"entailment": 0.5, "not_entailment": 0.5}),
        ("WiC", {True: 0.5, False: 0.5}),
        ("WSC", {True: 0.5, False: 0.5}),
    ],
)
def test_labels_are_balanced(sets: Sets, task: str, labels: dict[Any, float]) -> None:
    for name in ("train", "val"):
        counts = Counter(record["label"] for record in sets[task, name])
        assert {key: count / counts.total() for key, count in counts.items()} == pytest.approx(labels)


def test_multirc_has_slightly_more_wrong_answers(sets: Sets) -> None:
    answers = [a for r in both(sets, "MultiRC") for a in r["passage"]["questions"][0]["answers"]]
    assert 0.36 < sum(a["label"] for a in answers) / len(answers) < 0.48
    assert all(len(r["passage"]["questions"][0]["answers"]) == 3 for r in both(sets, "MultiRC"))


def test_cb_and_rte_labels_follow_the_verb(sets: Sets, lexicon: Lexicon) -> None:
    for record in both(sets, "CB"):
        assert kinds(lexicon, record["premise"], "embedding_verb") == [CB_VERBS[record["label"]]]
        assert record["premise"].endswith(f" that {record['hypothesis']}.")
    for record in both(sets, "RTE"):
        assert kinds(lexicon, record["premise"], "implicative_verb") == [RTE_VERBS[record["label"]]]
        person, deed = record["hypothesis"].split(" ", 1)
        assert record["premise"].startswith(f"{person} ") and record["premise"].endswith(f" to {deed}")


def test_boolq_is_the_majority_of_three_opinions(sets: Sets, lexicon: Lexicon) -> None:
    dissent = 0
    for record in both(sets, "BoolQ"):
        opinions = kinds(lexicon, record["passage"], "evaluative")
        assert opinions[0] == opinions[1] and len(opinions) == 3
        assert record["label"] == (opinions[0] == "good")
        dissent += opinions[2] != opinions[0]
        assert record["question"] == f"is the {record['passage'].split()[1]} good"
    assert 0.3 < dissent / 540 < 0.5


def test_copa_choices_are_events_and_one_is_the_pair_of_the_premise(sets: Sets, lexicon: Lexicon) -> None:
    pair_of = {
        word: (name, i)
        for name, i, group in lexicon.groups()
        if name in ("cause", "effect")
        for word in group
    }
    asked = Counter(record["question"] for record in both(sets, "COPA"))
    assert min(asked.values()) > 200
    for record in both(sets, "COPA"):
        side, pair = pair_of[words(record["premise"])[1]]
        assert side == ("effect" if record["question"] == "cause" else "cause")
        choices = [pair_of[words(record[f"choice{n}"])[1]] for n in (1, 2)]
        assert {name for name, _ in choices} == {record["question"]}
        assert [i == pair for _, i in choices] == [record["label"] == 0, record["label"] == 1]


def test_multirc_answers_need_attitude_and_domain(sets: Sets, lexicon: Lexicon) -> None:
    for record in both(sets, "MultiRC"):
        passage, question = record["passage"]["text"], record["passage"]["questions"][0]
        assert question["question"] == f"what does {passage.split()[0]} want?"
        (attitude,) = kinds(lexicon, passage, "attitude_verb")
        for answer in question["answers"]:
            (category,) = kinds(lexicon, answer["text"], "noun")
            assert answer["label"] == (attitude == "like" and category in "01")


def test_wic_offsets_and_senses(sets: Sets, lexicon: Lexicon) -> None:
    for record in both(sets, "WiC"):
        domains = []
        for n in (1, 2):
            sentence = record[f"sentence{n}"]
            assert sentence[record[f"start{n}"] : record[f"end{n}"]] == record["word"]
            cues = kinds(lexicon, sentence, "category_verb") + kinds(lexicon, sentence, "category_adjective")
            assert len(cues) == 1
            domains.append(cues[0] in "01")
        assert record["label"] == (domains[0] == domains[1])


def test_wsc_spans_and_referent(sets: Sets, lexicon: Lexicon) -> None:
    for record in both(sets, "WSC"):
        target, text = record["target"], record["text"].split()
        span, other = target["span1_text"], record["candidates"][0]["text"]
        assert text[target["span1_index"]] == span and text[target["span2_index"]] == "it"
        assert {span, other} == {text[1], text[4]}
        (category,) = kinds(lexicon, record["text"], "category_adjective")
        fits = {word: lexicon.class_of[word] == f"noun.{category}" for word in (span, other)}
        assert record["label"] == fits[span] and fits[span] != fits[other]


def test_record_mentions_and_answer(sets: Sets, lexicon: Lexicon) -> None:
    sharing = 0
    for record in both(sets, "ReCoRD"):
        text, (query,) = record["passage"]["text"], record["qas"]
        names = [text[m["start"] : m["end"] + 1] for m in record["passage"]["entities"]]
        people, entities = names[::2], names[1::2]
        assert len(set(people)) == 2 and len(set(entities)) == 3
        (gold,) = query["answers"]
        assert text[gold["start"] : gold["end"] + 1] == gold["text"]
        person, verb, place = query["query"].split()
        assert place == "@placeholder."
        right = (person, lexicon.class_of[verb].removeprefix("type_verb."))
        facts = {
            name: (who, lexicon.class_of[name].removeprefix("entity."))
            for who, name in zip(people, entities, strict=True)
        }
        assert [name for name in entities if facts[name] == right] == [gold["text"]]
        assert verb not in text.split()
        sharing += len({kind for _, kind in facts.values()}) == 2
    assert 0.13 < sharing / 540 < 0.27


def parity_of(lexicon: Lexicon) -> dict[str, int]:
    split = {name for name, groups in lexicon.classes.items() if len(groups) >= SPLIT_FROM}
    return {word: i % 2 for name, i, group in lexicon.groups() if name in split for word in group}


@pytest.mark.parametrize("task", BUILDERS)
def test_lexical_split(sets: Sets, lexicon: Lexicon, task: str) -> None:
    parity = parity_of(lexicon)
    train, dev = sets[task, "train"], sets[task, "val"]
    assert {parity[word] for word in words(train) if word in parity} == {0}
    mixed = [{parity[word] for word in words(record) if word in parity} for record in dev]
    assert all(len(found) == 1 for found in mixed)
    assert 0.68 < sum(found == {1} for found in mixed) / len(mixed) < 0.82
    seen = set(words(train))
    content = [word for word in words(dev) if word in parity]
    assert 0.6 < sum(word not in seen for word in content) / len(content) < 0.9


def naive_bayes_accuracy(train: list[Record], dev: list[Record]) -> float:
    """Bag of words, add-one smoothing, words unknown to training ignored."""
    counts: dict[Any, Counter[str]] = {}
    for record in train:
        counts.setdefault(record["label"], Counter()).update(words(record))
    size = len(set().union(*counts.values()))
    prior = Counter(record["label"] for record in train)

    def score(label: Any, found: list[str]) -> float:
        total = counts[label].total() + size
        return math.log(prior[label]) + sum(math.log((counts[label][word] + 1) / total) for word in found)

    known = set().union(*counts.values())
    right = 0
    for record in dev:
        found = [word for word in words(record) if word in known]
        right += max(counts, key=lambda label: score(label, found)) == record["label"]
    return right / len(dev)


@pytest.mark.parametrize(
    ("task", "chance"), [("BoolQ", 0.5), ("CB", 0.4), ("RTE", 0.5), ("WiC", 0.5), ("WSC", 0.5)]
)
def test_training_words_alone_do_not_solve_validation(
    sets: Sets, lexicon: Lexicon, task: str, chance: float
) -> None:
    parity = parity_of(lexicon)
    train, dev = sets[task, "train"], sets[task, "val"]
    unseen = [r for r in dev if all(parity.get(word, 1) == 1 for word in words(r))]
    seen = [r for r in dev if r not in unseen]
    assert abs(naive_bayes_accuracy(train, unseen) - chance) < 0.12
    assert naive_bayes_accuracy(train, dev) < chance + 0.2
    if task in ("BoolQ", "CB", "RTE"):  # the classifier does work where it knows the words
        assert naive_bayes_accuracy(train, seen) > chance + 0.3


def test_sampler_prefers_heads_and_early_groups(lexicon: Lexicon) -> None:
    sampler = Sampler(lexicon, random.Random(0), 0.5, exceptions={"noun.1": 1.0})
    drawn = Counter(sampler.word("evaluative.good") for _ in range(20_000))
    groups = lexicon.classes["evaluative.good"]
    assert sum(drawn[group[0]] for group in groups) / drawn.total() == pytest.approx(0.5, abs=0.02)
    first, last = (sum(drawn[word] for word in groups[i]) for i in (0, 7))
    assert first / last == pytest.approx(math.sqrt(8), rel=0.1)
    assert {sampler.word("noun.1") for _ in range(500)} <= {group[0] for group in lexicon.classes["noun.1"]}


def test_spread_rounds_to_the_exact_size() -> None:
    for size in range(1, 30):
        counts = Counter(spread({"a": 0.4, "b": 0.4, "c": 0.2}, size, random.Random(0)))
        assert counts.total() == size
        assert all(
            abs(counts[key] - size * share) < 1 for key, share in {"a": 0.4, "b": 0.4, "c": 0.2}.items()
        )


def test_task_set_streams_depend_only_on_the_generator(lexicon: Lexicon) -> None:
    draw = [task_set("RTE", lexicon, random.Random(1), 10, train=True) for _ in range(2)]
    assert draw[0] == draw[1] != task_set("RTE", lexicon, random.Random(2), 10, train=True)
