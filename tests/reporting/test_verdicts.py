import pytest

from retort.errors import InputError
from retort.reporting.verdicts import counts, intervals, read_claims, short

HEAD = "id,where,statement,verdict,effect,low,high,published,n_seeds,needed,note\n"
NOT_RUN = "c,T3,z,not run,,,,,0,3,"


def claims(tmp_path, *lines):
    path = tmp_path / "claims.csv"
    path.write_text(HEAD + "".join(line + "\n" for line in lines))
    return path


def test_claims_are_counted_by_verdict(tmp_path):
    path = claims(
        tmp_path, "a,T3,x,supported,1,0,2,,3,3,", "b,T3,y,not_run,,,,,0,3,", "c,T3,z,not run,,,,,0,3,"
    )
    assert counts(read_claims(path)) == [
        ("supported", 1), ("contradicted", 0), ("undecided", 0), ("not run", 2),
    ]  # fmt: skip


def test_what_was_not_judged_is_none(tmp_path):
    assert read_claims(tmp_path / "claims.csv") is None


def test_bad_files_are_named_with_line_and_remedy(tmp_path):
    with pytest.raises(InputError, match=r"claims\.csv:2: verdict 'maybe' is none of"):
        read_claims(claims(tmp_path, "a,T3,x,maybe,,,,,,,"))
    with pytest.raises(InputError, match=r"claims\.csv:2: low 'x' is no number; judge the claims again"):
        read_claims(claims(tmp_path, "a,T3,x,supported,1,x,2,,3,3,"))
    (tmp_path / "claims.csv").write_text("id,where\na,b\n")
    with pytest.raises(InputError, match="column 'statement' is missing"):
        read_claims(tmp_path / "claims.csv")


def test_bars_share_a_scale_with_zero_in_the_middle(tmp_path):
    path = claims(
        tmp_path, "a,T3,x,supported,5,0,10,,3,3,", "b,T3,y,undecided,-2,,,,3,3,", "c,T3,z,not run,,,,,0,3,"
    )
    bars = intervals(read_claims(path))
    assert (bars["a"].left, bars["a"].width, bars["a"].effect) == (50, 50, 75)
    assert (bars["b"].left, bars["b"].width) == (40, 0)
    assert "c" not in bars


def test_units_have_scales_of_their_own(tmp_path):
    path = tmp_path / "claims.csv"
    lines = ("a,T3,x,supported,5,0,10,,3,,,points", "b,T3,y,supported,0.5,0.5,0.5,,3,,,rho")
    path.write_text(HEAD.strip() + ",unit\n" + "\n".join(lines) + "\n")
    bars = intervals(read_claims(path))
    assert (bars["a"].effect, bars["b"].effect) == (75, 100)


@pytest.mark.parametrize("number, text", [("-1.10", "−1.1"), ("10.916", "10.92"), ("3.0", "3"), ("", "")])
def test_numbers_are_short(number, text):
    assert short(number) == text
