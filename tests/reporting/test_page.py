import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from retort.errors import InputError
from retort.quirks import LEDGER
from retort.reporting.exhibits import FIGURES, TABLES, write_figure
from retort.reporting.headline import headline, plain_lines
from retort.reporting.page import facts, gates, write_page
from retort.reporting.results import PUBLISHED, Results

VOID = {"meta", "img", "input", "br"}


class Reader(HTMLParser):
    """Collects addresses, ids and text; fails on elements that do not nest."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.addresses, self.ids, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.addresses += [(tag, values[name]) for name in ("src", "href", "action") if name in values]
        self.ids += [values["id"]] if "id" in values else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(shared_root):
    for name in FIGURES:
        write_figure(Results(shared_root), name, shared_root / "glmd" / "figures")
    path = shared_root / "report" / "index.html"
    write_page(shared_root, PUBLISHED, path)
    return path


def read(path):
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return reader


def test_page_is_one_file_that_needs_no_network(page):
    reader = read(page)
    html = page.read_text(encoding="utf-8")
    assert "<script" not in html
    assert "@import" not in html
    assert "url(" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    for tag, address in reader.addresses:
        assert address.startswith("data:" if tag == "img" else ("#", "../stages/")), address


def test_every_inner_link_and_run_card_exists(page):
    reader = read(page)
    assert len(reader.ids) == len(set(reader.ids))
    for tag, address in reader.addresses:
        if address.startswith("#"):
            assert address[1:] in reader.ids
        elif tag == "a":
            assert (page.parent / address).is_file()


def test_page_holds_every_exhibit_and_the_first_screen(page):
    reader = read(page)
    assert {f"glmd-{name}" for name in [*TABLES, *FIGURES]} <= set(reader.ids)
    text = " ".join(reader.text)
    for expected in ("Test <CPU>", "82.0 ± 1.0", "67.4", "T1 fine-tuned average", "2:24:00 over 144 runs"):
        assert expected in text
    for quirk in LEDGER:
        assert all(word in text for word in (quirk.id, quirk.evidence, quirk.effect, *quirk.switches))


def test_wide_tables_scroll_and_long_texts_break(page):
    html = page.read_text(encoding="utf-8")
    for name in TABLES:
        assert re.search(rf'<div class="wide"[^>]*>\s*<table class="{name}">', html), name
    assert re.search(r'<td class="long" style="min-width: 40ch">[^<]*MSE', html)
    assert re.search(r"td\.long \{[^}]*white-space: normal", html)


def test_page_is_the_same_bytes_when_made_again(page, shared_root):
    before = page.read_bytes()
    write_page(shared_root, PUBLISHED, page)
    assert page.read_bytes() == before


def test_figures_must_be_drawn_first(results_root):
    with pytest.raises(InputError, match="draw the figures first"):
        write_page(results_root, PUBLISHED, results_root / "report" / "index.html")
    assert not (results_root / "report").exists()


def test_gates_show_what_was_asked_and_reached(results_root):
    found = list(gates(Results(results_root)))
    assert [gate.what for gate in found][-1] == "fine-tuned average"
    assert all(gate.passed for gate in found)
    (results_root / "gates.json").unlink()
    assert list(gates(Results(results_root))) == []


def test_facts_without_a_single_card_leave_the_machine_out(results_root):
    (results_root / "stages").rename(results_root / "gone")
    names = [name for name, _ in facts(Results(results_root))]
    assert "Scale" in names
    assert "Machine" not in names


def test_runs_of_older_configurations_are_not_counted(results_root):
    before = dict(facts(Results(results_root)))["Training time"]
    (results_root / "stages" / "S1.task.KD.s1.KD-1").rename(results_root / "stages" / "S1.task.KD.s1.older")
    after = dict(facts(Results(results_root)))["Training time"]
    assert before == "2:24:00 over 144 runs"
    assert after == "2:15:00 over 135 runs"  # 8 tasks, and the pretraining that nothing else starts from


def test_headline_is_short_and_says_where_things_are(results_root):
    lines = plain_lines(headline(Results(results_root)))
    assert len(lines) <= 25
    text = "\n".join(lines)
    assert re.search(r"KD +T1-S1 +46\.0 ± 1\.0 † +52\.0", text)
    assert str(results_root / "report" / "index.html") in text


@pytest.mark.parametrize("script", ["make_table", "make_figure", "make_report", "summarise"])
def test_scripts_explain_themselves(root, script):
    done = subprocess.run(
        [sys.executable, root / "scripts" / f"{script}.py", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--results" in done.stdout


def test_scripts_work_by_hand_and_bad_input_is_one_line(root, results_root):
    def call(script, *arguments):
        command = [sys.executable, root / "scripts" / f"{script}.py", "--results", results_root, *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    assert call("make_table", "table3", "table9").returncode == 0
    assert (results_root / "glmd" / "tables" / "table3.tex").is_file()
    assert "GLMD-vc" in call("summarise").stdout
    (results_root / "glmd" / "scores.csv").unlink()
    failed = call("make_table", "table3")
    assert failed.returncode == 2
    assert failed.stderr.count("\n") == 1
    assert "scores.csv: no such file" in failed.stderr
