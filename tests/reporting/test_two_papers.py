"""The page of two papers: chapters that speak of their own paper alone."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from browser import Browser, program
from html_pages import read

from retort.quirks import CKA_LEDGER, LEDGER
from retort.reporting.exhibits import exhibits_of
from retort.reporting.first_screen import facts, gates
from retort.reporting.headline import headline, plain_lines
from retort.reporting.ledgers import quirk_lines
from retort.reporting.page import write_page
from retort.reporting.results import PUBLISHED, Results
from retort.reporting.run_data import run_data
from retort.reporting.run_lists import run_lists
from retort.reporting.stage_text import architecture, parents, schooling

PAPERS = ("glmd", "cka")


@pytest.fixture(scope="module")
def html(both_pages):
    return both_pages.read_text(encoding="utf-8")


def chapter(html, paper):
    """The text of a chapter, figures left out."""
    inside = html[html.index(f'<article id="{paper}"') :]
    inside = re.sub(r'src="data:[^"]*"', "", inside[: inside.index("</article>")])
    return re.sub(r"<[^>]*>", " ", inside)


def test_every_exhibit_has_its_place_and_every_link_leads_somewhere(both_pages):
    reader = read(both_pages)
    for paper in PAPERS:
        found = exhibits_of(paper)
        assert {f"{paper}-{name}" for name in (*found.tables, *found.figures, "quirks", "runs")} <= set(
            reader.ids
        )
    assert len(reader.ids) == len(set(reader.ids))
    for tag, address in reader.addresses:
        if address.startswith("#"):
            assert address[1:] in reader.ids, address
        elif tag == "a" and not address.startswith("../glmd/tables"):  # not made here
            assert (both_pages.parent / address).is_file(), address


def test_a_chapter_says_nothing_of_the_other_paper(html):
    second = chapter(html, "cka")
    for word in ("GLMD", "SuperGLUE", "Table 3", "Table 9", "L_sp", "BoolQ", "T1-S1"):
        assert word not in second, word
    first = chapter(html, "glmd")
    for word in ("BART", "ROUGE", "BERT CKA", "WMT16"):
        assert word not in first, word


def test_each_chapter_has_the_quirks_of_its_own_ledger(html, two_papers):
    for paper, own, other in (("glmd", LEDGER, CKA_LEDGER), ("cka", CKA_LEDGER, LEDGER)):
        assert [line.quirk for line in quirk_lines(Results(two_papers, paper))] == list(own)
        inside = chapter(html, paper).split()
        assert {quirk.id for quirk in own} <= set(inside)
        assert not {quirk.id for quirk in other} & set(inside)


def test_runs_of_both_papers_are_in_the_page_once(both_pages, two_papers, texts):
    data = run_data([Results(two_papers), texts])
    runs = json.loads(read(both_pages).scripts[1])["runs"]
    assert runs.keys() == data["runs"].keys()
    assert len(runs) == len(Results(two_papers).runs) + len(texts.runs)
    (one,) = [
        run for run in runs.values() if run["evaluations"].get("losses") and "BART_1x64.task" in run["stage"]
    ][:1]
    assert one["evaluations"]["losses"]["clm"][0] > one["evaluations"]["losses"]["clm"][-1]


def test_every_scored_run_is_listed_under_its_row(texts):
    lists = run_lists(texts)
    listed = {line.anchor for found in lists for line in found.lines if line.anchor}
    assert listed == {run.anchor for run in texts.runs}
    titles = [found.title for found in lists]
    assert titles[0] == "Pretraining"
    assert {"BART BART", "BART CKA BART-BART_1x32", "BART cosine (one recipe) BART-BART_1x64"} <= set(titles)
    assert len({found.anchor for found in lists}) == len(lists)


def test_stages_of_transformers_models_are_told_in_words(texts):
    card = next(run.card for run in texts.runs if run.stage.startswith("mBART_2_1x32.pre"))
    assert architecture(card["stage"]["architecture"]) == "mBART, 2 + 1 layers, width 32, 2 heads"
    (how, _), *_ = parents(card["stage"])
    assert how == "starts from the last layers of each block of"
    run = next(run for run in texts.runs if run.stage.startswith("BERT_2x32.task"))
    assert schooling(run.card["stage"]).startswith("4 epochs in batches of 4; AdamW, peak 0.001, linear")
    assert architecture(run.card["stage"]["architecture"]).startswith("BERT, 2 layers")


def test_the_first_screen_counts_both(two_papers, texts):
    papers = [Results(two_papers), texts]
    told = dict(facts(papers))
    assert told["Scale"] == "pocket: GLMD 5 methods, 1 pair, 8 tasks; CKA 9 methods, 5 pairs, 6 tasks"
    assert told["Data"] == (
        "source pocket (generated, world seed 1): GLMD 60,000 documents; CKA 60,000 documents"
    )
    assert dict(facts(papers[1:]))["Data"].endswith("world seed 1): 60,000 documents")
    assert told["Training time"].endswith(f"over {sum(len(results.runs) for results in papers)} runs")
    # Teachers score 60 on the first set of their family, of which 55 were asked.
    assert [(gate.teacher, gate.what, gate.score, gate.passed) for gate in gates(texts)] == [
        ("BART", "XSum", 60.0, True),
        ("mBART", "WMT16-en-ro", 60.0, True),
        ("BERT", "CoLA", 60.0, True),
    ]


def test_the_headline_names_scores_and_baselines(texts):
    lines = plain_lines(headline(texts))
    assert lines[0].startswith("cka, scale pocket: ")
    assert re.search(r"BART CKA +BART-BART_1x32 +28\.0 ± 2\.0", "\n".join(lines))
    assert any(line.strip().startswith("copy baseline") for line in lines)


def test_a_paper_s_chapter_stands_alone(both_pages, two_papers, tmp_path):
    """Without the first paper nothing of its files is asked for."""
    root = tmp_path / "pocket"
    shutil.copytree(two_papers / "cka", root / "cka")
    (root / "stages").symlink_to(two_papers / "stages")
    config = Results(two_papers).config.model_copy(update={"papers": ("cka",)})
    (root / "config.json").write_text(config.model_dump_json())
    write_page(root, PUBLISHED, root / "report" / "index.html")
    reader = read(root / "report" / "index.html")
    assert "cka-students" in reader.ids and not any(name.startswith("glmd") for name in reader.ids)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    found = program()
    if found is None:
        pytest.skip("no Chromium here: install it, or name it with RETORT_BROWSER (see CONTRIBUTING.md)")
    with Browser(found, tmp_path_factory.mktemp("profile")) as started:
        yield started


def test_in_a_browser_only_tables_scroll_and_scores_lead_to_cards(browser, both_pages):
    browser.size(1280, 900)
    browser.open(both_pages.as_uri())
    links = browser.run("[...document.querySelectorAll('.contents .paper a')].map(link => link.hash)")
    assert links == ["#glmd", "#cka"]
    unknown = "document.querySelector('#cka-summarisation .unknown')"
    assert browser.run(f"getComputedStyle({unknown}).backgroundImage").startswith("repeating-linear-gradient")
    assert browser.run(f"{unknown}.textContent") == "–"
    browser.run("document.querySelector('#cka-glue td a').id = 'score'")
    browser.click("#score")
    assert browser.run("document.querySelector('#card').open")
    assert browser.run("document.querySelector('#card h2').textContent") == "CoLA, BERT BERT"
    browser.press("Escape")
    for width in (320, 390, 768):
        browser.size(width, 740, phone=width < 500)
        browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
        assert browser.run("document.documentElement.scrollWidth") <= width
    problems = [
        event for event in browser.events if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")
    ]
    assert problems == []
