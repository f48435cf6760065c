"""The trainable parts of a term's chain, and the tensors that go into it."""

from __future__ import annotations

from torch import Tensor, nn

from retort.distill.layermaps import Pair
from retort.distill.lenses import ChainStep, Widths
from retort.distill.objective import Term
from retort.distill.schedules import Clock
from retort.models.features import Features, Shape, Site


def tensors_of(term: Term, pair: Pair, ours: Features, theirs: Features) -> tuple[list[Tensor], list[Tensor]]:
    """The tensors of a pair of layers, the student's and the teacher's."""
    return (
        [ours[Site(term.site, layer)] for layer in pair.student],
        [theirs[Site(term.site, layer)] for layer in pair.teacher],
    )


def lens_name(step: ChainStep, term: str, teacher: int, index: int) -> str:
    """What the keys of a step's trainable parts begin with."""
    return f"{step.shared}-t{teacher}|" if step.shared else f"{term}-t{teacher}-{index}|"


def lens_modules(term: Term, name: str, number: int, student: Shape, teacher: Shape) -> dict[str, nn.Module]:
    """Trainable parts of a term's chain, keyed ``<term>-t<teacher>-<step>|<part>`` unless they are shared."""
    made: dict[str, nn.Module] = {}
    pairs = [Pair((-1,), (-1,))]
    if term.layers is not None:
        pairs = term.layers.pairs(Clock(0, 1), student.depth(term.site), teacher.depth(term.site))
    for pair in pairs:
        widths = Widths((student.width,) * len(pair.student), (teacher.width,) * len(pair.teacher))
        for index, step in enumerate(term.via):
            key = lens_name(step, name, number, index)
            parts = step.build(widths, pair)
            made.update({key + part: module for part, module in parts.items() if key + part not in made})
            widths = step.widths(widths)
    return made


def parts_of(modules: nn.ModuleDict, prefix: str) -> dict[str, nn.Module]:
    """The modules whose keys begin with ``prefix``, by the rest of their keys."""
    return {key.removeprefix(prefix): module for key, module in modules.items() if key.startswith(prefix)}
