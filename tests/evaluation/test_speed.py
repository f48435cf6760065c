"""Timing: fair turns, a fixed number of words, honest lines."""

import csv
import itertools
import os

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
pytest.importorskip("transformers")

from small_tracks import paper, text_task, track  # noqa: E402

from retort.data.layouts import specials_of  # noqa: E402
from retort.data.text_tokenizer import TextTokenizer  # noqa: E402
from retort.errors import InputError  # noqa: E402
from retort.evaluation import speed  # noqa: E402
from retort.evaluation.decoding import Decoding  # noqa: E402
from retort.evaluation.speed import COLUMNS, Workload, in_turns, measure_speed, ratio, summary, workloads  # noqa: E402
from retort.models.hf.architecture import Vocabulary  # noqa: E402
from retort.models.hf.building import count_parameters  # noqa: E402
from retort.track_models import architectures  # noqa: E402

SIZES = {"big": (6, 32), "small": (1, 8)}
TRACKS = {
    "BERT": track("bert", SIZES, {"RTE": text_task(12), "STS-B": text_task(20), "CoLA": text_task(20)}),
    "BART": track("bart", SIZES, {"XSum": text_task(16, 9, beams=2)}),
    "mBART": track("mbart50", SIZES, {"WMT16-en-ro": text_task(10, 8), "WMT13-en-es": text_task(10, 9, 3)}),
    "T5": track("t5", SIZES, {"CNN-DM": text_task(16, 7), "WMT16-en-ro": text_task(10, 6)}),
}
DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")),
]


def tokenizer_of(family):
    return TextTokenizer.train(["a cat sat on the mat"], 90, specials_of(family, ("en", "ro", "es")))


