"""Sizes of transformers models, and how a student is cut out of a teacher, as values that need no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from retort.distill.layermaps import BlockEnds, blocks
from retort.distill.schedules import Clock
from retort.errors import InputError

if TYPE_CHECKING:
    from retort.models.builders import Builder

Kind = Literal["bert", "bart", "mbart", "t5", "opt", "gpt_neox", "llama"]


@dataclass(frozen=True)
class TextArchitecture:
    """A model's size, without the vocabulary, which the data decides.

    Attributes:
        name: as it is called; not part of a stage's identity.
        kind: ``config.model_type`` of transformers.
        encoder_layers, decoder_layers: BERT has none of the latter, OPT, GPT-NeoX and LLaMA none of the
            former.
        width, heads, inner: of states, attention heads and feed-forwards, equal in both stacks.
        positions: longest text (T5's are relative, those of GPT-NeoX and LLaMA rotations: no tables).
        dropout: of states and, in BERT, of attention; LLaMA, which has none of states: of attention.
        head_width: of T5's attention heads; ``None``: the others' share of the width.
        tied: the head is the word table. T5 has a plain feed-forward then, as in version 1.0, and otherwise
            a gated one, as in version 1.1. BERT, BART and mBART are always tied.
        scaled_embedding: multiply word embeddings by the root of the width (mBART's published models).
        init_std: standard deviation of initial matrices and tables, as published; T5 has rules of its own.
        word_width: of OPT's word table where it is not the states' (OPT-350M); ``None``: ``width``.
        normalised: OPT: whether LayerNorms stand ``before`` attention and feed-forward, with one behind the
            last block, or ``after`` them (OPT-350M).
    """

    name: str
    kind: Kind
    encoder_layers: int
    decoder_layers: int
    width: int
    heads: int
    inner: int
    positions: int = 1024
    dropout: float = 0.1
    head_width: int | None = None
    tied: bool = True
    scaled_embedding: bool = False
    init_std: float = 0.02
    word_width: int | None = None
    normalised: Literal["before", "after"] = "before"

    def builder(self) -> Builder:
        """What makes, reads and writes such models (imports torch)."""
        from retort.models.hf.builder import TextBuilder

        return TextBuilder(self)


@dataclass(frozen=True)
class Vocabulary:
    """Size of a word table and the ids of the words that a model must know by name.

    Attributes:
        size: rows.
        pad: fills up rows.
        bos, eos: ends of a text, where a kind of model has them.
        start: what a decoder reads first; ``None``: it differs by text (mBART's language code).
    """

    size: int
    pad: int
    bos: int | None = None
    eos: int | None = None
    start: int | None = None


@dataclass(frozen=True)
class Slices:
    """Start a student from the leading block ``W[:out, :in]`` of each of its teacher's tensors.

    Depths are cut into blocks (:func:`retort.distill.layermaps.blocks`).

    Attributes:
        layer: where a student's layers come from: the ``first`` layers of each block of the teacher, the
            ``last`` ones, which are those that :class:`BlockEnds` compares with, or the ``leading`` ones of
            the whole teacher.
        blocks: how many blocks are copied, the other layers stay random; ``None``: all.
        random: patterns of names of tensors that stay random.
        taken: patterns of a tensor's name and what stands in its place in the teacher's.
    """

    layer: Literal["first", "last", "leading"] = "first"
    blocks: int | None = None
    random: tuple[str, ...] = ()
    taken: tuple[tuple[str, str], ...] = ()

    def sources(self, student_layers: int, teacher_layers: int) -> list[int | None]:
        """The teacher's layer (0-based) that each of the student's starts from; ``None``: it stays random.

        Raises:
            InputError: the leading layers of a teacher that has fewer.
        """
        number, ours, theirs = blocks(student_layers, teacher_layers)
        if self.layer == "leading":
            if student_layers > teacher_layers:
                raise InputError(
                    f"a student of {student_layers} layers cannot start from the leading ones of "
                    f"{teacher_layers}: choose another start or a deeper teacher"
                )
            found = list(range(student_layers))
        elif self.layer == "last":
            pairs = BlockEnds().pairs(Clock(0, 1), student_layers, teacher_layers)
            found = [pair.teacher[0] - 1 for pair in pairs]
        else:
            found = [b * theirs + min(i, theirs - 1) for b in range(number) for i in range(ours)]
        until = student_layers if self.blocks is None else self.blocks * ours
        return [layer if index < until else None for index, layer in enumerate(found)]
