"""The pocket world: a generated mini-language in which tiny models really learn the SuperGLUE tasks.

A world is a lexicon, a plain-text corpus and eight task sets, all drawn from one seed.

* **Words** are random consonant-vowel strings, one token each; only function words are English. There is
  no inflection, and every sentence is lower case.
* **Word classes** carry all knowledge: nouns of four categories (two per domain), verbs and adjectives that
  go with one category, embedding verbs that make a clause true, false or unknown, and so on.
* **Synonym groups**: a frequent head and, in most classes, three rare words that can replace it anywhere.
  Dropping the rare half of the vocabulary therefore drops synonyms of kept words.
* **Labels** follow from the classes of one or two cue words, never from comparing two open-class items:
  models of half a million parameters learn the former in minutes of CPU time and the latter not at all.
* **Lexical split**: task training sets use the even-indexed groups of each class, validation sets mostly
  the odd-indexed ones. Who has not learnt the language from the corpus cannot answer validation questions.
* **Corpus**: one short document per line. Some state facts and synonyms, the others are task-like: about a
  third of these spell out the task's cloze pattern with its answer, the rest say the same in fewer words.

Modules: ``lexicon`` (words and how they are drawn), ``tasks`` (records in the official SuperGLUE layouts),
``cloze`` (a record as the text of its pattern, answer in place), ``corpus`` (documents), ``world`` (files).

From the same words come the texts of encoders and encoder-decoders: ``glue`` (sentences and pairs of
sentences), ``documents`` (with summaries, with translations), ``second_language`` (what they are translated
into), ``text_corpus`` (documents that teach what those tasks need), ``texts`` (files). Causal models get
``skills`` (what is asked, and every good response to it) and ``instructions`` (sets, corpus, files).
Everything hangs on the seed alone: the same seed gives the same bytes on every machine.
"""
