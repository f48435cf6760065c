"""Work: what a computation asks of a device, in units that add up."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Work:
    """An amount of work.

    Attributes:
        flops: multiplications and additions of matrix products (two for each pair), as
            ``torch.utils.flop_counter`` counts them.
        elements: numbers that all other operations write (norms, activations, softmax, updates): what
            takes memory traffic rather than arithmetic.
        launches: operations that are started, which is what small models wait for.
        host: tokens that Python prepares (sampling, masking, padding).
    """

    flops: float = 0.0
    elements: float = 0.0
    launches: float = 0.0
    host: float = 0.0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.flops + other.flops,
            self.elements + other.elements,
            self.launches + other.launches,
            self.host + other.host,
        )

    def __mul__(self, factor: float) -> Work:
        return Work(*(factor * part for part in astuple(self)))

    __rmul__ = __mul__


NOTHING = Work()


def total(parts: list[Work]) -> Work:
    """The sum, :data:`NOTHING` for none."""
    return sum(parts, NOTHING)
