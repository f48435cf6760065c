import pytest

from retort.claims.kinds import Cell, Correlation, Coverage
from retort.claims.series import covered, read_correlations, wanted
from retort.errors import InputError

VC = Cell(method="GLMD-vc", pair="T1-S1")
HEAD = "method,pair,seed,distance,site,layer,rho,n"


def correlation(**changes):
    values = {"figure": "figure2", "of": "features", "against": "loss"}
    values |= {
        "relation": "above",
        "threshold": 0.0,
        "threshold_from": "x",
        "kind": "correlation",
        "cell": VC,
    }
    return Correlation(**(values | changes))


def write(path, *lines, head=HEAD):
    path.write_text("\n".join([head, *lines]) + "\n")
    return path


def rhos(test, path):
    return [correlated.rhos for correlated in wanted(test, read_correlations(path)) if correlated.cell == VC]


def test_features_words_and_undefined_ones_are_told_apart(tmp_path):
    path = write(
        tmp_path / "figure2.csv",
        "GLMD-vc,T1-S1,1,kl,words,,0.9,30",
        "GLMD-vc,T1-S1,1,kl,scores,1,-0.5,30",
        "GLMD-vc,T1-S1,1,mse,scores,1,0.5,30",
        "GLMD-vc,T1-S1,1,cka,k,1,,30",
        "GLMD-vc,T1-S1,2,mse,scores,1,0.25,30",
    )
    assert rhos(correlation(), path) == [(-0.5,), (0.5, 0.25)]
    assert rhos(correlation(of="l_sp"), path) == [(0.9,)]


def test_seeds_that_are_summed_up_are_taken_apart(tmp_path):
    path = write(
        tmp_path / "figure2.csv",
        "GLMD-vc,T1-S1,loss,mse,q,1,0.5,0.5,0.5,1",
        "GLMD-vc,T1-S1,loss,mse,q,2,0.5,0.25,0.75,2",
        "GLMD-vc,T1-S1,loss,mse,k,1,0.5,0.25,0.625,3",
        "GLMD-vc,T1-S1,loss,mse,k,2,0.5,0.25,0.75,4",
        head="method,pair,against,distance,site,layer,rho,lowest,highest,seeds",
    )
    found = rhos(correlation(), path)
    assert found[:2] == [(0.5,), (0.25, 0.75)]
    assert found[2] == pytest.approx((0.25, 0.625, 0.625))
    assert found[3] == pytest.approx((0.25, 0.75, 0.5, 0.5))


def test_two_series_are_found_in_either_order(tmp_path):
    path = write(
        tmp_path / "figure5.csv",
        "GLMD-vc,T1-S1,1,kl,words,,0.8,30,perplexity",
        "GLMD-vc,T1-S1,1,perplexity,,,0.7,30,loss",
        "GLMD-vc,T1-S1,1,mse,q,1,0.1,30,perplexity",
        head=HEAD + ",against",
    )
    assert rhos(correlation(of="loss", against="perplexity"), path) == [(0.7,)]
    assert rhos(correlation(of="l_sp", against="perplexity"), path) == [(0.8,)]


def test_no_figure_has_nothing(tmp_path):
    assert read_correlations(tmp_path / "figure5.csv") == []


def test_bad_numbers_are_named(tmp_path):
    path = write(tmp_path / "figure2.csv", "GLMD-vc,T1-S1,1,kl,words,,1.5,30")
    with pytest.raises(InputError, match=r"figure2.csv:2: rho '1.5'"):
        read_correlations(path)
    with pytest.raises(InputError, match="column 'rho' is missing"):
        read_correlations(write(tmp_path / "figure2.csv", head="method,pair,seed,distance,site,layer"))


def test_the_frequent_half(tmp_path):
    path = write(
        tmp_path / "figure3.csv",
        "pretraining,,1,70,0", "pretraining,,2,20,0", "pretraining,,3,9,0", "pretraining,,4,1,0",
        "RTE,train,1,1,0", "RTE,train,2,0,0", "RTE,train,3,1,0", "RTE,train,4,0,0",
        "RTE,val,1,2,0", "RTE,val,2,0,0", "RTE,val,3,0,0", "RTE,val,4,0,0",
        head="source,split,rank,count,share",
    )  # fmt: skip
    values = {"kind": "coverage", "of_words": 0.5, "least": 0.9, "threshold_from": "x"}
    assert covered(Coverage(texts="pretraining", **values), path) == {"pretraining": 0.9}
    assert covered(Coverage(texts="tasks", **values), path) == {"RTE": 0.75}
