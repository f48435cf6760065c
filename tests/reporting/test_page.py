import base64
import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields

import pytest
from html_pages import read

from retort.errors import InputError
from retort.quirks import LEDGER
from retort.reporting.exhibits import exhibits_of
from retort.reporting.first_screen import duration, facts, gates
from retort.reporting.headline import headline, plain_lines
from retort.reporting.page import label, write_page
from retort.reporting.results import PUBLISHED, Results
from retort.reporting.verdicts import Claim

TABLES, FIGURES = exhibits_of("glmd").tables, exhibits_of("glmd").figures


def test_page_is_one_file_that_needs_no_network(page):
    reader = read(page)
    html = page.read_text(encoding="utf-8")
    assert "@import" not in html
    assert "url(" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", html)
    assert all(tag == "a" or address.startswith("data:") for tag, address in reader.addresses)
    for tag, address in reader.addresses:
        assert tag != "a" or address.startswith(("#", "../stages/", "../glmd/")), address


def test_no_script_runs_but_the_pages_own(page):
    """The content policy names the digest of the one script; nothing else may load or run."""
    html = page.read_text(encoding="utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    _, data, script = read(page).scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert re.findall(r"<script[^>]*>", html) == ['<script type="application/json" id="data">', "<script>"]
    assert json.loads(data)["runs"]


def test_each_run_is_in_the_page_data_and_each_link_to_a_run_leads_somewhere(page):
    html, reader = page.read_text(encoding="utf-8"), read(page)
    runs = json.loads(reader.scripts[1])["runs"]
    linked = set(re.findall(r'data-run="(run-[^"]+)"', html))
    assert linked == set(runs)
    assert linked <= set(reader.ids)


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
    for expected in ("Test <CPU>", "82.0 ± 1.0", "67.4", "T1 fine-tuned average", "2:24:00 h over 144 runs"):
        assert expected in text
    for quirk in LEDGER:
        assert all(word in text for word in (quirk.id, quirk.evidence, quirk.effect, *quirk.switches))


def test_wide_tables_scroll_and_long_texts_break(page):
    html = page.read_text(encoding="utf-8")
    for name in TABLES.keys() - {"quirk_effects", "claims"}:  # none was tried; shown in another way
        assert re.search(rf'<div class="wide( tall)?"[^>]*>\s*<table class="{name} sortable', html), name
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
    names = [name for name, _ in facts([Results(results_root)])]
    assert "Scale" in names
    assert "Machine" not in names


def test_runs_of_older_configurations_are_not_counted(results_root):
    before = dict(facts([Results(results_root)]))["Training time"]
    (results_root / "stages" / "S1.task.KD.s1.KD-1").rename(results_root / "stages" / "S1.task.KD.s1.older")
    after = dict(facts([Results(results_root)]))["Training time"]
    assert before == "2:24:00 h over 144 runs"
    assert after == "2:15:00 h over 135 runs"  # 8 tasks, and the pretraining that nothing else starts from


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


@pytest.mark.parametrize(
    "seconds, text",
    [(0.04, "0.0 s"), (59.4, "59.4 s"), (60, "1:00 min"), (3599.6, "1:00:00 h"), (8640, "2:24:00 h")],
)
def test_times_have_units(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    "name, text",
    [
        ("table3", "Table 3"),
        ("table3_held_out", "Table 3, held out"),
        ("figure12", "Figure 12"),
        ("cost", "Cost"),
        ("glue_held_out", "GLUE, held out"),
        ("one_recipe", "One recipe"),
    ],
)
def test_exhibits_have_names_for_people(name, text):
    assert label(name) == text


def drawn_before(page, results_root):
    """The figures of the shared run; these tests are not about what is in them."""
    shutil.copytree(page.parent.parent / "glmd" / "figures", results_root / "glmd" / "figures")


def test_page_shows_verdicts(page):
    text = " ".join(read(page).text)
    for expected in ("A beats B", "holds zero", "−1.1"):
        assert expected in text
    assert "not judged" not in text


def test_page_says_that_claims_were_not_judged(page, results_root):
    drawn_before(page, results_root)
    path = results_root / "report" / "index.html"
    write_page(results_root, PUBLISHED, path)
    text = " ".join(read(path).text)
    assert "The claims of this paper were not judged in this run." in text
    assert "No switch was tried at this scale" in text


def test_hostile_names_stay_text(page, results_root):
    """Whatever a card, a log, a claim or the scores hold, no markup of theirs gets into the page."""
    hostile = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\u2028 & 'x'"
    for card in (results_root / "stages").glob("*.GLMD-vc.*/**/card.json"):
        value = json.loads(card.read_text())
        value["device"]["name"] = value["command"] = value["git_commit"] = hostile
        value["stage"]["objective"]["terms"][0]["site"] = hostile
        value["inputs"] = {hostile: hostile}
        card.write_text(json.dumps(value))
        line = {"step": 1, "loss": float("nan"), "parts": {hostile: 1.0}}
        (card.parent / "log.jsonl").write_text(json.dumps(line) + "\n")
    names = [field.name for field in fields(Claim)]
    claim = dict.fromkeys(names, hostile) | {
        "verdict": "undecided",
        "effect": "1",
        "low": "",
        "high": "",
        "published": "",
    }
    with (results_root / "glmd" / "claims.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerow(claim)
    drawn_before(page, results_root)
    path = results_root / "report" / "index.html"
    write_page(results_root, PUBLISHED, path)
    html, reader = path.read_text(encoding="utf-8"), read(path)
    assert "<img src=x" not in html
    assert html.count("<script") == html.count("</script>") == 2
    assert hostile in reader.text
    assert hostile in json.loads(reader.scripts[1])["texts"]