@pytest.fixture(scope="module", params=DEVICES)
def measured(request, tmp_path_factory):
    """The file as lines, by track, kind of task and model."""
    folder = tmp_path_factory.mktemp("speed")
    for name, each in TRACKS.items():
        tokenizer_of(each.family).save(folder / f"{name}.json")
    tokenizers = {name: folder / f"{name}.json" for name in TRACKS}
    section = paper(**TRACKS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "SECONDS", 0.0)
        patch.setattr(speed, "LEAST", 5)
        device = torch.device(request.param)
        measure_speed("cka", section, architectures(section), tokenizers, folder / "speed.csv", device)
    with (folder / "speed.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert tuple(lines[0]) == COLUMNS and {line["device"] for line in lines} == {request.param}
    return {(line["track"], line["task_kind"], line["model"]): line for line in lines}


def test_a_line_for_each_model_and_kind_of_task(measured):
    kinds = [("BERT", "classes"), ("BART", "summarisation"), ("mBART", "translation")]
    kinds += [("T5", "summarisation"), ("T5", "translation")]
    assert list(measured) == [(*kind, model) for kind in kinds for model in SIZES]
    sizes = {key[:2]: (line["rows"], line["source"], line["target"]) for key, line in measured.items()}
    assert sizes == dict(
        zip(
            kinds,
            [("8", "20", ""), ("16", "16", "7"), ("8", "10", "7"), ("8", "16", "6"), ("8", "10", "5")],
            strict=True,
        )
    )
    for line in measured.values():
        assert 0 < float(line["low_ms"]) <= float(line["median_ms"]) <= float(line["high_ms"])
        assert line["repeats"] == "5" and line["machine"] and line["torch"] == torch.__version__


def test_ratios_are_to_the_teacher_of_the_same_work(monkeypatch, tmp_path):
    seconds = {"big": [2.0, 4.0, 2.0, 4.0, 2.0], "small": [1.0, 2.0, 4.0, 3.0, 0.5]}
    monkeypatch.setattr(speed, "in_turns", lambda steps, settle: {name: seconds[name] for name in steps})
    tokenizer_of("t5").save(tmp_path / "t5.json")
    section, out = paper(T5=TRACKS["T5"]), tmp_path / "out.csv"
    device = torch.device("cpu")
    measure_speed("cka", section, architectures(section), {"T5": tmp_path / "t5.json"}, out, device)
    with out.open(newline="") as stream:
        found = [(line["model"], float(line["ratio_to_teacher"])) for line in csv.DictReader(stream)]
    assert set(found) == {("big", 1.0), ("small", 0.5)}


def test_parameters_are_those_of_the_timed_model(measured):
    for (name, _, model), line in measured.items():
        words = Vocabulary(tokenizer_of(TRACKS[name].family).size, 1, 0, 2, 2)
        if name != "BERT":  # which is timed as a classifier
            expected = count_parameters(architectures(paper(x=TRACKS[name]))["x"][model], words)
            assert int(line["parameters"]) == expected
    layers, width = SIZES["small"]
    block = 4 * width * width + 4 * width + 2 * (2 * width * width) + 3 * width + 4 * width
    tables = (tokenizer_of("bert").size + 40 + 2) * width + 2 * width
    head = width * width + width + 1 * width + 1
    assert int(measured["BERT", "classes", "small"]["parameters"]) == tables + layers * block + head


def test_the_longest_texts_of_a_kind_are_the_work():
    bert, mbart = TRACKS["BERT"], TRACKS["mBART"]
    assert workloads("cka", bert, tokenizer_of("bert")) == [Workload("STS-B", "classes", 8, 20, None, None)]
    search = Decoding(9, beams=3, min_length=9)
    (found,) = workloads("cka", mbart, tokenizer_of("mbart50"))
    assert found == Workload("WMT13-en-es", "translation", 8, 10, 7, search)


def test_a_model_that_stops_early_is_no_measurement(monkeypatch, tmp_path):
    tokenizer_of("t5").save(tmp_path / "t5.json")
    monkeypatch.setattr(speed, "searched", lambda *arguments: [[0, 1, 2]])
    section = paper(T5=TRACKS["T5"])
    with pytest.raises(RuntimeError, match="asked for 7 tokens, the model wrote 3"):
        measure_speed(
            "cka",
            section,
            architectures(section),
            {"T5": tmp_path / "t5.json"},
            tmp_path / "out.csv",
            torch.device("cpu"),
        )
    with pytest.raises(InputError, match="nothing.json"):
        measure_speed(
            "cka", section, {}, {"T5": tmp_path / "nothing.json"}, tmp_path / "out.csv", torch.device("cpu")
        )
    assert not (tmp_path / "out.csv").exists()


def test_models_take_turns_and_the_warm_up_does_not_count(monkeypatch):
    clock = itertools.count()
    monkeypatch.setattr(speed.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(speed, "WARM_UP", 1)
    monkeypatch.setattr(speed, "LEAST", 3)
    monkeypatch.setattr(speed, "SECONDS", 0.0)
    seen = []
    steps = {name: lambda name=name: seen.append(name) for name in ("a", "b")}
    took = in_turns(steps, lambda: seen.append("-"))
    assert took == {"a": [1.0] * 3, "b": [1.0] * 3}
    assert "".join(seen).replace("-", "") == "ba" + "ab" + "ba" + "ab"
    assert "".join(seen).startswith("-b--a--a--b-")


def test_rounds_go_on_until_the_time_is_up(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(speed, "SECONDS", 10.0)

    def lasts(seconds):
        return lambda: now.__setitem__(0, now[0] + seconds)

    assert len(in_turns({"a": lasts(1.0)}, lambda: None)["a"]) == 10
    assert len(in_turns({"a": lasts(5.0)}, lambda: None)["a"]) == speed.LEAST
    assert len(in_turns({"a": lasts(0.01)}, lambda: None)["a"]) == speed.MOST


def test_numbers_of_a_line():
    assert summary([0.001 * n for n in range(1, 12)]) == ("6", "2", "10", 11)
    assert ratio([2.0, 30.0, 2.2], [1.0, 10.0, 2.0]) == "2"
