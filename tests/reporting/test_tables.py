import re
from dataclasses import replace
from io import StringIO

import pandas as pd
import pytest

from retort.reporting.tables import Cell, Column, Line, Table, latex, latex_text, markdown, slug, write_table


def table(lines=3):
    rows = tuple(
        Line((Cell(f"a_{i} & b|c"), Cell("1.0 ± 0.5 †")), group=f"Group {i // 2}") for i in range(lines)
    )
    data = pd.DataFrame({"name": ["x"] * lines, "value": [0.5] * lines})
    return Table("t", "50 % of it", (Column("Name"), Column("Value", True)), rows, data, ("n_1 & 100 %.",))


def test_markdown_has_as_many_cells_in_every_row():
    text = markdown(table())
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}
    assert [row for row in rows if "**Group" in row] == [row for row in rows if row.startswith("| **Group")]
    assert "- n_1 & 100 %." in text


@pytest.mark.parametrize("lines", [3, 60])
def test_latex_is_balanced_and_escaped(lines):
    text = latex(table(lines))
    opened, closed = re.findall(r"\\begin\{(\w+)\}", text), re.findall(r"\\end\{(\w+)\}", text)
    assert sorted(opened) == sorted(closed)
    assert ("longtable" in opened) == (lines == 60)
    assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    body = [line for line in text.splitlines() if line.startswith("a")]
    assert len(body) == lines
    assert all(len(re.findall(r"(?<!\\)&", line)) == 1 and line.endswith(r"\\") for line in body)
    assert r"a\_0 \& b|c" in text
    assert r"$\pm$" in text
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert rule in text
    assert text.isascii()


def test_a_wide_table_lies_on_its_side_and_breaks_long_texts():
    plain, long = table(), table(60)
    columns = (Column("Name", wrap=20), Column("Value", True))
    for made in (replace(plain, columns=columns), replace(long, columns=columns)):
        text = latex(made)
        opened, closed = re.findall(r"\\begin\{(\w+)\}", text), re.findall(r"\\end\{(\w+)\}", text)
        assert sorted(opened) == sorted(closed) and opened[0] == closed[-1] == "landscape"
        assert "{p{2.6cm}r}" in text and ",pdflscape}" in text
        assert text.count("{") - text.count(r"\{") == text.count("}") - text.count(r"\}")
    assert not re.search("landscape|pdflscape|rotatebox|graphicx", latex(plain))


def test_titles_of_many_columns_are_turned():
    marks = tuple(Column(f"Feature {i}") for i in range(13))
    text = latex(replace(table(), columns=(Column("Name"), *marks), lines=()))
    assert text.count(r"\rotatebox{90}{Feature") == 13 and ",graphicx}" in text
    assert "Name & \\rotatebox" in text and text.count("{") == text.count("}")


def test_latex_escapes_its_own_characters():
    assert latex_text("a_b{c}^~\\#$%&") == (
        r"a\_b\{c\}\textasciicircum{}\textasciitilde{}\textbackslash{}\#\$\%\&"
    )


def test_three_files_are_written_and_the_csv_reads_back(tmp_path):
    paths = write_table(table(), tmp_path / "tables")
    assert [path.name for path in paths] == ["t.csv", "t.md", "t.tex"]
    again = pd.read_csv(StringIO(paths[0].read_text(encoding="utf-8")))
    pd.testing.assert_frame_equal(again, table().data, check_dtype=False)


def test_groups_are_runs_of_lines():
    assert [(name, len(lines)) for name, lines in table(3).grouped()] == [("Group 0", 2), ("Group 1", 1)]


def test_anchors_tell_methods_apart():
    assert slug("run", "GLMD+al", "(T1,T2)-S2") == "run-glmd-plus-al-t1-t2-s2"
    assert slug("run", "GLMD-vc", "T1-S1") != slug("run", "GLMD-vc+mo", "T1-S1")
