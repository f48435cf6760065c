"""Learning word pieces: the most frequent pair of neighbouring pieces is joined, again and again."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping

Pair = tuple[str, str]


def learn_pieces(counts: Mapping[str, int], number: int) -> list[str]:
    """Learn ``number`` multi-letter pieces from word counts, in the order they are learnt.

    Inner pieces carry BERT's ``##``. Byte-pair merging as in Sennrich et al. 2016; equal counts are
    settled alphabetically, so that the result depends on the counts alone (the trainer of the
    ``tokenizers`` package differs from run to run). Fewer pieces come back when all words are whole.
    """
    words = sorted(counts)
    pieces = [[word[0], *(f"##{letter}" for letter in word[1:])] for word in words]
    weights = [counts[word] for word in words]
    total: defaultdict[Pair, int] = defaultdict(int)
    places: defaultdict[Pair, set[int]] = defaultdict(set)
    for index, word in enumerate(pieces):
        for pair in zip(word, word[1:], strict=False):
            total[pair] += weights[index]
            places[pair].add(index)
    heap = [(-count, pair) for pair, count in total.items()]
    heapq.heapify(heap)
    learnt: dict[str, None] = {}
    while heap and len(learnt) < number:
        negative, pair = heapq.heappop(heap)
        if total[pair] != -negative:  # outdated: the pair was pushed again with its new count
            continue
        joined = pair[0] + pair[1].removeprefix("##")
        learnt[joined] = None
        changed: set[Pair] = set()
        for index in places.pop(pair):
            old = pieces[index]
            new = _join(old, pair, joined)
            pieces[index] = new
            for neighbour in zip(old, old[1:], strict=False):
                total[neighbour] -= weights[index]
                changed.add(neighbour)
            for neighbour in zip(new, new[1:], strict=False):
                total[neighbour] += weights[index]
                places[neighbour].add(index)
                changed.add(neighbour)
        for neighbour in changed:
            if total[neighbour] > 0:
                heapq.heappush(heap, (-total[neighbour], neighbour))
    return list(learnt)


def _join(word: list[str], pair: Pair, joined: str) -> list[str]:
    out: list[str] = []
    index = 0
    while index < len(word):
        if index + 1 < len(word) and (word[index], word[index + 1]) == pair:
            out.append(joined)
            index += 2
        else:
            out.append(word[index])
            index += 1
    return out
