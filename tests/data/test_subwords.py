from hypothesis import given
from hypothesis import strategies as st

from retort.data.subwords import learn_pieces

COUNTS = st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 50), max_size=12)


def test_most_frequent_pair_first_ties_alphabetical():
    assert learn_pieces({"ab": 3, "xab": 2, "cd": 3}, 9) == ["ab", "cd", "##ab", "xab"]
    assert learn_pieces({"aaaa": 1}, 9) == ["##aa", "##aaa", "aaaa"]
    assert learn_pieces({}, 9) == []


@given(COUNTS)
def test_enough_merges_make_every_word_a_piece(counts):
    pieces = set(learn_pieces(counts, 10_000))
    assert {word for word in counts if len(word) > 1} <= pieces


@given(COUNTS, st.integers(0, 10))
def test_fewer_pieces_are_a_prefix_of_more_and_all_occur(counts, number):
    pieces = learn_pieces(counts, 10_000)
    assert learn_pieces(dict(reversed(counts.items())), number) == pieces[:number]
    assert len(set(pieces)) == len(pieces)
    assert all(any(piece.removeprefix("##") in word for word in counts) for piece in pieces)


@given(COUNTS)
def test_first_piece_is_the_most_frequent_pair(counts):
    total: dict[tuple[str, str], int] = {}
    for word, count in counts.items():
        symbols = [word[0], *("##" + c for c in word[1:])]
        for pair in zip(symbols, symbols[1:], strict=False):
            total[pair] = total.get(pair, 0) + count
    if total:
        best = min(total, key=lambda pair: (-total[pair], pair))
        assert learn_pieces(counts, 1) == [best[0] + best[1][2:]]
