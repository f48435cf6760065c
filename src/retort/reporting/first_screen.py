"""What the page says first: what was run, on what, how long, and whether the teachers were good enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import TYPE_CHECKING, Any

from retort.papers import paper_of
from retort.progress import clock
from retort.reporting.results import Results
from retort.reporting.scores import PAPER, select
from retort.reporting.track_rows import students_of
from retort.texts import paper_section

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Gate:
    """One condition a teacher had to meet: what was scored, and the least score (0 to 100) asked for."""

    teacher: str
    what: str
    score: float
    least: float

    @property
    def passed(self) -> bool:
        """Whether the score is high enough."""
        return self.score >= self.least


def facts(papers: Sequence[Results]) -> list[tuple[str, str]]:
    """What was run, on what machine, how long: (name, value) pairs.

    Args:
        papers: the results of each.
    """
    config, cards = papers[0].config, [run.card for results in papers for run in results.runs]
    found = [
        ("Scale", f"{config.scale}: {_sizes(papers)}"),
        ("Data", _data(papers)),
        ("Seeds", "; ".join(dict.fromkeys(", ".join(map(str, results.seeds)) for results in papers))),
    ]
    if not cards:
        return found
    started = min(datetime.fromisoformat(card["started"]) for card in cards)
    finished = max(datetime.fromisoformat(card["finished"]) for card in cards)
    memory = max(card["peak_memory_mib"]["resident"] for card in cards)
    return [
        *found,
        ("Machine", "; ".join(dict.fromkeys(_device(card["device"]) for card in cards))),
        ("Start to end", duration((finished - started).total_seconds())),
        ("Training time", f"{duration(sum(card['seconds'] for card in cards))} over {len(cards)} runs"),
        ("Peak memory", f"{memory:,.0f} MiB a process"),
        ("Finished", f"{finished:%Y-%m-%d %H:%M} UTC"),
        ("Code", ", ".join(dict.fromkeys(map(_code, cards)))),
    ]


def _code(card: Mapping[str, Any]) -> str:
    """The commit in short, and whether files differed from it."""
    changed = card.get("git_changes", "none") not in ("none", "unknown")
    return (
        f"{card['git_commit'][:10]}{' with changes' if changed else ''}" if card["git_commit"] else "no git"
    )


def duration(seconds: float) -> str:
    """A time with its unit: ``4.2 s``, ``21:47 min``, ``2:24:00 h``."""
    if round(seconds) < 60:
        return f"{seconds:.1f} s"
    return f"{clock(seconds)} {'h' if round(seconds) >= 3600 else 'min'}"


def gates(results: Results) -> Iterator[Gate]:
    """The configured least scores beside what the paper's teachers reached."""
    if results.tracks:
        yield from _gates_of_tracks(results)
        return
    asked = results.config.gates
    for teacher, report in results.gates.items():
        for task, least in asked.zero_shot.items():
            if task in report["zero_shot"]:
                yield Gate(teacher, f"{task} zero-shot", report["zero_shot"][task], least)
        if asked.fine_tuned_average is not None:
            average: float = report["fine_tuned_average"]
            yield Gate(teacher, "fine-tuned average", average, asked.fine_tuned_average)


def _gates_of_tracks(results: Results) -> Iterator[Gate]:
    """By the teachers' collected scores: these teachers are trained on their tasks, then looked at."""
    teachers = select(results.scores, role="teacher", protocol=PAPER)
    for track in results.tracks.values():
        for teacher in track.teachers:
            scores = _judged(select(teachers, pair=teacher), results.paper)
            for name, least in track.gates.items():
                if name in scores:
                    yield Gate(teacher, name, scores[name], least)


def _judged(rows: pd.DataFrame, paper: str) -> dict[str, float]:
    """A teacher's scores by the names that gates have."""
    found: dict[str, float] = {}
    for task, group in rows.groupby("task"):
        metrics = dict(zip(group["metric"], group["value"], strict=True))
        scoring = paper_of(paper).task(str(task)).given(metrics)
        found |= scoring.judged(str(task), metrics)
    return found


def short_title(paper: str) -> str:
    """A paper's title without its authors."""
    return paper_of(paper).title.partition(" (")[0]


def _sizes(papers: Sequence[Results]) -> str:
    if len(papers) == 1:
        return _size(papers[0])
    return "; ".join(f"{short_title(results.paper)} {_size(results)}" for results in papers)


def _size(results: Results) -> str:
    config = results.config
    methods: Sequence[str] = config.methods
    pairs: Sequence[object] = config.pairs
    if results.tracks:
        tracks = results.tracks.values()
        methods = [name for track in tracks for name in track.methods]
        pairs = [pair for track in tracks for pair in product(track.teachers, students_of(track))]
    numbers = (("method", methods), ("pair", pairs), ("task", results.tasks))
    return ", ".join(f"{len(found)} {name}{'s' if len(found) != 1 else ''}" for name, found in numbers)


def _data(papers: Sequence[Results]) -> str:
    config = papers[0].config
    world = config.data.pocket
    if world is None:
        return f"source {config.data.source}"
    corpora = [_documents(results) for results in papers]
    if len(papers) > 1:
        corpora = [
            f"{short_title(results.paper)} {said}" for results, said in zip(papers, corpora, strict=True)
        ]
    return f"source pocket (generated, world seed {world.world_seed}): {'; '.join(corpora)}"


def _documents(results: Results) -> str:
    """How much of the generated corpus a paper's models read."""
    config = results.config
    world = paper_section(config, results.paper).pocket if results.tracks else config.data.pocket
    assert world is not None
    return f"{world.documents:,} documents"


def _device(device: dict[str, Any]) -> str:
    threads = device["threads"]
    return f"{device['name']} ({device['kind']}, {threads} thread{'s' if threads != 1 else ''} a run)"
