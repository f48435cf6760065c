"""Table 8: the settings of fine-tuning that no search touches, ours beside the paper's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from retort.config import Config
from retort.config.model import pair_models
from retort.errors import InputError
from retort.reporting.results import Results
from retort.reporting.tables import Cell, Column, Line, Table

if TYPE_CHECKING:
    import pandas as pd

TITLES = {
    "sequence_length": "Sequence length",
    "epochs": "Epochs",
    "dropout": "Dropout",
    "attention_dropout": "Attention dropout",
    "warmup_ratio": "Warm-up, share of the steps",
    "weight_decay": "Weight decay",
    "lr_decay": "Learning-rate decay",
    "adam_eps": "Adam epsilon",
    "adam_beta1": "Adam beta 1",
    "adam_beta2": "Adam beta 2",
    "gradient_clipping": "Gradient clipping",
}
DIFFERS = "≠"
COLUMNS = ("setting", "task", "ours", "paper", "differs")


def table8(results: Results) -> Table:
    """Build the table; the data have one record for each setting and task.

    Raises:
        InputError: the paper's file lacks a setting or a task.
    """
    config = results.config
    tasks: tuple[str, ...] = config.tasks
    ours, paper = settings(config), _published(results)
    lines: list[Line] = []
    records = []
    for name, title in TITLES.items():
        marks = {task: not _same(ours[name][task], paper[name][task]) for task in tasks}
        cells = [ours[name][task] + f" {DIFFERS}" * marks[task] for task in tasks]
        printed = [paper[name][task] for task in tasks]
        lines.append(Line(tuple(map(Cell, [title, "ours", *cells]))))
        lines.append(Line(tuple(map(Cell, [title, "paper", *printed])), kind="paper"))
        records += [(name, task, ours[name][task], paper[name][task], marks[task]) for task in tasks]
    return Table(
        name="table8",
        title="Other settings of fine-tuning by task",
        columns=(Column("Setting"), Column("From"), *(Column(task, True) for task in tasks)),
        lines=tuple(lines),
        data=_frame(records),
        notes=tuple(_notes(config)),
    )


def settings(config: Config) -> dict[str, dict[str, str]]:
    """The configured settings by name and task, as text."""
    training = config.task_training
    optimiser = training.optimiser
    same = {
        "dropout": _dropout(config),
        "attention_dropout": _dropout(config),
        "warmup_ratio": f"{optimiser.warmup:g}",
        "weight_decay": f"{optimiser.weight_decay:g}",
        "lr_decay": optimiser.schedule,
        "adam_eps": f"{optimiser.eps:g}",
        "adam_beta1": f"{optimiser.betas[0]:g}",
        "adam_beta2": f"{optimiser.betas[1]:g}",
        "gradient_clipping": "none" if optimiser.clip_norm is None else f"{optimiser.clip_norm:g}",
    }
    by_task = {"sequence_length": training.max_length, "epochs": training.epochs}
    found = {
        name: {str(task): str(values[task]) for task in config.tasks} for name, values in by_task.items()
    }
    return found | {name: {str(task): value for task in config.tasks} for name, value in same.items()}


def _dropout(config: Config) -> str:
    """Of all models of the pairs; our one rate holds for embeddings, attention and block outputs."""
    used = dict.fromkeys(symbol for pair in config.pairs for symbol in pair_models(pair))
    return ", ".join(dict.fromkeys(f"{config.models[symbol].dropout:g}" for symbol in used))


def _notes(config: Config) -> Iterator[str]:
    optimiser = config.task_training.optimiser
    yield f"{DIFFERS} differs from the paper."
    yield "Batch size and learning rate are in Table 7."
    if optimiser.schedule != "constant" and optimiser.floor:
        yield f"Our decay ends at {optimiser.floor:g} of the peak; the paper does not say where its ends."
    yield f"Ours: sequences are padded to {_PADDED[config.task_training.padding]}."


_PADDED = {"longest": "the longest of the batch", "fixed": "the sequence length"}


def _published(results: Results) -> dict[str, dict[str, str]]:
    rows = results.published_table("table8_hparams").to_dict("records")
    found = {row["hyperparameter"]: {str(key): str(value) for key, value in row.items()} for row in rows}
    for name in TITLES:
        for task in results.config.tasks:
            if task not in found.get(name, {}):
                raise InputError(f"the paper's table8_hparams.csv has no {name} of {task}; mend it")
    return found


def _same(ours: str, paper: str) -> bool:
    """Equal as numbers, or as words."""
    try:
        return float(ours) == float(paper)
    except ValueError:
        return ours == paper


def _frame(records: list[tuple[str, str, str, str, bool]]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(records, columns=list(COLUMNS))
