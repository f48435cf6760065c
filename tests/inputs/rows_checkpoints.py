"""Malformed checkpoints: a folder of ours to import, and one in the layout of the authors' releases."""

from __future__ import annotations

import json
import os
import struct

import torch
from inputs.bench import (
    Row,
    both,
    convert,
    field,
    folder_instead,
    link_to_itself,
    remove,
    setting,
    write,
)
from safetensors.torch import load_file, save_file

IMPORT = "pretrain --config run.yaml --stage {T1}"
WEIGHTS = "given/model.safetensors"
STATES = "release/150000/mp_rank_00_model_states.pt"
WORDS = "word_embeddings.weight"


def given(name, spoil, *words):
    """The folder of ours."""
    return Row(name, spoil, IMPORT, words)


def tensors(change):
    """Change the tensors by name."""

    def spoil(folder):
        found = load_file(folder / WEIGHTS)
        change(found)
        save_file({name: tensor.contiguous() for name, tensor in found.items()}, folder / WEIGHTS)

    return spoil


def words(change):
    """Change the word embeddings."""
    return tensors(lambda found: found.update({WORDS: change(found[WORDS])}))


def with_one(value):
    """One number replaced."""

    def change(tensor):
        tensor = tensor.clone()
        tensor[3, 5] = value
        return tensor

    return words(change)


OURS = (
    Row("a model before its data", remove("results"), IMPORT,
        ("summary.json: no such file; run the step that writes it first",)),
    given("no checkpoint", remove("given"),
          "given: no model.safetensors and no latest_checkpointed_iteration.txt; name"),
    given("a checkpoint of nothing", write(WEIGHTS, b""), f"{WEIGHTS}: not a sound safetensors file",
          "copy or make it"),
    given("a checkpoint of text", write(WEIGHTS, b"weights"), f"{WEIGHTS}: not a sound safetensors file"),
    given("a checkpoint that is cut off", convert(WEIGHTS, lambda content: content[:-100]),
          f"{WEIGHTS}: not a sound"),
    given("a checkpoint with more at its end", convert(WEIGHTS, lambda content: content + b"x"),
          f"{WEIGHTS}: not a sound"),
    given("a header longer than the file",
          convert(WEIGHTS, lambda content: struct.pack("<Q", 10**9) + content[8:]),
          f"{WEIGHTS}: not a sound safetensors file"),
    given("a header that is no JSON", convert(WEIGHTS, lambda content: content[:8] + b"!" + content[9:]),
          f"{WEIGHTS}: not a sound safetensors file"),
    given("a folder for the weights", folder_instead(WEIGHTS), f"{WEIGHTS}: cannot be read (",
          "name a readable file"),
    given("weights that cannot be opened", link_to_itself(WEIGHTS), "given: no model.safetensors"),
    given("a pickle for safetensors", lambda folder: torch.save({"a": 1}, folder / WEIGHTS),
          f"{WEIGHTS}: not a sound"),
    given("a tensor missing", tensors(lambda found: found.pop(WORDS)),
          f"{WEIGHTS}: lacks 1 key(s), first '{WORDS}'; check that layers"),
    given("a tensor too many", tensors(lambda found: found.update(extra=torch.zeros(1))),
          f"{WEIGHTS}: has surplus 1 key(s), first 'extra'"),
    given("another vocabulary", words(lambda tensor: tensor[:8]),
          f"'{WORDS}' has shape (8, 32), the configuration asks for (",
          "check width, vocabulary and positions"),
    given("whole numbers", words(lambda tensor: tensor.to(torch.int8)),
          f"'{WORDS}' holds int8 numbers, no weights; save"),
    given("eight-bit floats without their scale", words(lambda tensor: tensor.to(torch.float8_e4m3fn)),
          "holds float8_e4m3fn numbers, no weights; save the checkpoint in float32, float16 or bfloat16"),
    given("NaN", with_one(float("nan")),
          f"{WEIGHTS}: '{WORDS}' holds NaN or infinite numbers; take an earlier"),
    given("infinity", with_one(float("-inf")), f"{WEIGHTS}: '{WORDS}' holds NaN or infinite numbers"),
    given("a half that overflowed", words(lambda tensor: (tensor * 1e9).half()),
          "holds NaN or infinite numbers"),
    given("other heads, same shapes", field("given/config.json", 0, "heads", 4),
          "given/config.json: heads is 4, the configuration asks for 2; check heads of the model (models)"),
    given("other layers", field("given/config.json", 0, "layers", 3),
          "given/config.json: layers is 3, the configuration"),
    given("the configuration of another library", write("given/config.json", json.dumps({"hidden_size": 32})),
          "given/config.json: not the configuration of a GLM", "hidden_size",
          "copy it again with the weights"),
    given("a configuration in words", field("given/config.json", 0, "layers", "four"), "config.json: not the",
          "'four'"),
    given("a configuration of no heads", field("given/config.json", 0, "heads", 0), "config.json: not the",
          "0 is no size"),
    given("a list for the configuration", write("given/config.json", "[]"),
          "config.json: not the configuration of a GLM"),
    given("a configuration that is cut off", write("given/config.json", '{"layers": 2,'),
          "config.json:1: not JSON ("),
)  # fmt: skip


class Payload:
    """Makes a folder when it is unpickled without care."""

    def __reduce__(self):
        return os.mkdir, ("was-here",)


def release(name, spoil, *words):
    """The authors' layout."""
    import_it = setting("import_teacher", {"T1": "release"})
    # Another path is another stage.
    return Row(name, both(import_it, spoil), "pretrain --config run.yaml --stage {release}", words)


def saved(value):
    """Another pickle."""
    return lambda folder: torch.save(value, folder / STATES)


RELEASES = (
    release("a pointer to nothing", write("release/latest_checkpointed_iteration.txt", "7"),
            "release/7/mp_rank_00_model_states.pt: no such file, though ",
            "names it; copy the whole folder again"),
    release("an empty pointer", write("release/latest_checkpointed_iteration.txt", ""),
            "no such file, though "),
    release("a pointer in Latin-1", write("release/latest_checkpointed_iteration.txt", b"\xe9"),
            "latest_checkpointed_iteration.txt:1: not UTF-8"),
    release("a pickle with a payload", saved({"module": {}, "args": Payload()}),
            f"{STATES}: cannot be read as plain weights (UnpicklingError); nothing else in it is run"),
    release("a pickle that is cut off", convert(STATES, lambda content: content[:1000]),
            f"{STATES}: cannot be read as"),
    release("a pickle of no checkpoint", saved([1, 2]), f"{STATES}: no tensors under 'module'; is it a GLM"),
    release("a pickle of no weights", saved({"module": {WORDS: 3}}), f"{STATES}: no tensors under 'module'"),
    release("a pickle of few weights", saved({"module": {WORDS: torch.zeros(1)}}), f"{STATES}: lacks "),
    release("a page for a pickle", write(STATES, "<html>"), f"{STATES}: cannot be read as plain weights"),
)  # fmt: skip

ROWS = (*OURS, *RELEASES)
