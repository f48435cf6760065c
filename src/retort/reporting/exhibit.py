"""What an exhibit is: how it is made and what from, and those of one paper together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from retort.fingerprint import root_of
from retort.reporting.results import Results
from retort.reporting.tables import Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Made = TypeVar("Made")
Texts = Literal["none", "vocabulary", "all"]
SCORES, HYPER_PARAMETERS, SPEED, LANDSCAPE, CLAIMS = (
    *("scores", "hyper_parameters", "speed", "landscape", "claims"),
)


@dataclass(frozen=True)
class Exhibit(Generic[Made]):
    """How an exhibit is made, and from what besides the configuration.

    Attributes:
        make: makes it; a function with a name, so that its code can be told from that of others.
        of: what the run says: names of CSV files beside the exhibits.
        reads: files of the repository.
        logs: methods whose distances to the teacher it shows.
        runs: whether it reads the folders of the runs behind the scores.
        text: whether it depends on the vocabulary, and on the words of all texts.
    """

    make: Callable[[Results], Made]
    of: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    runs: bool = False
    text: Texts = "none"

    def __call__(self, results: Results) -> Made:
        """Make it."""
        return self.make(results)

    @property
    def code(self) -> str:
        """Where its code starts, as a root of fingerprints."""
        return root_of(self.make)


@dataclass(frozen=True)
class Drawing:
    """A figure with the numbers it was drawn from and what to say below it."""

    title: str
    figure: Callable[[], Figure]
    data: pd.DataFrame
    caption: str


@dataclass(frozen=True)
class Exhibits:
    """All exhibits of a paper, by the names of their files.

    Attributes:
        main: the table that comes first on the page; its data have the columns ``mean``, ``sd``, ``paper``.
        judged: figures whose numbers claims are about.
        judged_of: what claims are judged by of what the run says: names of CSV files beside the exhibits.
        judged_by: files of the repository that claims are judged by, beside their ledger.
        judged_text: whether claims depend on vocabularies, and on the words of all texts.
    """

    main: str
    tables: Mapping[str, Exhibit[Table]]
    figures: Mapping[str, Exhibit[Drawing]]
    judged: tuple[str, ...]
    judged_of: tuple[str, ...]
    judged_by: tuple[str, ...]
    judged_text: Texts = "none"


def printed(paper: str, *tables: str) -> tuple[str, ...]:
    """Files with a paper's numbers."""
    return tuple(f"resources/paper/{paper}/{table}.csv" for table in tables)
