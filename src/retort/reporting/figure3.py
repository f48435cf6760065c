"""Figure 3: the long tail of word use, in the pretraining corpus and in every task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from retort.reporting import style
from retort.reporting.results import Results

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from retort.data.examples import ClozeExample
    from retort.data.frequencies import Frequencies

TITLE = "Most words are rare, in the pretraining corpus and in every task"
CORPUS = "pretraining"
COLUMNS = ("source", "split", "rank", "count", "share")
SPLITS = {"train": style.BLUE, "val": style.ORANGE}
_PANELS_PER_ROW = 2
_BINS_PER_DECADE = 6


def long_tail(results: Results) -> pd.DataFrame:
    """Counts of every token by its rank in the pretraining corpus, for the corpus and each task split.

    Columns ``source, split, rank`` (from 1), ``count, share``; command tokens are left out.
    """
    from retort.data.frequencies import Frequencies, count_ids
    from retort.data.store import load_examples
    from retort.data.tokenizer import COMMANDS, Tokenizer

    folder = results.text_folder()
    tokenizer = Tokenizer.load(folder / "tokenizer.json")
    frequencies = Frequencies.read(folder / "frequencies.tsv")
    counts: dict[tuple[str, str], np.ndarray] = {}
    for task in results.config.tasks:
        for split in SPLITS:
            texts = map(_text, load_examples(results.text_folder(task), split))
            counts[task, split] = count_ids(texts, tokenizer.size)
    return tidy(frequencies, counts, {tokenizer.vocabulary.index(command) for command in COMMANDS})


def tidy(
    frequencies: Frequencies, counts: Mapping[tuple[str, str], np.ndarray], commands: set[int]
) -> pd.DataFrame:
    """Lay counts out along the ranks of the corpus.

    Args:
        frequencies: of the pretraining corpus.
        counts: int64 [V] by token id, for each (task, split).
        commands: ids that are no words.
    """
    import numpy as np
    import pandas as pd

    order = np.argsort(-frequencies.counts, kind="stable")
    order = order[~np.isin(order, list(commands))]
    parts = []
    for (source, split), number in {(CORPUS, ""): frequencies.counts, **counts}.items():
        ranked = number[order]
        part = {"source": source, "split": split, "rank": np.arange(1, len(order) + 1), "count": ranked}
        parts.append(pd.DataFrame(part | {"share": ranked / max(ranked.sum(), 1)}))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def figure3(data: pd.DataFrame, kept: int | None = None) -> Figure:
    """A panel for each task: share of the text that a token makes up, over its rank in the corpus.

    Shares are averaged over ranks in equal steps of the logarithm; steps without any token leave a gap.

    Args:
        data: columns ``source, split, rank, count, share``.
        kept: tokens that the compressed vocabulary keeps, marked by a line.
    """
    from matplotlib.figure import Figure

    tasks = [str(source) for source in data["source"].unique() if source != CORPUS]
    columns = min(_PANELS_PER_ROW, len(tasks))
    rows = -(-len(tasks) // columns)
    with style.style():
        figure = Figure(figsize=(2.7 * columns + 0.6, 1.85 * rows + 0.9), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for axis, task in zip(axes, tasks, strict=False):
            _panel(axis, data, task, kept)
        for axis in axes[len(tasks) :]:
            axis.set_visible(False)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=2)
        figure.supxlabel("rank of the token in the pretraining corpus", fontsize=9)
        figure.supylabel("share of the text's tokens", fontsize=9)
    return figure


def _panel(axis: Axes, data: pd.DataFrame, task: str, kept: int | None) -> None:
    corpus = data[data["source"] == CORPUS]
    axis.plot(*_binned(corpus), color=style.FAINT, linewidth=2.6, label="pretraining corpus")
    notes = []
    for (split, colour), name in zip(SPLITS.items(), ("train", "dev"), strict=True):
        part = data[(data["source"] == task) & (data["split"] == split)]
        axis.plot(*_binned(part), color=colour, marker="o", markersize=2.2, label=f"task, {name}")
        used = (part["count"] > 0).mean()
        notes.append(f"{name}: {_short(int(part['count'].sum()))} tokens, {used:.0%} of words")
    if kept is not None:
        axis.axvline(kept, color=style.INK, linewidth=0.9, linestyle="--", label=f"kept by GLMD ({kept:,})")
    axis.set(xscale="log", yscale="log", title=task)
    axis.text(0.03, 0.03, "\n".join(notes), transform=axis.transAxes, fontsize=7.5, va="bottom")


def _binned(part: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Mean rank and mean share in logarithmic steps; NaN where no token of a step occurs."""
    import numpy as np

    steps = np.floor(np.log10(part["rank"].to_numpy()) * _BINS_PER_DECADE)
    grouped = part.groupby(steps)
    share = grouped["share"].mean().to_numpy()
    return np.exp(np.log(part["rank"]).groupby(steps).mean().to_numpy()), np.where(share > 0, share, np.nan)


def _short(number: int) -> str:
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


def _text(example: ClozeExample) -> np.ndarray:
    """Part A of an example: the task's text in its cloze pattern (candidates share it)."""
    first = example.candidates[0]
    return first.tokens[: first.sep]


def caption(data: pd.DataFrame, kept: int | None) -> str:
    """What the figure shows, with the share of each text that a small vocabulary covers."""
    text = (
        "Token use against rank, both sorted by the pretraining corpus, averaged over equal steps of "
        "the logarithm. Task texts include the words of their cloze patterns; command tokens are left out."
    )
    if kept is not None:
        splits = data.groupby("source")["split"].nunique()
        inside = data[data["rank"] <= kept].groupby("source")["share"].sum() / splits
        tasks = inside.drop(CORPUS)
        text += (
            f" The dashed line is the vocabulary that GLMD keeps: {kept:,} tokens cover "
            f"{inside[CORPUS]:.1%} of the corpus and {tasks.min():.1%} to {tasks.max():.1%} of the tasks."
        )
    return text
