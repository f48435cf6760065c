"""What the symbols of distances and masks mean: the formula of each, once.

``x`` and ``y`` stand for what is compared, the student's and the teacher's side.
"""

from __future__ import annotations

from retort.distill.alignment import CKA, GatheredCKA
from retort.distill.decoupled import Decoupled
from retort.distill.distances import (
    KL,
    MSE,
    Cosine,
    CosineEmbedding,
    ReverseKL,
    SoftCrossEntropy,
    SumOfSquares,
)
from retort.distill.divergences import (
    AlphaBeta,
    GeneralisedJSD,
    Jeffreys,
    SkewKL,
    SkewReverseKL,
    TotalVariation,
)
from retort.distill.granularities import RowStructure, TokenStructure
from retort.distill.positions import Positions, TokenGroup
from retort.distill.relations import ContrastiveCosine, RelationAngle, RelationKL
from retort.recipes.symbols import Entry

DISTANCES: dict[type, Entry] = {
    KL: Entry(
        r"\mathrm{KL}_T",
        r"$\sum_d p_d (\log p_d - \log q_d)$ with $p = \mathrm{softmax}(y / T)$ and "
        r"$q = \mathrm{softmax}(x / T)$; no index is $T = 1$. Where it is multiplied by $T^2$, the equation "
        "says so",
    ),
    ReverseKL: Entry(
        r"\mathrm{RKL}_T",
        r"$\sum_d q_d (\log q_d - \log p_d)$ with the same $p$ and $q$, and gradients through both",
    ),
    CKA: Entry(
        r"\mathrm{CKA}",
        r"$1 - \lVert X^t Y \rVert / \sqrt{\lVert X^t X \rVert \lVert Y^t Y \rVert}$ in Frobenius norms: "
        "rows of $X$ and $Y$ are the centred vectors at the tokens of a micro-batch that the mask counts, "
        r"$t$ transposes; $\epsilon = 10^{-8}$ is added to each norm below the root. It is 1 minus the root "
        "of linear CKA. With a 2 the fraction is squared, which is 1 minus linear CKA",
    ),
    GatheredCKA: Entry(
        r"\mathrm{CKA}_{\mathrm{all}}",
        "the same of all tokens of the batch, in however many micro-batches it comes",
    ),
    SoftCrossEntropy: Entry(r"\mathrm{CE}_T", r"$- \sum_d p_d \log q_d$ with the same $p$ and $q$"),
    MSE: Entry(r"\mathrm{MSE}", r"$\frac{1}{D} \sum_d (x_d - y_d)^2$"),
    Cosine: Entry(
        r"\mathrm{Cos}",
        r"$1 - \cos(x, y)$ with $\cos(x, y) = x \cdot y / (\lVert x \rVert \lVert y \rVert)$, "
        "0 if a vector is zero",
    ),
    CosineEmbedding: Entry(
        r"\mathrm{Cos}", "the same; at a zero vector its slope is that of `torch.nn.CosineEmbeddingLoss`"
    ),
    SumOfSquares: Entry(
        r"\mathrm{SSE}",
        r"$\sum_b \sum_d (x_{bd} - y_{bd})^2$: summed over the rows $b$ of a micro-batch, too",
    ),
    ContrastiveCosine: Entry(
        r"\mathrm{Contrast}",
        r"mean over rows $b$ of $l (1 - (\bar{g}_b - g_{bb}) / 2 + g_{bb})$: $g_{bj}$ is the mean of "
        r"$1 - \cos(x_b, y_j)$ over the $l$ stacked layers and all positions of rows $b$ and $j$, "
        r"$\bar{g}_b$ its mean over the other rows $j$ of the micro-batch",
    ),
    RelationKL: Entry(
        r"\mathrm{Rel}",
        r"$\frac{1}{Z} \sum p_{vw} (\log p_{vw} - \log q_{vw})$ over pairs $v \ne w$ of tokens of a row in "
        r"each layer, or of layers at each token; $p_{vw}$ is the softmax over $w$ of $\cos(y_v, y_w)$, "
        r"$q_{vw}$ that of $\cos(x_v, x_w)$, and $Z$ counts all pairs, $v = w$ included",
    ),
    RelationAngle: Entry(
        r"\mathrm{Angle}",
        r"mean of $(\cos(x_v - x_o, x_w - x_o) - \cos(y_v - y_o, y_w - y_o))^2$ over all $o$, $v$, $w$: "
        "tokens $o$ with $v$ and $w$ in a window around them (its width is the second index; at the ends of "
        "a row the outermost token repeats), or layers at each token",
    ),
    TokenStructure: Entry(
        r"\mathrm{Tok}_{h,k,l}",
        r"mean over pairs of tokens $v$, $w$ of a row and $h$ groups of dimensions of "
        r"$(e_{vw}(x) - e_{vw}(y))^2$, where $e_{vw}(x) = x_v \cdot x_w / \sqrt{d}$ in the $d$ dimensions of "
        r"a group; plus the mean smooth L1 difference of $\cos(x_o - x_v, x_o - x_w)$ and "
        "the same of $y$, at the $k$ tokens $o$ that matter most to their row in the teacher and among the "
        r"$l$ tokens $v$, $w$ that matter most to $o$. $\mathrm{spans}_r(x)$: means of random spans, $r S$ "
        "in a row of $S$ tokens, in their place",
    ),
    RowStructure: Entry(
        r"\mathrm{Row}_h",
        r"mean smooth L1 difference of $\cos(\bar{x}_v - \bar{x}_o, \bar{x}_w - \bar{x}_o)$ and the same of "
        r"$y$ over all triples of rows of a micro-batch in $h$ groups of dimensions; $\bar{x}_o$ is the mean "
        "of the tokens of row $o$",
    ),
    Decoupled: Entry(
        r"\mathrm{TKD}, \mathrm{DKD}",
        r"KL taken apart at the word $g$ that stands in the text, with $p = \mathrm{softmax}(y)$ and $q = "
        r"\mathrm{softmax}(x)$: $\mathrm{TKD} = p_g \log \frac{p_g}{q_g} + (1 - p_g) \log \frac{1 - p_g}{1 - "
        r"q_g}$, and $\mathrm{DKD}$ is the divergence of the other words among themselves, $\sum_{d \ne g} "
        r"\hat{p}_d \log \frac{\hat{p}_d}{\hat{q}_d}$ with $\hat{p}_d = p_d / (1 - p_g)$. KL is "
        r"$\mathrm{TKD} + (1 - p_g) \mathrm{DKD}$. RTKD and RDKD: with $p$ and $q$ swapped",
    ),
    TotalVariation: Entry(r"\mathrm{TV}", r"$\frac{1}{2} \sum_d \lvert p_d - q_d \rvert$"),
    GeneralisedJSD: Entry(
        r"\mathrm{JSD}_{\beta}",
        r"$\beta \sum_d p_d \log \frac{p_d}{m_d} + (1 - \beta) \sum_d q_d \log \frac{q_d}{m_d}$ with "
        r"$m = \beta p + (1 - \beta) q$; KL at $\beta = 0$, RKL at $\beta = 1$",
    ),
    Jeffreys: Entry(
        r"\mathrm{Jeffreys}_a", r"$a \mathrm{KL} + (1 - a) \mathrm{RKL}$, which no mixture keeps bounded"
    ),
    SkewKL: Entry(r"\mathrm{SKL}_{\alpha}", r"KL of $p$ from $\alpha p + (1 - \alpha) q$"),
    SkewReverseKL: Entry(r"\mathrm{SRKL}_{\alpha}", r"KL of $q$ from $(1 - \alpha) p + \alpha q$"),
    AlphaBeta: Entry(
        r"\mathrm{AB}_{\alpha,\beta}",
        r"$\frac{1}{\alpha \beta} \sum_d (\frac{\alpha p_d^{\alpha + \beta} + \beta q_d^{\alpha + \beta}}"
        r"{\alpha + \beta} - p_d^{\alpha} q_d^{\beta})$, and its limits at 0: KL at (1, 0), RKL at (0, 1)",
    ),
}

MASKS: dict[type, Entry] = {
    Positions: Entry(
        r"\langle d(x, y) \rangle_{\mathrm{predicted}, \mathrm{ignored}}",
        "the words that are to be predicted, or all others. An index says more: micro or row: the mean over "
        "the words of each micro-batch or row, then over these by their rows; first: with the word before "
        "them; unended: without the last of each row",
    ),
    TokenGroup: Entry(
        r"\langle d(x, y) \rangle_{\mathrm{hard}_k}, \langle d(x, y) \rangle_{\mathrm{easy}_k}",
        r"the mean over the $k$ percent of the words to be predicted that have the highest uncertainty, "
        r"$1 - p_g$ of the teacher, among those of the whole batch; and over the others. all: both sums over "
        "the number of all words; median: hard from the lower median on. A group without words counts 0",
    ),
}
