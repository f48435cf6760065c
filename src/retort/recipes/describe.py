"""Methods for readers: Markdown with equations, made from the values alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from retort.models.hf.architecture import Slices
from retort.quirks import LEDGER, LEDGERS, Quirk, rows_of
from retort.recipes import DATA, Cut, Method, Sequences
from retort.recipes.equations import KEPT, Scene, blend, edit, summands
from retort.recipes.notation import SECTIONS
from retort.recipes.outline import Part, needs, outline, several_teachers, shared_with
from retort.recipes.symbols import SYMBOLS, Entry
from retort.recipes.wording import learned

_ONE_LINE = 150
"""TeX characters that are about as wide as a page."""

_HEAD = """\
# The methods

What each method minimises, stage by stage. Written by `make methods` from the values in `src/retort/recipes`,
so that it says what runs; do not edit it. How such a value is written: [adding a method](adding-a-method.md).

Of each stage: what it is trained on, what it starts from, who teaches. Then its loss, in symbols that the
first section explains, and what else there is to know. Where a stage needs equal widths, teacher and student
have to be as wide as each other; where it needs equal heads, the student gets as many attention heads as the
teacher has.
"""


def page(
    methods: Sequence[Method], quirks: Sequence[Quirk] = LEDGER, symbols: Sequence[Entry] = SYMBOLS
) -> str:
    """The whole page of a paper: contents, notation, one section a method, quirks.

    Args:
        methods: the paper's.
        quirks: its ledger.
        symbols: what its sites and other letters mean.
    """
    parts = [_HEAD, " ·\n".join(f"[{m.name}](#{anchor(m.name)})" for m in methods) + "\n", notation(symbols)]
    parts += [described(method, methods) for method in methods]
    return "\n".join([*parts, ledger(methods, quirks)])


def notation(symbols: Sequence[Entry] = SYMBOLS) -> str:
    """What the symbols mean, by kind of primitive."""
    lines = ["## Notation", ""]
    lines += [_entry(entry, "") for entry in symbols]
    for title, entries in SECTIONS.items():
        lines += ["", f"### {title}", ""]
        lines += [_entry(entry, f" (`{kind.__name__}`)") for kind, entry in entries.items()]
    return "\n".join(lines) + "\n"


def _entry(entry: Entry, name: str) -> str:
    return f"- {inline(entry.symbol)}{name}: {prose(entry.meaning)}"


def described(method: Method, methods: Sequence[Method] = ()) -> str:
    """One method: citation, stages with their equations, the student's embedding, quirks.

    Args:
        method: any, known or a user's own.
        methods: with whom it may share stages.
    """
    lines = [f"## {method.name}", "", method.citation, ""]
    if method.chain is not None:
        last = len(method.chain.links)
        lines += [
            f"Link 1 trains the first assistant, link {last} the student; what is trained teaches the next.",
            "",
        ]
    for part in outline(method):
        lines += _stage(part, method, methods)
    student = " ".join(_student(method))
    lines += [student, ""] if student else []
    found = quirks_of(method)
    if found:
        lines += ["Quirks:", "", *(f"- {_link(quirk)}: {_text(quirk.effect)}" for quirk in found)]
    return "\n".join(lines).rstrip("\n") + "\n"


def ledger(methods: Sequence[Method], quirks: Sequence[Quirk] = LEDGER) -> str:
    """Every quirk with its evidence."""
    lines = [
        "## Quirks",
        "",
        "Where papers, their code and the methods they cite disagree. What was run is the default; or what "
        "the paper describes, where what was released cannot have run.",
    ]
    for quirk in quirks:
        switches = ", ".join(f"`quirks: {{{quirk.id}: {name}}}`" for name in quirk.switches)
        lines += ["", f"### {quirk.id}", "", f"- Concerns: {_concerned(quirk, methods)}"]
        lines += [f"- Evidence: {_text(quirk.evidence)}", f"- Effect: {_text(quirk.effect)}"]
        instead = ", ".join(filter(None, (switches, quirk.setting and f"`{quirk.setting}`")))
        lines += [f"- Instead: {instead}" if instead else "- Documented only: there is no switch"]
    return "\n".join(lines) + "\n"


def _concerned(quirk: Quirk, methods: Sequence[Method]) -> str:
    """The methods it concerns, as links."""
    return ", ".join(f"[{name}](#{anchor(name)})" for name in rows_of(quirk, methods)) or "every method"


def _link(quirk: Quirk) -> str:
    return f"[{quirk.id}](#{anchor(quirk.id)})"


def quirks_of(method: Method) -> tuple[Quirk, ...]:
    """The quirks that concern a method; those of all methods are not among them."""
    return tuple(quirk for quirk in LEDGERS if rows_of(quirk, [method]))


def anchor(name: str) -> str:
    """GitHub's anchor of a heading."""
    return re.sub(r"[^\w-]", "", name.lower().replace(" ", "-"))


# Formulas in Markdown


def inline(tex: str) -> str:
    """A formula in a line."""
    return f"${_safe(tex)}$"


def display(parts: Sequence[str]) -> str:
    """The loss as a sum: on one line where it fits, else one line a summand."""
    whole = " + ".join(parts)
    if len(parts) == 1 or len(whole) <= _ONE_LINE:
        return _safe(rf"$$\mathcal{{L}} = {whole}$$")
    first, *others = parts
    lines = "".join(f" \\cr\n& {{}} + {part}" for part in others)
    return _safe("$$\\begin{aligned}\n\\mathcal{L} = {} & " + first + lines + "\n\\end{aligned}$$")


