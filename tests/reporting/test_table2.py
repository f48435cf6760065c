from retort.reporting.results import Results
from retort.reporting.table2 import table2


def test_paper_models_are_counted_whatever_the_scale(shared_root):
    data = table2(Results(shared_root)).data
    paper = data[data["scale"] == "paper"].set_index(["symbol", "variant"])
    assert paper.loc[("S1", ""), "params"] == 22_788_864
    assert paper.loc[("S1", "GLMD"), "params"] == 16_939_776
    assert paper.loc[("S2", "GLMD"), "params"] == 55_113_216
    assert paper.index.is_unique
    too_few = [("S1", "GLMD-vc+al"), ("S1", "GLMD-vc+mo")]  # the paper prints 16M for both
    assert paper.loc[too_few, "params_as_counted"].tolist() == [17_063_232, 17_136_768]
    others = paper.drop(index=too_few)
    assert others["difference_percent"].abs().max() < 6  # printed figures are cut or rounded, not wrong


def test_notes_say_where_the_paper_counts_differently(shared_root):
    data = table2(Results(shared_root)).data.set_index(["scale", "symbol", "variant"])
    assert "with 14 it would have 163.4M" in data.loc[("paper", "A1", ""), "note"]
    mobile = data.loc[("paper", "S_MB", "")]
    assert (mobile["params"], mobile["params_as_counted"]) == (37_371_392, 25_624_064)
    assert "128 columns are read" in mobile["note"]
    assert data.loc[("paper", "T1", ""), "note"] == ""


def test_the_scales_own_models_use_its_vocabulary(shared_root):
    results = Results(shared_root)
    data = table2(results).data
    own = data[data["scale"] == "pocket"]
    assert list(own["symbol"]) == list(results.config.models)
    assert set(own["vocabulary"]) == {200}


def test_without_encoded_text_only_the_papers_models_are_listed(results_root):
    (results_root / "text").rename(results_root / "elsewhere")
    assert set(table2(Results(results_root)).data["scale"]) == {"paper"}
