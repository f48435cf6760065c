"""An exported run is what any program makes of it that knows transformers and not us."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml

os.environ.setdefault("HF_HUB_OFFLINE", "1")
transformers = pytest.importorskip("transformers")

from retort.data.layouts import layout_of, specials_of  # noqa: E402
from retort.data.seq2seq.formats import TextPair  # noqa: E402
from retort.data.seq2seq.tasks import spec_of  # noqa: E402
from retort.data.text_batches import class_batch  # noqa: E402
from retort.data.text_examples import encode_pairs  # noqa: E402
from retort.data.text_tokenizer import TextTokenizer  # noqa: E402
from retort.errors import InputError, RetortError  # noqa: E402
from retort.evaluation.decoding import Decoding  # noqa: E402
from retort.evaluation.generation import generate  # noqa: E402
from retort.exports.cards import Subject  # noqa: E402
from retort.exports.runs import export_run  # noqa: E402
from retort.files import seal, write_json  # noqa: E402
from retort.models.features import CLASS  # noqa: E402
from retort.models.hf.architecture import TextArchitecture, Vocabulary  # noqa: E402
from retort.models.hf.building import build  # noqa: E402
from retort.models.hf.folders import save_student  # noqa: E402
from retort.papers import paper_of  # noqa: E402
from retort.revision import Revision  # noqa: E402
from retort.runcard import Cost, Origin, Request, write_card  # noqa: E402

TEXTS = ["a cat sat on the mat.", "the dog </s> ran on", "mat"]
KINDS = {
    "bert": ("bert", "RTE", None),
    "scores": ("bert", "STS-B", None),
    "bart": ("bart", "XSum", Decoding(9, min_length=3, no_repeat_ngram=2)),
    "mbart": ("mbart", "WMT16-en-ro", Decoding(8, beams=3, length_penalty=0.5, early_stopping=True)),
    "mbart50": ("mbart50", "WMT16-en-ro", Decoding(9, no_repeat_ngram=2)),
    "t5": ("t5", "CNN-DM", Decoding(8, beams=2, length_penalty=2.0, no_repeat_ngram=2)),
}


def subject_of(name, **changes):
    family, task, _ = KINDS[name]
    told = {
        "paper": "cka", "scale": "pocket", "family": family, "student": "SMALL", "teacher": "BIG",
        "teacher_from": None, "task": task, "method": "BART CKA", "citation": "Somebody (2025). Something.",
        "seed": 3, "source": 16, "data": "pocket",
    }  # fmt: skip
    return Subject(**(told | changes))


def metrics_of(task):
    names = paper_of("cka").task(task).metrics
    parts = ({"all": 50, "select": 70, "report": 60}, {"all": 80, "select": 40, "report": 30})
    found = [
        {
            "step": step,
            **{part: {name: value + i for i, name in enumerate(names)} for part, value in one.items()},
        }
        for step, one in enumerate(parts)
    ]
    return {"evaluations": found}


def finished_run(folder, name):
    """What the workflow leaves of a task run: a run folder, a folder of texts; and the model itself."""
    family, task, _ = KINDS[name]
    tokenizer = TextTokenizer.train(TEXTS, 70, specials_of(family, ("en", "ro")))
    layout = layout_of(family, tokenizer, "en", "ro")
    torch.manual_seed(1)
    kind = "mbart" if family == "mbart50" else family
    size = TextArchitecture("S", kind, 1, 0 if family == "bert" else 1, 16, 2, 32, 24, dropout=0.0)
    classes = {"bert": 2, "scores": 1}.get(name)
    model = build(size, Vocabulary(tokenizer.size, layout.pad, None, layout.end, layout.start), classes)
    with torch.no_grad():
        for parameter in model.module.parameters():
            parameter.copy_(torch.randn_like(parameter))
    model.module.eval()
    run, words = folder / "run", folder / "words"
    save_student(run, model.module, None, {})
    write_json(run / "metrics.json", metrics_of(task))
    tokenizer.save(words / "tokenizer.json")
    write_json(words / "summary.json", {"sha256": {}})
    (run / "card.json").unlink()  # cards, which hold times, are written after the seal
    seal(run)
    request = Request({"scale": "pocket"}, None, Revision("abc", ""), ("python",))
    origin = Origin({"phase": "task"}, "c0de", (words,), [], request)
    write_card(run / "card.json", origin, Cost(0.0, 12.0, 1.0, 77, 900), "cpu", {})
    return model, tokenizer, layout, run, words


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    top = tmp_path_factory.mktemp("exports")
    made = {}
    for name, (_, _, decoding) in KINDS.items():
        model, tokenizer, layout, run, words = finished_run(top / name, name)
        export_run(run, words, subject_of(name), decoding, top / name / "out")
        made[name] = model, tokenizer, layout, top / name / "out"
    return made


OUTSIDE = """
import json, sys, torch, transformers
found = {}
texts = json.loads(sys.argv[1])
for folder in sys.argv[2:]:
    words = transformers.AutoTokenizer.from_pretrained(folder)
    inputs = words(texts, truncation=True, padding=True, return_tensors="pt")
    alone = [words(text, truncation=True).input_ids for text in texts]
    kind = transformers.AutoConfig.from_pretrained(folder).model_type
    if kind == "bert":
        model = transformers.AutoModelForSequenceClassification.from_pretrained(folder)
        pair = words(texts[:1], texts[1:2], truncation=True).input_ids
        with torch.no_grad():
            made = [model(**inputs).logits.tolist(), pair, model.config.id2label, model.config.problem_type]
    else:
        model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder)
        ids = model.generate(**inputs)
        made = [text.strip() for text in words.batch_decode(ids, skip_special_tokens=True)]
    found[folder] = [alone, made]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outside(exported, tmp_path_factory):
    """What a new process makes of the folders, without this package and without a network."""
    folders = [str(made[-1]) for made in exported.values()]
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", OUTSIDE, json.dumps(TEXTS), *folders],
        env=clean, cwd=tmp_path_factory.mktemp("elsewhere"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert not ended.returncode, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])
    return {name: found[str(made[-1])] for name, made in exported.items()}


