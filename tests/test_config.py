"""The configuration: every shipped file holds, every mistake gets one line with its remedy."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from retort import config
from retort.data import superglue
from retort.errors import InputError

NEEDED = {"real": {"data_root": "somewhere"}}
MODELS = ", ".join(config.load("pocket").models)


def problem(overrides: dict, scale: str = "pocket") -> str:
    with pytest.raises(InputError) as caught:
        config.load(scale, overrides)
    return str(caught.value)


@pytest.mark.parametrize("scale", config.scale_names())
def test_each_shipped_scale_is_valid(scale):
    loaded = config.load(scale, NEEDED.get(scale))
    assert loaded.scale == scale
    assert loaded.tasks == config.TASKS


def test_the_promised_scales_are_shipped():
    assert {"smoke", "pocket", "pocket-full", "real", "paper"} <= set(config.scale_names())


@pytest.mark.parametrize("scale", config.scale_names())
def test_the_json_schema_accepts_each_shipped_scale(root, scale):
    written = yaml.safe_load((root / "config" / "scales" / f"{scale}.yaml").read_text())
    base = written.pop("extends", None)
    if base is not None:
        inherited = yaml.safe_load((root / "config" / "scales" / f"{base}.yaml").read_text())
        written = config.merge(inherited, written)
    jsonschema.validate(written, config.schema())


def test_the_json_schema_refuses_an_unknown_key(root):
    written = yaml.safe_load((root / "config" / "scales" / "pocket.yaml").read_text())
    written["pretraining"]["teacher"]["stesp"] = 3
    with pytest.raises(jsonschema.ValidationError, match="stesp"):
        jsonschema.validate(written, config.schema())


def test_the_exported_schema_is_up_to_date(root):
    assert yaml.safe_load((root / "config" / "schema.yaml").read_text()) == config.schema(), (
        "run `make schema`"
    )


def test_every_key_is_described():
    schema = config.schema()
    for name, section in {"Config": schema, **schema["$defs"]}.items():
        bare = [key for key, value in section["properties"].items() if not value.get("description")]
        assert not bare, f"{name}: {bare}"


def test_the_default_is_pocket(root):
    assert config.load(root / "config.yaml") == config.load("pocket")


def test_tasks_are_those_of_the_data_layer():
    assert get_args(config.Task) == tuple(superglue.TASKS)


def test_a_file_given_over_another_scale_wins(root):
    # Snakemake overlays --configfile on config.yaml before anything of ours sees it.
    real = yaml.safe_load((root / "config" / "scales" / "real.yaml").read_text())
    merged = config.merge({"scale": "pocket"}, {**real, "data_root": "there"})
    assert config.resolve(merged) == config.load("real", {"data_root": "there"})


def test_command_line_values_replace_those_of_the_scale():
    loaded = config.load("pocket", {"seeds": [7], "pretraining": {"teacher": {"steps": 5}}})
    assert loaded.seeds == (7,)
    assert loaded.pretraining.teacher.steps == 5
    assert loaded.pretraining.teacher.batch_size == config.load("pocket").pretraining.teacher.batch_size


def test_one_number_for_all_tasks_and_one_a_task():
    loaded = config.load("pocket", {"task_training": {"epochs": 3}})
    assert loaded.task_training.epochs == dict.fromkeys(config.TASKS, 3)
    each = {task: place + 1 for place, task in enumerate(config.TASKS)}
    assert config.load("pocket", {"task_training": {"epochs": each}}).task_training.epochs == each


def test_a_rate_without_a_point_is_a_number():
    # YAML 1.1, which Snakemake reads, takes 1e-5 for text.
    assert yaml.safe_load("1e-5") == "1e-5"
    loaded = config.load("pocket", {"task_training": {"learning_rate": {"teacher": "1e-5"}}})
    assert loaded.task_training.learning_rate.teacher["RTE"] == 1e-5


def test_a_resolved_configuration_survives_json():
    loaded = config.load("paper")
    assert config.resolve(json.loads(loaded.model_dump_json())) == loaded


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ({"pretraning": {}}, "pretraning: unknown key; did you mean 'pretraining'?"),
        (
            {"pretraining": {"teacher": {"stesp": 3}}},
            "pretraining.teacher.stesp: unknown key; did you mean 'steps'?",
        ),
        ({"world_seed": 3}, "world_seed: unknown key here; did you mean 'data.pocket.world_seed'?"),
        (
            {"task_training": {"epochs": {"RTEE": 3}}},
            "task_training.epochs.RTEE: unknown key; did you mean 'RTE'?",
        ),
        ({"gates": {"zero_shot": {"copa": 3}}}, "gates.zero_shot.copa: unknown key; did you mean 'COPA'?"),
        ({"seeds": 1}, "seeds: given 1, expected a list, e.g. [a, b]"),
        ({"seeds": [1, "a"]}, 'seeds[1]: given "a", expected a whole number'),
        ({"seeds": []}, "seeds: given [], expected 1 or more entries"),
        ({"seeds": [3, 3]}, "seeds: 3 is listed twice; list it once"),
        ({"device": "gpu"}, "device: given \"gpu\", expected one of 'auto', 'cpu' or 'cuda'"),
        ({"models": {"T1": {"layers": True}}}, "models.T1.layers: given true, expected a whole number"),
        ({"models": {"T1": {"layers": 2.5}}}, "models.T1.layers: given 2.5, expected a whole number"),
        ({"task_training": {"epochs": 2.5}}, "task_training.epochs: given 2.5, expected a whole number"),
        (
            {"task_training": {"epochs": "six"}},
            'task_training.epochs: given "six", expected a number, or a number for each task',
        ),
        (
            {"task_training": {"evaluations": "x"}},
            "task_training.evaluations: given \"x\", expected a whole number or 'per_epoch'",
        ),
        (
            {"models": {"T1": {"dropout": 1.5}}},
            "models.T1.dropout: given 1.5, expected a value less than 1",
        ),
        ({"data": None}, "data: given null, expected keys with values"),
        (
            {"data": {"pocket": None}},
            "data.pocket: is null, but data.source is 'pocket'; give the world's values",
        ),
        ({"pairs": ["T1-Q"]}, f"pairs: 'T1-Q' names 'Q'; valid: {MODELS} (see models)"),
        ({"pairs": ["T1"]}, "pairs: 'T1' is no pair; write T1-S1, T2-A1-S2 or (T1,T2)-S2"),
        ({"import_teacher": {"Q": "x"}}, f"import_teacher.Q: no such model; valid: {MODELS}"),
        ({"models": {"T1": {"heads": 5}}}, "models.T1.heads: 5 heads do not divide the width 96; change one"),
        (
            {"pretraining": {"max_length": 97}},
            "\nscale pocket: ".join(
                f"pretraining.max_length: 97 tokens, but models.{symbol} has 96 positions; lower it"
                for symbol in ("T1", "S1", "S2", "T2", "A1", "A2", "T_MB", "S_MB")
            ),
        ),
        (
            {"pretraining": {"student": {"micro_batch_size": 48}}},
            "pretraining.student.micro_batch_size: 48 does not divide batch_size 64; use a divisor, e.g. 16",
        ),
        ({"scale": "poket"}, "scale: no scale 'poket'; did you mean 'pocket'?"),
        ({"scale": None}, "scale: is missing; add one of " + ", ".join(config.scale_names())),
    ],
)
def test_a_mistake_gets_one_line_with_its_place_and_remedy(overrides, line):
    assert problem(overrides) == f"scale pocket: {line}"


def test_all_mistakes_are_told_at_once():
    lines = problem({"seeds": 1, "device": "gpu", "zzz": 1}).splitlines()
    assert [line.split(": ")[1] for line in lines] == ["seeds", "device", "zzz"]


def test_a_folder_scale_asks_for_its_folder():
    assert "add --config data_root=<folder>" in problem({}, "real")


def test_a_task_without_a_number_is_named():
    lengths = {"task_training": {"max_length": None}}
    only = {"task_training": {"max_length": {"RTE": 64}}}
    base = config.merge(yaml.safe_load((config.SCALES / "pocket.yaml").read_text()), lengths)
    with pytest.raises(InputError, match=r"task_training.max_length: has no value for BoolQ; add one"):
        config.load("pocket", config.merge(base, only))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scale: pocket\nseeds: [1\n", r":3: not valid YAML"),
        ("scale: pocket\nseeds: [1]\nseeds: [2]\n", r":3: not valid YAML \(key 'seeds' is written twice\)"),
        ("- pocket\n", r"holds no keys"),
        ("", r"holds no keys"),
        ("seeds: [1]\n", r"scale: is missing; add one of"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(tmp_path, text, message):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        config.load(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


def test_neither_scale_nor_file():
    with pytest.raises(InputError, match="neither a scale nor a file; did you mean 'pocket'"):
        config.load("poket")


@pytest.mark.parametrize(
    ("pair", "symbols"),
    [
        ("T1-S1", ("T1", "S1")),
        ("T2-A1-A2-S2", ("T2", "A1", "A2", "S2")),
        ("(T1,T2)-S2", ("T1", "T2", "S2")),
        ("T_MB-S_MB", ("T_MB", "S_MB")),
        ("T1", ()),
        ("T1-", ()),
        ("(T1)-S1", ()),
    ],
)
def test_pairs_are_taken_apart(pair, symbols):
    assert config.pair_models(pair) == symbols


trees = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(st.sampled_from("abc"), trees, max_size=3)


@given(mappings, mappings)
def test_merging_overlays_key_by_key(base, override):
    before = json.dumps([base, override])
    merged = config.merge(base, override)
    assert json.dumps([base, override]) == before
    assert merged.keys() == base.keys() | override.keys()
    for key, value in merged.items():
        both = [tree[key] for tree in (base, override) if key in tree]
        deep = len(both) == 2 and all(isinstance(tree, dict) for tree in both)
        assert value == (config.merge(*both) if deep else both[-1])
    assert config.merge(merged, override) == merged


def test_reading_a_configuration_imports_no_torch():
    code = "import sys, retort.config as c; c.load('pocket'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_schema_command_prints_the_committed_file(root):
    command = [sys.executable, "-m", "retort.config"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path.home()).stdout
    assert printed == (root / "config" / "schema.yaml").read_text()


# Search

GRID = {"learning_rates": [1e-3, "2e-3"], "batch_sizes": [8, 16]}


def test_a_search_is_given_over_any_scale():
    found = config.load("pocket", {"task_training": {"search": GRID}}).task_training.search
    assert (found.learning_rates, found.batch_sizes) == ((1e-3, 2e-3), (8, 16))
    assert config.load("pocket").task_training.search is None


def test_the_search_of_the_paper_is_shipped(root):
    found = config.load(root / "config" / "paper-search.yaml")
    assert found.scale == "paper" and found.task_training.hyper_parameters is None
    grid = found.task_training.search.model_dump()
    assert grid == {"learning_rates": (5e-6, 1e-5, 2e-5), "batch_sizes": (16, 32)}
    kept = config.load("paper").model_dump()
    for key in ("search", "hyper_parameters"):
        kept["task_training"][key] = found.model_dump()["task_training"][key]
    assert found.model_dump() == kept


@pytest.mark.parametrize(
    ("scale", "search", "line"),
    [
        (
            "paper",
            GRID,
            "task_training.hyper_parameters: is given beside search, which tries all points; "
            "set one of the two to null",
        ),
        (
            "pocket",
            GRID | {"batch_sizes": [8, 16, 8]},
            "task_training.search.batch_sizes: 8 is listed twice; list it once",
        ),
        (
            "pocket",
            GRID | {"learning_rates": [1e-5, "1e-5"]},
            "task_training.search.learning_rates: 1e-05 is listed twice; list it once",
        ),
        ("pocket", {"learning_rates": [1e-5]}, "task_training.search.batch_sizes: is missing; add it"),
        (
            "pocket",
            GRID | {"batch_sizes": []},
            "task_training.search.batch_sizes: given [], expected 1 or more",
        ),
        ("pocket", GRID | {"batch_sizes": [0]}, "task_training.search.batch_sizes[0]: given 0, expected"),
        ("pocket", GRID | {"batch_sizes": 16}, "task_training.search.batch_sizes: given 16, expected a list"),
        ("pocket", GRID | {"rates": [1]}, "task_training.search.rates: unknown key; valid: learning_rates"),
    ],
)
def test_a_mistaken_search_gets_one_line(scale, search, line):
    message = problem({"task_training": {"search": search}}, scale)
    assert line in message and "\n" not in message