def prose(text: str) -> str:
    """Text with formulas in it."""
    return re.sub(r"\$([^$]+)\$", lambda found: inline(found[1]), text)


def _safe(tex: str) -> str:
    """A space before each subscript: otherwise Markdown may take two of them for emphasis."""
    return re.sub(r"(?<=\S)_", " _", tex)


# One stage

_TEACHERS = {
    ("one", "pretraining"): "taught by the pretrained teacher",
    ("one", "task"): "taught by the fine-tuned teacher",
    ("several", "pretraining"): "taught by all teachers of the pair, pretrained",
    ("several", "task"): "taught by all teachers of the pair, fine-tuned",
    ("next", "task"): "taught by the next larger model",
    ("larger", "task"): "taught by all larger models",
}


def teachers(part: Part) -> str:
    """Who teaches, in words."""
    if part.teachers == "none":
        return "without a teacher"
    encoder = ", and the first of them as it was before fine-tuning, to encode the state"
    share = part.step.teacher_share
    stopped = "" if share == 1 else f" of {share} of the epochs"
    return _TEACHERS[part.teachers, part.step.phase] + stopped + (encoder if part.step.encoder else "")


_FIRST_LAYERS = {
    "none": "the first layers of the teacher",
    "several": "the first layers of the smallest",
    "larger": "the first layers of the nearest",
}


_BLOCKS = {
    "first": "from the first layers of its blocks",
    "last": "from the last layers of its blocks",
    "leading": "from its first layers",
}


def start(part: Part, cut: Cut | Slices) -> str:
    """What the stage starts from, in words; a teacher's layers refer to who teaches, said before."""
    if part.start == "before":
        return f"from {part.before}" + (" with its projections" if part.step.carry_lenses else "")
    if part.start == "random":
        return "from random parameters"
    if isinstance(cut, Slices):
        return _BLOCKS[cut.layer].replace("its", "the teacher's" if part.teachers == "none" else "its")
    return f"from {_FIRST_LAYERS.get(part.teachers, 'its first layers')}"


def _stage(part: Part, method: Method, methods: Sequence[Method]) -> Iterator[str]:
    where = "on the corpus" if part.step.phase == "pretraining" else "on each task"
    only = f", {part.only}" if part.only else ""
    told = [start(part, method.cut), teachers(part)]
    if part.start == "truncated":
        told.reverse()
    yield f"**{part.title}{only}: {where}**, {', '.join(told)}:"
    yield ""
    scene = Scene(several_teachers(part), method.compression is not None)
    yield display(summands(part.objective, scene))
    yield ""
    facts = [*_facts(part, scene), *_shared(part, method, methods)]
    yield from (f"- {fact}" for fact in facts)
    if facts:
        yield ""


_WRITERS = {"data": "the data's own", "teacher": "the teacher's", "student": "the student's"}


def answers(sequences: Sequences) -> str:
    """Whose texts a stage learns on, in words."""
    if sequences.share == 1:
        return _WRITERS[sequences.source]
    share = f"{100 * sequences.share:g} % of the updates, drawn at random"
    return f"{_WRITERS[sequences.source]} in {share}, {_WRITERS[sequences.otherwise]} in the others"


def _facts(part: Part, scene: Scene) -> Iterator[str]:
    objective = part.objective
    if part.step.sequences != DATA:
        yield f"Learns on these answers: {answers(part.step.sequences)}."
    where = blend(objective.ensemble).where
    if where:
        yield f"Here {prose(where)}."
    if objective.edit is not None:
        passes = "second pass" if objective.edit.second_pass else "student's pass"
        yield f"Edit of the {passes}: {inline(edit(objective.edit))}."
    if learned(objective):
        yield f"Trained beside the student: {learned(objective)}."
    if needs(objective):
        yield f"Needs {' and '.join(needs(objective))}."


def _shared(part: Part, method: Method, methods: Sequence[Method]) -> Iterator[str]:
    names = shared_with(part, method, methods)
    if names:
        which = "Its first link is" if part.title.startswith("Links") else "The same stage is"
        listed = ", ".join(f"[{name}](#{anchor(name)})" for name in names)
        every = len(names) == len(methods) - 1 > 1
        yield f"{which} part of {'every method on this page' if every else listed}."


def _student(method: Method) -> Iterator[str]:
    half = "half the student's width"
    if method.compression is not None:
        kept = inline(KEPT)
        ratio, likeness = method.compression.ratio, method.compression.similarity.replace("_", " ")
        yield (
            f"The student's vocabulary keeps {ratio:g} of the words, {kept}; the others are mapped to them "
            f"by {likeness}."
        )
    if method.embedding == "factorised":
        yield (
            f"The student's word embeddings are factorised as in ALBERT: a table of {half}, projected up, "
            "and the other way before the output."
        )
    if method.embedding == "trigram":
        yield (
            f"The student's word embeddings are those of MobileBERT: vectors of {half} of a word and of its "
            "two neighbours, projected up together."
        )


def _text(text: str) -> str:
    """Plain text inside Markdown: its own signs are escaped."""
    return re.sub(r"([\\`*_$|<>])", r"\\\1", text)
