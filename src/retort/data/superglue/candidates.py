"""Wrong candidates for WSC: the other noun phrases of the text.

The official files name one noun phrase per example. Training by choosing among candidates needs the
other ones, which fairseq's WSC recipe takes from a parser's noun chunks; the lists the GLMD authors used
were never published. Here they come from word lists alone, so that the same text gives the same list on
every machine:

* a *name* is a run of capitalised words ("Sir Clifford"); the first word of a sentence counts only if it
  is no function word, and is capitalised elsewhere in the text or followed by a capitalised word or by
  a verb ("Frank was"). A possessive goes on to the noun it owns ("Paul's uncle") and gives the owner too;
* a *phrase* starts at a determiner, possessive or number and takes the following content words up to a
  function word, a verb, an adverb in -ly or punctuation, four at most. A verb is a form of the list below
  or a word in -ed after the first noun ("the boat drifted"); a phrase of adjectives alone is dropped;
* a *bare plural* is a word in -s right after a preposition or verb ("by foxes").

Pronouns never count. A candidate that equals, contains or lies in span 1 (articles aside) is left out,
because it may be the right answer under another spelling. What this misses compared with a parser: bare
singular nouns, irregular plurals, and verbs outside the list that look like nouns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from retort.data.tokenizer import normalise

_MAX_WORDS = 4


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STARTERS = _set(
    "a an the this that these those my your his her its our their some any every each no another both "
    "all many several few most one two three four five six seven eight nine ten"
)
_PRONOUNS = _set(
    "i me you he him she her it we us they them who whom whose which what this that these those one "
    "mine yours his hers ours theirs myself yourself himself herself itself ourselves themselves "
    "someone somebody everyone everybody anyone anybody nobody something everything anything nothing "
    "each other both all many some few most none"
)
_PREPOSITIONS = _set(
    "of in on at by for with from to into onto over under about after before between behind against "
    "through during without within along across near above below around toward towards upon off out up "
    "down inside outside past since until till than as like beside besides among beyond"
)
_OTHERS = _set(
    "and or but nor so because although though while when where why how if unless whether that then "
    "there here not never ever too very also just only still even again already yet soon often always "
    "sometimes whatever whichever whoever wherever whenever once later instead however therefore almost "
    "quite rather well now more less much away back together yesterday today tomorrow yes please oh"
)
_VERBS = _set(
    "is are was were be been being am has have had having do does did doing will would shall should can "
    "could may might must ought isn't aren't wasn't weren't hasn't haven't hadn't don't doesn't didn't won't "
    "wouldn't shouldn't can't couldn't cannot let lets let's "
    "said says say told tells tell asked ask asks gave give gives took take takes went go goes came come "
    "comes got get gets made make makes saw see sees knew know knows thought think thinks felt feel feels "
    "found find finds left leave leaves kept keep keeps put puts ran run runs sat sit sits stood stand "
    "stands held hold holds fell fall falls hit hits beat beats bit bites ate eat eats drank drink drinks "
    "threw throw throws caught catch catches bought buy buys brought bring brings sold sell sells paid pay "
    "pays sent send sends lent lend lends lost lose loses won win wins met meet meets read reads wrote write "
    "writes sang sing sings spoke speak speaks heard hear hears began begin begins broke break breaks chose "
    "choose chooses drove drive drives flew fly flies grew grow grows hid hide hides led lead leads lay lies "
    "lie rode ride rides rose rise rises shot shoot shoots slept sleep sleeps stole steal steals swam swim "
    "swims taught teach teaches tore tear tears woke wake wakes wore wear wears wins became become becomes "
    "built build builds cut cuts dug dig digs fed feed feeds fought fight fights fit fits forgot forget "
    "forgets hung hang hangs hurt hurts meant mean means set sets shook shake shakes shut shuts spent spend "
    "spends spread spreads stuck stick sticks struck strike strikes swept sweep swept understood wants want "
    "needs need seems seem looks likes loves helps"
)
_ADJECTIVES = _set(
    "big small large little old young new good bad great long short tall high low hot cold warm cool full "
    "empty heavy light dark bright clean dirty dry wet rich poor strong weak hard soft easy sick ill happy "
    "sad angry afraid own same other next last first second whole entire late early wide narrow thin thick "
    "red blue green white black brown grey gray yellow nice fine best better worst worse few dear true "
    "false main only very such certain different"
)
_FUNCTION = _STARTERS | _PRONOUNS | _PREPOSITIONS | _OTHERS | _VERBS
_ARTICLES = frozenset({"a", "an", "the"})
_TITLES = frozenset({"mr", "mrs", "ms", "dr", "st", "jr", "sr"})

_TOKEN = re.compile(r"[^\W_]+(?:['.\-/][^\W_]+)*'?|[^\w\s]")


@dataclass(frozen=True)
class _Word:
    text: str
    start: int
    starts_sentence: bool

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def lower(self) -> str:
        return self.text.lower()

    @property
    def is_word(self) -> bool:
        return self.text[0].isalnum()

    @property
    def is_capitalised(self) -> bool:
        return self.text[0].isupper() and self.lower != "i" and not self.lower.startswith("i'")

    @property
    def is_possessive(self) -> bool:
        return self.lower.endswith(("'s", "s'"))

    @property
    def is_content(self) -> bool:
        return self.is_word and self.lower not in _FUNCTION and not self.lower.endswith("ly")


def noun_phrases(text: str, exclude: str = "") -> list[str]:
    """Noun phrases of ``text`` in order of appearance, each spelling once.

    Args:
        text: the WSC text.
        exclude: a phrase to leave out together with what contains it or lies in it (span 1).

    Returns:
        Surface strings, possibly none.
    """
    text = normalise(text)
    words = _words(text)
    seen: dict[str, str] = {}
    index = 0
    while index < len(words):
        spans, index = _spans_at(words, index)
        for first, last in spans:
            phrase = _surface(text, words[first], words[last])
            if not _overlaps(phrase, exclude):
                seen.setdefault(phrase.lower(), phrase)
    return list(seen.values())


def _words(text: str) -> list[_Word]:
    words: list[_Word] = []
    fresh = True
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token[0].isalnum():
            words.append(_Word(token, match.start(), fresh))
            fresh = False
        else:
            after_title = token == "." and bool(words) and words[-1].lower in _TITLES
            words.append(_Word(token, match.start(), False))
            fresh = (fresh or token in ".!?;:\"'") and not after_title
    return words


def _surface(text: str, first: _Word, last: _Word) -> str:
    """The phrase as the text spells it, on one line, without a closing possessive."""
    phrase = " ".join(text[first.start : last.end].split())
    return phrase.removesuffix("'").removesuffix("'s")


def _spans_at(words: list[_Word], index: int) -> tuple[list[tuple[int, int]], int]:
    """Phrases that start at ``index`` as (first, last) word numbers, and where to go on."""
    word = words[index]
    if _is_name(words, index):
        return _owned(words, index, _name_end(words, index))
    if word.lower in _STARTERS and not _is_conjunction(words, index):
        begin = index + 1
        while begin < len(words) and words[begin].lower in _STARTERS:
            begin += 1
        end = _content_end(words, begin)
        if end > begin:
            return _owned(words, index, end)
    elif index and word.is_content and _looks_plural(word.lower):
        before = words[index - 1].lower
        if before in _PREPOSITIONS or before in _VERBS:
            return [(index, index)], index + 1
    return [], index + 1


def _is_conjunction(words: list[_Word], index: int) -> bool:
    """Whether a "that" opens a clause: "knew that Mama was out"."""
    following = words[index + 1] if index + 1 < len(words) else None
    return words[index].lower == "that" and following is not None and following.is_capitalised


def _looks_plural(word: str) -> bool:
    return len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))


def _name_end(words: list[_Word], start: int) -> int:
    end = start + 1
    while end < len(words) and not words[end - 1].is_possessive:
        word = words[end]
        dot_of_title = word.text == "." and words[end - 1].lower in _TITLES
        if not dot_of_title and not (word.is_capitalised and word.is_content and not word.starts_sentence):
            break
        end += 1
    return end


def _is_name(words: list[_Word], index: int) -> bool:
    word = words[index]
    if not (word.is_word and word.is_capitalised and word.is_content) or word.text.isdigit():
        return False
    if not word.starts_sentence or word.lower in _TITLES:
        return True
    after = words[index + 1] if index + 1 < len(words) else None
    if after is not None and (after.is_capitalised or after.lower in _VERBS or after.lower.endswith("ed")):
        return True
    return word.is_possessive or any(other.text == word.text and not other.starts_sentence for other in words)


def _content_end(words: list[_Word], start: int) -> int:
    """End of the content words from ``start``; 0 length if they are adjectives only."""
    end = start
    while end < len(words) and end - start < _MAX_WORDS and words[end].is_content:
        has_noun = any(word.lower not in _ADJECTIVES for word in words[start:end])
        if has_noun and (words[end].lower.endswith("ed") or _turns_to_name(words[end - 1], words[end])):
            break
        end += 1
        if words[end - 1].is_possessive:
            break
    return end if any(word.lower not in _ADJECTIVES for word in words[start:end]) else start


def _turns_to_name(left: _Word, right: _Word) -> bool:
    return right.is_capitalised and not left.is_capitalised


def _owned(words: list[_Word], start: int, end: int) -> tuple[list[tuple[int, int]], int]:
    """The phrase ``words[start:end]``; after a possessive also the phrase it owns."""
    if not words[end - 1].is_possessive:
        return [(start, end - 1)], end
    owned_end = _content_end(words, end)
    if owned_end == end:
        return [(start, end - 1)], end
    return [(start, end - 1), (start, owned_end - 1)], owned_end


def _overlaps(phrase: str, exclude: str) -> bool:
    inner, outer = sorted((_core(phrase), _core(exclude)), key=len)
    return bool(inner) and f" {inner} " in f" {outer} "


def _core(phrase: str) -> str:
    words = [word.removesuffix("'s") for word in re.findall(r"[^\s.,;:!?\"()]+", phrase.lower())]
    return " ".join(word for word in words if word not in _ARTICLES)
