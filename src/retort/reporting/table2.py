"""Table 2: model sizes, counted from the architectures."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retort.config import Config, load
from retort.recipes import Method
from retort.reporting import sizes
from retort.reporting.results import Results
from retort.reporting.rows import published_rows
from retort.reporting.tables import Cell, Column, Line, Table

if TYPE_CHECKING:
    import pandas as pd

    from retort.models.glm import GLMConfig

_UNITS = {"M": 1e6, "B": 1e9}
COLUMNS = ("scale", "symbol", "variant", "layers", "hidden", "heads", "positions", "vocabulary", "params",
           "params_as_counted", "paper", "difference_percent", "note")  # fmt: skip


@dataclass(frozen=True)
class Size:
    """One model: what it is, what the paper prints for it, and why the two may differ."""

    scale: str
    symbol: str
    variant: str
    config: GLMConfig
    printed: str = ""
    notes: tuple[str, ...] = ()

    @property
    def difference(self) -> float | None:
        """Printed over counted as the paper counts, minus one, in percent."""
        if not self.printed:
            return None
        printed = float(self.printed[:-1]) * _UNITS[self.printed[-1]]
        return 100 * (printed / sizes.parameters_as_counted(self.config) - 1)


def table2(results: Results) -> Table:
    """Build the table: the paper's models, whatever the scale, then the scale's own."""
    found = [*paper_sizes(results), *own_sizes(results)]
    titles = [("Model", False), ("Layers", True), ("Width", True), ("Heads", True), ("Vocabulary", True)]
    titles += [("Parameters", True), ("Counted as the paper", True), ("Paper", True), ("Difference", True)]
    notes = [f"{size.symbol}: {note}" for size in found for note in size.notes]
    return Table(
        name="table2",
        title="Model sizes",
        columns=tuple(Column(title, right) for title, right in titles),
        lines=tuple(_line(size) for size in found),
        data=_data(found),
        notes=(
            "Counted on the architectures themselves; word embeddings, tied with the output, count once.",
            *dict.fromkeys(notes),
        ),
    )


def paper_sizes(results: Results) -> Iterator[Size]:
    """The paper's models at their published sizes, then its students with other word embeddings."""
    config = load("paper")
    vocabulary = sizes.given_vocabulary(config)
    for row in results.published_table("table2").to_dict("records"):
        model = sizes.architecture(config.models[row["symbol_recovered"]], vocabulary)
        notes = tuple(_differences(row, model, vocabulary))
        yield Size("paper", row["symbol_recovered"], "", model, row["params_reported"], notes)
    known = {method.name: method for method in methods(results.paper)}
    students = {
        (name, re.split(r"\W+", pair)[-1]): row.params
        for (name, pair), row in published_rows(results).items()
    }
    for (name, symbol), params in students.items():
        method = known.get(name)
        if method and _changes_embedding(method):
            model = sizes.architecture(config.models[symbol], vocabulary)
            yield Size("paper", symbol, name, _student(method, model, config), params)


def own_sizes(results: Results) -> Iterator[Size]:
    """The models of this scale, if it has its own; nothing before its vocabulary is known."""
    config, vocabulary = results.config, results.vocabulary_rows()
    if vocabulary is not None and config.scale != "paper":
        for symbol, model in config.models.items():
            yield Size(config.scale, symbol, "", sizes.architecture(model, vocabulary))


def methods(paper: str) -> tuple[Method, ...]:
    """All methods of a paper's recipes."""
    found: tuple[Method, ...] = importlib.import_module(f"retort.recipes.{paper}").METHODS
    return found


def _changes_embedding(method: Method) -> bool:
    return method.compression is not None or method.embedding != "full"


def _student(method: Method, model: GLMConfig, config: Config) -> GLMConfig:
    from retort.distill.vocabulary import kept_size

    compressed = None
    if method.compression is not None:
        tokens = config.data.vocabulary.size + sizes.BERT_COMMANDS
        compressed = kept_size(method.compression.ratio, tokens, method.compression.multiple_of)
    return sizes.variant(model, compressed, method.embedding)


def _differences(row: Mapping[Any, str], model: GLMConfig, vocabulary: int) -> Iterator[str]:
    """Where the paper prints one thing and its code built another."""
    printed = int(row["layers_reported"])
    if printed != model.layers:
        other = sizes.parameters(sizes.variant(model, layers=printed))
        yield (
            f"the paper prints {printed} layers, the authors' code has {model.layers}; "
            f"with {printed} it would have {other / 1e6:.1f}M parameters."
        )
    if int(row["hidden"]) != model.width:
        yield f"the paper's width, {row['hidden']}, is that inside the blocks; between them: {model.width}."
    if model.trigram is not None:
        yield (
            f"the word table is stored {model.width} wide, of which {model.trigram} columns are read; "
            "the paper counts those."
        )
    if model.vocab != vocabulary:
        yield f"another vocabulary ({model.vocab:,} rows) and {model.positions} positions."


def _line(size: Size) -> Line:
    config, difference = size.config, size.difference
    exact, counted = sizes.parameters(config), sizes.parameters_as_counted(config)
    numbers = [config.layers, config.width, config.heads, f"{config.vocab:,}", f"{exact:,}"]
    texts = [f"{size.symbol} in {size.variant}" if size.variant else size.symbol, *map(str, numbers)]
    texts.append(f"{counted:,}" if counted != exact else "")
    texts += [size.printed, "" if difference is None else f"{difference:+.1f} %"]
    group = "The paper's models" if size.scale == "paper" else f"Models of scale {size.scale}"
    return Line(tuple(Cell(text.replace("-", "−") if "%" in text else text) for text in texts), group)


def _data(found: list[Size]) -> pd.DataFrame:
    import pandas as pd

    records = [
        (
            size.scale, size.symbol, size.variant, size.config.layers, size.config.width, size.config.heads,
            size.config.positions, size.config.vocab, sizes.parameters(size.config),
            sizes.parameters_as_counted(size.config), size.printed,
            None if size.difference is None else round(size.difference, 2), " ".join(size.notes),
        )
        for size in found
    ]  # fmt: skip
    return pd.DataFrame(records, columns=list(COLUMNS))
