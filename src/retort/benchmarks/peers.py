"""Our word losses beside those of TRL and Liger-Kernel: time and memory of value and gradient together.

All get the same final hidden states and word tables, and must come to the same value and gradients before
anything is measured. TRL's loss takes logits, so it multiplies all of them out; Liger's and ours cut the
positions into chunks. Times are of the processor, on one thread: what else runs on the machine hardly counts.
Peers are in an environment of their own (requirements-bench.txt); what is not installed is skipped.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from retort.benchmarks.peers_atkd import dense_atkd, expecting, our_atkd
from retort.benchmarks.timing import alternate, ratio
from retort.distill.distances import KL, Distance, ReverseKL
from retort.distill.divergences import GeneralisedJSD
from retort.distill.words import word_distance
from retort.errors import InputError, RetortError
from retort.models.features import WordLogits

OURS = "retort"
WARM_UP = 1
AGREEMENT = 1e-3
"""Largest relative difference of values and gradients (norm of the difference by norm), in float32."""


@dataclass(frozen=True)
class Setting:
    """Sizes of a comparison.

    Attributes:
        positions: rows of logits; ``vocabulary``: their width.
        student, teacher: widths of the final hidden states.
    """

    positions: int
    vocabulary: int
    student: int
    teacher: int

    def words(self) -> Words:
        """Random states and tables, the same in every process; only the student's get a gradient."""
        draw = torch.Generator().manual_seed(0)

        def logits(width: int) -> WordLogits:
            hidden = torch.randn(1, self.positions, width, generator=draw)
            return WordLogits(hidden, torch.randn(self.vocabulary, width, generator=draw) * width**-0.5)

        mine, theirs = logits(self.student), logits(self.teacher)
        return WordLogits(mine.hidden.requires_grad_(), mine.weight.requires_grad_()), expecting(theirs)


Words = tuple[WordLogits, WordLogits]
"""Of student and teacher."""

Loss = Callable[[Words], Tensor]
"""The mean over positions []."""


@dataclass(frozen=True)
class Figure:
    """A number beside ours.

    Attributes:
        loss, peer: what was compared with what; ``version``: of the peer.
        setting: sizes.
        measure: what was measured; ``value`` in ``unit``, ``None`` where it could not be.
        note: why not.
    """

    loss: str
    peer: str
    version: str
    setting: Setting
    measure: str
    value: float | None
    unit: str
    note: str = ""


def ours(distance: Distance) -> Loss:
    """Our loss: chunks of logits whose gradients are folded in at once."""

    def loss(words: Words) -> Tensor:
        student, teacher = words
        return word_distance(
            student, teacher, torch.ones(student.hidden.shape[:2], dtype=torch.bool), distance
        ).mean()

    return loss


def trl(beta: float) -> Loss:
    """TRL's loss of its GKD trainer, on logits that are multiplied out first, as the trainer's model does."""
    from trl.experimental.gkd import GKDTrainer

    def loss(words: Words) -> Tensor:
        student, teacher = words
        logits = F.linear(student.hidden, student.weight)
        with torch.no_grad():
            targets = F.linear(teacher.hidden, teacher.weight)
        labels = torch.zeros(logits.shape[:2], dtype=torch.int64)  # every position counts
        found: Tensor = GKDTrainer.generalized_jsd_loss(logits, targets, labels, beta)
        return found

    return loss


def liger(beta: float, compiled: bool) -> Loss:
    """Liger's chunked loss, without its hard part."""
    from liger_kernel.chunked_loss import LigerFusedLinearJSDLoss

    run = LigerFusedLinearJSDLoss(weight_hard_loss=0.0, weight_soft_loss=1.0, beta=beta, compiled=compiled)

    def loss(words: Words) -> Tensor:
        student, teacher = words
        labels = torch.zeros(student.hidden.shape[1], dtype=torch.int64)
        found: Tensor = run(student.hidden[0], student.weight, teacher.hidden[0], teacher.weight, labels)
        return found

    return loss


@dataclass(frozen=True)
class Peer:
    """A loss of somebody else's: the distribution that has it, and how it is made."""

    distribution: str
    make: Callable[[], Loss]

    @property
    def version(self) -> str | None:
        """The installed one; ``None``: not installed."""
        try:
            return metadata.version(self.distribution)
        except metadata.PackageNotFoundError:
            return None


def _of_beta(beta: float) -> dict[str, Peer]:
    """Who has the generalised Jensen-Shannon divergence."""
    return {
        "TRL": Peer("trl", lambda: trl(beta)),
        "Liger, chunked": Peer("liger_kernel", lambda: liger(beta, compiled=False)),
        "Liger, chunked and compiled": Peer("liger_kernel", lambda: liger(beta, compiled=True)),
    }


