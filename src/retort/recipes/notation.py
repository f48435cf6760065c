r"""What the symbols of the equations mean: the formula of each primitive, once.

Texts are Markdown with formulas in ``$``. ``x`` and ``y`` stand for what is compared, the student's and the
teacher's side; the formulas say what the classes of :mod:`retort.distill` compute.
"""

from __future__ import annotations

from retort.distill.edits import ReplaceBlocks, ReplaceSomeBlocks, StandIns, SwapResiduals, SwapTokens
from retort.distill.ensembles import (
    InverseTeacherLoss,
    Mean,
    Policy,
    Reinforce,
    RouteByEntropy,
    RouteToMeans,
    SumOfSurvivors,
)
from retort.distill.layermaps import AllToAll, BlockEnds, Joint, Last, RandomGroup, RandomSubset, Uniform
from retort.distill.lenses import (
    Attend,
    Concat,
    FirstToken,
    Gram,
    Log,
    MeanTokens,
    Project,
    SharedProject,
    Stack,
    Times,
    Unit,
)
from retort.distill.schedules import (
    AfterCurriculum,
    Complement,
    Curriculum,
    Linear,
    MeanOverPairs,
    RampThenOne,
    Scaled,
    Steps,
)
from retort.recipes.distance_notation import DISTANCES, MASKS
from retort.recipes.symbols import Entry
from retort.stages import Compression

LAYERS: dict[type, Entry] = {
    Uniform: Entry(
        r"\sum_i d(x_i, y_{m(i)})",
        "sum over layers. The teacher's layers are cut into $L$ segments of equal length (where $L'$ is no "
        "multiple of $L$, the upper ones are shorter), $m(i)$ is the last layer of the $i$-th, $m(0) = 0$",
    ),
    BlockEnds: Entry(
        r"\sum_i d(x_i, y_{b(i)})",
        "sum over layers. Both models' layers are cut into as many equal blocks as both depths allow; $b(i)$ "
        "are the last layers of the teacher's block in turn, the very last again where the student's has "
        "more; $b(0) = 0$",
    ),
    Last: Entry("d(x_L, y_{L'})", "the last layers of both"),
    AllToAll: Entry(
        r"\sum_i d(x_i, \lbrace y_j \rbrace)", "each layer of the student with all of the teacher at once"
    ),
    Joint: Entry(r"\mathrm{stack}_{i=a}^{b}", "all layers of a range as one thing to compare"),
    RandomSubset: Entry(
        "r(i)", "$L - 1$ of the teacher's layers 1 to $L' - 1$, in order, drawn anew each epoch"
    ),
    RandomGroup: Entry(
        r"\rho, g(\rho)",
        "a layer of the student drawn anew each step, and its segment of the teacher's layers",
    ),
}

LENSES: dict[type, Entry] = {
    Project: Entry(
        r"\Pi, W",
        r"$\Pi(x) = W x + b$ and $W(x) = W x$: trained beside the student, never part of it. Superscripts: "
        "$s$ or $t$ where both sides have one, $(n)$ one for each teacher. Index $i$ or $j$: one for each "
        "layer, else one for all; a digit tells several projections of a stage apart",
    ),
    SharedProject: Entry(r"\Pi", "one such map for all terms of a stage"),
    FirstToken: Entry(r"\mathrm{first}", "the vector of the first token"),
    MeanTokens: Entry(r"\mathrm{mean}", "the mean over all positions, padding included"),
    Unit: Entry(r"\mathrm{unit}", r"$x / \lVert x \rVert$"),
    Times: Entry(r"\varphi \cdot y", "times a schedule"),
    Log: Entry(r"\log", "the logarithm, of probabilities"),
    Gram: Entry(
        r"\mathrm{gram}_k",
        r"$x_v \cdot x_w / \sqrt{d}$ for each pair of tokens in each group of $d$ dimensions; the teacher's "
        "groups have $k$ dimensions and the student has as many groups. No index: the attention heads",
    ),
    Concat: Entry(r"\mathrm{concat}_{i=a}^{b}", "layers side by side, as one longer vector"),
    Stack: Entry(r"\mathrm{stack}_{i=a}^{b}", "layers along a dimension of their own"),
    Attend: Entry(
        r"\sum_j \alpha_{ij} y_j",
        r"$\alpha_{ij} = \mathrm{softmax}_j(x_i \cdot y_j)$: layers of the teacher, mixed by their likeness "
        "to the student's; gradients flow through the weights",
    ),
}

