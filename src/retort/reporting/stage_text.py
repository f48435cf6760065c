"""A resolved stage, as its run card holds it, in words that a reader of the papers knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from retort.stages import point_name

_ALL_POSITIONS = "none"
_CUTS = {
    "first": "starts from the first layers of each block of",
    "last": "starts from the last layers of each block of",
}
_KINDS = {
    "bert": "BERT", "bart": "BART", "mbart": "mBART", "mbart50": "mBART-50", "t5": "T5",
    "opt": "OPT", "gpt_neox": "Pythia", "llama": "LLaMA",
}  # fmt: skip
TERM_COLUMNS = ("weight", "distance", "site", "layers", "lenses", "positions")


def expression(value: Any) -> str:
    """A value of a card as one line: ``{"is": "KL", "temperature": 2.0}`` becomes ``KL(temperature=2)``.

    What is off or absent is left out, what is on is only named.
    """
    if isinstance(value, Mapping):
        inner = [_argument(name, item) for name, item in value.items() if name != "is"]
        arguments = ", ".join(text for text in inner if text)
        name = value.get("is", "")
        return f"{name}({arguments})" if arguments or not name else name
    if isinstance(value, list):
        return "[" + ", ".join(expression(item) for item in value) + "]"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def terms(objective: Mapping[str, Any]) -> list[list[str]]:
    """The terms of an objective, one list a term, in the order of :data:`TERM_COLUMNS`."""
    return [
        [
            expression(term["weight"]),
            expression(term["by"]) if term["by"] else "cross-entropy with the labels",
            term["site"],
            expression(term["layers"]) if term["layers"] else "",
            " → ".join(expression(step) for step in term["via"]),
            _positions(term),
        ]
        for term in objective.get("terms", ())
    ]


def stage_facts(stage: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a stage says besides its terms, its parents and how long it trains: (name, value) pairs."""
    if "architecture" in stage:
        yield "Model", architecture(stage["architecture"])
    objective = stage.get("objective", {})
    for name, plain in (("ensemble", "Mean"), ("edit", "none")):
        text = expression(objective.get(name))
        if text not in (plain, "none"):
            yield name.capitalize(), text
    for name in ("compression", "imported"):
        if stage.get(name):
            yield name.capitalize(), expression(stage[name])
    if stage.get("carry_lenses"):
        yield "Lenses", "carried on from the stage it starts from"
    for name in ("seed", "precision", "data"):
        if name in stage:
            yield {"data": "Text"}.get(name, name.capitalize()), expression(stage[name])


def schooling(stage: Mapping[str, Any]) -> str:
    """Length, batches and optimiser of a run, in one line; empty where the card does not say."""
    found = stage.get("schooling")
    if isinstance(found, list):
        runs = [run for run in found if run["task"] == stage.get("task")]
        chosen = [run for run in runs if _point(run) == stage.get("run")]
        found = next(iter(chosen or runs), None)
    if not found:
        return ""
    length = f"{found['epochs']} epochs" if "epochs" in found else f"{found['steps']} steps"
    optimiser = found["optimiser"]
    name = "AdamW" if optimiser.get("muon") is None else "Muon and AdamW"
    peak = f"peak {optimiser['learning_rate']:g}, {optimiser['schedule']}"
    return f"{length} in batches of {found['batch_size']}; {name}, {peak}, warm-up {optimiser['warmup']:g}"


def _point(run: Mapping[str, Any]) -> str:
    return point_name(run["task"], run["batch_size"], run["optimiser"]["learning_rate"])


def parents(stage: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(role, digest) of the stages whose results it read."""
    if stage.get("init"):
        yield "starts from", stage["init"]
    if stage.get("truncated"):
        part = stage["truncated"].get("part") or {}
        yield (
            _CUTS.get(part.get("layer", ""), "starts from the first layers of"),
            stage["truncated"]["source"],
        )
    for digest in stage.get("teachers", ()):
        yield "learns from", digest
    if stage.get("mapped_by"):
        yield "takes its vocabulary from", stage["mapped_by"]


def architecture(model: Mapping[str, Any]) -> str:
    """A model's size in one line."""
    if "kind" in model:
        name = _KINDS.get(model["kind"], model["kind"])
        depth = " + ".join(str(n) for n in (model["encoder_layers"], model["decoder_layers"]) if n)
        return f"{name}, {depth} layers, width {model['width']}, {model['heads']} heads"
    shown = f"{model['layers']} layers, width {model['width']}, {model['heads']} heads"
    extra = [f"{name} {expression(model[name])}" for name in ("factorised", "trigram", "bottleneck")
             if model.get(name)]  # fmt: skip
    return ", ".join([shown, *extra])


def _argument(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    return name if value is True else f"{name}={expression(value)}"


def _positions(term: Mapping[str, Any]) -> str:
    parts = []
    if term["mask"] != _ALL_POSITIONS:
        parts.append(f"{expression(term['mask'])}, mean over {'all' if term['norm'] == 'all' else 'these'}")
    if term.get("above"):
        parts.append(f"rows above {expression(term['above'])}")
    if term.get("edited"):
        parts.append("in the edited pass")
    return "; ".join(parts)
