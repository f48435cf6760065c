"""What the letters of the equations mean that are no primitives: sites, masks, indices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """One primitive: its symbol (TeX) and what it means (Markdown)."""

    symbol: str
    meaning: str


SYMBOLS = (
    Entry(r"s, t, (n)", "superscripts: the student, the teacher, the $n$-th of $N$ teachers; those of a pair "
          "are ordered from small to large, those of a chain from the nearest to the largest"),
    Entry(r"L, L'", "layers of the student and the teacher, numbered by $i$ and $j$; 0 are the embeddings"),
    Entry(r"H_i", "hidden state, one vector for each token: what enters block $i + 1$ after its LayerNorm, "
          "so that $H_0$ are the normalised embeddings and $H_L$ is what the final LayerNorm gives"),
    Entry(r"A_i, P_i", "attention of block $i$, for each head one number for each pair of tokens: scores "
          "before the softmax, and probabilities before dropout"),
    Entry(r"Q_i, K_i, V_i", "queries, keys and values of block $i$ before the split into heads"),
    Entry(r"w", r"word logits, at each position; $\mathcal{K}$ as subscript: of the kept words alone"),
    Entry(r"c", "class scores of an example on a task, one for each candidate answer or class"),
    Entry(r"\mathcal{L}_{\mathrm{hard}}", "cross-entropy of the student against the gold words or labels, "
          "mean over rows; it enters once, whatever the teachers"),
    Entry(r"\tilde{H}", "a tilde, over any site: read in the edited pass"),
    Entry(r"x, y", "what is compared: the student's side and the teacher's, vectors of $D$ numbers at "
          "each position"),
    Entry(r"d(x, y)", "a distance by position is averaged over all positions, padding included, "
          "and over rows; one of class scores over examples"),
    Entry(r"\langle d(x, y) \rangle_{\mathrm{m}}", "the same with both sides multiplied by 0 where the mask "
          r"m is false: these positions stay in the mean, with 0, with $\log D$ ($\mathrm{CE}$) or with 1 "
          r"($\mathrm{Cos}$). Masks: valid is what is no padding, predicted where a word is predicted; "
          "shifted is valid moved one position to the right, where a decoder reads a word"),
    Entry(r"\langle d(x, y) \rangle_{\mathrm{m}}^{\mathrm{only}}", "the mean over the positions of the mask"),
    Entry(r"d(x, y \mid \mathrm{m})", "a distance within a batch that relates the positions of the mask"),
    Entry(r"\mathrm{gate}(e; m)", "0 for each example whose loss $e$ is not above $m$, else $e$"),
    Entry(r"u", "share of the run that is done, 0 to 1; schedules are functions of it"),
)  # fmt: skip

_STATES = Entry(
    r"E_i, H_i",
    "hidden states, one vector for each token, of an encoder-decoder's encoder, and of its decoder or of the "
    "only stack: what block $i$ hands on. $E_0$ and $H_0$ are the embeddings; in mBART and T5 the last ones "
    "are normalised and the others are not",
)
TEXT_SYMBOLS = tuple(_STATES if entry.symbol == "H_i" else entry for entry in SYMBOLS)
"""The same for transformers models."""
