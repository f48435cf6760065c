"""Table 8: the other settings of fine-tuning, and where ours differ from the paper's."""

from __future__ import annotations

import pytest

from retort.config import load
from retort.errors import InputError
from retort.files import write_text
from retort.reporting.results import Results
from retort.reporting.table8 import TITLES, settings, table8
from retort.reporting.tables import latex


@pytest.fixture
def table_of(tmp_path):
    def make(scale, overrides=None):
        (tmp_path / "config.json").write_text(load(scale, overrides).model_dump_json())
        return table8(Results(tmp_path))

    return make


def rows(table, setting):
    found = table.data[table.data["setting"] == setting]
    return {row["task"]: (row["ours"], row["paper"], row["differs"]) for row in found.to_dict("records")}


def test_the_paper_scale_differs_in_clipping_alone(table_of):
    """Its values are those of the paper but one, where the authors' code held another."""
    table = table_of("paper")
    differing = set(table.data[table.data["differs"]]["setting"])
    assert differing == {"gradient_clipping"}
    assert rows(table, "gradient_clipping")["RTE"] == ("1", "0.1", True)
    assert rows(table, "adam_eps")["RTE"] == ("1e-08", "1E-8", False)
    assert rows(table, "epochs")["ReCoRD"] == ("5", "5", False)
    assert rows(table, "sequence_length")["WSC"] == ("128", "128", False)
    assert any("ends at 0.1 of the peak" in note for note in table.notes)


def test_every_setting_of_the_paper_is_there(table_of, tmp_path):
    table = table_of("paper")
    published = Results(tmp_path).published_table("table8_hparams")
    assert list(TITLES) == list(published["hyperparameter"]) == list(dict.fromkeys(table.data["setting"]))
    assert len(table.data) == 11 * 8 and len(table.lines) == 11 * 2


def test_differences_are_marked(table_of):
    table = table_of("pocket", {"task_training": {"epochs": 50, "optimiser": {"clip_norm": None}}})
    lines = {(line.cells[0].text, line.cells[1].text): line for line in table.lines}
    ours = [cell.text for cell in lines["Epochs", "ours"].cells[2:]]
    assert ours == ["50 ≠", "50", "50", "50 ≠", "50 ≠", "50", "50 ≠", "50"]
    assert [cell.text for cell in lines["Epochs", "paper"].cells[2:]] == [
        "20", "50", "50", "15", "5", "50", "30", "50",
    ]  # fmt: skip
    assert lines["Gradient clipping", "ours"].cells[2].text == "none ≠"
    assert lines["Epochs", "paper"].kind == "paper"
    assert latex(table).isascii()


def test_dropout_is_that_of_the_models_in_use():
    rates = {"S1": {"dropout": 0.2}, "T3": load("paper").models["T3"].model_dump() | {"dropout": 0.5}}
    found = settings(load("paper", {"models": rates, "pairs": ["T1-S1", "T1-S2"]}))
    assert found["dropout"]["RTE"] == "0.1, 0.2" == found["attention_dropout"]["CB"]


def test_only_the_tasks_of_the_scale_have_columns(table_of):
    table = table_of("smoke", {"tasks": ["RTE", "CB"]})
    assert [column.title for column in table.columns] == ["Setting", "From", "RTE", "CB"]


def test_a_file_of_the_paper_that_lacks_a_setting_is_named(tmp_path):
    write_text(tmp_path / "config.json", load("smoke").model_dump_json())
    write_text(tmp_path / "glmd" / "table8_hparams.csv", "hyperparameter,RTE\nepochs,50\n")
    with pytest.raises(InputError, match=r"table8_hparams.csv has no sequence_length of BoolQ; mend it"):
        table8(Results(tmp_path, published=tmp_path))
