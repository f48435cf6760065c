"""The page's chapter on causal models."""

import html
import re
import shutil

import pytest

from retort.claims.judging import Judgement
from retort.claims.ledger import ledger_path, read_ledger
from retort.claims.verdicts import Finding
from retort.claims.writing import write_claims
from retort.quirks import ATKD_LEDGER
from retort.reporting.exhibits import exhibits_of, write_figure
from retort.reporting.first_screen import gates
from retort.reporting.headline import headline
from retort.reporting.page import write_page
from retort.reporting.results import PUBLISHED, Results


@pytest.fixture(scope="module")
def text(prompts_root, tmp_path_factory) -> str:
    """The page of this paper alone, with every claim undecided."""
    root = tmp_path_factory.mktemp("page") / "pocket"
    shutil.copytree(prompts_root, root)
    claims = read_ledger(ledger_path("atkd"), "atkd")
    write_claims([Judgement(c, Finding("undecided"), c.published) for c in claims], root / "atkd/claims.csv")
    for name in exhibits_of("atkd").figures:
        write_figure(Results(root, "atkd"), name, root / "atkd" / "figures")
    write_page(root, PUBLISHED, root / "report" / "index.html")
    return (root / "report" / "index.html").read_text()


def test_all_exhibits_claims_and_quirks_are_there(text):
    plain = html.unescape(re.sub("<[^>]+>", "", text))
    for title in ("Main table", "Parts", "Answers", "Methods", "Teacher size", "Uncertainty", "Sweeps"):
        assert title in plain, title
    for claim in read_ledger(ledger_path("atkd"), "atkd"):
        assert claim.statement in plain, claim.id
    for quirk in ATKD_LEDGER:
        assert quirk.id in plain
    assert "ATKD (Zhong et al., ACL 2024)" in plain and "SuperGLUE" not in plain


def test_scores_lead_to_their_runs(text):
    anchors = set(re.findall(r'id="([^"]+)"', text))
    links = set(re.findall(r'href="#(run-[^"]+)"', text))
    assert links and links <= anchors
    assert "run-opt-supervised-kd-plus-atkd-opt-4x64-opt-1x32-instructions" in anchors


def test_the_terminal_ends_with_the_scores(prompts):
    found = headline(prompts)
    assert ("Supervised KD + ATKD", "OPT_4x64-OPT_1x32", "22.0 ± 2.0  ", "") in found.rows
    assert found.score == "score" and len(found.rows) == 20


def test_gates_are_shown_by_set(prompts_root):
    assert [(gate.teacher, gate.what, gate.passed) for gate in gates(Results(prompts_root, "atkd"))] == [
        ("OPT_4x64", "dolly", True),
        ("OPT_3x64", "dolly", False),
        ("OPT_2x64", "dolly", False),
    ]
