from retort.claims.judging import Judgement
from retort.claims.ledger import Claim
from retort.claims.verdicts import Finding
from retort.claims.writing import write_claims
from retort.reporting.claims_table import claims_table
from retort.reporting.results import Results
from retort.reporting.tables import latex, markdown

TEST = {"kind": "greater", "higher": "KD @ T1-S1", "lower": "PD @ T1-S1"}


def judgement(name, finding, published=None):
    claim = Claim(id=name, where="Table 3, section 5", basis="stated", statement=f"{name} holds.", test=TEST)
    return Judgement(claim, finding, published)


def write(results, *judgements):
    write_claims(judgements, results.root / results.paper / "claims.csv")


def test_a_line_for_each_claim(tmp_path):
    results = Results(tmp_path)
    supported = Finding("supported", 1.2345, 0.5, 2.0, "points", 2)
    open_one = Finding("undecided", -0.25, -1.0, 0.5, "points", 2, "9 seeds", "a note")
    write(
        results, judgement("a", supported, 0.6), judgement("b", open_one), judgement("c", Finding("not run"))
    )
    table = claims_table(results)
    texts = [[cell.text for cell in line.cells] for line in table.lines]
    assert texts[0] == ["a holds.", "supported", "1.23", "0.5 to 2", "points", "0.6", "2", ""]
    assert texts[1] == ["b holds.", "undecided", "−0.25", "−1 to 0.5", "points", "", "2", "9 seeds"]
    assert [line.kind for line in table.lines] == ["ours", "ours", "not_run"]
    assert {line.group for line in table.lines} == {"Table 3"}
    assert table.notes[0] == "3 claims: 1 supported, 0 contradicted, 1 undecided, 1 not run."
    assert list(table.data["effect"]) == ["1.234", "-0.25", ""]
    assert "a holds." in markdown(table) and latex(table).isascii()


def test_one_seed_is_said(tmp_path):
    note = "one seed: spread over seeds unknown"
    results = Results(tmp_path)
    write(results, judgement("a", Finding("undecided", 1.0, 0.5, 2.0, "points", 1, "2 seeds or more", note)))
    assert any("no claim about scores is decided" in text for text in claims_table(results).notes)


def test_a_run_whose_claims_were_not_judged(tmp_path):
    table = claims_table(Results(tmp_path))
    assert table.lines == () and table.notes == ("The claims of this run were not judged.",)
    assert markdown(table).startswith("# Claims") and latex(table)