@pytest.mark.parametrize("name", KINDS)
def test_another_process_gets_the_ids_that_the_model_was_trained_on(exported, outside, name):
    _, tokenizer, layout, _ = exported[name]
    before, after = layout.source
    assert outside[name][0] == [[*before, *tokenizer.ids(text), *after] for text in TEXTS]


@pytest.mark.parametrize("name", ["bart", "mbart", "mbart50", "t5"])
def test_another_process_writes_what_we_evaluate(exported, outside, name):
    model, tokenizer, layout, _ = exported[name]
    family, task, decoding = KINDS[name]
    pairs = [TextPair(str(n), text, (text,)) for n, text in enumerate(TEXTS)]
    assert spec_of(task).languages in {("en", "en"), ("en", "ro")}
    examples = encode_pairs(pairs, tokenizer, layout, 16, 16)
    own = generate(model.module, examples, layout, tokenizer, decoding, device=torch.device("cpu"))
    assert outside[name][1] == list(own.values()) and len(set(own.values())) > 1


@pytest.mark.parametrize("name", ["bert", "scores"])
def test_another_process_classifies_as_we_do(exported, outside, name):
    model, tokenizer, layout, _ = exported[name]
    logits, pair, labels, problem = outside[name][1]
    rows = outside[name][0]
    kind = [0] * len(rows) if name == "bert" else [0.0] * len(rows)
    with torch.no_grad():
        own = model.observe(class_batch(rows, None, kind, layout.pad), frozenset({CLASS}))[CLASS]
    np.testing.assert_allclose(logits, own, rtol=1e-4, atol=1e-5)
    (cls,), (sep,) = layout.source
    first, second = map(tokenizer.ids, TEXTS[:2])
    whole = [cls, *first, sep, *second, sep]
    assert len(pair[0]) == min(16, len(whole)) and (len(whole) > 16 or pair[0] == whole)
    if name == "bert":
        assert (
            labels == {"0": "entailment", "1": "not_entailment"} and problem == "single_label_classification"
        )
    else:
        assert list(labels) == ["0"] and problem == "regression"


@pytest.mark.parametrize("name", KINDS)
def test_folders_hold_an_ordinary_model_and_its_card(exported, name):
    folder = exported[name][-1]
    files = {path.name for path in folder.iterdir()}
    expected = {
        "README.md",
        "card.json",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert files == expected | ({"generation_config.json"} if KINDS[name][2] else set())
    assert json.loads((folder / "card.json").read_text())["code"] == "c0de"


def test_scores_follow_their_protocols(exported):
    text = (exported["t5"][-1] / "README.md").read_text()
    assert "| paper | 80.00 | 81.00 | 82.00 | 83.00 |" in text  # of the best on all of it
    assert "| held_out | 60.00 | 61.00 | 62.00 | 63.00 |" in text  # of the best on one half, the first


def test_other_folders_are_never_replaced(tmp_path):
    _, _, _, run, words = finished_run(tmp_path, "bert")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(InputError, match="mine: is there already and no exported model; name another folder"):
        export_run(run, words, subject_of("bert"), None, tmp_path / "mine")
    for seed in (1, 2):
        export_run(run, words, subject_of("bert", seed=seed), None, tmp_path / "out")
    assert "with seed 2." in (tmp_path / "out" / "README.md").read_text()
    front = yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---\n")[1])
    assert front["pipeline_tag"] == "text-classification"


def test_a_damaged_or_unfinished_run_is_refused(tmp_path):
    _, _, _, run, words = finished_run(tmp_path, "bert")
    weights = bytearray((run / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (run / "model.safetensors").write_bytes(weights)
    with pytest.raises(RetortError, match="model.safetensors: damaged"):
        export_run(run, words, subject_of("bert"), None, tmp_path / "out")
    (run / "card.json").unlink()
    with pytest.raises(InputError, match="card.json"):
        export_run(run, words, subject_of("bert"), None, tmp_path / "out")
    assert not (tmp_path / "out").exists()
