"""The page of the methods: whole, readable Markdown that no formula breaks."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, replace

import pytest
from markdown_it import MarkdownIt

from retort.distill.distances import MSE, Distance
from retort.distill.layermaps import Uniform
from retort.distill.objective import hard, match
from retort.quirks import LEDGER, rows_of
from retort.recipes import Method, atkd, cka, finetune
from retort.recipes.__main__ import PAGES as PAPERS
from retort.recipes.describe import anchor, described, display, inline, page, prose, quirks_of
from retort.recipes.glmd import GLMD, KD, METHODS

OF = {"glmd": METHODS, "cka": cka.METHODS, "atkd": atkd.METHODS}
PAGES = {paper: (methods, PAPERS[paper]()) for paper, methods in OF.items()}
EACH_PAGE = pytest.mark.parametrize("paper", PAGES)


def sections(text):
    return dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.M | re.S))


SECTIONS = sections(PAGES["glmd"][1])
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.S)


@EACH_PAGE
def test_every_method_has_its_section_with_citation_and_equations(paper):
    methods, whole = PAGES[paper]
    for method in methods:
        text = sections(whole)[method.name]
        assert method.citation in text
        assert text.count("$$\\mathcal{L}") + text.count("$$\\begin{aligned}") == text.count("**Stage") + (
            text.count("**Link")
        )


def test_a_section_reads_as_the_recipe_says():
    assert described(KD, METHODS) == (
        "## KD\n\nHinton et al. (2015). Distilling the knowledge in a neural network.\n\n"
        "**Stage 1: on each task**, from random parameters, taught by the fine-tuned teacher:\n\n"
        r"$$\mathcal{L} = \mathrm{CE} _{10}(c^s, c^t) + \mathcal{L} _{\mathrm{hard}}$$"
        "\n\nQuirks:\n\n- [soft-loss-t2](#soft-loss-t2): "
        + next(quirk.effect for quirk in LEDGER if quirk.id == "soft-loss-t2")
        + "\n"
    )


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("TinyBERT", "from stage 1 with its projections, taught by the fine-tuned teacher"),
        ("PKD", "taught by the fine-tuned teacher, from its first layers:"),
        ("DGKD", "taught by all larger models, from the first layers of the nearest:"),
        ("RL-KD", "the first of them as it was before fine-tuning, to encode the state"),
        (
            "TMKD",
            "taught by all teachers of the pair, pretrained, from the first layers of the smallest:",
        ),
        ("RAIL-KD", "**Stage 1, unequal widths: on the corpus**"),
        ("Theseus", r"Edit of the student's pass: $\mathrm{replace}(\mathrm{linear}(0.3 \to 1; 0.66))$."),
        ("DIITO", r"Edit of the second pass: $\mathrm{swap}(0.3)$."),
        ("GLMD", "keeps 0.5 of the words"),
        ("GLMD+al", "factorised as in ALBERT"),
        ("GLMD-vc+mo", "embeddings are those of MobileBERT"),
        ("MGSKD", "The same stage is part of [TinyBERT](#tinybert)."),
        ("TAKD", "Its first link is part of [DGKD](#dgkd)."),
        ("SID", "Needs equal widths and equal heads."),
        ("MT-BERT", "Trained beside the student: projection."),
    ],
)
def test_what_a_section_says(name, sentence):
    assert sentence in SECTIONS[name]


@EACH_PAGE
def test_dollars_are_balanced_and_formulas_closed(paper):
    _, text = PAGES[paper]
    assert len(re.findall(r"(?<!\\)\$\$", text)) % 2 == 0
    for paragraph in text.split("\n\n"):
        assert paragraph.count("$") % 2 == 0, paragraph
    for match_ in FORMULA.finditer(text):
        formula = match_[1] or match_[2]
        assert formula.count("{") == formula.count("}"), formula
        assert formula.count("(") == formula.count(")"), formula
        assert formula == formula.strip()


@EACH_PAGE
def test_no_formula_holds_what_markdown_takes_for_itself(paper):
    for match_ in FORMULA.finditer(PAGES[paper][1]):
        formula = match_[1] or match_[2]
        assert not re.search(r"[|<>*`~#]|\\[^a-zA-Z]", formula), formula
        assert "operatorname" not in formula  # GitHub refuses it


@EACH_PAGE
def test_markdown_leaves_every_formula_alone(paper):
    _, text = PAGES[paper]
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inner = [child for token in tokens if token.type == "inline" for child in token.children or []]
    assert {child.type for child in inner} <= {
        "text", "softbreak", "code_inline", "link_open", "link_close", "strong_open", "strong_close"
    }  # fmt: skip
    seen = "\n".join(
        "".join("\n" if child.type == "softbreak" else child.content for child in token.children or [])
        for token in tokens
        if token.type == "inline"
    )
    for match_ in FORMULA.finditer(text):
        assert match_[0] in seen, match_[0]
    assert not [token for token in tokens if token.type == "html_block"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("BART CKA", "taught by the fine-tuned teacher, from the first layers of its blocks:"),
        ("BART CKA cnn", "taught by the fine-tuned teacher, from the last layers of its blocks:"),
        ("BART cosine", "taught by the fine-tuned teacher, from its first layers:"),
        ("BART cosine", "Needs equal widths."),
        ("T5 labels", "without a teacher, from the first layers of the teacher's blocks:"),
        ("mBART none", "Trained beside the student: one projection for all."),
        ("BERT CKA", "**Stage 2: on each task**, from stage 1, taught by the fine-tuned teacher:"),
    ],
)
def test_what_a_section_of_the_second_page_says(name, sentence):
    assert sentence in sections(PAGES["cka"][1])[name]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("SFT", "The same stage is part of every method on this page."),
        ("SeqKD", "Learns on these answers: the teacher's."),
        ("ImitKD", "Learns on these answers: the student's."),
        ("GKD", "the student's in 50 % of the updates, drawn at random, the data's own in the others."),
        ("f-distill", "the student's in 50 % of the updates, drawn at random, the teacher's in the others."),
        ("Supervised KD + ATKD", "from stage 1, taught by the fine-tuned teacher:"),
        ("Quirks", "Instead: `quirks: {median-split: as_released}`"),
    ],
)
def test_what_a_section_of_the_third_page_says(name, sentence):
    assert sentence in sections(PAGES["atkd"][1])[name]


def test_the_same_loss_on_other_answers_is_another_stage():
    assert "[SFT](#sft)" not in sections(PAGES["atkd"][1])["SeqKD"]
    assert "Learns on" not in sections(PAGES["atkd"][1])["Supervised KD"]


def test_stages_of_other_starts_are_not_shared():
    """The same objective, but not the same layers to start from."""
    assert "The same stage" not in sections(PAGES["cka"][1])["BART CKA cnn"]
    assert "[BART linear C4](#bart-linear-c4)" not in sections(PAGES["cka"][1])["mBART linear"]
    assert (
        "The same stage is part of [mBART linear](#mbart-linear)" in sections(PAGES["cka"][1])["mBART none"]
    )


def test_long_sums_take_a_line_a_summand():
    assert display(["a", "b"]) == r"$$\mathcal{L} = a + b$$"
    long = display(["a" * 100, "b" * 100])
    assert long.splitlines()[0] == r"$$\begin{aligned}" and long.splitlines()[-1] == r"\end{aligned}$$"
    assert long.count(r"\cr") == 1


def test_formulas_in_text():
    assert inline(r"\mathrm{KL}_{10}") == r"$\mathrm{KL} _{10}$"
    assert prose("a_b and $c_d$ and $e$") == "a_b and $c _d$ and $e$"


def test_quirks_are_found_by_method_and_name_rows_that_exist():
    by_name = {method.name: method for method in METHODS}
    for quirk in LEDGER:
        assert set(quirk.methods) <= set(by_name), quirk.id
        for name in rows_of(quirk, METHODS):
            assert quirk in quirks_of(by_name[name])
            assert f"[{quirk.id}](#{quirk.id})" in SECTIONS[name]
        assert quirk.evidence in SECTIONS["Quirks"].replace("\\", "")
    masked = next(quirk for quirk in LEDGER if quirk.id == "masked-means")
    assert masked in quirks_of(GLMD) and masked not in quirks_of(KD)


def test_a_users_own_method_has_a_section_too():
    @dataclass(frozen=True)
    class Huber(Distance):
        delta: float

    own = Method(
        "Mine & yours", (finetune(hard() + match("hidden", Uniform(), Huber(0.1))),), "Me (2030).", "truncate"
    )
    text = described(own)
    assert text.startswith("## Mine & yours\n\nMe (2030).")
    assert r"\sum _{i=1}^{L} \mathrm{Huber}(0.1)(H^s _i, H^t _{m(i)})" in text
    assert "## Mine & yours" in page([*METHODS, own])
    assert match("hidden", Uniform(), MSE()) != own.steps[0].objective


def test_a_changed_value_changes_the_page():
    halved = replace(GLMD, compression=replace(GLMD.compression, ratio=0.25))
    assert "keeps 0.25 of the words" in described(halved)


def test_anchors_are_those_of_github():
    assert [anchor(name) for name in ("GLMD-vc+mo", "Several teachers")] == ["glmd-vcmo", "several-teachers"]


def test_describing_imports_no_torch():
    code = "import sys, retort.recipes.__main__, retort.recipes.describe; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
