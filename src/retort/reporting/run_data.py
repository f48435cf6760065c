"""The runs of a results folder as one compact value that the page carries and its script reads."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from retort.errors import InputError
from retort.files import read_json
from retort.reporting import stage_text
from retort.reporting.results import Results, Run

Item = TypeVar("Item")
POINTS = 60
"""Most points of a curve; more cannot be seen at the width of a small plot."""
SPLITS = ("all", "select", "report")
_ESCAPES = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


class Texts:
    """Strings that many runs share, each stored once and named by its place."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}

    def place(self, text: str) -> int:
        """Where a string is stored."""
        return self.found.setdefault(text, len(self.found))


def run_data(papers: Sequence[Results]) -> dict[str, Any]:
    """Everything that the run cards on the page show.

    Args:
        papers: the results of each.

    Returns:
        ``texts``: shared strings; ``splits``, ``term_columns``: names; ``stages``: by name, each with its
        terms, facts and parents; ``runs``: by anchor, each with its stage, task, cost, origin and the command
        that makes it again (places in ``texts``), input hashes, curves and evaluations.
    """
    texts = Texts()
    stages: dict[str, Any] = {}
    runs = {}
    for results in papers:
        names = {run.digest: run.stage for run in results.runs}
        for run in results.runs:
            stages.setdefault(run.stage, _stage(run, names))
            runs[run.anchor] = _run(results, run, texts)
    return {
        "splits": SPLITS,
        "term_columns": stage_text.TERM_COLUMNS,
        "stages": stages,
        "runs": runs,
        "texts": list(texts.found),
    }


def embedded(value: Any) -> str:
    """Compact JSON that may stand inside ``<script type="application/json">`` whatever it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.translate(_ESCAPES)


def curves(lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A training log as columns: ``step``, ``loss`` and the parts by name, at most :data:`POINTS` each.

    First and last line are kept. What a line lacks, or is no finite number, is ``None``.
    """
    kept = thinned(lines, POINTS)
    parts = dict.fromkeys(name for line in kept for name in line.get("parts", {}))
    return {
        "step": [line["step"] for line in kept],
        "loss": [short(line.get("loss")) for line in kept],
        "parts": {name: [short(line.get("parts", {}).get(name)) for line in kept] for name in parts},
    }


def thinned(items: Sequence[Item], most: int) -> list[Item]:
    """At most ``most`` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def short(value: float | None) -> float | None:
    """A number to four digits; ``None`` for what JSON cannot hold."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.4g}")


def read_log(path: Path) -> list[dict[str, Any]]:
    """Lines of a training log; none where there is no log.

    Raises:
        InputError: a line is no JSON object with a step.
    """
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{number}: {error}; train this stage again") from None
        if not isinstance(value, dict) or "step" not in value:
            raise InputError(f"{path}:{number}: no line of a training log; train this stage again")
        found.append(value)
    return found


def _stage(run: Run, names: Mapping[str, str]) -> dict[str, Any]:
    stage = run.card["stage"]
    return {
        "terms": stage_text.terms(stage.get("objective", {})),
        "facts": list(stage_text.stage_facts(stage)),
        "parents": [[role, names.get(digest, digest)] for role, digest in stage_text.parents(stage)],
    }


def _run(results: Results, run: Run, texts: Texts) -> dict[str, Any]:
    card = run.card
    folder = results.root / run.folder
    return {
        "stage": run.stage,
        "name": run.name,
        "cost": [card["seconds"], card["steps"], card["tokens"], card["tokens_per_second"]],
        "processor": card.get("processor_seconds"),
        "memory": card["peak_memory_mib"],
        "time": [card["started"], card["finished"]],
        "origin": [[texts.place(name), texts.place(value)] for name, value in _origin(card)],
        "again": texts.place(_again(card, folder)),
        "inputs": [[texts.place(p), texts.place(digest)] for p, digest in card.get("inputs", {}).items()],
        "best": {name: short(value) for name, value in card["results"].get("best", {}).items()},
        "log": curves(read_log(folder / "log.jsonl")),
        "evaluations": evaluations(folder / "metrics.json") if run.name else {},
    }


def evaluations(path: Path) -> dict[str, Any]:
    """Scores by evaluation: ``metrics`` names, and ``rows`` of a step and, for each split, each metric.

    Where texts are written also ``losses``: by name, one value a row.
    """
    found = read_json(path)["evaluations"] if path.is_file() else []
    names = list(found[0]["all"]) if found else []
    rows = [
        [line["step"], *(short(line.get(split, {}).get(name)) for split in SPLITS for name in names)]
        for line in found
    ]
    losses = dict.fromkeys(name for line in found for name in line.get("losses", {}))
    told = {name: [short(line.get("losses", {}).get(name)) for line in found] for name in losses}
    return {"metrics": names, "rows": rows} | ({"losses": told} if told else {})


def sources(card: Mapping[str, Any]) -> str:
    """The commit a run was made from, and whether files differed from it."""
    if card["git_commit"] is None:
        return "none: not run from a git repository"
    changes = card.get("git_changes", "none")
    notes = {"none": "", "unknown": ", no git program to tell whether files differ"}
    return str(card["git_commit"]) + notes.get(changes, f", with changes (digest {changes})")


def _again(card: Mapping[str, Any], folder: Path) -> str:
    """The command that makes a run again: from its card; for older cards, as it was given."""
    if "rerun" not in card:
        return str(card.get("command", ""))
    return shlex.join(["python", "scripts/rerun.py", str(folder / "card.json")])


def _origin(card: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "Training", stage_text.schooling(card["stage"])
    yield "Configuration", card.get("config_digest", "")
    yield "Code fingerprint", card["code"]
    yield "Git commit", sources(card)
    yield "Command", card.get("command", "")
    device = card["device"]
    yield "Device", f"{device['name']} ({device['kind']}, threads: {device['threads']})"
    yield "Python", card["python"]
    yield "Packages", ", ".join(f"{name} {version}" for name, version in card["packages"].items())