LOSSES: dict[str, tuple[Loss, dict[str, Peer]]] = {
    "forward KL": (ours(KL()), _of_beta(0.0)),
    "reverse KL": (ours(ReverseKL()), _of_beta(1.0)),
    "JSD": (ours(GeneralisedJSD(0.5)), _of_beta(0.5)),
    "ATKD": (our_atkd, {"all logits at once": Peer("torch", lambda: dense_atkd)}),
}
"""Our loss, and the same of others by name. Nobody else has ATKD: it stands beside its definition."""


def loss_of(peer: str, name: str) -> Loss:
    """A loss by its names."""
    mine, others = LOSSES[name]
    return mine if peer == OURS else others[peer].make()


def compare(name: str, setting: Setting, repeats: int) -> list[Figure]:
    """All peers beside us on one loss."""
    words = setting.words()
    mine, others = LOSSES[name]
    found, there = [], {}
    for peer, other in others.items():
        if other.version is None:
            note = f"{other.distribution} is not installed"
            found.append(Figure(name, peer, "", setting, "skipped", None, "", note))
            continue
        there[peer] = other.make()
        agree(mine, there[peer], words, f"{peer}, {name}")
    took = dict(zip([OURS, *there], _times([mine, *there.values()], words, repeats), strict=True))
    memory = {peer: peak(peer, name, setting) for peer in took}
    versions = {peer: others[peer].version or "" for peer in there} | {OURS: ""}
    for peer in there:
        origin = name, peer, versions[peer], setting
        found += [
            Figure(*origin, "time over ours", ratio(took[peer], took[OURS]), ""),
            Figure(*origin, "peak memory over ours", memory[peer] / memory[OURS], ""),
        ]
    for peer, seconds in took.items():
        origin = name, peer, versions[peer], setting
        found += [
            Figure(*origin, "time", 1000 * statistics.median(seconds), "ms"),
            Figure(*origin, "peak memory", memory[peer], "MiB"),
        ]
    return found


def _times(losses: list[Loss], words: Words, repeats: int) -> list[list[float]]:
    steps = [lambda given, loss=loss: gradients(loss, given) for loss in losses]
    return alternate(steps, [words], repeats, WARM_UP, time.process_time)


def gradients(loss: Loss, words: Words) -> tuple[Tensor, ...]:
    """The value, and its gradients by the student's states and table."""
    student, _ = words
    value = loss(words)
    return value.detach(), *torch.autograd.grad(value, (student.hidden, student.weight))


def agree(mine: Loss, theirs: Loss, words: Words, name: str) -> None:
    """Compare two losses' values and gradients.

    Raises:
        RetortError: they are not the same loss.
    """
    parts = zip(("value", "gradient of states", "gradient of the table"),
                gradients(mine, words), gradients(theirs, words), strict=True)  # fmt: skip
    for part, own, other in parts:
        apart = float((own - other).norm() / other.norm())
        if not apart <= AGREEMENT:
            raise RetortError(f"{name}: {part} differs from ours by {apart:.2g}; these are different losses")


def peak(peer: str, name: str, setting: Setting) -> float:
    """MiB that value and gradient take in a process of their own, on top of states and tables."""
    sizes = [setting.positions, setting.vocabulary, setting.student, setting.teacher]
    command = [sys.executable, "-m", "retort.benchmarks.peers", peer, name, *map(str, sizes)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
    if ended.returncode != 0:
        raise RetortError(f"{peer}, {name}: {ended.stderr.strip().splitlines()[-1]}")
    return float(ended.stdout.split()[-1])


def _environment() -> Mapping[str, str]:
    # Freed memory goes back at once, so that the peak is what is used at a time.
    return os.environ | {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}


def _peak_here(loss: Loss, setting: Setting) -> float:
    """The growth of this process's resident memory at its peak."""
    words = setting.words()
    gradients(loss, words)  # loads, and compiles, what is made once
    before = _resident("VmRSS")
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak counts from here
    except OSError as error:
        raise InputError(
            f"/proc/self/clear_refs: {error.strerror}; peak memory is measured on Linux"
        ) from None
    gradients(loss, words)
    return _resident("VmHWM") - before


def _resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    line = next(line for line in lines if line.startswith(name))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    who, what, *numbers = sys.argv[1:]
    print(_peak_here(loss_of(who, what), Setting(*map(int, numbers))))