SCHEDULES: dict[type, Entry] = {
    Linear: Entry(r"\mathrm{linear}(a \to b; c)", r"$a + (b - a) \min(1, u / c)$"),
    Steps: Entry(
        r"\mathrm{steps}_n", r"$1 - (\max(1, \lceil n (1 - u) \rceil) - 1) / n$: $1/n$ to 1 in $n$ steps"
    ),
    RampThenOne: Entry(r"\mathrm{ramp}(a; c)", r"$a u$ as long as $u \le c$, then 1"),
    Complement: Entry(r"(1 - \varphi)", "what a schedule leaves of 1"),
    Scaled: Entry(r"a \cdot \varphi", "a schedule times a number"),
    Curriculum: Entry(
        r"\kappa_i(c; p; q)",
        r"one more layer at a time, in phases $f = \min(L + 1, 1 + \lfloor (L + 1) u / c \rfloor)$: 1 for "
        "layer $i = f$, $p$ for those below, 0 for those above; $q$ for all in the last phase, $f = L + 1$",
    ),
    AfterCurriculum: Entry(r"\tau(c)", "1 in the last phase of that curriculum, 0 before"),
    MeanOverPairs: Entry(r"\frac{1}{M}", "one over the number of layer pairs: their sum becomes a mean"),
}

ENSEMBLES: dict[type, Entry] = {
    Mean: Entry(r"\frac{1}{N} \sum_n", "the mean over teachers"),
    SumOfSurvivors: Entry(r"\sum_n z_n", "the sum over teachers, each left out of a step at random"),
    InverseTeacherLoss: Entry(
        r"\sum_n \frac{1}{1 + e_n}", "by example: the better teacher $n$ is on it, the more it counts"
    ),
    Policy: Entry(
        r"\frac{1}{N} \sum_n a_n",
        "by example: a trained policy chooses the teachers. Its probabilities are the sigmoid of an affine "
        "map of what an encoder makes of the first token of each candidate, of the teachers' own losses and "
        "of their class scores",
    ),
    Reinforce: Entry(
        r"\frac{1}{\sum_n a_n} \sum_n a_n", "the same policy, and the mean over the teachers that it chooses"
    ),
    RouteByEntropy: Entry(
        r"\frac{1}{N} \sum_n r_n",
        "by example: the examples of a micro-batch are ranked by the entropy of the student's class "
        "distribution and cut into $N$ bins; the least certain go to the smallest teacher. With fewer "
        "examples than teachers: a mix instead",
    ),
    RouteToMeans: Entry(
        r"\sum_n \frac{B}{B_n} r_n", "the same routes; each teacher's loss is the mean over its own examples"
    ),
}

EDITS: dict[type, Entry] = {
    ReplaceBlocks: Entry(
        r"\mathrm{replace}(p)",
        "each block of the student takes part with probability $p$, else the teacher's segment of layers "
        "stands in its place, through which gradients flow; drawn once for a batch",
    ),
    ReplaceSomeBlocks: Entry(
        r"\mathrm{replace}_{\ge 1}(p)", "the same, drawn again until a block of the student takes part"
    ),
    SwapTokens: Entry(
        r"\mathrm{swap}(r)",
        r"a second pass, in which a span of each row takes the activations that a span of the next row had "
        r"in the first, at $H_\rho$ of the student and $H_j$, $j \in g(\rho)$, of the teacher; its length is "
        "the share $r$ of the shorter row, its places are random and the same in both models",
    ),
    SwapResiduals: Entry(
        r"\mathrm{swap}_{\mathrm{residual}}(r)", "the same exchange in what the blocks hand on to each other"
    ),
    StandIns: Entry(
        r"\mathrm{standins}",
        r"the teacher reads the kept words, too: words outside $\mathcal{K}$ are replaced in its input",
    ),
}

STUDENTS: dict[type, Entry] = {
    Compression: Entry(
        r"\mathcal{K}",
        "vocabulary compression: the commands and answer words and the most frequent words are kept; each "
        "other word is read and predicted as the kept word that is most like it in the pretrained teacher's "
        r"embeddings. The teacher's word distribution is that over $\mathcal{K}$ alone",
    ),
}

SECTIONS: dict[str, dict[type, Entry]] = {
    "Distances": DISTANCES,
    "Words that are chosen": MASKS,
    "Layers": LAYERS,
    "Lenses and fuses": LENSES,
    "Schedules": SCHEDULES,
    "Several teachers": ENSEMBLES,
    "Edits of a pass": EDITS,
    "Vocabulary": STUDENTS,
}
